//! Scenarios: the real operator, a real control plane, a simulated cloud. Does the shell keep the order of effects, tell
//! the truth in the status, and fall silent afterwards? One file a theme.

mod anew;
mod deletion;
mod doubt;
mod late;
mod person;
mod process;
mod schedules;
mod states;
mod status;
mod success;
mod turns;

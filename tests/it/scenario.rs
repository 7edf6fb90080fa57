//! Scenarios: the real operator, a real control plane, a simulated cloud. Does the shell keep the order of effects, tell
//! the truth in the status, and fall silent afterwards? One file a theme.

mod anew;
mod clock;
mod deletion;
mod doubt;
mod late;
mod live;
mod person;
mod process;
mod promises;
mod refused;
mod schedules;
mod states;
mod status;
mod success;
mod told;
mod turns;

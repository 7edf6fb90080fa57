//! The Helm chart as its users meet it: the real helm, the real API server, and the program run as its Deployment says.
//!
//! It has a control plane of its own, for the chart installs cluster-wide things, and one that writes down who asked for
//! what. helm, kubeconform and the definitions of the Prometheus operator come from `tools/`, which makes what is missing
//! or says in a sentence what it needs; then these tests fail, for a chart that nothing has rendered is not tested.

mod accepted;
mod deployed;
mod files;
mod names;
mod notes;
mod plane;
mod published;
mod release;
mod rights;
mod schemas;
mod table;
mod tools;
mod values;

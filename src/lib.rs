//! Backups of TencentDB for SQL Server, taken by a Kubernetes operator.

pub mod api;
pub mod controller;
pub mod core;
pub mod run;
pub mod runtime;
pub mod tencent;

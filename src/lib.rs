//! Backups of TencentDB for SQL Server, taken by a Kubernetes operator.

pub mod api;
pub mod core;
pub mod runtime;
pub mod tencent;
pub mod runtime;

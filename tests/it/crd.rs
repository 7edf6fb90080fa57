//! Golden: the definitions in `crds/` are those that the program prints.

use crate::golden;
use sqlserver_backup_operator::api;

#[test]
fn the_committed_definitions_are_the_generated_ones() {
    golden::compare("crds/sqlserverbackups.tencentdb.dev.yaml", &api::yaml().unwrap());
}

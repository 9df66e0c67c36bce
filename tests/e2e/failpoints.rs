//! What is shipped can not be told to die.

use std::fs;

use crate::system::binary;

#[test]
fn the_binaries_have_no_failpoints() {
    for name in ["jobflow-server", "jobflow-worker"] {
        let program = fs::read(binary(name)).unwrap();
        let program = String::from_utf8_lossy(&program);
        let is_read = program.contains("JOBFLOW_REDIS_URL");
        assert!(is_read, "{name} names its settings");
        let has_points = program.contains("JOBFLOW_FAILPOINT");
        assert!(!has_points, "{name} can be told to die");
    }
}

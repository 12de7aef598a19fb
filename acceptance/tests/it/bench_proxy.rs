//! The benchmark of the proxy, in its shortest form: what is measured is looked at by nobody, that it can be is.

use std::process::Command;

/// Without these there is nothing to measure with.
const TOOLS: [&str; 2] = ["taskset", "wrk"];

#[test]
fn every_proxy_that_is_installed_does_the_work_that_is_measured() {
    let lacks = |tool: &&&str| Command::new(**tool).arg("--version").output().is_err();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some(tool) = TOOLS.iter().find(lacks) {
        eprintln!("skipped: {tool} is not installed");
        return;
    }
    if cores < 2 {
        eprintln!("skipped: one core is for the proxy, and another for the load");
        return;
    }

    let output = Command::new(env!("CARGO_BIN_EXE_tollgate-bench"))
        .args(["proxy", "rounds=1", "seconds=1", "keys=10", "dry"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);

    assert!(output.status.success(), "{text}");
    for name in ["tollgate", "bare hyper"] {
        assert!(text.contains(&format!("\n| {name} | ")), "{text}");
    }
}

//! What the tests themselves say when something is missing.

use std::process::Command;

/// A test that needs openssl and no broker.
const TEST: &str = "mqtt_tls::files_that_are_no_good_are_named";

/// These tests, where no program can be found.
fn without_programs(ci: &str) -> (bool, String) {
    let runner = std::env::current_exe().expect("the tests are a program");
    let mut tests = Command::new(runner);
    tests.args(["--exact", TEST]).env("PATH", "").env("CI", ci);
    let output = tests.output().expect("it can be run again");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_test_that_leaves_itself_out_says_so_past_the_runner_and_fails_in_ci() {
    let (is_success, said) = without_programs("");
    assert!(is_success, "{said}");
    let line = "skipped: files_that_are_no_good_are_named: no openssl";
    assert!(said.lines().any(|it| it == line), "{said}");
    let (is_success, _) = without_programs("1");
    assert!(!is_success, "a missing tool is a failure there");
}

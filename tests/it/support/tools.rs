//! Programs that the tests need, and what is said where one is missing.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where Debian keeps daemons, and where only root's PATH leads.
const OF_DAEMONS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// Says that a test leaves itself out. With `CI=1` that is a failure.
pub fn skip(test: &str, why: &str) {
    assert!(!is_ci(), "{test} must not be left out: {why}");
    say(&format!("skipped: {test}: {why}"));
}

/// Says something past the test runner, which keeps what a passing test prints to itself.
pub fn say(line: &str) {
    // The runner may be in the middle of a line of its own.
    writeln!(std::io::stderr(), "\n{line}").expect("standard error is open");
}

/// Whether this is the run before a change is taken, where nothing may be missing.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "1" || ci == "true")
}

/// Whether a program is there; where not, the test says that it leaves itself out.
pub fn has(program: &str, test: &str) -> bool {
    let is_there = is_installed(program);
    if !is_there {
        skip(test, &format!("no {program}"));
    }
    is_there
}

/// Whether a program can be run at all.
pub fn is_installed(program: &str) -> bool {
    let mut asked = command(program);
    asked.arg("-h").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok()
}

/// A command of a program that is in the PATH, or where daemons are.
pub fn command(program: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    let of_daemons = OF_DAEMONS.iter().map(|folder| Path::new(folder).join(program));
    match of_daemons.into_iter().find(|file| file.exists()) {
        Some(file) if !in_path => Command::new(file),
        _ => Command::new(OsStr::new(program)),
    }
}

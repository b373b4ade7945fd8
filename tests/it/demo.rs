//! `oc2 demo`, as somebody who has just built it starts it.

mod gateway;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest time from Ctrl-C to the end.
const GOODBYE: Duration = Duration::from_secs(2);

/// With a folder for temporary files of its own, so that what it leaves behind can be seen.
fn demo(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oc2"));
    command.arg("demo").args(words).env("TMPDIR", folder).env("XDG_STATE_HOME", folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_tour_ends_well_and_shows_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } =
        demo(folder.path(), &["--tour", "--port", "0"]).output().unwrap();
    let shown = text(&stdout);
    assert_eq!(status.code(), Some(0), "{shown}{}", text(&stderr));
    for line in [
        "  broker     mqtt://127.0.0.1:",
        "  consumers  demo-house   x-iot, x-demo  plug, lamp, heater, diary",
        " 3  Switch the plug on.",
        "    the plug is {\"POWER1\":\"ON\",\"POWER2\":\"OFF\"}",
        "    400  demo-plug",
        "    501  demo-house",
        "All 10 commands ended as they should, in ",
    ] {
        assert!(shown.lines().any(|it| it.starts_with(line)), "{line}\n{shown}");
    }
    assert_eq!(text(&stderr), "");
    assert!(is_empty(folder.path()));
}

#[test]
fn the_commands_that_it_prints_work_as_they_are_and_ctrl_c_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &["--port", "0"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let oc2 = env!("CARGO_BIN_EXE_oc2");
    let mut printed = Vec::new();
    while let Some(line) = lines.next()
        && !line.starts_with("Ctrl-C")
    {
        printed.push(line);
    }
    let to_paste: Vec<_> = printed
        .iter()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|it| it.starts_with(oc2))
        .collect();
    assert_eq!(to_paste.len(), 3, "{printed:#?}");
    for line in to_paste {
        // The shell of whoever pastes it.
        let answer =
            Command::new("sh").args(["-c", line]).env("XDG_STATE_HOME", folder.path()).output();
        let Output { status, stdout, stderr } = answer.unwrap();
        assert_eq!(status.code(), Some(0), "{line}: {}", text(&stderr));
        assert!(text(&stdout).contains(" 200 "), "{line}: {}", text(&stdout));
    }

    let asked = Instant::now();
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(asked.elapsed() < GOODBYE, "{:?}", asked.elapsed());
    std::fs::remove_dir_all(folder.path().join("openc2-bridge")).unwrap();
    assert!(is_empty(folder.path()), "but for what the commands themselves keep");
}

#[test]
fn a_port_that_is_taken_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let Output { status, stdout, stderr } =
        demo(folder.path(), &["--port", &port]).output().unwrap();
    assert_eq!(status.code(), Some(69));
    assert_eq!(text(&stdout), "");
    let told = text(&stderr);
    assert_eq!(told.lines().count(), 1, "{told}");
    let place = format!(
        "oc2: the embedded broker cannot listen on 127.0.0.1:{port}: Address already in use"
    );
    assert!(told.starts_with(&place) && told.contains("--port 0"), "{told}");
    assert!(is_empty(folder.path()));
}

fn signal(child: &Child, which: &str) {
    let sent = Command::new("kill").args([which, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

//! `oc2 demo --gateway`: a POST with curl is answered by three devices.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use super::{demo, is_empty, signal, text};
use crate::support::tools;

/// On ports that nobody else has.
const ANYWHERE: [&str; 5] = ["--gateway", "--port", "0", "--https-port", "0"];

#[test]
fn the_tour_of_the_gateway_ends_well_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stdout, stderr } =
        demo(folder.path(), &[&ANYWHERE[..], &["--tour"]].concat()).output().unwrap();
    let shown = text(&stdout);
    assert_eq!(status.code(), Some(0), "{shown}{}", text(&stderr));
    for line in [
        "  gateway    https://127.0.0.1:",
        "    refused: ",
        " 2  With one: one POST, three devices on MQTT, one response.",
        "    POST /.well-known/openc2  Prefer: wait=20",
        "    to demo-plug, demo-lamp, demo-heater: {\"action\":\"set\"",
        "    HTTP 200 ",
        "    200  demo-plug     {\"x-iot\":{\"state\":\"on\"",
        "    501  demo-plug ",
        "    the lamp is {\"state\":\"OFF\"",
        "    HTTP 202 ",
        "    response  demo-heater  200",
        "    done      200  3 of 3 answered in time",
        "All 10 requests ended as they should, in ",
    ] {
        assert!(shown.lines().any(|it| it.starts_with(line)), "{line}\n{shown}");
    }
    assert_eq!(text(&stderr), "");
    assert!(is_empty(folder.path()), "{}", text(&stdout));
}

/// The demo, with what it printed.
struct Running {
    child: Child,
    commands: Vec<String>,
    /// Keeps the pipe open: what the log says goes elsewhere.
    _lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut child = demo(folder, &ANYWHERE).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.lines().last().is_some_and(|line| line.starts_with("Ctrl-C")) {
            assert!(lines.read_line(&mut printed).unwrap() > 0, "{printed}");
        }
        let from = printed.find("Try in another terminal").expect("they are announced");
        // Each a paragraph that is indented.
        let commands = printed[from..].split("\n\n").filter(|it| it.starts_with("  "));
        let commands = commands.map(str::to_owned).collect();
        Self { child, commands, _lines: lines }
    }

    /// In the shell of whoever pastes it, as it stands there.
    fn paste(&self, number: usize, folder: &Path) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-c", &self.commands[number]]);
        // curl asks no proxy for what is on this machine.
        shell.env("no_proxy", "127.0.0.1").env("XDG_STATE_HOME", folder).env("HOME", folder);
        let Output { status, stdout, stderr } = shell.output().unwrap();
        let (out, err) = (text(&stdout), text(&stderr));
        assert_eq!(status.code(), Some(0), "{}\n{out}{err}", self.commands[number]);
        out.to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What is printed is pasted into a shell, as it stands there.
#[test]
fn a_post_with_curl_is_answered_by_three_devices_and_no_key_is_left() {
    let test = "a_post_with_curl_is_answered_by_three_devices_and_no_key_is_left";
    if !tools::has("curl", test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path());
    assert_eq!(running.commands.len(), 3, "{:#?}", running.commands);

    let message: Value = serde_json::from_str(&running.paste(0, folder.path())).unwrap();
    let response = &message["body"]["openc2"]["response"];
    assert_eq!(response["status_text"], "3 of 3 answered in time");
    let responses = response["results"]["x-oc2b"]["responses"].as_array().unwrap();
    let mut said: Vec<_> = responses
        .iter()
        .map(|it| {
            (it["from"].clone(), it["status"].clone(), it["results"]["x-iot"]["state"].clone())
        })
        .collect();
    said.sort_by_key(|(from, ..)| from.to_string());
    let is_on = |id: &str| (json!(id), json!(200), json!("on"));
    assert_eq!(said, ["demo-heater", "demo-lamp", "demo-plug"].map(is_on));

    let events = running.paste(1, folder.path());
    let names: Vec<_> = events.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["accepted", "response", "response", "response", "done"], "{events}");

    let printed = running.paste(2, folder.path());
    assert_eq!(printed.lines().filter(|line| line.contains(" 200 ")).count(), 3, "{printed}");

    // Keys are for whoever started it, and for nobody once it has ended.
    let keys = keys_below(folder.path());
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().all(|(_, mode)| *mode == 0o600), "{keys:?}");
    // Twice, and in haste.
    signal(&running.child, "-INT");
    signal(&running.child, "-INT");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    assert!(keys_below(folder.path()).is_empty());
}

/// A terminal that goes away ends it as Ctrl-C does.
#[test]
fn no_key_is_left_when_the_terminal_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = Running::start(folder.path());
    assert_eq!(keys_below(folder.path()).len(), 2);
    signal(&running.child, "-HUP");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    assert!(is_empty(folder.path()));
}

/// Files that hold a private key, whatever their names, with who may read them.
fn keys_below(folder: &Path) -> Vec<(std::path::PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(keys_below(&path));
        } else if fs::read(&path)
            .is_ok_and(|it| String::from_utf8_lossy(&it).contains("PRIVATE KEY"))
        {
            found.push((path, entry.metadata().unwrap().permissions().mode() & 0o777));
        }
    }
    found
}

#[test]
fn an_https_port_that_is_taken_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let words = ["--gateway", "--port", "0", "--https-port", &port];
    let Output { status, stdout, stderr } = demo(folder.path(), &words).output().unwrap();
    assert_eq!((status.code(), text(&stdout)), (Some(69), ""));
    let told = text(&stderr);
    let place = format!(
        "oc2: the gateway failed: the HTTPS door: cannot listen on 127.0.0.1:{port}: Address already in use"
    );
    assert!(told.starts_with(&place) && told.contains("--https-port 0"), "{told}");
    assert!(is_empty(folder.path()));
}

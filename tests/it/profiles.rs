//! docs/profiles.md, followed step by step as it stands there.

use std::path::Path;
use std::process::Command;

use crate::source;
use crate::support::bridge::Bridge;
use crate::support::broker;

/// A piece of the page that is to be done.
#[derive(Debug, PartialEq)]
enum Step {
    /// Save this text under this name.
    Save { name: String, text: String },
    /// Type this, and read that.
    Type { command: String, output: Vec<String> },
}

/// The code blocks of a page: what stands after "Save this as `name`:", and consoles.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut name = None;
    while let Some(line) = lines.next() {
        if let Some(rest) = line.strip_prefix("Save this as `") {
            name = rest.strip_suffix("`:").map(str::to_owned);
        }
        let Some(language) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language == "console" {
            for line in block {
                if let Some(command) = line.strip_prefix("$ ") {
                    steps.push(Step::Type { command: command.to_owned(), output: Vec::new() });
                } else if let Some(Step::Type { output, .. }) = steps.last_mut() {
                    output.push(line.to_owned());
                }
            }
        } else {
            let name = name.take().unwrap_or_else(|| panic!("where does this go? {block:?}"));
            steps.push(Step::Save { name, text: block.join("\n") + "\n" });
        }
    }
    steps
}

/// A line without what differs from one run to the next: how long it took.
fn lasting(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut kept = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_time = word.parse::<f64>().is_ok() && words.get(at + 1) == Some(&"ms");
        kept.push(if is_time { "TIME" } else { word });
    }
    kept.join(" ")
}

struct Reader {
    bridge: Bridge,
    broker_url: String,
    is_running: bool,
}

impl Reader {
    fn save(&self, name: &str, text: &str) {
        let path = self.bridge.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn types(&mut self, command: &str, output: &[String]) {
        match command {
            "oc2 run" => {
                self.bridge.run();
                self.is_running = true;
            }
            "kill -HUP \"$(pidof oc2)\"" => {
                assert!(self.is_running);
                self.bridge.signal("HUP");
                self.bridge.wait_for("topics.toml was read again");
            }
            _ => self.runs(command, output),
        }
    }

    /// In a shell, as people do.
    fn runs(&self, command: &str, output: &[String]) {
        let binary = Path::new(env!("CARGO_BIN_EXE_oc2")).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let ran = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.bridge.dir())
            .env_clear()
            .env("PATH", format!("{binary}:{path}"))
            .env("OC2_BROKER", &self.broker_url)
            .env("XDG_STATE_HOME", self.bridge.path("state"))
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
        let printed: Vec<String> = printed.lines().map(lasting).collect();
        let expected: Vec<String> = output.iter().map(|line| lasting(line)).collect();
        assert_eq!(printed, expected, "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn the_page_about_profiles_leads_to_a_thermostat_that_works() {
    let test = "the_page_about_profiles_leads_to_a_thermostat_that_works";
    let Some(broker) = broker::private_broker(test, "allow_anonymous true\n") else { return };
    let page = std::fs::read_to_string(source::root().join("docs/profiles.md")).unwrap();
    let broker_url = format!("mqtt://127.0.0.1:{}", broker.port());
    let mut reader =
        Reader { bridge: Bridge::prepare(&broker_url, "", ""), broker_url, is_running: false };
    let journal = std::fs::read_to_string(reader.bridge.path("bridge.toml")).unwrap();
    let (mut saved, mut typed) = (0, 0);
    for step in steps(&page) {
        match step {
            // The bridge of this test has a journal of its own.
            Step::Save { name, text } if name == "bridge.toml" => {
                reader.save(&name, &format!("{text}{journal}"));
                saved += 1;
            }
            Step::Save { name, text } => {
                reader.save(&name, &text);
                saved += 1;
            }
            Step::Type { command, output } => {
                reader.types(&command, &output);
                typed += 1;
            }
        }
    }
    assert_eq!((saved, typed), (4, 14));
    assert!(reader.bridge.terminate().success());
}

#[test]
fn the_blocks_of_a_page_are_found() {
    let page = "Save this as `a/b`:\n\n```json\n{}\n```\nand\n```console\n$ ls\na\n$ cd\n```\n";
    let typed = |command: &str, output: &[&str]| Step::Type {
        command: command.to_owned(),
        output: output.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(
        steps(page),
        [
            Step::Save { name: "a/b".to_owned(), text: "{}\n".to_owned() },
            typed("ls", &["a"]),
            typed("cd", &[]),
        ]
    );
    assert_eq!(lasting("home   200   1.6 ms  x"), "home 200 TIME ms x");
}

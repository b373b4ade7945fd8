//! What README.md tells people to type and to read. That its `oc2` commands do what
//! it says is in operations/samples.rs.

use std::fs;

use crate::source;

/// Commands in the README that other tests or `make` itself run: beginnings.
const ELSEWHERE: [&str; 8] = [
    "cargo run --release -- demo",
    "cargo build --release",
    "export PATH=",
    "mkdir -p data && mosquitto -c broker/mosquitto.conf",
    "oc2 run --config bridge.toml --topics topics.toml",
    "docker compose up",
    "make ",
    "mosquitto_rr ",
];

fn text(file: &str) -> String {
    fs::read_to_string(source::root().join(file)).unwrap()
}

/// Lines that begin with `$ ` or are a block of nothing but commands.
fn commands(markdown: &str) -> Vec<String> {
    let shown = markdown.lines().filter_map(|line| line.strip_prefix("$ "));
    shown.map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_readme_is_known_to_a_test() {
    let readme = text("README.md");
    let commands = commands(&readme);
    assert!(commands.len() >= 8, "{commands:?}");
    for command in &commands {
        let is_oc2 = ["oc2 send ", "oc2 query ", "oc2 check", "oc2 journal "]
            .iter()
            .any(|tool| command.starts_with(tool));
        let is_elsewhere = ELSEWHERE.iter().any(|known| command.starts_with(known));
        assert!(is_oc2 || is_elsewhere, "no test knows of {command:?}");
    }
    let makefile = text("Makefile");
    for target in commands.iter().filter_map(|command| command.strip_prefix("make ")) {
        let target = target.split_whitespace().next().unwrap();
        assert!(makefile.contains(&format!("\n{target}: ")), "no `make {target}`");
    }
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "docs/cli.md",
        "docs/configuration.md",
        "docs/profiles.md",
    ] {
        let text = text(page);
        let folder = source::root().join(page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1) {
            let link = link.split([')', '#']).next().unwrap();
            if link.is_empty() || link.contains("://") {
                continue;
            }
            assert!(folder.join(link).exists(), "{page}: {link}");
        }
    }
}

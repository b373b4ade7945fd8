//! The actuator of these tests: `probe.sh`, which does what it is told.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use super::bridge::Bridge;
use super::scene::Scene;

const PROGRAM: &str = include_str!("probe.sh");

/// An actuator table of topics.toml that runs the probe, to end in these further lines.
pub fn actuator(name: &str, profile: &str, further: &str) -> String {
    format!(
        r#"
[actuator.{name}]
kind = "exec"
profile = "{profile}"
pairs = {{ set = ["x-probe:act"], query = ["properties"] }}
command = ["{{dir}}/probe", "{{dir}}"]
allow-root = true
{further}
"#
    )
}

/// Puts the program, and the gate at which it waits, into the bridge's folder.
pub fn install(scene: &Scene) -> Gate {
    install_in(&scene.bridge)
}

/// The same, of a bridge that is not the scene's.
pub fn install_in(bridge: &Bridge) -> Gate {
    bridge.program("probe", PROGRAM);
    Gate::make(&bridge.path("gate"))
}

/// `set x-probe:act`, done by whoever has this profile.
pub fn act(what: &str, profile: &str) -> Json {
    json!({"action": "set", "target": {"x-probe:act": {"do": what}}, "actuator": {profile: {}}})
}

/// How often the probe has done this.
pub fn acts(scene: &Scene, what: &str) -> usize {
    acts_in(&scene.bridge, what)
}

/// The same, of a bridge that is not the scene's.
pub fn acts_in(bridge: &Bridge, what: &str) -> usize {
    let acts = std::fs::read_to_string(bridge.path("acts")).unwrap_or_default();
    acts.lines().filter(|act| *act == what).count()
}

/// Where the probe waits until it is let through.
pub struct Gate(File);

impl Gate {
    fn make(path: &Path) -> Self {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        // Open in both directions, so that neither side waits for the other.
        Self(File::options().read(true).write(true).open(path).unwrap())
    }

    /// Lets one pass, now or when it comes.
    pub fn let_one_pass(&mut self) {
        self.0.write_all(b"\n").unwrap();
    }
}

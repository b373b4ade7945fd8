//! An actuator that stays: `mode = "stream"` in Rust, and nothing but the grammar.
//!
//! It answers every command with 200 and does nothing. `docs/actuators.md` has the grammar; put
//! what the command is to do where the comment says so.
//!
//! ```toml
//! [actuator.example]
//! kind = "exec"
//! mode = "stream"
//! profile = "x-example"
//! pairs = { deny = ["ipv4_connection"] }
//! command = ["/usr/local/lib/oc2/stream_actuator"]
//! ```

use std::io::{self, BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};

/// What the bridge says. Members that are not named here are passed over.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum FromBridge {
    Hello,
    Command { id: String, command: Value },
    Cancel,
    Ping,
}

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = String::new();
    // Ends when the bridge closes its end.
    while input.read_line(&mut line)? > 0 {
        let answer = match serde_json::from_str(&line)? {
            FromBridge::Hello => Some(json!({ "type": "ready", "v": 1 })),
            FromBridge::Command { id, command } => {
                let response = carry_out(&command);
                Some(json!({ "type": "response", "id": id, "response": response }))
            }
            // Every command is answered before the next line is read: there is none to give up.
            FromBridge::Cancel => None,
            FromBridge::Ping => Some(json!({ "type": "pong" })),
        };
        if let Some(answer) = answer {
            // One write a line: standard output is not flushed before a line ends.
            output.write_all(format!("{answer}\n").as_bytes())?;
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

/// What stands in `body.openc2.response`.
fn carry_out(command: &Value) -> Value {
    match command["action"].as_str() {
        // Here it would happen.
        Some(_) => json!({ "status": 200 }),
        None => json!({ "status": 400, "status_text": "a command has an action" }),
    }
}

//! A plug with the Tasmota firmware.
//!
//! Its convention is in Tasmota's own documentation, "MQTT" and "Commands":
//! `cmnd/<topic>/POWER<n>` in, `stat/<topic>/RESULT` and `stat/<topic>/POWER<n>` out.

use serde_json::json;

use super::{Device, Publish, Snapshot, on_off};

/// A plug with one relay or several.
///
/// With one relay it answers `POWER`, with several `POWER1`, `POWER2` and so on, as Tasmota does.
#[derive(Clone, Debug)]
pub struct TasmotaPlug {
    topic: String,
    relays: Vec<bool>,
    acts: u64,
}

/// What a payload of `POWER` asks for.
#[derive(Clone, Copy)]
enum Order {
    Switch(bool),
    Toggle,
    Show,
}

impl TasmotaPlug {
    /// A plug with all its relays off. At least one relay.
    #[must_use]
    pub fn new(topic: impl Into<String>, relays: usize) -> Self {
        Self { topic: topic.into(), relays: vec![false; relays.max(1)], acts: 0 }
    }

    fn stat(&self, name: &str, payload: impl Into<String>) -> Publish {
        Publish::new(format!("stat/{}/{name}", self.topic), payload)
    }

    fn lwt(&self, payload: &str) -> Publish {
        Publish::retained(format!("tele/{}/LWT", self.topic), payload)
    }

    fn name(&self, relay: usize) -> String {
        if self.relays.len() == 1 { "POWER".to_owned() } else { format!("POWER{}", relay + 1) }
    }

    /// The relay that `POWER<n>` means: the first where there is no number.
    fn relay(&self, number: &str) -> Option<usize> {
        let number = if number.is_empty() { 1 } else { number.parse::<usize>().ok()? };
        number.checked_sub(1).filter(|relay| *relay < self.relays.len())
    }

    fn obey(&mut self, relay: usize, order: Order) {
        let is_on = match order {
            Order::Switch(is_on) => is_on,
            Order::Toggle => !self.relays[relay],
            Order::Show => return,
        };
        self.relays[relay] = is_on;
        self.acts += 1;
    }
}

impl Device for TasmotaPlug {
    fn client_id(&self) -> String {
        format!("sim-{}", self.topic)
    }

    fn filters(&self) -> Vec<String> {
        vec![format!("cmnd/{}/#", self.topic)]
    }

    fn announce(&self) -> Vec<Publish> {
        vec![self.lwt("Online")]
    }

    fn will(&self) -> Publish {
        self.lwt("Offline")
    }

    fn handle(&mut self, topic: &str, payload: &[u8]) -> Vec<Publish> {
        let Some(command) = topic.strip_prefix(&format!("cmnd/{}/", self.topic)) else {
            return Vec::new();
        };
        // Tasmota does not mind the case of commands.
        let command = command.to_ascii_uppercase();
        let relay = command.strip_prefix("POWER").and_then(|number| self.relay(number));
        let Some(relay) = relay else {
            return vec![self.stat("RESULT", json!({ "Command": "Unknown" }).to_string())];
        };

        self.obey(relay, order(payload));

        let name = self.name(relay);
        let state = on_off(self.relays[relay]);
        vec![
            self.stat("RESULT", json!({ name.as_str(): state }).to_string()),
            self.stat(&name, state),
        ]
    }

    fn snapshot(&self) -> Snapshot {
        let relays = self.relays.iter().enumerate();
        let state = relays.map(|(relay, is_on)| (self.name(relay), on_off(*is_on).into()));
        Snapshot { state: serde_json::Value::Object(state.collect()), acts: self.acts }
    }
}

/// Tasmota shows the state for an empty payload, and for what it does not understand.
fn order(payload: &[u8]) -> Order {
    match String::from_utf8_lossy(payload).trim().to_ascii_uppercase().as_str() {
        "ON" | "1" | "TRUE" => Order::Switch(true),
        "OFF" | "0" | "FALSE" => Order::Switch(false),
        "TOGGLE" | "2" => Order::Toggle,
        _ => Order::Show,
    }
}

#[cfg(test)]
mod tests {
    use super::TasmotaPlug;
    use crate::demo::devices::{Device, Publish};

    #[test]
    fn a_plug_with_two_relays_answers_as_tasmota_does() {
        let mut plug = TasmotaPlug::new("desk", 2);
        #[rustfmt::skip]
        let orders = [
            // topic               payload   RESULT                      then                      acts
            ("cmnd/desk/POWER1",   "ON",     r#"{"POWER1":"ON"}"#,       Some(("POWER1", "ON")),   1),
            ("cmnd/desk/POWER1",   "on",     r#"{"POWER1":"ON"}"#,       Some(("POWER1", "ON")),   2),
            ("cmnd/desk/POWER2",   "",       r#"{"POWER2":"OFF"}"#,      Some(("POWER2", "OFF")),  2),
            ("cmnd/desk/POWER2",   "TOGGLE", r#"{"POWER2":"ON"}"#,       Some(("POWER2", "ON")),   3),
            ("cmnd/desk/power",    "0",      r#"{"POWER1":"OFF"}"#,      Some(("POWER1", "OFF")),  4),
            ("cmnd/desk/POWER2",   "maybe",  r#"{"POWER2":"ON"}"#,       Some(("POWER2", "ON")),   4),
            ("cmnd/desk/POWER3",   "ON",     r#"{"Command":"Unknown"}"#, None,                     4),
            ("cmnd/desk/POWER1x",  "ON",     r#"{"Command":"Unknown"}"#, None,                     4),
            ("cmnd/desk/EXPLODE",  "now",    r#"{"Command":"Unknown"}"#, None,                     4),
        ];

        for (topic, payload, result, then, acts) in orders {
            let mut expected = vec![Publish::new("stat/desk/RESULT", result)];
            if let Some((name, state)) = then {
                expected.push(Publish::new(format!("stat/desk/{name}"), state));
            }
            assert_eq!(plug.handle(topic, payload.as_bytes()), expected, "{topic} {payload}");
            assert_eq!(plug.snapshot().acts, acts, "{topic} {payload}");
        }
    }

    #[test]
    fn a_plug_with_one_relay_leaves_the_number_out() {
        let mut plug = TasmotaPlug::new("desk", 1);
        let expected = [
            Publish::new("stat/desk/RESULT", r#"{"POWER":"ON"}"#),
            Publish::new("stat/desk/POWER", "ON"),
        ];
        assert_eq!(plug.handle("cmnd/desk/POWER1", b"ON"), expected);
        assert_eq!(plug.handle("cmnd/desk/POWER", b""), expected);
    }

    #[test]
    fn orders_for_other_plugs_are_none_of_its_business() {
        assert_eq!(TasmotaPlug::new("desk", 1).handle("cmnd/desk2/POWER", b"ON"), []);
    }

    #[test]
    fn its_presence_is_kept_by_the_broker() {
        let plug = TasmotaPlug::new("desk", 1);
        assert_eq!(plug.announce(), [Publish::retained("tele/desk/LWT", "Online")]);
        assert_eq!(plug.will(), Publish::retained("tele/desk/LWT", "Offline"));
    }
}

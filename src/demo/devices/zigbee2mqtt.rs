//! A lamp behind zigbee2mqtt.
//!
//! The convention is in zigbee2mqtt's documentation, "MQTT Topics and Messages":
//! `<base>/<name>/set` and `/get` in, the whole state as JSON on `<base>/<name>` out.

use serde_json::{Value, json};

use super::{Device, Publish, Snapshot, on_off};

/// Brightest level that Zigbee knows. zigbee2mqtt takes 255 for it as well.
const BRIGHTEST: u64 = 254;

/// A lamp that can be dimmed, and the zigbee2mqtt that speaks for it.
#[derive(Clone, Debug)]
pub struct ZigbeeLamp {
    base: String,
    name: String,
    is_on: bool,
    brightness: u64,
    quiet: bool,
    acts: u64,
}

impl ZigbeeLamp {
    /// A lamp that is off, and fully bright once it is on.
    #[must_use]
    pub fn new(base: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            name: name.into(),
            is_on: false,
            brightness: BRIGHTEST,
            quiet: false,
            acts: 0,
        }
    }

    /// Like devices that report only changes: an order that changes nothing is not
    /// answered, and only `/get` tells that it was obeyed.
    #[must_use]
    pub fn that_reports_only_changes(self) -> Self {
        Self { quiet: true, ..self }
    }

    fn topic(&self) -> String {
        format!("{}/{}", self.base, self.name)
    }

    fn state(&self) -> Value {
        json!({ "state": on_off(self.is_on), "brightness": self.brightness, "linkquality": 120 })
    }

    fn publish_state(&self) -> Vec<Publish> {
        vec![Publish::new(self.topic(), self.state().to_string())]
    }

    fn availability(&self, state: &str) -> Publish {
        let payload = json!({ "state": state }).to_string();
        Publish::retained(format!("{}/availability", self.topic()), payload)
    }

    fn set(&mut self, payload: &[u8]) -> Vec<Publish> {
        let Some((is_on, brightness)) = self.wanted(payload) else {
            // The real one writes an error into its log, and says nothing of the lamp.
            return Vec::new();
        };
        let changes = (is_on, brightness) != (self.is_on, self.brightness);
        (self.is_on, self.brightness) = (is_on, brightness);
        self.acts += 1;
        if self.quiet && !changes { Vec::new() } else { self.publish_state() }
    }

    /// What an order would make of the lamp; `None` where it makes no sense.
    fn wanted(&self, payload: &[u8]) -> Option<(bool, u64)> {
        let text = str::from_utf8(payload).ok()?.trim();
        // A bare word is short for the state.
        let order = serde_json::from_str(text).unwrap_or_else(|_| json!({ "state": text }));
        let order = order.as_object()?;

        let is_on = match order.get("state").map(|state| state.as_str().unwrap_or_default()) {
            None => None,
            Some(state) if state.eq_ignore_ascii_case("on") => Some(true),
            Some(state) if state.eq_ignore_ascii_case("off") => Some(false),
            Some(state) if state.eq_ignore_ascii_case("toggle") => Some(!self.is_on),
            Some(_) => return None,
        };
        let brightness = match order.get("brightness") {
            None => None,
            Some(level) => Some(level.as_u64().filter(|level| *level <= BRIGHTEST + 1)?),
        };
        match (is_on, brightness) {
            (None, None) => None,
            // Dimming to nothing is switching off, and the level is kept for the next time.
            (_, Some(0)) => Some((false, self.brightness)),
            (is_on, Some(level)) => Some((is_on.unwrap_or(true), level.min(BRIGHTEST))),
            (Some(is_on), None) => Some((is_on, self.brightness)),
        }
    }
}

impl Device for ZigbeeLamp {
    fn client_id(&self) -> String {
        format!("sim-{}-{}", self.base, self.name)
    }

    fn filters(&self) -> Vec<String> {
        vec![format!("{}/set", self.topic()), format!("{}/get", self.topic())]
    }

    fn announce(&self) -> Vec<Publish> {
        vec![self.availability("online")]
    }

    fn will(&self) -> Publish {
        self.availability("offline")
    }

    fn handle(&mut self, topic: &str, payload: &[u8]) -> Vec<Publish> {
        match topic.strip_prefix(&self.topic()) {
            Some("/set") => self.set(payload),
            Some("/get") => self.publish_state(),
            _ => Vec::new(),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let state = json!({ "state": on_off(self.is_on), "brightness": self.brightness });
        Snapshot { state, acts: self.acts }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ZigbeeLamp;
    use crate::demo::devices::{Device, Publish};

    #[test]
    fn a_lamp_answers_with_its_whole_state() {
        let mut lamp = ZigbeeLamp::new("zigbee2mqtt", "lamp");
        #[rustfmt::skip]
        let orders = [
            // topic               payload                             state, brightness     acts
            ("zigbee2mqtt/lamp/set", r#"{"state":"ON","brightness":120}"#, Some(("ON", 120)),  1),
            ("zigbee2mqtt/lamp/set", r#"{"brightness":255}"#,              Some(("ON", 254)),  2),
            ("zigbee2mqtt/lamp/set", r#"{"brightness":0}"#,                Some(("OFF", 254)), 3),
            ("zigbee2mqtt/lamp/set", r#"{"state":"toggle"}"#,              Some(("ON", 254)),  4),
            ("zigbee2mqtt/lamp/set", "OFF",                                Some(("OFF", 254)), 5),
            ("zigbee2mqtt/lamp/set", r#"{"state":"OFF","brightness":9}"#,  Some(("OFF", 9)),   6),
            ("zigbee2mqtt/lamp/get", r#"{"state":""}"#,                    Some(("OFF", 9)),   6),
            ("zigbee2mqtt/lamp/set", r#"{"brightness":256}"#,              None,               6),
            ("zigbee2mqtt/lamp/set", r#"{"brightness":"120"}"#,            None,               6),
            ("zigbee2mqtt/lamp/set", r#"{"state":"bright"}"#,              None,               6),
            ("zigbee2mqtt/lamp/set", r#"{"state":1}"#,                     None,               6),
            ("zigbee2mqtt/lamp/set", r#"{"color":"red"}"#,                 None,               6),
            ("zigbee2mqtt/lamp/set", "[]",                                 None,               6),
            ("zigbee2mqtt/lamp/set", "",                                   None,               6),
            ("zigbee2mqtt/other/set", r#"{"state":"ON"}"#,                 None,               6),
        ];

        for (topic, payload, said, acts) in orders {
            let published = lamp.handle(topic, payload.as_bytes());
            let states: Vec<Value> = published
                .iter()
                .map(|publish| {
                    assert_eq!(
                        (publish.topic.as_str(), publish.retain),
                        ("zigbee2mqtt/lamp", false)
                    );
                    serde_json::from_str(&publish.payload).unwrap()
                })
                .collect();
            let expected: Vec<Value> = said
                .into_iter()
                .map(|(state, level)| json!({ "state": state, "brightness": level, "linkquality": 120 }))
                .collect();
            assert_eq!(states, expected, "{topic} {payload}");
            assert_eq!(lamp.snapshot().acts, acts, "{topic} {payload}");
        }
    }

    #[test]
    fn a_quiet_lamp_says_nothing_of_an_order_that_changes_nothing() {
        let mut lamp = ZigbeeLamp::new("z", "lamp").that_reports_only_changes();
        assert_eq!(lamp.handle("z/lamp/set", b"OFF"), []);
        assert_eq!(lamp.handle("z/lamp/set", b"ON").len(), 1);
        assert_eq!(lamp.handle("z/lamp/get", br#"{"state":""}"#).len(), 1);
        assert_eq!(lamp.snapshot().acts, 2);
    }

    #[test]
    fn its_presence_is_kept_by_the_broker() {
        let lamp = ZigbeeLamp::new("z", "lamp");
        let said = |state: &str| {
            Publish::retained("z/lamp/availability", format!(r#"{{"state":"{state}"}}"#))
        };
        assert_eq!(lamp.announce(), [said("online")]);
        assert_eq!(lamp.will(), said("offline"));
    }
}

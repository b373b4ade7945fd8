//! A Shelly switch of the second generation.
//!
//! The convention is in Shelly's documentation, "RPC Protocol", "MQTT" and "Switch":
//! request frames on `<prefix>/rpc`, response frames on `<src>/rpc`, notifications
//! on `<prefix>/events/rpc`.

use serde_json::{Value, json};

use super::{Device, Publish, Snapshot};

/// Error codes of the RPC protocol.
const INVALID_ARGUMENT: i64 = -103;
const NOT_FOUND: i64 = -105;
const NO_HANDLER: i64 = 404;

/// A switch with one channel, number 0.
#[derive(Clone, Debug)]
pub struct ShellySwitch {
    prefix: String,
    is_on: bool,
    /// Who switched it last.
    source: &'static str,
    acts: u64,
}

/// Why a call failed: the `error` of a response frame.
struct RpcError {
    code: i64,
    message: String,
}

impl ShellySwitch {
    /// A switch that is off. The prefix is its device id, unless somebody changed it.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), is_on: false, source: "init", acts: 0 }
    }

    /// Somebody has switched it on already.
    #[must_use]
    pub fn that_is_on(self) -> Self {
        Self { is_on: true, ..self }
    }

    /// Carries out one call: the result, and whether the state is news.
    fn call(&mut self, method: &str, params: &Value) -> Result<(Value, bool), RpcError> {
        match method {
            "Switch.Set" => {
                check_channel(params)?;
                let on = params.get("on").ok_or_else(|| missing("on"))?;
                let on = on.as_bool().ok_or_else(|| RpcError {
                    code: INVALID_ARGUMENT,
                    message: format!("Argument 'on', value {on} should be a boolean!"),
                })?;
                Ok(self.switch(on))
            }
            "Switch.Toggle" => {
                check_channel(params)?;
                Ok(self.switch(!self.is_on))
            }
            "Switch.GetStatus" => {
                check_channel(params)?;
                Ok((self.status(), false))
            }
            "Shelly.GetDeviceInfo" => Ok((self.device_info(), false)),
            _ => Err(RpcError { code: NO_HANDLER, message: format!("No handler for {method}") }),
        }
    }

    fn switch(&mut self, on: bool) -> (Value, bool) {
        let was_on = std::mem::replace(&mut self.is_on, on);
        self.source = "MQTT";
        self.acts += 1;
        (json!({ "was_on": was_on }), was_on != on)
    }

    fn status(&self) -> Value {
        json!({ "id": 0, "source": self.source, "output": self.is_on })
    }

    fn device_info(&self) -> Value {
        json!({
            "name": null,
            "id": self.prefix,
            "mac": "A8032ABE54DC",
            "model": "SNSW-001X16EU",
            "gen": 2,
            "fw_id": "20260101-000000/1.7.1-simulated",
            "ver": "1.7.1",
            "app": "Plus1",
            "auth_en": false,
            "auth_domain": null,
        })
    }

    /// `NotifyStatus`. The real one adds the time as `ts`; this one has no clock.
    fn notification(&self) -> Publish {
        let frame = json!({
            "src": self.prefix,
            "dst": format!("{}/events", self.prefix),
            "method": "NotifyStatus",
            "params": { "switch:0": self.status() },
        });
        Publish::new(format!("{}/events/rpc", self.prefix), frame.to_string())
    }

    fn online(&self, online: bool) -> Publish {
        Publish::retained(format!("{}/online", self.prefix), online.to_string())
    }
}

impl Device for ShellySwitch {
    fn client_id(&self) -> String {
        format!("sim-{}", self.prefix)
    }

    fn filters(&self) -> Vec<String> {
        vec![format!("{}/rpc", self.prefix)]
    }

    fn announce(&self) -> Vec<Publish> {
        vec![self.online(true)]
    }

    fn will(&self) -> Publish {
        self.online(false)
    }

    fn handle(&mut self, topic: &str, payload: &[u8]) -> Vec<Publish> {
        let is_ours = topic.strip_prefix(&self.prefix) == Some("/rpc");
        let frame = serde_json::from_slice::<Value>(payload).ok().filter(|_| is_ours);
        let Some((frame, method)) =
            frame.as_ref().and_then(|frame| Some((frame, frame.get("method")?.as_str()?)))
        else {
            return Vec::new();
        };
        let called = self.call(method, frame.get("params").unwrap_or(&Value::Null));

        let mut published = Vec::new();
        // Without an id it is a notification, and without a source nobody is to be told.
        if let (Some(id), Some(src)) = (frame.get("id"), frame.get("src").and_then(Value::as_str)) {
            let mut answer = json!({ "id": id, "src": self.prefix, "dst": src });
            match &called {
                Ok((result, _)) => answer["result"] = result.clone(),
                Err(RpcError { code, message }) => {
                    answer["error"] = json!({ "code": code, "message": message });
                }
            }
            published.push(Publish::new(format!("{src}/rpc"), answer.to_string()));
        }
        if let Ok((_, true)) = called {
            published.push(self.notification());
        }
        published
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { state: json!({ "output": self.is_on }), acts: self.acts }
    }
}

fn missing(argument: &str) -> RpcError {
    RpcError { code: INVALID_ARGUMENT, message: format!("Missing required argument '{argument}'!") }
}

fn check_channel(params: &Value) -> Result<(), RpcError> {
    let id = params.get("id").ok_or_else(|| missing("id"))?;
    if id.as_u64() == Some(0) {
        return Ok(());
    }
    Err(RpcError { code: NOT_FOUND, message: format!("Argument 'id', value {id} not found!") })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::ShellySwitch;
    use crate::demo::devices::{Device, Publish};

    #[test]
    fn a_call_is_answered_with_its_id() {
        let mut switch = ShellySwitch::new("shelly");
        #[rustfmt::skip]
        let calls = [
            // method               params                      answer                                                                          news   acts
            ("Switch.Set",          json!({"id":0,"on":true}),  json!({"result":{"was_on":false}}),                                             true,  1),
            ("Switch.Set",          json!({"id":0,"on":true}),  json!({"result":{"was_on":true}}),                                              false, 2),
            ("Switch.GetStatus",    json!({"id":0}),            json!({"result":{"id":0,"source":"MQTT","output":true}}),                       false, 2),
            ("Switch.Toggle",       json!({"id":0}),            json!({"result":{"was_on":true}}),                                              true,  3),
            ("Switch.Set",          json!({"id":1,"on":true}),  json!({"error":{"code":-105,"message":"Argument 'id', value 1 not found!"}}),    false, 3),
            ("Switch.Set",          json!({"id":0}),            json!({"error":{"code":-103,"message":"Missing required argument 'on'!"}}),     false, 3),
            ("Switch.Set",          json!({"id":0,"on":"yes"}), json!({"error":{"code":-103,"message":"Argument 'on', value \"yes\" should be a boolean!"}}), false, 3),
            ("Switch.GetStatus",    Value::Null,                json!({"error":{"code":-103,"message":"Missing required argument 'id'!"}}),     false, 3),
            ("Cover.Open",          json!({"id":0}),            json!({"error":{"code":404,"message":"No handler for Cover.Open"}}),            false, 3),
        ];

        for (number, (method, params, answer, is_news, acts)) in calls.into_iter().enumerate() {
            let frame = json!({ "id": number, "src": "me/1", "method": method, "params": params });
            let published = switch.handle("shelly/rpc", frame.to_string().as_bytes());

            assert_eq!(published[0].topic, "me/1/rpc");
            let mut expected = json!({ "id": number, "src": "shelly", "dst": "me/1" });
            expected.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
            assert_eq!(read(&published[0]), expected, "{method} {params}");
            let news: Vec<_> =
                published[1..].iter().map(|publish| publish.topic.as_str()).collect();
            assert_eq!(news, if is_news { vec!["shelly/events/rpc"] } else { vec![] }, "{method}");
            assert_eq!(switch.snapshot().acts, acts, "{method} {params}");
        }
    }

    #[test]
    fn a_change_is_told_to_everybody() {
        let mut switch = ShellySwitch::new("shelly");
        let frame = json!({ "method": "Switch.Set", "params": { "id": 0, "on": true } });

        let published = switch.handle("shelly/rpc", frame.to_string().as_bytes());

        assert_eq!(published.len(), 1, "nobody asked for an answer");
        assert_eq!(
            read(&published[0])["params"],
            json!({ "switch:0": { "id": 0, "source": "MQTT", "output": true } }),
        );
    }

    #[test]
    fn what_is_no_request_frame_is_not_answered() {
        let mut switch = ShellySwitch::new("shelly");
        let switch_on = r#"{"id":1,"src":"me","method":"Switch.Set","params":{"id":0,"on":true}}"#;
        let cases = [
            ("shelly/rpc", "not JSON"),
            ("shelly/rpc", "[]"),
            ("shelly/rpc", r#"{"id":1,"src":"me","result":{}}"#),
            ("shelly/rpc", r#"{"id":1,"src":"me","method":7}"#),
            ("shelly2/rpc", switch_on),
            ("shelly/events/rpc", switch_on),
        ];
        for (topic, payload) in cases {
            assert_eq!(switch.handle(topic, payload.as_bytes()), [], "{topic} {payload}");
        }
        assert_eq!(switch.snapshot().acts, 0);
    }

    #[test]
    fn its_presence_is_kept_by_the_broker() {
        let switch = ShellySwitch::new("shelly");
        assert_eq!(switch.announce(), [Publish::retained("shelly/online", "true")]);
        assert_eq!(switch.will(), Publish::retained("shelly/online", "false"));
    }

    fn read(publish: &Publish) -> Value {
        serde_json::from_str(&publish.payload).unwrap()
    }
}

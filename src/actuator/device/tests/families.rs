//! Command in, bytes out; reply in, verdict out.

use serde_json::{Value, json};

use super::*;

const TASMOTA: &str = r#"map = "tasmota"
vars = { topic = "tasmota_switch", relay = 1 }"#;
const SECOND_RELAY: &str = r#"map = "tasmota"
vars = { topic = "strip", relay = 2 }"#;
const LAMP: &str = r#"map = "zigbee2mqtt"
vars = { name = "hall/lamp" }"#;
const SHELLY: &str = r#"map = "shelly"
vars = { prefix = "shellies/plug" }"#;
const HA: &str = r#"map = "homeassistant"
vars = { command_topic = "x/set", state_topic = "x/state", light_command_topic = "l/set", light_state_topic = "l/state" }"#;

const SEQ: u64 = 77;

#[test]
fn a_command_becomes_these_bytes() {
    #[rustfmt::skip]
    let cases = [
        // device     action    target           value                            topic                          payload
        (TASMOTA,     "start",  "device",        json!({}),                       "cmnd/tasmota_switch/POWER1",  "ON"),
        (TASMOTA,     "stop",   "device",        json!({"device_id": "plug-1"}),  "cmnd/tasmota_switch/POWER1",  "OFF"),
        (TASMOTA,     "deny",   "device",        json!({"hostname": "gateway-1"}), "cmnd/tasmota_switch/POWER1", "OFF"),
        (TASMOTA,     "allow",  "device",        json!({}),                       "cmnd/tasmota_switch/POWER1",  "ON"),
        (TASMOTA,     "restart", "device",       json!({}),                       "cmnd/tasmota_switch/Restart", "1"),
        (TASMOTA,     "set",    "x-iot:switch",  json!({"state": "off"}),         "cmnd/tasmota_switch/POWER1",  "OFF"),
        (SECOND_RELAY, "set",   "x-iot:switch",  json!({"state": "on"}),          "cmnd/strip/POWER2",           "ON"),
        (TASMOTA,     "set",    "x-iot:light",   json!({"level": 40}),            "cmnd/tasmota_switch/Dimmer",  "40"),
        (TASMOTA,     "set",    "x-iot:light",   json!({"state": "off"}),         "cmnd/tasmota_switch/POWER1",  "OFF"),
        (TASMOTA,     "query",  "properties",    json!([]),                       "cmnd/tasmota_switch/POWER1",  ""),
        (LAMP,        "start",  "device",        json!({}),                       "zigbee2mqtt/hall/lamp/set",   r#"{"state":"ON"}"#),
        (LAMP,        "set",    "x-iot:switch",  json!({"state": "off"}),         "zigbee2mqtt/hall/lamp/set",   r#"{"state":"OFF"}"#),
        (LAMP,        "set",    "x-iot:light",   json!({"state": "on", "level": 100}), "zigbee2mqtt/hall/lamp/set", r#"{"brightness":254,"state":"ON"}"#),
        (LAMP,        "set",    "x-iot:light",   json!({"level": 1}),             "zigbee2mqtt/hall/lamp/set",   r#"{"brightness":3,"state":"ON"}"#),
        (LAMP,        "set",    "x-iot:light",   json!({"state": "off"}),         "zigbee2mqtt/hall/lamp/set",   r#"{"state":"OFF"}"#),
        (LAMP,        "query",  "properties",    json!([]),                       "zigbee2mqtt/hall/lamp/get",   r#"{"state":""}"#),
        (SHELLY,      "deny",   "device",        json!({}),                       "shellies/plug/rpc",           r#"{"id":77,"method":"Switch.Set","params":{"id":0,"on":false},"src":"oc2b-1"}"#),
        (SHELLY,      "set",    "x-iot:switch",  json!({"state": "on"}),          "shellies/plug/rpc",           r#"{"id":77,"method":"Switch.Set","params":{"id":0,"on":true},"src":"oc2b-1"}"#),
        (SHELLY,      "set",    "x-iot:light",   json!({"level": 5}),             "shellies/plug/rpc",           r#"{"id":77,"method":"Light.Set","params":{"brightness":5,"id":0,"on":true},"src":"oc2b-1"}"#),
        (SHELLY,      "restart", "device",       json!({}),                       "shellies/plug/rpc",           r#"{"id":77,"method":"Shelly.Reboot","src":"oc2b-1"}"#),
        (SHELLY,      "query",  "properties",    json!([]),                       "shellies/plug/rpc",           r#"{"id":77,"method":"Switch.GetStatus","params":{"id":0},"src":"oc2b-1"}"#),
        (HA,          "start",  "device",        json!({}),                       "x/set",                       "ON"),
        (HA,          "set",    "x-iot:switch",  json!({"state": "off"}),         "x/set",                       "OFF"),
        (HA,          "set",    "x-iot:light",   json!({"level": 50}),            "l/set",                       r#"{"brightness":128,"state":"ON"}"#),
    ];
    for (device, action, target, value, topic, payload) in cases {
        let prepared = plan(device).prepare(&request(action, target, value.clone()), SEQ).unwrap();
        let message = prepared.message.unwrap();
        let case = format!("{action} {target} {value}");
        assert_eq!(message.topic, topic, "{case}");
        assert_eq!(sorted(&message.payload), payload, "{case}");
        assert_eq!(message.qos, 1, "{case}");
    }
}

/// A JSON object with its members in order of their names; anything else as it is.
fn sorted(payload: &[u8]) -> String {
    fn sort(value: &mut Value) {
        if let Value::Object(members) = value {
            members.sort_keys();
            members.values_mut().for_each(sort);
        }
    }
    match serde_json::from_slice(payload) {
        Ok(mut value @ Value::Object(_)) => {
            sort(&mut value);
            value.to_string()
        }
        _ => String::from_utf8(payload.to_vec()).unwrap(),
    }
}

#[test]
fn a_reply_gets_this_verdict() {
    let on = || json!({"state": "on"});
    let light = || json!({"state": "on", "level": 50});
    let stat = "stat/tasmota_switch/RESULT";
    let lamp = "zigbee2mqtt/hall/lamp";
    let rpc = "oc2b-1/rpc";
    #[rustfmt::skip]
    let cases = [
        // Tasmota
        (TASMOTA, "set x-iot:switch", on(), stat, r#"{"POWER1":"ON"}"#,    r#"200 {"x-iot":{"state":"on","confirmed":"echo"}}"#),
        (TASMOTA, "set x-iot:switch", on(), stat, r#"{"POWER":"ON"}"#,     r#"200 {"x-iot":{"state":"on","confirmed":"echo"}}"#),
        (TASMOTA, "set x-iot:switch", on(), stat, r#"{"POWER1":"OFF"}"#,   "500 the relay is OFF"),
        (TASMOTA, "set x-iot:switch", on(), stat, r#"{"POWER2":"ON"}"#,    "ignored"),
        (TASMOTA, "set x-iot:switch", on(), stat, r#"{"Command":"Unknown"}"#, "500 the device does not know this command"),
        (TASMOTA, "set x-iot:switch", on(), stat, "ON",                    "ignored"),
        (TASMOTA, "set x-iot:switch", on(), stat, "{",                     "ignored"),
        (TASMOTA, "set x-iot:switch", on(), "stat/other/RESULT", r#"{"POWER1":"ON"}"#, "ignored"),
        (SECOND_RELAY, "set x-iot:switch", on(), "stat/strip/RESULT", r#"{"POWER2":"ON"}"#, r#"200 {"x-iot":{"state":"on","confirmed":"echo"}}"#),
        (SECOND_RELAY, "set x-iot:switch", on(), "stat/strip/RESULT", r#"{"POWER1":"ON"}"#, "ignored"),
        (SECOND_RELAY, "set x-iot:switch", on(), "stat/strip/RESULT", r#"{"POWER":"ON"}"#, "ignored"),
        (TASMOTA, "set x-iot:light", light(), stat, r#"{"POWER":"ON","Dimmer":50}"#, r#"200 {"x-iot":{"level":50,"state":"on","confirmed":"echo"}}"#),
        (TASMOTA, "set x-iot:light", light(), stat, r#"{"POWER":"ON"}"#,   "ignored"),
        (TASMOTA, "query properties", json!([]), stat, r#"{"POWER":"OFF"}"#, r#"200 {"x-iot":{"state":"off","confirmed":"state"}}"#),
        // zigbee2mqtt
        (LAMP, "set x-iot:light", light(), lamp, r#"{"state":"ON","brightness":127,"linkquality":90}"#, r#"200 {"x-iot":{"level":50,"state":"on","confirmed":"state"}}"#),
        (LAMP, "set x-iot:light", light(), lamp, r#"{"state":"ON","brightness":128}"#, r#"200 {"x-iot":{"level":50,"state":"on","confirmed":"state"}}"#),
        (LAMP, "set x-iot:light", light(), lamp, r#"{"state":"ON","brightness":100}"#, "ignored"),
        (LAMP, "set x-iot:light", light(), lamp, r#"{"state":"ON"}"#,      "ignored"),
        (LAMP, "set x-iot:light", light(), lamp, r#"{"state":"ON","brightness":"127"}"#, "ignored"),
        (LAMP, "set x-iot:light", on(),    lamp, r#"{"state":"ON","brightness":3}"#, r#"200 {"x-iot":{"level":1,"state":"on","confirmed":"state"}}"#),
        (LAMP, "set x-iot:light", on(),    lamp, r#"{"state":"ON"}"#,      r#"200 {"x-iot":{"state":"on","confirmed":"state"}}"#),
        (LAMP, "set x-iot:switch", on(),   lamp, r#"{"state":"OFF"}"#,     "ignored"),
        (LAMP, "query properties", json!([]), lamp, r#"{"state":"ON","power":3.5}"#, r#"200 {"x-iot":{"power":3.5,"state":"on","confirmed":"state"}}"#),
        (LAMP, "query properties", json!(["state"]), lamp, r#"{"state":"ON","power":3.5}"#, r#"200 {"x-iot":{"state":"on","confirmed":"state"}}"#),
        (LAMP, "query properties", json!(["colour"]), lamp, r#"{"state":"ON"}"#, "404 the device has none of these properties"),
        // Shelly
        (SHELLY, "set x-iot:switch", on(), rpc, r#"{"id":77,"result":{"was_on":false}}"#, r#"200 {"x-iot":{"state":"on","was_on":false,"confirmed":"id"}}"#),
        (SHELLY, "set x-iot:switch", on(), rpc, r#"{"id":78,"result":{"was_on":false}}"#, "ignored"),
        (SHELLY, "set x-iot:switch", on(), rpc, r#"{"id":"77","result":{"was_on":false}}"#, "ignored"),
        (SHELLY, "set x-iot:switch", on(), rpc, r#"{"id":77,"error":{"code":-105,"message":"no \"id\", no 'switch'"}}"#, r#"500 no "id", no 'switch'"#),
        (SHELLY, "set x-iot:switch", on(), rpc, r#"{"id":77,"error":{"code":-105}}"#, "500 the device answered that it did not do it"),
        (SHELLY, "set x-iot:switch", on(), rpc, r#"{"id":77,"error":{"message":"{{ v }} {% for %}"}}"#, "500 {{ v }} {% for %}"),
        (SHELLY, "query properties", json!([]), rpc, r#"{"id":77,"result":{"output":true,"apower":8.5,"temperature":{"tC":40.1}}}"#, r#"200 {"x-iot":{"power":8.5,"state":"on","temperature":40.1,"confirmed":"id"}}"#),
        // Home Assistant
        (HA, "set x-iot:switch", on(), "x/state", "ON",                    r#"200 {"x-iot":{"state":"on","confirmed":"state"}}"#),
        (HA, "set x-iot:switch", on(), "x/state", "OFF",                   "ignored"),
        (HA, "set x-iot:light", light(), "l/state", r#"{"state":"ON","brightness":128}"#, r#"200 {"x-iot":{"level":50,"state":"on","confirmed":"state"}}"#),
        (HA, "query properties", json!([]), "l/state", r#"{"state":"OFF"}"#, r#"200 {"x-iot":{"state":"off","confirmed":"state"}}"#),
    ];
    for (device, command, value, topic, payload, expected) in cases {
        let (action, target) = command.split_once(' ').unwrap();
        let prepared = plan(device).prepare(&request(action, target, value.clone()), SEQ).unwrap();
        let mut reply = heard(topic, payload);
        assert_eq!(
            verdict(&prepared.judge(&reply, false)),
            expected,
            "{command} {value}: {payload}"
        );

        reply.retained = true;
        let is_read = device == HA && command == "query properties";
        let expected = if is_read { expected } else { "ignored" };
        assert_eq!(
            verdict(&prepared.judge(&reply, false)),
            expected,
            "retained, {command} {value}"
        );
    }
}

#[test]
fn a_command_that_does_not_fit_is_refused_before_anything_is_sent() {
    use Status::{BadRequest, NotFound, NotImplemented};
    #[rustfmt::skip]
    let cases = [
        (TASMOTA, "set x-iot:switch", json!({"state": "toggle"}),             BadRequest,     "state is \"toggle\", but must be"),
        (LAMP,    "set x-iot:switch", json!({"state": "on\",\"evil\":\"1"}),  BadRequest,     "state is"),
        (LAMP,    "set x-iot:light",  json!({"level": 101}),                  BadRequest,     "level is 101"),
        (LAMP,    "set x-iot:light",  json!({"level": "50"}),                 BadRequest,     "level is \"50\""),
        (LAMP,    "set x-iot:light",  json!({"level": 50, "state": "off"}),   BadRequest,     "level is 50"),
        (LAMP,    "set x-iot:light",  json!({}),                              BadRequest,     "says nothing"),
        (LAMP,    "set x-iot:light",  json!("on"),                            BadRequest,     "no map"),
        (TASMOTA, "set x-iot:switch", json!({}),                              BadRequest,     "says nothing"),
        (TASMOTA, "set x-iot:switch", json!({"state": "on", "level": 3}),     NotImplemented, "\"level\""),
        (TASMOTA, "set x-iot:cover",  json!({"position": 3}),                 NotImplemented, "set x-iot:cover"),
        (TASMOTA, "delete device",    json!({}),                              NotImplemented, "delete device"),
        (LAMP,    "restart device",   json!({}),                              NotImplemented, "restart device"),
        (TASMOTA, "stop device",      json!({"hostname": "other"}),           NotFound,       "\"other\""),
        (TASMOTA, "stop device",      json!({"hostname": "plug-1", "device_id": "7"}), NotFound, "\"7\""),
    ];
    for (device, command, value, status, part) in cases {
        let (action, target) = command.split_once(' ').unwrap();
        let refusal =
            plan(device).prepare(&request(action, target, value.clone()), SEQ).unwrap_err().into();
        assert!(is_refused(&refusal, status, part), "{command} {value}: {refusal:?}");
    }
}

/// A map of nothing but what the test is about.
fn map(publish: &str) -> String {
    format!(
        "[[map.own.command]]\non = {{ action = 'set', target = 'x-own:thing' }}\nconfirm = 'none'\npublish = {{ {publish} }}\n"
    )
}

fn sent(publish: &str, value: Value) -> Result<(String, String), Box<Response>> {
    let plan = plan_with(&map(publish), "map = 'own'");
    let prepared = plan.prepare(&request("set", "x-own:thing", value), SEQ);
    let message = prepared.map_err(|refusal| Box::new(refusal.into()))?.message.unwrap();
    Ok((message.topic, String::from_utf8(message.payload.to_vec()).unwrap()))
}

#[test]
fn text_is_never_pasted_into_json() {
    let publish = "topic = 't', json = { a = '{{ target.a }}', b = 'is {{ target.a }}', c = [ '{{ target.b }}', '{{ target.none }}' ] }";
    let value = json!({"a": "x\",\"evil\":\"1", "b": {"deep": [1, true, null]}});
    let (_, payload) = sent(publish, value).unwrap();
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!(
        payload,
        json!({"a": "x\",\"evil\":\"1", "b": "is x\",\"evil\":\"1", "c": [{"deep": [1, true, null]}]})
    );
}

#[test]
fn what_a_command_says_is_not_a_template() {
    let (_, payload) =
        sent("topic = 't', payload = '{{ target.a }}'", json!({"a": "{{ v }}{% x"})).unwrap();
    assert_eq!(payload, "{{ v }}{% x");
}

#[test]
fn a_command_cannot_choose_another_topic() {
    for name in ["a/b", "+", "#", "a\0b", "", "../x"] {
        let refusal = sent("topic = 'z/{{ target.name }}/set'", json!({"name": name})).unwrap_err();
        assert!(is_refused(&refusal, Status::BadRequest, "target.name"), "{name:?}: {refusal:?}");
    }
    let (topic, _) = sent("topic = 'z/{{ target.name }}/set'", json!({"name": "lamp 1"})).unwrap();
    assert_eq!(topic, "z/lamp 1/set");
}

#[test]
fn a_map_that_fails_sends_nothing() {
    #[rustfmt::skip]
    let cases = [
        ("topic = 't', payload = '{{ target.missing }}'", "undefined"),
        ("topic = 't', payload = '{{ target.missing | upper }}'", "undefined"),
        ("topic = 't/{{ target.missing }}'", "undefined"),
        ("topic = 't', json = { a = '{{ target.missing.deeper }}' }", "undefined"),
        ("topic = 't', payload = '{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}'", "more than 20000 steps"),
        ("topic = 't', json = { a = \"{{ 'x' * 70000 }}\" }", "more than 65536 bytes"),
    ];
    for (publish, part) in cases {
        let refusal = sent(publish, json!({"name": "a"})).unwrap_err();
        assert!(is_refused(&refusal, Status::InternalError, part), "{publish}: {refusal:?}");
        assert!(
            is_refused(&refusal, Status::InternalError, "nothing was sent"),
            "{publish}: {refusal:?}"
        );
    }
}

#[test]
fn a_transaction_number_is_confirmed_by_id_and_nothing_else() {
    let bridge = r#"
        [[map.bridge.command]]
        on = { action = "restart", target = "device" }
        publish = { topic = "zigbee2mqtt/bridge/request/restart", json = { transaction = "{{ seq }}" } }
        reply = { topic = "zigbee2mqtt/bridge/response/restart", match = "json.transaction == seq", ok = "json.status == 'ok'", text = "{{ json.error }}" }
    "#;
    let plan = plan_with(bridge, "map = 'bridge'");
    let prepared = plan.prepare(&request("restart", "device", json!({})), 23).unwrap();
    let topic = "zigbee2mqtt/bridge/response/restart";
    #[rustfmt::skip]
    let cases = [
        (r#"{"data":{},"status":"ok","transaction":23}"#,                 r#"200 {"x-iot":{"confirmed":"id"}}"#),
        (r#"{"data":{},"status":"error","error":"busy","transaction":23}"#, "500 busy"),
        (r#"{"data":{},"status":"ok","transaction":24}"#,                 "ignored"),
        (r#"{"data":{},"status":"ok"}"#,                                  "ignored"),
    ];
    for (payload, expected) in cases {
        assert_eq!(verdict(&prepared.judge(&heard(topic, payload), false)), expected, "{payload}");
    }
    assert!(!prepared.listen.unwrap().one_at_a_time);
}

#[test]
fn a_reply_can_be_told_by_its_topic() {
    let hono = r#"
        [[map.hono.command]]
        on = { action = "start", target = "device" }
        publish = { topic = "command/t/d/req/{{ seq }}/start" }
        reply = { topic = "command/t/d/res/{{ seq }}/+", match = "true", ok = "levels[5] == '200'", text = "{{ levels[5] }} {{ user.why }}" }
    "#;
    let plan = plan_with(hono, "map = 'hono'");
    assert_eq!(plan.filters()[0].filter, "command/t/d/res/+/+");
    let prepared = plan.prepare(&request("start", "device", json!({})), 9).unwrap();
    let mut failed = heard("command/t/d/res/9/503", "");
    failed.user.push(("why".to_owned(), "asleep".to_owned()));

    assert_eq!(
        verdict(&prepared.judge(&heard("command/t/d/res/9/200", ""), false)),
        r#"200 {"x-iot":{"confirmed":"id"}}"#
    );
    assert_eq!(verdict(&prepared.judge(&failed, false)), "500 503 asleep");
    assert_eq!(verdict(&prepared.judge(&heard("command/t/d/res/8/200", ""), false)), "ignored");
}

#[test]
fn a_reply_that_cannot_be_understood_is_never_success() {
    let odd = r#"
        [[map.odd.command]]
        on = { action = "start", target = "device" }
        publish = { topic = "a" }
        reply = { topic = "b", match = "json.n + 0 > 1", ok = "json.list | sum == 3" }
        result = { x-iot = { half = "{{ json.half | int }}" } }
    "#;
    let prepared =
        plan_with(odd, "map = 'odd'").prepare(&request("start", "device", json!({})), 1).unwrap();
    #[rustfmt::skip]
    let cases = [
        (r#"{"n":{}}"#,                          "ignored"),
        (r#"{"n":2,"list":[1,2],"half":1.5}"#,   r#"200 {"x-iot":{"half":1,"confirmed":"echo"}}"#),
        (r#"{"n":2,"list":[1,3]}"#,              "500 the device answered that it did not do it"),
    ];
    for (payload, expected) in cases {
        assert_eq!(verdict(&prepared.judge(&heard("b", payload), false)), expected, "{payload}");
    }
    let odd_list = verdict(&prepared.judge(&heard("b", r#"{"n":2,"list":"x"}"#), false));
    assert!(odd_list.starts_with("500 "), "{odd_list}");
    let odd_result =
        verdict(&prepared.judge(&heard("b", r#"{"n":2,"list":[3],"half":{}}"#), false));
    assert!(
        odd_result.starts_with(r#"200 {"x-iot":{"confirmed":"echo"}} done, but"#),
        "{odd_result}"
    );
    let long = format!(r#"{{"n":2,"list":[3],"x":"{}"}}"#, "x".repeat(64 * 1024));
    assert_eq!(verdict(&prepared.judge(&heard("b", long), false)), "ignored");
}

#[test]
fn the_device_is_there_when_it_says_so() {
    #[rustfmt::skip]
    let cases = [
        (TASMOTA, "tele/tasmota_switch/LWT",            "Online",               true),
        (TASMOTA, "tele/tasmota_switch/LWT",            "Offline",              false),
        (LAMP,    "zigbee2mqtt/hall/lamp/availability", r#"{"state":"online"}"#, true),
        (LAMP,    "zigbee2mqtt/hall/lamp/availability", r#"{"state":"offline"}"#, false),
        (LAMP,    "zigbee2mqtt/hall/lamp/availability", "online",               true),
        (LAMP,    "zigbee2mqtt/hall/lamp/availability", "offline",              false),
        (SHELLY,  "shellies/plug/online",               "true",                 true),
        (SHELLY,  "shellies/plug/online",               "false",                false),
    ];
    for (device, topic, payload, is_there) in cases {
        let plan = plan(device);
        assert_eq!(plan.online_topic(), Some(topic));
        assert_eq!(plan.is_online(&heard(topic, payload)), is_there, "{topic} {payload}");
    }
    assert_eq!(plan(HA).online_topic(), None);
}

#[test]
fn pairs_are_what_the_map_supports_on_this_device() {
    let pairs = |device| format!("{:?}", plan(device).pairs());
    assert!(pairs(SHELLY).contains("Restart"));
    assert!(!pairs(LAMP).contains("Restart"));
    assert!(pairs(HA).contains("light"));

    let switch_only = "map = 'homeassistant'\nvars = { command_topic = 'c', state_topic = 's' }";
    assert!(!pairs(switch_only).contains("light"));
    let optimistic = "map = 'homeassistant'\nvars = { command_topic = 'c' }\nconfirm = 'none'";
    assert!(!pairs(optimistic).contains("Properties"), "it never tells its state");
}

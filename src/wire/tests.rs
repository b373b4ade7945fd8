//! Tables of what is refused, where and with which words, and of what is not.

mod cbor;
mod older;

use serde_json::json;

use super::*;
use crate::openc2::{Action, Content, Feature, Pairs, Results, Target, TargetName};

fn read_json(message: &Value) -> Result<Letter, Box<Unreadable>> {
    read(message.to_string().as_bytes(), Encoding::Json, Limits::default())
}

/// Reads the message and asserts on its fault.
fn assert_fault(message: &Value, pointer: &str, words: &str) {
    let unreadable = read_json(message).expect_err(&message.to_string());
    let fault = unreadable.fault;
    assert_eq!(fault.pointer, pointer, "{message}: {fault}");
    assert!(fault.reason.contains(words), "{message}: {fault}");
    assert_eq!(fault.status, Status::BadRequest, "{message}");
}

fn request(command: &Value) -> Value {
    json!({"body": {"openc2": {"request": command}}})
}

fn response(response: &Value) -> Value {
    json!({"body": {"openc2": {"response": response}}})
}

fn command_with(name: &str, value: &Value) -> Value {
    let mut command = json!({"action": "deny", "target": {"uri": "urn:a:b"}});
    command[name] = value.clone();
    request(&command)
}

fn command_on(target: &Value) -> Value {
    request(&json!({"action": "deny", "target": target}))
}

/// Shows L11-3.2-4.
#[test]
fn a_message_has_headers_a_body_of_one_content_and_a_signature() {
    let body = json!({"openc2": {"notification": {"x-probe": {"level": 5}}}});
    let letter = read_json(&json!({
        "headers": {
            "request_id": "r", "created": 1_595_268_027_000_u64, "from": "p", "to": ["a", "b"], "x": [1]
        },
        "body": body,
        "signature": "a..b"
    }))
    .unwrap();
    let headers = letter.message.headers;
    assert_eq!(headers.request_id.as_deref(), Some("r"));
    assert_eq!(headers.created, Some(1_595_268_027_000));
    assert_eq!(headers.from.as_deref(), Some("p"));
    assert_eq!(headers.to, ["a", "b"]);
    assert_eq!(headers.others.get("x"), Some(&json!([1])));
    assert_eq!(letter.message.signature.as_deref(), Some("a..b"));
    assert!(matches!(letter.message.content, Content::Notification(it) if it.members.len() == 1));
    assert_eq!(letter.canonical_body, body.to_string());
    assert_eq!(letter.manner, Manner::default());
}

/// Shows L11-3.2-4 for what is none.
#[test]
fn what_is_no_message_is_refused_where_it_is_wrong() {
    let body = json!({"openc2": {"notification": {"x": 1}}});
    let with = |name: &str, value: Value| {
        let mut message = json!({"body": body});
        message[name] = value;
        message
    };
    let headers = |headers| with("headers", headers);
    #[rustfmt::skip]
    let cases = [
        (json!([]),                                     "",                    "expected Message, an object, found an empty array"),
        (json!(5),                                      "",                    "found 5"),
        (json!({"headers": {"from": "a"}}),             "",                    "body is missing in Message"),
        (with("extra", json!(1)),                       "/extra",              "no field of Message, which has headers, body, signature"),
        (with("signature", json!({})),                  "/signature",          "text, found an empty object"),
        (with("signature", json!(null)),                "/signature",          "found null"),
        (headers(json!({})),                            "/headers",            "at least one member"),
        (headers(json!(null)),                          "/headers",            "found null"),
        (headers(json!({"created": "now"})),            "/headers/created",    r#"found "now""#),
        (headers(json!({"created": -1})),               "/headers/created",    "from 0 to 9007199254740991, found -1"),
        (headers(json!({"created": 1.5})),              "/headers/created",    "found 1.5"),
        (headers(json!({"from": 5})),                   "/headers/from",       "text, found 5"),
        (headers(json!({"request_id": ["a"]})),         "/headers/request_id", "text, found an array"),
        (headers(json!({"to": "a"})),                   "/headers/to",         "expected Headers.to, an array"),
        (headers(json!({"to": []})),                    "/headers/to",         "at least one element"),
        (headers(json!({"to": ["a", null]})),           "/headers/to/1",       "found null"),
        (json!({"body": {}}),                           "/body",               "found an empty object"),
        (json!({"body": {"stix": {}}}),                 "/body/stix",          "openc2"),
        (json!({"body": {"openc2": {"notification": {"x": 1}}, "stix": {}}}), "/body", "found more than one"),
        (json!({"body": {"openc2": {"event": {}}}}),    "/body/openc2/event",  "which has request, response, notification"),
        (json!({"body": {"openc2": {"notification": {"x": 1}, "response": {}}}}), "/body/openc2", "exactly one"),
        (json!({"body": {"openc2": {"notification": {}}}}), "/body/openc2/notification", "at least one member"),
    ];
    for (message, pointer, words) in cases {
        assert_fault(&message, pointer, words);
    }
}

/// Shows L11-3.3.1.1-1, L11-3.3.1.2-1, L11-3.3.1-2, L11-3.3.1.4-1, L11-3.1.4-1 and L11-3.4.2-1.
#[test]
fn what_is_no_command_is_refused_where_it_is_wrong() {
    let target = json!({"uri": "urn:a:b"});
    let args = |args| command_with("args", &args);
    let actuator = |actuator| command_with("actuator", &actuator);
    #[rustfmt::skip]
    let cases = [
        (request(&json!({})),                                   "",                         "action is missing in OpenC2-Command"),
        (request(&json!({"target": target})),                   "",                         "action is missing in OpenC2-Command"),
        (request(&json!({"action": "deny"})),                   "",                         "target is missing in OpenC2-Command"),
        (command_with("action", &json!("zap")),                 "/action",                  r#"found "zap""#),
        (command_with("action", &json!("x-acme:zap")),          "/action",                  "expected Action (scan, locate"),
        (command_with("action", &json!(["deny"])),              "/action",                  "found an array"),
        (command_with("id", &json!("x")),                       "/id",                      "no field of OpenC2-Command, which has action"),
        (command_with("command_id", &json!("a b")),             "/command_id",              r#"white space in it, found "a b""#),
        (command_with("command_id", &json!("x".repeat(37))),    "/command_id",              "longer than 36"),
        (command_on(&json!({})),                                "/target",                  "expected Target, an object with exactly one member, found an empty object"),
        (command_on(&json!({"uri": "urn:a:b", "command": ""})), "/target",                  "found more than one"),
        (command_on(&json!(["uri"])),                           "/target",                  "found an array"),
        (command_on(&json!({"ip_addr": "1.2.3.4"})),            "/target/ip_addr",          "no alternative of Target, which has artifact"),
        (command_on(&json!({":x": 1})),                         "/target/:x",               "before the colon: expected a namespace"),
        (command_on(&json!({"x-much_too_long_an_id:x": 1})),    "/target/x-much_too_long_an_id:x", "longer than 16"),
        (command_on(&json!({"x-y:_z": 1})),                     "/target/x-y:_z",           "after the colon"),
        (args(json!({})),                                       "/args",                    "at least one member"),
        (args(json!({"start_time": "now"})),                    "/args/start_time",         r#"found "now""#),
        (args(json!({"stop_time": -1})),                        "/args/stop_time",          "found -1"),
        (args(json!({"duration": 0.5})),                        "/args/duration",           "found 0.5"),
        (args(json!({"start_time": 1, "stop_time": 3, "duration": 2})), "/args",            "all three"),
        (args(json!({"response_requested": "both"})),           "/args/response_requested", "none, ack, status, complete"),
        (args(json!({"start_tme": 5})),                         "/args/start_tme",          "start_time, stop_time"),
        (args(json!({"x-acme": {}})),                           "/args/x-acme",             "at least one argument"),
        (args(json!({"x/acme": {"a": 1}})),                     "/args/x~1acme",            "nor a namespace identifier"),
        (actuator(json!({})),                                   "/actuator",                "found an empty object"),
        (actuator(json!("slpf")),                               "/actuator",                r#"found "slpf""#),
        (actuator(json!({"slpf": []})),                         "/actuator/slpf",           "expected an object of specifiers"),
        (actuator(json!({"slpf": {}, "x-acme": {}})),           "/actuator",                "expected Actuator, an object with exactly one member"),
        (actuator(json!({"x acme": {}})),                       "/actuator/x acme",         "nor a namespace identifier"),
    ];
    for (message, pointer, words) in cases {
        assert_fault(&message, &format!("/body/openc2/request{pointer}"), words);
    }
}

/// Shows L11-3.3.1.1-1, L11-3.3.1.4-1 and L11-3.1.4-1 for what is right.
#[test]
fn a_command_is_read_with_all_its_members() {
    let command = json!({
        "action": "deny",
        "target": {"x-acme:thing": null},
        "args": {
            "stop_time": 9.0e15, "duration": 2e2, "response_requested": "status",
            "slpf": {"direction": "ingress"}
        },
        "actuator": {"slpf": {}},
        "command_id": ""
    });
    let read = command_from_json(&command).unwrap();
    assert_eq!(read.action, Action::Deny);
    assert_eq!(read.target, Target::extension("x-acme", "thing", Value::Null).unwrap());
    assert_eq!(read.args.stop_time, Some(9_000_000_000_000_000));
    assert_eq!(read.args.duration, Some(200));
    assert_eq!(read.args.extensions["slpf"]["direction"], "ingress");
    assert_eq!(read.actuator.as_ref().map(|it| it.profile.as_str()), Some("slpf"));
    assert_eq!(read.command_id.as_deref(), Some(""));
    let written = r#"{"action":"deny","target":{"x-acme:thing":null},"args":{"stop_time":9000000000000000,"duration":200,"response_requested":"status","slpf":{"direction":"ingress"}},"actuator":{"slpf":{}},"command_id":""}"#;
    assert_eq!(command_to_json(&read).to_string(), written);
    for action in Action::ALL {
        let command =
            command_from_json(&json!({"action": action.as_str(), "target": {"uri": "a:"}}));
        assert_eq!(command.unwrap().action, action);
    }
}

/// Shows L11-3.4.1.5-2.
#[test]
fn a_repeated_feature_counts_once() {
    let command =
        json!({"action": "query", "target": {"features": ["pairs", "versions", "pairs"]}});
    let read = command_from_json(&command).unwrap();
    assert_eq!(read.target, Target::Features(vec![Feature::Pairs, Feature::Versions]));
}

/// Shows L11-3.4-1 and L11-3.4-2.
#[test]
fn a_target_that_breaks_a_rule_is_refused_where_it_does() {
    let deep = json!({"pid": 1, "parent": {"parent": {"pid": -1}}});
    let md5 = "0313FD399B143FC40CD52A1679018305";
    #[rustfmt::skip]
    let cases = [
        ("artifact",        json!({}),                                   "",               "at least one member"),
        ("artifact",        json!({"name": "a"}),                        "/name",          "mime_type, payload, hashes"),
        ("artifact",        json!({"payload": {}}),                      "/payload",       "expected Payload, an object with exactly one member"),
        ("artifact",        json!({"payload": {"bin": "Zg=="}}),         "/payload/bin",   "padding"),
        ("artifact",        json!({"payload": {"url": "//a"}}),          "/payload/url",   "expected URI"),
        ("artifact",        json!({"payload": {"text": "a"}}),           "/payload/text",  "which has bin, url"),
        ("command",         json!(5),                                    "",               "found 5"),
        ("device",          json!({}),                                   "",               "at least one member"),
        ("device",          json!({"hostname": "a_b"}),                  "/hostname",      "a label holds something else than letters"),
        ("device",          json!({"idn_hostname": "B\u{fc}"}),          "/idn_hostname",  "IDNA 2008"),
        ("domain_name",     json!("a..b"),                               "",               r#"a label is empty, found "a..b""#),
        ("email_addr",      json!("Name <a@x.org>"),                     "",               "needs quotation marks"),
        ("features",        json!({}),                                   "",               "expected Features, an array, found an empty object"),
        ("features",        json!(["versions", "schema"]),               "/1",             "versions, profiles, pairs, rate_limit"),
        ("features",        json!(vec!["pairs"; 11]),                    "",               "at most 10"),
        ("file",            json!({}),                                   "",               "at least one member"),
        ("file",            json!({"hashes": {}}),                       "/hashes",        "at least one member"),
        ("file",            json!({"hashes": {"md5": "00"}}),            "/hashes/md5",    "not 16 octets"),
        ("file",            json!({"hashes": {"sha1": md5}}),            "/hashes/sha1",   "not 20 octets"),
        ("file",            json!({"hashes": {"sha256": md5}}),          "/hashes/sha256", "not 32 octets"),
        ("file",            json!({"hashes": {"sha512": md5}}),          "/hashes/sha512", "md5, sha1, sha256"),
        ("idn_domain_name", json!("-a"),                                 "",               "none that IDNA allows"),
        ("idn_email_addr",  json!("a"),                                  "",               "no @"),
        ("ipv4_net",        json!("1.2.3.4/33"),                         "",               "prefix length"),
        ("ipv4_net",        json!("::1"),                                "",               "expected IPv4-Net"),
        ("ipv6_net",        json!("1.2.3.4"),                            "",               "expected IPv6-Net"),
        ("ipv4_connection", json!({}),                                   "",               "at least one member"),
        ("ipv4_connection", json!({"dst_port": 70_000}),                 "/dst_port",      "from 0 to 65535, found 70000"),
        ("ipv4_connection", json!({"dst_port": "80"}),                   "/dst_port",      r#"found "80""#),
        ("ipv4_connection", json!({"protocol": "TCP"}),                  "/protocol",      "icmp, tcp, udp, sctp"),
        ("ipv4_connection", json!({"src_addr": "::1"}),                  "/src_addr",      "IPv4"),
        ("ipv6_connection", json!({}),                                   "",               "at least one member"),
        ("ipv6_connection", json!({"dst_addr": "1.2.3.4"}),              "/dst_addr",      "IPv6"),
        ("ipv6_connection", json!({"port": 1}),                          "/port",          "no field of IPv6-Connection, which has src_addr"),
        ("iri",             json!("b\u{fc}cher"),                        "",               "expected IRI"),
        ("mac_addr",        json!("8c-85-90-72-31-af"),                  "",               "not two hexadecimal digits"),
        ("process",         json!({}),                                   "",               "at least one member"),
        ("process",         json!({"pid": 1.5}),                         "/pid",           "found 1.5"),
        ("process",         json!({"executable": {}}),                   "/executable",    "at least one member"),
        ("process",         deep,                                        "/parent/parent/pid", "found -1"),
        ("properties",      json!([]),                                   "",               "at least one"),
        ("properties",      json!(["a", "b", "a"]),                      "",               "no element twice"),
        ("properties",      json!(["a", 1]),                             "/1",             "text, found 1"),
        ("uri",             json!("example.com"),                        "",               "no scheme"),
        ("uri",             json!("http://b\u{fc}cher.example"),         "",               "ASCII"),
    ];
    for (name, value, pointer, words) in cases {
        let pointer = format!("/body/openc2/request/target/{name}{pointer}");
        assert_fault(&command_on(&json!({name: value})), &pointer, words);
    }
}

/// Shows L11-3.3.2-1 and L11-3.3.2.2-1.
#[test]
fn what_is_no_response_is_refused_where_it_is_wrong() {
    let results = |results| response(&json!({"status": 200, "results": results}));
    #[rustfmt::skip]
    let cases = [
        (response(&json!({"status_text": "OK"})),                "",                         "status is missing in OpenC2-Response"),
        (response(&json!({"status": "200"})),                    "/status",                  r#"found "200""#),
        (response(&json!({"status": 201})),                      "/status",                  "102, 200, 400, 401, 403, 404, 500, 501, 503"),
        (response(&json!({"status": 200, "status_text": 5})),    "/status_text",             "text, found 5"),
        (response(&json!({"status": 200, "versions": ["1.1"]})), "/versions",                "status, status_text, results"),
        (results(json!({})),                                     "/results",                 "at least one member"),
        (results(json!([])),                                     "/results",                 "found an empty array"),
        (results(json!({"versions": []})),                       "/results/versions",        "at least one"),
        (results(json!({"versions": ["1.1", "1.1"]})),           "/results/versions",        "no element twice"),
        (results(json!({"versions": ["1"]})),                    "/results/versions/0",      "Major.Minor"),
        (results(json!({"profiles": ["http://a/"]})),            "/results/profiles/0",      "namespace identifier"),
        (results(json!({"pairs": {}})),                          "/results/pairs",           "at least one member"),
        (results(json!({"pairs": {"zap": ["file"]}})),           "/results/pairs/zap",       "expected as key Action"),
        (results(json!({"pairs": {"deny": []}})),                "/results/pairs/deny",      "at least one"),
        (results(json!({"pairs": {"deny": ["file", "file"]}})),  "/results/pairs/deny",      "no element twice"),
        (results(json!({"pairs": {"deny": ["ip_addr"]}})),       "/results/pairs/deny/0",    "expected #Target (artifact"),
        (results(json!({"rate_limit": -1})),                     "/results/rate_limit",      "found -1"),
        (results(json!({"rate_limit": "30"})),                   "/results/rate_limit",      r#"found "30""#),
        (results(json!({"x-acme": {}})),                         "/results/x-acme",          "at least one result"),
        (results(json!({"x acme": 1})),                          "/results/x acme",          "namespace identifier"),
    ];
    for (message, pointer, words) in cases {
        assert_fault(&message, &format!("/body/openc2/response{pointer}"), words);
    }
}

#[test]
fn a_response_is_written_in_the_order_of_the_tables() {
    let value = json!({
        "results": {
            "x-acme": [1], "rate_limit": 30.0, "profiles": [],
            "pairs": {"set": ["x-acme:led", "file"], "query": ["features"]}, "versions": ["1.1"]
        },
        "status_text": "OK",
        "status": 200.0
    });
    let written = r#"{"status":200,"status_text":"OK","results":{"versions":["1.1"],"profiles":[],"pairs":{"query":["features"],"set":["x-acme:led","file"]},"rate_limit":30,"x-acme":[1]}}"#;
    assert_eq!(response_to_json(&response_from_json(&value).unwrap()).to_string(), written);
    assert_eq!(
        response_to_json(&Response::new(Status::Processing)).to_string(),
        r#"{"status":102}"#
    );
}

/// Shows L11-5.4-2 for what an actuator says.
#[test]
fn what_another_reader_let_through_is_refused_all_the_same() {
    let cases = [
        (json!({"x": 1_u64 << 53}), "/results/x-y/x", "an integer beyond 2^53 - 1"),
        (json!(["\u{ffff}"]), "/results/x-y/0", "a noncharacter"),
    ];
    for (value, pointer, words) in cases {
        let response = json!({"status": 200, "results": {"x-y": value}});
        let fault = response_from_json(&response).unwrap_err();
        assert_eq!(fault.pointer, pointer, "{fault}");
        assert!(fault.reason.contains(words), "{fault}");
    }
}

/// Shows L11-5.4-2.
#[test]
fn what_is_no_i_json_is_refused_with_the_place_and_the_byte() {
    let head = br#"{"headers":{"request_id":"r","from":"p"},"body":"#;
    let cases: [(&[u8], &str, &str); 6] = [
        (
            b"{\"openc2\":{\"request\":{\"action\":\"x\xff\"}}}}",
            "/body/openc2/request/action",
            "byte 81: not UTF-8",
        ),
        (
            b"{\"openc2\":{},\"openc2\":{}}}",
            "/body",
            "byte 61: the member name \"openc2\" stands there twice",
        ),
        (
            b"{\"openc2\":{\"request\":\"\\ud800\"}}}",
            "/body/openc2/request",
            "byte 70: half of a surrogate pair",
        ),
        (b"[0,9007199254740992]}", "/body/1", "byte 51: an integer beyond 2^53 - 1"),
        (b"{\"openc2\":", "/body/openc2", "byte 58: the text ends too early"),
        (b"{}}x", "", "byte 51: something follows"),
    ];
    for (tail, pointer, words) in cases {
        let message = [&head[..], tail].concat();
        let unreadable = read(&message, Encoding::Json, Limits::default()).unwrap_err();
        let Unreadable { fault, glimpse, .. } = *unreadable;
        assert_eq!(fault.pointer, pointer, "{fault}");
        assert!(fault.reason.contains(words), "{fault}");
        assert_eq!(glimpse.from.as_deref(), Some("p"));
        assert_eq!(glimpse.request_id.as_deref(), Some("r"));
    }
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let nested = |depth: usize| {
        let value = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"body":{{"openc2":{{"notification":{{"x":{value}}}}}}}}}"#)
    };
    let limits = Limits { depth: 10, ..Limits::default() };
    assert!(read(nested(6).as_bytes(), Encoding::Json, limits).is_ok());
    let fault = read(nested(7).as_bytes(), Encoding::Json, limits).unwrap_err().fault;
    assert!(fault.reason.contains("nested deeper than 10"), "{fault}");
}

#[test]
fn a_message_beyond_the_limit_is_seen_up_to_there() {
    let text = format!(r#"{{"headers":{{"from":"p"}},"x":"{}"}}"#, "y".repeat(100));
    let limits = Limits { message_bytes: 50, ..Limits::default() };
    let Unreadable { fault, glimpse, .. } =
        *read(text.as_bytes(), Encoding::Json, limits).unwrap_err();
    assert_eq!(
        (fault.pointer.as_str(), fault.reason.as_str()),
        ("", "131 bytes long, 50 are allowed")
    );
    assert_eq!(glimpse.from.as_deref(), Some("p"));

    let limits = Limits { message_bytes: text.len(), ..limits };
    let fault = read(text.as_bytes(), Encoding::Json, limits).unwrap_err().fault;
    assert_eq!(fault.pointer, "/x");
}

//! Language 1.0, read into the same types.

use super::*;

fn older(message: &Value) -> Result<Letter, Box<Unreadable>> {
    let language = [Language::core(Version::V1_0)];
    read_by(message.to_string().as_bytes(), Encoding::Json, Limits::default(), &language)
}

/// Shows L10-3.3.4-1: what only 1.0 has, and how it is known here.
#[test]
fn a_command_of_1_0_becomes_what_1_1_would_say() {
    let deny = |target: Value| json!({"action": "deny", "target": target});
    #[rustfmt::skip]
    let cases = [
        (json!({"ip_addr": "192.0.2.1"}),                              json!({"ip_addr": "192.0.2.1"})),
        (json!({"ip_addr": "wAACAQ"}),                                 json!({"ip_addr": "192.0.2.1"})),
        (json!({"ip_addr": "2001:db8::1"}),                            json!({"ip_addr": "2001:db8::1"})),
        (json!({"ip_connection": {"dst_addr": "10.0.0.1", "dst_port": 80, "protocol": "tcp"}}),
         json!({"ip_connection": {"dst_addr": "10.0.0.1", "dst_port": 80, "protocol": "tcp"}})),
        (json!({"mac_addr": "jIWQcjGv"}),                              json!({"mac_addr": "8C:85:90:72:31:AF"})),
        (json!({"file": {"hashes": {"md5": "AxP9OZsUP8QM1SoWeQGDBQ"}}}),
         json!({"file": {"hashes": {"md5": "0313FD399B143FC40CD52A1679018305"}}})),
        (json!({"device": {"hostname": "cam-3", "description": "by the door"}}),
         json!({"device": {"hostname": "cam-3", "description": "by the door"}})),
        (json!({"features": ["versions", "schema"]}),                  json!({"features": ["versions", "schema"]})),
        (json!({"properties": ["battery"]}),                           json!({"properties": ["battery"]})),
        (json!({"extension_unr": {"x-acme": {"led": 5}}}),             json!({"x-acme:led": 5})),
        (json!({"slpf": {"rule_number": 1234}}),                       json!({"slpf:rule_number": 1234})),
    ];
    for (target, normal) in cases {
        let letter = older(&request(&deny(target.clone())))
            .unwrap_or_else(|unreadable| panic!("{target}: {}", unreadable.fault));
        let Content::Request(command) = letter.message.content else { panic!("{target}") };
        assert_eq!(command_to_json(&command), deny(normal), "{target}");
        assert_eq!(letter.manner.version, Version::V1_0);
    }

    let command = json!({
        "action": "deny", "target": {"uri": "urn:a:b"},
        "args": {"duration": 5, "slpf": {"direction": "ingress"}, "extension_unr": {"x-acme": {"a": 1}}},
        "actuator": {"extension_unr": {"x-acme": {"asset_id": "30"}}}
    });
    let Content::Request(command) = older(&request(&command)).unwrap().message.content else {
        panic!("it is a request");
    };
    assert_eq!(command.args.extensions["slpf"]["direction"], "ingress");
    assert_eq!(command.args.extensions["x-acme"]["a"], 1);
    let actuator = command.actuator.unwrap();
    assert_eq!(
        (actuator.profile.as_str(), &actuator.specifiers["asset_id"]),
        ("x-acme", &json!("30"))
    );
}

/// Shows L10-3.4.1.9-1.
#[test]
fn what_is_no_command_of_1_0_is_refused_where_it_is_wrong() {
    let target = |target: Value| request(&json!({"action": "deny", "target": target}));
    #[rustfmt::skip]
    let cases = [
        (target(json!({"ip_addr": "192.0.2"})),                    "/target/ip_addr"),
        (target(json!({"ip_addr": "wAAC"})),                       "/target/ip_addr"),
        (target(json!({"ip_connection": {"src_addr": "10.0.0.1", "dst_addr": "::1"}})), "/target/ip_connection"),
        (target(json!({"ipv4_net": "192.0.2.0/24"})),              "/target/ipv4_net"),
        (target(json!({"mac_addr": "wAAC"})),                      "/target/mac_addr"),
        (target(json!({"device": {"device_id": "plug"}})),         "/target/device"),
        (target(json!({"slpf": 5})),                               "/target/slpf"),
        (target(json!({"slpf": {"a": 1, "b": 2}})),                "/target/slpf"),
        (target(json!({"extension_unr": {"x-acme": {}}})),         "/target/extension_unr/x-acme"),
        (request(&json!({"action": "deny", "target": {"uri": "urn:a:b"}, "command_id": "c"})), "/command_id"),
        (request(&json!({"action": "deny", "target": {"uri": "urn:a:b"}, "args": {"start_time": -1}})), "/args/start_time"),
    ];
    for (message, pointer) in cases {
        let fault = older(&message).expect_err(&message.to_string()).fault;
        assert_eq!(fault.pointer, format!("/body/openc2/request{pointer}"), "{message}: {fault}");
    }
}

/// Results stand beside the status, and pairs are a list.
#[test]
fn a_response_of_1_0_has_its_own_shape_and_the_same_meaning() {
    let response = Response {
        status: Status::Ok,
        status_text: Some("done".to_owned()),
        results: Some(Results {
            versions: Some(vec!["1.0".to_owned()]),
            profiles: Some(vec!["oasis-open.org/openc2/v1.0/ap-slpf".to_owned()]),
            pairs: Some(Pairs::from([
                (Action::Query, vec![TargetName::Features]),
                (Action::Delete, vec!["slpf:rule_number".parse().unwrap()]),
                (Action::Set, vec!["x-a:b".parse().unwrap(), "x-a:c".parse().unwrap()]),
            ])),
            rate_limit: Some(30.0),
            extensions: json!({"x-a": {"state": "on"}}).as_object().unwrap().clone(),
            ..Results::default()
        }),
    };
    let message = Message {
        headers: crate::openc2::Headers::default(),
        content: Content::Response(response.clone()),
        signature: None,
    };
    let language = Language::core(Version::V1_0);
    let written = write_by(&message, Encoding::Json, language).unwrap();
    let expected = r#"{"body":{"openc2":{"response":{"status":200,"status_text":"done","versions":["1.0"],"profiles":["oasis-open.org/openc2/v1.0/ap-slpf"],"pairs":[["query",["features"]],["set",["extension_unr"]],["delete",["slpf"]]],"rate_limit":30,"extension_unr":{"x-a":{"state":"on"}}}}}}"#;
    assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
    for encoding in [Encoding::Json, Encoding::Cbor] {
        let written = write_by(&message, encoding, language).unwrap();
        let letter = read_by(&written, encoding, Limits::default(), &[language]).unwrap();
        let Content::Response(told) = &letter.message.content else { panic!("a response") };
        let shown = results_told(told, &written, letter.manner).unwrap();
        let pairs = json!({"query": ["features"], "set": ["extension_unr"], "delete": ["slpf"]});
        assert_eq!((&shown["pairs"], &shown["rate_limit"]), (&pairs, &json!(30)), "{encoding:?}");
        let Content::Response(mut read) = letter.message.content else { panic!("a response") };
        // A profile that is listed stands for all of its targets, by no name of theirs.
        let pairs = read.results.as_mut().and_then(|results| results.pairs.as_mut()).unwrap();
        assert_eq!(pairs.remove(&Action::Delete), Some(Vec::new()));
        assert_eq!(pairs.remove(&Action::Set), Some(Vec::new()));
        let mut meant = response.clone();
        let pairs = meant.results.as_mut().and_then(|results| results.pairs.as_mut()).unwrap();
        pairs.retain(|action, _| *action == Action::Query);
        assert_eq!(read, meant, "{encoding:?}");
    }
}

/// The newest version in which a message is valid decides.
#[test]
fn the_newest_version_in_which_a_command_is_valid_decides() {
    let query = |target: Value| request(&json!({"action": "query", "target": target}));
    let both = every_version();
    let [newest, oldest] = [&both[..1], &both[1..]];
    let cases = [
        (query(json!({"features": ["pairs"]})), &both[..], Some(Version::V1_1)),
        (query(json!({"features": ["pairs"]})), oldest, Some(Version::V1_0)),
        (query(json!({"features": ["schema"]})), &both[..], Some(Version::V1_0)),
        (query(json!({"features": ["schema"]})), newest, None),
        (query(json!({"ip_addr": "10.0.0.1"})), &both[..], Some(Version::V1_0)),
        (query(json!({"ipv4_net": "10.0.0.1"})), &both[..], Some(Version::V1_1)),
        (query(json!({"ipv4_net": "10.0.0.300"})), &both[..], None),
        (query(json!({"ipv4_connection": {"dst_port": 70_000}})), &both[..], None),
        (query(json!({"x-acme:led": 1})), &both[..], Some(Version::V1_1)),
        (query(json!({"extension_unr": {"x-acme": {"led": 1}}})), &both[..], Some(Version::V1_0)),
    ];
    for (message, languages, version) in cases {
        let text = message.to_string();
        let read = read_by(text.as_bytes(), Encoding::Json, Limits::default(), languages);
        let found = read.as_ref().ok().map(|letter| letter.manner.version);
        assert_eq!(found, version, "{message}: {read:?}");
    }
    // What is valid in none is explained by the newest.
    let bad = query(json!({"ipv4_net": "10.0.0.300"})).to_string();
    let fault =
        read_by(bad.as_bytes(), Encoding::Json, Limits::default(), &both).unwrap_err().fault;
    assert!(fault.reason.contains("IPv4-Net"), "{fault}");
}

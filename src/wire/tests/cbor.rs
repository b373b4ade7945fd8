//! The same messages in CBOR.

use super::*;

/// The CBOR of a message.
fn in_cbor(message: &Value) -> Bytes {
    from_json(message.to_string().as_bytes(), every_version()[0]).unwrap()
}

/// A command with headers, and one of every kind of value that CBOR has otherwise than JSON.
fn everything() -> Value {
    json!({
        "headers": {"request_id": "r", "created": 1_595_268_027_000_u64, "from": "p", "to": ["a"], "x": [1.5]},
        "body": {"openc2": {"request": {
            "action": "deny",
            "target": {"ipv4_connection": {"src_addr": "10.0.0.0/8", "dst_port": 80, "protocol": "tcp"}},
            "args": {"duration": 5, "response_requested": "ack", "x-acme": {"a": [null, "b"]}},
            "actuator": {"slpf": {"asset_id": "30"}},
            "command_id": "c"
        }}}
    })
}

#[test]
fn a_message_in_cbor_means_what_it_means_in_json() {
    let target = |target: Value| {
        let mut message = everything();
        message["body"]["openc2"]["request"]["target"] = target;
        message
    };
    let messages = [
        everything(),
        target(json!({"ipv6_net": "2001:db8::/32"})),
        target(json!({"mac_addr": "8C:85:90:72:31:AF"})),
        target(
            json!({"artifact": {"payload": {"bin": "Zm9v"}, "hashes": {"md5": "0313FD399B143FC40CD52A1679018305"}}}),
        ),
        target(json!({"features": ["versions", "pairs"]})),
        target(json!({"x-acme:thing": {"1": "2"}})),
        response(&json!({"status": 200, "results": {
            "versions": ["1.1"], "rate_limit": 0.5, "x-acme": 1,
            "pairs": {"query": ["features"], "set": ["x-acme:led", "file"]}
        }})),
        json!({"body": {"openc2": {"notification": {"x-acme": true}}}, "signature": "a..b"}),
    ];
    for message in messages {
        let cbor = in_cbor(&message);
        assert_eq!(Encoding::of(&cbor), Encoding::Cbor);
        let read_from = read_any(&cbor, Limits::default(), Library::built_in_once())
            .unwrap_or_else(|unreadable| panic!("{message}: {}", unreadable.fault));
        let expected = read_json(&message).unwrap();
        assert_eq!(read_from.message, expected.message);
        assert_eq!(read_from.canonical_body, expected.canonical_body);
        assert_eq!(read_from.manner.encoding, Encoding::Cbor);
        assert_eq!(shown(&cbor), Some(message.clone()));
        let written = write_by(&expected.message, Encoding::Cbor, every_version()[0]).unwrap();
        let again = read_any(&written, Limits::default(), Library::built_in_once()).unwrap();
        assert_eq!(again.message, expected.message, "{message}");
    }
}

#[test]
fn cbor_that_is_wrong_is_refused_where_it_is_and_seen_up_to_there() {
    // {"headers": {"from": "p", "request_id": "r"}, "body": {"openc2": {"request": {}}}}
    let by_name = b"\xa2\x67headers\xa2\x64from\x61p\x6arequest_id\x61r\x64body\xa1\x66openc2\xa1\x67request\xa0";
    // [{1: "r", 3: "p"}, {1: {1: [6, {999: 0}]}}]
    let unknown_target = b"\x82\xa2\x01\x61r\x03\x61p\xa1\x01\xa1\x01\x82\x06\xa1\x19\x03\xe7\x00";
    // [{1: "r", 3: "p"}, {1: {1: [6, {15: [null, 65536]}]}}]
    let bad_port =
        b"\x82\xa2\x01\x61r\x03\x61p\xa1\x01\xa1\x01\x82\x06\xa1\x0f\x82\xf6\x1a\x00\x01\x00\x00";
    // [{1: "r", 3: "p", 3: "q"}, ...
    let twice = b"\x82\xa3\x01\x61r\x03\x61p\x03\x61q\xa1\x01\xa1\x01\x82\x06\xa1\x02\x60";
    // [{1: "r", 3: "p"}, {1: {1: [6, {
    let cut = b"\x82\xa2\x01\x61r\x03\x61p\xa1\x01\xa1\x01\x82\x06\xa1";
    #[rustfmt::skip]
    let cases: [(&[u8], Status, &str, &str, bool); 5] = [
        (by_name,        Status::BadRequest,     "",                                                      "expected Message",                      true),
        (unknown_target, Status::NotImplemented, "/body/openc2/request/target/999",                       "no target has the number 999",          true),
        (bad_port,       Status::BadRequest,     "/body/openc2/request/target/ipv4_connection/src_port",  "from 0 to 65535, found 65536",          true),
        (twice,          Status::BadRequest,     "/headers/from",                                         "stands there twice",                    false),
        (cut,            Status::BadRequest,     "/body/openc2/request/target",                           "ends too early",                        false),
    ];
    for (bytes, status, pointer, words, is_whole) in cases {
        let unreadable = *read(bytes, Encoding::Cbor, Limits::default()).unwrap_err();
        let fault = unreadable.fault;
        assert_eq!((fault.pointer.as_str(), fault.status), (pointer, status), "{fault}");
        assert!(fault.reason.contains(words), "{fault}");
        assert_eq!(unreadable.is_whole, is_whole, "{fault}");
        let glimpse = unreadable.glimpse;
        assert_eq!(glimpse.from.as_deref(), Some("p"), "{fault}");
        assert_eq!(glimpse.request_id.as_deref(), Some("r"), "{fault}");
    }
    let nothing: [(&[u8], usize); 2] = [(b"\xa2\x67head", 3), (b"\xff", 10)];
    for (bytes, message_bytes) in nothing {
        let limits = Limits { message_bytes, ..Limits::default() };
        let Unreadable { fault, glimpse, .. } = *read(bytes, Encoding::Cbor, limits).unwrap_err();
        assert_eq!(fault.status, Status::BadRequest);
        assert_eq!((glimpse.from, glimpse.kind), (None, None));
    }
}

#[test]
fn cbor_that_is_cut_off_tells_what_came_before() {
    let message = in_cbor(&everything());
    let mut seen_from = false;
    for length in 0..message.len() {
        let cut = &message[..length];
        let glimpse = read(cut, Encoding::Cbor, Limits::default()).unwrap_err().glimpse;
        assert!(!seen_from || glimpse.from.is_some(), "{length}");
        seen_from |= glimpse.from.is_some();
    }
    assert!(seen_from);
}

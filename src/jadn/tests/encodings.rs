//! One value in several forms: verbose and compact JSON, and CBOR.

use super::*;
use crate::jadn::NodeId;

fn transcoded(
    schema: &Schema,
    root: NodeId,
    document: &[u8],
    from: Form,
    to: Form,
) -> Result<Vec<u8>, Box<Fault>> {
    schema.transcode(root, document, from, to, DEPTH)
}

fn hex(octets: &[u8]) -> String {
    crate::format::to_hex(octets, "").to_lowercase()
}

/// JADN v1.0 CS01, sections 4.1 to 4.4: each base type in each form.
#[test]
fn every_type_has_its_form_in_each_encoding() {
    #[rustfmt::skip]
    let cases = [
        // type                                          verbose            compact          CBOR
        (r#"["T", "Boolean"]"#,                          "true",            "true",          "f5"),
        (r#"["T", "Null"]"#,                             "null",            "null",          "f6"),
        (r#"["T", "Integer"]"#,                          "-1000",           "-1000",         "3903e7"),
        (r#"["T", "Integer", ["/u64"]]"#,                r#""18446744073709551615""#, r#""18446744073709551615""#, "1bffffffffffffffff"),
        (r#"["T", "Integer", ["/i64"]]"#,                r#""-1""#,         r#""-1""#,       "20"),
        (r#"["T", "Number"]"#,                           "1.5",             "1.5",           "f93e00"),
        (r#"["T", "Number"]"#,                           "0.1",             "0.1",           "fb3fb999999999999a"),
        (r#"["T", "Number"]"#,                           "3.4028234663852886e+38", "3.4028234663852886e+38", "fa7f7fffff"),
        (r#"["T", "Number"]"#,                           "7",               "7",             "07"),
        (r#"["T", "String"]"#,                           r#""ü\n""#,        r#""ü\n""#,      "63c3bc0a"),
        (r#"["T", "Binary"]"#,                           r#""AQID""#,       r#""AQID""#,     "43010203"),
        (r#"["T", "Binary", ["/x"]]"#,                   r#""0AFF""#,       r#""0AFF""#,     "420aff"),
        (r#"["T", "Binary", ["/eui"]]"#,                 r#""01:23:45:67:89:AB""#, r#""01:23:45:67:89:AB""#, "460123456789ab"),
        (r#"["T", "Binary", ["/ipv4-addr"]]"#,           r#""10.0.0.1""#,   r#""10.0.0.1""#, "440a000001"),
        (r#"["T", "Binary", ["/ipv6-addr"]]"#,           r#""2001:db8::1""#, r#""2001:db8::1""#, "5020010db8000000000000000000000001"),
        (r#"["T", "Array", ["/ipv4-net"], "", [[1, "a", "Binary", ["/ipv4-addr"]], [2, "p", "Integer", ["[0"]]]]"#, r#""10.0.0.0/8""#, r#""10.0.0.0/8""#, "82440a00000008"),
        (r#"["T", "Array", ["/ipv4-net"], "", [[1, "a", "Binary", ["/ipv4-addr"]], [2, "p", "Integer", ["[0"]]]]"#, r#""10.1.2.3""#, r#""10.1.2.3""#, "81440a010203"),
        (r#"["T", "Enumerated", [], "", [[5, "a"], [6, "b"]]]"#, r#""b""#,  "6",             "06"),
        (r#"["T", "Enumerated", ["="], "", [[5, "a"]]]"#, "5",              "5",             "05"),
        (r#"["T", "Choice", [], "", [[7, "a", "Integer"]]]"#, r#"{"a":1}"#, r#"{"7":1}"#,    "a10701"),
        (r#"["T", "Choice", ["="], "", [[7, "a", "Integer"]]]"#, r#"{"7":1}"#, r#"{"7":1}"#, "a10701"),
        (r#"["T", "Map", [], "", [[4, "a", "Integer"], [9, "b", "Boolean", ["[0"]]]]"#, r#"{"a":1,"b":true}"#, r#"{"4":1,"9":true}"#, "a2040109f5"),
        (r#"["T", "Record", [], "", [[1, "a", "Integer"], [2, "b", "Any", ["[0"]], [3, "c", "Boolean", ["[0"]]]]"#, r#"{"a":1,"c":true}"#, "[1,null,true]", "8301f6f5"),
        (r#"["T", "Record", [], "", [[1, "a", "Integer"], [2, "b", "String", ["[0"]]]]"#, r#"{"a":1}"#, "[1]", "8101"),
        (r#"["T", "Array", [], "", [[1, "a", "Integer", ["[0"]], [2, "b", "Boolean"]]]"#, "[null,true]", "[null,true]", "82f6f5"),
        (r#"["T", "ArrayOf", ["*Integer"]]"#,            "[1,24]",          "[1,24]",        "82011818"),
        (r#"["T", "MapOf", ["+K", "*Integer"]], ["K", "Enumerated", [], "", [[3, "a"], [4, "b"]]]"#, r#"{"b":1,"a":2}"#, r#"{"4":1,"3":2}"#, "a204010302"),
        (r#"["T", "MapOf", ["+Integer", "*String"]]"#,   r#"{"-5":"x"}"#,   r#"{"-5":"x"}"#, "a1246178"),
        (r#"["T", "MapOf", ["+String", "*Any"]]"#,       r#"{"5":{"a":[1,null]}}"#, r#"{"5":{"a":[1,null]}}"#, "a16135a161618201f6"),
    ];
    for (types, verbose, compact, cbor) in cases {
        let schema = compiled(&cs01(types));
        let root = schema.type_named("T").unwrap();
        let octets = crate::format::hex_octets(cbor).unwrap();
        let forms = [
            (Form::VERBOSE, verbose.as_bytes()),
            (Form::COMPACT, compact.as_bytes()),
            (Form::CBOR, &octets[..]),
        ];
        for (from, document) in forms {
            for (to, expected) in forms {
                let written = transcoded(&schema, root, document, from, to).unwrap();
                let shown = if to.has_octets { hex } else { text_of };
                let (written, expected) = (shown(&written), shown(expected));
                assert_eq!(written, expected, "{types}: from {from:?}");
            }
        }
    }
}

/// CS01, section 4.1, has a number for every integer; what is written is text, so that
/// one that no float has exactly is none either.
#[test]
fn a_wide_integer_may_be_a_number_in_json() {
    let schema = compiled(&cs01(r#"["T", "Integer", ["/u64"]]"#));
    let root = schema.type_named("T").unwrap();
    for (from, form) in [
        (&b"5"[..], Form::VERBOSE),
        (b"5.0", Form::COMPACT),
        (b"\"5\"", Form::VERBOSE),
        (b"\x05", Form::CBOR),
    ] {
        let written = |to| transcoded(&schema, root, from, form, to).unwrap();
        assert_eq!(written(Form::VERBOSE), b"\"5\"");
        assert_eq!(written(Form::CBOR), b"\x05");
        let mut tape = Tape::default();
        schema.judge_bytes(root, from, form, DEPTH, &mut tape).unwrap();
        let mut canonical = String::new();
        tape.view(&schema, from).unwrap().write_canonical(&mut canonical);
        assert_eq!(canonical, "\"5\"");
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What CBOR may say in several ways is read in each of them.
#[test]
fn cbor_is_read_however_its_sender_spells_it() {
    let schema = compiled(LANGUAGE_11);
    let root = schema.type_named("OpenC2-Command").unwrap();
    // {1: 6, 2: {13: [h'0A000000', 8]}} with Record as array: [deny, target].
    let verbose = r#"{"action":"deny","target":{"ipv4_net":"10.0.0.0/8"}}"#;
    let shortest =
        transcoded(&schema, root, verbose.as_bytes(), Form::VERBOSE, Form::CBOR).unwrap();
    assert_eq!(hex(&shortest), "8206a10d82440a00000008");
    for spelling in [
        // Open lengths, long heads, a float that is whole, octets in pieces, gaps at the end.
        "9f06bf0d9f440a00000008ffffff",
        "82180 6a1190 00d82440a00000008",
        "82f94600a10d82440a000000f94800",
        "8206a10d825f410a43000000ff08",
        "8406a10d82440a00000008f6f6",
    ] {
        let octets = crate::format::hex_octets(&spelling.replace(' ', "")).unwrap();
        let written = transcoded(&schema, root, &octets, Form::CBOR, Form::VERBOSE);
        assert_eq!(written.map(|it| text_of(&it)), Ok(verbose.to_owned()), "{spelling}");
    }
}

/// Faults in CBOR point to where they are, as those in JSON do.
#[test]
fn faults_in_cbor_are_told_as_those_in_json() {
    let schema = compiled(LANGUAGE_11);
    let root = schema.type_named("OpenC2-Command").unwrap();
    #[rustfmt::skip]
    let cases = [
        ("8206a10d82440a0000001821", "/target/ipv4_net: expected IPv4-Net, a range of addresses, found an array"),
        ("8206a10d82440a000000f5", "/target/ipv4_net: expected IPv4-Net, a range of addresses, found an array"),
        ("8206a10d6a31302e302e302e302f38", "/target/ipv4_net: expected IPv4-Net, a range of addresses, found \"10.0.0.0/8\""),
        ("82f6a0", "/action: expected Action (1, 2, 3, 6, "),
        ("811863", "/action: expected Action (1, 2, 3, 6, "),
        ("8206a11863f6", "/target/99: no alternative of Target"),
        ("8206a2", "/target: byte 3: the document ends too early"),
        ("8206a10dc1", "/target/ipv4_net: byte 4: a tag, which is not read here"),
        ("a2 66616374696f6e 06 66746172676574 a0", ": expected OpenC2-Command, an array, found an object"),
        ("8206a10d82440a0000000800", ": byte 11: something follows the end of the item"),
        ("8206a1 6469707634 00", "/target/ipv4: no alternative of Target"),
        // A number as text is a name here.
        ("8206a1 623133 82440a00000008", "/target/13: no alternative of Target"),
        ("8206a10f a1016161", "/target/ipv4_connection: expected IPv4-Connection, an array, found an object"),
        ("8206a10f 8143000000", "/target/ipv4_connection/src_addr: expected IPv4-Net, a range"),
        ("8206a103 43000000", "/target/device: expected Device, an object, found 3 octets"),
        ("8206a10a a103 a10105", "/target/file/hashes/md5: expected Hashes.md5, octets"),
        ("8206a10a a103 a20141000140", "/target/file/hashes/md5: this member stands there twice"),
    ];
    for (octets, fault) in cases {
        let octets = crate::format::hex_octets(&octets.replace(' ', "")).unwrap();
        let found = transcoded(&schema, root, &octets, Form::CBOR, Form::VERBOSE).unwrap_err();
        assert!(found.to_string().starts_with(fault), "{}: {found}", hex(&octets));
    }
}

/// What others have added goes through as it came, names and all.
#[test]
fn added_members_keep_their_names_in_each_encoding() {
    let schema = compiled(LANGUAGE_11).taking(|unknown| match unknown.key {
        crate::encoding::source::Key::Text(name) if name.starts_with("x-") => Ok(()),
        _ => Err(String::new()),
    });
    let root = schema.type_named("OpenC2-Command").unwrap();
    let verbose = r#"{"action":"set","target":{"x-a":{"b":[1,null,"ü"],"5":{}}},"args":{"duration":5,"x-c":0.5}}"#;
    let cbor = transcoded(&schema, root, verbose.as_bytes(), Form::VERBOSE, Form::CBOR).unwrap();
    assert_eq!(hex(&cbor), "830fa163782d61a261628301f662c3bc6135a0a2030563782d63f93800",);
    let back = transcoded(&schema, root, &cbor, Form::CBOR, Form::VERBOSE).unwrap();
    assert_eq!(text_of(&back), verbose);
    let mut tape = Tape::default();
    schema.judge_bytes(root, &cbor, Form::CBOR, DEPTH, &mut tape).unwrap();
    let command = tape.view(&schema, &cbor).unwrap();
    let (name, value) = command.field("target").unwrap().chosen().unwrap();
    assert_eq!((&*name, value.is_known()), ("x-a", false));
    let mut canonical = String::new();
    command.write_canonical(&mut canonical);
    assert_eq!(
        canonical,
        r#"{"action":"set","args":{"duration":5,"x-c":0.5},"target":{"x-a":{"5":{},"b":[1,null,"ü"]}}}"#
    );
}

//! What is I-JSON and what is not.

use super::*;

fn read(text: &[u8]) -> Result<Vec<Token<'_>>, JsonError> {
    let mut reader = Reader::new(text, 4);
    let mut tokens = Vec::new();
    loop {
        match reader.token()? {
            Token::End => return Ok(tokens),
            token => tokens.push(token),
        }
    }
}

#[test]
fn a_text_is_read_token_by_token() {
    let name = |text| Token::Name(Cow::Borrowed(text));
    let tokens = read(br#" {"a": [1, -2.5, "x\n\ud83d\ude00"], "b": {"a": null}, "c": true} "#);
    let expected = vec![
        Token::BeginObject,
        name("a"),
        Token::BeginArray,
        Token::Integer(1),
        Token::Float(-2.5),
        Token::String(Cow::Borrowed("x\n\u{1f600}")),
        Token::EndArray,
        name("b"),
        Token::BeginObject,
        name("a"),
        Token::Null,
        Token::EndObject,
        name("c"),
        Token::Bool(true),
        Token::EndObject,
    ];
    assert_eq!(tokens, Ok(expected));
}

/// Shows L11-5.4-2 as far as JSON alone goes.
#[test]
fn what_is_no_i_json_is_refused_where_it_stands() {
    use JsonFlaw::*;
    let unexpected = |expected| Unexpected { expected };
    #[rustfmt::skip]
    let cases: Vec<(&[u8], usize, JsonFlaw)> = vec![
        (b"",                          0, Ends),
        (b"  ",                        2, Ends),
        (b"\xef\xbb\xbf{}",            0, ByteOrderMark),
        (b"{} x",                      3, Trailing),
        (b"01",                        1, Trailing),
        (b"[1",                        2, Ends),
        (b"[1 2]",                     3, unexpected("a comma or ]")),
        (b"[1,]",                      3, unexpected("a value")),
        (b"{\"a\":1,}",                7, unexpected("a member name in quotation marks")),
        (b"{a:1}",                     1, unexpected("a member name in quotation marks")),
        (b"{\"a\" 1}",                 5, unexpected("a colon")),
        (b"{\"a\":1]",                 6, unexpected("a comma or }")),
        (b"nul",                       3, Ends),
        (b"nuul",                      2, unexpected("null")),
        (b"NaN",                       0, unexpected("a value")),
        (b"+1",                        0, unexpected("a value")),
        (b"-",                         1, Ends),
        (b"-x",                        1, unexpected("a digit")),
        (b"1.",                        2, Ends),
        (b"1.x",                       2, unexpected("a digit")),
        (b"1e",                        2, Ends),
        (b"9007199254740992",          0, Integer),
        (b"-9007199254740992",         0, Integer),
        (b"[123456789012345678901234]",1, Integer),
        (b"1e400",                     0, Float),
        (b"\"a",                       2, Ends),
        (b"\"a\\",                     3, Ends),
        (b"\"a\nb\"",                  2, Control),
        (b"\"\\x\"",                   1, Escape),
        (b"\"\\u12g4\"",               5, unexpected("four hexadecimal digits")),
        (b"\"\\ud800\"",               1, Surrogate),
        (b"\"\\ud800\\u0041\"",        1, Surrogate),
        (b"\"\\udc00\"",               1, Surrogate),
        (b"\"\\uffff\"",               1, Noncharacter),
        (b"\"a\xef\xbf\xbe\"",         2, Noncharacter),
        (b"\"\\ud83f\\udffe\"",        1, Noncharacter),
        (b"\"a\xff\"",                 2, NotUtf8),
        (b"\"a\xff",                   2, NotUtf8),
        (b"\"\xed\xa0\x80\"",          1, NotUtf8),
        (b"\"\xc0\xaf\"",              1, NotUtf8),
        (b"\"a\xc3",                   3, Ends),
        (b"{\"a\":1,\"a\":2}",         7, Duplicate("a".to_owned())),
        (b"{\"a\":1,\"\\u0061\":2}",   7, Duplicate("a".to_owned())),
        (b"[[{\"\":1,\"\":2}]]",       8, Duplicate(String::new())),
        (b"[[[[[]]]]]",                4, Depth { limit: 4 }),
    ];
    for (text, offset, flaw) in cases {
        let expected = Err(JsonError { offset, flaw });
        assert_eq!(read(text), expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn numbers_keep_their_kind() {
    let cases = [
        ("9007199254740991", Token::Integer(MAX_INTEGER)),
        ("-9007199254740991", Token::Integer(-MAX_INTEGER)),
        ("-0", Token::Integer(0)),
        ("200.0", Token::Float(200.0)),
        ("1E+2", Token::Float(100.0)),
        ("1e-400", Token::Float(0.0)),
    ];
    for (text, token) in cases {
        assert_eq!(read(text.as_bytes()), Ok(vec![token]), "{text}");
    }
}

#[test]
fn a_name_may_stand_again_in_another_object() {
    assert!(read(br#"[{"a":{"a":1}},{"a":2}]"#).is_ok());
}

#[test]
fn a_twin_is_found_among_many_thousand_members() {
    let members: Vec<_> = (0..20_000).map(|number| format!("\"n{number}\":0")).collect();
    let good = format!("{{{}}}", members.join(","));
    let bad = good.replace("n19999", "n3");
    assert!(read(good.as_bytes()).is_ok());
    let error = read(bad.as_bytes()).unwrap_err();
    assert_eq!(error.flaw, JsonFlaw::Duplicate("n3".to_owned()));
}

#[test]
fn no_depth_exhausts_the_stack() {
    let text = vec![b'['; 1_000_000];
    let mut reader = Reader::new(&text, usize::MAX);
    let error = loop {
        if let Err(error) = reader.token() {
            break error;
        }
    };
    assert_eq!(error, JsonError { offset: MAX_DEPTH, flaw: JsonFlaw::Depth { limit: MAX_DEPTH } });
}

/// A string ends where it should, wherever in eight bytes that is, and at every byte.
#[test]
fn a_string_ends_at_each_place_and_each_byte() {
    for length in 0..40 {
        for byte in 0..=0xff_u8 {
            let text = [b"\"", vec![b'a'; length].as_slice(), &[byte, b'"']].concat();
            let found = read(&text);
            let at = length + 1;
            match byte {
                b'"' => assert_eq!(found.unwrap_err().offset, at + 1, "{text:?}"),
                b'\\' => assert_eq!(found.unwrap_err().offset, text.len(), "{text:?}"),
                0..=0x1f | 0x80.. => assert_eq!(found.unwrap_err().offset, at, "{text:?}"),
                _ => {
                    let string = String::from_utf8(text[1..text.len() - 1].to_vec()).unwrap();
                    assert_eq!(found, Ok(vec![Token::String(Cow::Owned(string))]));
                }
            }
        }
    }
}

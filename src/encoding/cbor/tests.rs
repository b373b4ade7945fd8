//! What is CBOR as it is read here, and what is not.

use serde_json::{Value, json};

use super::*;
use crate::encoding::source::{Key, Kind, Number, Source};

/// Reads a whole document as JSON; octets as an array of numbers.
fn read(bytes: &[u8]) -> Result<Value, CborError> {
    let mut source = CborSource::new(bytes, 4);
    let value = item(&mut source)?;
    source.end()?;
    Ok(value)
}

fn item(source: &mut CborSource<'_>) -> Result<Value, CborError> {
    Ok(match source.kind()? {
        Kind::Null => source.null().map(|()| Value::Null)?,
        Kind::Bool => source.bool()?.into(),
        Kind::Number => match source.number()? {
            Number::Integer(number) => number.into(),
            Number::Float(number) => number.into(),
        },
        Kind::Text => source.text()?.into(),
        Kind::Octets => source.octets()?.to_vec().into(),
        Kind::Array => {
            source.enter_array()?;
            let mut elements = Vec::new();
            while source.next_element(elements.is_empty())? {
                elements.push(item(source)?);
            }
            elements.into()
        }
        Kind::Map => {
            source.enter_map()?;
            let mut members = serde_json::Map::new();
            while let Some(key) = source.next_key(members.is_empty())? {
                let name = match key {
                    Key::Text(name) => name.to_owned(),
                    Key::Integer(id) => id.to_string(),
                };
                members.insert(name, item(source)?);
            }
            members.into()
        }
    })
}

/// The examples of RFC 8949, appendix A, that are read here.
#[test]
fn a_document_is_read_item_by_item() {
    #[rustfmt::skip]
    let cases: Vec<(&[u8], Value)> = vec![
        (b"\x00",                                 json!(0)),
        (b"\x17",                                 json!(23)),
        (b"\x18\x18",                             json!(24)),
        (b"\x19\x03\xe8",                         json!(1000)),
        (b"\x1a\x00\x0f\x42\x40",                 json!(1_000_000)),
        (b"\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00", json!(1_000_000_000_000_i64)),
        (b"\x20",                                 json!(-1)),
        (b"\x38\x63",                             json!(-100)),
        (b"\x39\x03\xe7",                         json!(-1000)),
        (b"\x1b\x00\x1f\xff\xff\xff\xff\xff\xff", json!(9_007_199_254_740_991_i64)),
        (b"\x3b\x00\x1f\xff\xff\xff\xff\xff\xfe", json!(-9_007_199_254_740_991_i64)),
        (b"\xf9\x00\x00",                         json!(0)),
        (b"\xf9\x80\x00",                         json!(0)),
        (b"\xf9\x3c\x00",                         json!(1)),
        (b"\xf9\x3e\x00",                         json!(1.5)),
        (b"\xf9\x7b\xff",                         json!(65504)),
        (b"\xf9\x00\x01",                         json!(5.960_464_477_539_063e-8)),
        (b"\xf9\x04\x00",                         json!(0.000_061_035_156_25)),
        (b"\xf9\xc4\x00",                         json!(-4)),
        (b"\xfa\x47\xc3\x50\x00",                 json!(100_000)),
        (b"\xfa\x7f\x7f\xff\xff",                 json!(3.402_823_466_385_288_6e38)),
        (b"\xfb\x3f\xf1\x99\x99\x99\x99\x99\x9a", json!(1.1)),
        (b"\xfb\x7e\x37\xe4\x3c\x88\x00\x75\x9c", json!(1.0e300)),
        (b"\xf4",                                 json!(false)),
        (b"\xf5",                                 json!(true)),
        (b"\xf6",                                 json!(null)),
        (b"\x44\x01\x02\x03\x04",                 json!([1, 2, 3, 4])),
        (b"\x60",                                 json!("")),
        (b"\x64IETF",                             json!("IETF")),
        (b"\x64\xf0\x90\x85\x91",                 json!("\u{10151}")),
        (b"\x83\x01\x82\x02\x03\x82\x04\x05",     json!([1, [2, 3], [4, 5]])),
        (b"\xa2\x01\x02\x03\x04",                 json!({"1": 2, "3": 4})),
        (b"\xa2\x61a\x01\x61b\x82\x02\x03",       json!({"a": 1, "b": [2, 3]})),
        // Lengths that are left open.
        (b"\x5f\x42\x01\x02\x43\x03\x04\x05\xff", json!([1, 2, 3, 4, 5])),
        (b"\x7f\x65strea\x64ming\xff",            json!("streaming")),
        (b"\x7f\xff",                             json!("")),
        (b"\x9f\xff",                             json!([])),
        (b"\x9f\x01\x82\x02\x03\x9f\x04\x05\xff\xff", json!([1, [2, 3], [4, 5]])),
        (b"\xbf\x61a\x01\x61b\x9f\x02\x03\xff\xff", json!({"a": 1, "b": [2, 3]})),
        // Longer than need be, which RFC 8949, section 4.1 leaves to the sender.
        (b"\x18\x01",                             json!(1)),
        (b"\x1b\x00\x00\x00\x00\x00\x00\x00\x01", json!(1)),
        (b"\x78\x01a",                            json!("a")),
        (b"\x9a\x00\x00\x00\x01\x01",             json!([1])),
    ];
    for (bytes, value) in cases {
        assert_eq!(read(bytes), Ok(value), "{bytes:02x?}");
        // What is passed over is read as strictly.
        let mut source = CborSource::new(bytes, 4);
        assert_eq!(source.skip().and_then(|()| source.end()), Ok(()), "{bytes:02x?}");
    }
}

#[test]
fn what_is_no_cbor_or_no_i_json_is_refused_where_it_stands() {
    use CborFlaw::*;
    #[rustfmt::skip]
    let cases: Vec<(&[u8], usize, CborFlaw)> = vec![
        (b"",                                     0, Ends),
        (b"\x00\x00",                             1, Trailing),
        (b"\x18",                                 1, Ends),
        (b"\x1b\x00\x00",                         3, Ends),
        (b"\x62a",                                2, Ends),
        (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 9, Ends),
        (b"\x7f\x61a",                            3, Ends),
        (b"\x9f\x01",                             2, Ends),
        (b"\x82\x01",                             2, Ends),
        (b"\xa1\x61a",                            3, Ends),
        // Counts that claim to be nearly endless, or end just behind the end.
        (b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x01", 10, Ends),
        (b"\x9a\xff\xff\xff\xff\x01",             6, Ends),
        (b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff\x01", 10, Ends),
        (b"\xa2\x01\x01\x02",                     4, Ends),
        // No initial bytes.
        (b"\x1c",                                 0, Reserved),
        (b"\x1f",                                 0, Reserved),
        (b"\x3d",                                 0, Reserved),
        (b"\x5e",                                 0, Reserved),
        (b"\x9d\x01",                             0, Reserved),
        (b"\xfc",                                 0, Reserved),
        (b"\xff",                                 0, Break),
        (b"\x81\xff",                             1, Break),
        (b"\xa1\xff\x01",                         1, Break),
        (b"\xbf\x01\xff",                         2, Break),
        // What JSON has not.
        (b"\xc0\x61a",                            0, Tag),
        (b"\x81\xd9\xd9\xf7\x01",                 1, Tag),
        (b"\xf7",                                 0, Simple),
        (b"\xf0",                                 0, Simple),
        (b"\xf8\xff",                             0, Simple),
        (b"\xa1\xf4\x01",                         1, Unexpected { expected: "a key that is text or an integer" }),
        (b"\xa1\x41a\x01",                        1, Unexpected { expected: "a key that is text or an integer" }),
        (b"\xa1\xc1\x01\x01",                     1, Unexpected { expected: "a key that is text or an integer" }),
        // Strings in pieces.
        (b"\x5f\x61a\xff",                        1, Piece),
        (b"\x7f\x7f\x61a\xff\xff",                1, Piece),
        (b"\x7f\x01\xff",                         1, Piece),
        (b"\x62\xc3\x28",                         1, NotUtf8),
        // Two pieces that are text only together.
        (b"\x7f\x61\xc3\x61\xa4\xff",             2, NotUtf8),
        (b"\x63\xed\xa0\x80",                     1, NotUtf8),
        (b"\x63\xef\xbf\xbf",                     1, Noncharacter),
        (b"\x64a\xef\xb7\x90",                    2, Noncharacter),
        // Numbers.
        (b"\x1b\x00\x20\x00\x00\x00\x00\x00\x00", 0, Integer),
        (b"\x3b\x00\x1f\xff\xff\xff\xff\xff\xff", 0, Integer),
        (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", 0, Integer),
        (b"\xa1\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1, Integer),
        (b"\xf9\x7c\x00",                         0, Float),
        (b"\xf9\x7e\x00",                         0, Float),
        (b"\xfa\xff\x80\x00\x00",                 0, Float),
        (b"\xfb\x7f\xf8\x00\x00\x00\x00\x00\x00", 0, Float),
        (b"\x81\x81\x81\x81\x81\x01",             4, Depth { limit: 4 }),
        (b"\x9f\x9f\x9f\x9f\x9f\xff\xff\xff\xff\xff", 4, Depth { limit: 4 }),
    ];
    for (bytes, offset, flaw) in cases {
        let expected = CborError { offset, flaw };
        assert_eq!(read(bytes), Err(expected.clone()), "{bytes:02x?}");
        let mut source = CborSource::new(bytes, 4);
        let skipped = source.skip().and_then(|()| source.end());
        assert_eq!(skipped, Err(expected), "{bytes:02x?}, passed over");
    }
}

#[test]
fn a_key_that_stands_twice_is_noticed_where_a_value_is_passed_over() {
    let twice = |key: &str| CborFlaw::Duplicate(key.to_owned());
    let cases: Vec<(&[u8], usize, CborFlaw)> = vec![
        (b"\xa2\x61a\x01\x61a\x02", 4, twice("a")),
        (b"\xbf\x61a\x01\x7f\x61a\xff\x02\xff", 4, twice("a")),
        (b"\xa2\x01\x01\x18\x01\x02", 3, twice("1")),
        (b"\xa2\x01\x01\x61\x31\x02", 3, twice("1")),
        (b"\x81\xa1\x00\xa2\x20\x00\x20\x00", 6, twice("-1")),
    ];
    for (bytes, offset, flaw) in cases {
        let mut source = CborSource::new(bytes, 4);
        assert_eq!(source.skip(), Err(CborError { offset, flaw }), "{bytes:02x?}");
    }
    // In another map it may stand again.
    let mut source = CborSource::new(b"\xa1\x61a\xa1\x61a\x01", 4);
    assert_eq!(source.skip(), Ok(()));
    // Among many.
    let members = |last: u16| {
        let keys = (0..5000).chain([last]);
        let items = keys.flat_map(|key: u16| [&b"\x19"[..], &key.to_be_bytes(), b"\x00"].concat());
        [0xbf].into_iter().chain(items).chain([0xff]).collect::<Vec<u8>>()
    };
    assert_eq!(CborSource::new(&members(5000), 4).skip(), Ok(()));
    let error = CborSource::new(&members(7), 4).skip().unwrap_err();
    assert_eq!(error.flaw, twice("7"));
}

#[test]
fn no_depth_exhausts_the_stack() {
    for byte in [0x81, 0x9f, 0xc1] {
        let document = vec![byte; 1_000_000];
        let limit = crate::encoding::MAX_DEPTH;
        let flaw = match byte {
            0xc1 => CborError { offset: 0, flaw: CborFlaw::Tag },
            _ => CborError { offset: limit, flaw: CborFlaw::Depth { limit } },
        };
        assert_eq!(CborSource::new(&document, usize::MAX).skip(), Err(flaw));
        assert!(look(&document, usize::MAX).is_err());
    }
}

/// A tag of a later value may come last: the reader goes back, and on again.
#[test]
fn a_place_inside_a_map_can_be_returned_to_from_behind_it() {
    // {"a": [1, 2], "b": 3}, 4, in an array.
    let mut source = CborSource::new(b"\x82\xa2\x61a\x82\x01\x02\x61b\x03\x04", 4);
    source.enter_array().unwrap();
    assert_eq!(source.next_element(true), Ok(true));
    source.enter_map().unwrap();
    assert_eq!(source.next_key(true), Ok(Some(Key::Text("a"))));
    let value = source.place();
    source.skip().unwrap();
    assert_eq!(source.next_key(false), Ok(Some(Key::Text("b"))));
    source.skip().unwrap();
    assert_eq!(source.next_key(false), Ok(None));
    let end = source.place();
    source.return_to(value);
    assert_eq!(item(&mut source), Ok(json!([1, 2])));
    source.return_to(end);
    assert_eq!(source.next_element(false), Ok(true));
    assert_eq!(source.number(), Ok(Number::Integer(4)));
    assert_eq!(source.next_element(false), Ok(false));
    assert_eq!(source.end(), Ok(()));
}

#[test]
fn integers_of_64_bits_are_read_where_they_are_asked_for() {
    let cases: [(&[u8], i128); 4] = [
        (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", u64::MAX.into()),
        (b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MIN.into()),
        (b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", -(1 << 64)),
        (b"\x05", 5),
    ];
    for (bytes, number) in cases {
        assert_eq!(CborSource::new(bytes, 1).wide_integer(), Ok(number));
    }
    assert!(CborSource::new(b"\xf9\x3c\x00", 1).wide_integer().is_err());
}

#[test]
fn a_look_sees_maps_arrays_and_scalars() {
    // {"a": [1, -1, true, null, 0.5], 1: "x", "b": h'00', "c": 1(5), true: 1}
    let bytes =
        b"\xa5\x61a\x85\x01\x20\xf5\xf6\xf9\x38\x00\x01\x61x\x61b\x41\x00\x61c\xc1\x05\xf5\x01";
    let seen = look(bytes, 8).unwrap();
    assert_eq!(seen, json!({"a": [1, -1, true, null, 0.5], "1": "x", "b": null, "c": 5}));
}

#[test]
fn a_look_at_what_is_broken_or_too_deep_is_an_error() {
    let cases: [&[u8]; 6] = [
        b"",
        b"\xa1\x61a",
        b"\x01\x01",
        b"\xff",
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
    ];
    for bytes in cases {
        assert!(look(bytes, usize::MAX).is_err(), "{bytes:02x?}");
    }
}

/// A decoder that others wrote and ours take the same octets, as far as JSON can say them.
#[test]
fn a_foreign_decoder_reads_the_same() {
    let mut random = fastrand::Rng::with_seed(8949);
    let mut read_by_both = 0;
    for _ in 0..50_000 {
        let length = random.usize(1..12);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        let Ok(ours) = read(&bytes) else { continue };
        let mut rest = &bytes[..];
        let theirs: ciborium::Value = ciborium::de::from_reader(&mut rest)
            .unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"));
        assert!(rest.is_empty(), "{bytes:02x?}");
        if let Some(theirs) = as_json(&theirs) {
            assert_eq!(ours, theirs, "{bytes:02x?}");
            read_by_both += 1;
        }
    }
    assert!(read_by_both > 1000, "{read_by_both}");
}

/// `None` where a key stands twice, which only who asks for the members notices.
fn as_json(item: &ciborium::Value) -> Option<Value> {
    Some(match item {
        ciborium::Value::Integer(it) => i64::try_from(*it).unwrap().into(),
        ciborium::Value::Bytes(it) => it.clone().into(),
        ciborium::Value::Float(it) if it.fract() == 0.0 => {
            crate::encoding::exact_integer(*it).map_or_else(|| json!(it), Value::from)
        }
        ciborium::Value::Float(it) => json!(it),
        ciborium::Value::Text(it) => json!(it),
        ciborium::Value::Bool(it) => json!(it),
        ciborium::Value::Null => Value::Null,
        ciborium::Value::Array(it) => it.iter().map(as_json).collect::<Option<Vec<_>>>()?.into(),
        ciborium::Value::Map(it) => {
            let mut members = serde_json::Map::new();
            for (key, value) in it {
                let name = match key {
                    ciborium::Value::Text(it) => it.clone(),
                    ciborium::Value::Integer(it) => i128::from(*it).to_string(),
                    other => panic!("{other:?} is no key"),
                };
                if members.insert(name, as_json(value)?).is_some() {
                    return None;
                }
            }
            members.into()
        }
        other => panic!("{other:?} cannot be JSON"),
    })
}

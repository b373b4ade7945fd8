//! Messages that are made up, and their size.

use serde_json::json;

use super::*;
use crate::jadn::NoExample;

const TOO_LARGE: NoExample = NoExample::TooLarge { most_bytes: 1 << 20 };

/// `depth` records, each in ten fields of the one before.
fn towers(depth: usize, option: &str) -> String {
    let record = |at: usize| {
        let inner = if at + 1 == depth { "Boolean".to_owned() } else { format!("R{}", at + 1) };
        let field = |id| format!(r#"[{id}, "f{id}", "{inner}", [{option}]]"#);
        let fields: Vec<_> = (1..=10).map(field).collect();
        format!(r#"["R{at}", "Record", [], "", [{}]]"#, fields.join(","))
    };
    (0..depth).map(record).collect::<Vec<_>>().join(",")
}

/// What is valid may be larger than any memory.
#[test]
fn no_example_is_larger_than_its_bound() {
    let towers = towers(13, "");
    #[rustfmt::skip]
    let cases = [
        ("R0", towers.as_str()),
        ("T", r#"["T", "ArrayOf", ["*Boolean", "{4000000000", "}4000000000"]]"#),
        ("T", r#"["T", "String", ["{4000000000", "}4000000000"]]"#),
        ("T", r#"["T", "Binary", ["{4000000000", "}4000000000"]]"#),
        ("T", r#"["T", "Binary", ["/x", "{4000000000", "}4000000000"]]"#),
        ("T", r#"["T", "ArrayOf", ["*String", "{1000"]]"#),
    ];
    for (root, types) in cases {
        let types = types
            .replace(r#"["*String", "{1000"]]"#, r#"["*S", "{1000"]], ["S", "String", ["{2000"]]"#);
        let schema = compiled(&cs01(&types));
        let root = schema.type_named(root).unwrap();
        for seed in 0..3 {
            assert_eq!(schema.made_up(root, seed), Err(TOO_LARGE), "{types}");
            assert_eq!(schema.spoilt(root, seed), Err(TOO_LARGE), "{types}");
        }
    }
    assert_eq!(TOO_LARGE.to_string(), "no example: larger than 1048576 bytes");
}

/// Where nothing needs to stand, there is an example, however much could stand there.
#[test]
fn what_is_optional_is_left_out_before_there_is_no_example() {
    let many = towers(13, r#""[0""#);
    let schema = compiled(&cs01(&many));
    let root = schema.type_named("R0").unwrap();
    for seed in 0..20 {
        let made = schema.made_up(root, seed).unwrap();
        assert!(made.to_string().len() < 1 << 20);
    }
}

#[test]
fn why_there_is_no_example_is_said() {
    let schema = compiled(&csd01(r#"["T", "Choice", [], "", []]"#));
    let root = schema.type_named("T").unwrap();
    assert_eq!(schema.made_up(root, 0), Err(NoExample::NotFound));
    let bounds = csd01(r#"["T", "Boolean", [], ""]"#)
        .replace(r#""example.org/p""#, r#""example.org/p", "bounds": [3, 9, 9, 9]"#);
    let schema = compiled(&bounds);
    let root = schema.type_named("T").unwrap();
    assert_eq!(schema.made_up(root, 0), Err(NoExample::TooLarge { most_bytes: 3 }));
}

/// One more than the greatest number is the same number: a mutant must be further off.
#[test]
fn a_mutant_of_a_large_number_is_wrong() {
    for format in ["f16", "f32"] {
        let schema = compiled(&cs01(&format!(r#"["T", "Number", ["/{format}"]]"#)));
        let root = schema.type_named("T").unwrap();
        for seed in 0..50 {
            let made = schema.made_up(root, seed).unwrap();
            assert!(is_valid(&schema, "T", &made), "{made}");
            let mutant = schema.spoilt(root, seed).unwrap();
            assert!(!is_valid(&schema, "T", &mutant.message), "{}", mutant.message);
        }
        let described = schema.to_json_schema(root);
        let greatest = if format == "f16" { json!(65504.0) } else { json!(f64::from(f32::MAX)) };
        assert_eq!(described["$defs"]["T"]["maximum"], greatest);
    }
}

/// A schema with a mistake is used as far as it goes.
#[test]
fn where_nothing_is_valid_there_is_no_example() {
    for types in [
        r#"["T", "Integer", ["{5", "}3"]]"#,
        r#"["T", "Integer", ["/u64", "{5", "}3"]]"#,
        r#"["T", "Integer", ["/u8", "{300"]]"#,
        r#"["T", "Number", ["y5", "z3"]]"#,
        r#"["T", "Number", ["/f16", "y1e9"]]"#,
        r#"["T", "String", ["{5", "}3"]]"#,
        r#"["T", "Binary", ["{5", "}3"]]"#,
        r#"["T", "ArrayOf", ["*String", "{5", "}3"]]"#,
        r#"["T", "MapOf", ["+String", "*String", "{5", "}3"]]"#,
        r#"["T", "Map", ["{5"], "", [[1, "x", "String"]]]"#,
        r#"["T", "Enumerated"]"#,
        r#"["T", "Record", [], "", [[1, "x", "String", ["[3", "]2"]]]]"#,
        r#"["T", "Record", [], "", [[1, "x", "Nope"]]]"#,
        r#"["T", "Record", [], "", [[1, "t", "String"], [2, "x", "String", ["&t"]]]]"#,
    ] {
        let schema = compiled(&cs01(types));
        let root = schema.type_named("T").unwrap();
        for seed in 0..20 {
            assert_eq!(schema.made_up(root, seed), Err(NoExample::NotFound), "{types}");
            assert_eq!(schema.spoilt(root, seed), Err(NoExample::NotFound), "{types}");
        }
    }
}

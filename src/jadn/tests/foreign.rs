//! Cases and messages that others wrote.
//!
//! They are no part of this project: `OC2_VECTORS_DIR` says where they are.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::jadn::{Base, Names, NodeId, Records};

fn vectors(file: &str) -> Option<String> {
    let Some(folder) = std::env::var_os("OC2_VECTORS_DIR") else {
        println!("left out: OC2_VECTORS_DIR is not set");
        return None;
    };
    Some(fs::read_to_string(PathBuf::from(folder).join(file)).unwrap())
}

/// A type of a schema by the name that the cases give it: one of its own, a built-in
/// one, or one that comes of unfolding (JADN v1.0 CS01, section 3.3): `Type$Enum`,
/// `Type$Enum-Id`, `Type$field`.
fn root(schema: &Schema, name: &str) -> NodeId {
    let unfolded = || {
        let place = name.replace('$', ".");
        // A list of many has the name of its element, which stands before it.
        let at = schema.nodes.iter().rposition(|node| *node.name == *place)?;
        Some(NodeId(u32::try_from(at).unwrap()))
    };
    schema.type_named(name).or_else(unfolded).unwrap_or_else(|| panic!("no type {name}"))
}

/// The verdicts of the Python implementation of JADN, but for those where it and the
/// standard, or I-JSON, part.
#[test]
fn the_codec_cases_get_the_verdict_that_they_should() {
    let Some(cases) = vectors("jadn-codec.json") else { return };
    let cases: Value = serde_json::from_str(&cases).unwrap();
    let schemas: Vec<_> = cases["schemas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|schema| {
            let mut types = schema["types"].as_array().unwrap().clone();
            for base in [Base::Binary, Base::Boolean, Base::Integer, Base::Number, Base::String] {
                types.push(serde_json::json!([format!("${}", base.as_str()), base.as_str()]));
            }
            for choice in schema["types"].as_array().unwrap().iter().filter(|it| it[1] == "Choice")
            {
                let name = choice[0].as_str().unwrap();
                let of = format!("#{name}");
                types.push(serde_json::json!([format!("{name}$Enum"), "Enumerated", [of]]));
                types.push(serde_json::json!([format!("{name}$Enum-Id"), "Enumerated", [of, "="]]));
            }
            compiled(&serde_json::json!({"info": {"package": "p"}, "types": types}).to_string())
        })
        .collect();
    let mut differ = Vec::new();
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        let schema = &schemas[usize::try_from(case["schema"].as_u64().unwrap()).unwrap()];
        let has = |what: &str| case["mode"][what].as_bool().unwrap();
        let form = Form {
            names: if has("verbose_str") { Names::Names } else { Names::Numbers },
            records: if has("verbose_rec") { Records::Maps } else { Records::Arrays },
            has_octets: false,
        };
        let name = case["root"].as_str().unwrap();
        let name = Base::named(name).map_or_else(|| name.to_owned(), |_| format!("${name}"));
        let text = case["data"].to_string();
        let mut tape = Tape::default();
        let verdict =
            schema.judge_bytes(root(schema, &name), text.as_bytes(), form, DEPTH, &mut tape);
        if verdict.is_ok() != (case["expect"] == "valid") {
            differ.push(format!("{} {name} {text}: {verdict:?}", case["name"]));
        }
    }
    assert_eq!(differ, [""; 0], "of {}", cases.len());
}

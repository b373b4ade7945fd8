//! Types, for whoever writes a value of one by hand.

use super::*;
use crate::jadn::{Outline, Part};

#[test]
fn every_kind_of_type_has_its_outline() {
    let types = cs01(
        r#"["Name", "String", [], "", []],
            ["Octets", "Binary", [], "", []],
            ["Net", "Array", ["/ipv4-net"], "", [[1, "addr", "Binary", [], ""], [2, "prefix", "Integer", ["[0"], ""]]],
            ["State", "Enumerated", [], "", [[1, "on", ""]]],
            ["Numbered", "Enumerated", ["="], "", [[1, "on", ""]]],
            ["Level", "Integer", [], "", []],
            ["Whatever", "ArrayOf", ["*Level", "{1", "q"], "", []],
            ["Rest", "ArrayOf", ["*Name"], "", []],
            ["Pair", "Array", [], "", [[1, "a", "Name", [], ""]]],
            ["Switch", "Record", [], "", [[1, "state", "State", [], ""], [2, "level", "Level", ["[0"], ""]]],
            ["One", "Choice", [], "", [[1, "state", "State", [], ""]]]"#,
    );
    let schema = compiled(&types);
    let node = |name: &str| schema.type_named(name).unwrap();
    let part = |name, of, is_required| Part { name, node: node(of), is_required };
    let list = |of, may_be_empty, is_set| Outline::List { element: node(of), may_be_empty, is_set };
    let cases = [
        ("Name", Outline::Text),
        ("Octets", Outline::Text),
        ("Net", Outline::Text),
        ("State", Outline::Text),
        ("Numbered", Outline::Other),
        ("Level", Outline::Other),
        ("Whatever", list("Level", false, true)),
        ("Rest", list("Name", true, false)),
        ("Pair", Outline::Other),
        (
            "Switch",
            Outline::Members {
                parts: vec![part("state", "State", true), part("level", "Level", false)],
                is_choice: false,
            },
        ),
        ("One", Outline::Members { parts: vec![part("state", "State", false)], is_choice: true }),
    ];
    for (name, outline) in cases {
        assert_eq!(schema.outline(node(name)), outline, "{name}");
    }
    assert_eq!(schema.field_type(node("Switch"), "level"), Some(node("Level")));
    assert_eq!(schema.field_type(node("Switch"), "lever"), None);
    assert_eq!(schema.expected(node("State")), "State (on)");
}

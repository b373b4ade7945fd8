//! What can be wrong with a schema, and how that is said.

use std::time::{Duration, Instant};

use super::*;

const COMBINED: &str =
    "this is a draft of JADN v1.1 (it combines types: C, ∩ or ∪), which is not read here";

/// Shows JADN-4.1.2-1: a schema that breaks the syntax is refused with type, field and reason.
#[test]
fn every_mistake_of_a_schema_is_named() {
    let cases = [
        // The file as a whole.
        ("[]", "a header is missing: meta (JADN v1.0 CSD01) or info (JADN v1.0 CS01)"),
        (
            r#"{"info": {}, "info": {}}"#,
            r#"no I-JSON, line 1, column 14: the member name "info" stands there twice"#,
        ),
        (r#"{"info": {}, "types": [}"#, "no I-JSON, line 1, column 24: expected a value"),
        ("{\"info\":\n {}, \"types\": [\u{e9}", "no I-JSON, line 2, column 16: expected a value"),
        (r#"{"info": {"package": "p"}}"#, "types, an array, is missing"),
        (
            r#"{"info": {"package": "p"}, "types": [], "other": 1}"#,
            r#""other" is no part of a schema"#,
        ),
        (r#"{"meta": {}, "types": []}"#, "meta.module is missing"),
        (
            r#"{"meta": {"package": "p"}, "types": []}"#,
            "this is JADN v2.0 (meta.package), which is not read here",
        ),
        (
            r#"{"info": {"namespaces": [["a", "b"]]}, "types": []}"#,
            "this is a draft of JADN v1.1 (info.namespaces is an array), which is not read here",
        ),
        (r#"{"info": {}, "types": [["A", "Choice", ["CO"]]]}"#, COMBINED),
        (r#"{"info": {}, "types": [["A", "Choice", ["∪"]]]}"#, COMBINED),
        (r#"{"info": {}, "types": [["A", "Map", [], "", [[1, "b", "B", ["∩"]]]]]}"#, COMBINED),
    ];
    for (file, problem) in cases {
        assert_eq!(problems(file), [problem], "{file}");
    }
}

/// Shows JADN-4.1.2-1: those of one type or field.
#[test]
fn every_mistake_of_a_type_is_named() {
    #[rustfmt::skip]
    let cases = [
        // Their syntax.
        ("5", "types/0: no array"),
        ("[5]", "types/0: the name of the type is missing"),
        (r#"["A"]"#, "A: its base type is missing"),
        (r#"["A", "Text"]"#, r#"A: "Text" is no base type"#),
        (r#"["A", "String", [], "", [], 1]"#, "A: it has 6 elements, expected 2 to 5"),
        (r#"["A", "String", [], "", [[1, "x", ""]]]"#, "A: this type can have no fields"),
        (r#"["A", "Enumerated", [], "", [[1]]]"#, "A: an item has 1 elements, expected 2 to 3"),
        (r#"["A", "Enumerated", [], "", [["x", "y", ""]]]"#, r#"A: an item has "x" for a number"#),
        (r#"["A", "Record", [], "", [[1, "x"]]]"#, "A: a field has 2 elements, expected 3 to 5"),
        (r#"["A", "Record", [], "", [[1, "x", 5, [], ""]]]"#, "A.x: it has 5 for a type"),
        // Options.
        (r#"["A", "String", ["?"], "", []]"#, r#"A: "?" is no option of a type in JADN v1.0 CS01"#),
        (r#"["A", "String", ["$x"], "", []]"#, r#"A: "$x" is no option of a type in JADN v1.0 CS01"#),
        (r#"["A", "String", ["[1"], "", []]"#, r#"A: "[1" is no option of a type in JADN v1.0 CS01"#),
        (r#"["A", "String", ["{x"], "", []]"#, r#"A: "{x" holds no integer"#),
        (r#"["A", "String", ["{1", "{2"], "", []]"#, "A: minv stands there twice"),
        (r#"["A", "String", ["{3", "}2"], "", []]"#, "A: at least 3 and at most 2"),
        (r#"["A", "String", ["{-1"], "", []]"#, "A: a length or count below zero"),
        (r#"["A", "Number", ["y5.5", "z1.5"], "", []]"#, "A: no number is both at least its minimum and at most its maximum"),
        (r#"["A", "Integer", ["/u8", "{300"], "", []]"#, "A: no number is both at least its minimum and at most its maximum"),
        (r#"["A", "Integer", ["/u8", "{300", "}400"], "", []]"#, "A: no number is both at least its minimum and at most its maximum"),
        (r#"["A", "Number", ["/f16", "y1e6"], "", []]"#, "A: no number is both at least its minimum and at most its maximum"),
        (r#"["A", "Boolean", ["{1"], "", []]"#, "A: minv is no option of Boolean"),
        (r#"["A", "Integer", ["y1"], "", []]"#, "A: minf is no option of Integer"),
        (r#"["A", "ArrayOf", [], "", []]"#, "A: the type of its values is missing"),
        (r#"["A", "MapOf", ["*String"], "", []]"#, "A: the type of its keys is missing"),
        (r#"["A", "MapOf", ["+B", "*String"], "", []], ["B", "MapOf", ["+String", "*String"]]"#, "A: B cannot be the type of keys: it is no String, Binary, Integer or Enumerated"),
        (r#"["A", "MapOf", ["+Boolean", "*String"], "", []]"#, "A: Boolean cannot be the type of keys: it is no String, Binary, Integer or Enumerated"),
        (r#"["A", "MapOf", ["+B", "*String"], "", []], ["B", "Integer", ["/u64"]]"#, "A: B cannot be the type of keys: it holds numbers beyond what JSON has exactly"),
        (r#"["A", "String", ["/colour"], "", []]"#, r#"A: "colour" is no format of String known here"#),
        (r#"["A", "Binary", ["/email"], "", []]"#, r#"A: "email" is no format of Binary known here"#),
        (r#"["A", "String", ["%a("], "", []]"#, r#"A: the pattern "a(" cannot be used: a group does not end"#),
        (
            r#"["A", "String", ["%(?=a)b"], "", []]"#,
            r#"A: the pattern "(?=a)b" cannot be used: the look-ahead (?=…) cannot be matched here"#,
        ),
        // References.
        (r#"["A", "ArrayOf", ["*B"], "", []]"#, r#"A: no type "B" is defined"#),
        (r#"["A", "ArrayOf", ["*#B"], "", []]"#, r#"A: no type "B" is defined"#),
        (r##"["A", "Enumerated", ["#B"], "", []], ["B", "String"]"##, "A: B has no fields that an enumeration could be made of"),
        (r#"["A", "Record", [], "", [[1, "x", "B", [], ""]]]"#, r#"A.x: no type "B" is defined"#),
        (r#"["A", "Record", [], "", [[1, "x", "B", ["{1"], ""]]]"#, r#"A.x: no type "B" is defined"#),
        (r#"["A", "Record", [], "", [[1, "x", "ArrayOf", ["*B"], ""]]]"#, r#"A.x: no type "B" is defined"#),
        (r#"["A", "ArrayOf", ["*B:C"], "", []]"#, ""),
        (r#"["A", "Record", [], "", [[1, "x", "Map", [], ""]]]"#, "A.x: Map needs a type of its own"),
        (r#"["A", "Record", [], "", [[1, "x", "B", ["{1"], ""]]], ["B", "String"]"#, "A.x: minv belongs to the type B"),
        (r#"["A", "String"], ["A", "String"]"#, "A: another type has this name"),
        (r#"["Map", "String"]"#, "Map: a base type has this name"),
        // Fields and items.
        (r#"["A", "Map", [], "", [[1, "x", "String", [], ""], [1, "y", "String", [], ""]]]"#, "A.y: another field has the number 1"),
        (r#"["A", "Map", [], "", [[1, "x", "String", [], ""], [2, "x", "String", [], ""]]]"#, "A.x: another field has this name"),
        (r#"["A", "Map", [], "", [[1, "", "String", [], ""]]]"#, "A.1: its name is missing"),
        (r#"["A", "Record", [], "", [[2, "x", "String", [], ""]]]"#, "A.x: it has the number 2, and stands at 1"),
        (r#"["A", "Enumerated", [], "", [[1, "x", ""], [1, "y", ""]]]"#, "A: two items have the number 1"),
        (r#"["A", "Enumerated", [], "", [[1, "x", ""], [2, "x", ""]]]"#, r#"A: two items have the name "x""#),
        (r#"["A", "Record", [], "", [[1, "x", "String", ["[3", "]2"], ""]]]"#, "A.x: at least 3 and at most 2 of it"),
        (r#"["A", "ArrayOf", ["*String", "q", "s"], "", []]"#, "A: only one of unique, set and unordered can stand there"),
        (r#"["A", "Map", ["{5"], "", [[1, "x", "String", ["[0"], ""]]]"#, "A: at least 5 members, and it has 1 field"),
        (r#"["A", "Enumerated", [], "", []]"#, "A: it has no items, so that nothing is valid for it"),
        (r#"["A\nB", "String"]"#, "A\nB: a control character stands in its name"),
        (r#"["A", "Record", [], "", [[1, "x\u0000y", "String"]]]"#, "A.x\0y: a control character stands in its name"),
        (r#"["A", "Record", [], "", [[1, "x/y", "String"]]]"#, "A.x/y: a slash cannot stand in the name of a field"),
        (
            r#"["A", "Record", [], "", [[1, "y", "E"], [2, "x", "B", ["&y"]]]], ["B", "Choice", [], "", [[1, "s", "String"]]], ["E", "Enumerated", [], "", [[1, "t"]]]"#,
            r#"A.x: no item of its tag "y" is an alternative of B"#,
        ),
        (r#"["A", "Record", [], "", [[1, "x", "B", ["&y"], ""]]], ["B", "Choice", [], "", [[1, "s", "String"]]]"#, r#"A.x: there is no field "y" that could be its tag"#),
        (
            r#"["A", "Record", [], "", [[1, "y", "String", [], ""], [2, "x", "B", ["&y"], ""]]], ["B", "Choice", [], "", [[1, "s", "String"]]]"#,
            r#"A.x: its tag "y" is no Enumerated"#,
        ),
        // Without end.
        (r#"["A", "Record", [], "", [[1, "x", "A", [], ""]]]"#, "A: every value of it would contain another one, without end"),
    ];
    for (types, problem) in cases {
        let expected: Vec<_> = [problem].into_iter().filter(|it| !it.is_empty()).collect();
        assert_eq!(problems(&cs01(types)), expected, "{types}");
    }
}

/// Shows JADN-4.1.2-1: CSD01 has other options, and fewer elements.
#[test]
fn every_mistake_in_csd01_is_named() {
    let cases = [
        (r#"["A", "String", ["/email"], ""]"#, ""),
        (r#"["A", "String", [], "", []]"#, "A: it has 5 elements, expected 4"),
        (r#"["A", "Enumerated", [], "", [[1, "x"]]]"#, "A: an item has 2 elements, expected 3"),
        (
            r#"["A", "Choice", [], "", [[1, "x", "String", ["[0"], ""]]]"#,
            "A.x: an alternative of a Choice cannot be left out",
        ),
        (r#"["A", "String", ["y1"], ""]"#, r#"A: "y1" is no option of a type in JADN v1.0 CSD01"#),
    ];
    for (types, problem) in cases {
        let expected: Vec<_> = [problem].into_iter().filter(|it| !it.is_empty()).collect();
        assert_eq!(problems(&csd01(types)), expected, "{types}");
    }
}

#[test]
fn all_mistakes_come_in_one_run() {
    let file = cs01(
        r#"["A", "ArrayOf", ["*B"]], ["C", "Record", [], "", [[1, "x", "D"], [1, "x", "E"]]]"#,
    );
    assert_eq!(
        problems(&file),
        [
            r#"A: no type "B" is defined"#,
            r#"C.x: no type "D" is defined"#,
            "C.x: another field has the number 1",
            "C.x: another field has this name",
            r#"C.x: no type "E" is defined"#,
        ]
    );
}

/// What was broken while it was read says nothing of the rest, and the rest nothing false of it.
#[test]
fn mistakes_of_the_syntax_hide_no_others() {
    let file = cs01(
        r##"["A", "Strng"], ["B", "String", ["?", "{3", "}2"]],
            ["C", "Record", [], "", [[1], [2, "x", "Nmber", ["{1"]], [3, "a", "A", ["[0"]], [4, "y"]]],
            ["D", "Enumerated", ["#A"]], ["E", "Enumerated", [], "", [["z"]]], ["F", "ArrayOf", ["*G"]], 5"##,
    );
    assert_eq!(
        problems(&file),
        [
            r#"A: "Strng" is no base type"#,
            r#"B: "?" is no option of a type in JADN v1.0 CS01"#,
            "C: a field has 1 elements, expected 3 to 5",
            "C: a field has 2 elements, expected 3 to 5",
            "E: an item has 1 elements, expected 2 to 3",
            "types/6: no array",
            "B: at least 3 and at most 2",
            r#"C.x: no type "Nmber" is defined"#,
            r#"F: no type "G" is defined"#,
        ]
    );
    assert!(Package::read(file.as_bytes()).is_err());
}

/// JADN v1.0 CS01, sections 3.1.2, 3.1.3 and 6; CSD01, section 4.1.1.
#[test]
fn mistakes_of_the_header_are_named() {
    let wrong_pattern = "the pattern \"(\" cannot be used: a group does not end";
    #[rustfmt::skip]
    let cases = [
        (r#""info": {}"#, "info.package is missing".to_owned()),
        (r#""info": {"package": 5}"#, "info.package is no text".to_owned()),
        (r#""info": {"package": "p", "exports": "A"}"#, "exports is no array of the names of types".to_owned()),
        (r#""info": {"package": "p", "exports": ["A", "Nope"]}"#, r#"exports names "Nope", and no such type is defined"#.to_owned()),
        (r#""info": {"package": "p", "exports": [5]}"#, "exports holds 5, which is no name of a type".to_owned()),
        (r#""info": {"package": "p", "namespaces": {"a": 5}}"#, "info.namespaces is no object that leads to the names of packages".to_owned()),
        (r#""info": {"package": "p", "config": 5}"#, "config is no object".to_owned()),
        (r#""info": {"package": "p", "config": {"$MaxString": "x"}}"#, r#"config.$MaxString is "x", expected a size from 1 to 4294967295"#.to_owned()),
        (r#""info": {"package": "p", "config": {"$MaxElements": -1}}"#, "config.$MaxElements is -1, expected a size from 1 to 4294967295".to_owned()),
        (r#""info": {"package": "p", "config": {"$MaxBinary": 0}}"#, "config.$MaxBinary is 0, expected a size from 1 to 4294967295".to_owned()),
        (r#""info": {"package": "p", "config": {"$Maxstring": 9}}"#, "config.$Maxstring is not known".to_owned()),
        (r#""info": {"package": "p", "config": {"$TypeName": 9}}"#, "config.$TypeName is 9, expected a pattern".to_owned()),
        (r#""info": {"package": "p", "config": {"$NSID": "("}}"#, format!("config.$NSID: {wrong_pattern}")),
        (r#""info": {"package": "p", "config": {"$Sys": "::"}}"#, r#"config.$Sys is "::", expected one character"#.to_owned()),
        (r#""meta": {"module": "m", "bounds": [1, 2, 3]}"#, "meta.bounds is no array of four sizes above zero".to_owned()),
        (r#""meta": {"module": "m", "exports": ["Nope"]}"#, r#"exports names "Nope", and no such type is defined"#.to_owned()),
    ];
    for (header, problem) in cases {
        let file = format!(r#"{{{header}, "types": [["A", "Boolean", [], ""]]}}"#);
        assert_eq!(problems(&file), [problem], "{file}");
    }
    let file = r#"{"info": {"package": "p", "exports": ["A"], "config": {"$MaxString": 9, "$Sys": ".",
        "$FieldName": "^a"}}, "types": [["A", "String"]]}"#;
    assert_eq!(problems(file), [""; 0]);
    assert_eq!(warnings(file), [""; 0]);
}

/// What may be meant, and mostly is not.
#[test]
fn what_is_odd_is_a_warning() {
    #[rustfmt::skip]
    let cases = [
        (cs01(r#"["A", "Choice", [], "", [[1, "x", "String", ["[0"], ""]]]"#), "A.x: one alternative stands there always; [0 says nothing"),
        (cs01(r#"["A", "Choice"]"#), "A: it has no alternatives, so that nothing is valid for it"),
        (cs01(r#"["A", "Map", ["{1"]]"#), "A: at least 1 members, and it has 0 fields"),
        (cs01(r#"["A", "Enumerated", ["X"]]"#), "A: it has no items, so that nothing is valid for it"),
        (cs01(r#"["A B", "String"]"#), "A B: white space stands in its name"),
        (cs01(r#"["A", "Record", [], "", [[1, "x y", "String"]]]"#), "A.x y: white space stands in its name"),
        (cs01(r#"["A", "String", ["{01"]]"#), r#"A: the option "{01" is written "{1""#),
        (cs01(r#"["A", "Number", ["y1.0"]]"#), r#"A: the option "y1.0" is written "y1""#),
        (cs01(r#"["A", "Record", [], "", [[1, "x", "String", ["[00"]]]]"#), r#"A.x: the option "[00" is written "[0""#),
        (cs01(r#"["A", "String"]"#).replace(r#"p"}"#, r#"p", "zork": 1}"#), "info.zork is no part of the header in CS01"),
        (r#"{"meta": {"module": "m", "config": {"$FS": ":"}}, "types": [["A", "String"]]}"#.to_owned(), "config.$FS is not known"),
    ];
    for (file, warning) in cases {
        assert_eq!(problems(&file), [""; 0], "{file}");
        assert_eq!(warnings(&file), [warning], "{file}");
    }
}

/// A pattern that begins with a dollar and a name is the form of a name that `config` sets
/// (JADN v1.0 CS01, annex F.1); no text matches it as a regular expression.
#[test]
fn a_pattern_may_name_a_form_of_names() {
    let types = r#"["T", "Record", [], "", [[1, "t", "String", ["%$TypeName", "[0"]], [2, "f", "F", ["[0"]], [3, "n", "String", ["%$NSID", "[0"]]]], ["F", "String", ["%$FieldName"]]"#;
    let file = cs01(types).replace(r#"p"}"#, r#"p", "config": {"$FieldName": "^[$a-z]{3}$"}}"#);
    assert_eq!(problems(&file), [""; 0]);
    let schema = compiled(&file);
    for (text, is_good) in [
        (r#"{"t": "Type-Name"}"#, true),
        (r#"{"t": "typeName"}"#, false),
        (r#"{"f": "$ab"}"#, true),
        (r#"{"f": "abcd"}"#, false),
        (r#"{"n": "ns"}"#, true),
        (r#"{"n": "namespace"}"#, false),
    ] {
        assert_eq!(judge(&schema, "T", text, Form::VERBOSE).is_ok(), is_good, "{text}");
    }
    let described = schema.to_json_schema(schema.type_named("T").unwrap());
    assert_eq!(described["$defs"]["F"]["pattern"], "^[$a-z]{3}$");
    // An imported package has its own.
    let root = r#"{"info": {"package": "r", "namespaces": {"p": "http://example.org/p"}},
        "types": [["A", "ArrayOf", ["*p:F"]], ["B", "String", ["%$FieldName"]]]}"#;
    let read = |file: &str| Package::read(file.as_bytes()).unwrap();
    let merged = resolve(&read(root), &[read(&file)]).unwrap();
    assert_eq!(merged.problems(), []);
    let schema = Schema::compile(&merged.package, &[], Bounds::default()).unwrap();
    assert!(judge(&schema, "A", r#"["$ab"]"#, Form::VERBOSE).is_ok());
    assert!(judge(&schema, "B", r#""$ab""#, Form::VERBOSE).is_err());
    assert!(judge(&schema, "B", r#""field_name""#, Form::VERBOSE).is_ok());
    assert_eq!(
        problems(&cs01(r#"["T", "String", ["%$Name"]]"#)),
        [
            r#"T: the pattern "$Name" is none of the forms of names that config has: $TypeName, $FieldName, $NSID"#
        ]
    );
}

/// A namespace whose package is there has the types that it has, and no others.
#[test]
fn a_type_that_an_imported_package_does_not_have_is_a_mistake() {
    let root = r#"{"info": {"package": "r", "namespaces": {"p": "http://example.org/p"}},
        "types": [["A", "Record", [], "", [[1, "x", "p:B"], [2, "y", "p:Nope", ["[0"]], [3, "z", "q:C", ["[0"]]]]]}"#;
    let other = Package::read(cs01(r#"["B", "String"]"#).as_bytes()).unwrap();
    let root = Package::read(root.as_bytes()).unwrap();
    let merged = resolve(&root, &[other]).unwrap();
    let problems: Vec<_> = merged.problems().iter().map(Problem::to_string).collect();
    assert_eq!(problems, [r#"A.y: no type "p:Nope" is defined"#]);
    assert_eq!(merged.undefined, ["q:C"]);
    assert_eq!(resolve(&root, &[]).unwrap().problems(), []);
}

/// Shows JADN-2.2-1: imported types stand under their namespace identifier.
#[test]
fn imports_are_merged_under_their_identifier() {
    let root = r#"{"info": {"package": "r", "namespaces": {"p": "q", "me": "r"}},
        "types": [["A", "Record", [], "", [[1, "x", "p:B"], [2, "y", "me:C"], [3, "z", "s:none", ["[0"]]]],
                  ["C", "String"]]}"#;
    let other = r#"{"info": {"package": "q", "namespaces": {"back": "r"}},
        "types": [["B", "ArrayOf", ["*C"]], ["C", "Integer"], ["D", "ArrayOf", ["*back:C"]]]}"#;
    let read = |file: &str| Package::read(file.as_bytes()).unwrap();
    let merged = resolve(&read(root), &[read(other)]).unwrap();
    assert_eq!(merged.problems(), []);
    assert_eq!(merged.undefined, ["s:none"]);
    let names: Vec<_> = merged.package.types.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["A", "C", "p:B", "p:C", "p:D", "back:A", "back:C"]);
    let schema = Schema::compile(&merged.package, &merged.undefined, Bounds::default()).unwrap();
    assert!(judge(&schema, "A", r#"{"x": [1], "y": "s"}"#, Form::VERBOSE).is_ok());
    assert!(judge(&schema, "A", r#"{"x": ["s"], "y": "s"}"#, Form::VERBOSE).is_err());
    let fault = judge(&schema, "A", r#"{"x": [1], "y": "s", "z": 1}"#, Form::VERBOSE).unwrap_err();
    assert_eq!(fault.to_string(), "/z: expected s:none, which the schema does not define, found 1");
}

#[test]
fn a_namespace_stands_for_one_package() {
    let file = |package: &str, namespaces: &str| {
        let file = format!(
            r#"{{"info": {{"package": "{package}", "namespaces": {namespaces}}}, "types": [["A", "String"]]}}"#
        );
        Package::read(file.as_bytes()).unwrap()
    };
    let others = [file("q", r#"{"n": "s"}"#), file("s", "{}"), file("t", "{}")];
    let problems = resolve(&file("r", r#"{"q": "q", "n": "t"}"#), &others).unwrap_err();
    assert_eq!(problems[0].to_string(), r#"the namespace "n:" stands for two packages"#);
}

#[test]
fn two_packages_of_one_name_are_refused() {
    let one = Package::read(cs01(r#"["A", "String"]"#).as_bytes()).unwrap();
    let other = Package::read(cs01(r#"["A", "Integer"]"#).as_bytes()).unwrap();
    for others in [&[other.clone()][..], &[one.clone(), other.clone()]] {
        let problems = resolve(&one, others).unwrap_err();
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, [r#"there are two packages "http://example.org/p""#]);
    }
    assert!(resolve(&one, std::slice::from_ref(&one)).is_ok());
}

/// `count` records of two fields each, the next record in both.
fn doubling(count: usize, option: &str) -> String {
    let record = |at: usize| {
        let next = if at + 1 == count { "String".to_owned() } else { format!("R{}", at + 1) };
        format!(
            r#"["R{at}", "Record", [], "", [[1, "a", "{next}", [{option}]], [2, "b", "{next}", [{option}]]]]"#
        )
    };
    (0..count).map(record).collect::<Vec<_>>().join(",")
}

/// Folders inside of folders double the paths at every step; empty ones make none, and
/// take the same time.
#[test]
fn a_pointer_with_more_paths_than_there_is_room_for_is_refused() {
    let reason = "R0 has too many paths for a pointer: its folders (<) lead to more than the \
        4194304 bytes that all paths of a schema may take";
    let folders = doubling(60, r#""<""#);
    let empty = folders.replace(r#"[1, "a", "String", ["<"]], [2, "b", "String", ["<"]]"#, "");
    assert_ne!(folders, empty);
    for records in [&folders, &empty] {
        let pointer = r#"["P", "Enumerated", [">R0"]]"#;
        assert_eq!(problems(&cs01(&format!("{pointer},{records}"))), [format!("P: {reason}")]);
        let field = r#"["P", "Record", [], "", [[1, "x", "ArrayOf", ["*>R0"]]]]"#;
        let file = cs01(&format!("{field},{records}"));
        assert_eq!(problems(&file), [format!("P.x: {reason}")]);
        let Merged { package, undefined } = merged(&file);
        let problem = Schema::compile(&package, &undefined, Bounds::default()).unwrap_err();
        assert_eq!(problem.to_string(), format!("P.x: {reason}"));
    }
    // A schema may have that many all the same.
    assert_eq!(
        problems(&cs01(&format!(r#"["P", "Enumerated", [">R0"]], {}"#, doubling(12, r#""<""#)))),
        [""; 0]
    );
}

/// The order of the types in the file means nothing, for the verdict and for the time: what looks
/// at all types again for each of them needs minutes here.
#[test]
fn types_without_end_are_found_in_any_order() {
    const TYPES: usize = 20_000;
    const DEADLINE: Duration = Duration::from_secs(20);
    let endless =
        |at: usize| format!("T{at}: every value of it would contain another one, without end");
    for is_reversed in [false, true] {
        for (last, is_endless) in [("String", false), ("C", false), ("T10000", true)] {
            let record = |at: usize| {
                let next = if at + 1 == TYPES { last.to_owned() } else { format!("T{}", at + 1) };
                format!(r#"["T{at}", "Record", [], "", [[1, "a", "{next}"], [2, "b", "{next}"]]]"#)
            };
            let mut types: Vec<_> = (0..TYPES).map(record).collect();
            if is_reversed {
                types.reverse();
            }
            // It ends, with the other one of its two.
            types.push(
                r#"["C", "Choice", [], "", [[1, "t", "T0"], [2, "i", "Integer"]]]"#.to_owned(),
            );
            let file = cs01(&types.join(","));
            let merged = resolve(&Package::read(file.as_bytes()).unwrap(), &[]).unwrap();
            let started = Instant::now();
            let problems: Vec<_> = merged.problems().iter().map(Problem::to_string).collect();
            assert!(started.elapsed() < DEADLINE, "{last}: {:?}", started.elapsed());
            let expected = if is_endless { TYPES } else { 0 };
            assert_eq!(problems.len(), expected, "{last}: {:?}", problems.first());
            assert!(!is_endless || problems.contains(&endless(0)));
        }
    }
}

//! Schema files: those of the project, and those that others wrote.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A file is read and written again, and nothing of it is lost.
#[test]
fn a_file_that_was_read_is_written_the_same() {
    for file in [LANGUAGE_11, LANGUAGE_10, META_10] {
        let read: Value = serde_json::from_str(file).unwrap();
        assert_eq!(Package::read(file.as_bytes()).unwrap().to_json(), read);
    }
}

/// What CS01, section 3.1.1, lets a file leave out is written, and a number in its shortest form.
#[test]
fn what_a_file_leaves_out_is_written() {
    let file = cs01(
        r#"["A", "String"], ["B", "Enumerated", [], "", [[1, "b"]]], ["C", "Record", [], "", [[1, "c", "Number", ["y1.0"]]]]"#,
    );
    let written = Package::read(file.as_bytes()).unwrap().to_json();
    let types = serde_json::json!([
        ["A", "String", [], "", []],
        ["B", "Enumerated", [], "", [[1, "b", ""]]],
        ["C", "Record", [], "", [[1, "c", "Number", ["y1"], ""]]],
    ]);
    assert_eq!(written["types"], types);
    let again = Package::read(written.to_string().as_bytes()).unwrap();
    assert_eq!(again.to_json(), written);
    assert_eq!(again, Package::read(file.as_bytes()).unwrap());
}

#[test]
fn the_schemas_of_the_project_have_no_mistake() {
    for file in [LANGUAGE_11, LANGUAGE_10, META_10] {
        assert_eq!(merged(file).problems(), []);
    }
}

/// The meta-schema of language 1.0 CSD07, annex A.2, takes itself and the
/// language's schema of annex A.1 for schemas, but for what the two do in
/// spite of it: Arrays have fields without a name, which an Identifier must
/// not be, and A.1 has names with a colon.
#[test]
fn the_meta_schema_takes_itself_and_the_language() {
    let meta = compiled(META_10);
    let root = meta.type_named("Schema").unwrap();
    for file in [META_10, LANGUAGE_10] {
        let mut source = JsonSource::new(file.as_bytes(), DEPTH);
        for fault in meta.judge_all(root, &mut source, Form::VERBOSE) {
            let found = fault.found.clone().unwrap_or_default();
            assert!(found == r#""""# || found.contains(':'), "{fault}");
        }
    }
    let broken = META_10.replace(r#""Null", [], ""]"#, r#""Null", [7], ""]"#);
    let fault = judge(&meta, "Schema", &broken, Form::VERBOSE).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "/types/5/fields/0/4/0: expected Option, text of 1 to 100 characters, found 7"
    );
}

/// Files that others wrote are read, and written the same where the dialect has a writer.
#[test]
fn the_files_that_others_wrote_are_read() {
    let Some(vectors) = std::env::var_os("OC2_VECTORS_DIR") else {
        println!("left out: OC2_VECTORS_DIR is not set");
        return;
    };
    let schemas = PathBuf::from(vectors).join("../schemas");
    let mut count = 0;
    for folder in ["csd07", "v1.1", "published"] {
        for file in fs::read_dir(schemas.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read(&path).unwrap();
            if path.ends_with("example-actuator-response.json") {
                continue;
            }
            let package =
                Package::read(&text).unwrap_or_else(|it| panic!("{}: {it:?}", path.display()));
            count += 1;
            if package.dialect != super::super::Dialect::Transitional {
                let read: Value = serde_json::from_slice(&text).unwrap();
                assert_eq!(package.to_json(), read, "{}", path.display());
            }
        }
    }
    assert_eq!(count, 8);
}

/// The files of others with only the mistakes that they have.
#[test]
fn the_files_that_others_wrote_have_no_mistake_but_theirs() {
    let Some(vectors) = std::env::var_os("OC2_VECTORS_DIR") else {
        println!("left out: OC2_VECTORS_DIR is not set");
        return;
    };
    let schemas = PathBuf::from(vectors).join("../schemas");
    for (file, problem_count, warning) in [
        // Names of types without a namespace that nobody defines (`Unr-Target`).
        ("csd07/oc2ls.json", 4, None),
        ("csd07/jadn.json", 0, None),
        ("csd07/example-actuator.json", 0, None),
        ("v1.1/oc2ls-v1.1.jadn", 0, None),
        ("v1.1/oc2ls-v1.1-core.jadn", 0, None),
        ("published/jadn-v1.0.jadn", 0, None),
        ("published/oc2ls-v1.0.1.jadn", 0, Some("config.$FS is not known")),
        (
            "published/oc2slpf-v1.0.1.jadn",
            0,
            Some("Actuator.slpf: one alternative stands there always; [0 says nothing"),
        ),
    ] {
        let text = fs::read(schemas.join(file)).unwrap();
        let found = Package::reading(&text).findings(&[], false);
        assert_eq!(found.problems.len(), problem_count, "{file}: {:?}", found.problems);
        let warnings: Vec<_> = found.warnings.iter().map(Problem::to_string).collect();
        if let Some(warning) = warning {
            assert!(warnings.iter().any(|it| it == warning), "{file}: {warnings:?}");
        } else {
            assert!(
                warnings.iter().all(|it| it.starts_with("OpenC2-Event: at least 1 members")),
                "{file}: {warnings:?}"
            );
        }
    }
    // The meta-schema of CS01 takes itself, whose patterns name the forms of names.
    let text = fs::read_to_string(schemas.join("published/jadn-v1.0.jadn")).unwrap();
    let schema = compiled(&text);
    assert_eq!(judge(&schema, "Schema", &text, Form::VERBOSE), Ok(()));
    let broken =
        text.replace(r#"["JADN-Type""#, r#"["jadn-Type""#).replace(r#"["Type","#, r#"["type","#);
    assert_ne!(broken, text);
    assert!(judge(&schema, "Schema", &broken, Form::VERBOSE).is_err());
}

/// The language from CS01 to CSD01 and back, and that of CSD01 to CS01: what is made up
/// by one is judged the same by the other.
#[test]
fn a_schema_in_another_dialect_judges_the_same() {
    use crate::jadn::Dialect::{Cs01, Csd01};
    for (file, there, roots) in [
        (LANGUAGE_11, Csd01, &["OpenC2-Command", "OpenC2-Response", "Message"][..]),
        (LANGUAGE_10, Cs01, &["OpenC2-Command", "OpenC2-Response"]),
        (META_10, Cs01, &["Schema"]),
    ] {
        let package = Package::read(file.as_bytes()).unwrap();
        let converted = package.converted(there);
        let back = converted.package.converted(package.dialect);
        let schemas: Vec<_> = [&package, &converted.package, &back.package]
            .map(|it| compiled(&it.to_json().to_string()))
            .into();
        for root in roots {
            let node = schemas[0].type_named(root).unwrap();
            for seed in 0..300 {
                let good = schemas[0].example(node, seed);
                let mutant = schemas[0].mutant(node, seed);
                let bad = mutant.filter(|it| may_be_said(it.wrong)).map(|it| it.message);
                for message in [good, bad].into_iter().flatten() {
                    let verdict = is_valid(&schemas[0], root, &message);
                    for schema in &schemas[1..] {
                        assert_eq!(is_valid(schema, root, &message), verdict, "{root}: {message}");
                    }
                }
            }
        }
        assert_eq!(package.converted(package.dialect).package, package);
    }
}

/// CSD01 cannot say that no element stands twice, nor what a Number must not be.
fn may_be_said(wrong: super::super::Wrong) -> bool {
    use super::super::Wrong::{AboveMaximum, BelowMinimum, Repeated};
    !matches!(wrong, Repeated | AboveMaximum | BelowMinimum)
}

#[test]
fn what_the_other_dialect_cannot_say_is_told() {
    use crate::jadn::Dialect::{Cs01, Csd01};
    let file = cs01(
        r##"["R", "Record", [], "", [[1, "u", "String", ["[0", "]0", "q"]], [2, "n", "Number", ["y1"]], [3, "e", "Enumerated", ["#R"]]]],
            ["M", "MapOf", ["+String", "*R"]], ["K", "MapOf", ["+#R", "*R", "{1"]], ["U", "Integer", ["/u8"]]"##,
    );
    let converted = Package::read(file.as_bytes()).unwrap().converted(Csd01);
    let losses: Vec<_> = converted.losses.iter().map(Problem::to_string).collect();
    assert_eq!(
        losses,
        [
            "R.u: CSD01 cannot say that no element stands twice",
            "R-n: CSD01 has no bounds of a Number",
        ]
    );
    let unsaid: Vec<_> = converted.unsaid.iter().map(Problem::to_string).collect();
    assert_eq!(unsaid, ["M: CSD01 has no MapOf, and a Map only for the keys of an enumeration"]);
    let file: Value = serde_json::json!({"meta": {"module": "http://example.org/p"}, "types": [
        ["R", "Record", [], "", [[1, "u", "R-u-list", ["[0"], ""], [2, "n", "R-n", [], ""], [3, "e", "R", ["*"], ""]]],
        ["R-u-list", "ArrayOf", ["*String", "[1"], ""],
        ["R-n", "Number", [], ""],
        ["M", "MapOf", ["*R"], ""],
        ["K", "Map", ["[1"], "", [[1, "u", "R", ["[0"], ""], [2, "n", "R", ["[0"], ""], [3, "e", "R", ["[0"], ""]]],
        ["U", "Integer", ["[0", "]255"], ""],
    ]});
    assert_eq!(converted.package.to_json(), file);
    // Paths are written out, and what is lost is told once.
    let file = cs01(
        r#"["P", "Enumerated", [">R"]], ["L", "ArrayOf", ["*>R"]], ["N", "Number", ["y1", "z2"]],
            ["R", "Record", [], "", [[1, "a", "Integer"], [2, "b", "S", ["<"]]]], ["S", "Map", [], "", [[7, "c", "Integer"]]]"#,
    );
    let converted = Package::read(file.as_bytes()).unwrap().converted(Csd01);
    let losses: Vec<_> = converted.losses.iter().map(Problem::to_string).collect();
    assert_eq!(losses, ["N: CSD01 has no bounds of a Number"]);
    let written = converted.package.to_json().to_string();
    assert_eq!(problems(&written), [""; 0]);
    let schema = compiled(&written);
    assert_eq!(judge(&schema, "L", r#"["a", "b/c"]"#, Form::VERBOSE), Ok(()));
    assert!(judge(&schema, "P", r#""b""#, Form::VERBOSE).is_err());
    let null = csd01(r#"["N", "Null", [], ""]"#);
    let converted = Package::read(null.as_bytes()).unwrap().converted(Cs01);
    assert_eq!(converted.losses.len(), 1);
}

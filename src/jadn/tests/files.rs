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

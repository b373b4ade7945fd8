//! What must hold for whatever octets there are. The fuzz targets look for octets for
//! which it does not; a test of the bridge tries those in `fuzz/corpus`.

use std::sync::LazyLock;

use super::rooms::encoding::cbor::{self, CborSource};
use super::rooms::encoding::json::JsonSource;
use super::rooms::encoding::source::Source;
use super::rooms::jadn::{Bounds, Form, NodeId, Package, Schema, Tape, resolve};
use serde_json::Value;

/// Nesting that a message may have.
const DEPTH: usize = 32;

/// Types of a made-up schema for which messages are made up.
const TYPES: usize = 4;

/// Longest schema for which messages are made up, in octets: patterns may take long.
const SCHEMA_BYTES: usize = 4096;

/// A type of a schema.
static LANGUAGE: LazyLock<(Schema, NodeId)> = LazyLock::new(|| {
    let file = include_bytes!("../schemas/oc2ls-1.1.jadn");
    let package = Package::read(file).expect("it is a schema");
    let schema = Schema::compile(&package, &[], Bounds::default()).expect("it has no mistake");
    let root = schema.type_named("Message").expect("the language has messages");
    (schema, root)
});

/// A schema that is read is written the same; one without a mistake can be used, and
/// what is made up by it gets the verdict that it should.
pub fn schema(bytes: &[u8]) {
    let Ok(package) = Package::read(bytes) else { return };
    let written = package.to_json().to_string();
    let again = Package::read(written.as_bytes()).expect("what is written can be read");
    assert_eq!(package, again);
    let Ok(merged) = resolve(&package, &[]) else { return };
    let merged = merged.with_gaps();
    if !merged.problems().is_empty() || bytes.len() > SCHEMA_BYTES {
        return;
    }
    let schema = Schema::compile(&merged.package, &merged.undefined, Bounds::default())
        .expect("a schema without a mistake can be compiled");
    for root in merged.package.types.iter().take(TYPES) {
        let root = schema.type_named(&root.name).expect("it is one of its types");
        let _ = schema.to_json_schema(root);
        if let Some(message) = schema.example(root, 1) {
            let there = message.to_string().into_bytes();
            let cbor = schema
                .transcode(root, &there, Form::VERBOSE, Form::CBOR, DEPTH)
                .unwrap_or_else(|fault| panic!("{message}: {fault}"));
            let back = schema
                .transcode(root, &cbor, Form::CBOR, Form::VERBOSE, DEPTH)
                .unwrap_or_else(|fault| panic!("{message}: {cbor:02x?}: {fault}"));
            let plain = schema
                .transcode(root, &there, Form::VERBOSE, Form::VERBOSE, DEPTH)
                .expect("it was valid before");
            // Read by serde_json both, which has not every float exactly.
            let tree = |text: &[u8]| serde_json::from_slice::<Value>(text).expect("it is JSON");
            assert_eq!(tree(&back), tree(&plain));
        }
        if let Some(mutant) = schema.mutant(root, 1) {
            let text = mutant.message.to_string();
            let verdict = judge(&schema, root, text.as_bytes(), Form::VERBOSE);
            assert!(verdict.is_err(), "{}: {text}", mutant.wrong);
        }
    }
}

/// What we take for I-JSON is JSON; a valid message stays the same through CBOR.
pub fn message_json(bytes: &[u8]) {
    let mut source = JsonSource::new(bytes, DEPTH);
    let is_json = source.skip().and_then(|()| source.end()).is_ok();
    let tree = serde_json::from_slice::<Value>(bytes);
    assert!(!is_json || tree.is_ok(), "{:?}", tree.err());
    let (schema, root) = &*LANGUAGE;
    let is_valid = judge(schema, *root, bytes, Form::VERBOSE).is_ok();
    assert!(is_json || !is_valid);
    let faults = schema.judge_all(*root, &mut JsonSource::new(bytes, DEPTH), Form::VERBOSE);
    assert_eq!(faults.is_empty(), is_valid, "{faults:?}");
    if !is_valid {
        return;
    }
    let write = |document: &[u8], from, to| {
        schema.transcode(*root, document, from, to, DEPTH).expect("what is written is valid")
    };
    let cbor = write(bytes, Form::VERBOSE, Form::CBOR);
    let back = write(&cbor, Form::CBOR, Form::VERBOSE);
    // Once binary values have their one spelling, nothing changes any more.
    assert_eq!(cbor, write(&back, Form::VERBOSE, Form::CBOR));
    let compact = write(bytes, Form::VERBOSE, Form::COMPACT);
    assert_eq!(cbor, write(&compact, Form::COMPACT, Form::CBOR));
}

/// What we take for CBOR, a lenient look takes as well; a valid message stays the same
/// through JSON.
pub fn message_cbor(bytes: &[u8]) {
    let mut source = CborSource::new(bytes, DEPTH);
    let is_cbor = source.skip().and_then(|()| source.end()).is_ok();
    let seen = cbor::look(bytes, DEPTH);
    assert!(!is_cbor || seen.is_ok(), "{:?}", seen.err());
    let (schema, root) = &*LANGUAGE;
    let is_valid = judge(schema, *root, bytes, Form::CBOR).is_ok();
    assert!(is_cbor || !is_valid);
    let faults = schema.judge_all(*root, &mut CborSource::new(bytes, DEPTH), Form::CBOR);
    assert_eq!(faults.is_empty(), is_valid, "{faults:?}");
    if !is_valid {
        return;
    }
    let write = |document: &[u8], from, to| {
        schema.transcode(*root, document, from, to, DEPTH).expect("what is written is valid")
    };
    let json = write(bytes, Form::CBOR, Form::VERBOSE);
    let back = write(&json, Form::VERBOSE, Form::CBOR);
    assert_eq!(json, write(&back, Form::CBOR, Form::VERBOSE));
}

fn judge(schema: &Schema, root: NodeId, bytes: &[u8], form: Form) -> Result<(), String> {
    let mut tape = Tape::default();
    let verdict = schema.judge_bytes(root, bytes, form, DEPTH, &mut tape);
    verdict.map_err(|fault| fault.to_string())
}

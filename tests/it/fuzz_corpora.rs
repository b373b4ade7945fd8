//! The corpora of the fuzz targets, tried once.

use std::fs;
use std::path::Path;

mod rooms {
    pub use openc2_bridge::{encoding, jadn};
}

#[path = "../../fuzz/checks.rs"]
mod checks;

/// Each input of `fuzz/corpus` keeps what its fuzz target asks of it.
#[test]
fn what_the_fuzz_targets_ask_holds_for_their_corpora() {
    for (target, check) in [
        ("schema", checks::schema as fn(&[u8])),
        ("message_json", checks::message_json),
        ("message_cbor", checks::message_cbor),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut count = 0;
        for file in fs::read_dir(folder).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            check(&bytes);
            // And as if the file had ended at any place.
            (0..bytes.len()).step_by(7).for_each(|end| check(&bytes[..end]));
            count += 1;
        }
        assert!(count >= 8, "{target}: {count} inputs");
    }
}

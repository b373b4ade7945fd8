//! The three lowest rooms of the bridge, without the rest: they name nothing above
//! them, and so an instrumented build takes a minute and not ten.

#[path = "../src/encoding/mod.rs"]
pub mod encoding;
#[path = "../src/format/mod.rs"]
pub mod format;
#[path = "../src/jadn/mod.rs"]
pub mod jadn;

mod rooms {
    pub use crate::{encoding, jadn};
}

pub mod checks;

//! How data is written down: JSON and CBOR, and nothing of what it means.

pub mod cbor;
pub mod json;
pub mod source;

/// Deepest nesting that any setting can allow, in open objects and arrays.
///
/// Trees are walked and dropped by recursion; this much fits every stack.
pub const MAX_DEPTH: usize = 128;

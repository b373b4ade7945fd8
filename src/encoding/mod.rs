//! How data is written down: JSON and CBOR, and nothing of what it means.

pub mod cbor;
pub mod json;
pub mod sink;
pub mod source;

/// Deepest nesting that any setting can allow, in open objects and arrays.
///
/// Trees are walked and dropped by recursion; this much fits every stack.
pub const MAX_DEPTH: usize = 128;

/// Largest whole number that a float has exactly, and I-JSON allows.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// The integer that a float is: `200.0` is whole, too. `None` with a fraction, or
/// beyond the integers that are exact.
pub(crate) fn exact_integer(float: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and exact in 64 bits")]
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

/// Noncharacters of Unicode: the last two code points of each plane, and U+FDD0 to U+FDEF.
fn is_noncharacter(it: char) -> bool {
    u32::from(it) & 0xfffe == 0xfffe || matches!(it, '\u{fdd0}'..='\u{fdef}')
}

//! Rows of the table in docs/reliability.md: what was done, and what it showed.

use std::fmt::Display;

/// Set: the long form of each test. `make soak` sets it.
const VARIABLE: &str = "OC2_SOAK";

/// Whether these are the long forms.
pub fn is_soak() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// How often: so many times, or under `make soak` so many.
pub fn times(short: usize, long: usize) -> usize {
    if is_soak() { long } else { short }
}

/// Prints a row of the table, for `make reliability-table` to find. The number is that of the
/// question which it answers: rows stand in that order.
pub fn row(number: u8, what: impl Display, showed: &[(&str, &dyn Display)]) {
    let showed: Vec<_> = showed.iter().map(|(name, value)| format!("{name} {value}")).collect();
    println!("reliability: | [{number}] {what} | {} |", showed.join(", "));
}

//! How objects are put together for writing.

use std::fmt::Display;

use serde_json::Value;

use crate::openc2::Members;

/// The members that are there, in this order.
pub(super) fn members<const N: usize>(members: [(&str, Option<Value>); N]) -> Members {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// An object of one member.
pub(super) fn one(name: &str, value: Value) -> Value {
    members([(name, Some(value))]).into()
}

/// An object, unless it would be empty: the language has no empty ones.
pub(super) fn unless_empty(members: Members) -> Option<Value> {
    (!members.is_empty()).then(|| members.into())
}

pub(super) fn text(it: &impl Display) -> Value {
    it.to_string().into()
}

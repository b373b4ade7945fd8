//! How typed values are taken out of a message that its schema found valid.

use std::fmt::Display;
use std::str::FromStr;

use super::Fault;
use super::fault::quoted;
use crate::jadn::View;
use crate::openc2::Members;

/// A fault lies inside this member.
pub(super) fn at<T>(name: &str, read: Result<T, Fault>) -> Result<T, Fault> {
    read.map_err(|fault| fault.inside(name))
}

/// A member that must be there.
pub(super) fn required<T>(it: Option<T>, name: &str, of: &str) -> Result<T, Fault> {
    it.ok_or_else(|| Fault::new(format!("{name} is missing in {of}")))
}

pub(super) fn string(it: View<'_>) -> String {
    it.text().into_owned()
}

/// A text that must pass the check of its type, which may ask for more than the schema does.
pub(super) fn checked<T: FromStr<Err: Display>>(it: View<'_>) -> Result<T, Fault> {
    let text = it.text();
    // What the checks say of a text repeats nothing of it.
    text.parse().map_err(|error: T::Err| Fault::found(error.to_string(), &quoted(&text)))
}

/// One of these names; the schema has the same.
pub(super) fn named<T: Copy>(
    it: View<'_>,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, Fault> {
    let text = it.text();
    let found = all.iter().copied().find(|&one| name(one) == text);
    found.ok_or_else(|| {
        let names = all.iter().map(|&one| name(one)).collect::<Vec<_>>().join(", ");
        Fault::found(format!("expected one of {names}"), &quoted(&text))
    })
}

/// A whole number that is not negative.
pub(super) fn natural(it: View<'_>) -> Result<u64, Fault> {
    let number = it.integer();
    u64::try_from(number)
        .map_err(|_| Fault::found("expected an integer from 0".to_owned(), &number.to_string()))
}

/// An array, element by element.
pub(super) fn list<'t, T>(
    it: View<'t>,
    mut read: impl FnMut(View<'t>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let elements = it.children().enumerate();
    elements.map(|(number, it)| self::at(&number.to_string(), read(it))).collect()
}

/// The members of an object that the schema may say nothing of.
pub(super) fn members(it: View<'_>, what: &str) -> Result<Members, Fault> {
    match it.to_json() {
        serde_json::Value::Object(members) => Ok(members),
        other => Err(Fault::expected(what, &other)),
    }
}

//! What is wrong with a schema.

/// A mistake in a schema file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{reason}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct Problem {
    /// The type, or `Type.field`; `None` for the file as a whole.
    pub place: Option<String>,
    /// What is wrong there.
    pub reason: String,
}

impl Problem {
    /// A mistake of the whole file.
    pub(super) fn of_file(reason: impl Into<String>) -> Self {
        Self { place: None, reason: reason.into() }
    }

    /// A mistake of one type or field.
    pub(super) fn at(place: &str, reason: impl Into<String>) -> Self {
        Self { place: Some(place.to_owned()), reason: reason.into() }
    }
}

//! What the values of a valid message are: read from its bytes where the tape says they stand.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::table::{MembersKind, Shape};
use super::tape::{Mark, View};
use crate::encoding::MAX_DEPTH;
use crate::encoding::json::JsonSource;
use crate::encoding::source::{Key, Kind, Number, Source};

impl<'t> View<'t> {
    /// The members of a compound type or a map, by name.
    pub fn entries(&self) -> impl Iterator<Item = (Cow<'t, str>, View<'t>)> + use<'t> {
        let of = *self;
        let mut marks = self.marks_inside();
        std::iter::from_fn(move || {
            let mark = marks.next()?;
            if mark.mark().member == Mark::KEY {
                return Some((mark.key(), marks.next()?));
            }
            Some((of.field_name(&mark), mark))
        })
    }

    /// The one alternative of a Choice, and its name.
    #[must_use]
    pub fn chosen(&self) -> Option<(Cow<'t, str>, View<'t>)> {
        if !matches!(self.shape(), Shape::Choice { .. }) {
            return None;
        }
        self.entries().next()
    }

    /// Whether the schema knows it: its type, or the name under which it stands.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.mark().member != Mark::UNKNOWN
    }

    fn field_name(&self, child: &View<'t>) -> Cow<'t, str> {
        let (Shape::Members { fields, .. } | Shape::Choice { fields, .. }) = self.shape() else {
            return Cow::Borrowed("");
        };
        let fields = self.schema.fields(*fields);
        match fields.get(child.mark().member as usize) {
            Some(field) if !field.name.is_empty() => Cow::Borrowed(&field.name),
            Some(field) => Cow::Owned(field.id.to_string()),
            None => Cow::Borrowed(""),
        }
    }

    /// The name that a key says.
    fn key(&self) -> Cow<'t, str> {
        let span = &self.bytes[self.mark().span()];
        // Before the key stands what parts it from the member before.
        let at = span.iter().position(|&byte| byte == b'"').unwrap_or_default();
        let text = text_at(&span[at..]);
        match self.shape() {
            Shape::Enumerated { items, .. } => {
                let items = self.schema.items(*items);
                let by_number = items.iter().find(|item| text.parse() == Ok(item.id));
                by_number.map_or(text, |item| Cow::Borrowed(&*item.name))
            }
            _ => text,
        }
    }

    /// The text of a value that JSON writes as text, as JSON writes it.
    #[must_use]
    pub fn text(&self) -> Cow<'t, str> {
        match self.item() {
            Some((name, _)) => Cow::Borrowed(name),
            None => text_at(&self.bytes[self.mark().span()]),
        }
    }

    /// An integer.
    #[must_use]
    pub fn integer(&self) -> i64 {
        match self.item() {
            Some((_, id)) => id,
            None => self.mark().number,
        }
    }

    /// A number.
    #[must_use]
    pub fn number(&self) -> f64 {
        f64::from_bits(self.mark().number.cast_unsigned())
    }

    /// The value as verbose JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self.shape() {
            Shape::Any | Shape::Never => any_at(&self.bytes[self.mark().span()]),
            Shape::Null => Value::Null,
            Shape::Boolean => (self.mark().number != 0).into(),
            Shape::Integer { .. } => self.mark().number.into(),
            Shape::Number { .. } => number(self.number()),
            Shape::Enumerated { by_id: true, .. } => self.integer().into(),
            Shape::WideInteger { .. }
            | Shape::Text { .. }
            | Shape::Octets { .. }
            | Shape::Net { .. }
            | Shape::Enumerated { .. } => self.text().into(),
            Shape::List { .. } => self.children().map(|it| it.to_json()).collect(),
            Shape::Members { kind: MembersKind::Array, .. } => self.positions(),
            Shape::Choice { .. } | Shape::Members { .. } | Shape::Mapping { .. } => self
                .entries()
                .map(|(name, it)| (name.into_owned(), it.to_json()))
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

impl View<'_> {
    /// The elements of an Array, with null for what is left out before the last.
    fn positions(&self) -> Value {
        let mut elements = Vec::new();
        for child in self.children() {
            elements.resize(child.mark().member as usize, Value::Null);
            elements.push(child.to_json());
        }
        elements.into()
    }
}

/// The string that stands there. The document has been found valid.
fn text_at(bytes: &[u8]) -> Cow<'_, str> {
    let inner = bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains(&b'\\')
        && bytes.last() == Some(&b'"')
        && let Ok(plain) = std::str::from_utf8(inner)
    {
        return Cow::Borrowed(plain);
    }
    let mut source = JsonSource::new(bytes, MAX_DEPTH);
    Cow::Owned(source.text().map(str::to_owned).unwrap_or_default())
}

/// The value that stands there.
fn any_at(bytes: &[u8]) -> Value {
    any(&mut JsonSource::new(bytes, MAX_DEPTH)).unwrap_or_default()
}

/// A value of which the schema says nothing.
fn any<S: Source>(source: &mut S) -> Result<Value, S::Error> {
    Ok(match source.kind()? {
        Kind::Null => {
            source.null()?;
            Value::Null
        }
        Kind::Bool => source.bool()?.into(),
        Kind::Number => match source.number()? {
            Number::Integer(number) => number.into(),
            Number::Float(number) => number.into(),
        },
        Kind::Text => source.text()?.into(),
        Kind::Octets => Value::Null,
        Kind::Array => {
            source.enter_array()?;
            let mut elements = Vec::new();
            while source.next_element(elements.is_empty())? {
                elements.push(any(source)?);
            }
            elements.into()
        }
        Kind::Map => {
            source.enter_map()?;
            let mut members = Map::new();
            while let Some(key) = source.next_key(members.is_empty())? {
                let name = match key {
                    Key::Text(name) => name.to_owned(),
                    Key::Integer(id) => id.to_string(),
                };
                let value = any(source)?;
                members.insert(name, value);
            }
            members.into()
        }
    })
}

/// A number; without a fraction where it has none, as an integer is written.
fn number(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole, and compared afterwards")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "asks whether it is exact")]
    let is_whole = whole as f64 == number;
    if is_whole { whole.into() } else { number.into() }
}

//! A judged document, written down in another form.
//!
//! The tape says what every value is; only text, octets and what could be
//! anything are read again, from their place in the document.

use std::borrow::Cow;

use serde_json::Value;

use super::form::{Form, Names};
use super::formats::{NetForm, OctetForm};
use super::report::Fault;
use super::table::{FieldRow, MembersKind, NodeId, Schema, Shape, Span};
use super::tape::{Mark, Tape, View};
use crate::encoding::cbor::{CborSink, CborSource};
use crate::encoding::json::{JsonSink, JsonSource, ValueSink};
use crate::encoding::sink::{Sink, copy};
use crate::encoding::source::{Key, Kind, Number, Source};
use crate::encoding::{MAX_DEPTH, exact_integer};

/// What was judged once is read again without a fault.
const JUDGED: &str = "the document is the one that was judged";

impl Schema {
    /// Judges a document and writes it down in another form: as CBOR where
    /// that has octets, else as JSON.
    ///
    /// # Errors
    ///
    /// The first fault.
    pub fn transcode(
        &self,
        root: NodeId,
        document: &[u8],
        from: Form,
        to: Form,
        max_depth: usize,
    ) -> Result<Vec<u8>, Box<Fault>> {
        let mut tape = Tape::default();
        self.judge_bytes(root, document, from, max_depth, &mut tape)?;
        let view = tape.view(self, document).expect("a judged document has a value");
        Ok(view.to_bytes(to))
    }

    /// Judges a document in the encoding that its form tells: CBOR where that
    /// has octets, else JSON.
    ///
    /// # Errors
    ///
    /// The first fault. The tape then holds what came before it.
    pub fn judge_bytes(
        &self,
        root: NodeId,
        document: &[u8],
        form: Form,
        max_depth: usize,
        tape: &mut Tape,
    ) -> Result<(), Box<Fault>> {
        if form.has_octets {
            self.judge(root, &mut CborSource::new(document, max_depth), form, tape)
        } else {
            self.judge(root, &mut JsonSource::new(document, max_depth), form, tape)
        }
    }
}

impl<'t> View<'t> {
    /// The value in another form: as CBOR where that has octets, else as JSON.
    #[must_use]
    pub fn to_bytes(&self, to: Form) -> Vec<u8> {
        if to.has_octets {
            let mut sink = CborSink::default();
            self.write(to, &mut sink);
            sink.into_bytes()
        } else {
            let mut sink = JsonSink::default();
            self.write(to, &mut sink);
            sink.into_bytes()
        }
    }

    /// The value as verbose JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut sink = ValueSink::default();
        self.write(Form::VERBOSE, &mut sink);
        sink.into_value()
    }

    /// Writes the value to a sink. Text stays as it was spelled where neither
    /// side has octets; else binary values get the one spelling of their format.
    pub fn write(&self, to: Form, sink: &mut impl Sink) {
        let mark = self.mark();
        match self.shape() {
            Shape::Never => unreachable!("nothing was valid here"),
            Shape::Null => sink.null(),
            Shape::Boolean => sink.bool(mark.number != 0),
            Shape::Integer { .. } => sink.number(Number::Integer(mark.number)),
            Shape::Number { .. } => {
                let number = f64::from_bits(mark.number.cast_unsigned());
                sink.number(exact_integer(number).map_or(Number::Float(number), Number::Integer));
            }
            Shape::Enumerated { by_id, .. } => match self.item() {
                Some((_, id)) if *by_id || to.names == Names::Numbers => {
                    sink.number(Number::Integer(id));
                }
                Some((name, _)) => sink.text(name),
                // One that somebody else has added.
                None => self.write_again(to, sink),
            },
            Shape::Choice { fields, by_id } => self.write_members(*fields, *by_id, to, sink),
            Shape::Members { kind, fields, .. } if kind.is_array(to) => {
                self.write_positions(*fields, to, sink);
            }
            Shape::Members { kind, fields, .. } => {
                let by_id = *kind == MembersKind::Map { by_id: true };
                self.write_members(*fields, by_id, to, sink);
            }
            Shape::Mapping { .. } => self.write_members(Span::default(), false, to, sink),
            Shape::List { .. } => {
                sink.begin_array();
                for child in self.children() {
                    child.write(to, sink);
                }
                sink.end_array();
            }
            Shape::Any
            | Shape::WideInteger { .. }
            | Shape::Text { .. }
            | Shape::Octets { .. }
            | Shape::Net { .. } => self.write_again(to, sink),
        }
    }

    /// Members under the keys of their fields, or under keys that stand on the tape.
    fn write_members(&self, fields: Span, by_id: bool, to: Form, sink: &mut impl Sink) {
        let fields = self.schema.fields(fields);
        sink.begin_map();
        for inside in self.marks_inside() {
            match inside.mark().member {
                Mark::KEY => inside.write_key(to, sink),
                Mark::UNKNOWN => inside.write(to, sink),
                at => {
                    if let Some(field) = fields.get(at as usize) {
                        sink.key(key_of(field, by_id, to));
                    }
                    inside.write(to, sink);
                }
            }
        }
        sink.end_map();
    }

    /// Fields by their place, with null for what is left out.
    fn write_positions(&self, fields: Span, to: Form, sink: &mut impl Sink) {
        let mut values = vec![None; fields.range().len()];
        for child in self.children() {
            if let Some(value) = values.get_mut(child.mark().member as usize) {
                *value = Some(child);
            }
        }
        let end = values.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        sink.begin_array();
        for value in &values[..end] {
            match value {
                Some(value) => value.write(to, sink),
                None => sink.null(),
            }
        }
        sink.end_array();
    }

    /// Writes what the tape does not hold, from the document.
    fn write_again(&self, to: Form, sink: &mut impl Sink) {
        let bytes = self.document();
        if self.form().has_octets {
            self.read_again(&mut CborSource::new(bytes, MAX_DEPTH), to, sink).expect(JUDGED);
        } else {
            self.read_again(&mut JsonSource::new(bytes, MAX_DEPTH), to, sink).expect(JUDGED);
        }
    }

    fn read_again<R: Source>(
        &self,
        source: &mut R,
        to: Form,
        sink: &mut impl Sink,
    ) -> Result<(), R::Error> {
        let (from_octets, to_octets) = (self.form().has_octets, to.has_octets);
        match self.shape() {
            Shape::WideInteger { .. } if from_octets => sink.wide_integer(source.wide_integer()?),
            Shape::WideInteger { .. } => match source.kind()? {
                Kind::Number => match source.number()? {
                    Number::Integer(number) => sink.wide_integer(number.into()),
                    Number::Float(_) => unreachable!("{JUDGED}"),
                },
                _ => sink.wide_integer(source.text()?.parse().expect(JUDGED)),
            },
            Shape::Octets { form, .. } => match (from_octets, to_octets) {
                (true, true) => sink.octets(&source.octets()?),
                (true, false) => sink.text(&form.text_of(&source.octets()?)),
                (false, true) => sink.octets(&form.octets_in(source.text()?).expect(JUDGED)),
                (false, false) => sink.text(source.text()?),
            },
            Shape::Net { form } => match (from_octets, to_octets) {
                (true, false) => sink.text(&net_text(source, *form)?),
                (false, true) => {
                    let (addr, prefix) = form.octets_in(source.text()?).expect(JUDGED);
                    sink.begin_array();
                    sink.octets(&addr);
                    if let Some(prefix) = prefix {
                        sink.number(Number::Integer(prefix.into()));
                    }
                    sink.end_array();
                }
                _ => copy(source, sink)?,
            },
            _ => copy(source, sink)?,
        }
        Ok(())
    }

    /// The text of a value that JSON writes as text, as JSON writes it.
    #[must_use]
    pub fn text(&self) -> Cow<'t, str> {
        if let Some((name, _)) = self.item() {
            return Cow::Borrowed(name);
        }
        let bytes = self.document();
        match self.shape() {
            // In JSON it may be a number.
            Shape::WideInteger { .. } => match self.to_json() {
                Value::String(text) => Cow::Owned(text),
                other => Cow::Owned(other.to_string()),
            },
            Shape::Octets { .. } | Shape::Net { .. } if self.form().has_octets => {
                match self.to_json() {
                    Value::String(text) => Cow::Owned(text),
                    other => Cow::Owned(other.to_string()),
                }
            }
            _ if self.form().has_octets => crate::encoding::cbor::text(bytes).unwrap_or_default(),
            _ => crate::encoding::json::text(bytes).unwrap_or_default(),
        }
    }

    /// The name that a key says, of a map or of a member that somebody else has added.
    pub(super) fn key(&self) -> Cow<'t, str> {
        let item = |is_it: &dyn Fn(i64) -> bool| match self.shape() {
            Shape::Enumerated { items, .. } => {
                self.schema.items(*items).iter().find(|item| is_it(item.id)).map(|it| &*it.name)
            }
            _ => None,
        };
        let spelled = |text: &str| item(&|id| text.parse() == Ok(id));
        let bytes = self.document();
        if !self.form().has_octets {
            // Before the key stands what parts it from the member before.
            let at = bytes.iter().position(|&byte| byte == b'"').unwrap_or_default();
            let text = crate::encoding::json::text(&bytes[at..]).unwrap_or_default();
            return spelled(&text).map_or(text, Cow::Borrowed);
        }
        let mut source = CborSource::new(bytes, 0);
        match source.kind() {
            Ok(Kind::Number) => match source.number() {
                Ok(Number::Integer(id)) => {
                    item(&|it| it == id).map_or_else(|| Cow::Owned(id.to_string()), Cow::Borrowed)
                }
                _ => Cow::Borrowed(""),
            },
            _ => crate::encoding::cbor::text(bytes).unwrap_or_default(),
        }
    }

    /// Writes a key that stands on the tape, as the other form has it.
    fn write_key(&self, to: Form, sink: &mut impl Sink) {
        let name = self.key();
        match self.shape() {
            Shape::Enumerated { items, by_id } => {
                let item = self.schema.items(*items).iter().find(|item| *item.name == *name);
                match item {
                    Some(item) if *by_id || to.names == Names::Numbers => {
                        sink.key(Key::Integer(item.id));
                    }
                    _ => sink.key(Key::Text(&name)),
                }
            }
            Shape::Integer { .. } => match name.parse() {
                Ok(id) => sink.key(Key::Integer(id)),
                Err(_) => sink.key(Key::Text(&name)),
            },
            _ => sink.key(Key::Text(&name)),
        }
    }
}

/// The key of a field.
fn key_of(field: &FieldRow, by_id: bool, to: Form) -> Key<'_> {
    if by_id || to.names == Names::Numbers {
        Key::Integer(field.id)
    } else {
        Key::Text(&field.name)
    }
}

/// The text of a range of addresses that stands there as octets and a number.
fn net_text<R: Source>(source: &mut R, form: NetForm) -> Result<String, R::Error> {
    let octets = match form {
        NetForm::Ipv4 => OctetForm::Ipv4,
        NetForm::Ipv6 => OctetForm::Ipv6,
    };
    source.enter_array()?;
    let (mut text, mut is_first) = (String::new(), true);
    while source.next_element(is_first)? {
        if is_first {
            text = octets.text_of(&source.octets()?);
        } else if let Number::Integer(prefix) = source.number()? {
            text = format!("{text}/{prefix}");
        }
        is_first = false;
    }
    Ok(text)
}

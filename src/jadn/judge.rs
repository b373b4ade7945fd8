//! One pass over a message, by the table.

mod faults;
mod keys;
mod lists;
mod members;
mod parts;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::form::{Form, Names};
use super::formats::{NetForm, OctetForm};
use super::report::Fault;
use super::table::{ItemRow, MembersKind, NodeId, Schema, Shape, Sizes, Span};
use super::tape::Tape;
use crate::encoding::source::{Key, Kind, Number, Source};

impl Schema {
    /// Judges one document, and leaves its values on the tape.
    ///
    /// # Errors
    ///
    /// The first fault. The tape then holds what came before it.
    pub fn judge<S: Source>(
        &self,
        root: NodeId,
        source: &mut S,
        form: Form,
        tape: &mut Tape,
    ) -> Result<(), Box<Fault>> {
        self.begin(source, form, tape, false).document(root)
    }

    /// Judges one document and goes on behind each fault, up to the first that
    /// breaks the encoding itself.
    pub fn judge_all<S: Source>(&self, root: NodeId, source: &mut S, form: Form) -> Vec<Fault> {
        let mut tape = Tape::default();
        let mut judge = self.begin(source, form, &mut tape, true);
        let last = judge.document(root).err();
        let mut faults = std::mem::take(&mut judge.faults);
        faults.extend(last.map(|last| *last));
        faults
    }

    fn begin<'j, S: Source>(
        &'j self,
        source: &'j mut S,
        form: Form,
        tape: &'j mut Tape,
        wants_all: bool,
    ) -> Judge<'j, S> {
        tape.clear(form);
        Judge { schema: self, source, form, tape, sets: 0, wants_all, faults: Vec::new() }
    }
}

struct Judge<'j, S: Source> {
    schema: &'j Schema,
    source: &'j mut S,
    form: Form,
    tape: &'j mut Tape,
    /// Sets that are open: inside of one, values are hashed.
    sets: u32,
    /// Goes on behind a fault.
    wants_all: bool,
    faults: Vec<Fault>,
}

/// A hash of the value where sets are open, else nothing in particular.
type Verdict = Result<u64, Box<Fault>>;

/// Where a value begins, for what is said of it.
struct Begin<P> {
    node: NodeId,
    place: P,
    mark: usize,
}

impl<S: Source> Judge<'_, S> {
    fn document(&mut self, root: NodeId) -> Result<(), Box<Fault>> {
        self.value(root, 0)?;
        let end = self.source.end();
        end.map_err(|error| self.broken(&error))?;
        match (self.schema.document_bytes, self.source.offset()) {
            (Some(most), bytes) if bytes > most => {
                Err(Fault::new(most, format!("{bytes} bytes long, {most} are allowed")))
            }
            _ => Ok(()),
        }
    }

    fn value(&mut self, node: NodeId, member: u32) -> Verdict {
        let kind = match self.source.kind() {
            Ok(kind) => kind,
            Err(error) => return Err(self.broken(&error)),
        };
        let place = self.source.place();
        let mark = self.tape.begin(node, member, self.source.offset());
        let begin = Begin { node, place, mark };
        let hash = self.shape(kind, &begin)?;
        self.tape.end(mark, self.source.offset());
        Ok(hash)
    }

    fn shape(&mut self, found: Kind, begin: &Begin<S::Place>) -> Verdict {
        let schema = self.schema;
        match (&schema.node(begin.node).shape, found) {
            (Shape::Any, _) => {
                let offset = self.source.offset();
                self.source.skip().map_err(|error| self.broken(&error))?;
                // Two of them never count as equal.
                Ok(offset as u64)
            }
            (Shape::Null, Kind::Null) => {
                self.source.null().map_err(|error| self.broken(&error))?;
                Ok(0)
            }
            (Shape::Boolean, Kind::Bool) => {
                let it = self.source.bool().map_err(|error| self.broken(&error))?;
                self.tape.set_number(begin.mark, it.into());
                Ok(it.into())
            }
            (Shape::Integer { min, max }, Kind::Number) => match self.number()? {
                Number::Integer(number) if (*min..=*max).contains(&number) => {
                    self.tape.set_number(begin.mark, number);
                    Ok(number.cast_unsigned())
                }
                _ => Err(self.unlike(begin)),
            },
            (Shape::Number { min, max }, Kind::Number) => {
                let number = match self.number()? {
                    #[expect(clippy::cast_precision_loss, reason = "integers read are exact")]
                    Number::Integer(number) => number as f64,
                    Number::Float(number) => number,
                };
                if !(*min..=*max).contains(&number) {
                    return Err(self.unlike(begin));
                }
                self.tape.set_number(begin.mark, number.to_bits().cast_signed());
                Ok(number.to_bits())
            }
            (Shape::WideInteger { min, max }, Kind::Number) if self.form.has_octets => {
                let number = self.source.wide_integer();
                let number = number.map_err(|error| self.broken(&error))?;
                if !(*min..=*max).contains(&number) {
                    return Err(self.unlike(begin));
                }
                Ok(self.hash(&number))
            }
            // An integer is a number (CS01, section 4.1); what I-JSON has no number for, and
            // for that matter any other, is text.
            (Shape::WideInteger { min, max }, Kind::Number) => match self.number()? {
                Number::Integer(number) if (*min..=*max).contains(&number.into()) => {
                    Ok(self.hash(&i128::from(number)))
                }
                _ => Err(self.unlike(begin)),
            },
            (Shape::WideInteger { min, max }, Kind::Text) if !self.form.has_octets => {
                let is_sure = |number: &i128| (*min..=*max).contains(number);
                let (number, _) = self.text(|text| {
                    let number = text.parse().ok().filter(is_sure);
                    number.filter(|number: &i128| number.to_string() == text)
                })?;
                number.map(|number| self.hash(&number)).ok_or_else(|| self.unlike(begin))
            }
            (Shape::Text { chars, format: None, pattern: None }, Kind::Text) if self.sets == 0 => {
                self.any_text(*chars, begin)
            }
            (Shape::Text { chars, format, pattern }, Kind::Text) => {
                let pattern = pattern.and_then(|at| schema.patterns.get(at as usize));
                let (is_right, hash) = self.text(|text| {
                    chars.hold_characters_of(text)
                        && format.is_none_or(|format| (format.check)(text).is_ok())
                        && pattern.is_none_or(|pattern| pattern.is_match(text))
                })?;
                if is_right { Ok(hash) } else { Err(self.unlike(begin)) }
            }
            (Shape::Octets { octets, form }, Kind::Text) if !self.form.has_octets => {
                let (count, hash) = self.text(|text| form.octets_of(text).ok())?;
                match count {
                    Some(count) if octets.hold(count) => Ok(hash),
                    _ => Err(self.unlike(begin)),
                }
            }
            (Shape::Octets { octets, form }, Kind::Octets) => self.octets(*octets, *form, begin),
            (Shape::Enumerated { items, by_id }, _) => self.item(*items, *by_id, found, begin),
            (Shape::Net { form }, Kind::Text) if !self.form.has_octets => {
                let (is_right, hash) = self.text(|text| form.check(text).is_ok())?;
                if is_right { Ok(hash) } else { Err(self.unlike(begin)) }
            }
            (Shape::Net { form }, Kind::Array) if self.form.has_octets => self.net(*form, begin),
            (Shape::Choice { fields, by_id }, Kind::Map) => self.choice(*fields, *by_id, begin),
            (Shape::Members { kind, fields, count, required }, Kind::Map | Kind::Array) => {
                let by_id = matches!(kind, MembersKind::Map { by_id: true });
                match (kind.is_array(self.form), found) {
                    (true, Kind::Array) => self.positions(*fields, *count, *required, begin),
                    (false, Kind::Map) => self.members(*fields, by_id, *count, *required, begin),
                    _ => Err(self.unlike(begin)),
                }
            }
            (Shape::List { element, count, is_set }, Kind::Array) => {
                self.list(*element, *count, *is_set, begin)
            }
            (Shape::Mapping { key, value, count }, Kind::Map) => {
                self.mapping(*key, *value, *count, begin)
            }
            _ => Err(self.unlike(begin)),
        }
    }

    /// The hash of a value, where a set is open that could hold it twice.
    fn hash(&self, it: &impl Hash) -> u64 {
        if self.sets > 0 { hash_of(it) } else { 0 }
    }

    fn number(&mut self) -> Result<Number, Box<Fault>> {
        self.source.number().map_err(|error| self.broken(&error))
    }

    /// Reads text and looks at it; also its hash where one is needed.
    fn text<T>(&mut self, look: impl FnOnce(&str) -> T) -> Result<(T, u64), Box<Fault>> {
        match self.source.text() {
            Ok(text) => {
                let hash = if self.sets > 0 { hash_of(text) } else { 0 };
                Ok((look(text), hash))
            }
            Err(error) => Err(self.broken(&error)),
        }
    }

    /// Text of which only the length matters, so that nobody looks into most of it.
    #[inline]
    fn any_text(&mut self, chars: Sizes, begin: &Begin<S::Place>) -> Verdict {
        let bytes = self.source.text_bytes().map_err(|error| self.broken(&error))?;
        if chars.hold_characters_in(bytes) {
            return Ok(0);
        }
        self.source.return_to(begin.place);
        let (is_right, hash) = self.text(|text| chars.hold_characters_of(text))?;
        if is_right { Ok(hash) } else { Err(self.unlike(begin)) }
    }

    fn octets(&mut self, sizes: Sizes, form: OctetForm, begin: &Begin<S::Place>) -> Verdict {
        let (is_right, hash) = match self.source.octets() {
            Ok(octets) => {
                let is_right = sizes.hold(octets.len()) && form.takes(octets.len()).is_ok();
                (is_right, if self.sets > 0 { hash_of(&*octets) } else { 0 })
            }
            Err(error) => return Err(self.broken(&error)),
        };
        if is_right { Ok(hash) } else { Err(self.unlike(begin)) }
    }

    /// The address and, where it is not a single host, the length of the prefix.
    fn net(&mut self, form: NetForm, begin: &Begin<S::Place>) -> Verdict {
        self.source.enter_array().map_err(|error| self.broken(&error))?;
        let (mut hash, mut count) = (0, 0);
        while self.next_element(count == 0)? {
            let kind = self.source.kind().map_err(|error| self.broken(&error))?;
            let is_right = match (count, kind) {
                (0, Kind::Octets) => match self.source.octets() {
                    Ok(octets) => {
                        hash = hash_of(&*octets);
                        form.check_octets(octets.len()).is_ok()
                    }
                    Err(error) => return Err(self.broken(&error)),
                },
                (1, Kind::Number) => match self.number()? {
                    Number::Integer(prefix) => {
                        hash = hash_of(&(hash, prefix));
                        (0..=form.longest()).contains(&prefix)
                    }
                    Number::Float(_) => false,
                },
                _ => false,
            };
            if !is_right {
                return Err(self.unlike(begin));
            }
            count += 1;
        }
        if count > 0 { Ok(hash) } else { Err(self.unlike(begin)) }
    }

    fn item(&mut self, items: Span, by_id: bool, kind: Kind, begin: &Begin<S::Place>) -> Verdict {
        let items = self.schema.items(items);
        let by_number = by_id || self.form.names == Names::Numbers;
        let (schema, node) = (self.schema, begin.node);
        let has_added = |key: &Key<'_>| schema.takes_unknown(node, key).is_ok();
        let (at, taken) = match kind {
            Kind::Number if by_number => match self.number()? {
                Number::Integer(id) => match items.iter().position(|item| item.id == id) {
                    None => (None, has_added(&Key::Integer(id)).then(|| hash_of(&id))),
                    at => (at, None),
                },
                Number::Float(_) => (None, None),
            },
            Kind::Text => {
                let found = self.text(|text| {
                    let is_it = |item: &ItemRow| !by_number && &*item.name == text;
                    match items.iter().position(is_it) {
                        None => (None, has_added(&Key::Text(text)).then(|| hash_of(text))),
                        at => (at, None),
                    }
                });
                found?.0
            }
            _ => (None, None),
        };
        match (at, taken) {
            (Some(at), _) => {
                self.tape.set_number(begin.mark, i64::try_from(at).unwrap_or(i64::MAX));
                Ok(at as u64)
            }
            // Its name is read from the document.
            (None, Some(hash)) => {
                self.tape.set_number(begin.mark, i64::MAX);
                Ok(hash)
            }
            (None, None) => Err(self.unlike(begin)),
        }
    }
}

fn hash_of(it: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    hasher.finish()
}

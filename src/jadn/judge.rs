//! One pass over a message, by the table.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a fault travels in a box, so that the path of what is valid stays narrow"
)]

use std::hash::{DefaultHasher, Hash, Hasher};

use super::formats::{NetForm, OctetForm};
use super::report::{Fault, excerpt, quoted};
use super::table::{FieldRow, ItemRow, MembersKind, NodeId, Schema, Shape, Sizes, Span};
use super::tape::{Mark, Tape};
use crate::encoding::source::{Key, Kind, Number, Source};
use crate::format::Flaw;

/// How values are written, beyond what the encoding says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Form {
    /// Keys of maps and values of enumerations.
    pub names: Names,
    /// Records.
    pub records: Records,
    /// Binary values stand as octets; only CBOR has those.
    pub has_octets: bool,
}

/// How keys and enumerations are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Names {
    /// By name.
    Names,
    /// By number.
    Numbers,
}

/// How a Record is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Records {
    /// As a map from names to values.
    Maps,
    /// As an array, with null for what is left out.
    Arrays,
}

impl Default for Form {
    fn default() -> Self {
        Self::VERBOSE
    }
}

impl Form {
    /// Verbose JSON, which `OpenC2` uses (JADN v1.0 CS01, section 4.1).
    pub const VERBOSE: Self =
        Self { names: Names::Names, records: Records::Maps, has_octets: false };

    /// Compact JSON (JADN v1.0 CS01, section 4.3).
    pub const COMPACT: Self =
        Self { names: Names::Numbers, records: Records::Arrays, has_octets: false };

    /// CBOR (JADN v1.0 CS01, section 4.4).
    pub const CBOR: Self =
        Self { names: Names::Numbers, records: Records::Arrays, has_octets: true };
}

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
                Ok(if self.sets > 0 { hash_of(&number) } else { 0 })
            }
            (Shape::WideInteger { min, max }, Kind::Text) if !self.form.has_octets => {
                let is_sure = |number: &i128| (*min..=*max).contains(number);
                let read = self.text(|text| {
                    let number = text.parse().ok().filter(is_sure);
                    number.filter(|number: &i128| number.to_string() == text)
                })?;
                read.0.map(|_| read.1).ok_or_else(|| self.unlike(begin))
            }
            (Shape::Text { chars, format, pattern }, Kind::Text) => {
                let pattern = pattern.and_then(|at| schema.patterns.get(at as usize));
                let (is_right, hash) = self.text(|text| {
                    // A text has no more characters than bytes.
                    let has_size = (chars.min == 0 && text.len() <= chars.max as usize)
                        || chars.hold(text.chars().count());
                    has_size
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

    fn choice(&mut self, fields: Span, by_id: bool, begin: &Begin<S::Place>) -> Verdict {
        let fields = self.schema.fields(fields);
        let by_number = by_id || self.form.names == Names::Numbers;
        self.source.enter_map().map_err(|error| self.broken(&error))?;
        let place = self.source.place();
        let at = match self.key(fields, by_number, 0, true)? {
            Met::Field(at) => at,
            Met::End => return Err(self.unlike(begin)),
            Met::Other => match self.other_key(begin.node, place, true)? {
                Other::Taken(key) => {
                    let hash = self.taken(&key)?;
                    return match self.key(fields, by_number, 0, false)? {
                        Met::End => Ok(hash),
                        Met::Field(_) | Met::Other => Err(self.too_many(begin)),
                    };
                }
                Other::Unknown(fault) => {
                    let what = format!("no alternative of {}", self.schema.name(begin.node));
                    return Err(unknown(what, fields, fault));
                }
            },
        };
        let field = &fields[at];
        let member = u32::try_from(at).unwrap_or(u32::MAX);
        let noted = self.faults.len();
        let result = self.value(field.node, member);
        self.inside(noted, || field.name.to_string());
        let hash = result.map_err(|fault| fault.inside(&field.name))?;
        match self.key(fields, by_number, at, false)? {
            Met::End => Ok(self.hash(&(at, hash))),
            Met::Field(_) | Met::Other => Err(self.too_many(begin)),
        }
    }

    /// A choice with more than one member.
    fn too_many(&mut self, begin: &Begin<S::Place>) -> Box<Fault> {
        let mut fault = self.unlike(begin);
        fault.found = Some("more than one".to_owned());
        fault
    }

    /// Reads what stands under a key that somebody else has added to the type.
    fn taken(&mut self, key: &Taken<S::Place>) -> Verdict {
        let any = self.schema.any;
        let mark = self.tape.begin(any, Mark::KEY, key.from);
        self.tape.end(mark, key.to);
        match self.value(any, Mark::UNKNOWN) {
            Ok(value) => Ok(hash_of(&(key.hash, value))),
            Err(fault) => {
                self.source.return_to(key.place);
                let name = match self.source.next_key(key.is_first) {
                    Ok(Some(Key::Text(name))) => name.to_owned(),
                    Ok(Some(Key::Integer(id))) => id.to_string(),
                    Ok(None) | Err(_) => String::new(),
                };
                Err(fault.inside(&name))
            }
        }
    }

    /// The next key, found among the fields.
    #[inline]
    fn key(
        &mut self,
        fields: &[FieldRow],
        by_number: bool,
        hint: usize,
        is_first: bool,
    ) -> Result<Met, Box<Fault>> {
        let has_numbers = self.form.has_octets;
        let key = match self.source.next_key(is_first) {
            Ok(Some(key)) => key,
            Ok(None) => return Ok(Met::End),
            Err(error) => {
                let fault = error.to_string();
                return Err(self.broken_by(fault));
            }
        };
        let found = match key {
            Key::Text(name) if !by_number => {
                // Most senders keep the order of the standard's tables.
                let is_it = |field: &FieldRow| &*field.name == name;
                position(fields, hint, is_it)
            }
            // Only where keys are always text, a number is text as well.
            Key::Text(_) if has_numbers => None,
            Key::Text(name) => position(fields, hint, |field| is_number(name, field.id)),
            Key::Integer(id) if by_number => position(fields, hint, |field| field.id == id),
            Key::Integer(_) => None,
        };
        Ok(found.map_or(Met::Other, Met::Field))
    }

    /// A key that no field has, read once more from where it begins.
    #[cold]
    fn other_key(
        &mut self,
        node: NodeId,
        place: S::Place,
        is_first: bool,
    ) -> Result<Other<S::Place>, Box<Fault>> {
        self.source.return_to(place);
        let (schema, from) = (self.schema, self.source.offset());
        let key = match self.source.next_key(is_first) {
            Ok(Some(key)) => key,
            Ok(None) => Key::Text(""),
            Err(error) => {
                let fault = error.to_string();
                return Err(self.broken_by(fault));
            }
        };
        match schema.takes_unknown(node, &key) {
            Ok(()) => {
                let hash = match key {
                    Key::Text(name) => hash_of(name),
                    Key::Integer(id) => hash_of(&id),
                };
                let to = self.source.offset();
                Ok(Other::Taken(Taken { place, is_first, from, to, hash }))
            }
            Err(why) => {
                let name = match key {
                    Key::Text(name) => name.to_owned(),
                    Key::Integer(id) => id.to_string(),
                };
                let offset = self.source.offset();
                Ok(Other::Unknown(Fault::new(offset, why).inside(&name)))
            }
        }
    }

    fn members(
        &mut self,
        fields: Span,
        by_id: bool,
        count: Sizes,
        required: u64,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        let fields = self.schema.fields(fields);
        let by_number = by_id || self.form.names == Names::Numbers;
        self.source.enter_map().map_err(|error| self.broken(&error))?;
        let met = self.open_fields(fields.len());
        let hashes = self.tape.hashes.len();
        // A value whose tag has not come yet.
        let mut late = Vec::new();
        let (mut hint, mut number, mut hash) = (0, 0, 0u64);
        loop {
            let place = self.source.place();
            let at = match self.key(fields, by_number, hint, number == 0)? {
                Met::End => break,
                Met::Field(at) => at,
                Met::Other => {
                    match self.other_key(begin.node, place, number == 0)? {
                        Other::Taken(key) => {
                            hash = hash.wrapping_add(self.taken(&key)?);
                            self.tape.hashes.push(key.hash);
                        }
                        Other::Unknown(fault) => {
                            let what = format!("no field of {}", self.schema.name(begin.node));
                            self.fault(unknown(what, fields, fault))?;
                            self.skip()?;
                        }
                    }
                    number += 1;
                    continue;
                }
            };
            number += 1;
            hint = at + 1;
            let field = &fields[at];
            let was_met = self.meet(met, at);
            if was_met {
                let fault = Fault::new(self.source.offset(), "this member stands there twice");
                self.fault(fault.inside(&field.name))?;
                self.skip()?;
            } else if let Some(tag) = field.tag
                && self.tape.child(begin.mark, tag).is_none()
            {
                self.source.kind().map_err(|error| self.broken(&error))?;
                late.push((at, self.source.place()));
                self.skip()?;
            } else {
                let value = self.field(fields, at, begin)?;
                hash = hash.wrapping_add(self.hash(&(at, value)));
            }
        }
        if !late.is_empty() {
            let end = self.source.place();
            for (at, place) in late {
                self.source.return_to(place);
                let value = self.field(fields, at, begin)?;
                hash = hash.wrapping_add(self.hash(&(at, value)));
            }
            self.source.return_to(end);
        }
        if self.tape.hashes.len() > hashes {
            if !are_distinct(&mut self.tape.hashes[hashes..]) {
                let reason = "a member stands there twice";
                self.fault(Fault::new(self.source.offset(), reason))?;
            }
            self.tape.hashes.truncate(hashes);
        }
        if !self.has_all(fields, met, required) {
            self.missing(fields, met, begin)?;
        }
        self.tape.met.truncate(met);
        self.counted(number, count, "members", begin)?;
        Ok(hash)
    }

    /// Judges the value of a field, by its tag where it has one.
    fn field(&mut self, fields: &[FieldRow], at: usize, begin: &Begin<S::Place>) -> Verdict {
        let field = &fields[at];
        let member = u32::try_from(at).unwrap_or(u32::MAX);
        let node = match field.tag {
            None => Some(field.node),
            Some(tag) => self.tagged(field.node, tag, begin.mark),
        };
        if let (Some(node), false) = (node, self.wants_all) {
            return self.value(node, member).map_err(|fault| fault.inside(&step_of(field)));
        }
        let depth = (self.tape.met.len(), self.tape.hashes.len(), self.tape.len(), self.sets);
        let noted = self.faults.len();
        let result = if let Some(node) = node {
            self.source.kind().map_err(|error| self.broken(&error))?;
            let place = self.source.place();
            let result = self.value(node, member);
            self.inside(noted, || step_of(field));
            match result {
                Err(fault) if self.wants_all && !fault.is_of_encoding => {
                    self.faults.push(*fault.inside(&step_of(field)));
                    self.source.return_to(place);
                    self.tape.met.truncate(depth.0);
                    self.tape.hashes.truncate(depth.1);
                    self.tape.forget_from(depth.2);
                    self.sets = depth.3;
                    self.skip()?;
                    return Ok(0);
                }
                result => result,
            }
        } else {
            let offset = self.source.offset();
            Err(Fault::new(offset, "its tag names no alternative"))
        };
        result.map_err(|fault| fault.inside(&step_of(field)))
    }

    /// Faults that were noted since then lie inside this step.
    fn inside(&mut self, since: usize, step: impl Fn() -> String) {
        if self.faults.len() > since {
            for fault in self.faults.drain(since..).collect::<Vec<_>>() {
                self.faults.push(*Box::new(fault).inside(&step()));
            }
        }
    }

    /// The alternative that a tag chose.
    fn tagged(&self, choice: NodeId, tag: u32, owner: usize) -> Option<NodeId> {
        let tag = self.tape.child(owner, tag)?;
        let Shape::Enumerated { items, .. } = &self.schema.node(tag.node).shape else {
            return None;
        };
        let item: &ItemRow = self.schema.items(*items).get(usize::try_from(tag.number).ok()?)?;
        let Shape::Choice { fields, .. } = &self.schema.node(choice).shape else { return None };
        let alternatives = self.schema.fields(*fields);
        alternatives.iter().find(|it| it.name == item.name).map(|it| it.node)
    }

    fn positions(
        &mut self,
        fields: Span,
        count: Sizes,
        required: u64,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        let fields = self.schema.fields(fields);
        self.source.enter_array().map_err(|error| self.broken(&error))?;
        let met = self.open_fields(fields.len());
        let (mut at, mut number, mut hash) = (0, 0, 0u64);
        while self.next_element(at == 0)? {
            let Some(field) = fields.get(at) else {
                let name = self.schema.name(begin.node);
                let reason = format!("{name} has at most {} elements", fields.len());
                self.fault(Fault::new(self.source.offset(), reason).inside(&at.to_string()))?;
                self.skip()?;
                at += 1;
                continue;
            };
            let kind = self.source.kind().map_err(|error| self.broken(&error))?;
            let is_gap = kind == Kind::Null
                && !field.is_required
                && !matches!(self.schema.node(field.node).shape, Shape::Null);
            if is_gap {
                self.source.null().map_err(|error| self.broken(&error))?;
            } else {
                self.meet(met, at);
                number += 1;
                let value = self.field(fields, at, begin)?;
                hash = hash.wrapping_add(self.hash(&(at, value)));
            }
            at += 1;
        }
        if !self.has_all(fields, met, required) {
            self.missing(fields, met, begin)?;
        }
        self.tape.met.truncate(met);
        self.counted(number, count, "members", begin)?;
        Ok(hash)
    }

    /// Whether all fields were met that must be there; a look is enough where there are few.
    #[inline]
    fn has_all(&self, fields: &[FieldRow], met: usize, required: u64) -> bool {
        fields.len() <= 64 && self.tape.met.get(met).is_some_and(|first| required & !first == 0)
    }

    /// Says which fields are missing, if any is.
    fn missing(
        &mut self,
        fields: &[FieldRow],
        met: usize,
        begin: &Begin<S::Place>,
    ) -> Result<(), Box<Fault>> {
        for (at, field) in fields.iter().enumerate() {
            if field.is_required && !self.is_met(met, at) {
                let is_nothing = field.tag.is_some_and(|tag| {
                    let chosen = self.tagged(field.node, tag, begin.mark);
                    chosen.is_some_and(|it| matches!(self.schema.node(it).shape, Shape::Null))
                });
                if !is_nothing {
                    let (name, of) = (step_of(field), self.schema.name(begin.node));
                    let reason = format!("{name} is missing in {of}");
                    self.fault(Fault::new(self.source.offset(), reason))?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn counted(
        &mut self,
        number: usize,
        count: Sizes,
        what: &str,
        begin: &Begin<S::Place>,
    ) -> Result<(), Box<Fault>> {
        if count.hold(number) { Ok(()) } else { self.miscounted(number, count, what, begin) }
    }

    #[cold]
    fn miscounted(
        &mut self,
        number: usize,
        count: Sizes,
        what: &str,
        begin: &Begin<S::Place>,
    ) -> Result<(), Box<Fault>> {
        let name = self.schema.name(begin.node);
        let (bound, side) = if number < count.min as usize {
            (count.min, "at least")
        } else {
            (count.max, "at most")
        };
        let (bound, what) = match bound {
            1 => ("one".to_owned(), what.trim_end_matches('s')),
            _ => (bound.to_string(), what),
        };
        let mut fault =
            Fault::new(self.source.offset(), format!("expected {name} with {side} {bound} {what}"));
        fault.found = Some(number.to_string());
        self.fault(fault)
    }

    fn list(
        &mut self,
        element: NodeId,
        count: Sizes,
        is_set: bool,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        self.source.enter_array().map_err(|error| self.broken(&error))?;
        let hashes = self.tape.hashes.len();
        self.sets += u32::from(is_set);
        let (mut number, mut hash) = (0usize, 0u64);
        while self.next_element(number == 0)? {
            let member = u32::try_from(number).unwrap_or(u32::MAX);
            if self.wants_all {
                self.source.kind().map_err(|error| self.broken(&error))?;
            }
            let place = self.source.place();
            let tape = self.tape.len();
            let noted = self.faults.len();
            let result = self.value(element, member);
            self.inside(noted, || number.to_string());
            match result {
                Ok(value) => {
                    if is_set {
                        self.tape.hashes.push(value);
                    }
                    hash = self.hash(&(hash, value));
                }
                Err(fault) => {
                    self.fault(fault.inside(&number.to_string()))?;
                    self.tape.hashes.truncate(hashes);
                    self.tape.forget_from(tape);
                    self.source.return_to(place);
                    self.skip()?;
                }
            }
            number += 1;
            if number > count.max as usize && !self.wants_all {
                break;
            }
        }
        self.sets -= u32::from(is_set);
        self.counted(number, count, "elements", begin)?;
        if is_set && !are_distinct(&mut self.tape.hashes[hashes..]) {
            let reason = format!("expected {}, no element twice", self.schema.name(begin.node));
            self.fault(Fault::new(self.source.offset(), reason))?;
        }
        self.tape.hashes.truncate(hashes);
        Ok(hash)
    }

    fn mapping(
        &mut self,
        key: NodeId,
        value: NodeId,
        count: Sizes,
        begin: &Begin<S::Place>,
    ) -> Verdict {
        self.source.enter_map().map_err(|error| self.broken(&error))?;
        let hashes = self.tape.hashes.len();
        let (mut number, mut hash) = (0usize, 0u64);
        loop {
            let (schema, form, from) = (self.schema, self.form, self.source.offset());
            let (is_right, name, at) = match self.source.next_key(number == 0) {
                Ok(None) => break,
                Ok(Some(Key::Text(name))) => {
                    (schema.takes_key(key, name, form), name.to_owned(), hash_of(name))
                }
                // As JSON it would be text, and must not stand there twice.
                Ok(Some(Key::Integer(id))) => {
                    let name = id.to_string();
                    let at = hash_of(name.as_str());
                    (schema.takes_number(key, id, form), name, at)
                }
                Err(error) => {
                    let fault = error.to_string();
                    return Err(self.broken_by(fault));
                }
            };
            if !is_right {
                let mut fault = Fault::new(
                    self.source.offset(),
                    format!("expected as key {}", schema.wanted(key, form)),
                );
                fault.found = Some(quoted(&name));
                self.fault(fault.inside(&name))?;
            }
            self.tape.hashes.push(at);
            let mark = self.tape.begin(key, Mark::KEY, from);
            self.tape.end(mark, self.source.offset());
            let member = u32::try_from(number).unwrap_or(u32::MAX);
            let open = self.tape.hashes.len();
            let (place, tape) = (self.source.place(), self.tape.len());
            let noted = self.faults.len();
            let result = self.value(value, member);
            self.inside(noted, || name.clone());
            match result {
                Ok(value) => hash = hash.wrapping_add(hash_of(&(at, value))),
                Err(fault) => {
                    self.fault(fault.inside(&name))?;
                    self.tape.hashes.truncate(open);
                    self.tape.forget_from(tape);
                    self.source.return_to(place);
                    self.skip()?;
                }
            }
            number += 1;
        }
        self.counted(number, count, "members", begin)?;
        if !are_distinct(&mut self.tape.hashes[hashes..]) {
            let reason = "a member stands there twice";
            self.fault(Fault::new(self.source.offset(), reason))?;
        }
        self.tape.hashes.truncate(hashes);
        Ok(hash)
    }

    fn next_element(&mut self, is_first: bool) -> Result<bool, Box<Fault>> {
        self.source.next_element(is_first).map_err(|error| self.broken(&error))
    }

    fn skip(&mut self) -> Result<(), Box<Fault>> {
        self.source.kind().map_err(|error| self.broken(&error))?;
        self.source.skip().map_err(|error| self.broken(&error))
    }

    fn open_fields(&mut self, count: usize) -> usize {
        let met = self.tape.met.len();
        self.tape.met.push(0);
        if count > 64 {
            self.tape.met.resize(met + count.div_ceil(64), 0);
        }
        met
    }

    /// Meets a field; whether it had been met before.
    fn meet(&mut self, met: usize, at: usize) -> bool {
        let was_met = self.is_met(met, at);
        self.tape.met[met + at / 64] |= 1 << (at % 64);
        was_met
    }

    fn is_met(&self, met: usize, at: usize) -> bool {
        self.tape.met[met + at / 64] & (1 << (at % 64)) != 0
    }

    /// A fault after which the reader stands where it should: an error, or
    /// noted and passed over where all are wanted.
    fn fault(&mut self, fault: Box<Fault>) -> Result<(), Box<Fault>> {
        if !self.wants_all || fault.is_of_encoding {
            return Err(fault);
        }
        self.faults.push(*fault);
        Ok(())
    }

    /// The value is not what its node wants.
    #[cold]
    fn unlike(&mut self, begin: &Begin<S::Place>) -> Box<Fault> {
        self.source.return_to(begin.place);
        let offset = self.source.offset();
        let reason = format!("expected {}", self.schema.wanted(begin.node, self.form));
        let mut fault = Fault::new(offset, reason);
        let place = self.source.place();
        if let Some(flaw) = self.flaw(begin.node) {
            fault.reason = format!("{}: {flaw}", fault.reason);
        }
        self.source.return_to(place);
        fault.found = excerpt(self.source);
        fault
    }

    /// Which rule of its format a text breaks, where that is what is wrong with it.
    fn flaw(&mut self, node: NodeId) -> Option<Flaw> {
        if self.source.kind().ok()? != Kind::Text || self.form.has_octets {
            return None;
        }
        let text = self.source.text().ok()?;
        match &self.schema.node(node).shape {
            Shape::Text { format, .. } => (format.as_ref()?.check)(text).err(),
            Shape::Octets { form, .. } => form.octets_of(text).err(),
            Shape::Net { form } => form.check(text).err(),
            _ => None,
        }
    }

    /// The encoding is broken, so that nothing can be read any more.
    #[cold]
    fn broken(&self, error: &S::Error) -> Box<Fault> {
        self.broken_by(error.to_string())
    }

    #[cold]
    fn broken_by(&self, error: String) -> Box<Fault> {
        let mut fault = Fault::new(self.source.offset(), error);
        fault.is_of_encoding = true;
        fault
    }
}

/// A key that was read.
enum Met {
    /// There is none: the map is over.
    End,
    /// The field at this position has it.
    Field(usize),
    /// No field has it.
    Other,
}

/// A key that no field has.
enum Other<P> {
    /// The type takes it all the same.
    Taken(Taken<P>),
    /// It does not; the fault points to it.
    Unknown(Box<Fault>),
}

/// A key that somebody else has added to a type.
struct Taken<P> {
    /// Before it, for what is said of its value.
    place: P,
    is_first: bool,
    /// Where it stands in the document, with what parts it from the member before.
    from: usize,
    to: usize,
    hash: u64,
}

impl Schema {
    fn takes_key(&self, node: NodeId, name: &str, form: Form) -> bool {
        match &self.node(node).shape {
            Shape::Any => true,
            Shape::Text { chars, format, pattern } => {
                let pattern = pattern.and_then(|at| self.patterns.get(at as usize));
                chars.hold(name.chars().count())
                    && format.is_none_or(|format| (format.check)(name).is_ok())
                    && pattern.is_none_or(|pattern| pattern.is_match(name))
            }
            Shape::Enumerated { items, by_id } => {
                let by_number = *by_id || form.names == Names::Numbers;
                self.items(*items).iter().any(|item| {
                    if by_number {
                        !form.has_octets && is_number(name, item.id)
                    } else {
                        &*item.name == name
                    }
                })
            }
            Shape::Octets { octets, form } => {
                form.octets_of(name).is_ok_and(|count| octets.hold(count))
            }
            Shape::Integer { min, max } if !form.has_octets => {
                name.parse().is_ok_and(|id| (*min..=*max).contains(&id) && is_number(name, id))
            }
            _ => false,
        }
    }

    fn takes_number(&self, node: NodeId, id: i64, form: Form) -> bool {
        match &self.node(node).shape {
            Shape::Any => true,
            Shape::Integer { min, max } => (*min..=*max).contains(&id),
            Shape::Enumerated { items, by_id } => {
                (*by_id || form.names == Names::Numbers)
                    && self.items(*items).iter().any(|item| item.id == id)
            }
            _ => false,
        }
    }
}

/// The first field from `hint` on, and then from the beginning, that is it.
#[inline]
fn position(fields: &[FieldRow], hint: usize, is_it: impl Fn(&FieldRow) -> bool) -> Option<usize> {
    let (before, after) = fields.split_at(hint.min(fields.len()));
    let behind = after.iter().position(&is_it).map(|at| at + before.len());
    behind.or_else(|| before.iter().position(&is_it))
}

/// How a pointer names a field.
fn step_of(field: &FieldRow) -> String {
    if field.name.is_empty() { field.id.to_string() } else { field.name.to_string() }
}

/// Whether a text is this number, in the one way to write it.
fn is_number(text: &str, number: i64) -> bool {
    let is_plain =
        text == "0" || !text.starts_with('+') && !text.trim_start_matches('-').starts_with('0');
    is_plain && text.parse() == Ok(number)
}

/// What is said of an unknown key: what there is, and why it can be no other's.
fn unknown(what: String, fields: &[FieldRow], mut fault: Box<Fault>) -> Box<Fault> {
    let why = std::mem::replace(&mut fault.reason, what + &names_of(fields));
    if !why.is_empty() {
        fault.reason.extend(["; ", &why]);
    }
    fault
}

fn names_of(fields: &[FieldRow]) -> String {
    let names: Vec<_> =
        fields.iter().map(|it| &*it.name).filter(|name| !name.is_empty()).take(24).collect();
    let more = if fields.len() > 24 { ", ..." } else { "" };
    if names.is_empty() { String::new() } else { format!(", which has {}{more}", names.join(", ")) }
}

/// Whether no two are equal. Equal hashes of 64 bits stand for equal values:
/// a sender who finds two that collide has only their own message refused.
fn are_distinct(hashes: &mut [u64]) -> bool {
    hashes.sort_unstable();
    hashes.windows(2).all(|pair| pair[0] != pair[1])
}

fn hash_of(it: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    it.hash(&mut hasher);
    hasher.finish()
}

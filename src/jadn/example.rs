//! Valid messages, made up from a schema.

use fastrand::Rng;
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

use super::formats::{NetForm, OctetForm};
use super::table::{FieldRow, MembersKind, NodeId, Schema, Shape, Sizes, Span};

/// Nesting from which on nothing optional is added.
const SHALLOW: usize = 5;

/// Nesting at which a type that always contains itself is given up.
const DEEPEST: usize = 24;

/// Elements, members or characters beyond the least that are asked for.
const MORE: u32 = 3;

/// Attempts to find one more element for a set.
const ATTEMPTS: usize = 32;

/// Most that a made-up message may take, in bytes: about what its values and the pointers
/// to them need. From half of it on nothing optional is added.
const EXAMPLE_BYTES: usize = 1 << 20;

/// What a value takes before anything is written into it, in bytes.
const VALUE_BYTES: usize = 16;

/// Why there is no example of a type.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoExample {
    /// Nothing is valid for the type, or nothing was found that is: its patterns match
    /// nothing short, say.
    #[error("no example could be made up")]
    NotFound,
    /// All that is valid is large, or the bounds of the package are small.
    #[error("no example: larger than {most_bytes} bytes")]
    TooLarge {
        /// What an example may take, in bytes.
        most_bytes: usize,
    },
}

/// What a value of a made-up message is, so that it can be spoilt.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub pointer: String,
    pub node: NodeId,
}

impl Schema {
    /// A valid value of a type in verbose JSON, the same for the same seed; `None` where
    /// [`Self::made_up`] says why.
    #[must_use]
    pub fn example(&self, root: NodeId, seed: u64) -> Option<Value> {
        self.made_up(root, seed).ok()
    }

    /// The same, or why there is none.
    pub fn made_up(&self, root: NodeId, seed: u64) -> Result<Value, NoExample> {
        let mut maker = Maker::new(self, seed);
        let value = maker.value(root, 0, "").ok_or_else(|| maker.no_example())?;
        match self.document_bytes {
            Some(most_bytes) if value.to_string().len() > most_bytes => {
                Err(NoExample::TooLarge { most_bytes })
            }
            _ => Ok(value),
        }
    }
}

pub(super) struct Maker<'s> {
    pub schema: &'s Schema,
    pub random: Rng,
    pub places: Vec<Place>,
    /// What is left of [`EXAMPLE_BYTES`].
    left: usize,
}

impl<'s> Maker<'s> {
    pub fn new(schema: &'s Schema, seed: u64) -> Self {
        let random = Rng::with_seed(seed);
        Self { schema, random, places: Vec::new(), left: EXAMPLE_BYTES }
    }

    /// Why it made nothing.
    pub fn no_example(&self) -> NoExample {
        if self.left == 0 {
            NoExample::TooLarge { most_bytes: EXAMPLE_BYTES }
        } else {
            NoExample::NotFound
        }
    }

    /// Takes room for so many bytes; once there is too little, there is none for anything.
    fn take(&mut self, bytes: usize) -> Option<()> {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        left.map(drop)
    }

    /// Whether something optional may be added.
    fn is_roomy(&self, depth: usize) -> bool {
        depth < SHALLOW && self.left > EXAMPLE_BYTES / 2
    }

    pub fn value(&mut self, node: NodeId, depth: usize, pointer: &str) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.take(VALUE_BYTES + pointer.len())?;
        let places = self.places.len();
        self.places.push(Place { pointer: pointer.to_owned(), node });
        let value = self.shape(node, depth, pointer);
        if let Some(Value::String(text)) = &value {
            self.take(text.len())?;
        }
        if value.is_none() {
            self.places.truncate(places);
        }
        value
    }

    fn shape(&mut self, node: NodeId, depth: usize, pointer: &str) -> Option<Value> {
        let schema = self.schema;
        Some(match &schema.node(node).shape {
            Shape::Never => return None,
            // A schema with such a mistake may be used: nothing is valid there.
            Shape::Integer { min, max } if min > max => return None,
            Shape::WideInteger { min, max } if min > max => return None,
            Shape::Number { min, max } if min > max => return None,
            Shape::Text { chars, .. } if chars.min > chars.max => return None,
            Shape::Any => match self.random.u8(0..4) {
                0 => json!(self.random.i32(..)),
                1 => json!(self.word(1, 8)),
                2 => json!(self.random.bool()),
                _ => json!({self.word(1, 4): [self.random.u8(..)]}),
            },
            Shape::Null => Value::Null,
            Shape::Boolean => json!(self.random.bool()),
            Shape::Integer { min, max } => json!(self.integer(*min, *max)),
            Shape::WideInteger { min, max } => {
                let number = self.random.i128((*min).max(-1 << 70)..=(*max).min(1 << 70));
                json!(number.to_string())
            }
            Shape::Number { min, max } => {
                let low = if min.is_finite() { *min } else { max.min(0.0) - 100.0 };
                let high = if max.is_finite() { *max } else { low.max(0.0) + 100.0 };
                json!((low + (high - low) * self.random.f64()).clamp(low, high))
            }
            Shape::Text { .. } => Value::String(self.text(node)?),
            Shape::Octets { octets, form } => Value::String(self.octets(*octets, *form)?),
            Shape::Enumerated { items, by_id } => {
                let items = schema.items(*items);
                let item = items.get(self.below(items.len())?)?;
                if *by_id { json!(item.id) } else { json!(item.name) }
            }
            Shape::Net { form } => Value::String(self.net(*form)),
            Shape::Choice { fields, by_id } => self.choice(*fields, *by_id, depth, pointer)?,
            Shape::Members { kind, fields, count, .. } => {
                self.members(*kind, *fields, *count, depth, pointer)?
            }
            Shape::List { element, count, is_set } => {
                self.list(*element, *count, *is_set, depth, pointer)?
            }
            Shape::Mapping { key, value, count } => {
                let wanted = self.size(*count, depth);
                let mut members = Map::new();
                for _ in 0..ATTEMPTS {
                    if members.len() >= wanted {
                        break;
                    }
                    let places = self.places.len();
                    let name = match self.value(*key, depth + 1, "")? {
                        Value::String(name) => name,
                        other => other.to_string(),
                    };
                    // A key is no place of its own.
                    self.places.truncate(places);
                    if !members.contains_key(&name) {
                        let inner = self.value(*value, depth + 1, &step(pointer, &name))?;
                        members.insert(name, inner);
                    }
                }
                if !count.hold(members.len()) {
                    return None;
                }
                Value::Object(members)
            }
        })
    }

    fn choice(&mut self, fields: Span, by_id: bool, depth: usize, pointer: &str) -> Option<Value> {
        let fields = self.schema.fields(fields);
        let first = self.below(fields.len())?;
        for at in (first..fields.len()).chain(0..first) {
            let name = key(&fields[at], by_id);
            if let Some(value) = self.value(fields[at].node, depth + 1, &step(pointer, &name)) {
                return Some(json!({ name: value }));
            }
        }
        None
    }

    fn members(
        &mut self,
        kind: MembersKind,
        fields: Span,
        count: Sizes,
        depth: usize,
        pointer: &str,
    ) -> Option<Value> {
        let fields = self.schema.fields(fields);
        let mut wanted: Vec<bool> = fields
            .iter()
            .map(|field| field.is_required || (self.is_roomy(depth) && self.random.bool()))
            .collect();
        let mut least = count.min as usize;
        while wanted.iter().filter(|it| **it).count() < least.min(fields.len()) {
            let at = self.below(fields.len())?;
            wanted[at] = true;
        }
        let mut made: Vec<Option<Value>> = vec![None; fields.len()];
        // Those with a tag after their tags.
        let plain = (0..fields.len()).filter(|&at| fields[at].tag.is_none());
        let tagged = (0..fields.len()).filter(|&at| fields[at].tag.is_some());
        for at in plain.chain(tagged).collect::<Vec<_>>() {
            if !wanted[at] {
                continue;
            }
            let field = &fields[at];
            let name = match kind {
                MembersKind::Array => at.to_string(),
                MembersKind::Record => key(field, false),
                MembersKind::Map { by_id } => key(field, by_id),
            };
            let node = match field.tag {
                None => field.node,
                Some(tag) => self.alternative(fields, field, made[tag as usize].as_ref()?)?,
            };
            if field.tag.is_some() && matches!(self.schema.node(node).shape, Shape::Null) {
                continue;
            }
            match self.value(node, depth + 1, &step(pointer, &name)) {
                Some(value) => made[at] = Some(value),
                None if field.is_required => return None,
                // Another one may make up for it.
                None => least = least.max(1),
            }
        }
        let number = made.iter().flatten().count();
        if !count.hold(number) {
            return None;
        }
        if kind == MembersKind::Array {
            let end = made.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
            let elements = made.into_iter().take(end).map(Option::unwrap_or_default);
            return Some(elements.collect());
        }
        let by_id = kind == MembersKind::Map { by_id: true };
        let members =
            fields.iter().zip(made).filter_map(|(field, value)| Some((key(field, by_id), value?)));
        Some(Value::Object(members.collect()))
    }

    /// The alternative of a tagged field, by the value of its tag.
    fn alternative(&self, fields: &[FieldRow], field: &FieldRow, tag: &Value) -> Option<NodeId> {
        let tag_node = fields.get(field.tag? as usize)?.node;
        let Shape::Enumerated { items, by_id } = &self.schema.node(tag_node).shape else {
            return None;
        };
        let items = self.schema.items(*items);
        let item = items.iter().find(|item| match by_id {
            true => tag.as_i64() == Some(item.id),
            false => tag.as_str() == Some(&item.name),
        })?;
        let Shape::Choice { fields, .. } = &self.schema.node(field.node).shape else { return None };
        let alternatives = self.schema.fields(*fields);
        alternatives.iter().find(|it| it.name == item.name).map(|it| it.node)
    }

    fn list(
        &mut self,
        element: NodeId,
        count: Sizes,
        is_set: bool,
        depth: usize,
        pointer: &str,
    ) -> Option<Value> {
        let wanted = self.size(count, depth);
        let mut elements = Vec::new();
        for _ in 0..wanted.saturating_mul(ATTEMPTS) {
            if elements.len() == wanted {
                break;
            }
            let places = self.places.len();
            let at = step(pointer, &elements.len().to_string());
            match self.value(element, depth + 1, &at) {
                Some(value) if !is_set || !elements.contains(&value) => elements.push(value),
                Some(_) => self.places.truncate(places),
                None => break,
            }
        }
        count.hold(elements.len()).then_some(Value::Array(elements))
    }

    fn text(&mut self, node: NodeId) -> Option<String> {
        let Shape::Text { chars, format, pattern } = &self.schema.node(node).shape else {
            return None;
        };
        let pattern = pattern.and_then(|at| self.schema.patterns.get(at as usize));
        let is_right = |text: &str| {
            chars.hold(text.chars().count())
                && format.is_none_or(|format| (format.check)(text).is_ok())
                && pattern.is_none_or(|pattern| pattern.is_match(text))
        };
        if let Some(format) = format {
            let pool = good(format.name);
            let first = self.below(pool.len())?;
            let text = pool.iter().cycle().skip(first).take(pool.len()).find(|text| is_right(text));
            return text.map(|text| (*text).to_owned());
        }
        if let Some(pattern) = pattern {
            let tree = pattern.tree()?;
            for _ in 0..ATTEMPTS {
                let mut text = String::new();
                self.matching(&tree, &mut text)?;
                if is_right(&text) {
                    return Some(text);
                }
            }
            return None;
        }
        self.take(chars.min as usize)?;
        let wanted = chars.min..=chars.max.min(chars.min.saturating_add(12));
        Some(self.word(*wanted.start(), *wanted.end()))
    }

    /// Adds a text that a pattern matches.
    fn matching(&mut self, tree: &Hir, text: &mut String) -> Option<()> {
        match tree.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
            HirKind::Class(Class::Unicode(class)) => {
                // What is printable first: it makes better examples.
                let is_plain = |range: &&regex_syntax::hir::ClassUnicodeRange| {
                    range.start() <= '~' && range.end() >= '!'
                };
                let plain: Vec<_> = class.iter().filter(is_plain).collect();
                let (low, high) = if plain.is_empty() {
                    let range = class.ranges().get(self.below(class.ranges().len())?)?;
                    (range.start(), range.end())
                } else {
                    let range = plain[self.below(plain.len())?];
                    (range.start().max('!'), range.end().min('~'))
                };
                text.push(self.random.char(low..=high));
            }
            HirKind::Class(Class::Bytes(class)) => {
                let range = class.ranges().get(self.below(class.ranges().len())?)?;
                text.push(char::from(self.random.u8(range.start()..=range.end().min(0x7f))));
            }
            HirKind::Repetition(repetition) => {
                self.take(repetition.min as usize)?;
                let most = repetition.min.saturating_add(MORE);
                let most = repetition.max.map_or(most, |max| max.min(most));
                for _ in 0..self.random.u32(repetition.min..=most) {
                    self.matching(&repetition.sub, text)?;
                }
            }
            HirKind::Capture(capture) => self.matching(&capture.sub, text)?,
            HirKind::Concat(parts) => {
                for part in parts {
                    self.matching(part, text)?;
                }
            }
            HirKind::Alternation(parts) => {
                let at = self.below(parts.len())?;
                self.matching(&parts[at], text)?;
            }
        }
        Some(())
    }

    fn octets(&mut self, sizes: Sizes, form: OctetForm) -> Option<String> {
        self.take(sizes.min as usize)?;
        let text = match form {
            OctetForm::Hex | OctetForm::UpperHex => {
                let most = sizes.max.min(sizes.min.saturating_add(MORE));
                let count = between(&mut self.random, sizes.min, most);
                self.hex(count, "")
            }
            OctetForm::Eui => self.hex(6, ":"),
            OctetForm::Ipv4 | OctetForm::Ip => self.ipv4(),
            OctetForm::Ipv6 => self.ipv6(),
            OctetForm::Base64Url => {
                let most = sizes.max.min(sizes.min.saturating_add(MORE * 3));
                let count = between(&mut self.random, sizes.min, most);
                self.base64url(count)
            }
        };
        form.octets_of(&text).is_ok_and(|count| sizes.hold(count)).then_some(text)
    }

    fn hex(&mut self, octets: u32, between: &str) -> String {
        let octets: Vec<_> = (0..octets).map(|_| format!("{:02X}", self.random.u8(..))).collect();
        octets.join(between)
    }

    fn base64url(&mut self, octets: u32) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        let mut left = octets;
        while left > 0 {
            let group = left.min(3);
            // The bits that no octet needs are zero.
            let bits = self.random.u32(0..1 << 24) & (0xff_ffff << (8 * (3 - group)));
            for digit in 0..=group {
                let at = (bits >> (18 - 6 * digit)) & 63;
                text.push(char::from(DIGITS[at as usize]));
            }
            left -= group;
        }
        text
    }

    fn net(&mut self, form: NetForm) -> String {
        let addr = match form {
            NetForm::Ipv4 => self.ipv4(),
            NetForm::Ipv6 => self.ipv6(),
        };
        if self.random.bool() {
            format!("{addr}/{}", self.random.i64(0..=form.longest()))
        } else {
            addr
        }
    }

    fn ipv4(&mut self) -> String {
        std::net::Ipv4Addr::from(self.random.u32(..)).to_string()
    }

    fn ipv6(&mut self) -> String {
        std::net::Ipv6Addr::from(self.random.u128(..)).to_string()
    }

    fn integer(&mut self, min: i64, max: i64) -> i64 {
        match self.random.u8(0..8) {
            0 => min,
            1 => max,
            2..=4 => self.random.i64(min..=max.min(min.saturating_add(1000))),
            _ => self.random.i64(min..=max),
        }
    }

    pub fn word(&mut self, least: u32, most: u32) -> String {
        let count = between(&mut self.random, least, most);
        (0..count)
            .map(|_| match self.random.u8(0..20) {
                0 => '"',
                1 => 'ü',
                2 => '\\',
                3 => '\u{1f512}',
                _ => self.random.alphanumeric(),
            })
            .collect()
    }

    /// A length or count.
    fn size(&mut self, sizes: Sizes, depth: usize) -> usize {
        let more = if self.is_roomy(depth) { MORE } else { 0 };
        let most = sizes.max.min(sizes.min.saturating_add(more));
        between(&mut self.random, sizes.min, most) as usize
    }

    fn below(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.random.usize(0..count))
    }
}

fn between(random: &mut Rng, least: u32, most: u32) -> u32 {
    random.u32(least..=most.max(least))
}

pub(super) fn key(field: &FieldRow, by_id: bool) -> String {
    if by_id { field.id.to_string() } else { field.name.to_string() }
}

fn step(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Values that a format takes.
fn good(format: &str) -> &'static [&'static str] {
    match format {
        "hostname" => &["example.org", "a.b-c.example", "localhost"],
        "idn-hostname" => &["bücher.example", "example.org"],
        "email" => &["a@example.org", "first.last@mail.example"],
        "idn-email" => &["ü@example.org", "a@bücher.example"],
        "uri" => &["https://example.org/a?b#c", "urn:example:1"],
        "iri" => &["https://example.org/ü", "https://bücher.example"],
        "ipv4" => &["192.0.2.1", "198.51.100.255"],
        "ipv6" => &["2001:db8::1", "::"],
        "eui" => &["01:23:45:67:89:AB"],
        "ipv4-net" => &["192.0.2.0/24", "198.51.100.7"],
        "ipv6-net" => &["2001:db8::/32", "::1"],
        _ => &[],
    }
}

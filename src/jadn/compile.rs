//! From a package to the table.

use std::collections::HashMap;

use super::Problem;
use super::formats::{NetForm, OctetForm, TextFormat, greatest_float, integer_range};
use super::package::{Base, Content, Dialect, Field, Opt, Package, Type};
use super::paths::Paths;
use super::pattern::{Pattern, Room};
use super::table::{FieldRow, ItemRow, MembersKind, Node, NodeId, Schema, Shape, Sizes, Span};

/// Largest integer of I-JSON (RFC 7493, section 2.2): 2^53 - 1.
pub(super) const MAX_INTEGER: i64 = (1 << 53) - 1;

/// What holds where neither a type nor its package says how large a value may be.
///
/// JADN v1.0 CS01, section 3.2.4 proposes 255 characters and 100 elements,
/// which the language's own messages exceed; a package can ask for that.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Longest text, in characters.
    pub text_chars: u32,
    /// Longest binary value, in octets.
    pub octets: u32,
    /// Most elements of an array, or members of a map.
    pub elements: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { text_chars: 64 * 1024, octets: 1024 * 1024, elements: 1000 }
    }
}

impl Schema {
    /// Compiles a package whose imports are resolved.
    ///
    /// A type in `undefined` is one that the package names and does not have;
    /// no value is ever valid where it stands.
    pub fn compile(
        package: &Package,
        undefined: &[String],
        bounds: Bounds,
    ) -> Result<Self, Problem> {
        let types = package.types.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut compiler = Compiler {
            package,
            types,
            undefined,
            bounds: own_bounds(package, bounds),
            derived: HashMap::new(),
            paths: Paths::default(),
            room: Room::default(),
            schema: Self {
                nodes: Vec::new(),
                fields: Vec::new(),
                items: Vec::new(),
                patterns: Vec::new(),
                document_bytes: document_bytes(package),
                types: HashMap::new(),
                any: NodeId(0),
                takes: None,
            },
        };
        compiler.schema.any = compiler.node_with("Any", Shape::Any);
        for it in &package.types {
            let node = compiler.new_node(&it.name);
            compiler.schema.types.insert(it.name.as_str().into(), node);
        }
        for it in &package.types {
            let id = compiler.schema.types[it.name.as_str()];
            let shape = compiler.defined(it)?;
            let node = &mut compiler.schema.nodes[id.0 as usize];
            if matches!(shape, Shape::Choice { .. } | Shape::Members { .. }) {
                node.keys_of = Some(id);
            }
            node.is_extensible = it.options.contains(&Opt::Extend);
            node.shape = shape;
            if let Some(of) = it.options.iter().find_map(enumerated) {
                compiler.derive_keys(id, of);
            }
        }
        Ok(compiler.schema)
    }
}

/// The bounds that the package itself sets: `meta.bounds` of CSD01 (section
/// 4.1.1.2), `info.config` of CS01 (section 3.2.4).
fn own_bounds(package: &Package, otherwise: Bounds) -> Bounds {
    let members = &package.header.members;
    let number = |value: Option<&serde_json::Value>, otherwise| {
        value
            .and_then(serde_json::Value::as_u64)
            .and_then(|it| it.try_into().ok())
            .unwrap_or(otherwise)
    };
    if let Some(bounds) = members.get("bounds") {
        return Bounds {
            text_chars: number(bounds.get(1), otherwise.text_chars),
            octets: number(bounds.get(2), otherwise.octets),
            elements: number(bounds.get(3), otherwise.elements),
        };
    }
    let config = members.get("config");
    let setting = |name| config.and_then(|config| config.get(name));
    Bounds {
        text_chars: number(setting("$MaxString"), otherwise.text_chars),
        octets: number(setting("$MaxBinary"), otherwise.octets),
        elements: number(setting("$MaxElements"), otherwise.elements),
    }
}

/// `max_msg` of CSD01 (section 4.1.1.2).
fn document_bytes(package: &Package) -> Option<usize> {
    let bounds = package.header.members.get("bounds")?;
    bounds.get(0)?.as_u64()?.try_into().ok()
}

struct Compiler<'p> {
    package: &'p Package,
    types: HashMap<&'p str, &'p Type>,
    undefined: &'p [String],
    bounds: Bounds,
    /// Nodes of derived enumerations, by what they derive from.
    derived: HashMap<String, NodeId>,
    paths: Paths,
    room: Room,
    schema: Schema,
}

impl<'p> Compiler<'p> {
    fn new_node(&mut self, name: &str) -> NodeId {
        let id = u32::try_from(self.schema.nodes.len()).expect("a schema is no gigabytes");
        self.schema.nodes.push(Node {
            name: name.into(),
            shape: Shape::Never,
            keys_of: None,
            is_extensible: false,
        });
        NodeId(id)
    }

    fn node_with(&mut self, name: &str, shape: Shape) -> NodeId {
        let node = self.new_node(name);
        self.schema.nodes[node.0 as usize].shape = shape;
        node
    }

    /// The items of an enumeration are the fields of this type.
    fn derive_keys(&mut self, enumeration: NodeId, of: &str) {
        let of = self.schema.type_named(of);
        self.schema.nodes[enumeration.0 as usize].keys_of = of;
    }

    fn defined(&mut self, it: &'p Type) -> Result<Shape, Problem> {
        match &it.content {
            Content::Fields(fields) => self.compound(it, fields),
            Content::Items(items) => {
                let rows = items.iter().map(|it| (it.id, it.name.clone())).collect();
                let by_id = it.options.contains(&Opt::Id);
                Ok(Shape::Enumerated { items: self.add_items(rows), by_id })
            }
            Content::Nothing
                if matches!(it.base, Base::Choice | Base::Array | Base::Record | Base::Map) =>
            {
                self.compound(it, &[])
            }
            Content::Nothing => self.simple(it.base, &it.options, &it.name),
        }
    }

    fn compound(&mut self, it: &'p Type, fields: &'p [Field]) -> Result<Shape, Problem> {
        let by_id = it.options.contains(&Opt::Id);
        let mut rows = Vec::with_capacity(fields.len());
        for field in fields {
            rows.push(self.field(it, fields, field)?);
        }
        let required = rows.iter().take(64).enumerate().filter(|(_, it)| it.is_required);
        let required = required.fold(0, |bits, (at, _)| bits | 1 << at);
        let fields = self.add_fields(rows);
        let kind = match it.base {
            Base::Choice => return Ok(Shape::Choice { fields, by_id }),
            Base::Array => MembersKind::Array,
            Base::Record => MembersKind::Record,
            _ => MembersKind::Map { by_id },
        };
        let mut net = None;
        for option in &it.options {
            if let Opt::Format(name) = option {
                net = NetForm::named(name);
            }
        }
        if let (MembersKind::Array, Some(form)) = (kind, net) {
            return Ok(Shape::Net { form });
        }
        let count = sizes(&it.options, 0, self.bounds.elements);
        Ok(Shape::Members { kind, fields, count, required })
    }

    fn field(
        &mut self,
        owner: &'p Type,
        fields: &'p [Field],
        field: &'p Field,
    ) -> Result<FieldRow, Problem> {
        let place = if field.name.is_empty() {
            format!("{}.{}", owner.name, field.id)
        } else {
            format!("{}.{}", owner.name, field.name)
        };
        let mut tag = None;
        let (mut least, mut most) = (1, None);
        for option in &field.options {
            match option {
                Opt::MinCount(count) => least = *count,
                Opt::MaxCount(count) => most = Some(*count),
                Opt::Tag(named) => {
                    let at = fields
                        .iter()
                        .position(|it| it.name == *named || named.parse() == Ok(it.id));
                    let at = at.ok_or_else(|| {
                        Problem::at(
                            &place,
                            format!("there is no field {named:?} that could be its tag"),
                        )
                    })?;
                    tag = u32::try_from(at).ok();
                }
                _ => {}
            }
        }
        let is_spelled_out = field.options.iter().any(|it| matches!(it, Opt::MinCount(_)));
        let is_many = most.is_some_and(|most| most != 1);
        let mut node = self.field_type(field, &place, is_many)?;
        // With a tag, the alternative says itself whether it is an array (language 1.0
        // CSD07, annex A.2, where JADN-Type and Type.fields are both written `]0`).
        if is_many && tag.is_none() {
            let max = match most {
                None | Some(0) => self.bounds.elements,
                Some(most) => most,
            };
            // In CS01 what may be left out is not there as an empty array (section 3.3.2).
            // CSD01 writes `[]` for the options of a type, 1..n as they are: there only
            // a bound that is spelled out holds.
            let min = match self.package.dialect {
                Dialect::Csd01 if !is_spelled_out => 0,
                Dialect::Csd01 => least,
                _ => least.max(1),
            };
            let is_set = field.options.iter().any(|it| matches!(it, Opt::Unique | Opt::Set));
            let shape = Shape::List { element: node, count: Sizes { min, max }, is_set };
            node = self.node_with(&place, shape);
        }
        let is_required = least > 0 && owner.base != Base::Choice;
        Ok(FieldRow { id: field.id, name: field.name.as_str().into(), node, is_required, tag })
    }

    fn field_type(
        &mut self,
        field: &'p Field,
        place: &str,
        is_many: bool,
    ) -> Result<NodeId, Problem> {
        if field.options.contains(&Opt::Derived) {
            return self.derived(&format!("#{}", field.type_name), place);
        }
        let Some(base) = Base::named(&field.type_name) else {
            return self.reference(&field.type_name, place);
        };
        let of_array = |it: &&Opt| matches!(it, Opt::Unique | Opt::Set | Opt::Unordered);
        let options: Vec<_> =
            field.options.iter().filter(|it| !(is_many && of_array(it))).cloned().collect();
        let shape = self.simple(base, &options, place)?;
        let node = self.node_with(place, shape);
        if let Some(of) = options.iter().find_map(enumerated) {
            self.derive_keys(node, of);
        }
        Ok(node)
    }

    /// The node of a type that is named: defined, built in, or derived (`#T`, `>T`).
    fn reference(&mut self, name: &str, place: &str) -> Result<NodeId, Problem> {
        if let Some(node) = self.schema.type_named(name) {
            return Ok(node);
        }
        if name.starts_with(['#', '>']) {
            return self.derived(name, place);
        }
        if let Some(base) = Base::named(name) {
            let shape = self.simple(base, &[], place)?;
            return Ok(self.node_with(name, shape));
        }
        if self.undefined.iter().any(|it| it == name) {
            return Ok(self.node_with(name, Shape::Never));
        }
        Err(Problem::at(place, format!("no type {name:?} is defined")))
    }

    /// The enumeration of the fields of a type (`#T`), or of the paths into it (`>T`).
    fn derived(&mut self, of: &str, place: &str) -> Result<NodeId, Problem> {
        if let Some(&node) = self.derived.get(of) {
            return Ok(node);
        }
        let (mark, name) = of.split_at(1);
        let Some(&it) = self.types.get(name) else {
            if self.undefined.iter().any(|it| it == name) {
                return Ok(self.node_with(of, Shape::Never));
            }
            let reason = format!("no type {name:?} is defined");
            return Err(Problem::at(place, reason));
        };
        let mut rows = Vec::new();
        match &it.content {
            Content::Items(items) => rows.extend(items.iter().map(|it| (it.id, it.name.clone()))),
            Content::Fields(fields) if mark == "#" => {
                rows.extend(fields.iter().map(|it| (it.id, it.name.clone())));
            }
            Content::Fields(_) => {
                let paths = self.paths.of(it, &self.types);
                let paths = paths.map_err(|reason| Problem::at(place, reason))?;
                rows.extend((1..).zip(paths));
            }
            Content::Nothing => {
                let reason = format!("{name:?} has no fields that an enumeration could be made of");
                return Err(Problem::at(place, reason));
            }
        }
        let by_id = it.options.contains(&Opt::Id);
        let shape = Shape::Enumerated { items: self.add_items(rows), by_id };
        let node = self.node_with(of, shape);
        if mark == "#" {
            self.derive_keys(node, name);
        }
        self.derived.insert(of.to_owned(), node);
        Ok(node)
    }

    /// The shape of a type without fields or items.
    fn simple(&mut self, base: Base, options: &[Opt], place: &str) -> Result<Shape, Problem> {
        let bounds = self.bounds;
        let format = format_of(options);
        Ok(match base {
            Base::Any => Shape::Any,
            Base::Null => Shape::Null,
            Base::Boolean => Shape::Boolean,
            Base::Integer => integer(options, format),
            Base::Number => number(options),
            Base::String => Shape::Text {
                chars: sizes(options, 0, bounds.text_chars),
                format: format.and_then(TextFormat::named),
                pattern: self.pattern(options, place)?,
            },
            Base::Binary => Shape::Octets {
                octets: sizes(options, 0, bounds.octets),
                form: format.and_then(OctetForm::named).unwrap_or(OctetForm::Base64Url),
            },
            Base::Enumerated => {
                let of = options.iter().find_map(|it| match it {
                    Opt::Enum(name) => Some(format!("#{name}")),
                    Opt::Pointer(name) => Some(format!(">{name}")),
                    _ => None,
                });
                match of {
                    Some(of) => {
                        let node = self.derived(&of, place)?;
                        let mut shape = self.schema.node(node).shape.clone();
                        if let Shape::Enumerated { by_id, .. } = &mut shape {
                            *by_id |= options.contains(&Opt::Id);
                        }
                        shape
                    }
                    None => Shape::Enumerated { items: Span::default(), by_id: false },
                }
            }
            Base::ArrayOf => {
                let element = self.inner(options, place, "elements", |it| match it {
                    Opt::ValueType(name) => Some(name),
                    _ => None,
                })?;
                let is_set = options.iter().any(|it| matches!(it, Opt::Unique | Opt::Set));
                Shape::List { element, count: sizes(options, 0, bounds.elements), is_set }
            }
            Base::MapOf => {
                let key = self.inner(options, place, "keys", |it| match it {
                    Opt::KeyType(name) => Some(name),
                    _ => None,
                })?;
                let value = self.inner(options, place, "values", |it| match it {
                    Opt::ValueType(name) => Some(name),
                    _ => None,
                })?;
                Shape::Mapping { key, value, count: sizes(options, 0, bounds.elements) }
            }
            Base::Choice | Base::Array | Base::Map | Base::Record => {
                let reason = format!("{} needs a type of its own", base.as_str());
                return Err(Problem::at(place, reason));
            }
        })
    }

    fn inner(
        &mut self,
        options: &[Opt],
        place: &str,
        what: &str,
        named: fn(&Opt) -> Option<&String>,
    ) -> Result<NodeId, Problem> {
        if let Some(name) = options.iter().find_map(named) {
            self.reference(name, place)
        } else {
            let reason = format!("the type of its {what} is missing");
            Err(Problem::at(place, reason))
        }
    }

    fn pattern(&mut self, options: &[Opt], place: &str) -> Result<Option<u32>, Problem> {
        let Some(text) = options.iter().find_map(|it| match it {
            Opt::Pattern(text) => Some(text),
            _ => None,
        }) else {
            return Ok(None);
        };
        let text = self.package.pattern(text);
        let pattern = text.and_then(|text| Pattern::new(text, &mut self.room));
        let pattern = pattern.map_err(|reason| Problem::at(place, reason))?;
        self.schema.patterns.push(pattern);
        Ok(u32::try_from(self.schema.patterns.len() - 1).ok())
    }

    fn add_items(&mut self, rows: Vec<(i64, String)>) -> Span {
        let span = span(self.schema.items.len(), rows.len());
        let rows = rows.into_iter().map(|(id, name)| ItemRow { id, name: name.into() });
        self.schema.items.extend(rows);
        span
    }

    fn add_fields(&mut self, rows: Vec<FieldRow>) -> Span {
        let span = span(self.schema.fields.len(), rows.len());
        self.schema.fields.extend(rows);
        span
    }
}

/// The type from whose fields an enumeration derives.
fn enumerated(option: &Opt) -> Option<&str> {
    match option {
        Opt::Enum(name) => Some(name),
        _ => None,
    }
}

fn span(from: usize, len: usize) -> Span {
    let short = |it| u32::try_from(it).expect("a schema is no gigabytes");
    Span { from: short(from), len: short(len) }
}

fn sizes(options: &[Opt], min: u32, max: u32) -> Sizes {
    let short = |it: i64| u32::try_from(it.max(0)).unwrap_or(u32::MAX);
    options.iter().fold(Sizes { min, max }, |sizes, option| match option {
        Opt::Min(min) => Sizes { min: short(*min), ..sizes },
        // 0 stands for the bound of the package (CS01, section 3.2.1.7).
        Opt::Max(max) if *max > 0 => Sizes { max: short(*max), ..sizes },
        _ => sizes,
    })
}

/// The format that options name. Also used where a schema is checked, as are the next two.
pub(super) fn format_of(options: &[Opt]) -> Option<&str> {
    options.iter().find_map(|it| match it {
        Opt::Format(name) => Some(name.as_str()),
        _ => None,
    })
}

/// The integers that options allow.
pub(super) fn integer(options: &[Opt], format: Option<&str>) -> Shape {
    let (mut min, mut max) =
        format.and_then(integer_range).unwrap_or((-i128::from(MAX_INTEGER), MAX_INTEGER.into()));
    for option in options {
        match option {
            // Both hold, the bound and the format.
            Opt::Min(least) if format.is_some() => min = min.max((*least).into()),
            Opt::Max(most) if format.is_some() => max = max.min((*most).into()),
            Opt::Min(least) => min = (*least).into(),
            Opt::Max(most) => max = (*most).into(),
            _ => {}
        }
    }
    let exact = -i128::from(MAX_INTEGER)..=i128::from(MAX_INTEGER);
    match (i64::try_from(min), i64::try_from(max)) {
        (Ok(least), Ok(most)) if exact.contains(&min) && exact.contains(&max) => {
            Shape::Integer { min: least, max: most }
        }
        _ => Shape::WideInteger { min, max },
    }
}

/// The numbers that options allow.
pub(super) fn number(options: &[Opt]) -> Shape {
    let greatest = format_of(options).and_then(greatest_float).unwrap_or(f64::INFINITY);
    let (mut min, mut max) = (-greatest, greatest);
    for option in options {
        match option {
            Opt::MinNumber(least) => min = min.max(*least),
            Opt::MaxNumber(most) => max = max.min(*most),
            #[expect(clippy::cast_precision_loss, reason = "a bound beyond 2^53 need not be exact")]
            Opt::Min(least) => min = min.max(*least as f64),
            #[expect(clippy::cast_precision_loss, reason = "a bound beyond 2^53 need not be exact")]
            Opt::Max(most) => max = max.min(*most as f64),
            _ => {}
        }
    }
    Shape::Number { min, max }
}

//! A schema in another dialect.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::Problem;
use super::formats::integer_range;
use super::package::{Base, Content, Dialect, Field, Header, Item, Opt, Package, Type};
use super::paths::Paths;

/// A schema in another dialect, and what that dialect could not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The schema.
    pub package: Package,
    /// What is lost or kept against the letter of the dialect, with its place.
    pub losses: Vec<Problem>,
    /// What cannot be written there at all, so that the result is no schema of the dialect.
    pub unsaid: Vec<Problem>,
}

impl Package {
    /// Writes a schema in another dialect, so that it judges messages the same;
    /// what cannot be said there is told. Between the old and the new dialect
    /// some types get a name that they did not need before.
    #[must_use]
    pub fn converted(&self, to: Dialect) -> Converted {
        let is_same = self.dialect == to;
        // The transitional dialect has the options of CS01.
        let (from_old, to_old) = (self.dialect == Dialect::Csd01, to == Dialect::Csd01);
        let mut converter = Converter {
            from: self,
            names: self.types.iter().map(|it| it.name.clone()).collect(),
            added: Vec::new(),
            losses: Vec::new(),
            unsaid: Vec::new(),
        };
        let header = match (is_same, to) {
            (true, _) => self.header.members.clone(),
            (false, Dialect::Cs01) => converter.info(),
            (false, _) => converter.meta(),
        };
        let mut types = Vec::new();
        for it in &self.types {
            types.push(match (from_old, to_old) {
                (true, false) => converter.newer(it),
                (false, true) => converter.older(it),
                _ => it.clone(),
            });
            types.append(&mut converter.added);
        }
        let package = Package { dialect: to, header: Header { members: header }, types };
        Converted { package, losses: converter.losses, unsaid: converter.unsaid }
    }
}

struct Converter<'p> {
    from: &'p Package,
    names: HashSet<String>,
    /// Types that got a name of their own.
    added: Vec<Type>,
    losses: Vec<Problem>,
    unsaid: Vec<Problem>,
}

impl Converter<'_> {
    fn loses(&mut self, place: &str, what: impl Into<String>) {
        let loss = Problem::at(place, what);
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    /// The header of CS01 from an older one.
    fn info(&mut self) -> Map<String, Value> {
        let mut info = Map::new();
        let mut config = Map::new();
        let mut namespaces = Map::new();
        for (nsid, name) in self.from.imports() {
            namespaces.insert(nsid.to_owned(), json!(name));
        }
        for (name, value) in &self.from.header.members {
            match name.as_str() {
                "module" => drop(info.insert("package".to_owned(), value.clone())),
                "patch" => drop(info.insert("version".to_owned(), value.clone())),
                "imports" if namespaces.is_empty() => {}
                "imports" => {
                    info.insert("namespaces".to_owned(), namespaces.clone().into());
                }
                "bounds" => {
                    self.losses.push(Problem::of_file(
                        "CS01 has no bound for a whole message (the first of meta.bounds)",
                    ));
                    for (at, key) in [(1, "$MaxString"), (2, "$MaxBinary"), (3, "$MaxElements")] {
                        config.insert(key.to_owned(), value[at].clone());
                    }
                }
                _ => drop(info.insert(name.clone(), value.clone())),
            }
        }
        if !config.is_empty() {
            info.insert("config".to_owned(), config.into());
        }
        info
    }

    /// The header of CSD01 from a newer one.
    fn meta(&mut self) -> Map<String, Value> {
        let mut meta = Map::new();
        for (name, value) in &self.from.header.members {
            match name.as_str() {
                "package" => drop(meta.insert("module".to_owned(), value.clone())),
                "version" => drop(meta.insert("patch".to_owned(), value.clone())),
                "namespaces" | "imports" => {
                    let imports = self.from.imports();
                    let imports = imports.iter().map(|(nsid, name)| json!([nsid, name]));
                    meta.insert("imports".to_owned(), imports.collect());
                }
                "config" => {
                    let bounds: Vec<_> = ["$MaxString", "$MaxBinary", "$MaxElements"]
                        .into_iter()
                        .map(|key| value.get(key).cloned())
                        .collect();
                    if bounds.iter().any(Option::is_some) {
                        // What has no bound gets the largest that a bound can be.
                        let bound = |it: Option<Value>| it.unwrap_or(json!(i32::MAX));
                        let bounds = [None].into_iter().chain(bounds).map(bound);
                        meta.insert("bounds".to_owned(), bounds.collect());
                    }
                }
                "title" | "description" | "exports" | "module" | "patch" => {
                    meta.insert(name.clone(), value.clone());
                }
                _ => {
                    let what = format!("CSD01 has no {name} in its header");
                    self.losses.push(Problem::of_file(what));
                }
            }
        }
        meta
    }

    /// A name that no type has yet.
    fn name(&mut self, owner: &str, field: &str, between: char) -> String {
        let mut name = format!("{owner}{between}{field}");
        while !self.names.insert(name.clone()) {
            name.push('-');
        }
        name
    }

    /// A type of CSD01 in CS01.
    fn newer(&mut self, it: &Type) -> Type {
        let mut it = it.clone();
        if it.base == Base::Null {
            self.loses(&it.name, "Null is no type of CS01; it is kept, and read here");
        }
        let owner = it.name.clone();
        if let Content::Fields(fields) = &mut it.content {
            for field in fields {
                if Base::named(&field.type_name) == Some(Base::Null) {
                    self.loses(&place(&owner, field), "Null is no type of CS01; it is kept");
                }
                self.newer_field(&owner, field);
            }
        }
        it
    }

    fn newer_field(&mut self, owner: &str, field: &mut Field) {
        if let Some(derived) = field.options.iter_mut().find(|it| **it == Opt::Derived) {
            *derived = Opt::Enum(std::mem::replace(&mut field.type_name, "Enumerated".to_owned()));
        }
        let (least, most) = counts(field);
        let has_tag = field.options.iter().any(|it| matches!(it, Opt::Tag(_)));
        let may_be_empty = match least {
            Some(least) => least == 0,
            None => true,
        };
        if most == 1 || has_tag || !may_be_empty {
            return;
        }
        // In CS01 what stands there many times stands there once at least: an array
        // that may be empty needs a type of its own.
        let (of_count, of_type): (Vec<_>, Vec<_>) = std::mem::take(&mut field.options)
            .into_iter()
            .partition(|it| matches!(it, Opt::MinCount(_) | Opt::MaxCount(_)));
        let element = match (&of_type[..], Base::named(&field.type_name)) {
            ([], _) | (_, None) => field.type_name.clone(),
            ([Opt::Enum(of)], Some(Base::Enumerated)) => format!("#{of}"),
            (options, Some(base)) => {
                let name = self.name(owner, &format!("{}-item", field.name), '$');
                self.added.push(new_type(&name, base, options.to_vec()));
                name
            }
        };
        let mut options = vec![Opt::ValueType(element)];
        options.extend((most != 0).then_some(Opt::Max(i64::from(most))));
        field.type_name = self.name(owner, &field.name, '$');
        self.added.push(new_type(&field.type_name, Base::ArrayOf, options));
        field.options = of_count.into_iter().filter(|it| *it == Opt::MinCount(0)).collect();
    }

    /// A type of CS01 in CSD01.
    fn older(&mut self, it: &Type) -> Type {
        let mut it = it.clone();
        if let Some(map) = self.unfolded(&it) {
            it = map;
        } else if it.base == Base::MapOf {
            let what = "CSD01 has no MapOf, and a Map only for the keys of an enumeration";
            self.unsaid.push(Problem::at(&it.name, what));
        } else if it.base == Base::Any {
            self.loses(&it.name, "Any is no type of CSD01; it is kept, and read here");
        }
        if let Some(items) = self.derived(&it.options) {
            it.content = Content::Items(items);
        }
        let name = it.name.clone();
        it.options = self.older_options(&name, it.base, &it.options);
        if let Content::Fields(fields) = &mut it.content {
            for field in fields {
                self.older_field(&name, field);
            }
        }
        it
    }

    /// A `MapOf` whose keys are an enumeration, as a Map (CS01, section 3.3.4).
    fn unfolded(&mut self, it: &Type) -> Option<Type> {
        let key = it.options.iter().find_map(|it| match it {
            Opt::KeyType(name) => Some(name),
            _ => None,
        })?;
        let value = it.options.iter().find_map(|it| match it {
            Opt::ValueType(name) => Some(name),
            _ => None,
        })?;
        let (items, by_id) = if let Some(derived) = mark_of(key) {
            (self.derived(&[derived])?, false)
        } else {
            let it = self.from.types.iter().find(|it| it.name == *key)?;
            let items = match &it.content {
                Content::Items(items) => items.clone(),
                _ => self.derived(&it.options)?,
            };
            (items, it.options.contains(&Opt::Id))
        };
        let value = value.clone();
        let fields = items.into_iter().map(|item| Field {
            id: item.id,
            name: item.name,
            type_name: value.clone(),
            options: vec![Opt::MinCount(0)],
            description: item.description,
        });
        let mut options: Vec<_> = it
            .options
            .iter()
            .filter(|it| matches!(it, Opt::Min(_) | Opt::Max(_)))
            .cloned()
            .collect();
        options.extend(by_id.then_some(Opt::Id));
        let content = Content::Fields(fields.collect());
        Some(Type { base: Base::Map, options, content, ..it.clone() })
    }

    /// The items of a derived enumeration, written out: CSD01 derives only in fields.
    fn derived(&self, options: &[Opt]) -> Option<Vec<Item>> {
        let pointer = options.iter().find_map(|it| match it {
            Opt::Pointer(name) => Some(name),
            _ => None,
        });
        if let Some(name) = pointer {
            let types: HashMap<_, _> =
                self.from.types.iter().map(|it| (it.name.as_str(), it)).collect();
            let paths = Paths::default().of(types.get(name.as_str())?, &types).ok()?;
            let item = |(id, name)| Item { id, name, description: String::new() };
            return Some((1..).zip(paths).map(item).collect());
        }
        let of = options.iter().find_map(|it| match it {
            Opt::Enum(name) => Some(name),
            _ => None,
        })?;
        let of = self.from.types.iter().find(|it| it.name == *of)?;
        Some(match &of.content {
            Content::Items(items) => items.clone(),
            Content::Fields(fields) => fields
                .iter()
                .map(|it| Item {
                    id: it.id,
                    name: it.name.clone(),
                    description: it.description.clone(),
                })
                .collect(),
            Content::Nothing => return None,
        })
    }

    fn older_options(&mut self, place: &str, base: Base, options: &[Opt]) -> Vec<Opt> {
        let mut old = Vec::new();
        for option in options {
            match option {
                // They change no verdict; the last three are written out, or the keys of a Map by now.
                Opt::Extend
                | Opt::Default(_)
                | Opt::Dir
                | Opt::Key
                | Opt::Link
                | Opt::Unordered
                | Opt::Enum(_)
                | Opt::Pointer(_)
                | Opt::KeyType(_) => {}
                Opt::MinNumber(_) | Opt::MaxNumber(_) => {
                    self.loses(place, "CSD01 has no bounds of a Number");
                }
                Opt::Unique | Opt::Set => {
                    self.loses(place, "CSD01 cannot say that no element stands twice");
                }
                Opt::Format(name) if base == Base::Integer => match integer_range(name) {
                    Some((least, most)) => {
                        let bound = |it: i128| i64::try_from(it).ok();
                        if let (Some(least), Some(most)) = (bound(least), bound(most)) {
                            old.extend([Opt::Min(least), Opt::Max(most)]);
                        } else {
                            old.push(option.clone());
                        }
                    }
                    None => old.push(option.clone()),
                },
                Opt::ValueType(name) if name.starts_with(['#', '>']) => {
                    let items = mark_of(name).and_then(|it| self.derived(&[it]));
                    let items = items.unwrap_or_default();
                    let name = self.name(&name[1..], "Enum", '-');
                    let content = Content::Items(items);
                    self.added.push(Type { content, ..new_type(&name, Base::Enumerated, vec![]) });
                    old.push(Opt::ValueType(name));
                }
                option => old.push(option.clone()),
            }
        }
        old
    }

    fn older_field(&mut self, owner: &str, field: &mut Field) {
        let place = place(owner, field);
        let (least, most) = counts(field);
        let has_tag = field.options.iter().any(|it| matches!(it, Opt::Tag(_)));
        let (of_field, of_type): (Vec<_>, Vec<_>) = std::mem::take(&mut field.options)
            .into_iter()
            .filter(|it| !matches!(it, Opt::Dir | Opt::Key | Opt::Link | Opt::Default(_)))
            .partition(|it| matches!(it, Opt::MinCount(_) | Opt::MaxCount(_) | Opt::Tag(_)));
        let (of_array, of_type): (Vec<_>, Vec<_>) = of_type
            .into_iter()
            .partition(|it| most != 1 && matches!(it, Opt::Unique | Opt::Set | Opt::Unordered));
        self.older_options(&place, Base::ArrayOf, &of_array);
        field.options = of_field;
        if let Some(base) = Base::named(&field.type_name) {
            match &of_type[..] {
                [] => {}
                [Opt::Enum(of)] if base == Base::Enumerated => {
                    field.type_name.clone_from(of);
                    field.options.push(Opt::Derived);
                }
                options => {
                    // A type that has options needs a name here.
                    let name = self.name(owner, &field.name, '-');
                    let it = new_type(&name, base, options.to_vec());
                    let it = self.older(&it);
                    self.added.push(it);
                    field.type_name = name;
                }
            }
        }
        if most == 1 || has_tag {
            return;
        }
        if least == Some(0) {
            // What may be left out, and is there once at least where it is not.
            let is_derived = field.options.contains(&Opt::Derived);
            let element =
                if is_derived { format!("#{}", field.type_name) } else { field.type_name.clone() };
            let mut options = vec![Opt::ValueType(element), Opt::Min(1)];
            options.extend((most != 0).then_some(Opt::Max(i64::from(most))));
            field.type_name = self.name(owner, &format!("{}-list", field.name), '-');
            let it = new_type(&field.type_name, Base::ArrayOf, options);
            let it = self.older(&it);
            self.added.push(it);
            field.options = vec![Opt::MinCount(0)];
        } else if least.is_none() {
            field.options.insert(0, Opt::MinCount(1));
        }
    }
}

/// What a name with a mark derives from: `#T` or `>T`.
fn mark_of(name: &str) -> Option<Opt> {
    match name.split_at_checked(1)? {
        ("#", name) => Some(Opt::Enum(name.to_owned())),
        (">", name) => Some(Opt::Pointer(name.to_owned())),
        _ => None,
    }
}

/// The least, where it is said, and the most.
fn counts(field: &Field) -> (Option<u32>, u32) {
    field.options.iter().fold((None, 1), |(least, most), option| match option {
        Opt::MinCount(count) => (Some(*count), most),
        Opt::MaxCount(count) => (least, *count),
        _ => (least, most),
    })
}

fn place(owner: &str, field: &Field) -> String {
    let name = if field.name.is_empty() { field.id.to_string() } else { field.name.clone() };
    format!("{owner}.{name}")
}

fn new_type(name: &str, base: Base, options: Vec<Opt>) -> Type {
    let content = if base == Base::Enumerated && options.is_empty() {
        Content::Items(Vec::new())
    } else {
        Content::Nothing
    };
    Type { name: name.to_owned(), base, options, description: String::new(), content }
}

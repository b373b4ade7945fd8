//! The schema of what one consumer accepts, and of nothing else.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt::Write;

use serde_json::{Map, json};

use super::merge::each_reference;
use super::{Language, Version};
use crate::jadn::{Base, Content, Dialect, Field, Header, Item, Opt, Package, Type};
use crate::openc2::{Members, Pairs, TargetName};

/// Types that a schema is for (Language v1.0 CSD07, annex A.1).
const EXPORTS: [&str; 6] =
    ["OpenC2-Command", "OpenC2-Response", "Message-Type", "Status-Code", "Request-Id", "Date-Time"];

/// What a consumer accepts.
#[derive(Clone, Debug)]
pub struct Accepted<'a> {
    /// Who it is, for people.
    pub consumer: &'a str,
    /// Its pairs.
    pub pairs: &'a Pairs,
    /// Namespace identifiers of its profiles, and the specifiers that its
    /// actuators of each answer to.
    pub profiles: Vec<(&'a str, Vec<&'a Members>)>,
}

impl Language {
    /// The schema of exactly the commands that a consumer accepts and of its
    /// responses, in the dialect of language 1.0 (CSD07, annex B.3).
    ///
    /// It says which actions and which targets there are; JADN cannot say
    /// which of them go together: that is what its pairs are for. What a profile
    /// says in words that this dialect has not is told in its description.
    #[must_use]
    pub fn subset(&self, accepted: &Accepted<'_>) -> Package {
        let mut types: Vec<Type> = self.package().types.clone();
        let specifiers = specifiers_of(&types, accepted);
        let keep = Keep { version: self.version(), accepted, specifiers };
        for it in &mut types {
            keep.narrow(it);
        }
        without_the_impossible(&mut types);
        let Older { types, losses, .. } = Older::of(&reachable(types));
        let header = self.header(accepted, &types, &losses);
        Package { dialect: Dialect::Csd01, header, types }
    }

    fn header(&self, accepted: &Accepted<'_>, types: &[Type], losses: &[String]) -> Header {
        let own = &self.package().header.members;
        let exports: Vec<&str> =
            EXPORTS.into_iter().filter(|name| types.iter().any(|it| it.name == *name)).collect();
        let mut members = Map::new();
        let own_name = own.get("module").or_else(|| own.get("package"));
        members.insert("module".to_owned(), own_name.cloned().unwrap_or_default());
        for name in ["patch", "title"] {
            if let Some(value) = own.get(name) {
                members.insert(name.to_owned(), value.clone());
            }
        }
        let mut description = format!("What {} accepts", accepted.consumer);
        if !losses.is_empty() {
            let _ = write!(
                description,
                ". Not said here, since {} cannot: {}",
                Dialect::Csd01.as_str(),
                losses.join("; ")
            );
        }
        members.insert("description".to_owned(), description.into());
        members.insert("exports".to_owned(), json!(exports));
        Header { members }
    }
}

/// Leaves out what is never valid: a Choice of nothing, a type that this version does not have, and
/// whatever must have a field of such a type.
fn without_the_impossible(types: &mut [Type]) {
    loop {
        let defined: HashSet<String> = types.iter().map(|it| it.name.clone()).collect();
        let never: HashSet<String> = types
            .iter()
            .filter(|it| it.base == Base::Choice && it.content == Content::Fields(Vec::new()))
            .map(|it| it.name.clone())
            .collect();
        let is_never = |field: &Field| {
            let name = &field.type_name;
            never.contains(name) || !defined.contains(name) && Base::named(name).is_none()
        };
        let mut is_changed = false;
        for it in &mut *types {
            let Content::Fields(fields) = &mut it.content else { continue };
            let is_needed =
                |field: &Field| is_never(field) && !field.options.contains(&Opt::MinCount(0));
            let before = fields.len();
            if it.base != Base::Choice && fields.iter().any(is_needed) {
                (it.base, *fields) = (Base::Choice, Vec::new());
            }
            fields.retain(|field| !is_never(field));
            is_changed |= fields.len() < before;
        }
        if !is_changed {
            break;
        }
    }
}

struct Keep<'a> {
    version: Version,
    accepted: &'a Accepted<'a>,
    /// The types of the specifiers of profiles, each with those of its actuators.
    specifiers: Vec<(String, &'a [&'a Members])>,
}

impl Keep<'_> {
    fn narrow(&self, it: &mut Type) {
        it.options.retain(|option| *option != Opt::Extend);
        if let Some((nsid, "Target")) = it.name.split_once(':') {
            let nsid = nsid.to_owned();
            self.fields(it, |field| self.has_own(&nsid, &field.name));
            return;
        }
        match it.name.as_str() {
            "Action" => {
                if let Content::Items(items) = &mut it.content {
                    items.retain(|item| {
                        self.accepted.pairs.keys().any(|action| action.as_str() == item.name)
                    });
                }
            }
            "Target" => self.fields(it, |field| match self.version {
                Version::V1_1 => self.has(&field.name),
                Version::V1_0 => self.has(&field.name) || self.has_profile(&field.name),
            }),
            "Unr-Target" => self.fields(it, |field| self.has_profile(&field.name)),
            "Actuator" | "Unr-Specifiers" | "Unr-Args" | "Unr-Results" => {
                self.fields(it, |field| self.is_nest(field) || self.has_profile(&field.name));
            }
            "Args" | "Results" | "OpenC2-Response" => self.fields(it, |field| {
                let is_of_profile = field.type_name.starts_with(&format!("{}:", field.name));
                self.is_nest(field) || !is_of_profile || self.has_profile(&field.name)
            }),
            _ => {}
        }
        // What is known of the specifiers of a device: those that it was given.
        let own =
            self.specifiers.iter().find(|(name, _)| it.base == Base::MapOf && it.name == *name);
        if let Some((_, own)) = own {
            *it = specified(it, own);
        }
        // Results that nobody here has are left out; arguments may be none at all.
        let is_of_others = matches!(it.name.as_str(), "Unr-Results" | "PE-Results");
        if is_of_others && it.content == Content::Fields(Vec::new()) {
            it.base = Base::Choice;
        }
    }

    fn fields(&self, it: &mut Type, keep: impl Fn(&Field) -> bool) {
        if let Content::Fields(fields) = &mut it.content {
            fields.retain(|field| self.is_nest(field) || keep(field));
        }
    }

    /// Whether profiles stand inside of it. Registered ones are never known here.
    fn is_nest(&self, field: &Field) -> bool {
        self.version == Version::V1_0 && field.name == "extension_unr"
    }

    fn has(&self, target: &str) -> bool {
        self.accepted.pairs.values().flatten().any(|it| it.to_string() == target)
    }

    fn has_own(&self, nsid: &str, name: &str) -> bool {
        let mut all = self.accepted.pairs.values().flatten();
        all.any(|it: &TargetName| it.profile() == Some(nsid) && it.local() == name)
    }

    fn has_profile(&self, nsid: &str) -> bool {
        self.accepted.profiles.iter().any(|(own, _)| *own == nsid)
    }
}

/// The types of the specifiers of each profile, by the rows that name them.
fn specifiers_of<'a>(
    types: &[Type],
    accepted: &'a Accepted<'a>,
) -> Vec<(String, &'a [&'a Members])> {
    let rows = types
        .iter()
        .filter(|it| matches!(it.name.as_str(), "Actuator" | "Unr-Specifiers"))
        .filter_map(|it| match &it.content {
            Content::Fields(fields) => Some(fields),
            _ => None,
        })
        .flatten();
    rows.filter_map(|row| {
        let (_, own) = accepted.profiles.iter().find(|(nsid, _)| *nsid == row.name)?;
        Some((row.type_name.clone(), own.as_slice()))
    })
    .collect()
}

/// The specifiers that actuators were given, where their profile leaves the names open.
fn specified(it: &Type, specifiers: &[&Members]) -> Type {
    let names: BTreeSet<&String> = specifiers.iter().flat_map(|it| it.keys()).collect();
    let value = it.options.iter().find_map(|option| match option {
        Opt::ValueType(name) => Some(name.as_str()),
        _ => None,
    });
    let field = |(id, name): (i64, &&String)| Field {
        id,
        name: (*name).clone(),
        type_name: value.unwrap_or("String").to_owned(),
        options: vec![Opt::MinCount(0)],
        description: String::new(),
    };
    Type {
        base: Base::Map,
        options: Vec::new(),
        content: Content::Fields((1..).zip(&names).map(field).collect()),
        ..it.clone()
    }
}

/// The types that the exports are made of, in their order.
fn reachable(types: Vec<Type>) -> Vec<Type> {
    let mut wanted: VecDeque<String> = EXPORTS.map(str::to_owned).into();
    let mut found = HashSet::new();
    while let Some(name) = wanted.pop_front() {
        let Some(it) = types.iter().find(|it| it.name == name) else { continue };
        if found.insert(name) {
            each_reference(&mut it.clone(), &mut |name| wanted.push_back(name.clone()));
        }
    }
    types.into_iter().filter(|it| found.contains(&it.name)).collect()
}

/// Types in words that JADN v1.0 CSD01 has, and what it has none for.
struct Older<'a> {
    all: &'a [Type],
    types: Vec<Type>,
    losses: Vec<String>,
}

impl<'a> Older<'a> {
    fn of(all: &'a [Type]) -> Self {
        let mut older = Self { all, types: Vec::with_capacity(all.len()), losses: Vec::new() };
        for it in all {
            older.write(it.clone());
        }
        older
    }

    fn write(&mut self, mut it: Type) {
        let mut more = Vec::new();
        match (it.base, self.unfolded(&it)) {
            (_, Some(map)) => it = map,
            (Base::MapOf, None) => self.left_empty(&mut it, "a map of any names"),
            (Base::Any, None) => self.left_empty(&mut it, "any value"),
            _ => {}
        }
        for option in &mut it.options {
            match option {
                Opt::Enum(of) => it.content = Content::Items(items_of(self.all, of)),
                Opt::ValueType(name) => {
                    if let Some(of) = name.strip_prefix('#') {
                        let named = format!("{}-names", it.name);
                        more.push(enumeration(&named, items_of(self.all, of)));
                        *name = named;
                    }
                }
                _ => {}
            }
        }
        self.loses(&it.name, &it.options);
        it.options.retain(|option| Dialect::Csd01.can_say(option));
        if let Content::Fields(fields) = &mut it.content {
            for field in fields {
                more.extend(self.named_type(&it.name, field));
                self.loses(&format!("{}.{}", it.name, field.name), &field.options);
                field.options.retain(|option| Dialect::Csd01.can_say(option));
            }
        }
        self.types.push(it);
        for it in more {
            self.write(it);
        }
    }

    /// Leaves what has no type in CSD01 without anything, so that too little is taken, and says so.
    fn left_empty(&mut self, it: &mut Type, what: &str) {
        self.losses.push(format!("{} is {what}", it.name));
        it.base = Base::Map;
        it.options.clear();
        it.content = Content::Fields(Vec::new());
    }

    /// A map from the names of an enumeration, as a Map (JADN v1.0 CS01, section 3.3.4).
    fn unfolded(&self, it: &Type) -> Option<Type> {
        if it.base != Base::MapOf {
            return None;
        }
        let key = it.options.iter().find_map(|option| match option {
            Opt::KeyType(name) => Some(name.as_str()),
            _ => None,
        })?;
        let value = it.options.iter().find_map(|option| match option {
            Opt::ValueType(name) => Some(name),
            _ => None,
        })?;
        let (of, by_id) = if let Some(of) = key.strip_prefix('#') {
            (of, false)
        } else {
            let of = self.all.iter().find(|it| it.name == key)?;
            let derived = of.options.iter().find_map(|option| match option {
                Opt::Enum(name) => Some(name.as_str()),
                _ => None,
            });
            let is_enumeration = of.base == Base::Enumerated;
            (derived.or(is_enumeration.then_some(key))?, of.options.contains(&Opt::Id))
        };
        let fields = items_of(self.all, of).into_iter().map(|item| Field {
            id: item.id,
            name: item.name,
            type_name: value.clone(),
            options: vec![Opt::MinCount(0)],
            description: item.description,
        });
        let content = Content::Fields(fields.collect());
        let mut options = it.options.clone();
        options.retain(|option| matches!(option, Opt::Min(_) | Opt::Max(_)));
        options.extend(by_id.then_some(Opt::Id));
        Some(Type { base: Base::Map, options, content, ..it.clone() })
    }

    /// A field of a built-in type with options of that type, which CSD01 would take
    /// for options of the field, gets a type of its own; so does one of a type that CSD01 has not.
    fn named_type(&mut self, owner: &str, field: &mut Field) -> Option<Type> {
        let base = Base::named(&field.type_name)?;
        let (of_field, options): (Vec<Opt>, Vec<Opt>) =
            field.options.drain(..).partition(|option| {
                matches!(option, Opt::MinCount(_) | Opt::MaxCount(_) | Opt::Tag(_) | Opt::Derived)
            });
        field.options = of_field;
        let needs_name = |option: &Opt| Dialect::Csd01.can_say(option);
        let is_older = !matches!(base, Base::Any | Base::MapOf | Base::Enumerated);
        if is_older && !options.iter().any(needs_name) || options.is_empty() && base != Base::Any {
            self.loses(&format!("{owner}.{}", field.name), &options);
            return None;
        }
        let name = format!("{owner}-{}", field.name);
        field.type_name.clone_from(&name);
        Some(Type { name, base, options, description: String::new(), content: Content::Nothing })
    }

    /// Notes what of these options changes verdicts and cannot be said.
    fn loses(&mut self, place: &str, options: &[Opt]) {
        for option in options {
            let what = match option {
                Opt::MinNumber(least) => format!("at least {least}"),
                Opt::MaxNumber(most) => format!("at most {most}"),
                Opt::Unique | Opt::Set => "without an element that stands twice".to_owned(),
                Opt::Pointer(of) => format!("one of the paths of {of}"),
                _ => continue,
            };
            self.losses.push(format!("{place} is {what}"));
        }
    }
}

fn items_of(types: &[Type], name: &str) -> Vec<Item> {
    let Some(it) = types.iter().find(|it| it.name == name) else { return Vec::new() };
    match &it.content {
        Content::Items(items) => items.clone(),
        Content::Fields(fields) => fields
            .iter()
            .map(|field| Item {
                id: field.id,
                name: field.name.clone(),
                description: String::new(),
            })
            .collect(),
        Content::Nothing => Vec::new(),
    }
}

fn enumeration(name: &str, items: Vec<Item>) -> Type {
    Type {
        name: name.to_owned(),
        base: Base::Enumerated,
        options: Vec::new(),
        description: String::new(),
        content: Content::Items(items),
    }
}

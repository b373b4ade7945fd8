//! The schema of what one consumer accepts, and of nothing else.

use std::collections::{BTreeSet, HashSet, VecDeque};

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
    /// which of them go together: that is what its pairs are for.
    #[must_use]
    pub fn subset(&self, accepted: &Accepted<'_>) -> Package {
        let mut types: Vec<Type> = self.package().types.clone();
        let keep = Keep { version: self.version(), accepted };
        for it in &mut types {
            keep.narrow(it);
        }
        // A Choice of nothing is never valid, so whatever may be left out of that type is.
        loop {
            let empty: HashSet<String> = types
                .iter()
                .filter(|it| it.base == Base::Choice && it.content == Content::Fields(Vec::new()))
                .map(|it| it.name.clone())
                .collect();
            let mut is_changed = false;
            for it in &mut types {
                if let Content::Fields(fields) = &mut it.content {
                    let before = fields.len();
                    fields.retain(|field| !empty.contains(&field.type_name));
                    is_changed |= fields.len() < before;
                }
            }
            if !is_changed {
                break;
            }
        }
        let types = old_types(reachable(types));
        Package { dialect: Dialect::Csd01, header: self.header(accepted, &types), types }
    }

    fn header(&self, accepted: &Accepted<'_>, types: &[Type]) -> Header {
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
        let description = format!("What {} accepts", accepted.consumer);
        members.insert("description".to_owned(), description.into());
        members.insert("exports".to_owned(), json!(exports));
        Header { members }
    }
}

struct Keep<'a> {
    version: Version,
    accepted: &'a Accepted<'a>,
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
        let profile =
            self.accepted.profiles.iter().find(|(nsid, _)| {
                it.base == Base::MapOf && it.name == format!("{nsid}:Specifiers")
            });
        if let Some((_, specifiers)) = profile {
            *it = specified(&it.name, &it.description, specifiers);
        }
        // What is left without anything is left out, whatever it was.
        let is_of_others = it.name.starts_with("Unr-") || it.name.starts_with("PE-");
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

/// The specifiers that actuators were given, where their profile leaves the names open.
fn specified(name: &str, description: &str, specifiers: &[&Members]) -> Type {
    let names: BTreeSet<&String> = specifiers.iter().flat_map(|it| it.keys()).collect();
    let field = |(id, name): (i64, &&String)| Field {
        id,
        name: (*name).clone(),
        type_name: "String".to_owned(),
        options: vec![Opt::MinCount(0)],
        description: String::new(),
    };
    Type {
        name: name.to_owned(),
        base: Base::Map,
        options: Vec::new(),
        description: description.to_owned(),
        content: Content::Fields((1..).zip(&names).map(field).collect()),
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

/// The same types in words that JADN v1.0 CSD01 has: what it cannot say is left out.
fn old_types(types: Vec<Type>) -> Vec<Type> {
    let all = types.clone();
    let mut written = Vec::with_capacity(types.len());
    for mut it in types {
        let mut more = Vec::new();
        let derived = it.options.iter().find_map(|option| match option {
            Opt::Enum(of) => Some(of.clone()),
            _ => None,
        });
        if let Some(of) = derived {
            it.content = Content::Items(items_of(&all, &of));
        }
        for option in &mut it.options {
            if let Opt::ValueType(name) = option
                && let Some(of) = name.strip_prefix('#')
            {
                let named = format!("{}-names", it.name);
                more.push(enumeration(&named, items_of(&all, of)));
                *name = named;
            }
        }
        // A map of any keys has no type in CSD01, and is left without any.
        if it.base == Base::MapOf {
            it.base = Base::Map;
            it.options.clear();
            it.content = Content::Fields(Vec::new());
        }
        it.options.retain(|option| Dialect::Csd01.can_say(option));
        if let Content::Fields(fields) = &mut it.content {
            for field in fields {
                more.extend(named_type(&it.name, field));
                field.options.retain(|option| Dialect::Csd01.can_say(option));
            }
        }
        written.push(it);
        written.extend(more);
    }
    written
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

/// A field of a built-in type with options of that type, which CSD01 would take
/// for options of the field, gets a type of its own.
fn named_type(owner: &str, field: &mut Field) -> Option<Type> {
    let base = Base::named(&field.type_name)?;
    let (of_field, of_type): (Vec<Opt>, Vec<Opt>) = field.options.drain(..).partition(|option| {
        matches!(option, Opt::MinCount(_) | Opt::MaxCount(_) | Opt::Tag(_) | Opt::Derived)
    });
    field.options = of_field;
    let mut options: Vec<Opt> =
        of_type.into_iter().filter(|option| Dialect::Csd01.can_say(option)).collect();
    if options.is_empty() && base != Base::MapOf {
        return None;
    }
    let name = format!("{owner}-{}", field.name);
    field.type_name.clone_from(&name);
    let (base, content) = match base {
        Base::MapOf => {
            options.clear();
            (Base::Map, Content::Fields(Vec::new()))
        }
        base => (base, Content::Nothing),
    };
    Some(Type { name, base, options, description: String::new(), content })
}

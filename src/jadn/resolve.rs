//! Packages put together: imports under their namespace identifiers.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::Problem;
use super::package::{Base, Content, Opt, Package, Type};

/// Packages put together into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// All types; those imported are named `nsid:Name`.
    pub package: Package,
    /// Types that are named and that nobody defines. Nothing is valid where
    /// one of them stands.
    pub undefined: Vec<String>,
}

/// Puts a package and those that it imports together.
///
/// A namespace that is declared and whose package is not among `others`, or
/// that is not even declared, leaves the types that it would have had undefined.
///
/// # Errors
///
/// Two packages of the same name, or under the same namespace identifier, that
/// are not the same.
pub fn resolve(root: &Package, others: &[Package]) -> Result<Merged, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut by_name: HashMap<&str, &Package> = HashMap::new();
    for it in others.iter().chain([root]) {
        let Some(name) = it.name() else { continue };
        if by_name.insert(name, it).is_some_and(|before| before != it) {
            let problem = Problem::of_file(format!("there are two packages {name:?}"));
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut package = Package { types: Vec::new(), ..root.clone() };
    let mut merger = Merger { by_name, seen: HashMap::new(), problems };
    merger.add(&mut package, root, "");
    if !merger.problems.is_empty() {
        return Err(merger.problems);
    }
    // A name without a namespace, or one that its namespace does not have, is a mistake, which
    // the checker reports.
    let is_there = |nsid: &str| merger.seen.contains_key(&format!("{nsid}:"));
    let may_be = |name: &str| name.split_once(':').is_some_and(|(nsid, _)| !is_there(nsid));
    let undefined = undefined(&package, may_be);
    Ok(Merged { package, undefined })
}

impl Merged {
    /// Takes every type that is named and not defined for one that nothing is
    /// valid for: language 1.0 CSD07 names types (`Unr-Target`) that it does not have.
    #[must_use]
    pub fn with_gaps(self) -> Self {
        Self { undefined: undefined(&self.package, |_| true), ..self }
    }
}

fn undefined(package: &Package, may_be: impl Fn(&str) -> bool) -> Vec<String> {
    let defined: HashSet<_> = package.types.iter().map(|it| it.name.as_str()).collect();
    let mut undefined = BTreeSet::new();
    for it in &package.types {
        each_name(it, &mut |name| {
            let name = name.trim_start_matches(['#', '>']);
            let is_known = defined.contains(name) || Base::named(name).is_some();
            if !is_known && may_be(name) {
                undefined.insert(name.to_owned());
            }
        });
    }
    undefined.into_iter().collect()
}

struct Merger<'p> {
    by_name: HashMap<&'p str, &'p Package>,
    /// The package behind each prefix.
    seen: HashMap<String, Option<&'p str>>,
    problems: Vec<Problem>,
}

impl<'p> Merger<'p> {
    /// Adds the types of one package under a prefix, and then those it imports.
    fn add(&mut self, to: &mut Package, from: &'p Package, prefix: &str) {
        let own = from.name();
        match self.seen.insert(prefix.to_owned(), own) {
            None => {}
            Some(before) if before == own => return,
            Some(_) => {
                let reason = format!("the namespace {prefix:?} stands for two packages");
                return self.problems.push(Problem::of_file(reason));
            }
        }
        let imports = from.imports();
        let local: HashSet<_> = from.types.iter().map(|it| it.name.as_str()).collect();
        let mut renamed = |name: &str| -> String {
            if local.contains(name) {
                return format!("{prefix}{name}");
            }
            match name.split_once(':') {
                Some((nsid, inner))
                    if imports.iter().any(|it| it.0 == nsid && Some(it.1) == own) =>
                {
                    format!("{prefix}{inner}")
                }
                // An import of an import stands under its own identifier.
                _ => name.to_owned(),
            }
        };
        for it in &from.types {
            let mut it = it.clone();
            it.name = format!("{prefix}{}", it.name);
            rename(&mut it, &mut renamed);
            if !prefix.is_empty() {
                from.settle(&mut it);
            }
            to.types.push(it);
        }
        for (nsid, name) in imports {
            if Some(name) != own
                && let Some(&imported) = self.by_name.get(name)
            {
                self.add(to, imported, &format!("{nsid}:"));
            }
        }
    }
}

/// Gives every type that a type names its new name.
fn rename(it: &mut Type, renamed: &mut dyn FnMut(&str) -> String) {
    let mut option = |option: &mut Opt| match option {
        Opt::ValueType(name) | Opt::KeyType(name) => {
            let plain = name.trim_start_matches(['#', '>']);
            let mark = &name[..name.len() - plain.len()];
            *name = format!("{mark}{}", renamed(plain));
        }
        Opt::Enum(name) | Opt::Pointer(name) => *name = renamed(name),
        _ => {}
    };
    it.options.iter_mut().for_each(&mut option);
    if let Content::Fields(fields) = &mut it.content {
        for field in fields {
            field.options.iter_mut().for_each(&mut option);
        }
    }
    if let Content::Fields(fields) = &mut it.content {
        for field in fields {
            field.type_name = renamed(&field.type_name);
        }
    }
}

/// Every type that a type names, marks of derived ones included.
pub(super) fn each_name(it: &Type, see: &mut dyn FnMut(&str)) {
    let mut options = |options: &[Opt]| {
        for option in options {
            match option {
                Opt::ValueType(name) | Opt::KeyType(name) => see(name),
                Opt::Enum(name) => see(&format!("#{name}")),
                Opt::Pointer(name) => see(&format!(">{name}")),
                _ => {}
            }
        }
    };
    options(&it.options);
    let Content::Fields(fields) = &it.content else { return };
    for field in fields {
        options(&field.options);
    }
    for field in fields {
        if Base::named(&field.type_name).is_none() {
            see(&field.type_name);
        }
    }
}

impl Type {
    /// Whether it names another type.
    #[must_use]
    pub fn names(&self, other: &str) -> bool {
        let mut is_named = false;
        each_name(self, &mut |name| is_named |= name.trim_start_matches(['#', '>']) == other);
        is_named
    }
}

impl Package {
    /// Its unique name: `meta.module` or `info.package`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let members = &self.header.members;
        members.get("package").or_else(|| members.get("module")).and_then(Value::as_str)
    }

    /// The namespace identifiers that it declares, and the packages behind them.
    #[must_use]
    pub fn imports(&self) -> Vec<(&str, &str)> {
        let members = &self.header.members;
        match members.get("namespaces").or_else(|| members.get("imports")) {
            Some(Value::Object(imports)) => imports
                .iter()
                .filter_map(|(nsid, name)| Some((nsid.as_str(), name.as_str()?)))
                .collect(),
            Some(Value::Array(imports)) => imports
                .iter()
                .filter_map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?)))
                .collect(),
            _ => Vec::new(),
        }
    }
}

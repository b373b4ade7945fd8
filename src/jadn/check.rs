//! Every mistake of a schema, in one run.

mod endless;
mod fields;
mod header;
mod names;
mod options;

use std::collections::{HashMap, HashSet};

use super::package::{Base, Content, Opt, Package, Type};
use super::paths::Paths;
use super::pattern::Room;
use super::resolve::Merged;
use super::{Bounds, Problem, Schema};

/// What is to be said of a schema.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    /// Mistakes: the schema cannot be used.
    pub problems: Vec<Problem>,
    /// What it can be used with, and what its author may not have meant.
    pub warnings: Vec<Problem>,
}

impl Merged {
    /// Checks what can only be seen of the whole: references, options, bounds,
    /// patterns, numbers and names that stand twice.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.findings().problems
    }

    /// The same, and warnings.
    #[must_use]
    pub fn findings(&self) -> Findings {
        self.findings_but(&HashSet::new())
    }

    /// The same for a package of which some types were only read in part: nothing is said of
    /// what may be missing there.
    #[must_use]
    pub fn findings_but(&self, partial: &HashSet<String>) -> Findings {
        let types: HashMap<_, _> =
            self.package.types.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut checker = Checker {
            merged: self,
            types,
            partial,
            undefined: self.undefined.iter().map(String::as_str).collect(),
            paths: Paths::default(),
            room: Room::default(),
            pointers: HashSet::new(),
            found: Findings::default(),
        };
        checker.header();
        let mut names = HashSet::new();
        for it in &self.package.types {
            if !names.insert(it.name.as_str()) {
                checker.bad(&it.name, "another type has this name");
            }
            if Base::named(&it.name).is_some() {
                checker.bad(&it.name, "a base type has this name");
            }
            checker.defined(it);
        }
        checker.endless();
        if checker.found.problems.is_empty() && partial.is_empty() {
            // What the compiler alone can tell.
            let compiled = Schema::compile(&self.package, &self.undefined, Bounds::default());
            checker.found.problems.extend(compiled.err());
        }
        checker.found
    }
}

struct Checker<'m> {
    merged: &'m Merged,
    types: HashMap<&'m str, &'m Type>,
    /// Types that were only read in part.
    partial: &'m HashSet<String>,
    /// Types that may be named and not defined.
    undefined: HashSet<&'m str>,
    paths: Paths,
    room: Room,
    /// Types into which a Pointer leads.
    pointers: HashSet<&'m str>,
    found: Findings,
}

impl<'m> Checker<'m> {
    fn package(&self) -> &'m Package {
        &self.merged.package
    }

    fn bad(&mut self, place: &str, reason: impl Into<String>) {
        self.found.problems.push(Problem::at(place, reason));
    }

    fn warn(&mut self, place: &str, reason: impl Into<String>) {
        self.found.warnings.push(Problem::at(place, reason));
    }

    fn is_partial(&self, name: &str) -> bool {
        self.partial.contains(name)
    }

    fn defined(&mut self, it: &'m Type) {
        self.type_name(&it.name);
        // Of what has no base type that is known nothing can be said.
        if !(self.is_partial(&it.name) && it.base == Base::Any) {
            self.options(&it.name, it.base, &it.options);
        }
        self.names_in(&it.name, &it.options);
        match &it.content {
            Content::Nothing => {}
            Content::Items(items) => {
                let (mut ids, mut names) = (HashSet::new(), HashSet::new());
                for item in items {
                    if !ids.insert(item.id) {
                        self.bad(&it.name, format!("two items have the number {}", item.id));
                    }
                    if !names.insert(&item.name) {
                        self.bad(&it.name, format!("two items have the name {:?}", item.name));
                    }
                }
                if items.is_empty() && !self.is_partial(&it.name) {
                    let reason = "it has no items, so that nothing is valid for it";
                    if it.options.contains(&Opt::Extend) {
                        self.warn(&it.name, reason);
                    } else {
                        self.bad(&it.name, reason);
                    }
                }
            }
            Content::Fields(fields) => self.fields(it, fields),
        }
    }

    /// The types that options name.
    fn names_in(&mut self, place: &str, options: &'m [Opt]) {
        for option in options {
            match option {
                Opt::ValueType(name) | Opt::KeyType(name) => self.reference(place, name),
                Opt::Enum(name) => self.derivable(place, name),
                Opt::Pointer(name) => self.pointer(place, name),
                _ => {}
            }
        }
    }

    fn reference(&mut self, place: &str, name: &str) {
        match name.split_at_checked(1) {
            Some(("#", name)) => self.derivable(place, name),
            Some((">", name)) => self.pointer(place, name),
            _ => drop(self.known(place, name)),
        }
    }

    fn pointer(&mut self, place: &str, name: &str) {
        self.derivable(place, name);
        let Some(&it) = self.types.get(name) else { return };
        if self.pointers.insert(&it.name)
            && let Err(reason) = self.paths.of(it, &self.types)
        {
            self.bad(place, reason);
        }
    }

    fn known(&mut self, place: &str, name: &str) -> bool {
        let is_known = self.types.contains_key(name)
            || Base::named(name).is_some()
            || self.undefined.contains(name);
        if !is_known {
            self.bad(place, format!("no type {name:?} is defined"));
        }
        is_known
    }

    fn derivable(&mut self, place: &str, name: &str) {
        let nothing = self.types.get(name).is_some_and(|it| it.content == Content::Nothing);
        if self.known(place, name) && nothing && !self.is_partial(name) {
            self.bad(place, format!("{name} has no fields that an enumeration could be made of"));
        }
    }
}

//! Types that contain themselves in every value, so that no value ends.

use std::collections::{HashMap, HashSet};

use super::Checker;
use crate::jadn::package::{Base, Content, Opt, Type};

/// What every value of a type holds.
struct Holds<'t> {
    names: Vec<&'t str>,
    /// One of them is enough.
    is_one_enough: bool,
}

impl Checker<'_> {
    /// A type ends once all that it must hold does: each is looked at again only when
    /// one of those does.
    pub(super) fn endless(&mut self) {
        let types = &self.merged.package.types;
        // How many have yet to end before this one does, and who waits for whom.
        let mut open = Vec::with_capacity(types.len());
        let mut waiting: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut ended = Vec::new();
        for (at, it) in types.iter().enumerate() {
            let Holds { names, is_one_enough } = holds(it);
            // What nobody defines has been told.
            let known = names.iter().filter(|name| self.types.contains_key(*name));
            let known: Vec<&str> = known.copied().collect();
            let count = match (is_one_enough, known.len()) {
                (true, count) if count < names.len() => 0,
                (true, count) => count.min(1),
                (false, count) => count,
            };
            open.push(count);
            if count == 0 {
                ended.push(it.name.as_str());
            } else {
                for name in known {
                    waiting.entry(name).or_default().push(at);
                }
            }
        }
        let mut finite = HashSet::new();
        while let Some(name) = ended.pop() {
            if !finite.insert(name) {
                continue;
            }
            for at in waiting.remove(name).unwrap_or_default() {
                open[at] = open[at].saturating_sub(1);
                if open[at] == 0 {
                    ended.push(&types[at].name);
                }
            }
        }
        for it in types {
            if !finite.contains(it.name.as_str()) {
                self.bad(&it.name, "every value of it would contain another one, without end");
            }
        }
    }
}

fn holds<'t>(it: &'t Type) -> Holds<'t> {
    let is_empty_right = !it.options.iter().any(|it| matches!(it, Opt::Min(1..)));
    let is_one_enough = it.base == Base::Choice;
    let names = match &it.content {
        Content::Items(_) => Vec::new(),
        Content::Nothing if is_empty_right => Vec::new(),
        Content::Nothing => {
            let of_option = |it: &'t Opt| match it {
                Opt::ValueType(name) | Opt::KeyType(name) => Some(name.as_str()),
                _ => None,
            };
            it.options.iter().filter_map(of_option).collect()
        }
        Content::Fields(fields) => fields
            .iter()
            .filter(|field| is_one_enough || !field.options.contains(&Opt::MinCount(0)))
            .filter(|field| is_one_enough || !field.options.contains(&Opt::Derived))
            .map(|field| field.type_name.as_str())
            .collect(),
    };
    Holds { names, is_one_enough }
}

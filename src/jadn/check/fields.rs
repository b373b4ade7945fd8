//! The fields of compound types.

use std::collections::HashSet;

use super::Checker;
use super::options::name_of;
use crate::jadn::package::{Base, Content, Dialect, Field, Opt, Type};

impl<'m> Checker<'m> {
    pub(super) fn fields(&mut self, it: &'m Type, fields: &'m [Field]) {
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        let is_ordered = matches!(it.base, Base::Array | Base::Record);
        for (field, ordinal) in fields.iter().zip(1..) {
            let name =
                if field.name.is_empty() { field.id.to_string() } else { field.name.clone() };
            let place = format!("{}.{name}", it.name);
            if !ids.insert(field.id) {
                self.bad(&place, format!("another field has the number {}", field.id));
            } else if is_ordered && field.id != ordinal && !self.is_partial(&it.name) {
                let reason = format!("it has the number {}, and stands at {ordinal}", field.id);
                self.bad(&place, reason);
            }
            if field.name.is_empty() {
                if it.base != Base::Array {
                    self.bad(&place, "its name is missing");
                }
            } else if !names.insert(&field.name) {
                self.bad(&place, "another field has this name");
            }
            self.field_name(&place, &field.name);
            self.field(&place, it, fields, field);
        }
        self.count(it, fields);
    }

    /// Whether so many fields can stand there.
    fn count(&mut self, it: &Type, fields: &[Field]) {
        let least = it.options.iter().find_map(|option| match option {
            Opt::Min(least) => usize::try_from(*least).ok(),
            _ => None,
        });
        let is_open = self.is_partial(&it.name) || it.options.contains(&Opt::Extend);
        let is_net = it.options.iter().any(|option| matches!(option, Opt::Format(_)));
        match least {
            Some(least) if least > fields.len() && !is_open && !is_net => {
                let count = fields.len();
                let noun = if count == 1 { "field" } else { "fields" };
                let reason = format!("at least {least} members, and it has {count} {noun}");
                // Language 1.1 has one (OpenC2-Event), for others to fill.
                if count == 0 { self.warn(&it.name, reason) } else { self.bad(&it.name, reason) }
            }
            _ if it.base == Base::Choice && fields.is_empty() && !is_open => {
                self.warn(&it.name, "it has no alternatives, so that nothing is valid for it");
            }
            _ => {}
        }
    }

    fn field(&mut self, place: &str, it: &Type, fields: &'m [Field], field: &'m Field) {
        let (mut least, mut most) = (1, 1);
        let mut of_type = Vec::new();
        for option in &field.options {
            match option {
                Opt::MinCount(count) => least = *count,
                Opt::MaxCount(count) => most = *count,
                Opt::Tag(named) => self.tag(place, fields, field, named),
                Opt::Derived => self.derivable(place, &field.type_name),
                Opt::Dir | Opt::Key | Opt::Link | Opt::Default(_) => {}
                option => of_type.push(option.clone()),
            }
        }
        if most != 0 && least > most {
            self.bad(place, format!("at least {least} and at most {most} of it"));
        }
        if it.base == Base::Choice && least == 0 {
            match self.package().dialect {
                Dialect::Csd01 => self.bad(place, "an alternative of a Choice cannot be left out"),
                // CS01, section 3.2.2.1: 0 and 1 are equivalent there.
                _ => self.warn(place, "one alternative stands there always; [0 says nothing"),
            }
        }
        self.names_in(place, &field.options);
        let is_derived = field.options.contains(&Opt::Derived);
        if !is_derived && !self.known(place, &field.type_name) {
            return;
        }
        match Base::named(&field.type_name) {
            Some(Base::Choice | Base::Array | Base::Map | Base::Record) => {
                self.bad(place, format!("{} needs a type of its own", field.type_name));
            }
            Some(base) => {
                // A field that stands many times is an array, and may be a set.
                let of_array = |it: &Opt| matches!(it, Opt::Unique | Opt::Set | Opt::Unordered);
                if most != 1 {
                    of_type.retain(|it| !of_array(it));
                }
                self.options(place, base, &of_type);
            }
            None => {
                for option in of_type {
                    let is_of_array = matches!(option, Opt::Unique | Opt::Set | Opt::Unordered);
                    if !(is_of_array && most != 1) {
                        let option = name_of(&option);
                        self.bad(
                            place,
                            format!("{option} belongs to the type {}", field.type_name),
                        );
                    }
                }
            }
        }
    }

    fn tag(&mut self, place: &str, fields: &'m [Field], field: &'m Field, named: &str) {
        let tag = fields.iter().find(|it| it.name == named || named.parse() == Ok(it.id));
        let Some(tag) = tag else {
            return self.bad(place, format!("there is no field {named:?} that could be its tag"));
        };
        let is_enumeration = tag.options.contains(&Opt::Derived)
            || tag.options.iter().any(|it| matches!(it, Opt::Enum(_)))
            || self.is(&tag.type_name, Base::Enumerated);
        if !is_enumeration {
            self.bad(place, format!("its tag {named:?} is no Enumerated"));
        }
        if !self.is(&field.type_name, Base::Choice) {
            let reason = format!("it has a tag, and {} is no Choice", field.type_name);
            return self.bad(place, reason);
        }
        let alternatives = self.types.get(field.type_name.as_str());
        let alternatives = alternatives.and_then(|it| names_of(it)).unwrap_or_default();
        if let Some(tags) = self.tags(tag)
            && !tags.is_empty()
            && !alternatives.is_empty()
            && tags.is_disjoint(&alternatives)
        {
            let reason =
                format!("no item of its tag {named:?} is an alternative of {}", field.type_name);
            self.bad(place, reason);
        }
    }

    /// Whether a type has a base; one that nobody knows may have any.
    fn is(&self, name: &str, base: Base) -> bool {
        match self.types.get(name) {
            Some(it) => it.base == base || self.is_partial(name),
            None => self.undefined.contains(name),
        }
    }

    /// The names that a tag can have.
    fn tags(&self, tag: &'m Field) -> Option<HashSet<&'m str>> {
        let of = |options: &'m [Opt]| {
            options.iter().find_map(|it| match it {
                Opt::Enum(name) => Some(name.as_str()),
                _ => None,
            })
        };
        let name = of(&tag.options).unwrap_or(&tag.type_name);
        let it = self.types.get(name)?;
        match of(&it.options) {
            Some(name) => names_of(self.types.get(name)?),
            None => names_of(it),
        }
    }
}

/// The names of the items or fields of a type.
fn names_of(it: &Type) -> Option<HashSet<&str>> {
    match &it.content {
        Content::Nothing => None,
        Content::Items(items) => Some(items.iter().map(|it| it.name.as_str()).collect()),
        Content::Fields(fields) => Some(fields.iter().map(|it| it.name.as_str()).collect()),
    }
}

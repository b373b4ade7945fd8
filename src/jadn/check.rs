//! Every mistake of a schema, in one run.

mod endless;

use std::collections::{HashMap, HashSet};

use super::compile::{format_of, integer, number};
use super::formats::{NetForm, OctetForm, TextFormat, greatest_float, integer_range};
use super::package::{Base, Content, Field, Opt, Type};
use super::paths::Paths;
use super::pattern::Pattern;
use super::resolve::{Merged, each_name};
use super::table::Shape;
use super::{Bounds, Problem, Schema};

impl Merged {
    /// Checks what can only be seen of the whole: references, options, bounds,
    /// patterns, numbers and names that stand twice.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let types: HashMap<_, _> =
            self.package.types.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut checker = Checker {
            merged: self,
            types,
            paths: Paths::default(),
            pointers: HashSet::new(),
            problems: Vec::new(),
        };
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
        if checker.problems.is_empty() {
            // What the compiler alone can tell: patterns that grow too large.
            let compiled = Schema::compile(&self.package, &self.undefined, Bounds::default());
            checker.problems.extend(compiled.err());
        }
        checker.problems
    }
}

struct Checker<'m> {
    merged: &'m Merged,
    types: HashMap<&'m str, &'m Type>,
    paths: Paths,
    /// Types into which a Pointer leads.
    pointers: HashSet<&'m str>,
    problems: Vec<Problem>,
}

impl<'m> Checker<'m> {
    fn bad(&mut self, place: &str, reason: impl Into<String>) {
        self.problems.push(Problem::at(place, reason));
    }

    fn defined(&mut self, it: &'m Type) {
        self.options(&it.name, it.base, &it.options);
        each_name(it, &mut |name| self.reference(&it.name, name));
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
            }
            Content::Fields(fields) => self.fields(it, fields),
        }
    }

    fn fields(&mut self, it: &'m Type, fields: &'m [Field]) {
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        let is_ordered = matches!(it.base, Base::Array | Base::Record);
        for (field, ordinal) in fields.iter().zip(1..) {
            let name =
                if field.name.is_empty() { field.id.to_string() } else { field.name.clone() };
            let place = format!("{}.{name}", it.name);
            if !ids.insert(field.id) {
                self.bad(&place, format!("another field has the number {}", field.id));
            } else if is_ordered && field.id != ordinal {
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
            self.field(&place, it, fields, field);
        }
    }

    fn field(&mut self, place: &str, it: &Type, fields: &[Field], field: &Field) {
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
            self.bad(place, "an alternative of a Choice cannot be left out");
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

    fn tag(&mut self, place: &str, fields: &[Field], field: &Field, named: &str) {
        let tag = fields.iter().find(|it| it.name == named || named.parse() == Ok(it.id));
        let Some(tag) = tag else {
            return self.bad(place, format!("there is no field {named:?} that could be its tag"));
        };
        let is_enumeration = tag.options.contains(&Opt::Derived)
            || tag.options.iter().any(|it| matches!(it, Opt::Enum(_)))
            || self.types.get(tag.type_name.as_str()).is_some_and(|it| it.base == Base::Enumerated);
        if !is_enumeration {
            self.bad(place, format!("its tag {named:?} is no Enumerated"));
        }
        let is_choice =
            self.types.get(field.type_name.as_str()).is_some_and(|it| it.base == Base::Choice);
        if !is_choice {
            self.bad(place, format!("it has a tag, and {} is no Choice", field.type_name));
        }
    }

    fn reference(&mut self, place: &str, name: &str) {
        let plain = name.trim_start_matches(['#', '>']);
        if plain != name {
            self.derivable(place, plain);
            if name.starts_with('>') {
                self.pointer(place, plain);
            }
            return;
        }
        self.known(place, name);
    }

    fn pointer(&mut self, place: &str, name: &str) {
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
            || self.merged.undefined.iter().any(|it| it == name);
        if !is_known {
            self.bad(place, format!("no type {name:?} is defined"));
        }
        is_known
    }

    fn derivable(&mut self, place: &str, name: &str) {
        let nothing = self.types.get(name).is_some_and(|it| it.content == Content::Nothing);
        if self.known(place, name) && nothing {
            self.bad(place, format!("{name} has no fields that an enumeration could be made of"));
        }
    }

    fn options(&mut self, place: &str, base: Base, options: &[Opt]) {
        let mut kinds = HashSet::new();
        let (mut least, mut most) = (None, None);
        for option in options {
            if !kinds.insert(std::mem::discriminant(option)) {
                self.bad(place, format!("{} stands there twice", name_of(option)));
            }
            if !allows(base, option) {
                let option = name_of(option);
                self.bad(place, format!("{option} is no option of {}", base.as_str()));
                continue;
            }
            match option {
                Opt::Min(number) => least = Some(*number),
                Opt::Max(number) => most = Some(*number),
                Opt::Format(name) => self.format(place, base, name),
                Opt::Pattern(pattern) => self.pattern(place, pattern),
                Opt::KeyType(name) => self.key_type(place, name),
                _ => {}
            }
        }
        if let (Some(least), Some(most)) = (least, most)
            && least > most
            && !(most == 0 && base != Base::Integer)
        {
            self.bad(place, format!("at least {least} and at most {most}"));
        }
        if base != Base::Integer && [least, most].into_iter().flatten().any(|it| it < 0) {
            self.bad(place, "a length or count below zero");
        }
        // What the compiler makes of both bounds, a format counted in.
        let is_told = least.zip(most).is_some_and(|(least, most)| least > most);
        let range = match (base, is_told) {
            (Base::Number, _) => Some(number(options)),
            (Base::Integer, false) => Some(integer(options, format_of(options))),
            _ => None,
        };
        let is_empty = match range {
            Some(Shape::Number { min, max }) => min > max,
            Some(Shape::Integer { min, max }) => min > max,
            Some(Shape::WideInteger { min, max }) => min > max,
            _ => false,
        };
        if is_empty {
            self.bad(place, "no number is both at least its minimum and at most its maximum");
        }
        let has = |wanted: fn(&Opt) -> bool| options.iter().any(wanted);
        if matches!(base, Base::ArrayOf | Base::MapOf) && !has(|it| matches!(it, Opt::ValueType(_)))
        {
            self.bad(place, "the type of its values is missing");
        }
        if base == Base::MapOf && !has(|it| matches!(it, Opt::KeyType(_))) {
            self.bad(place, "the type of its keys is missing");
        }
    }

    /// In JSON a key is a text, so only what has one form as a text can be one.
    fn key_type(&mut self, place: &str, name: &str) {
        let (base, options): (_, &[Opt]) = match self.types.get(name) {
            Some(it) => (Some(it.base), &it.options),
            None => (Base::named(name), &[]),
        };
        let is_wide = || matches!(integer(options, format_of(options)), Shape::WideInteger { .. });
        let reason = match base {
            Some(Base::Integer) if is_wide() => "holds numbers beyond what JSON has exactly",
            // What is unknown has been told; an enumeration may be derived.
            None
            | Some(Base::String | Base::Binary | Base::Integer | Base::Enumerated | Base::Any) => {
                return;
            }
            Some(_) => "is no String, Binary, Integer or Enumerated",
        };
        self.bad(place, format!("{name} cannot be the type of keys: it {reason}"));
    }

    fn format(&mut self, place: &str, base: Base, name: &str) {
        let is_known = match base {
            Base::String => TextFormat::named(name).is_some(),
            Base::Binary => OctetForm::named(name).is_some(),
            Base::Array => NetForm::named(name).is_some(),
            Base::Integer => integer_range(name).is_some(),
            _ => greatest_float(name).is_some(),
        };
        if !is_known {
            self.bad(place, format!("{name:?} is no format of {} known here", base.as_str()));
        }
    }

    fn pattern(&mut self, place: &str, pattern: &str) {
        if let Err(reason) = Pattern::new(pattern) {
            self.bad(place, reason);
        }
    }
}

/// Which options a base type can have (JADN v1.0 CS01, table 3-3; CSD01 has fewer).
fn allows(base: Base, option: &Opt) -> bool {
    use Base::{
        Array, ArrayOf, Binary, Choice, Enumerated, Integer, Map, MapOf, Number, Record, String,
    };
    match option {
        Opt::Default(_) => true,
        Opt::Id => matches!(base, Enumerated | Choice | Map),
        Opt::ValueType(_) => matches!(base, ArrayOf | MapOf),
        Opt::KeyType(_) => base == MapOf,
        Opt::Enum(_) | Opt::Pointer(_) => base == Enumerated,
        Opt::Format(_) => matches!(base, Binary | Integer | Number | String | Array),
        Opt::Pattern(_) => base == String,
        Opt::MinNumber(_) | Opt::MaxNumber(_) => base == Number,
        Opt::Min(_) | Opt::Max(_) => {
            matches!(base, Binary | Integer | String | Array | ArrayOf | Map | MapOf | Record)
        }
        Opt::Unique | Opt::Set | Opt::Unordered => base == ArrayOf,
        Opt::Extend => matches!(base, Enumerated | Choice | Array | Map | Record),
        Opt::Derived
        | Opt::MinCount(_)
        | Opt::MaxCount(_)
        | Opt::Tag(_)
        | Opt::Dir
        | Opt::Key
        | Opt::Link => false,
    }
}

fn name_of(option: &Opt) -> &'static str {
    match option {
        Opt::Id => "id",
        Opt::ValueType(_) => "vtype",
        Opt::KeyType(_) => "ktype",
        Opt::Enum(_) => "enum",
        Opt::Pointer(_) => "pointer",
        Opt::Derived => "derived enumeration",
        Opt::Format(_) => "format",
        Opt::Pattern(_) => "pattern",
        Opt::MinNumber(_) => "minf",
        Opt::MaxNumber(_) => "maxf",
        Opt::Min(_) => "minv",
        Opt::Max(_) => "maxv",
        Opt::Unique => "unique",
        Opt::Set => "set",
        Opt::Unordered => "unordered",
        Opt::Extend => "extend",
        Opt::Default(_) => "default",
        Opt::MinCount(_) => "minc",
        Opt::MaxCount(_) => "maxc",
        Opt::Tag(_) => "tagid",
        Opt::Dir => "dir",
        Opt::Key => "key",
        Opt::Link => "link",
    }
}

//! The options of types, and whether they go together.

use std::collections::HashSet;

use super::Checker;
use crate::jadn::compile::{format_of, integer, number};
use crate::jadn::formats::{NetForm, OctetForm, TextFormat, greatest_float, integer_range};
use crate::jadn::package::{Base, Opt};
use crate::jadn::pattern::Pattern;
use crate::jadn::table::Shape;

impl Checker<'_> {
    pub(super) fn options(&mut self, place: &str, base: Base, options: &[Opt]) {
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
        let of_array = |it: &&Opt| matches!(it, Opt::Unique | Opt::Set | Opt::Unordered);
        if options.iter().filter(of_array).count() > 1 {
            self.bad(place, "only one of unique, set and unordered can stand there");
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
        let text = self.merged.package.pattern(pattern);
        if let Err(reason) = text.and_then(|text| Pattern::new(text, &mut self.room)) {
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

pub(super) fn name_of(option: &Opt) -> &'static str {
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

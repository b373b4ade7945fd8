//! The letters of the options, dialect by dialect.

use super::package::{Dialect, Opt};

/// Where an option stands: the same letter can mean two things.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Of {
    Type,
    Field,
}

impl Dialect {
    /// The standard that it belongs to.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csd01 => "JADN v1.0 CSD01",
            Self::Transitional => "JADN between v1.0 CSD01 and CS01",
            Self::Cs01 => "JADN v1.0 CS01",
        }
    }

    /// What an option of a schema file means.
    pub(super) fn option(self, text: &str, of: Of) -> Result<Opt, String> {
        let letter = text.chars().next().ok_or("an option is empty")?;
        let rest = &text[letter.len_utf8()..];
        let name = || rest.to_owned();
        let integer = || rest.parse().map_err(|_| format!("{text:?} holds no integer"));
        let count = || rest.parse().map_err(|_| format!("{text:?} holds no count"));
        let number = || match rest.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("{text:?} holds no number")),
        };
        Ok(match (self, letter, of) {
            (_, '=', _) if rest.is_empty() => Opt::Id,
            (Self::Csd01, '*', Of::Field) if rest.is_empty() => Opt::Derived,
            (Self::Transitional, '*', _) if rest.starts_with('$') => {
                Opt::ValueType(format!("#{}", &rest[1..]))
            }
            (_, '*', _) if !rest.is_empty() => Opt::ValueType(name()),
            (_, '[', Of::Field) => Opt::MinCount(count()?),
            (_, ']', Of::Field) => Opt::MaxCount(count()?),
            (Self::Csd01, '[', Of::Type) => Opt::Min(integer()?),
            (Self::Csd01, ']', Of::Type) => Opt::Max(integer()?),
            (Self::Csd01, '$', _) => Opt::Pattern(name()),
            (Self::Csd01 | Self::Transitional, '@', _) => Opt::Format(name()),
            (_, '&', Of::Field) if !rest.is_empty() => Opt::Tag(name()),
            (_, '!', _) => Opt::Default(name()),
            (Self::Transitional | Self::Cs01, _, _) => match letter {
                '+' if !rest.is_empty() => Opt::KeyType(name()),
                '#' if !rest.is_empty() => Opt::Enum(name()),
                '>' if !rest.is_empty() => Opt::Pointer(name()),
                '/' if !rest.is_empty() => Opt::Format(name()),
                '%' => Opt::Pattern(name()),
                'y' => Opt::MinNumber(number()?),
                'z' => Opt::MaxNumber(number()?),
                '{' => Opt::Min(integer()?),
                '}' => Opt::Max(integer()?),
                'q' if rest.is_empty() => Opt::Unique,
                's' if rest.is_empty() => Opt::Set,
                'b' if rest.is_empty() => Opt::Unordered,
                'X' if rest.is_empty() => Opt::Extend,
                '<' if rest.is_empty() && of == Of::Field => Opt::Dir,
                'K' if rest.is_empty() && of == Of::Field => Opt::Key,
                'L' if rest.is_empty() && of == Of::Field => Opt::Link,
                _ => return Err(self.no_option(text, of)),
            },
            _ => return Err(self.no_option(text, of)),
        })
    }

    fn no_option(self, text: &str, of: Of) -> String {
        let of = if of == Of::Type { "type" } else { "field" };
        format!("{text:?} is no option of a {of} in {}", self.as_str())
    }

    /// Whether it has a way to say that.
    #[must_use]
    pub fn can_say(self, option: &Opt) -> bool {
        self.letters(option).is_some()
    }

    /// How an option is written. `None`: this dialect cannot say it.
    pub(super) fn letters(self, option: &Opt) -> Option<String> {
        let is_old = self == Self::Csd01;
        let new = |text: String| (!is_old).then_some(text);
        match option {
            Opt::Id => Some("=".to_owned()),
            Opt::ValueType(name) => Some(format!("*{name}")),
            Opt::Derived => is_old.then(|| "*".to_owned()),
            Opt::KeyType(name) => new(format!("+{name}")),
            Opt::Enum(name) => new(format!("#{name}")),
            Opt::Pointer(name) => new(format!(">{name}")),
            Opt::Format(name) => Some(format!("{}{name}", if is_old { '@' } else { '/' })),
            Opt::Pattern(text) => Some(format!("{}{text}", if is_old { '$' } else { '%' })),
            Opt::MinNumber(number) => new(format!("y{number}")),
            Opt::MaxNumber(number) => new(format!("z{number}")),
            Opt::Min(number) => Some(format!("{}{number}", if is_old { '[' } else { '{' })),
            Opt::Max(number) => Some(format!("{}{number}", if is_old { ']' } else { '}' })),
            Opt::Unique => new("q".to_owned()),
            Opt::Set => new("s".to_owned()),
            Opt::Unordered => new("b".to_owned()),
            Opt::Extend => new("X".to_owned()),
            Opt::Default(text) => Some(format!("!{text}")),
            Opt::MinCount(count) => Some(format!("[{count}")),
            Opt::MaxCount(count) => Some(format!("]{count}")),
            Opt::Tag(name) => Some(format!("&{name}")),
            Opt::Dir => new("<".to_owned()),
            Opt::Key => new("K".to_owned()),
            Opt::Link => new("L".to_owned()),
        }
    }
}

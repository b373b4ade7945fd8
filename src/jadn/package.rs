//! A schema file as it was written, whatever its dialect.

use serde_json::{Map, Value};

/// Which JADN a file is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// JADN v1.0 CSD01 and `OpenC2` Language 1.0 CSD07: `meta`, options `[ ] * $ @ = &`.
    Csd01,
    /// Between the two (the published 1.0.1 files): `meta`, options of CS01.
    Transitional,
    /// JADN v1.0 CS01: `info`.
    Cs01,
}

/// A schema: what it says of itself, and its types in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// How it was written.
    pub dialect: Dialect,
    /// `meta` or `info`.
    pub header: Header,
    /// Its types.
    pub types: Vec<Type>,
}

/// What a schema says of itself, as it stood in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Header {
    /// The members of `meta` or `info`, in their order.
    pub members: Map<String, Value>,
}

/// A type as it was defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    /// Its name; `nsid:Name` once it was imported.
    pub name: String,
    /// The built-in type that it is made from.
    pub base: Base,
    /// Its options, in the order of the file.
    pub options: Vec<Opt>,
    /// What it is for; may be empty.
    pub description: String,
    /// Its items or fields.
    pub content: Content,
}

/// What stands inside a type.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Nothing: a primitive type, `ArrayOf`, `MapOf`, or a derived enumeration.
    Nothing,
    /// The items of an Enumerated.
    Items(Vec<Item>),
    /// The fields of an Array, Choice, Map or Record.
    Fields(Vec<Field>),
}

/// One value of an enumeration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it means; may be empty.
    pub description: String,
}

/// One field of a compound type.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its number.
    pub id: i64,
    /// Its name; may be empty in an Array of [`Dialect::Csd01`].
    pub name: String,
    /// Name of its type, built in or defined.
    pub type_name: String,
    /// Options of the field, and of its type where that is built in.
    pub options: Vec<Opt>,
    /// What it means; may be empty.
    pub description: String,
}

/// The built-in types (JADN v1.0 CS01, section 3.1; Null of CSD01, section 2.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Base {
    Binary,
    Boolean,
    Integer,
    Number,
    Null,
    String,
    Enumerated,
    Choice,
    Array,
    ArrayOf,
    Map,
    MapOf,
    Record,
    /// Any value at all; used by language 1.1 and the transitional files without a definition.
    Any,
}

impl Base {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Binary,
        Self::Boolean,
        Self::Integer,
        Self::Number,
        Self::Null,
        Self::String,
        Self::Enumerated,
        Self::Choice,
        Self::Array,
        Self::ArrayOf,
        Self::Map,
        Self::MapOf,
        Self::Record,
        Self::Any,
    ];

    /// Its name in a schema file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "Binary",
            Self::Boolean => "Boolean",
            Self::Integer => "Integer",
            Self::Number => "Number",
            Self::Null => "Null",
            Self::String => "String",
            Self::Enumerated => "Enumerated",
            Self::Choice => "Choice",
            Self::Array => "Array",
            Self::ArrayOf => "ArrayOf",
            Self::Map => "Map",
            Self::MapOf => "MapOf",
            Self::Record => "Record",
            Self::Any => "Any",
        }
    }

    /// The built-in type of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|base| base.as_str() == name)
    }
}

/// An option of a type or a field, by its meaning; the letters are the dialect's.
#[derive(Clone, Debug, PartialEq)]
pub enum Opt {
    /// Keys or values are numbers (`.ID`).
    Id,
    /// Type of the elements of `ArrayOf` or the values of `MapOf`. `#T` and `>T` are derived.
    ValueType(String),
    /// Type of the keys of `MapOf`.
    KeyType(String),
    /// Enumeration of the fields of this type.
    Enum(String),
    /// Enumeration of the paths into this type.
    Pointer(String),
    /// CSD01, in a field: an enumeration of the fields of the field's own type.
    Derived,
    /// A named semantic constraint.
    Format(String),
    /// A regular expression.
    Pattern(String),
    /// Least value of a Number.
    MinNumber(f64),
    /// Greatest value of a Number.
    MaxNumber(f64),
    /// Least integer, length or count.
    Min(i64),
    /// Greatest integer, length or count; 0 for a length or count is the default of the package.
    Max(i64),
    /// No element stands twice.
    Unique,
    /// A set: no order, no element twice.
    Set,
    /// Order means nothing.
    Unordered,
    /// May get more fields later; changes no verdict.
    Extend,
    /// The value where none is given; changes no verdict.
    Default(String),
    /// Fewest times that a field stands; 0: may be left out.
    MinCount(u32),
    /// Most times that a field stands; 0: any number.
    MaxCount(u32),
    /// Name or number of the field that says which alternative this one is.
    Tag(String),
    /// CS01: a folder of fields; changes no verdict.
    Dir,
    /// CS01: this field is the key of its type.
    Key,
    /// CS01: holds the key of an instance of its type.
    Link,
}

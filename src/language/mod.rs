//! Versions of the language and actuator profiles, each a schema; put together
//! into the one by which messages are judged.
//!
//! A [`Profile`] is a file that was read and checked. A [`Language`] is one
//! version of the language with what some profiles add to it, compiled.

mod added;
mod library;
mod merge;
mod profile;
mod subset;
mod version;

use std::sync::OnceLock;

use merge::Core;
use serde::Deserialize;
use serde_json::Value;

use crate::encoding::MAX_DEPTH;
use crate::jadn::{Base, Bounds, Content, Form, NodeId, Opt, Package, Problem, Schema, Tape};
use crate::openc2::{Members, Pairs, TargetName};

pub use library::{Flawed, Library};
pub use merge::packages;
pub use profile::{NOT_TAKEN_UP, Own, Profile};
pub use subset::Accepted;
pub use version::Version;

/// The names that types have in a schema file, and those of the base types.
#[must_use]
pub fn names_in(file: &[u8]) -> Vec<String> {
    let types = Package::reading(file).package.map(|package| package.types).unwrap_or_default();
    let bases = Base::ALL.iter().map(|base| base.as_str().to_owned());
    types.into_iter().map(|it| it.name).chain(bases).collect()
}

/// Specifiers of profiles that the standards have as strings, also where they look like a number.
pub const TEXT_SPECIFIERS: [&str; 3] = ["asset_id", "hostname", "named_group"];

/// The language bounds its values itself where it wants to; the longest
/// message bounds all the others.
const BOUNDS: Bounds = Bounds { text_chars: u32::MAX, octets: u32::MAX, elements: u32::MAX };

/// What to do with hexadecimal digits in lower case. The standard has capitals (RFC 4648,
/// section 8), and its own examples have not.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum LowerCaseHex {
    /// They are read; what is sent is in capitals.
    #[default]
    Accept,
    /// They are a fault.
    Refuse,
}

/// One version of the language with what profiles add to it, ready to judge messages.
#[derive(Debug)]
pub struct Language {
    version: Version,
    package: Package,
    schema: Schema,
    message: NodeId,
    command: NodeId,
    response: NodeId,
}

impl Language {
    /// Puts a version of the language and profiles together.
    ///
    /// The targets of a profile, its arguments, specifiers and results stand
    /// under its namespace identifier (Language v1.1, section 3.1.4; v1.0
    /// CSD07, sections 3.3.3 and 3.3.4), its types are named `nsid:Name`.
    ///
    /// # Errors
    ///
    /// Two profiles of the same namespace identifier or number, and whatever
    /// of a profile does not fit this version.
    pub fn compile(version: Version, profiles: &[Profile]) -> Result<Self, Vec<Problem>> {
        Self::of(Core::built_in(version), profiles, LowerCaseHex::default())
    }

    fn of<'p>(
        core: &Core,
        profiles: impl IntoIterator<Item = &'p Profile>,
        lower_case_hex: LowerCaseHex,
    ) -> Result<Self, Vec<Problem>> {
        let version = core.version;
        let merged = merge::merge(core, profiles)?;
        let schema = Schema::compile(&tolerant(&merged.package), &merged.undefined, BOUNDS)
            .map_err(|problem| vec![problem])?
            .taking(added::added(version));
        let schema = match lower_case_hex {
            LowerCaseHex::Accept => schema,
            LowerCaseHex::Refuse => schema.without_lower_case_hex(),
        };
        let node = |name: &str| schema.type_named(name).expect("the language has this type");
        let (message, command, response) =
            (node(version.message()), node("OpenC2-Command"), node("OpenC2-Response"));
        Ok(Self { version, package: merged.package, schema, message, command, response })
    }

    /// A version of the language without any profile.
    #[must_use]
    pub fn core(version: Version) -> &'static Self {
        static CORE: [OnceLock<Language>; 2] = [OnceLock::new(), OnceLock::new()];
        CORE[version as usize]
            .get_or_init(|| Self::compile(version, &[]).expect("our own schemas are in order"))
    }

    /// Which version it is.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether it has a target; those of profiles that are not known here it may have.
    #[must_use]
    pub fn has_target(&self, target: &TargetName) -> bool {
        target.profile().is_some() || self.schema.fields_of("Target").any(|it| it == target.local())
    }

    /// Whether one of its types has a field of this name, or in CBOR of this number.
    #[must_use]
    pub fn has_field(&self, type_name: &str, key: &str) -> bool {
        let it = self.package.types.iter().find(|it| it.name == type_name);
        let Some(Content::Fields(fields)) = it.map(|it| &it.content) else { return false };
        fields.iter().any(|field| field.name == key || field.id.to_string() == key)
    }

    /// Those of some pairs whose targets it has.
    #[must_use]
    pub fn pairs_of(&self, pairs: &Pairs) -> Pairs {
        let mut pairs = pairs.clone();
        for targets in pairs.values_mut() {
            targets.retain(|target| self.has_target(target));
        }
        pairs.retain(|_, targets| !targets.is_empty());
        pairs
    }

    /// Whether an actuator of a profile that is known here can have such specifiers (Language
    /// v1.1, section 3.3.1.3); none at all it always can.
    ///
    /// # Errors
    ///
    /// What its schema says to them.
    pub fn judge_specifiers(&self, nsid: &str, specifiers: &Members) -> Result<(), String> {
        let Some(actuator) = self.schema.type_named("Actuator") else { return Ok(()) };
        if specifiers.is_empty() {
            return Ok(());
        }
        let named = Value::from_iter([(nsid, Value::Object(specifiers.clone()))]);
        let text = named.to_string();
        let mut tape = Tape::default();
        self.schema
            .judge_bytes(actuator, text.as_bytes(), Form::VERBOSE, MAX_DEPTH, &mut tape)
            .map_err(|fault| fault.to_string())
    }

    /// All types, those of profiles under their namespace identifiers.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// What messages are judged by.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The whole message as it travels: headers, body, signature (Transfer via
    /// MQTT v1.0, section 2.4).
    #[must_use]
    pub fn message(&self) -> NodeId {
        self.message
    }

    /// The command alone.
    #[must_use]
    pub fn command(&self) -> NodeId {
        self.command
    }

    /// The response alone.
    #[must_use]
    pub fn response(&self) -> NodeId {
        self.response
    }
}

/// The package as messages are judged by it, where the language contradicts itself.
///
/// A repeated feature counts once, and is no fault (Language v1.1, section
/// 3.4.1.5). A schema in a response of language 1.0 names the types of a
/// profile `nsid:Name`, as annex B.3 of CSD07 does, and the fields of an Array
/// not at all, as its annex A.2 does; what A.2 calls an identifier allows neither.
fn tolerant(package: &Package) -> Package {
    let mut package = package.clone();
    for it in &mut package.types {
        match it.name.as_str() {
            "Features" => it.options.retain(|option| *option != Opt::Unique),
            "jadn:Identifier" => it.options.iter_mut().for_each(like_the_annexes),
            _ => {}
        }
    }
    package
}

/// Lets an identifier be empty, or have a namespace identifier and a colon before it.
fn like_the_annexes(option: &mut Opt) {
    // Language v1.1, section 3.4.2.12.
    const NAMESPACE_CHARS: i64 = 16;
    match option {
        Opt::Pattern(pattern) => r"^(([a-zA-Z][\w-]*:)?[a-zA-Z][\w-]*)?$".clone_into(pattern),
        Opt::Min(chars) => *chars = 0,
        Opt::Max(chars) => *chars += NAMESPACE_CHARS + 1,
        _ => {}
    }
}

#[cfg(test)]
mod tests;

//! A version of the language and profiles, as one package.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::profile::{Own, Profile, problem};
use super::version::Version;
use crate::jadn::{Base, Content, Field, Merged, Opt, Package, Problem, Type, resolve};

const LANGUAGE_11: &[u8] = include_bytes!("../../schemas/oc2ls-1.1.jadn");
const LANGUAGE_10: &[u8] = include_bytes!("../../schemas/oc2ls-1.0-csd07.jadn");
const META_10: &[u8] = include_bytes!("../../schemas/jadn-1.0-csd07.jadn");
const ENVELOPE_10: &[u8] = include_bytes!("../../schemas/envelope-1.0.jadn");

/// The packages of the language, which profiles may import: 1.1, and then 1.0.
pub(super) fn core_packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| [LANGUAGE_11, LANGUAGE_10].into_iter().map(own).collect())
}

/// The schemas of the language that are built in, of both versions, and what they import.
pub fn packages() -> impl Iterator<Item = Package> {
    core_packages().iter().cloned().chain([own(META_10)])
}

fn own(file: &[u8]) -> Package {
    Package::read(file).expect("our own schemas can be read")
}

/// A version of the language without any profile, with the marks where profiles add to it.
#[derive(Debug)]
pub(super) struct Core {
    pub version: Version,
    merged: Merged,
}

impl Core {
    /// The one that is built in.
    pub fn built_in(version: Version) -> &'static Self {
        static CORE: [OnceLock<Core>; 2] = [OnceLock::new(), OnceLock::new()];
        CORE[version as usize].get_or_init(|| {
            let [newer, older] = core_packages() else { unreachable!("there are two") };
            let package = if version == Version::V1_1 { newer } else { older };
            Self::of(version, package).expect("our own schemas are in order")
        })
    }

    /// The version whose schema a package is, by its name.
    pub fn version_of(package: &Package) -> Option<Version> {
        let at = core_packages().iter().position(|it| it.name() == package.name())?;
        Version::ALL.get(at).copied()
    }

    /// Puts a schema of the language in order for profiles.
    ///
    /// # Errors
    ///
    /// Its mistakes, and types that it must have and has not.
    pub fn of(version: Version, package: &Package) -> Result<Self, Vec<Problem>> {
        let missing: Vec<Problem> = version
            .extensible()
            .iter()
            .chain(&["OpenC2-Command"])
            .filter(|name| !package.types.iter().any(|it| it.name == **name && has_fields(it)))
            .map(|name| problem(None, format!("the language has a type {name} with fields")))
            .collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let mut merged = match version {
            Version::V1_0 => core_10(package)?,
            Version::V1_1 => resolve(package, &[])?,
        };
        extend(&mut merged.package, version.extensible());
        // Headers may be added (Language v1.1, section 3.2).
        extend(&mut merged.package, &["Headers"]);
        let problems = merged.problems();
        if problems.is_empty() { Ok(Self { version, merged }) } else { Err(problems) }
    }
}

fn has_fields(it: &Type) -> bool {
    matches!(it.content, Content::Fields(_))
}

/// A schema of language 1.0 in the envelope, and with what annex A.1 of CSD07
/// leaves out: types that it names and does not have, and the status of a
/// response, which section 3.3.2 requires.
fn core_10(language: &Package) -> Result<Merged, Vec<Problem>> {
    let envelope = resolve(&own(ENVELOPE_10), &[language.clone(), own(META_10)])?;
    let mut package = envelope.package;
    // The envelope is ours; what it holds is the language, under its own names.
    let own_name = |name: &str| name.strip_prefix("ls:").unwrap_or(name).to_owned();
    for it in &mut package.types {
        it.name = own_name(&it.name);
        each_reference(it, &mut |name| *name = own_name(name));
    }
    package.header = language.header.clone();
    // Private-enterprise numbers stand for registered profiles, of which we have none; the
    // example of the annex must not be used (section 3.3.4).
    package.types.retain(|it| !it.name.starts_with("PE-"));
    for (name, base) in [
        ("Target", Base::Choice),
        ("Specifiers", Base::Choice),
        ("Args", Base::Map),
        ("Results", Base::Map),
    ] {
        let registered = open_type(&format!("PE-{name}"), base, &[Opt::Extend, Opt::Id]);
        package.types.push(registered);
        let unregistered = format!("Unr-{name}");
        if !package.types.iter().any(|it| it.name == unregistered) {
            package.types.push(open_type(&unregistered, base, &[Opt::Extend]));
        }
    }
    // The example of an imported profile; where ours has one, it is put here again.
    fields_mut(&mut package, "Target").retain(|field| field.type_name != "slpf:Target");
    for field in fields_mut(&mut package, "OpenC2-Response") {
        if field.name == "status" {
            field.options.retain(|option| *option != Opt::MinCount(0));
        }
    }
    Ok(Merged { package, undefined: Vec::new() }.with_gaps())
}

fn open_type(name: &str, base: Base, options: &[Opt]) -> Type {
    Type {
        name: name.to_owned(),
        base,
        options: options.to_vec(),
        description: String::new(),
        content: Content::Fields(Vec::new()),
    }
}

/// Marks types that others may add to.
fn extend(package: &mut Package, names: &[&str]) {
    for name in names {
        let options = &mut type_mut(package, name).options;
        if !options.contains(&Opt::Extend) {
            options.push(Opt::Extend);
        }
    }
}

fn type_mut<'p>(package: &'p mut Package, name: &str) -> &'p mut Type {
    let mut types = package.types.iter_mut();
    types.find(|it| it.name == name).expect("the language has this type")
}

fn fields_mut<'p>(package: &'p mut Package, name: &str) -> &'p mut Vec<Field> {
    match &mut type_mut(package, name).content {
        Content::Fields(fields) => fields,
        _ => unreachable!("types that profiles add to have fields"),
    }
}

/// Puts profiles into a version of the language.
pub(super) fn merge<'p>(
    core: &Core,
    profiles: impl IntoIterator<Item = &'p Profile>,
) -> Result<Merged, Vec<Problem>> {
    let mut profiles: Vec<_> = profiles.into_iter().collect();
    profiles.sort_by_key(|profile| profile.number());
    let collisions = collisions(&profiles);
    if !collisions.is_empty() {
        return Err(collisions);
    }
    let mut merged = core.merged.clone();
    let names: HashSet<_> = core.merged.package.types.iter().map(|it| it.name.as_str()).collect();
    for profile in profiles {
        add_types(&mut merged, &names, profile);
        add_fields(&mut merged.package, core.version, profile);
    }
    Ok(merged)
}

/// Profiles that cannot be told apart.
fn collisions(profiles: &[&Profile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut by_nsid, mut by_number) = (HashMap::new(), HashMap::new());
    for &profile in profiles {
        let (nsid, number) = (profile.nsid(), profile.number());
        if by_nsid.insert(nsid, profile).is_some() {
            let reason = format!("there are two profiles with the namespace identifier {nsid:?}");
            problems.push(problem(None, reason));
        } else if let Some(before) = by_number.insert(number, profile) {
            let reason = format!("the number {number} is that of {:?} as well", before.nsid());
            problems.push(problem(Some(&format!("Actuator.{nsid}")), reason));
        }
    }
    problems
}

/// Adds the types of a profile under its namespace. A type of the language
/// that it imports is the language's own, whatever version it had in mind; one
/// that this version lacks is never valid.
fn add_types(merged: &mut Merged, core: &HashSet<&str>, profile: &Profile) {
    let package = profile.package();
    let prefix = format!("{}:", profile.nsid());
    let local: HashSet<_> = package.types.iter().map(|it| it.name.as_str()).collect();
    let languages: Vec<&str> = core_packages().iter().filter_map(Package::name).collect();
    let imports = package.imports();
    for it in &package.types {
        let mut it = it.clone();
        it.name.insert_str(0, &prefix);
        package.settle(&mut it);
        each_reference(&mut it, &mut |name| {
            if local.contains(name.as_str()) {
                name.insert_str(0, &prefix);
                return;
            }
            let Some((nsid, inner)) = name.split_once(':') else { return };
            let imported = imports.iter().find(|(known, _)| *known == nsid).map(|it| it.1);
            if imported.is_some_and(|it| languages.contains(&it)) && core.contains(inner) {
                *name = inner.to_owned();
            } else if imported == package.name() {
                *name = format!("{prefix}{inner}");
            } else if !merged.undefined.contains(name) {
                merged.undefined.push(name.clone());
            }
        });
        merged.package.types.push(it);
    }
}

/// Every type that a type names, without the marks of derived ones.
pub(super) fn each_reference(it: &mut Type, see: &mut dyn FnMut(&mut String)) {
    let mut marked = |name: &mut String| {
        let plain_at = name.len() - name.trim_start_matches(['#', '>']).len();
        let mut plain = name.split_off(plain_at);
        if Base::named(&plain).is_none() {
            see(&mut plain);
        }
        name.push_str(&plain);
    };
    let mut option = |option: &mut Opt| match option {
        Opt::ValueType(name) | Opt::KeyType(name) | Opt::Enum(name) | Opt::Pointer(name) => {
            marked(name);
        }
        _ => {}
    };
    it.options.iter_mut().for_each(&mut option);
    let Content::Fields(fields) = &mut it.content else { return };
    for field in &mut *fields {
        field.options.iter_mut().for_each(&mut option);
    }
    for field in fields {
        marked(&mut field.type_name);
    }
}

/// Adds a profile where the language has room for it.
fn add_fields(package: &mut Package, version: Version, profile: &Profile) {
    let is_unregistered = version == Version::V1_0 && Version::is_unregistered(profile.nsid());
    let [target, specifiers, args, results] = if is_unregistered {
        ["Unr-Target", "Unr-Specifiers", "Unr-Args", "Unr-Results"]
    } else {
        ["Target", "Actuator", "Args", version.results()]
    };
    fields_mut(package, specifiers).push(row(profile, profile.specifiers(), &[]));
    for (own, into) in [(Own::Args, args), (Own::Results, results)] {
        if profile.own(own).is_some() {
            fields_mut(package, into).push(row(profile, own.as_str(), &[Opt::MinCount(0)]));
        }
    }
    let name = format!("{}:{}", profile.nsid(), Own::Target.as_str());
    let Some(own) = package.types.iter().find(|it| it.name == name) else { return };
    let Content::Fields(own) = own.content.clone() else { return };
    let fields = fields_mut(package, target);
    match version {
        Version::V1_0 => {
            fields.push(row(profile, Own::Target.as_str(), &[]));
            open_to_strangers(package, &name);
        }
        Version::V1_1 => own.into_iter().for_each(|target| {
            let flat = flat(fields, profile, target);
            fields.push(flat);
        }),
    }
}

/// Marks the targets of a profile, so that one that it does not have is not implemented, as in
/// language 1.1, and not malformed; unless something else is made of them, where it would be.
fn open_to_strangers(package: &mut Package, name: &str) {
    let mut named = 0;
    for it in &package.types {
        each_reference(&mut it.clone(), &mut |other| named += usize::from(other == name));
    }
    let options = &mut type_mut(package, name).options;
    options.retain(|option| *option != Opt::Extend);
    if named == 1 {
        options.push(Opt::Extend);
    }
}

/// The row of a profile in a type of the language.
fn row(profile: &Profile, type_name: &str, options: &[Opt]) -> Field {
    let nsid = profile.nsid();
    Field {
        id: profile.number(),
        name: nsid.to_owned(),
        type_name: format!("{nsid}:{type_name}"),
        options: options.to_vec(),
        description: String::new(),
    }
}

/// A target of a profile as language 1.1 names it.
///
/// It keeps its number, by which CBOR knows it, unless a profile of a lower
/// number has that already, as all profiles of the standard count from 1024:
/// then it is behind the number of its profile.
fn flat(fields: &[Field], profile: &Profile, target: Field) -> Field {
    let is_taken = fields.iter().any(|field| field.id == target.id);
    let id = if is_taken { (profile.number() << 16) | target.id } else { target.id };
    Field { id, name: format!("{}:{}", profile.nsid(), target.name), ..target }
}

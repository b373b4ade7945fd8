//! The languages and profiles that are known to this bridge.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::merge::Core;
use super::profile::problem;
use super::{Language, LowerCaseHex, Profile, Version};
use crate::jadn::{Package, Problem};

/// The profiles that are built in.
const PROFILES: [&[u8]; 2] =
    [include_bytes!("../../schemas/slpf-1.0.jadn"), include_bytes!("../../schemas/x-iot-1.0.jadn")];

/// Every profile that is known, and both versions of the language with all of them.
///
/// A copy of it is the same one.
#[derive(Clone)]
pub struct Library {
    books: Arc<Books>,
    is_whole: bool,
}

struct Books {
    profiles: BTreeMap<String, Profile>,
    lower_case_hex: LowerCaseHex,
    /// In the order of [`Version::ALL`].
    languages: [Language; 2],
}

/// A mistake in one of the files.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flawed {
    /// Which file, by its place among those that were given; `None` where it is none of them.
    pub file: Option<usize>,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Library {
    /// What is built in.
    #[must_use]
    pub fn built_in() -> Self {
        Self::built_in_once().clone()
    }

    /// The same, which is there once.
    #[must_use]
    pub fn built_in_once() -> &'static Self {
        static BUILT_IN: OnceLock<Library> = OnceLock::new();
        BUILT_IN.get_or_init(|| {
            Self::with(&[], LowerCaseHex::default()).expect("our own schemas are in order")
        })
    }

    /// What is built in, with these schema files over it.
    ///
    /// A profile replaces the one of the same namespace identifier, and a
    /// schema of the language the one of the same package; any other adds a profile.
    /// Messages are read by them with hexadecimal digits in lower case or without.
    ///
    /// # Errors
    ///
    /// Every mistake in every file.
    pub fn with(files: &[Vec<u8>], lower_case_hex: LowerCaseHex) -> Result<Self, Vec<Flawed>> {
        let mut shelf = Shelf::default();
        for (at, file) in files.iter().enumerate() {
            let read = shelf.put(at, file);
            let flawed = |problem| Flawed { file: Some(at), problem };
            shelf.flawed.extend(read.err().into_iter().flatten().map(flawed));
        }
        for file in PROFILES {
            let profile = Profile::read(file).expect("our own schemas are in order");
            shelf.profiles.entry(profile.nsid().to_owned()).or_insert((None, profile));
        }
        shelf.bind(lower_case_hex)
    }

    /// The same where others were to be read as well, and could not: of no profile it is known
    /// then whether it is that of a file, or not there at all.
    #[must_use]
    pub fn in_doubt(self) -> Self {
        Self { is_whole: false, ..self }
    }

    /// Whether all that was to be read is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// A profile by its namespace identifier.
    #[must_use]
    pub fn profile(&self, nsid: &str) -> Option<&Profile> {
        self.books.profiles.get(nsid)
    }

    /// All of them, by their namespace identifiers.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.books.profiles.values()
    }

    /// A version of the language with all profiles.
    #[must_use]
    pub fn language(&self, version: Version) -> &Language {
        let [newer, older] = &self.books.languages;
        if version == Version::V1_1 { newer } else { older }
    }

    /// Every version of the language with all profiles, the newest first.
    #[must_use]
    pub fn languages(&self) -> [&Language; 2] {
        Version::ALL.map(|version| self.language(version))
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Library").field(&self.books.profiles.keys()).finish()
    }
}

impl Default for Library {
    fn default() -> Self {
        Self::built_in()
    }
}

/// Two are equal where they have the same profiles, and read them the same way.
impl PartialEq for Library {
    fn eq(&self, other: &Self) -> bool {
        let both = Version::ALL.into_iter();
        let reads_the_same = self.books.lower_case_hex == other.books.lower_case_hex;
        Arc::ptr_eq(&self.books, &other.books)
            || reads_the_same
                && both
                    .map(|it| (self.language(it), other.language(it)))
                    .all(|(a, b)| a.package() == b.package())
    }
}

/// What was read so far; each with the file that it is from.
#[derive(Default)]
struct Shelf {
    profiles: BTreeMap<String, (Option<usize>, Profile)>,
    cores: BTreeMap<Version, (usize, Core)>,
    flawed: Vec<Flawed>,
}

impl Shelf {
    fn put(&mut self, at: usize, file: &[u8]) -> Result<(), Vec<Problem>> {
        let package = Package::read(file)?;
        if let Some(version) = Core::version_of(&package) {
            let core = Core::of(version, &package)?;
            if self.cores.insert(version, (at, core)).is_some() {
                let reason = format!("another file has language {version} as well");
                return Err(vec![problem(None, reason)]);
            }
            return Ok(());
        }
        let profile = Profile::of(package)?;
        let nsid = profile.nsid().to_owned();
        if self.profiles.insert(nsid.clone(), (Some(at), profile)).is_some() {
            let reason = format!("another file has the profile {nsid:?} as well");
            return Err(vec![problem(None, reason)]);
        }
        Ok(())
    }

    fn bind(self, lower_case_hex: LowerCaseHex) -> Result<Library, Vec<Flawed>> {
        let Self { profiles, cores, mut flawed } = self;
        let mut compile = |version: Version| {
            let core = cores.get(&version);
            let core = core.map_or_else(|| Core::built_in(version), |(_, core)| core);
            let profiles_alone = profiles.values().map(|(_, profile)| profile);
            let compiled = Language::of(core, profiles_alone, lower_case_hex);
            compiled.map_err(|problems| {
                for problem in problems {
                    // A problem of the whole begins with the profile that it is about.
                    let of = |(nsid, (file, _)): (&String, &(Option<usize>, Profile))| {
                        let place = problem.place.as_deref().unwrap_or_default();
                        let is_its = place == format!("Actuator.{nsid}")
                            || place.starts_with(&format!("{nsid}:"));
                        is_its.then_some(*file).flatten()
                    };
                    let file = profiles.iter().find_map(of);
                    let entry = Flawed { file, problem };
                    if !flawed.contains(&entry) {
                        flawed.push(entry);
                    }
                }
            })
        };
        let languages = Version::ALL.map(&mut compile);
        match languages {
            [Ok(newer), Ok(older)] if flawed.is_empty() => {
                let profiles = profiles.into_iter().map(|(nsid, (_, it))| (nsid, it)).collect();
                let languages = [newer, older];
                let books = Arc::new(Books { profiles, lower_case_hex, languages });
                Ok(Library { books, is_whole: true })
            }
            _ => Err(flawed),
        }
    }
}

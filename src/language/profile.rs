//! Actuator profiles: what a schema file must have to be one.

use std::collections::BTreeSet;

use super::merge::{core_packages, each_reference};
use crate::format;
use crate::jadn::{Base, Content, Field, Merged, Package, Problem, Type, resolve};
use crate::openc2::{Action, Pairs, TargetName};

/// Least number of a namespace (Language v1.0 CSD07, section 3.3.4: by convention 1000).
const MIN_NUMBER: i64 = 1000;

/// What a profile adds to the language, by the names of the types that it exports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Own {
    /// Its targets: a Choice.
    Target,
    /// Its arguments: a Map.
    Args,
    /// Its results: a Map.
    Results,
    /// The targets of each action: a Map from actions to enumerations.
    Pairs,
}

/// What is wrong with a type of a profile that is not named as one that counts, and named by none.
pub const NOT_TAKEN_UP: &str = "no message can have this type: of a profile Actuator, Target, Args, \
    Results and Pairs are taken up, and none of them leads to it";

impl Own {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Target, Self::Args, Self::Results, Self::Pairs];

    /// Name of the type in the profile's schema.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "Target",
            Self::Args => "Args",
            Self::Results => "Results",
            Self::Pairs => "Pairs",
        }
    }
}

/// An actuator profile: a schema that was read, and found to say what a profile must.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    nsid: String,
    number: i64,
    specifiers: String,
    pairs: Pairs,
    package: Package,
}

impl Profile {
    /// Reads the schema file of a profile and checks it.
    ///
    /// Its type `Actuator` is a Choice with the one row that the profile adds
    /// to the Actuator of the language: its number, its namespace identifier
    /// and the type of its specifiers. Its types `Target`, `Args`, `Results`
    /// and `Pairs` are what it adds elsewhere; only `Pairs` must be there. It
    /// may import the language, of either version, and name its types.
    ///
    /// # Errors
    ///
    /// Every mistake, with its type and field.
    pub fn read(file: &[u8]) -> Result<Self, Vec<Problem>> {
        Self::of(Package::read(file)?)
    }

    /// The same, of a schema that was read.
    ///
    /// # Errors
    ///
    /// Every mistake, with its type and field.
    pub fn of(package: Package) -> Result<Self, Vec<Problem>> {
        let merged = resolve(&package, core_packages())?;
        let mut problems = merged.problems();
        // Language 1.0 names types that it does not have; that is not the profile's mistake.
        let type_of = |place: &str| place.split('.').next().is_some_and(|it| it.contains(':'));
        problems.retain(|it| !it.place.as_deref().is_some_and(type_of));
        for it in &package.types {
            each_reference(&mut it.clone(), &mut |name| {
                if merged.undefined.contains(name) {
                    let reason = format!("no type {name:?} is defined, nor imported");
                    problems.push(problem(Some(&it.name), reason));
                }
            });
        }
        // One of the header hides nothing that is wrong with the types.
        if problems.iter().any(|it| it.place.is_some()) {
            return Err(problems);
        }
        let mut examiner = Examiner { merged: &merged, problems };
        let actuator = examiner.actuator();
        let pairs = examiner.pairs(actuator.as_ref().map(|(_, nsid, _)| nsid.as_str()));
        examiner.taken_up(&package);
        let (number, nsid, specifiers) = actuator.unwrap_or_default();
        if examiner.problems.is_empty() {
            Ok(Self { nsid, number, specifiers, pairs, package })
        } else {
            Err(examiner.problems)
        }
    }

    /// Its namespace identifier, such as `slpf`.
    #[must_use]
    pub fn nsid(&self) -> &str {
        &self.nsid
    }

    /// The number of its namespace, which stands for the identifier in CBOR.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.number
    }

    /// The targets of each action that it has.
    #[must_use]
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Its schema as it was read.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// What its schema calls itself.
    #[must_use]
    pub fn unique_name(&self) -> &str {
        self.package.name().unwrap_or(&self.nsid)
    }

    /// Name of the type of its specifiers.
    pub(super) fn specifiers(&self) -> &str {
        &self.specifiers
    }

    /// A type that it adds to the language, where it has one.
    #[must_use]
    pub fn own(&self, own: Own) -> Option<&Type> {
        self.package.types.iter().find(|it| it.name == own.as_str())
    }
}

/// Looks for what a profile must have, once the schema itself is in order.
struct Examiner<'m> {
    merged: &'m Merged,
    problems: Vec<Problem>,
}

impl Examiner<'_> {
    fn named(&self, name: &str) -> Option<&Type> {
        self.merged.package.types.iter().find(|it| it.name == name)
    }

    /// Fields of a type that must have this base, if it is there.
    fn fields(&mut self, own: &str, base: Base) -> Option<Vec<Field>> {
        match self.named(own) {
            None => None,
            Some(Type { base: found, content: Content::Fields(fields), .. }) if *found == base => {
                Some(fields.clone())
            }
            Some(_) => {
                let reason = format!("in a profile this is a {} with fields", base.as_str());
                self.problems.push(problem(Some(own), reason));
                None
            }
        }
    }

    fn actuator(&mut self) -> Option<(i64, String, String)> {
        let before = self.problems.len();
        let fields = self.fields("Actuator", Base::Choice);
        let row = match fields.as_deref() {
            Some([row]) => row.clone(),
            Some(rows) => {
                let reason = format!(
                    "it has {} rows; a profile has one: its number, its namespace identifier \
                     and the type of its specifiers",
                    rows.len()
                );
                self.problems.push(problem(Some("Actuator"), reason));
                return None;
            }
            None if self.problems.len() > before => return None,
            None => {
                let reason = "a profile has a type Actuator: a Choice of one row, with its number, \
                              its namespace identifier and the type of its specifiers";
                self.problems.push(problem(None, reason));
                return None;
            }
        };
        let place = format!("Actuator.{}", row.name);
        if let Err(flaw) = format::nsid(&row.name) {
            let reason = format!("expected a namespace identifier: {flaw}");
            self.problems.push(problem(Some(&place), reason));
        }
        if row.id < MIN_NUMBER {
            let reason = format!("the number of a profile is at least {MIN_NUMBER}");
            self.problems.push(problem(Some(&place), reason));
        }
        let specifiers = self.named(&row.type_name).map(|it| it.base);
        if !matches!(specifiers, Some(Base::Map | Base::MapOf | Base::Record)) {
            let reason = format!("its specifiers, {}, are no Map", row.type_name);
            self.problems.push(problem(Some(&place), reason));
        }
        for own in [Own::Args, Own::Results] {
            self.fields(own.as_str(), Base::Map);
        }
        Some((row.id, row.name, row.type_name))
    }

    /// The pairs; `None` for the namespace identifier where it could not be read.
    fn pairs(&mut self, nsid: Option<&str>) -> Pairs {
        let own: BTreeSet<String> = self.targets().into_iter().collect();
        let mut pairs = Pairs::new();
        let before = self.problems.len();
        let Some(rows) = self.fields(Own::Pairs.as_str(), Base::Map) else {
            if self.problems.len() == before {
                let reason = "a profile has a type Pairs: a Map from actions to enumerations of \
                              their targets";
                self.problems.push(problem(None, reason));
            }
            return pairs;
        };
        for row in rows {
            let place = format!("Pairs.{}", row.name);
            match row.name.parse::<Action>() {
                Ok(action) => {
                    let targets = self.paired(&place, &row.type_name, nsid, &own);
                    pairs.insert(action, targets);
                }
                Err(error) => self.problems.push(problem(Some(&place), error.to_string())),
            }
        }
        let paired: BTreeSet<&str> = pairs
            .values()
            .flatten()
            .filter(|it| it.profile().is_some())
            .map(TargetName::local)
            .collect();
        for target in own.iter().filter(|it| !paired.contains(it.as_str())) {
            let place = format!("Target.{target}");
            self.problems.push(problem(Some(&place), "no action in Pairs has this target"));
        }
        pairs
    }

    /// Types that no message can have.
    fn taken_up(&mut self, package: &Package) {
        let named: Vec<&str> = package.types.iter().map(|it| it.name.as_str()).collect();
        let mut wanted: Vec<String> = vec!["Actuator".to_owned()];
        wanted.extend(Own::ALL.iter().map(|own| own.as_str().to_owned()));
        let mut reached = BTreeSet::new();
        while let Some(name) = wanted.pop() {
            let Some(it) = package.types.iter().find(|it| it.name == name) else { continue };
            if reached.insert(name) {
                each_reference(&mut it.clone(), &mut |name| {
                    // Its own namespace may stand before a name.
                    let local = name.split_once(':').map_or(name.as_str(), |(_, local)| local);
                    wanted.push(if named.contains(&name.as_str()) {
                        name.clone()
                    } else {
                        local.to_owned()
                    });
                });
            }
        }
        let strays: Vec<&Type> =
            package.types.iter().filter(|it| !reached.contains(&it.name)).collect();
        // Those that lead to the others; of a circle all.
        let is_led_to =
            |it: &&Type| strays.iter().any(|other| other.name != it.name && other.names(&it.name));
        let mut told: Vec<&Type> = strays.iter().copied().filter(|it| !is_led_to(it)).collect();
        if told.is_empty() {
            told = strays;
        }
        for stray in told {
            // `Arguments` for `Args`.
            let start = |name: &str| name.chars().take(3).collect::<String>().to_lowercase();
            let missing = Own::ALL
                .map(Own::as_str)
                .into_iter()
                .find(|own| !named.contains(own) && start(own) == start(&stray.name));
            let hint = missing.map_or_else(String::new, |own| format!("; did you mean {own}?"));
            self.problems.push(problem(Some(&stray.name), format!("{NOT_TAKEN_UP}{hint}")));
        }
    }

    /// Names of the profile's own targets.
    fn targets(&mut self) -> Vec<String> {
        let fields = self.fields(Own::Target.as_str(), Base::Choice).unwrap_or_default();
        for field in &fields {
            if let Err(flaw) = format::target_name(&field.name) {
                let place = format!("Target.{}", field.name);
                self.problems.push(problem(Some(&place), format!("expected a name: {flaw}")));
            }
        }
        fields.into_iter().map(|field| field.name).collect()
    }

    /// The targets in an enumeration that a row of Pairs names.
    fn paired(
        &mut self,
        row: &str,
        type_name: &str,
        nsid: Option<&str>,
        own: &BTreeSet<String>,
    ) -> Vec<TargetName> {
        let Some(Type { content: Content::Items(items), .. }) = self.named(type_name) else {
            let reason = format!("{type_name} is no Enumerated of targets");
            self.problems.push(problem(Some(row), reason));
            return Vec::new();
        };
        let mut targets = Vec::new();
        for item in items.clone() {
            let reason = match item.name.parse::<TargetName>() {
                Ok(target) => match target.profile() {
                    Some(_) if !own.contains(target.local()) => {
                        let here =
                            nsid.map(|nsid| format!(", whose names here begin with {nsid}:"));
                        format!("there is no such row in Target{}", here.unwrap_or_default())
                    }
                    Some(profile) if nsid.is_some_and(|nsid| profile != nsid) => {
                        let nsid = nsid.unwrap_or_default();
                        format!("the names of Target begin with {nsid}: here")
                    }
                    _ => {
                        targets.push(target);
                        continue;
                    }
                },
                Err(error) => error.to_string(),
            };
            let place = format!("{type_name}.{}", item.name);
            self.problems.push(problem(Some(&place), reason));
        }
        targets
    }
}

pub(super) fn problem(place: Option<&str>, reason: impl Into<String>) -> Problem {
    Problem { place: place.map(str::to_owned), reason: reason.into() }
}

//! Which pairs an actuator has: those of its profile's schema, narrowed.

use std::collections::BTreeMap;

use crate::language::Profile;
use crate::openc2::{Action, Pairs, TargetName};

/// What a kind itself says of the pairs it supports.
#[derive(Clone, Debug)]
pub enum OwnPairs {
    /// Nothing.
    None,
    /// These, where neither a schema nor the configuration says others.
    Default(Pairs),
    /// These and no others.
    Only(Pairs),
}

/// Something wrong with the `pairs` of an actuator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unpaired {
    /// Where in `pairs`: `deny`, `deny[1]`; empty for all of it.
    pub at: String,
    /// What is wrong there.
    pub text: String,
    /// What stands there, where it might be a misspelling.
    pub found: Option<String>,
    /// What could stand there.
    pub known: Vec<String>,
}

impl Unpaired {
    fn whole(text: String) -> Self {
        Self { at: String::new(), text, found: None, known: Vec::new() }
    }
}

/// The pairs of an actuator: what is written, within what its kind can do and
/// its profile's schema has; all of that where nothing is written.
///
/// # Errors
///
/// Whatever is written and not within, with its place; nothing at all.
pub fn pairs(
    written: &BTreeMap<String, Vec<String>>,
    own: &OwnPairs,
    profile: Option<&Profile>,
) -> Result<Pairs, Vec<Unpaired>> {
    let within = Within { own, profile };
    if !written.is_empty() {
        return within.narrowed(written);
    }
    let all = match (own, profile) {
        (OwnPairs::None | OwnPairs::Default(_), Some(profile)) => profile.pairs().clone(),
        (OwnPairs::Default(own) | OwnPairs::Only(own), _) => {
            let mut own = own.clone();
            for (action, targets) in &mut own {
                targets.retain(|target| within.lacks(*action, target).is_none());
            }
            own.retain(|_, targets| !targets.is_empty());
            own
        }
        (OwnPairs::None, None) => {
            let text = "pairs is missing: which targets with which action? There is no schema \
                        of its profile that could say it";
            return Err(vec![Unpaired::whole(text.to_owned())]);
        }
    };
    if all.is_empty() {
        let text = "it has no pair at all: those of its map are not those of its profile";
        return Err(vec![Unpaired::whole(text.to_owned())]);
    }
    Ok(all)
}

/// What bounds the pairs of an actuator.
struct Within<'a> {
    own: &'a OwnPairs,
    profile: Option<&'a Profile>,
}

impl Within<'_> {
    fn narrowed(&self, written: &BTreeMap<String, Vec<String>>) -> Result<Pairs, Vec<Unpaired>> {
        let mut pairs = Pairs::new();
        let mut problems = Vec::new();
        for (name, targets) in written {
            let action = match name.parse::<Action>() {
                Ok(action) => action,
                Err(error) => {
                    let text = format!("pairs: {error}");
                    let found = Some(name.clone());
                    problems.push(Unpaired {
                        at: name.clone(),
                        text,
                        found,
                        known: self.actions(),
                    });
                    continue;
                }
            };
            for (index, written) in targets.iter().enumerate() {
                let within = written
                    .parse::<TargetName>()
                    .map_err(|error| format!("pairs.{action}: {error}"))
                    .and_then(|target| match self.lacks(action, &target) {
                        Some(who) => Err(format!("pairs.{action}: {who} has no {action} {target}")),
                        None => Ok(target),
                    });
                let text = match within {
                    Ok(target) => {
                        pairs.entry(action).or_default().push(target);
                        continue;
                    }
                    Err(text) => text,
                };
                problems.push(Unpaired {
                    at: format!("{name}[{index}]"),
                    text,
                    found: Some(written.clone()),
                    known: self.targets(action),
                });
            }
        }
        if pairs.is_empty() && problems.is_empty() {
            problems.push(Unpaired::whole("pairs names no target".to_owned()));
        }
        if problems.is_empty() { Ok(pairs) } else { Err(problems) }
    }

    /// Who does not have a pair: the map, or the profile.
    fn lacks(&self, action: Action, target: &TargetName) -> Option<String> {
        let has = |pairs: &Pairs| pairs.get(&action).is_some_and(|all| all.contains(target));
        match (self.own, self.profile) {
            (OwnPairs::Only(own), _) if !has(own) => Some("the map".to_owned()),
            (_, Some(profile)) if !has(profile.pairs()) => {
                Some(format!("the profile {}", profile.nsid()))
            }
            _ => None,
        }
    }

    fn bounds(&self) -> Option<&Pairs> {
        match (self.own, self.profile) {
            (OwnPairs::Only(own), _) => Some(own),
            (_, Some(profile)) => Some(profile.pairs()),
            _ => None,
        }
    }

    fn actions(&self) -> Vec<String> {
        match self.bounds() {
            Some(bounds) => bounds.keys().map(Action::to_string).collect(),
            None => Action::ALL.iter().map(Action::to_string).collect(),
        }
    }

    fn targets(&self, action: Action) -> Vec<String> {
        match self.bounds() {
            Some(bounds) => {
                bounds.get(&action).into_iter().flatten().map(ToString::to_string).collect()
            }
            None => TargetName::CORE.iter().map(ToString::to_string).collect(),
        }
    }
}

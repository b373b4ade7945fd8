//! A map that runs.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::compile;
use super::config::{Confirm, MapConfig, Qos, Vars};
use super::engine::{Expression, Text};
use super::shape::Shape;
use super::topic::Topic;
use crate::openc2::{Action, TargetName};

/// A mistake in a map, and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MapError {
    /// Name of the map.
    pub map: String,
    /// Which `[[map.NAME.command]]`, the first is 1; absent: the map itself.
    pub entry: Option<usize>,
    /// Key in that table, such as `publish.topic`.
    pub key: String,
    /// Line inside the template, the first is 1; where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "map {}", self.map)?;
        if let Some(entry) = self.entry {
            write!(f, ", command {entry}")?;
        }
        write!(f, ", {}", self.key)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Every mistake in a map that can be seen without a device.
#[must_use]
pub fn lint(name: &str, map: &MapConfig) -> Vec<MapError> {
    compile::compile(name, map).err().unwrap_or_default()
}

/// Names of the `v.*` that a device has to give: those without a default. None where the map has mistakes.
#[must_use]
pub fn needed_vars(name: &str, map: &MapConfig) -> BTreeSet<String> {
    let compiled = compile::compile(name, map);
    let uses = compiled.into_iter().flat_map(|compiled| compiled.var_uses);
    uses.map(|use_| use_.name).filter(|var| !map.vars.contains_key(var)).collect()
}

/// A map that runs.
#[derive(Debug)]
pub(super) struct CompiledMap {
    pub profile: String,
    pub online: Option<Online>,
    pub entries: Vec<Entry>,
    pub var_uses: Vec<VarUse>,
    /// Every `v.*` that a template names or that has a default.
    pub vars: BTreeSet<String>,
}

/// A place where a template relies on a `v.*`.
#[derive(Clone, Debug)]
pub(super) struct VarUse {
    pub name: String,
    /// The error, should it not be given.
    pub error: MapError,
}

/// How a device says that it is there.
#[derive(Debug)]
pub(super) struct Online {
    pub topic: Topic,
    pub when: Expression,
}

/// One thing that a device can be told.
#[derive(Debug)]
pub(super) struct Entry {
    pub actions: Vec<Action>,
    pub target: TargetName,
    pub takes: Option<Vec<Member>>,
    pub message: Option<Message>,
    pub reply: Option<Reply>,
    pub probe: Option<Probe>,
    pub stop: Option<Stop>,
    pub cancel: Option<Stop>,
    pub result: Vec<(String, Shape)>,
    pub confirm: Confirm,
}

/// A member that the target may have.
#[derive(Debug)]
pub(super) struct Member {
    pub name: String,
    pub is_optional: bool,
    pub when: Expression,
}

/// A message to the device.
#[derive(Debug)]
pub(super) struct Message {
    pub topic: Topic,
    pub body: Body,
    pub qos: Qos,
}

/// The payload of a [`Message`].
#[derive(Debug)]
pub(super) enum Body {
    Text(Text),
    Json(Shape),
}

/// How an answer is recognised and judged.
#[derive(Debug)]
pub(super) struct Reply {
    pub topic: Topic,
    pub matches: Expression,
    pub ok: Option<Expression>,
    pub text: Option<Text>,
    pub timeout: Duration,
    pub last: bool,
    /// It says which command it answers, so that several may be under way.
    pub has_id: bool,
}

/// The command that ends the effect of another.
#[derive(Debug)]
pub(super) struct Stop {
    pub action: Option<Text>,
    pub target: Option<Shape>,
}

/// A question to a device of which it is not known what it did.
#[derive(Debug)]
pub(super) struct Probe {
    /// Of silence; absent: only after a crash.
    pub after: Option<Duration>,
    pub message: Message,
}

impl CompiledMap {
    /// Each `v.*` that a device does not give and that nothing stands in for, where it is first used.
    pub(super) fn missing_vars(&self, vars: &Vars) -> Vec<MapError> {
        let mut told = BTreeSet::new();
        let uses = self.var_uses.iter().filter(|use_| !vars.contains_key(&use_.name));
        uses.filter(|use_| told.insert(&use_.name)).map(|use_| use_.error.clone()).collect()
    }

    /// The variables that a device gives and that stand nowhere in the map.
    pub(super) fn strange_vars<'v>(&self, given: &'v Vars) -> impl Iterator<Item = &'v String> {
        given.keys().filter(|name| !self.vars.contains(*name))
    }
}

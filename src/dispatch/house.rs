//! Who lives here: consumers, and the actuators behind each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::ops::Deref;

use super::{Address, Reason, Route};
use crate::language::{Library, Own, Version};
use crate::openc2::{Action, Actuator, Args, Command, Members, Pairs, Status, TargetName};

/// The consumers of this bridge and their actuators, as topics.toml has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct House {
    /// In the order of the file.
    pub consumers: Consumers,
    /// By name.
    pub actuators: BTreeMap<String, ActuatorFace>,
    /// The ways to consumers elsewhere; the first that matches counts.
    pub routes: Vec<Route>,
    /// The bridge itself, a producer as well, where it is given a name.
    pub producer: Option<String>,
    /// The versions of the language, with the profiles that are known here.
    pub library: Library,
}

/// The consumers of a house, in order; one is found by its identity without looking at the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consumers {
    list: Vec<Consumer>,
    /// Places in `list`; of two with the same identity the first.
    by_id: HashMap<String, usize>,
}

impl Consumers {
    /// Adds one at the end.
    pub fn push(&mut self, consumer: Consumer) {
        self.by_id.entry(consumer.id.clone()).or_insert(self.list.len());
        self.list.push(consumer);
    }

    /// The consumer with this identity.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Option<&Consumer> {
        self.by_id.get(id).map(|place| &self.list[*place])
    }
}

impl Deref for Consumers {
    type Target = [Consumer];

    fn deref(&self) -> &[Consumer] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Consumers {
    type Item = &'a Consumer;
    type IntoIter = std::slice::Iter<'a, Consumer>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

impl FromIterator<Consumer> for Consumers {
    fn from_iter<I: IntoIterator<Item = Consumer>>(consumers: I) -> Self {
        let mut all = Self::default();
        consumers.into_iter().for_each(|consumer| all.push(consumer));
        all
    }
}

/// An OpenC2 consumer: what producers address.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumer {
    /// Its device topic, and `headers.from` of its responses.
    pub id: String,
    /// Names of its actuators; where several fit, the first is taken.
    pub actuators: Vec<String>,
    /// Versions of the language that it speaks, the newest first. Never empty.
    pub versions: Vec<Version>,
    /// Commands a minute; `None` is no limit.
    pub rate_limit: Option<NonZeroU32>,
}

/// What the quiet room has to know of an actuator.
#[derive(Clone, Debug, PartialEq)]
pub struct ActuatorFace {
    /// Namespace identifier of the profile it implements.
    pub profile: String,
    /// What it can do.
    pub pairs: Pairs,
    /// The actuator specifiers it answers to (Language v1.1, section 3.1.4).
    pub specifiers: Members,
    /// Doing it twice is as good as doing it once.
    pub idempotent: bool,
    /// Commands it carries out at the same time.
    pub concurrency: usize,
    /// Commands that may wait for it.
    pub queue: usize,
    /// Of the pairs, those whose effect it can end when it is told to.
    pub stops: Pairs,
    /// Of the pairs, those of which it can say afterwards whether they were done.
    pub probes: Pairs,
    /// Of the pairs, those that it can give up while it works on them.
    pub cancels: Pairs,
    /// It sees to `stop_time` and `duration` itself, and is not told.
    pub enforces_time: bool,
}

impl ActuatorFace {
    /// Whether it can end the effect of a command when it is told to.
    pub(super) fn can_stop(&self, command: &Command) -> bool {
        has_pair(&self.stops, command)
    }

    /// Whether it can give a command up while it works on it.
    pub(super) fn can_cancel(&self, command: &Command) -> bool {
        has_pair(&self.cancels, command)
    }

    /// Whether it can say after a crash what became of a command.
    pub(super) fn can_tell(&self, command: &Command) -> bool {
        has_pair(&self.probes, command)
    }
}

fn has_pair(pairs: &Pairs, command: &Command) -> bool {
    let target = command.target.name();
    pairs.get(&command.action).is_some_and(|targets| targets.contains(target))
}

/// Who is to carry a command out.
#[derive(Debug, PartialEq)]
pub(super) enum Choice<'a> {
    /// This one.
    Actuator(&'a str),
    /// Nobody here is meant, and others may be: say nothing.
    NotMeant(Reason),
    /// Nobody here can.
    Refused(Status, Reason),
}

impl House {
    /// The consumers that an address means, in the order of the file.
    pub(super) fn addressed(&self, address: &Address) -> impl Iterator<Item = &Consumer> {
        let (one, many) = match address {
            Address::Device(id) => (self.consumers.with_id(id), &[][..]),
            Address::All | Address::Profile(_) => (None, &*self.consumers),
        };
        one.into_iter().chain(many.iter().filter(move |consumer| match address {
            Address::Profile(profile) => {
                self.faces(consumer).any(|(_, face)| face.profile == *profile)
            }
            Address::All | Address::Device(_) => true,
        }))
    }

    /// The consumer with this identity.
    pub(super) fn consumer(&self, id: &str) -> Option<&Consumer> {
        self.consumers.with_id(id)
    }

    /// The name under which the bridge itself speaks: its own, else the one that it has on its
    /// routes, else that of the only consumer here.
    pub(super) fn own_name(&self) -> Option<&str> {
        let own = self.producer.as_deref();
        let on_routes = self.routes.first().map(|route| route.identity.as_str());
        let only = match &*self.consumers {
            [only] => Some(only.id.as_str()),
            _ => None,
        };
        own.or(on_routes).or(only)
    }

    fn faces<'a>(
        &'a self,
        consumer: &'a Consumer,
    ) -> impl Iterator<Item = (&'a str, &'a ActuatorFace)> {
        consumer
            .actuators
            .iter()
            .filter_map(|name| Some((name.as_str(), self.actuators.get(name)?)))
    }

    /// Profiles that a consumer implements, each once, in order.
    pub(super) fn profiles(&self, consumer: &Consumer) -> Vec<String> {
        let mut profiles = Vec::new();
        for (_, face) in self.faces(consumer) {
            if !profiles.contains(&face.profile) {
                profiles.push(face.profile.clone());
            }
        }
        profiles
    }

    /// The specifiers of each of its actuators that implements a profile.
    pub(super) fn specifiers<'a>(
        &'a self,
        consumer: &'a Consumer,
        profile: &str,
    ) -> Vec<&'a Members> {
        let of_profile = self.faces(consumer).filter(|(_, face)| face.profile == profile);
        of_profile.map(|(_, face)| &face.specifiers).collect()
    }

    /// What a consumer accepts: the pairs of its actuators, and what the
    /// bridge answers itself: `query features`, as every consumer does
    /// (Language v1.1, section 4.1), and `query` and `cancel` of commands.
    pub(super) fn pairs(&self, consumer: &Consumer) -> Pairs {
        let mut sets: BTreeMap<Action, BTreeSet<TargetName>> = BTreeMap::new();
        sets.entry(Action::Query).or_default().insert(TargetName::Features);
        for action in [Action::Query, Action::Cancel] {
            sets.entry(action).or_default().insert(TargetName::Command);
        }
        for (_, face) in self.faces(consumer) {
            for (action, targets) in &face.pairs {
                sets.entry(*action).or_default().extend(targets.iter().cloned());
            }
        }
        sets.into_iter().map(|(action, targets)| (action, targets.into_iter().collect())).collect()
    }

    /// Whether a command that names an actuator means this consumer at all.
    /// `None` where it does, or names none.
    pub(super) fn not_meant(
        &self,
        consumer: &Consumer,
        address: &Address,
        wanted: Option<&Actuator>,
    ) -> Option<Choice<'static>> {
        let wanted = wanted?;
        let mut same_profile =
            self.faces(consumer).filter(|(_, face)| face.profile == wanted.profile).peekable();
        let id = &consumer.id;
        let (status, reason) = if same_profile.peek().is_none() {
            let unquoted = format!("{id} has no actuator of the profile that the command names");
            let text = format!("{id} has no actuator of profile {:?}", wanted.profile);
            (Status::NotImplemented, Reason::quoting(unquoted, text))
        } else if same_profile.any(|(_, face)| answers_to(face, wanted)) {
            return None;
        } else {
            let profile = &wanted.profile;
            // One of ours has it.
            let text = format!("no {profile:?} actuator of {id} answers to these specifiers");
            (Status::NotFound, Reason::Ours(text))
        };
        Some(match address {
            Address::Device(_) => Choice::Refused(status, reason),
            Address::All | Address::Profile(_) => Choice::NotMeant(reason),
        })
    }

    /// Finds the actuator for a command: the one that the command names, else
    /// one of the topic's profile, else one of the target's namespace, else
    /// the first that supports the pair.
    pub(super) fn choose<'a>(
        &'a self,
        consumer: &'a Consumer,
        address: &Address,
        action: Action,
        target: &TargetName,
        wanted: Option<&Actuator>,
    ) -> Choice<'a> {
        if let Some(choice) = self.not_meant(consumer, address, wanted) {
            return choice;
        }
        let supports = |face: &ActuatorFace| {
            face.pairs.get(&action).is_some_and(|targets| targets.contains(target))
        };
        let first = |fits: &dyn Fn(&ActuatorFace) -> bool| {
            self.faces(consumer)
                .find(|(_, face)| fits(face) && supports(face))
                .map(|(name, _)| Choice::Actuator(name))
        };

        let found = match (wanted, address) {
            (Some(wanted), _) => first(&|face| answers_to(face, wanted)),
            (None, Address::Profile(profile)) => first(&|face| face.profile == *profile),
            (None, Address::All | Address::Device(_)) => target
                .profile()
                .and_then(|profile| first(&|face| face.profile == profile))
                .or_else(|| first(&|_| true)),
        };
        found.unwrap_or_else(|| {
            let of_profile = match (wanted, address) {
                (Some(wanted), _) => format!(" with profile {:?}", wanted.profile),
                (None, Address::Profile(profile)) => format!(" with profile {profile:?}"),
                (None, _) => String::new(),
            };
            // One of ours has the profile; the pair stands in the log line as it is.
            let text = format!("{} does not support {action} {target}{of_profile}", consumer.id);
            Choice::Refused(Status::NotImplemented, Reason::Ours(text))
        })
    }

    /// The first extended argument that the chosen actuator does not know: of another
    /// profile, or of its own where the schema of that has no arguments.
    pub(super) fn unknown_argument<'a>(&self, actuator: &str, args: &'a Args) -> Option<&'a str> {
        let profile = &self.actuators.get(actuator)?.profile;
        let schema = self.library.profile(profile);
        let has_args = schema.is_none_or(|schema| schema.own(Own::Args).is_some());
        let is_known = |namespace: &str| has_args && namespace == profile;
        args.extensions.keys().map(String::as_str).find(|namespace| !is_known(namespace))
    }
}

/// An actuator answers to a command that names its profile when every
/// specifier of the command is one of its own, with the same value.
fn answers_to(face: &ActuatorFace, wanted: &Actuator) -> bool {
    face.profile == wanted.profile
        && wanted.specifiers.iter().all(|(name, value)| face.specifiers.get(name) == Some(value))
}

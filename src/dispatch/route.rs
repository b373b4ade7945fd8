//! Routes: the way of what is posted here and is for consumers elsewhere.
//!
//! A route ends in an actuator of its own, which passes the command on. So a
//! command that goes by a route is recorded, started, recovered and concluded
//! like any other.

use super::admit::{Case, Decided, Verdict, key_or_fault};
use super::elsewhere::Followed;
use super::open::Request;
use super::timing::Schedule;
use super::{Address, Dispatcher, House, InProgress, Key, Known, Reason};
use crate::openc2::{Command, Status};

/// How often a command may be passed on on its way: two bridges that point at
/// one another stop there.
pub const MAX_HOPS: u8 = 1;

/// The name, in HTTP headers and in MQTT user properties, under which a command
/// says how often it was passed on.
pub const HOPS: &str = "x-oc2b-hops";

/// A way to consumers elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Name of the actuator that passes commands on.
    pub actuator: String,
    /// Which commands go this way.
    pub matches: Match,
    /// The bridge as a producer: it speaks for several consumers, and where none has spoken.
    pub identity: String,
    /// How long who waits for the answers may have to, in milliseconds.
    pub wait_ms: u64,
}

/// Which commands a route is for; what is absent may be anything.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The consumer that `headers.to` names. A command that names none does not match.
    pub device: Option<Pattern>,
    /// The profile of the actuator that the command names.
    pub profile: Option<Pattern>,
    /// Its action.
    pub action: Option<Pattern>,
    /// The name of its target.
    pub target: Option<Pattern>,
    /// Its producer.
    pub from: Option<Pattern>,
}

/// A text in which `*` stands for any characters, or none.
#[derive(Clone, Debug, Eq, PartialEq, serde::Deserialize)]
#[serde(from = "String")]
pub struct Pattern(String);

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Pattern {
    /// Whether a text is like this.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }

    /// The text itself, where nothing in it stands for something else.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(&self.0)
    }
}

impl Match {
    /// Whether this consumer may be reached.
    fn is_for(&self, id: &str) -> bool {
        self.device.as_ref().is_none_or(|pattern| pattern.fits(id))
    }

    fn fits(&self, device: Option<&str>, command: &Command, from: &str) -> bool {
        let fits = |pattern: &Option<Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.fits(text)))
        };
        let profile = command.actuator.as_ref().map(|actuator| actuator.profile.as_str());
        fits(&self.device, device)
            && fits(&self.profile, profile)
            && fits(&self.action, Some(command.action.as_str()))
            && fits(&self.target, Some(&command.target.name().to_string()))
            && fits(&self.from, Some(from))
    }
}

/// A command that goes to consumers elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Routed {
    /// The actuator of its route.
    pub actuator: String,
    /// Who answers: the one consumer that is addressed, or the bridge for several.
    pub consumer: String,
    /// Whom it addresses, in its key.
    pub addressee: String,
    /// The address that it is published to; all, where several are named.
    pub address: Address,
    /// Consumers that it is for by name; none, where all are meant that the address reaches.
    pub names: Vec<String>,
    /// The command that it follows to where that went.
    pub follows: Option<Box<Followed>>,
}

impl House {
    /// Where a posted command goes that names others than the consumers here, or
    /// nobody. What no route leads to is passed over.
    pub(super) fn routed(&self, request: &Request) -> Vec<Routed> {
        if self.routes.is_empty() {
            return Vec::new();
        }
        let from = request.headers.from.as_deref().unwrap_or_default();
        let way = |device: Option<&str>| {
            self.routes.iter().find(|route| route.matches.fits(device, &request.command, from))
        };
        let to = &request.headers.to;
        if to.is_empty() {
            let wanted = request.command.actuator.as_ref();
            let address = match wanted {
                Some(actuator) => Address::Profile(actuator.profile.clone()),
                None => Address::All,
            };
            return way(None).map(|route| Routed::several(route, address)).into_iter().collect();
        }
        let elsewhere: Vec<_> = to
            .iter()
            .filter(|id| self.consumer(id).is_none())
            .filter_map(|id| way(Some(id)).map(|route| (id, route)))
            .collect();
        match elsewhere.as_slice() {
            [(_, first), _, ..]
                if elsewhere.iter().all(|(_, it)| it.actuator == first.actuator) =>
            {
                let names: Vec<_> = elsewhere.iter().map(|(id, _)| (*id).clone()).collect();
                let together = Routed::several(first, Address::All);
                vec![Routed { addressee: names.join(","), names, ..together }]
            }
            ways => ways.iter().map(|(id, route)| Routed::one(route, id)).collect(),
        }
    }

    /// Whom a command is for, of those that are named and live elsewhere; nobody, where
    /// all are meant that its address reaches.
    pub(super) fn elsewhere(
        &self,
        actuator: &str,
        address: &Address,
        to: &[String],
    ) -> Vec<String> {
        match (self.route(actuator), address) {
            (None, _) => Vec::new(),
            (Some(_), Address::Device(id)) => vec![id.clone()],
            (Some(route), Address::All | Address::Profile(_)) => {
                let not_here = to.iter().filter(|id| self.consumer(id).is_none());
                // The route led to these when the command came; if it has been changed since
                // and leads to none of them, it is still for them, and not for everybody.
                let (led_to, others): (Vec<_>, Vec<_>) =
                    not_here.cloned().partition(|id| route.matches.is_for(id));
                if led_to.is_empty() { others } else { led_to }
            }
        }
    }

    pub(super) fn route(&self, actuator: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.actuator == actuator)
    }

    /// In whose name a command is answered: what the bridge itself says of a
    /// consumer elsewhere is not said by that consumer.
    pub(super) fn speaker<'a>(&'a self, command: &'a InProgress, is_ours: bool) -> &'a str {
        match self.route(&command.actuator) {
            Some(route) if is_ours => &route.identity,
            _ => &command.consumer,
        }
    }

    /// In whose name a command for consumers elsewhere is answered on the spot: what was not
    /// passed on is answered by the bridge.
    pub(super) fn speaker_at(&self, routed: &Routed, verdict: &Verdict) -> String {
        let is_ours = match verdict {
            Verdict::Answer(_) | Verdict::Refuse(..) | Verdict::RefuseUnkeyed(..) => true,
            Verdict::Start(..) | Verdict::Repeat(_) | Verdict::Drop(_) => false,
        };
        match self.route(&routed.actuator) {
            Some(route) if is_ours => route.identity.clone(),
            _ => routed.consumer.clone(),
        }
    }
}

impl Routed {
    pub(super) fn one(route: &Route, id: &str) -> Self {
        let (consumer, addressee) = (id.to_owned(), id.to_owned());
        let address = Address::Device(id.to_owned());
        let (actuator, names) = (route.actuator.clone(), vec![id.to_owned()]);
        Self { actuator, consumer, addressee, address, names, follows: None }
    }

    pub(super) fn several(route: &Route, address: Address) -> Self {
        Self {
            actuator: route.actuator.clone(),
            consumer: route.identity.clone(),
            addressee: address.to_string(),
            address,
            names: Vec::new(),
            follows: None,
        }
    }
}

impl Dispatcher {
    /// Rules for a command that goes by a route. Whether it can be carried out, and
    /// when, is for the consumer to say.
    pub(super) fn judge_routed(
        &mut self,
        decided: &mut Decided,
        case: &Case<'_>,
        routed: &Routed,
        key: Option<&Key>,
        known: Option<&Known>,
    ) -> Verdict {
        let Case { inbound, request, .. } = *case;
        let key = match key_or_fault(case, key) {
            Ok(key) => key,
            Err((status, reason)) => return Verdict::RefuseUnkeyed(status, reason),
        };
        if let Some(known) = self.seen(key, known) {
            return Self::seen_before(case, known);
        }
        if let Some(text) = self.outside_window(&request.headers, inbound.received_ms) {
            return Verdict::RefuseUnkeyed(Status::BadRequest, Reason::Ours(text));
        }
        if inbound.caller.as_ref().is_some_and(|caller| caller.withdraws.is_some()) {
            return self.withdraw(decided, case, routed, inbound.received_ms);
        }
        if inbound.hops() >= MAX_HOPS {
            let text = "the command was relayed before, and one hop is all it may make";
            return Verdict::Refuse(Status::Forbidden, text.into());
        }
        if request.is_signed {
            let text = "a signed message goes on byte for byte or not at all, and the responses \
                        to this one would go to its own producer";
            return Verdict::Refuse(Status::NotImplemented, text.into());
        }
        if routed.follows.as_ref().is_some_and(|followed| followed.takes_back) {
            return self.withdraw(decided, case, routed, inbound.received_ms);
        }
        if !self.has_room(&routed.actuator) {
            let text = format!("too many commands go by {}; try again later", routed.actuator);
            return Verdict::Refuse(Status::ServiceUnavailable, Reason::Ours(text));
        }
        let schedule = Schedule { start_ms: inbound.received_ms, stop_ms: None };
        Verdict::Start(routed.actuator.clone(), schedule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let cases = [
            ("fw-*", "fw-1", true),
            ("fw-*", "fw-", true),
            ("fw-*", "lamp-fw-1", false),
            ("*-1", "fw-1", true),
            ("*-1", "fw-1-2", false),
            ("*", "", true),
            ("fw", "fw", true),
            ("fw", "fw-1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("", "", true),
            ("", "x", false),
        ];
        for (pattern, text, fits) in cases {
            assert_eq!(Pattern::from(pattern.to_owned()).fits(text), fits, "{pattern:?} {text:?}");
        }
    }
}

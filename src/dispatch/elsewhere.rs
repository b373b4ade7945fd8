//! `cancel command` and `query command` of a command that went to consumers elsewhere.
//!
//! They know it by the name under which it was passed on, and its producer by the one that he
//! gave it. So what he posts about it goes after it, by the same route, and names it as it is
//! named there.

use super::cancel::{Wish, asked_for};
use super::open::{Opened, Reading};
use super::route::Routed;
use super::{About, Accepted, Dispatcher, House, Named, command_id};
use crate::wire::{self, Limits};

/// The command that another one follows.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub named: Named,
    pub about: About,
    /// All of it is taken back: it is published no more.
    pub takes_back: bool,
}

impl Dispatcher {
    /// The producer and the name that he gives of another command, where one of those may be
    /// meant that went by a route.
    #[must_use]
    pub fn may_follow(&self, opened: &Opened) -> Option<(String, String)> {
        let Reading::Command(request) = &opened.reading else { return None };
        let is_posted = opened.inbound.caller.as_ref()?.withdraws.is_none();
        let (_, name) = asked_for(&request.command)?;
        let from = request.headers.from.clone()?;
        (is_posted && !self.house.routes.is_empty()).then(|| (from, name.to_owned()))
    }

    /// Sends a message to where the commands went that it is about; `found` is all that the
    /// journal has under their name. Where none of them went by a route, it stays as it is.
    #[must_use]
    pub fn follow(&self, mut opened: Opened, found: Vec<Named>) -> Opened {
        let Reading::Command(request) = &opened.reading else { return opened };
        let Some((wish, _)) = asked_for(&request.command) else { return opened };
        let to = &request.headers.to;
        let mut here: Vec<String> = Vec::new();
        let mut routed: Vec<Routed> = Vec::new();
        for named in found {
            let Accepted { actuator, consumer, .. } = &named.command.accepted;
            let is_routed = actuator.as_deref().is_some_and(|it| self.house.route(it).is_some());
            if !is_routed {
                // One that was named and out of reach is so now.
                if self.house.consumer(consumer).is_some() && !here.contains(consumer) {
                    here.push(consumer.clone());
                }
            } else if let Some(way) = self.house.following(named, to, wish)
                // Of two commands to the same consumers the newer one.
                && !routed.iter().any(|other| other.addressee == way.addressee)
            {
                routed.push(way);
            }
        }
        if routed.is_empty() {
            return opened;
        }
        if to.is_empty() {
            opened.consumers = here;
        }
        opened.routed = routed;
        opened.with_absent(&self.house).with_keys()
    }
}

impl House {
    /// The way of a command to where another one went, as far as those that it names are meant;
    /// where it names nobody, to all of them.
    fn following(&self, named: Named, to: &[String], wish: Wish) -> Option<Routed> {
        let accepted = &named.command.accepted;
        let route = self.route(accepted.actuator.as_deref()?)?;
        let asked = self.asked(accepted);
        let is_meant = |id: &&String| to.is_empty() || to.contains(id);
        let meant: Vec<String> = match asked.as_slice() {
            // All were asked that the address reaches.
            [] => to.iter().filter(|id| self.consumer(id).is_none()).cloned().collect(),
            asked => asked.iter().filter(is_meant).cloned().collect(),
        };
        let is_whole = meant == asked;
        let way = match meant.as_slice() {
            _ if is_whole => Routed {
                actuator: route.actuator.clone(),
                consumer: accepted.consumer.clone(),
                addressee: accepted.key.as_ref()?.consumer.clone(),
                address: accepted.address.clone(),
                names: meant.clone(),
                follows: None,
            },
            [] => return None,
            [one] => Routed::one(route, one),
            several => {
                let together = Routed::several(route, super::Address::All);
                Routed { addressee: several.join(","), names: several.to_vec(), ..together }
            }
        };
        let producer = accepted.producer.as_deref().unwrap_or_default();
        let request_id = accepted.key.as_ref()?.request_id.as_str();
        let about = About { id: command_id(named.command.ticket, producer, request_id), to: meant };
        let takes_back = is_whole && wish == Wish::Cancel;
        Some(Routed { follows: Some(Box::new(Followed { named, about, takes_back })), ..way })
    }

    /// Whom of those that live elsewhere a command was for; nobody: all that its address reaches.
    fn asked(&self, accepted: &Accepted) -> Vec<String> {
        if let Some(about) = &accepted.about {
            return about.to.clone();
        }
        // It was taken once, within the limits of its time.
        let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
        let to = wire::glimpse_of(&accepted.message, limits).to;
        let actuator = accepted.actuator.as_deref().unwrap_or_default();
        self.elsewhere(actuator, &accepted.address, &to)
    }
}

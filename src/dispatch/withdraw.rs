//! A command that its producer takes back over HTTPS, by its public name.
//!
//! What comes in is `cancel command`, like any other; but which command is meant is
//! known by its number. Where it went to consumers elsewhere, the cancel goes after
//! it, by the same route, and names it as it was named there.

use super::admit::{Case, Decided, Verdict};
use super::route::Routed;
use super::timing::Schedule;
use super::{Address, Dispatcher, House, Reason, Ticket};
use crate::openc2::Status;

/// The command that is taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Withdrawn {
    /// Its number.
    pub ticket: Ticket,
    /// Who answers it.
    pub consumer: String,
    /// Who carries it out.
    pub actuator: Option<String>,
    /// The address that it came to, or was published to.
    pub address: Address,
}

impl House {
    /// Who is to be told of it: the consumer here that has it, or the route that it went by.
    pub(super) fn holders(&self, withdrawn: &Withdrawn) -> (Vec<String>, Vec<Routed>) {
        let Withdrawn { consumer, actuator, address, .. } = withdrawn;
        match actuator.as_deref().and_then(|actuator| self.route(actuator)) {
            None => (vec![consumer.clone()], Vec::new()),
            Some(route) => {
                let routed = Routed {
                    actuator: route.actuator.clone(),
                    consumer: consumer.clone(),
                    addressee: consumer.clone(),
                    address: address.clone(),
                    names: Vec::new(),
                    follows: None,
                };
                (Vec::new(), vec![routed])
            }
        }
    }
}

impl Dispatcher {
    /// Takes a command back that went by a route. What waits here never leaves; what is
    /// under way is published no more, and its consumers are told, if they can be.
    pub(super) fn withdraw(
        &mut self,
        decided: &mut Decided,
        case: &Case<'_>,
        routed: &Routed,
        now_ms: u64,
    ) -> Verdict {
        let Some(named) = case.named else {
            return Verdict::Refuse(Status::NotFound, "the command is forgotten".into());
        };
        if named.ended.is_some() || !self.is_at_work(&named.command) {
            return self.cancel(decided, named, now_ms);
        }
        if !self.has_room(&routed.actuator) {
            let text = format!("too many commands go by {}; try again later", routed.actuator);
            return Verdict::Refuse(Status::ServiceUnavailable, Reason::Ours(text));
        }
        let ticket = named.command.ticket;
        if self.is_cancelled_now(decided, ticket, now_ms) {
            decided.cancels.push(ticket);
        }
        Verdict::Start(routed.actuator.clone(), Schedule { start_ms: now_ms, stop_ms: None })
    }
}

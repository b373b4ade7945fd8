//! Consumers that a POST names and that nobody can reach.
//!
//! Over MQTT such a name is somebody else's, and silence is right. What is posted has one
//! answer, and nobody but this bridge gives it: so who is named there is in it, found or not.

use std::collections::BTreeSet;

use super::open::{Opened, Reading};
use super::{House, Inbound, Reason};
use crate::openc2::{ResponseType, Status};
use crate::wire::{Glimpse, Kind};

/// Consumers out of reach that one command may name beside others: each is recorded.
pub(super) const MOST: usize = 32;

impl Opened {
    /// Adds those out of reach to the consumers that answer, where anybody is in reach. One
    /// that names too many of them is taken for a mistake as a whole.
    pub(super) fn with_absent(mut self, house: &House) -> Self {
        let Reading::Command(request) = &self.reading else { return self };
        if request.headers.to.is_empty() || !may_miss(&self.inbound) {
            return self;
        }
        self.consumers.retain(|id| house.consumer(id).is_some());
        let is_for_nobody = self.consumers.is_empty() && self.routed.is_empty();
        let elsewhere: BTreeSet<&String> = self.routed.iter().flat_map(|it| &it.names).collect();
        let mut met = BTreeSet::new();
        let absent: Vec<String> = request
            .headers
            .to
            .iter()
            .filter(|id| house.consumer(id).is_none() && !elsewhere.contains(id))
            .filter(|id| met.insert(*id))
            .cloned()
            .collect();
        if is_for_nobody || absent.is_empty() {
            return self;
        }
        if absent.len() > MOST {
            let (count, first) = (absent.len(), &absent[0]);
            let unquoted = format!(
                "{count} of the consumers in headers.to are not here and have no route; {MOST} may \
                 be so"
            );
            let text = format!("{unquoted}; the first is {first:?}");
            let glimpse = Glimpse {
                from: request.headers.from.clone(),
                request_id: request.headers.request_id.clone(),
                to: request.headers.to.clone(),
                kind: Some(Kind::Request),
                wants_silence: request.command.args.response_requested == Some(ResponseType::None),
                anything: true,
            };
            let reason = Reason::quoting(unquoted, text);
            self.reading = Reading::Faulty { glimpse, status: Status::BadRequest, reason };
            self.routed.clear();
            return self;
        }
        self.consumers.extend(absent);
        self
    }
}

/// Whether who is named and not found is to be answered for.
fn may_miss(inbound: &Inbound) -> bool {
    inbound.caller.as_ref().is_some_and(|caller| caller.withdraws.is_none())
}

/// Why a consumer does not take a command that names it.
pub(super) fn reason(id: &str) -> Reason {
    let unquoted = "a consumer in headers.to is not here, and no route leads to it";
    Reason::quoting(unquoted, format!("{id:?} is no consumer here, and no route leads to it"))
}

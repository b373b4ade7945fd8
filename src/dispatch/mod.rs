//! The quiet room: decides what happens to messages.
//!
//! Pure. It knows no clock, no socket, no disk and does not wait: inputs go
//! in, effects come out, and time is a value. So a test is a list of inputs
//! and a list of effects.
//!
//! A message passes in two steps, since the memory of what was seen before
//! lives in the journal and not here: [`Dispatcher::open`] reads it and says
//! which keys to look up, [`Dispatcher::admit`] takes what is known of them
//! and decides. [`Dispatcher::report`] is the only way back: what an actuator
//! says of a command.

mod absent;
mod admit;
mod agenda;
mod at_once;
mod cancel;
mod command_id;
mod counters;
mod desk;
mod doubt;
mod effect;
mod elsewhere;
mod errand;
mod features;
mod house;
mod inbound;
mod late;
mod open;
mod post;
mod rate;
mod recover;
mod reply;
mod report;
mod resolve;
mod route;
mod schedule;
mod tally;
mod timing;
mod window;
mod withdraw;

use std::collections::HashMap;
use std::sync::Arc;

pub use cancel::Named;
pub use command_id::{command_id, ticket_in};
pub use counters::Counters;
pub use effect::{
    About, Accepted, Alarm, Class, Concluded, ContentDigest, Effect, Event, Heard, Key, LogLine,
    OutboxId, Outcome, Outgoing, Reason, Record, Report, Ticket, Work,
};
pub use errand::{Due, Errand, Finding, Place, Unfinished};
pub use house::{ActuatorFace, Consumer, Consumers, House};
pub use inbound::{Address, Caller, Declared, Inbound, Receipt};
pub use late::{Closed, Late};
pub use open::Opened;
pub use post::{CommandIds, Reply, SUMMARY};
pub use resolve::IN_DOUBT;
pub use route::{HOPS, MAX_HOPS, Match, Pattern, Route};
pub use schedule::{Missed, TimeRules};
pub use tally::{Said, Tally};
pub use window::WithoutCreated;
pub use withdraw::Withdrawn;

use crate::openc2::{Command, ResponseType};
use crate::trust::TrustConfig;
use crate::wire::{Limits, Manner};
use agenda::Agenda;
use desk::Desk;
use doubt::Doubt;
use post::Waiting;
use rate::LastMinute;
use schedule::{Ending, Wanted};
use window::Past;

/// What the journal remembers of a [`Key`].
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The command that has the key.
    pub ticket: Ticket,
    /// Digest of its content.
    pub digest: Option<ContentDigest>,
    /// Its last response as it was published (same bytes), if it has one by now.
    pub response: Option<bytes::Bytes>,
    /// Whether it has ended.
    pub ended: bool,
}

/// What the quiet room goes by, beside the house.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What a message may cost us.
    pub limits: Limits,
    /// Whom to believe.
    pub trust: TrustConfig,
    /// Take commands from MQTT 3.1.1 publishers, who cannot send properties.
    pub accept_without_properties: bool,
    /// What begins or ends at a given time.
    pub time: TimeRules,
    /// How much longer than anybody waits late answers of consumers elsewhere are taken, in
    /// milliseconds.
    pub keep_for_ms: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            trust: TrustConfig::default(),
            accept_without_properties: true,
            time: TimeRules::default(),
            keep_for_ms: 3_600_000,
        }
    }
}

/// Decides what happens to messages.
#[derive(Debug)]
pub struct Dispatcher {
    house: House,
    rules: Rules,
    /// Commands accepted and not yet ended; but for those that are [`Self::on_disk`].
    in_progress: HashMap<Ticket, InProgress>,
    /// Commands of which only the journal has more than the number: they wait
    /// for their time, or far behind in a queue.
    on_disk: u64,
    /// Commands that have ended, and whose effects are yet to.
    effects: u64,
    /// What is due when.
    agenda: Agenda,
    /// What is needed from the journal.
    wanted: Wanted,
    /// Effects that actuators are ending.
    ending: HashMap<Ticket, Ending>,
    /// What is known of time beside what the clock says.
    past: Past,
    /// Commands in doubt, of which actuators are asked.
    in_doubt: HashMap<Ticket, Doubt>,
    /// Their keys.
    keys: HashMap<Key, Ticket>,
    /// Keys of commands that ended after the journal was last asked.
    settled: HashMap<Key, Known>,
    /// By name of the actuator.
    desks: HashMap<String, Desk>,
    /// POST requests that wait for their answer.
    callers: HashMap<Receipt, Waiting>,
    /// Of those, which wait for commands that are [`Self::on_disk`].
    callers_away: HashMap<Ticket, Vec<Receipt>>,
    /// Nothing starts any more: the bridge is ending.
    is_closing: bool,
    /// By consumer.
    last_minute: HashMap<String, LastMinute>,
    counters: Counters,
    /// The last ticket before this process began.
    last_recovered: Ticket,
    last_ticket: Ticket,
    last_outbox: OutboxId,
}

/// A command on its way, as much of it as is needed to answer.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct InProgress {
    key: Option<Key>,
    digest: Option<ContentDigest>,
    consumer: String,
    producer: String,
    /// As it stood in the headers; absent where the command had none.
    request_id: Option<String>,
    wants: ResponseType,
    /// How it was written.
    manner: Manner,
    actuator: String,
    command: Arc<Command>,
    accepted_ms: u64,
    /// When its effect is to end; absent: never, or its actuator sees to it.
    stop_ms: Option<u64>,
    /// Its actuator was told to begin.
    is_started: bool,
    /// The time to end it came while its actuator was at work.
    stop_is_due: bool,
    /// Its producer has cancelled it while its actuator was at work.
    is_cancelled: bool,
    last_progress_ms: Option<u64>,
    /// It bore a signature that nobody has checked.
    unverified_signature: bool,
    /// The last response made for it, byte for byte.
    response: Option<bytes::Bytes>,
    /// Its responses go to the broker: it came from there, or a repetition did.
    is_published: bool,
    /// POST requests that wait for its end.
    callers: Vec<Receipt>,
    /// What those are told who do not wait for its end.
    meanwhile: Option<bytes::Bytes>,
}

impl Dispatcher {
    /// A quiet room that goes on numbering where the journal ends.
    #[must_use]
    pub fn new(house: House, rules: Rules, last_ticket: Ticket, last_outbox: OutboxId) -> Self {
        Self {
            house,
            rules,
            in_progress: HashMap::new(),
            on_disk: 0,
            effects: 0,
            agenda: Agenda::new(),
            wanted: Wanted::default(),
            ending: HashMap::new(),
            past: Past::default(),
            in_doubt: HashMap::new(),
            keys: HashMap::new(),
            settled: HashMap::new(),
            desks: HashMap::new(),
            callers: HashMap::new(),
            callers_away: HashMap::new(),
            is_closing: false,
            last_minute: HashMap::new(),
            counters: Counters::default(),
            last_recovered: last_ticket,
            last_ticket,
            last_outbox,
        }
    }

    /// What became of the messages since this process began.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let in_progress = self.in_progress.len() as u64 + self.on_disk;
        Counters { in_progress, in_effect: self.effects, ..self.counters }
    }

    /// Commands accepted and not yet ended.
    #[must_use]
    pub fn in_progress(&self) -> u64 {
        self.counters().in_progress
    }

    /// Goes on with other consumers and actuators. Commands under way keep
    /// the actuator that they were given.
    pub fn reload(&mut self, house: House) {
        self.last_minute.retain(|consumer, _| house.consumer(consumer).is_some());
        self.house = house;
    }

    /// The journal is about to be asked: from here on it knows what has ended.
    pub fn before_recall(&mut self) {
        self.settled.clear();
    }

    /// From now on nothing starts. What is recorded waits for the next start
    /// of the bridge; what was started may still report.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket.0 += 1;
        self.last_ticket
    }

    fn next_outbox(&mut self) -> OutboxId {
        self.last_outbox.0 += 1;
        self.last_outbox
    }
}

#[cfg(test)]
mod tests;

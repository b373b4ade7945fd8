//! The bridge as the daemon puts it together, without tasks and without a
//! wait: the real quiet room over the journal's twin, and between them what
//! `daemon::hall` and `daemon::outbox` do, one effect at a time.

use std::collections::VecDeque;

use openc2_bridge::dispatch::{
    Dispatcher, Effect, Event, House, Key, Known, Named, Opened, OutboxId, Outgoing, Record,
    Report, Rules, Ticket,
};
use openc2_bridge::journal::{Disk, Memory};

use super::oracle::{Fact, Oracle};

/// Responses that the door has in hand at the same time.
const WINDOW: usize = 6;

/// Things that are due, read from the journal at a time.
const DUE_AT_A_TIME: usize = 8;

/// A mistake that is made on purpose, to see that it is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Planted {
    /// The broker is told to forget a message before its record is durable.
    AcknowledgeBeforeRecord,
    /// A restart does not know the keys from before.
    KeyForgotten,
    /// A response leaves before its outcome is durable.
    PublishBeforeRecord,
    /// What was started and has no outcome is taken for not started.
    InDoubtRunAgain,
    /// A new session begins with an empty outbox.
    ResponseDropped,
    /// The record of a command does not say when it is to start.
    StartTimeLost,
    /// A restart does not know what was cancelled.
    CancelForgotten,
}

impl Planted {
    pub const ALL: [Self; 7] = [
        Self::AcknowledgeBeforeRecord,
        Self::KeyForgotten,
        Self::PublishBeforeRecord,
        Self::InDoubtRunAgain,
        Self::ResponseDropped,
        Self::StartTimeLost,
        Self::CancelForgotten,
    ];
}

/// One process of the bridge, from its start to its crash.
pub struct Bridge {
    dispatcher: Dispatcher,
    memory: Memory,
    /// Lists of effects whose records the journal's thread has not taken yet.
    queue: VecDeque<(Vec<Record>, Vec<Effect>)>,
    /// Taken, and not durable yet.
    facts: Vec<Fact>,
    taken: Vec<Vec<Effect>>,
    /// To be carried out, in this order.
    ready: VecDeque<Effect>,
    /// Responses with the door.
    pub in_hand: Vec<InHand>,
    newest: Option<OutboxId>,
    has_more: bool,
    planted: Option<Planted>,
    /// Tickets up to here are from before this process.
    last_recovered: Ticket,
}

/// A response with the door.
pub struct InHand {
    pub outgoing: Outgoing,
    /// It has left; the broker has not confirmed it.
    pub is_published: bool,
}

impl Bridge {
    /// Starts on what is on the disk.
    pub fn start(
        disk: &Disk,
        house: &House,
        planted: Option<Planted>,
        now_ms: u64,
        oracle: &mut Oracle,
    ) -> Self {
        let memory = Memory::open(disk);
        let mut recovered = memory.recovered();
        let (last_ticket, last_outbox) = (recovered.last_ticket, recovered.last_outbox);
        for unfinished in &mut recovered.unfinished {
            unfinished.started &= planted != Some(Planted::InDoubtRunAgain);
            unfinished.cancelled &= planted != Some(Planted::CancelForgotten);
        }
        let mut bridge = Self {
            dispatcher: Dispatcher::new(house.clone(), Rules::default(), last_ticket, last_outbox),
            memory,
            queue: VecDeque::new(),
            facts: Vec::new(),
            taken: Vec::new(),
            ready: VecDeque::new(),
            in_hand: Vec::new(),
            newest: None,
            has_more: recovered.outbox_waiting > 0,
            planted,
            last_recovered: last_ticket,
        };
        bridge.dispatcher.remember(recovered.clock_ms, recovered.forgotten_ms);
        let others = (recovered.waiting, recovered.effects);
        let effects = bridge.dispatcher.recover(recovered.unfinished, others, now_ms);
        bridge.commit(effects);
        bridge.keep_time(now_ms);
        bridge.refill(oracle);
        bridge
    }

    /// The door brings messages, some at a time.
    pub fn attend(&mut self, opened: Vec<Opened>) {
        self.dispatcher.before_recall();
        // The question goes through the same queue as the records before it.
        self.take(usize::MAX);
        let known: Vec<Vec<Option<Known>>> = opened
            .iter()
            .map(|opened| opened.keys().iter().map(|key| self.recall(key)).collect())
            .collect();
        for (opened, known) in opened.into_iter().zip(known) {
            if !opened.names().is_empty() {
                // After all that came before it, which may be what it is about.
                self.take(usize::MAX);
            }
            let named: Vec<Option<Named>> =
                opened.names().iter().map(|name| self.memory.named(name)).collect();
            let effects = self.dispatcher.admit(opened, &known, &named);
            self.commit(effects);
        }
    }

    fn recall(&self, key: &Key) -> Option<Known> {
        let known = self.memory.recall(key)?;
        let is_old = known.ticket <= self.last_recovered;
        (self.planted != Some(Planted::KeyForgotten) || !is_old).then_some(known)
    }

    /// An actuator says something.
    pub fn hear(&mut self, report: Report, now_ms: u64) {
        let effects = self.dispatcher.report(report, now_ms);
        self.commit(effects);
    }

    /// Sees to what is due by now, and fetches from the journal what is needed for it.
    pub fn keep_time(&mut self, now_ms: u64) {
        let effects = self.dispatcher.look_at_clock(now_ms);
        self.commit(effects);
        loop {
            while let Some(after) = self.dispatcher.wants_page() {
                self.take(usize::MAX);
                let page = self.memory.due(after, DUE_AT_A_TIME);
                self.dispatcher.page(page);
            }
            if self.is_due(now_ms) {
                let effects = self.dispatcher.tick(now_ms);
                self.commit(effects);
            }
            let wanted = self.dispatcher.wanted();
            if !wanted.is_empty() {
                self.take(usize::MAX);
                let found = self.memory.unfinished(&wanted);
                let effects = self.dispatcher.fetched(found, now_ms);
                self.commit(effects);
            }
            if !self.is_due(now_ms) && !self.dispatcher.wants_more() {
                return;
            }
        }
    }

    fn is_due(&self, now_ms: u64) -> bool {
        self.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// When something is due next.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.dispatcher.next_due_ms()
    }

    /// The broker has confirmed one of the responses in hand.
    pub fn confirmed(&mut self, at: usize, now_ms: u64, oracle: &mut Oracle) {
        let Outgoing { id, ticket, .. } = self.in_hand.remove(at).outgoing;
        let record = Record { ticket, at_ms: now_ms, event: Event::Answered { outbox: id } };
        self.queue.push_back((vec![record], Vec::new()));
        self.refill(oracle);
    }

    /// The connection is another one: what was not confirmed leaves again.
    pub fn reconnected(&mut self, is_session_lost: bool) {
        if is_session_lost && self.planted == Some(Planted::ResponseDropped) {
            self.in_hand.clear();
        }
        for response in &mut self.in_hand {
            response.is_published = false;
        }
    }

    fn commit(&mut self, mut effects: Vec<Effect>) {
        if effects.is_empty() {
            return;
        }
        let records = match effects.first_mut() {
            Some(Effect::Record(records)) => {
                let records = std::mem::take(records);
                effects.remove(0);
                records
            }
            _ => Vec::new(),
        };
        let is_early: fn(&Effect) -> bool = match self.planted {
            Some(Planted::AcknowledgeBeforeRecord) => |it| matches!(it, Effect::Acknowledge(_)),
            Some(Planted::PublishBeforeRecord) => |it| matches!(it, Effect::Respond(_)),
            _ => |_| false,
        };
        let (early, late) = effects.into_iter().partition(is_early);
        let early: Vec<Effect> = early;
        self.ready.extend(early);
        self.queue.push_back((records, late));
    }

    /// Whether the journal's thread has something to do.
    pub fn is_writing(&self) -> bool {
        !self.queue.is_empty() || !self.facts.is_empty() || !self.taken.is_empty()
    }

    /// The journal's thread takes so many lists and makes them durable.
    pub fn write(&mut self, lists: usize, oracle: &mut Oracle) {
        self.take(lists);
        self.memory.commit();
        oracle.durable(self.facts.drain(..));
        self.ready.extend(self.taken.drain(..).flatten());
    }

    fn take(&mut self, lists: usize) {
        for _ in 0..lists.min(self.queue.len()) {
            let Some((mut records, effects)) = self.queue.pop_front() else { break };
            if self.planted == Some(Planted::StartTimeLost) {
                for record in &mut records {
                    if let Event::Accepted(accepted) = &mut record.event {
                        accepted.start_ms = None;
                    }
                }
            }
            Fact::gather(&records, &mut self.facts);
            self.memory.append(records);
            self.taken.push(effects);
        }
    }

    /// What is to be carried out next.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.ready.pop_front()
    }

    /// Receipts of deliveries whose records are durable, and that are not acknowledged yet.
    pub fn acknowledgements(&self) -> impl Iterator<Item = u64> {
        self.ready.iter().filter_map(|effect| match effect {
            Effect::Acknowledge(receipt) => Some(receipt.0),
            _ => None,
        })
    }

    fn is_idle(&self) -> bool {
        self.ready.is_empty() && !self.is_writing() && self.in_hand.is_empty()
    }

    /// Gives a response to the door, or leaves it in the journal.
    pub fn respond(&mut self, outgoing: Outgoing) {
        if self.has_more || self.in_hand.len() >= WINDOW {
            self.has_more = true;
            return;
        }
        self.hand_over(outgoing);
    }

    /// Fetches from the journal what found no room before. All of it is durable by then.
    pub fn refill(&mut self, oracle: &mut Oracle) {
        while self.has_more && self.in_hand.len() <= WINDOW / 2 {
            self.write(usize::MAX, oracle);
            let waiting = self.memory.outbox(self.newest, WINDOW - self.in_hand.len());
            self.has_more = !waiting.is_empty();
            for outgoing in waiting {
                self.hand_over(outgoing);
            }
        }
    }

    fn hand_over(&mut self, outgoing: Outgoing) {
        // Fetched from the journal already, a moment before its commit was heard of.
        if self.newest.is_some_and(|newest| outgoing.id <= newest) {
            return;
        }
        self.newest = Some(outgoing.id);
        self.in_hand.push(InHand { outgoing, is_published: false });
    }

    /// Whether every message is in exactly one class.
    pub fn is_balanced(&self) -> bool {
        self.dispatcher.counters().balance()
    }

    /// Nothing is under way, and nothing waits to leave.
    pub fn has_nothing_to_do(&self) -> bool {
        let counters = self.dispatcher.counters();
        let is_idle = self.is_idle() && !self.has_more;
        is_idle && counters.in_progress == 0 && counters.in_effect == 0
    }
}

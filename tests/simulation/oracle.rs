//! Keeps its own model of what was promised, and says where it is broken.
//!
//! It sees what an outsider can see: what was sent and lost, what became
//! durable, what was acknowledged, started, done and heard. It asks the
//! bridge nothing.

use bytes::Bytes;
use openc2_bridge::dispatch::{Errand, Event, Outgoing, Record, Ticket, Work};

use super::pool::{Case, Letter, Wants, Wish};
use super::rows::Rows;

/// Where the promise was broken. What it was broken for stands in the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Breach {
    /// Acknowledged, and the journal would not know it after a crash.
    AcknowledgedUnrecorded,
    /// Acknowledged in another order than it came.
    AcknowledgedOutOfOrder,
    /// Started, and the journal would not know it after a crash.
    StartedUnrecorded,
    /// Started before its time.
    TooEarly,
    /// Its actuator was told to end its effect before the time, or while it was still at it.
    EndedTooEarly,
    /// Its effect was never ended.
    NeverStopped,
    /// Started by nobody's command.
    Unasked,
    /// Started again, where it must not.
    Twice,
    /// An actuator has more to do at a time than it said.
    Overloaded,
    /// Published, and the journal does not have it like that.
    PublishedUnrecorded,
    /// Two final responses that are not the same bytes.
    Contradiction,
    /// A response to somebody who wanted none, or another one.
    Unwanted,
    /// 200, and nothing happened.
    WithoutEffect,
    /// In doubt, and nothing had interrupted it; or it should have been run again.
    NeedlessDoubt,
    /// Two recorded outcomes.
    TwoOutcomes,
    /// Recorded, and it never ended.
    NeverEnded,
    /// Sent and not lost by the broker, and never answered.
    Unanswered,
    /// Recorded, and never published.
    ResponseLost,
    /// A message is in no class, or in two.
    Unbalanced,
    /// After everything has ended a restart finds something to do.
    LeftOver,
    /// It does not come to rest.
    Restless,
    /// Who cancelled a command, or asked after it, was told what is not so.
    Untrue,
    /// Started after it was cancelled.
    CancelledRan,
    /// Its actuator was told to give it up, and the journal would not know it after a crash.
    CancelledUnrecorded,
    /// Its actuator was told to give it up twice.
    CancelledTwice,
    /// Its producer was told that its actuator is told, and it never was.
    NeverTold,
}

/// What is known of a case.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that has happened or not")]
struct CaseState {
    /// Copies that the broker has, or had until they were acknowledged.
    copies: u32,
    /// Sent at least once.
    is_sent: bool,
    /// Durable first records about it.
    recorded: u32,
    acknowledged: u32,
    run: LastRun,
    run_ticket: u64,
    effects: u32,
    /// Its actuator says things that are not so.
    lied: bool,
    /// A crash came between its start and its outcome.
    interrupted: bool,
    final_response: Option<Bytes>,
    /// Heard 400 or 503.
    refused: bool,
    heard_102: bool,
    /// One of its records has an outcome.
    ended: bool,
    /// Its actuator was told to end its effect, and did; or it is known that it did not.
    effect_ended: bool,
    /// Its producer has cancelled it, and it had begun.
    cancelled: bool,
    /// The last command that was recorded for an actuator about it.
    newest: Option<usize>,
    /// What was recorded as said to it of another one.
    told: Option<Bytes>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum LastRun {
    #[default]
    None,
    Running,
    /// It said that nothing was begun, and a repetition may be carried out.
    NotBegun,
    Ended,
    /// A crash came before its outcome was durable.
    Cut,
}

#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that has happened or not")]
struct TicketState {
    stage: Stage,
    case: Option<Case>,
    for_actuator: bool,
    /// Recorded as started at least once.
    was_started: bool,
    /// Recorded as cancelled.
    cancelled: bool,
    /// It must not begin any more.
    barred: bool,
    /// Its producer was told that its actuator is told to give it up.
    promised: bool,
    /// Its actuator was told.
    told: bool,
    /// The end of its effect was brought forward.
    ends_now: bool,
    /// It has an outcome, and an effect that has yet to end.
    in_effect: bool,
    /// Its actuator was told to end that effect, and its answer is not recorded.
    told_to_end: bool,
}

/// How far a command has come by what is durable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    #[default]
    Unknown,
    Accepted,
    Started,
    Ended,
}

#[derive(Clone, Debug)]
struct Durable {
    payload: Bytes,
    /// It is the last one to its command.
    ends: bool,
    heard: bool,
    answered: bool,
}

/// What the oracle keeps of a record.
#[derive(Debug)]
pub enum Fact {
    Accepted { ticket: usize, case: Option<Case>, for_actuator: bool },
    Started { ticket: usize },
    Cancelled { ticket: usize },
    Response { ticket: usize, outbox: usize, payload: Bytes, ends: bool },
    Outcome { ticket: usize, in_effect: bool },
    Stopped { ticket: usize },
    Answered { outbox: usize },
}

impl Fact {
    /// Of records on their way to the journal.
    pub fn gather(records: &[Record], facts: &mut Vec<Self>) {
        for Record { ticket, event, .. } in records {
            let ticket = index(ticket.0);
            let response = |outgoing: &Outgoing, ends| Self::Response {
                ticket,
                outbox: index(outgoing.id.0),
                payload: outgoing.payload.clone(),
                ends,
            };
            match event {
                Event::Accepted(accepted) => {
                    let request_id = accepted.request_id.as_deref();
                    facts.push(Self::Accepted {
                        ticket,
                        case: request_id.and_then(|id| Case::of(id, &accepted.consumer)),
                        for_actuator: accepted.actuator.is_some(),
                    });
                }
                Event::Started => facts.push(Self::Started { ticket }),
                Event::Cancelled => facts.push(Self::Cancelled { ticket }),
                Event::Progress { response: outgoing } => facts.push(response(outgoing, false)),
                Event::Outcome(concluded) => {
                    facts.push(Self::Outcome { ticket, in_effect: concluded.in_effect });
                    facts.extend(concluded.response.as_ref().map(|it| response(it, true)));
                }
                Event::Stopped { .. } => facts.push(Self::Stopped { ticket }),
                // No person settles anything in a script, and no command goes elsewhere.
                Event::Resolved { .. } | Event::Heard(_) | Event::Overdue { .. } => {}
                Event::Answered { outbox } => {
                    facts.push(Self::Answered { outbox: index(outbox.0) });
                }
            }
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("numbers are small here")
}

/// The model.
pub struct Oracle {
    cases: Vec<CaseState>,
    wants: Vec<Wants>,
    tickets: Vec<TicketState>,
    outbox: Vec<Option<Durable>>,
    last_acknowledged: u64,
    /// The earliest and the latest time that the clock has shown.
    earliest_ms: u64,
    latest_ms: u64,
    breach: Option<(Breach, String)>,
}

impl Oracle {
    pub fn new(letters: &[Letter]) -> Self {
        let mut wants = vec![Wants::Nothing; Case::COUNT];
        for letter in letters {
            for case in &letter.cases {
                wants[case.index()] = letter.wants;
            }
        }
        Self {
            cases: vec![CaseState::default(); Case::COUNT],
            wants,
            tickets: Vec::with_capacity(128),
            outbox: Vec::with_capacity(128),
            last_acknowledged: 0,
            earliest_ms: u64::MAX,
            latest_ms: 0,
            breach: None,
        }
    }

    /// The first breach, if there is one.
    pub fn breach(&self) -> Option<&(Breach, String)> {
        self.breach.as_ref()
    }

    /// Notes a breach; the first one stays.
    pub fn find(&mut self, breach: Breach, of: impl std::fmt::Debug) {
        self.breach.get_or_insert_with(|| (breach, format!("{of:?}")));
    }

    /// The clock shows this now.
    pub fn time(&mut self, now_ms: u64) {
        self.earliest_ms = self.earliest_ms.min(now_ms);
        self.latest_ms = self.latest_ms.max(now_ms);
    }

    /// A producer has handed a message to the broker.
    pub fn sent(&mut self, letter: &Letter) {
        for case in &letter.cases {
            let state = &mut self.cases[case.index()];
            state.copies += 1;
            state.is_sent = true;
        }
    }

    /// The broker has forgotten a copy.
    pub fn lost(&mut self, letter: &Letter) {
        for case in &letter.cases {
            self.cases[case.index()].copies -= 1;
        }
    }

    /// These records are on the disk now.
    pub fn durable(&mut self, facts: impl IntoIterator<Item = Fact>) {
        for fact in facts {
            match fact {
                Fact::Accepted { ticket, case, for_actuator } => {
                    *at(&mut self.tickets, ticket) = TicketState {
                        stage: Stage::Accepted,
                        case,
                        for_actuator,
                        ..TicketState::default()
                    };
                    if let Some(case) = case {
                        let state = &mut self.cases[case.index()];
                        state.recorded += 1;
                        if for_actuator {
                            state.newest = Some(ticket);
                        }
                    }
                }
                Fact::Started { ticket } => {
                    let state = at(&mut self.tickets, ticket);
                    state.stage = Stage::Started;
                    state.was_started = true;
                }
                Fact::Cancelled { ticket } => {
                    let state = at(&mut self.tickets, ticket);
                    state.cancelled = true;
                    if let Some(case) = state.case {
                        self.cases[case.index()].cancelled = true;
                    }
                }
                Fact::Outcome { ticket, in_effect } => {
                    let state = at(&mut self.tickets, ticket);
                    state.in_effect = in_effect;
                    let again = std::mem::replace(&mut state.stage, Stage::Ended) == Stage::Ended;
                    let case = state.case;
                    if let Some(case) = case {
                        self.cases[case.index()].ended = true;
                    }
                    if again {
                        self.find(Breach::TwoOutcomes, (ticket, case));
                    }
                }
                Fact::Stopped { ticket } => {
                    let state = at(&mut self.tickets, ticket);
                    state.in_effect = false;
                    state.told_to_end = false;
                }
                Fact::Response { ticket, outbox, payload, ends } => {
                    let case = at(&mut self.tickets, ticket).case;
                    if let Some(case) = case.filter(|case| case.about().is_some()) {
                        self.told_of_another(case, &payload);
                    }
                    *at(&mut self.outbox, outbox) =
                        Some(Durable { payload, ends, heard: false, answered: false });
                }
                Fact::Answered { outbox } => {
                    if let Some(durable) = at(&mut self.outbox, outbox) {
                        durable.answered = true;
                    }
                }
            }
        }
    }

    /// What a producer is told of another command must be so at that moment, and stay so.
    fn told_of_another(&mut self, case: Case, payload: &Bytes) {
        let said = Said::read(payload);
        let Some((wish, other)) = case.about() else { return };
        let first = &mut self.cases[case.index()].told;
        if matches!(said.status, 400 | 503) || first.as_ref() == Some(payload) {
            // Nothing was said of the other, or the recorded answer is said again.
            return;
        }
        *first = Some(payload.clone());
        let newest = self.cases[other.index()].newest;
        let is_true = match (said.status, newest) {
            (404, newest) => newest.is_none(),
            (501, Some(ticket)) => {
                !other.can_be_given_up() && self.tickets[ticket].stage == Stage::Started
            }
            (200, Some(ticket)) => match wish {
                Wish::Query => self.is_state(ticket, said.text),
                Wish::Cancel => self.is_cancelled(ticket, other, said.text),
            },
            _ => false,
        };
        if !is_true {
            self.find(Breach::Untrue, (wish, other, said.text.to_owned()));
        }
    }

    fn is_state(&self, ticket: usize, text: &str) -> bool {
        text.contains(match self.tickets[ticket].stage {
            Stage::Unknown => return false,
            Stage::Accepted => "\"state\":\"waiting\"",
            Stage::Started => "\"state\":\"running\"",
            Stage::Ended => "\"state\":\"ended\"",
        })
    }

    fn is_cancelled(&mut self, ticket: usize, other: Case, text: &str) -> bool {
        let state = &mut self.tickets[ticket];
        let has_ended = state.stage == Stage::Ended;
        if text.contains("had ended") {
            state.ends_now |= text.contains("its effect is being ended");
            has_ended
        } else if text.contains("had not begun, and will not") {
            state.barred = true;
            has_ended && !state.was_started
        } else if text.contains("will not run again") {
            state.barred = true;
            self.cases[other.index()].cancelled = true;
            has_ended && state.was_started
        } else if text.contains("will not carry it out again") {
            state.barred = true;
            state.stage == Stage::Started && state.cancelled
        } else {
            state.promised = true;
            let is_said = text.contains("is told to give it up");
            is_said && state.stage == Stage::Started && state.cancelled
        }
    }

    /// An actuator was told to give a command up.
    pub fn told_to_give_up(&mut self, ticket: Ticket) {
        let state = at(&mut self.tickets, index(ticket.0));
        let (is_recorded, is_again) = (state.cancelled, state.told);
        state.told = true;
        state.barred = true;
        if !is_recorded {
            self.find(Breach::CancelledUnrecorded, ticket);
        } else if is_again {
            self.find(Breach::CancelledTwice, ticket);
        }
    }

    /// The broker was told that it may forget this delivery, the so-manieth of its connection.
    pub fn acknowledged(&mut self, letter: &Letter, receipt: u64) {
        if receipt <= self.last_acknowledged {
            self.find(Breach::AcknowledgedOutOfOrder, receipt);
        }
        self.last_acknowledged = receipt;
        if !letter.is_known {
            return;
        }
        for case in &letter.cases {
            let state = &mut self.cases[case.index()];
            state.acknowledged += 1;
            if state.acknowledged > state.recorded {
                self.find(Breach::AcknowledgedUnrecorded, case);
            }
        }
    }

    /// An actuator was told to begin; it has so many commands now, and may have so many.
    pub fn started(&mut self, work: &Work, running: usize, concurrency: usize) -> Option<Case> {
        let Some(case) = Case::of(&work.request_id, &work.consumer) else {
            self.find(Breach::Unasked, work);
            return None;
        };
        if running > concurrency {
            self.find(Breach::Overloaded, case);
        }
        match work.errand {
            Errand::Perform => self.performs(case, work),
            Errand::Stop => {
                let state = &self.cases[case.index()];
                let is_at_it = state.run == LastRun::Running && state.run_ticket == work.ticket.0;
                let stop_ms = case.stop_ms(self.earliest_ms);
                let is_due = stop_ms.is_some_and(|stop_ms| self.latest_ms >= stop_ms)
                    || self.tickets[index(work.ticket.0)].ends_now;
                if is_at_it || !is_due {
                    self.find(Breach::EndedTooEarly, case);
                }
                at(&mut self.tickets, index(work.ticket.0)).told_to_end = true;
            }
            Errand::Probe => {}
        }
        Some(case)
    }

    fn performs(&mut self, case: Case, work: &Work) {
        if case.start_ms().is_some_and(|start_ms| self.latest_ms < start_ms) {
            self.find(Breach::TooEarly, case);
        }
        let ticket = work.ticket.0;
        let TicketState { stage, barred, .. } = *at(&mut self.tickets, index(ticket));
        if stage != Stage::Started {
            self.find(Breach::StartedUnrecorded, case);
        }
        if barred {
            self.find(Breach::CancelledRan, case);
        }
        let state = &mut self.cases[case.index()];
        let may_start = match state.run {
            LastRun::None | LastRun::NotBegun => state.is_sent,
            LastRun::Cut => case.is_idempotent(),
            LastRun::Running | LastRun::Ended => false,
        };
        state.run = LastRun::Running;
        state.run_ticket = ticket;
        if !may_start {
            self.find(Breach::Twice, case);
        }
    }

    /// Whether it was sent at least once.
    pub fn is_sent(&self, case: Case) -> bool {
        self.cases[case.index()].is_sent
    }

    /// Whether it happened.
    pub fn is_done(&self, case: Case) -> bool {
        self.cases[case.index()].effects > 0
    }

    /// Its actuator has ended its effect, or the bridge has given it up and says so.
    pub fn effect_ended(&mut self, case: Case) {
        self.cases[case.index()].effect_ended = true;
    }

    /// The bridge gives up ending the effect of this command, and says so.
    pub fn effect_goes_on(&mut self, ticket: Ticket) {
        if let Some(case) = at(&mut self.tickets, index(ticket.0)).case {
            self.effect_ended(case);
        }
    }

    /// An actuator was asked after a crash, and says that it has done nothing.
    pub fn nothing_was_begun(&mut self, case: Case) {
        let state = &mut self.cases[case.index()];
        if state.run == LastRun::Cut {
            state.run = LastRun::NotBegun;
        }
    }

    /// It happened.
    pub fn effect(&mut self, case: Case) {
        let state = &mut self.cases[case.index()];
        state.effects += 1;
        if state.effects > 1 && !case.is_idempotent() {
            self.find(Breach::Twice, case);
        }
    }

    /// An actuator has said how it ended.
    pub fn reported(&mut self, case: Case, not_begun: bool, lied: bool) {
        let state = &mut self.cases[case.index()];
        state.run = if not_begun { LastRun::NotBegun } else { LastRun::Ended };
        state.lied |= lied;
    }

    /// A response has arrived at the broker.
    pub fn heard(&mut self, outgoing: &Outgoing) {
        let id = index(outgoing.id.0);
        match at(&mut self.outbox, id) {
            Some(durable) if durable.payload == outgoing.payload => durable.heard = true,
            _ => self.find(Breach::PublishedUnrecorded, id),
        }
        let said = Said::read(&outgoing.payload);
        let Some(case) = said.case else { return };
        let wants = self.wants[case.index()];
        let state = &mut self.cases[case.index()];
        match said.status {
            102 => state.heard_102 = true,
            400 | 503 => state.refused = true,
            status => {
                let again = state.final_response.get_or_insert_with(|| outgoing.payload.clone());
                if *again != outgoing.payload {
                    self.find(Breach::Contradiction, case);
                } else if wants == Wants::Ack && case.is_carried_out() {
                    self.find(Breach::Unwanted, case);
                } else if said.is_in_doubt
                    && (!state.interrupted
                        || case.is_idempotent() && !case.is_to_stop() && !state.cancelled)
                {
                    self.find(Breach::NeedlessDoubt, case);
                } else if status == 200
                    && case.is_carried_out()
                    && state.effects == 0
                    && !state.lied
                {
                    self.find(Breach::WithoutEffect, case);
                }
            }
        }
        if wants == Wants::Nothing {
            self.find(Breach::Unwanted, case);
        }
    }

    /// The connection is another one.
    pub fn reconnected(&mut self) {
        self.last_acknowledged = 0;
    }

    /// The bridge has died. Says in which rows of the crash tables that is.
    pub fn crashed(&mut self, rows: &mut Rows) {
        for state in &mut self.tickets {
            rows.in_effect += usize::from(state.in_effect);
            rows.told_to_end += usize::from(state.in_effect && state.told_to_end);
            rows.brought_forward += usize::from(state.in_effect && state.ends_now);
            state.told_to_end = false;
            // Who was to be told is gone. What was begun must not begin once more.
            state.promised = false;
            state.barred |= state.cancelled;
            let Some(case) = state.case.filter(|_| state.for_actuator) else { continue };
            match (state.stage, case.is_idempotent()) {
                (Stage::Unknown | Stage::Ended, _) => continue,
                (Stage::Started, _) if state.cancelled => rows.cancelled += 1,
                (Stage::Accepted, _) if case.start_ms().is_some() => rows.waiting += 1,
                (Stage::Accepted, _) => rows.not_started += 1,
                (Stage::Started, true) => rows.runs_again += 1,
                (Stage::Started, false) if case.can_be_asked() => rows.asked += 1,
                (Stage::Started, false) => rows.in_doubt += 1,
            }
            self.cases[case.index()].interrupted |= state.stage == Stage::Started;
        }
        for state in &mut self.cases {
            let is_known = self
                .tickets
                .get(index(state.run_ticket))
                .is_some_and(|it| it.stage == Stage::Ended);
            if state.run != LastRun::None && !is_known {
                state.run = LastRun::Cut;
            }
        }
        let unconfirmed = self.outbox.iter().flatten().filter(|it| !it.answered && it.ends);
        rows.unconfirmed += unconfirmed.count();
        self.reconnected();
    }

    /// All is quiet, and nobody has sent anything twice for want of an answer.
    pub fn at_rest(&mut self) {
        for index in 0..self.cases.len() {
            if self.cases[index].copies > 0 && !self.is_answered(index) {
                self.find(Breach::Unanswered, index);
            }
        }
        let goes_on = (0..self.cases.len()).find(|index| {
            let state = &self.cases[*index];
            state.effects > 0 && !state.effect_ended && Case::number(*index).is_to_stop()
        });
        if let Some(case) = goes_on {
            self.find(Breach::NeverStopped, Case::number(case));
        }
        let is_open = |it: &TicketState| matches!(it.stage, Stage::Accepted | Stage::Started);
        let open = self.tickets.iter().position(is_open);
        if let Some(ticket) = open {
            self.find(Breach::NeverEnded, Ticket(ticket as u64));
        }
        let untold = self.tickets.iter().position(|it| it.promised && !it.told);
        if let Some(ticket) = untold {
            self.find(Breach::NeverTold, Ticket(ticket as u64));
        }
        let unheard = self.outbox.iter().flatten().find(|durable| !durable.heard);
        if let Some(durable) = unheard.cloned() {
            self.find(Breach::ResponseLost, durable.payload);
        }
    }

    /// Whether all cases of a message are answered, as far as anything was sent of them.
    pub fn is_settled(&self, letter: &Letter) -> bool {
        letter
            .cases
            .iter()
            .all(|case| !self.cases[case.index()].is_sent || self.is_answered(case.index()))
    }

    fn is_answered(&self, index: usize) -> bool {
        let state = &self.cases[index];
        let is_answered = match self.wants[index] {
            Wants::Final => state.final_response.is_some(),
            Wants::Ack => state.heard_102,
            Wants::Nothing => state.ended,
        };
        is_answered || state.refused
    }
}

/// What a response says, as far as it matters here.
struct Said<'a> {
    text: &'a str,
    case: Option<Case>,
    status: u16,
    is_in_doubt: bool,
}

impl<'a> Said<'a> {
    /// Picks it out of the bytes: they are compact JSON of ours, and reading
    /// all of them would take most of the time of a run.
    fn read(payload: &'a [u8]) -> Self {
        let text = std::str::from_utf8(payload).expect("JSON is UTF-8");
        let after = |name: &str| text.split_once(name).map(|(_, rest)| rest);
        let string = |name: &str| after(name).and_then(|rest| rest.split('"').next());
        let id = string("\"request_id\":\"").unwrap_or_default();
        let from = string("\"from\":\"").unwrap_or_default();
        let status = after("\"status\":").and_then(|rest| rest.get(..3));
        let case = Case::of(id, from);
        Self {
            text,
            case,
            status: status.and_then(|status| status.parse().ok()).expect("a status"),
            is_in_doubt: text.contains("in doubt") && case.is_none_or(|it| it.about().is_none()),
        }
    }
}

fn at<T: Default + Clone>(list: &mut Vec<T>, index: usize) -> &mut T {
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    &mut list[index]
}

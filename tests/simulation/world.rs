//! The world around the bridge: producers, a broker, actuators, a clock, and
//! the faults of all of them.

use openc2_bridge::dispatch::{
    Alarm, Effect, Errand, Finding, Outcome, Receipt, Report, Ticket, Work,
};
use openc2_bridge::journal::Disk;
use openc2_bridge::openc2::{Response, Status};

use super::bridge::{Bridge, Planted};
use super::oracle::{Breach, Oracle};
use super::pool::{BEGINNING_MS, Case, Pool};
use super::rows::Rows;
use super::script::{Action, How};

/// Rounds in which everything that waits is seen to; more are never needed.
const ROUNDS: usize = 200;

/// A ticket that no command gets.
const NOBODYS: Ticket = Ticket(u64::MAX);

pub struct World<'a> {
    pool: &'a Pool,
    disk: Disk,
    bridge: Bridge,
    planted: Option<Planted>,
    /// Messages that the broker has yet to deliver: numbers of letters.
    queue: Vec<usize>,
    /// Delivered and not acknowledged, in the order of delivery.
    in_flight: Vec<Delivery>,
    receipts: u64,
    /// Receipts up to here are of connections that are gone.
    old_receipts: u64,
    runs: Vec<Run>,
    now_ms: u64,
    pub oracle: Oracle,
    pub rows: Rows,
    /// Things that have happened.
    pub steps: usize,
}

struct Delivery {
    receipt: u64,
    letter: usize,
}

/// A command that an actuator has.
struct Run {
    work: Work,
    case: Case,
    is_done: bool,
}

impl<'a> World<'a> {
    pub fn new(pool: &'a Pool, planted: Option<Planted>) -> Self {
        let disk = Disk::default();
        let mut oracle = Oracle::new(&pool.letters);
        oracle.time(BEGINNING_MS);
        Self {
            bridge: Bridge::start(&disk, &pool.house, planted, BEGINNING_MS, &mut oracle),
            pool,
            disk,
            planted,
            queue: Vec::new(),
            in_flight: Vec::new(),
            receipts: 0,
            old_receipts: 0,
            runs: Vec::new(),
            now_ms: BEGINNING_MS,
            oracle,
            rows: Rows::default(),
            steps: 0,
        }
    }

    /// Makes something happen; `false` where there is nothing that it could happen to.
    pub fn step(&mut self, action: Action) -> bool {
        let happened = self.happens(action);
        if happened {
            self.steps += 1;
            self.bridge.keep_time(self.now_ms);
            if !self.bridge.is_balanced() {
                self.oracle.find(Breach::Unbalanced, action);
            }
        }
        happened
    }

    fn happens(&mut self, action: Action) -> bool {
        match action {
            Action::Send { letter } => self.send(usize::from(letter) % self.pool.letters.len()),
            Action::SendAbout { at } => return self.send_about(at),
            Action::Deliver { at, count } => return self.deliver(at, count),
            Action::Duplicate { at } => {
                let Some(at) = choose(at, self.in_flight.len()) else { return false };
                let letter = self.in_flight[at].letter;
                // It was never a copy of its own.
                self.oracle.sent(&self.pool.letters[letter]);
                self.rows.duplicates += 1;
                self.hand_in(vec![letter]);
            }
            Action::Write { lists } => {
                if !self.bridge.is_writing() {
                    return false;
                }
                self.bridge.write(usize::from(lists), &mut self.oracle);
            }
            Action::CarryOut => {
                let Some(effect) = self.bridge.next_effect() else { return false };
                self.carry_out(effect);
                self.bridge.refill(&mut self.oracle);
            }
            Action::Act { run, how } => {
                let Some(run) = choose(run, self.runs.len()) else { return false };
                self.act(run, how);
            }
            Action::Publish => return self.publish(),
            Action::Confirm { at } => {
                let is_published = |it: &super::bridge::InHand| it.is_published;
                let published = self.bridge.in_hand.iter().filter(|it| is_published(it)).count();
                let Some(at) = choose(at, published) else { return false };
                let mut published = (0..self.bridge.in_hand.len())
                    .filter(|at| is_published(&self.bridge.in_hand[*at]));
                let at = published.nth(at).expect("counted just now");
                self.bridge.confirmed(at, self.now_ms, &mut self.oracle);
            }
            Action::Disconnect => {
                self.rows.disconnections += 1;
                self.requeue();
                self.bridge.reconnected(false);
            }
            Action::LoseSession => {
                self.rows.sessions_lost += 1;
                self.requeue();
                for letter in self.queue.drain(..) {
                    self.oracle.lost(&self.pool.letters[letter]);
                }
                self.bridge.reconnected(true);
            }
            Action::Clock { by_ms } => {
                self.rows.clock_steps += usize::from(!(0..60_000).contains(&by_ms));
                self.set_clock(self.now_ms.saturating_add_signed(by_ms));
            }
            Action::Crash { still_done } => self.crash(still_done),
        }
        true
    }

    fn set_clock(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.oracle.time(now_ms);
    }

    fn send(&mut self, letter: usize) {
        self.oracle.sent(&self.pool.letters[letter]);
        self.queue.push(letter);
    }

    fn send_about(&mut self, at: u8) -> bool {
        let is_sent =
            |case: &Case| case.about().is_some_and(|(_, other)| self.oracle.is_sent(other));
        let letters = self.pool.letters.iter().enumerate();
        let about = letters.filter(|(_, letter)| letter.cases.iter().any(is_sent));
        let about: Vec<usize> = about.map(|(at, _)| at).collect();
        let Some(at) = choose(at, about.len()) else { return false };
        self.send(about[at]);
        true
    }

    fn deliver(&mut self, at: u8, count: u8) -> bool {
        let Some(at) = choose(at, self.queue.len()) else { return false };
        self.rows.reorderings += usize::from(at > 0);
        let until = self.queue.len().min(at + usize::from(count));
        let letters = self.queue.drain(at..until).collect();
        self.hand_in(letters);
        true
    }

    fn hand_in(&mut self, letters: Vec<usize>) {
        let mut opened = Vec::with_capacity(letters.len());
        for letter in letters {
            self.receipts += 1;
            let receipt = self.receipts;
            self.in_flight.push(Delivery { receipt, letter });
            opened.push(self.pool.letters[letter].opened.again(Receipt(receipt), self.now_ms));
        }
        self.bridge.attend(opened);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Record(_) => unreachable!("records come first and were taken out"),
            Effect::Acknowledge(Receipt(receipt)) => {
                // The door knows the receipts of its connection only.
                if receipt > self.old_receipts {
                    let at = self.in_flight.iter().position(|it| it.receipt == receipt);
                    let delivery = self.in_flight.remove(at.expect("acknowledged once"));
                    self.oracle.acknowledged(&self.pool.letters[delivery.letter], receipt);
                }
            }
            Effect::Start(work) => self.start(*work),
            Effect::Cancel(ticket) => self.oracle.told_to_give_up(ticket),
            Effect::Respond(outgoing) => self.bridge.respond(outgoing),
            Effect::Reply(_) => unreachable!("nobody posts"),
            Effect::Log(_)
            | Effect::Alarm(
                Alarm::StartMissed { .. } | Alarm::ClockSuspect { .. } | Alarm::InDoubt { .. },
            ) => {}
            Effect::Alarm(Alarm::EffectGoesOn { ticket, .. }) => self.oracle.effect_goes_on(ticket),
        }
    }

    fn start(&mut self, work: Work) {
        let running = self.runs.iter().filter(|run| run.work.actuator == work.actuator).count();
        let concurrency = self.pool.house.actuators[&work.actuator].concurrency;
        if let Some(case) = self.oracle.started(&work, running + 1, concurrency) {
            self.runs.push(Run { work, case, is_done: false });
        }
    }

    fn act(&mut self, run: usize, how: How) {
        self.rows.deaths += usize::from(how == How::Die);
        match self.runs[run].work.errand {
            Errand::Perform => self.performs(run, how),
            Errand::Stop => self.stops(run, how),
            Errand::Probe => self.tells(run, how),
        }
    }

    /// Ends the effect of a command, or cannot.
    fn stops(&mut self, run: usize, how: How) {
        let Run { work, case, .. } = self.runs.remove(run);
        let is_stopped = !matches!(how, How::Fail | How::Die | How::NotNow);
        if is_stopped {
            self.oracle.effect_ended(case);
        }
        let status = if is_stopped { Status::Ok } else { Status::InternalError };
        let outcome = Outcome::from(Response::new(status));
        self.bridge.hear(Report::Stopped { ticket: work.ticket, outcome }, self.now_ms);
    }

    /// Says what is the case with a command that is in doubt, or cannot be asked now.
    fn tells(&mut self, run: usize, how: How) {
        let Run { work, case, .. } = self.runs.remove(run);
        let outcome = |status| Outcome::from(Response::new(status));
        let finding = if matches!(how, How::Fail | How::Die | How::NotNow) {
            Finding::Unreachable(outcome(Status::ServiceUnavailable))
        } else if self.oracle.is_done(case) {
            Finding::Ended(outcome(Status::Ok))
        } else {
            self.oracle.nothing_was_begun(case);
            Finding::NotBegun
        };
        self.bridge.hear(Report::Probed { ticket: work.ticket, finding }, self.now_ms);
    }

    fn performs(&mut self, run: usize, how: How) {
        let Run { ref work, case, ref mut is_done } = self.runs[run];
        let ticket = work.ticket;
        let does_it = matches!(how, How::Effect | How::Done | How::Die | How::SayTwice);
        if does_it && !*is_done {
            *is_done = true;
            self.oracle.effect(case);
        }
        let is_done = *is_done;
        let status = match how {
            How::Effect => return,
            How::Progress => {
                let report = Report::Progress { ticket, text: "half of it".to_owned() };
                self.bridge.hear(report, self.now_ms);
                return;
            }
            How::SpeakOfAnother => {
                self.rows.lies += 1;
                self.says(NOBODYS, Status::Ok);
                return;
            }
            How::Done | How::SayTwice | How::Lie => Status::Ok,
            How::Fail | How::Die => Status::InternalError,
            How::NotNow if is_done || self.oracle.is_done(case) => Status::InternalError,
            How::NotNow => Status::ServiceUnavailable,
            How::EndWith102 => Status::Processing,
        };
        self.runs.remove(run);
        let lied = matches!(how, How::Lie | How::EndWith102);
        self.rows.lies += usize::from(lied || how == How::SayTwice);
        self.oracle.reported(case, status == Status::ServiceUnavailable, lied);
        self.says(ticket, status);
        if how == How::SayTwice {
            self.says(ticket, Status::InternalError);
        }
    }

    fn says(&mut self, ticket: Ticket, status: Status) {
        let outcome = Outcome::from(Response::new(status));
        self.bridge.hear(Report::Outcome { ticket, outcome }, self.now_ms);
    }

    fn publish(&mut self) -> bool {
        let next = self.bridge.in_hand.iter_mut().find(|it| !it.is_published);
        let Some(response) = next else { return false };
        response.is_published = true;
        self.oracle.heard(&response.outgoing);
        true
    }

    /// What was not acknowledged waits for its next delivery, in the same order.
    fn requeue(&mut self) {
        let again = self.in_flight.drain(..).map(|delivery| delivery.letter);
        self.queue.splice(0..0, again);
        self.old_receipts = self.receipts;
        self.oracle.reconnected();
    }

    fn crash(&mut self, still_done: u8) {
        self.rows.crashes += 1;
        let durable = self.bridge.acknowledgements().filter(|at| *at > self.old_receipts).count();
        self.rows.not_acknowledged += durable;
        self.rows.not_recorded += self.in_flight.len() - durable;
        for (at, run) in self.runs.drain(..).enumerate() {
            let may_happen = run.work.errand == Errand::Perform && !run.is_done;
            if may_happen && still_done >> (at % 8) & 1 == 1 {
                self.oracle.effect(run.case);
            }
        }
        self.oracle.crashed(&mut self.rows);
        self.requeue();
        let house = &self.pool.house;
        self.bridge = Bridge::start(&self.disk, house, self.planted, self.now_ms, &mut self.oracle);
    }

    /// Everything heals, and everybody does what is left to do. Then nothing may be
    /// open; what the broker has lost is sent again by its producer, and answered.
    pub fn settle(&mut self) {
        self.rows.hung += self.runs.len();
        self.come_to_rest();
        self.oracle.at_rest();
        for (letter, sent) in self.pool.letters.iter().enumerate() {
            if !self.oracle.is_settled(sent) {
                self.send(letter);
            }
        }
        self.come_to_rest();
        self.oracle.at_rest();
        let rows = self.rows;
        self.step(Action::Crash { still_done: 0 });
        self.rows = rows;
        // It may have something to say about the clock.
        self.step(Action::Write { lists: u8::MAX });
        while self.step(Action::CarryOut) {}
        if !self.runs.is_empty() || !self.bridge.has_nothing_to_do() {
            self.oracle.find(Breach::LeftOver, "after a restart");
        }
    }

    fn come_to_rest(&mut self) {
        for _ in 0..ROUNDS {
            while self.oracle.breach().is_none() && self.step(Action::Deliver { at: 0, count: 3 }) {
            }
            self.step(Action::Write { lists: u8::MAX });
            while self.step(Action::CarryOut) {}
            while self.step(Action::Act { run: 0, how: How::Done }) {}
            while self.step(Action::Publish) {}
            while self.step(Action::Confirm { at: 0 }) {}
            let is_quiet = self.queue.is_empty() && self.runs.is_empty();
            if self.oracle.breach().is_some() || is_quiet && self.bridge.has_nothing_to_do() {
                return;
            }
            if let Some(due_ms) = self.bridge.next_due_ms().filter(|due_ms| *due_ms > self.now_ms) {
                self.set_clock(due_ms);
                self.bridge.keep_time(due_ms);
            }
        }
        self.oracle.find(Breach::Restless, ROUNDS);
    }
}

fn choose(at: u8, among: usize) -> Option<usize> {
    (among > 0).then(|| usize::from(at) % among)
}

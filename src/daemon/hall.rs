//! The hall: one task through which everything passes, in order.

use std::borrow::Cow;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::clock::Clock;
use super::crew::Crew;
use super::outbox::Outbox;
use super::report::CommandLog;
use super::{Control, DaemonError, FAREWELL, LOOK_AT_CLOCK, archive, now_ms};
use crate::config::Topics;
use crate::dispatch::{
    Counters, Dispatcher, Effect, Event, Inbound, Known, Late, Opened, OutboxId, Record, Report,
    Ticket,
};
use crate::fail_point;
use crate::https;
use crate::journal::{Committed, Journal, JournalError, Recovered, Settlement};
use crate::mqtt::door::{DoorEvent, DoorHandle};

/// Messages of a door, or reports of actuators, that are taken at a time.
const AT_A_TIME: usize = 256;

/// Things that are due, read from the journal at a time.
const DUE_AT_A_TIME: usize = 1024;

/// Lists of effects that may wait for their records to be durable. With one
/// batch more, the journal's own bound is not passed.
const MAX_OUTSTANDING: usize = Journal::<Vec<Effect>>::MAX_OUTSTANDING - 2 * AT_A_TIME;

/// Answers that may wait for the end of their commands; further ones are lost, with a line that
/// says so.
const MOST_HELD_BACK: usize = 256;

/// How much earlier the mistake of [`fail_point::acknowledges_early`] acknowledges: the broker
/// has heard of it when the journal begins to write.
const EARLY: Duration = Duration::from_millis(20);

pub(super) struct Hall {
    pub dispatcher: Dispatcher,
    pub journal: Journal<Vec<Effect>>,
    pub committed: Committed<Vec<Effect>>,
    pub door: DoorHandle,
    pub events: mpsc::Receiver<DoorEvent>,
    /// The door for what is posted, where there is one.
    pub https: Option<https::DoorHandle>,
    pub posts: Option<mpsc::Receiver<https::DoorEvent>>,
    pub crew: Crew,
    pub reports: mpsc::Receiver<Report>,
    /// Answers of consumers elsewhere to which nobody listens any more.
    pub strays: mpsc::Receiver<Late>,
    /// Those of them whose command has yet to end.
    pub held_back: Vec<(Ticket, Late)>,
    pub outbox: Outbox,
    pub log: CommandLog,
    pub counters: watch::Sender<Counters>,
    pub clock: Clock,
    /// What people have found out about commands in doubt.
    pub settlements: mpsc::Receiver<Settlement>,
    /// Lists of effects, with their records, that have yet to go to the journal: together, so that
    /// they share a commit.
    pub to_commit: Vec<(Vec<Record>, Vec<Effect>)>,
    /// Lists of effects that wait for their records to be durable.
    pub outstanding: usize,
    pub is_up: bool,
}

impl Hall {
    /// Takes up what the journal holds, then works until told to stop.
    pub async fn run(
        mut self,
        recovered: Recovered,
        mut control: Control,
        drain: Duration,
    ) -> Result<Counters, DaemonError> {
        fail_point::pass("before-recover");
        let Recovered { unfinished, waiting, effects, .. } = recovered;
        let effects = self.dispatcher.recover(unfinished, (waiting, effects), now_ms());
        self.commit(effects);
        self.send_to_journal()?;
        fail_point::pass("after-recover");
        self.keep_time().await?;
        self.outbox.refill(&self.journal, &self.door).await?;

        let mut events = Vec::with_capacity(AT_A_TIME);
        let mut posts = Vec::with_capacity(AT_A_TIME);
        let mut reports = Vec::with_capacity(AT_A_TIME);
        let mut durable = Vec::with_capacity(AT_A_TIME);
        loop {
            let has_room = self.outstanding < MAX_OUTSTANDING;
            let next_look = sleep(self.until_next_look());
            tokio::select! {
                biased;
                () = control.stop.cancelled() => break,
                taken = self.committed.recv_many(&mut durable, AT_A_TIME) => {
                    self.is_writing(taken)?;
                    self.carry_out(&mut durable).await?;
                }
                _ = self.reports.recv_many(&mut reports, AT_A_TIME), if has_room => {
                    self.hear(&mut reports)?;
                    self.take_held_back().await?;
                }
                taken = self.events.recv_many(&mut events, AT_A_TIME), if has_room => {
                    if taken == 0 {
                        // The door is gone, and with it the reason to be here.
                        break;
                    }
                    self.attend(&mut events).await?;
                    if self.is_up && let Some(ready) = control.ready.take() {
                        let https = self.https.as_ref().map(https::DoorHandle::address);
                        // Whoever asked may have left.
                        let _nobody_waits = ready.send(super::Ready { https });
                    }
                }
                taken = next_posts(self.posts.as_mut(), &mut posts), if has_room => {
                    if taken == 0 {
                        self.posts = None;
                    }
                    self.receive(&mut posts).await?;
                }
                Some(settlement) = self.settlements.recv(), if has_room => {
                    self.settle_one(settlement).await?;
                }
                Some(topics) = control.reload.recv() => self.reload(topics),
                // Last: strangers decide how many there are.
                Some(stray) = self.strays.recv(), if has_room => self.take_stray(stray).await?,
                () = next_look, if has_room => {}
            }
            self.keep_time().await?;
            self.outbox.try_again(&self.journal, &self.door).await?;
            self.counters.send_replace(self.count());
        }
        self.wind_up(drain).await
    }

    /// What the door brings: commands, and word of the responses.
    async fn attend(&mut self, events: &mut Vec<DoorEvent>) -> Result<(), DaemonError> {
        let mut inbounds: Vec<Inbound> = Vec::new();
        let mut answered = Vec::new();
        for event in events.drain(..) {
            match event {
                DoorEvent::Inbound(inbound) => inbounds.push(inbound),
                DoorEvent::Published { id, heard } => {
                    if !heard {
                        self.log.nobody_listens(id);
                    }
                    answered.push(self.answered(id));
                }
                DoorEvent::Refused { id, again_in } => self.outbox.refused(id, again_in),
                DoorEvent::Up { .. } => self.is_up = true,
                DoorEvent::Down { .. } => self.is_up = false,
                // The door has logged it, and counts it.
                DoorEvent::Alarm(_) => {}
            }
        }
        if !answered.is_empty() {
            fail_point::pass("before-leaving-outbox");
            self.journal.append_lazily(answered)?;
            fail_point::pass("after-leaving-outbox");
        }
        self.outbox.refill(&self.journal, &self.door).await?;
        self.take_in(inbounds).await
    }

    /// What is posted, and who will not wait any longer for the answer.
    async fn receive(&mut self, posts: &mut Vec<https::DoorEvent>) -> Result<(), DaemonError> {
        let mut inbounds: Vec<Inbound> = Vec::new();
        for event in posts.drain(..) {
            match event {
                https::DoorEvent::Posted(inbound) => inbounds.push(*inbound),
                https::DoorEvent::GaveUp(receipt) => {
                    let effects = self.dispatcher.give_up(receipt, now_ms());
                    self.commit(effects);
                }
            }
        }
        self.send_to_journal()?;
        self.take_in(inbounds).await
    }

    /// Messages, by whichever door they came.
    async fn take_in(&mut self, inbounds: Vec<Inbound>) -> Result<(), DaemonError> {
        if inbounds.is_empty() {
            return Ok(());
        }
        let opened: Vec<_> =
            inbounds.into_iter().map(|inbound| self.dispatcher.open(inbound)).collect();
        fail_point::pass("before-recall");
        self.dispatcher.before_recall();
        let keys: Vec<_> = opened.iter().flat_map(Opened::keys).collect();
        let known = self.journal.recall(&keys).await?;
        // After the question: what it no longer knew is forgotten by then.
        self.dispatcher.remember(0, self.journal.forgotten_ms());
        let mut known = known.as_slice();
        for opened in opened {
            let (its_own, rest) = known.split_at(opened.keys().len());
            known = rest;
            let (opened, its_own) = self.follow(opened, its_own).await?;
            let mut named = Vec::new();
            if opened.number().is_some() || !opened.names().is_empty() {
                // After all that came before it, which may be what it is about.
                self.send_to_journal()?;
                named = match opened.number() {
                    Some(ticket) => vec![self.journal.numbered(ticket).await?],
                    None => self.journal.named(opened.names().to_vec()).await?,
                };
            }
            let mut effects = self.dispatcher.admit(opened, &its_own, &named);
            if fail_point::acknowledges_early() {
                self.acknowledge_early(&mut effects);
            }
            self.commit(effects);
        }
        if fail_point::acknowledges_early() {
            sleep(EARLY).await;
        }
        fail_point::pass("before-append");
        self.send_to_journal()?;
        fail_point::pass("after-append");
        Ok(())
    }

    /// A message that may be about a command which went elsewhere goes after it. It comes back
    /// with what is known of its keys.
    async fn follow<'a>(
        &mut self,
        opened: Opened,
        known: &'a [Option<Known>],
    ) -> Result<(Opened, Cow<'a, [Option<Known>]>), DaemonError> {
        let Some((producer, name)) = self.dispatcher.may_follow(&opened) else {
            return Ok((opened, Cow::Borrowed(known)));
        };
        // After all that came before it, which may be what it is about.
        self.send_to_journal()?;
        let found = self.journal.called(producer, name).await?;
        let opened = self.dispatcher.follow(opened, found);
        let keys: Vec<_> = opened.keys().iter().collect();
        let known = self.journal.recall(&keys).await?;
        Ok((opened, Cow::Owned(known)))
    }

    /// The broker has a response.
    fn answered(&mut self, id: OutboxId) -> Record {
        let ticket = self.outbox.published(id);
        Record { ticket, at_ms: now_ms(), event: Event::Answered { outbox: id } }
    }

    fn count(&self) -> Counters {
        Counters { clock_jumps: self.clock.jumps(), ..self.dispatcher.counters() }
    }

    /// How long nothing is due, by the clock as it is now.
    fn until_next_look(&self) -> Duration {
        let until_due = self.dispatcher.next_due_ms().map(|due_ms| due_ms.saturating_sub(now_ms()));
        until_due.map_or(LOOK_AT_CLOCK, |ms| Duration::from_millis(ms).min(LOOK_AT_CLOCK))
    }

    /// Sees to what is due by now, and fetches from the journal what is
    /// needed for it and for those whose turn is near.
    async fn keep_time(&mut self) -> Result<(), DaemonError> {
        let now_ms = now_ms();
        if let Some(alarm) = self.clock.look(now_ms) {
            self.log.alarm(&alarm);
        }
        let effects = self.dispatcher.look_at_clock(now_ms);
        self.commit(effects);
        self.send_to_journal()?;
        loop {
            while let Some(after) = self.dispatcher.wants_page() {
                let page = self.journal.due(after, DUE_AT_A_TIME).await?;
                self.dispatcher.page(page);
            }
            if self.dispatcher.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
                let effects = self.dispatcher.tick(now_ms);
                self.commit(effects);
                self.send_to_journal()?;
            }
            let wanted = self.dispatcher.wanted();
            if !wanted.is_empty() {
                let found = self.journal.unfinished(wanted).await?;
                let effects = self.dispatcher.fetched(found, now_ms);
                self.commit(effects);
                self.send_to_journal()?;
            }
            let is_due = self.dispatcher.next_due_ms().is_some_and(|due_ms| due_ms <= now_ms);
            if self.outstanding >= MAX_OUTSTANDING || !is_due && !self.dispatcher.wants_more() {
                return Ok(());
            }
        }
    }

    /// What actuators say.
    fn hear(&mut self, reports: &mut Vec<Report>) -> Result<(), DaemonError> {
        for report in reports.drain(..) {
            fail_point::pass("before-hear");
            if let Report::Outcome { ticket, .. } = &report {
                self.crew.has_ended(*ticket);
            }
            let effects = self.dispatcher.report(report, now_ms());
            self.commit(effects);
        }
        self.crew.let_go(|actuator| self.dispatcher.has_work(actuator));
        fail_point::pass("before-append-outcome");
        self.send_to_journal()
    }

    /// An answer after the end. What its command was is asked of the journal, after all that
    /// came before it. One that comes before the end waits for it.
    async fn take_stray(&mut self, stray: Late) -> Result<(), DaemonError> {
        let Some(ticket) = self.dispatcher.answered_by(&stray) else { return Ok(()) };
        if self.dispatcher.is_under_way(ticket) {
            if self.held_back.len() < MOST_HELD_BACK {
                self.held_back.push((ticket, stray));
            } else {
                self.log.loses_an_answer(ticket);
            }
            return Ok(());
        }
        self.send_to_journal()?;
        let Some(detail) = self.journal.show(ticket).await? else { return Ok(()) };
        let closed = archive::closed(&detail);
        let effects = self.dispatcher.late(ticket, stray, &closed, now_ms());
        self.commit(effects);
        self.send_to_journal()
    }

    /// The end of some commands has come.
    async fn take_held_back(&mut self) -> Result<(), DaemonError> {
        let has_ended = |(ticket, _): &mut (Ticket, Late)| !self.dispatcher.is_under_way(*ticket);
        let due: Vec<_> = self.held_back.extract_if(.., has_ended).collect();
        for (_, stray) in due {
            self.take_stray(stray).await?;
        }
        Ok(())
    }

    /// The mistake of [`fail_point::acknowledges_early`].
    fn acknowledge_early(&self, effects: &mut Vec<Effect>) {
        effects.retain(|effect| match effect {
            Effect::Acknowledge(receipt) => {
                self.door.acknowledge(*receipt);
                false
            }
            _ => true,
        });
    }

    /// What a person has found out about a command.
    async fn settle_one(&mut self, settlement: Settlement) -> Result<(), DaemonError> {
        let Settlement { ticket, outcome, answer } = settlement;
        let verdict = self.journal.in_doubt(ticket).await?;
        let verdict = verdict.map(|command| self.dispatcher.resolve(&command, outcome, now_ms()));
        // Whoever asked may have left.
        let _nobody_waits = match verdict {
            Ok(effects) => {
                self.commit(effects);
                self.send_to_journal()?;
                answer.send(Ok(()))
            }
            Err(why) => answer.send(Err(why)),
        };
        Ok(())
    }

    /// Has the records of a list of effects go to the journal, at the end of this turn
    /// ([`Hall::send_to_journal`]); the rest is carried out once they are durable. A list without
    /// records still keeps its place, so that acknowledgements leave in the order of arrival.
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
        self.to_commit.push((records, effects));
        self.outstanding += 1;
    }

    /// What this turn has to commit, all at once: before anything is asked of the journal, and
    /// before the hall waits.
    fn send_to_journal(&mut self) -> Result<(), DaemonError> {
        Ok(self.journal.append_all(std::mem::take(&mut self.to_commit))?)
    }

    /// The journal goes on, as long as something has come out of it.
    fn is_writing(&self, taken: usize) -> Result<(), JournalError> {
        if taken == 0 {
            return Err(JournalError::Stopped { failure: self.journal.failure() });
        }
        Ok(())
    }

    /// Carries out what had to wait for its records.
    async fn carry_out(&mut self, durable: &mut Vec<Vec<Effect>>) -> Result<(), DaemonError> {
        self.outstanding -= durable.len();
        for effect in durable.drain(..).flatten() {
            match effect {
                Effect::Record(_) => unreachable!("records come first and were taken out"),
                Effect::Acknowledge(receipt) => {
                    fail_point::pass("before-acknowledge");
                    self.door.acknowledge(receipt);
                    fail_point::pass("after-acknowledge");
                }
                Effect::Start(work) => {
                    fail_point::pass("before-start");
                    if let Some(report) = self.crew.start(*work) {
                        let effects = self.dispatcher.report(report, now_ms());
                        self.commit(effects);
                    }
                    fail_point::pass("after-start");
                }
                Effect::Respond(outgoing) => {
                    fail_point::pass("before-respond");
                    self.outbox.respond(&self.door, outgoing);
                }
                Effect::Reply(reply) => {
                    fail_point::pass("before-reply");
                    let https = self.https.as_ref().expect("only a POST is replied to");
                    https.reply(*reply);
                    fail_point::pass("after-reply");
                }
                Effect::Log(line) => self.log.command(&line),
                Effect::Alarm(alarm) => self.log.alarm(&alarm),
                Effect::Cancel(ticket) => {
                    fail_point::pass("before-cancel");
                    self.crew.cancel(ticket);
                    fail_point::pass("after-cancel");
                }
            }
        }
        self.send_to_journal()?;
        self.outbox.refill(&self.journal, &self.door).await
    }

    /// Carries out everything that still waits for its records.
    async fn settle(&mut self) -> Result<(), DaemonError> {
        let mut durable = Vec::new();
        while self.outstanding > 0 {
            let taken = self.committed.recv_many(&mut durable, AT_A_TIME).await;
            self.is_writing(taken)?;
            self.carry_out(&mut durable).await?;
        }
        Ok(())
    }

    fn reload(&mut self, topics: Topics) {
        match self.crew.reload(&topics) {
            Ok(()) => {
                let (door, listen_to) = (self.door.clone(), topics.command_topics());
                // It may have to wait for the broker; the hall does not.
                tokio::spawn(async move {
                    if let Err(error) = door.resubscribe(&listen_to).await {
                        tracing::error!(%error, "not every new command topic is listened to");
                    }
                });
                tracing::info!(
                    consumers = topics.house.consumers.len(),
                    actuators = topics.actuators.len(),
                    "topics.toml was read again"
                );
                self.dispatcher.reload(topics.house);
                self.crew.let_go(|actuator| self.dispatcher.has_work(actuator));
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "topics.toml is refused; the old one stays");
            }
        }
    }

    /// Takes nothing new, lets what was started finish within `drain`, and
    /// sends what there is to say.
    async fn wind_up(mut self, drain: Duration) -> Result<Counters, DaemonError> {
        tracing::info!(in_progress = self.dispatcher.in_progress(), "stopping");
        self.dispatcher.close();
        if let Some(https) = &self.https {
            https.stop_listening();
        }
        let deadline = Instant::now() + drain;
        // Some of these are recorded as started: their actuators must still be there.
        self.settle().await?;
        self.crew.dismiss(deadline);
        let mut reports = Vec::with_capacity(AT_A_TIME);
        // Ends when the last actuator has let go of its end.
        while self.reports.recv_many(&mut reports, AT_A_TIME).await > 0 {
            self.hear(&mut reports)?;
            self.settle().await?;
        }
        let farewell = Instant::now() + FAREWELL;
        while self.is_up && self.outbox.awaits_word() {
            let Ok(Some(event)) = timeout_at(farewell, self.events.recv()).await else { break };
            match event {
                DoorEvent::Published { id, .. } => {
                    let answered = self.answered(id);
                    self.journal.append_lazily(vec![answered])?;
                }
                DoorEvent::Refused { id, again_in } => self.outbox.refused(id, again_in),
                _ => continue,
            }
            self.outbox.refill(&self.journal, &self.door).await?;
        }
        if let Some(link) = self.crew.link() {
            link.close(FAREWELL).await;
        }
        let routes = self.crew.route_broker().borrow().clone();
        if let Some(broker) = routes {
            broker.close().await;
        }
        let counters = self.count();
        self.counters.send_replace(counters);
        Ok(counters)
    }
}

/// Waits for what is posted; for ever where there is no door for it.
async fn next_posts(
    posts: Option<&mut mpsc::Receiver<https::DoorEvent>>,
    taken: &mut Vec<https::DoorEvent>,
) -> usize {
    match posts {
        Some(posts) => posts.recv_many(taken, AT_A_TIME).await,
        None => std::future::pending().await,
    }
}

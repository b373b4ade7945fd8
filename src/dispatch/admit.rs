//! Second step: may it act, and who carries it out?

use std::sync::Arc;

use super::absent;
use super::at_once::Envelope;
use super::house::Choice;
use super::open::{Opened, Reading, Request};
use super::post::{Party, Sender, Unsaid};
use super::reply::Answers;
use super::timing::{Schedule, Timing};
use super::{
    About, Accepted, Alarm, Class, Dispatcher, Due, Effect, Errand, Event, InProgress, Inbound,
    Key, Known, LogLine, Named, Outgoing, Reason, Record, Reply, Ticket, Work,
};
use crate::openc2::{Command, Response, ResponseType, Status};
use crate::wire::{Encoding, Manner};

/// What a message leads to, gathered over the consumers that it is for.
#[derive(Default)]
pub(super) struct Decided {
    pub records: Vec<Record>,
    pub starts: Vec<Work>,
    /// Commands that actuators are to give up.
    pub cancels: Vec<Ticket>,
    pub responses: Vec<Outgoing>,
    pub lines: Vec<LogLine>,
    /// Answers to POST requests.
    pub replies: Vec<Reply>,
    /// Who answers, or will answer, the POST that is admitted.
    pub parties: Vec<Party>,
    /// What its caller is told where nobody answers it.
    pub unsaid: Option<Unsaid>,
    pub alarms: Vec<Alarm>,
}

impl Decided {
    /// In the order that the promise needs: recorded, acknowledged, started.
    pub fn into_effects(self, acknowledge: Option<super::Receipt>) -> Vec<Effect> {
        let Self { records, starts, cancels, responses, lines, replies, alarms, .. } = self;
        let mut effects = Vec::with_capacity(4);
        if !records.is_empty() {
            effects.push(Effect::Record(records));
        }
        effects.extend(acknowledge.map(Effect::Acknowledge));
        effects.extend(starts.into_iter().map(|work| Effect::Start(Box::new(work))));
        effects.extend(cancels.into_iter().map(Effect::Cancel));
        effects.extend(responses.into_iter().map(Effect::Respond));
        effects.extend(replies.into_iter().map(|reply| Effect::Reply(Box::new(reply))));
        effects.extend(lines.into_iter().map(|line| Effect::Log(Box::new(line))));
        effects.extend(alarms.into_iter().map(Effect::Alarm));
        effects
    }

    /// Sends a recorded response on its way. Where it is for callers alone it
    /// leaves the outbox in the commit that put it there: it stays with its command.
    pub fn send(&mut self, outgoing: Outgoing, is_published: bool, at_ms: u64) {
        if is_published {
            self.responses.push(outgoing);
        } else {
            let Outgoing { id, ticket, .. } = outgoing;
            let event = Event::Answered { outbox: id };
            self.records.push(Record { ticket, at_ms, event });
        }
    }
}

/// The turn that a well-formed command takes at one consumer.
pub(super) enum Verdict {
    /// To this actuator, now or later.
    Start(String, Schedule),
    /// Answered on the spot.
    Answer(Response),
    /// Turned away, and a repetition gets the same answer (not with 503).
    Refuse(Status, Reason),
    /// Turned away for a reason that leaves the first owner of its key alone.
    RefuseUnkeyed(Status, Reason),
    /// Known already.
    Repeat(Known),
    /// Somebody else is meant.
    Drop(Reason),
}

impl Dispatcher {
    /// Decides about a message, given what the journal knows of each of
    /// [`Opened::keys`], and what it has of each of [`Opened::names`], in the same order;
    /// or of [`Opened::number`].
    pub fn admit(
        &mut self,
        opened: Opened,
        known: &[Option<Known>],
        named: &[Option<Named>],
    ) -> Vec<Effect> {
        let Opened { inbound, reading, consumers, routed, keys, habits, .. } = opened;
        let receipt = inbound.receipt;
        let sender = sender(&inbound, &reading);
        let mut decided = Decided::default();
        let cases = (consumers.len() + routed.len()).max(1) as u64;
        self.counters.deliveries += 1;
        self.counters.received += cases;
        self.counters.without_properties += if habits.without_properties { cases } else { 0 };
        self.counters.tolerated += if habits.tolerated { cases } else { 0 };

        match reading {
            Reading::Unread { reason } => {
                self.counters.dropped += cases;
                self.counters.unread += cases;
                decided.unsaid = Some((Status::BadRequest, reason.clone()));
                decided.lines.push(LogLine {
                    class: Some(Class::Dropped),
                    reason: Some(reason),
                    ..LogLine::default()
                });
            }
            Reading::Dropped { glimpse, reason } => {
                decided.unsaid = Some((Status::BadRequest, reason.clone()));
                // It is kept for each consumer that it addressed, as it is counted.
                let nobody = consumers.is_empty().then(String::new);
                for consumer in consumers.into_iter().chain(nobody) {
                    let envelope = Envelope::glimpsed(consumer, &glimpse);
                    self.drop_message(&mut decided, &inbound, &envelope, reason.clone());
                }
            }
            Reading::Faulty { glimpse, status, reason } => {
                let encoding = Encoding::of(&inbound.payload);
                if consumers.is_empty() {
                    let envelope = Envelope::glimpsed(String::new(), &glimpse);
                    decided.unsaid = Some((status, reason));
                    self.drop_message(&mut decided, &inbound, &envelope, not_addressed());
                } else {
                    for consumer in consumers {
                        let manner = Manner { encoding, ..Manner::default() };
                        let envelope =
                            Envelope { manner, ..Envelope::glimpsed(consumer, &glimpse) };
                        self.refuse(&mut decided, &inbound, &envelope, status, reason.clone());
                    }
                }
            }
            Reading::Command(request) => {
                if request.is_signed {
                    self.counters.unverified_signatures += cases;
                }
                if consumers.is_empty() && routed.is_empty() {
                    let headers = request.headers;
                    let from = inbound.sent_by(headers.from.as_ref());
                    let envelope = Envelope::of(from, headers.request_id);
                    decided.unsaid = Some((Status::NotFound, not_addressed()));
                    self.drop_message(&mut decided, &inbound, &envelope, not_addressed());
                } else {
                    let here = consumers.len();
                    for (at, consumer) in consumers.into_iter().enumerate() {
                        let key = keys.get(at).cloned();
                        let known = known.get(at).and_then(Option::as_ref);
                        let named = named.get(at).and_then(Option::as_ref);
                        let (inbound, request) = (&inbound, &*request);
                        let case = Case { inbound, request, named, about: None };
                        match self.read_for(inbound, request, &consumer) {
                            None => self.admit_one(&mut decided, &case, consumer, key, known),
                            Some(Ok(request)) => {
                                let case = Case { request: &request, ..case };
                                self.admit_one(&mut decided, &case, consumer, key, known);
                            }
                            Some(Err(fault)) => {
                                let verdict =
                                    Verdict::RefuseUnkeyed(fault.status, Reason::from(&*fault));
                                self.carry_out(&mut decided, &case, consumer, key, verdict);
                            }
                        }
                    }
                    for (at, routed) in (here..).zip(routed) {
                        let key = keys.get(at).cloned();
                        let known = known.get(at).and_then(Option::as_ref);
                        let followed = routed.follows.as_deref();
                        let named = named.get(at).and_then(Option::as_ref);
                        let named = named.or(followed.map(|followed| &followed.named));
                        let about = followed.map(|followed| &followed.about);
                        let inbound =
                            Inbound { address: routed.address.clone(), ..inbound.clone() };
                        let (inbound, request) = (&inbound, &*request);
                        let case = Case { inbound, request, named, about };
                        let key_of = key.as_ref();
                        let verdict =
                            self.judge_routed(&mut decided, &case, &routed, key_of, known);
                        let consumer = self.house.speaker_at(&routed, &verdict);
                        self.carry_out(&mut decided, &case, consumer, key, verdict);
                    }
                }
            }
        }
        let Some(sender) = sender else { return decided.into_effects(Some(receipt)) };
        self.attend_to(&mut decided, receipt, sender, inbound.received_ms);
        decided.into_effects(None)
    }

    fn admit_one(
        &mut self,
        decided: &mut Decided,
        case: &Case<'_>,
        consumer: String,
        key: Option<Key>,
        known: Option<&Known>,
    ) {
        let verdict = self.judge(decided, case, &consumer, key.as_ref(), known);
        self.carry_out(decided, case, consumer, key, verdict);
    }

    fn carry_out(
        &mut self,
        decided: &mut Decided,
        case: &Case<'_>,
        consumer: String,
        key: Option<Key>,
        verdict: Verdict,
    ) {
        let Case { inbound, request, .. } = *case;
        let wants = request.command.args.response_requested.unwrap_or_default();
        let mut envelope = Envelope {
            consumer,
            key,
            digest: Some(request.digest),
            producer: inbound.sent_by(request.headers.from.as_ref()),
            request_id: request.headers.request_id.clone(),
            wants,
            command: Some(Arc::clone(&request.command)),
            is_signed: request.is_signed,
            manner: request.manner,
            is_absent: false,
        };
        let is_named = |id: &String| request.headers.to.contains(id);
        match verdict {
            Verdict::Start(actuator, schedule) => {
                self.accept(decided, case, envelope, actuator, schedule);
            }
            Verdict::Answer(response) => {
                let end = Class::Answered;
                self.conclude_at_once(decided, inbound, &envelope, end, response, None);
            }
            Verdict::Refuse(status, reason) => {
                self.refuse(decided, inbound, &envelope, status, reason);
            }
            Verdict::RefuseUnkeyed(status, reason) => {
                envelope.key = None;
                self.refuse(decided, inbound, &envelope, status, reason);
            }
            Verdict::Repeat(known) => {
                envelope.key = None;
                if known.response.is_none() && !known.ended {
                    self.join(decided, case, &envelope.consumer, known.ticket);
                }
                self.repeat(decided, inbound, &envelope, known.response);
            }
            Verdict::Drop(reason) if inbound.caller.is_some() && is_named(&envelope.consumer) => {
                // Who names a consumer hears of it, also where others answer.
                envelope.is_absent = self.house.consumer(&envelope.consumer).is_none();
                self.refuse(decided, inbound, &envelope, Status::NotFound, reason);
            }
            Verdict::Drop(reason) => {
                envelope.key = None;
                decided.unsaid = Some((Status::NotFound, reason.clone()));
                self.drop_message(decided, inbound, &envelope, reason);
            }
        }
    }

    /// Rules in the order in which they count.
    fn judge(
        &mut self,
        decided: &mut Decided,
        case: &Case<'_>,
        consumer: &str,
        key: Option<&Key>,
        known: Option<&Known>,
    ) -> Verdict {
        let Case { inbound, request, named, .. } = *case;
        let command = &*request.command;
        let args = &command.args;
        let now_ms = inbound.received_ms;

        let key = match key_or_fault(case, key) {
            Ok(key) => key,
            Err((status, reason)) => return Verdict::RefuseUnkeyed(status, reason),
        };
        if let Some(known) = self.seen(key, known) {
            return Self::seen_before(case, known);
        }
        if let Some(text) = self.outside_window(&request.headers, now_ms) {
            return Verdict::RefuseUnkeyed(Status::BadRequest, Reason::Ours(text));
        }
        let Some(resident) = self.house.consumer(consumer) else {
            let is_posted = inbound.caller.is_some();
            return Verdict::Drop(if is_posted {
                absent::reason(consumer)
            } else {
                not_addressed()
            });
        };
        if let Some(limit) = resident.rate_limit {
            let minute = self.last_minute.entry(consumer.to_owned()).or_default();
            if !minute.admits(limit, now_ms) {
                return Verdict::Refuse(
                    Status::ServiceUnavailable,
                    Reason::Ours(format!(
                        "{consumer} takes {limit} commands a minute; try again in {} s",
                        minute.wait_secs(now_ms)
                    )),
                );
            }
        }
        if let Some(features) = super::features::asked_for(command) {
            let elsewhere =
                self.house.not_meant(resident, &inbound.address, command.actuator.as_ref());
            return match elsewhere {
                Some(choice) => Self::turned_away(choice),
                None => super::features::answer(
                    &self.house,
                    resident,
                    request.manner.version,
                    features,
                    args,
                ),
            };
        }
        if let Some((wish, _)) = super::cancel::asked_for(command) {
            let elsewhere =
                self.house.not_meant(resident, &inbound.address, command.actuator.as_ref());
            return match elsewhere {
                Some(choice) => Self::turned_away(choice),
                None => self.about_another(decided, wish, args, named, now_ms),
            };
        }
        let choice = self.house.choose(
            resident,
            &inbound.address,
            command.action,
            command.target.name(),
            command.actuator.as_ref(),
        );
        let actuator = match choice {
            Choice::Actuator(name) => name,
            other => return Self::turned_away(other),
        };
        if let Some(namespace) = self.house.unknown_argument(actuator, args) {
            return Verdict::Refuse(
                Status::NotImplemented,
                Reason::quoting(
                    format!("an argument namespace is not known to actuator {actuator:?}"),
                    format!(
                        "argument namespace {namespace:?} is not known to actuator {actuator:?}"
                    ),
                ),
            );
        }
        let schedule = match Timing::from(args).resolve(now_ms) {
            Ok(schedule) => schedule,
            Err(error) => {
                return Verdict::Refuse(Status::BadRequest, Reason::Ours(error.to_string()));
            }
        };
        if let Some((status, text)) = self.not_at_that_time(actuator, command, schedule, now_ms) {
            return Verdict::Refuse(status, Reason::Ours(text));
        }
        Verdict::Start(actuator.to_owned(), schedule)
    }

    /// Why an actuator cannot carry a command out at its time.
    fn not_at_that_time(
        &self,
        actuator: &str,
        command: &Command,
        schedule: Schedule,
        now_ms: u64,
    ) -> Option<(Status, String)> {
        let face = self.house.actuators.get(actuator)?;
        if schedule.stop_ms.is_some() && !face.enforces_time && !face.can_stop(command) {
            let text = format!(
                "actuator {actuator:?} cannot end this command at a given time: \
                 stop_time and duration are not for it"
            );
            return Some((Status::NotImplemented, text));
        }
        let is_timed = schedule.start_ms > now_ms || schedule.stop_ms.is_some();
        let most = self.rules.time.waiting;
        if is_timed && self.on_disk.saturating_add(self.effects) >= most {
            let text = format!("{most} commands wait for their time already; try again later");
            return Some((Status::ServiceUnavailable, text));
        }
        if schedule.start_ms <= now_ms && !self.has_room(actuator) {
            let text = format!("the queue of actuator {actuator:?} is full; try again later");
            return Some((Status::ServiceUnavailable, text));
        }
        None
    }

    fn turned_away(choice: Choice<'_>) -> Verdict {
        match choice {
            Choice::NotMeant(reason) => Verdict::Drop(reason),
            Choice::Refused(status, reason) => Verdict::Refuse(status, reason),
            Choice::Actuator(_) => unreachable!("whoever was chosen is not turned away"),
        }
    }

    /// A command whose key is known: the same once more, or another one.
    pub(super) fn seen_before(case: &Case<'_>, known: Known) -> Verdict {
        if known.digest == Some(case.request.digest) {
            return Verdict::Repeat(known);
        }
        let text = "this request_id was used before, for another command";
        Verdict::RefuseUnkeyed(Status::BadRequest, text.into())
    }

    /// What is known of a key, here or in the journal.
    pub(super) fn seen(&self, key: &Key, known: Option<&Known>) -> Option<Known> {
        if let Some(ticket) = self.keys.get(key).copied()
            && let Some(command) = self.in_progress.get(&ticket)
        {
            let (digest, response) = (command.digest, command.response.clone());
            return Some(Known { ticket, digest, response, ended: false });
        }
        self.settled.get(key).or(known).cloned()
    }

    /// Another message about a command that is under way, or waits in the
    /// journal: whoever sent this one hears as well.
    fn join(&mut self, decided: &mut Decided, case: &Case<'_>, consumer: &str, ticket: Ticket) {
        let wants = case.request.command.args.response_requested.unwrap_or_default();
        if let Some(caller) = &case.inbound.caller {
            if wants != ResponseType::None {
                // Once the time of its route is over there is no end to wait for, unless its
                // caller says how long.
                let is_told = !caller.will_wait && !caller.will_not_wait;
                let said = self.in_progress.get(&ticket).filter(|_| is_told);
                let said = said.and_then(|command| command.meanwhile.clone());
                decided.parties.push(Party { ticket, consumer: consumer.to_owned(), said });
            }
        } else if let Some(command) = self.in_progress.get_mut(&ticket) {
            command.is_published = true;
        }
    }

    /// Records a command as accepted, and starts it in the same commit where
    /// its time has come and its actuator is free.
    fn accept(
        &mut self,
        decided: &mut Decided,
        case: &Case<'_>,
        envelope: Envelope,
        actuator: String,
        schedule: Schedule,
    ) {
        let (inbound, request, command) = (case.inbound, case.request, &case.request.command);
        let ticket = self.next_ticket();
        let at_ms = inbound.received_ms;
        let start_ms = Some(schedule.start_ms).filter(|start_ms| *start_ms > at_ms);
        let face = self.house.actuators.get(&actuator);
        let stop_ms = schedule.stop_ms.filter(|_| !face.is_some_and(|face| face.enforces_time));
        let command_id = command.command_id.clone();
        let accepted = Accepted {
            actuator: Some(actuator.clone()),
            command_id: command_id.filter(|id| Some(id) != envelope.request_id.as_ref()),
            start_ms,
            stop_ms,
            about: case.about.cloned(),
            ..envelope.accepted(inbound)
        };
        let (is_published, hops) = (!accepted.posted, accepted.hops);
        let Envelope { consumer, key, digest, producer, request_id, wants, .. } = envelope;
        let producer = producer.expect("a command without from has no key and is refused");

        decided.records.push(Record { ticket, at_ms, event: Event::Accepted(Box::new(accepted)) });
        let mut response = None;
        // A POST has one answer: 102 is that for who asked for no other.
        if wants == ResponseType::Ack || (wants == ResponseType::Status && is_published) {
            let to = Answers {
                consumer: Some(&consumer),
                producer: Some(&producer),
                request_id: request_id.as_deref(),
                manner: request.manner,
            };
            let outgoing = self.compose(ticket, &to, Response::new(Status::Processing), at_ms);
            response = Some(outgoing.payload.clone());
            let event = Event::Progress { response: outgoing.clone() };
            decided.records.push(Record { ticket, at_ms, event });
            decided.send(outgoing, is_published, at_ms);
        }
        if inbound.caller.is_some() && wants != ResponseType::None {
            decided.parties.push(Party {
                ticket,
                consumer: consumer.clone(),
                said: response.clone(),
            });
        }
        if start_ms.is_some() || !self.is_near(&actuator) {
            // From here on the journal alone has it.
            if let Some(key) = key {
                self.settled.insert(key, Known { ticket, digest, response, ended: false });
            }
            self.on_disk += 1;
            match start_ms {
                Some(at_ms) => {
                    self.agenda.insert(Due { at_ms, ticket, errand: Errand::Perform, actuator });
                }
                None => self.line_up_away(&actuator, ticket),
            }
            return;
        }
        let to = match case.about {
            Some(about) => about.to.clone(),
            None => self.house.elsewhere(&actuator, &inbound.address, &request.headers.to),
        };
        let work = Work {
            errand: Errand::Perform,
            ticket,
            actuator: actuator.clone(),
            consumer: consumer.clone(),
            producer: producer.clone(),
            request_id: request.known_by.clone(),
            command_id: command.command_id.clone().unwrap_or_else(|| request.known_by.clone()),
            address: inbound.address.clone(),
            command: Arc::clone(command),
            signed: request.is_signed.then(|| inbound.payload.clone()),
            hops,
            again: false,
            to,
            about: case.about.map(|about| about.id.clone()),
        };
        if let Some(key) = &key {
            self.keys.insert(key.clone(), ticket);
        }
        let under_way = InProgress {
            key,
            digest,
            consumer,
            producer,
            request_id,
            wants,
            manner: request.manner,
            actuator,
            command: Arc::clone(command),
            accepted_ms: at_ms,
            stop_ms,
            is_started: false,
            stop_is_due: false,
            is_cancelled: false,
            last_progress_ms: None,
            unverified_signature: case.request.is_signed,
            response,
            is_published,
            callers: Vec::new(),
            meanwhile: None,
        };
        self.in_progress.insert(ticket, under_way);
        self.line_up(decided, work, false, at_ms);
    }
}

/// A command that came, as all its consumers see it.
pub(super) struct Case<'a> {
    pub inbound: &'a Inbound,
    pub request: &'a Request,
    /// The other command that it is about.
    pub named: Option<&'a Named>,
    /// What that is called by consumers elsewhere.
    pub about: Option<&'a About>,
}

/// Whom the answer to a POST is for.
fn sender(inbound: &Inbound, reading: &Reading) -> Option<Sender> {
    let sender = inbound.caller.as_ref()?.sender(reading);
    Some(Sender { producer: inbound.sent_by(sender.producer.as_ref()), ..sender })
}

/// The key of a command, where its envelope has all that it needs.
pub(super) fn key_or_fault<'a>(case: &Case<'_>, key: Option<&'a Key>) -> Result<&'a Key, Unsaid> {
    let Case { inbound, request, .. } = *case;
    let wants = request.command.args.response_requested.unwrap_or_default();
    if let Some(caller) = &inbound.caller {
        if caller.is_impostor(request.headers.from.as_deref()) {
            return Err((
                Status::Forbidden,
                "headers.from is not the identity of the client certificate".into(),
            ));
        }
        if request.headers.request_id.is_none() {
            return Err((
                Status::BadRequest,
                "headers.request_id is missing, and X-Request-ID as well".into(),
            ));
        }
    }
    let Some(key) = key else {
        return Err((
            Status::BadRequest,
            "headers.from is missing: it holds the identity of the producer".into(),
        ));
    };
    if request.headers.request_id.is_none() && wants != ResponseType::None {
        return Err((
            Status::BadRequest,
            "headers.request_id is missing, and a response is asked for".into(),
        ));
    }
    if request.refused_signature {
        return Err((
            Status::Unauthorized,
            "the message is signed, and no signature can be checked here".into(),
        ));
    }
    Ok(key)
}

/// `query features`, say.
pub(super) fn summary(command: &Command) -> String {
    format!("{} {}", command.action, command.target.name())
}

fn not_addressed() -> Reason {
    "no consumer here is addressed".into()
}

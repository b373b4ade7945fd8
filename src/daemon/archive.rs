//! What the HTTPS door is told of commands: out of the journal.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use super::{events, now_ms};
use crate::actuator::route::Broker;
use crate::dispatch::{
    Accepted, Class, Closed, Counters, Effect, Withdrawn, command_id, ticket_in,
};
use crate::https::{Archive, Failure, Filed, Followed, Soon, Wanted, Withdrawal};
use crate::journal::{Detail, Entry, Journal, JournalError, Listing, State};
use crate::producer::Envelope;
use crate::wire::{self, Limits};

/// Least time between two looks at a command that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The same of one that is followed, of which there are fewer, and which are looked at to their end.
const FOLLOW_AGAIN: Duration = Duration::from_millis(200);

/// The journal, and the consumers that the routes have heard.
pub(super) struct Files {
    pub journal: Journal<Vec<Effect>>,
    /// Changes whenever something may have happened to a command.
    pub counters: watch::Receiver<Counters>,
    pub routes: watch::Receiver<Option<Arc<Broker>>>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Files {
    async fn look(&self, id: &str) -> Result<Option<(State, Filed)>, JournalError> {
        let Some(ticket) = ticket_in(id) else { return Ok(None) };
        let Some(detail) = self.journal.show(ticket).await? else { return Ok(None) };
        if name_of(&detail.entry).as_deref() != Some(id) {
            return Ok(None);
        }
        let mut filed = filed(&detail.entry);
        let answers = events::answers(&detail);
        if !answers.is_empty() {
            filed.view["answers"] = answers.into();
        }
        filed.view["response"] = detail.response.unwrap_or_default();
        Ok(Some((detail.entry.state, filed)))
    }

    /// The command, once it has ended or the time is over.
    async fn wait(&self, id: &str, wait: Duration) -> Result<Option<Filed>, JournalError> {
        let until = Instant::now() + wait;
        let mut counters = self.counters.clone();
        loop {
            counters.mark_unchanged();
            let Some((state, filed)) = self.look(id).await? else { return Ok(None) };
            let is_over = state == State::Ended || wait.is_zero();
            if is_over || timeout_at(until, counters.changed()).await.is_err() {
                return Ok(Some(filed));
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What has happened to the command since, once something has or the time is over.
    async fn follow(
        &self,
        id: &str,
        after: u64,
        wait: Duration,
    ) -> Result<Option<Followed>, JournalError> {
        let Some(ticket) = ticket_in(id) else { return Ok(None) };
        let until = Instant::now() + wait;
        let mut counters = self.counters.clone();
        loop {
            counters.mark_unchanged();
            let detail = self.journal.show_durable(ticket).await?;
            let Some(detail) = detail.filter(|it| name_of(&it.entry).as_deref() == Some(id)) else {
                return Ok(None);
            };
            let mut events = events::of(&detail);
            events.retain(|event| event.number > after);
            let open_for = events::open_for(&detail, now_ms());
            let is_over = detail.entry.state == State::Ended && open_for.is_none();
            let is_news = is_over || !events.is_empty() || wait.is_zero();
            if is_news || Instant::now() >= until {
                let producer = detail.entry.producer;
                return Ok(Some(Followed { producer, events, is_over }));
            }
            let look_again =
                open_for.map_or(until, |open_for| until.min(Instant::now() + open_for));
            // Something has happened, or the time for late answers is over: or else all of it is.
            let _over = timeout_at(look_again, counters.changed()).await;
            sleep(FOLLOW_AGAIN).await;
        }
    }

    async fn withdrawal(&self, id: &str) -> Result<Option<Withdrawal>, JournalError> {
        let Some(ticket) = ticket_in(id) else { return Ok(None) };
        let Some(named) = self.journal.numbered(ticket).await? else { return Ok(None) };
        let Accepted { producer, request_id, consumer, actuator, address, message, .. } =
            named.command.accepted;
        let Some(name) = request_id.map(|request_id| {
            command_id(ticket, producer.as_deref().unwrap_or_default(), &request_id)
        }) else {
            return Ok(None);
        };
        if name != id {
            return Ok(None);
        }
        Ok(Some(Withdrawal {
            producer: producer.clone(),
            withdrawn: Withdrawn { ticket, consumer, actuator, address },
            to: whom(&message),
            request_id: Envelope::new(producer.unwrap_or_default()).request_id,
        }))
    }

    async fn list(&self, wanted: Wanted) -> Result<Vec<Filed>, JournalError> {
        let Wanted { limit, before, state, consumer, producer, request_id } = wanted;
        let states = match state.as_deref() {
            Some("pending") => vec![Some(State::Accepted), Some(State::Started)],
            Some("accepted") => vec![Some(State::Accepted)],
            Some("started") => vec![Some(State::Started)],
            Some("in_doubt") => vec![Some(State::InDoubt)],
            Some(_) => vec![Some(State::Ended)],
            None => vec![None],
        };
        let mut found = Vec::new();
        for state in states {
            let mut listing = Listing {
                limit,
                before,
                state,
                consumer: consumer.clone(),
                producer: producer.clone(),
                request_id: request_id.clone(),
            };
            let mut room = limit;
            while room > 0 {
                let entries = self.journal.list(listing.clone()).await?;
                let commands = entries.iter().filter(|entry| is_command(entry)).map(filed);
                let before = found.len();
                found.extend(commands.take(room));
                room -= found.len() - before;
                match entries.last() {
                    Some(last) if entries.len() == limit => listing.before = Some(last.ticket),
                    _ => break,
                }
            }
        }
        found.sort_unstable_by_key(|filed| Reverse(filed.number));
        found.truncate(limit);
        Ok(found)
    }
}

impl Archive for Files {
    fn command<'a>(
        &'a self,
        id: &'a str,
        wait: Duration,
    ) -> Soon<'a, Result<Option<Filed>, Failure>> {
        Box::pin(async move { self.wait(id, wait).await.map_err(|error| error.to_string()) })
    }

    fn events<'a>(
        &'a self,
        id: &'a str,
        after: u64,
        wait: Duration,
    ) -> Soon<'a, Result<Option<Followed>, Failure>> {
        let followed = self.follow(id, after, wait);
        Box::pin(async move { followed.await.map_err(|error| error.to_string()) })
    }

    fn withdrawal<'a>(&'a self, id: &'a str) -> Soon<'a, Result<Option<Withdrawal>, Failure>> {
        Box::pin(async move { self.withdrawal(id).await.map_err(|error| error.to_string()) })
    }

    fn commands(&self, wanted: Wanted) -> Soon<'_, Result<Vec<Filed>, Failure>> {
        Box::pin(async move { self.list(wanted).await.map_err(|error| error.to_string()) })
    }

    fn consumers(&self) -> Value {
        let broker = self.routes.borrow().clone();
        broker.map_or_else(|| json!([]), |broker| broker.consumers())
    }
}

/// Whether a message was a command to somebody here, and not one more of the same.
fn is_command(entry: &Entry) -> bool {
    let nothing = [Class::Dropped, Class::Repeated].map(Class::as_str);
    entry.class.as_deref().is_none_or(|class| !nothing.contains(&class))
}

/// The public name of a command; what came without a request id has none.
fn name_of(entry: &Entry) -> Option<String> {
    let producer = entry.producer.as_deref().unwrap_or_default();
    let ticket = crate::dispatch::Ticket(entry.ticket);
    entry.request_id.as_deref().map(|request_id| command_id(ticket, producer, request_id))
}

/// What an answer after the end is held against.
pub(super) fn closed(detail: &Detail) -> Closed {
    Closed {
        id: name_of(&detail.entry),
        to: whom(detail.message.as_bytes()),
        late_until_ms: events::late_until(detail),
        heard: events::heard_from(detail),
    }
}

/// Whom the headers of a recorded message name.
fn whom(message: &[u8]) -> Vec<String> {
    // It was taken once, within the limits of its time.
    let limits = Limits { message_bytes: usize::MAX, ..Limits::default() };
    wire::glimpse_of(message, limits).to
}

/// A command as it is shown. Times are milliseconds since 1970-01-01T00:00:00Z.
fn filed(entry: &Entry) -> Filed {
    let view = json!({
        "id": name_of(entry),
        "state": if entry.is_in_doubt() { State::InDoubt } else { entry.state },
        "producer": entry.producer,
        "request_id": entry.request_id,
        "consumer": entry.consumer,
        "command": entry.summary,
        "accepted_ms": entry.accepted_ms,
        "started_ms": entry.started_ms,
        "ended_ms": entry.ended_ms,
        "status": entry.status,
        "status_text": entry.text,
    });
    Filed { producer: entry.producer.clone(), number: entry.ticket, view }
}

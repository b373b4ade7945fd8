//! The way of one command: send, listen, ask again, give up.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::config::Confirm;
use super::judge::Verdict;
use super::link::{Connection, DeviceLink, Listener, Pending, Turn};
use super::plan::{Plan, Request};
use super::prepared::{Listen, Outgoing, Prepared};
use crate::dispatch::{Errand, Outcome};
use crate::mqtt::link::{LinkError, Properties, Publication, Taken};
use crate::openc2::{Response, Status};

/// Carries out one command, ends its effect, or asks whether it was done.
pub(super) async fn perform(
    plan: &Arc<Plan>,
    link: &DeviceLink,
    request: &Request,
    errand: Errand,
) -> Outcome {
    let seq = link.next_seq();
    let prepared = match errand {
        Errand::Perform => plan.prepare(request, seq),
        Errand::Stop => plan.undoing(request, seq).and_then(|undoing| plan.prepare(&undoing, seq)),
        Errand::Probe => plan.prepare(request, seq).and_then(Prepared::asking),
    };
    let mut prepared = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return Response::from(refusal).into(),
    };
    let mut connection = link.connection();
    let first = *connection.borrow();
    if first.is_first() {
        // Commands that waited in the journal may be due before it is up.
        let up = connection.wait_for(|connection| connection.up);
        let _late = timeout(prepared.timeout, up).await.is_err();
    }
    if !connection.borrow().up {
        return link_down();
    }
    if timeout(prepared.timeout, link.granted(plan.filters())).await.is_err() {
        return unavailable("the broker has not granted the subscriptions for this device");
    }
    let last_words = plan.online_topic().and_then(|topic| link.last(topic));
    if last_words.is_some_and(|heard| !plan.is_online(&heard)) {
        return unavailable("the device is offline");
    }
    match (prepared.message.take(), prepared.listen.clone()) {
        (Some(message), Some(listen)) => {
            exchange(prepared, message, listen, link, connection).await
        }
        (Some(message), None) => send(&prepared, &message, link).await,
        (None, Some(listen)) => read(&prepared, &listen, link).await,
        (None, None) => unreachable!("a command of a map has a message or a reply"),
    }
}

/// A command under way is not wanted any more: what breaks it off is sent in its place.
pub(super) async fn break_off(plan: &Arc<Plan>, link: &DeviceLink, request: &Request) -> Outcome {
    let instead = match plan.breaking_off(request, link.next_seq()) {
        Ok(instead) => instead,
        Err(refusal) => return Response::from(refusal).into(),
    };
    let outcome = perform(plan, link, &instead, Errand::Perform).await;
    let said = outcome.response.status_text.unwrap_or_default();
    let status = outcome.response.status;
    let text = format!("cancelled by its producer; the device was told to break it off: {status}");
    let full = if said.is_empty() { text.clone() } else { format!("{text}, {said}") };
    quoting(Status::InternalError, &text, full)
}

/// Sends, and leaves it at that.
async fn send(prepared: &Prepared, message: &Outgoing, link: &DeviceLink) -> Outcome {
    let sent = link.publish(publication(message, prepared.timeout));
    match timeout(prepared.timeout, sent).await {
        Ok(taken) => {
            not_taken(taken, &message.topic).unwrap_or_else(|| prepared.unconfirmed().into())
        }
        Err(_) => unknown(&format!("the broker took nothing within {:?}", prepared.timeout)),
    }
}

/// Judges what the device said last, or says next.
async fn read(prepared: &Prepared, listen: &Listen, link: &DeviceLink) -> Outcome {
    let heard = timeout(prepared.timeout, link.last_or_next(&listen.filter)).await;
    match heard.ok().flatten().map(|heard| prepared.judge(&heard, false)) {
        Some(Verdict::Answered(response)) => response.into(),
        Some(Verdict::Ignored(reason)) => quoting(
            Status::InternalError,
            "the last state is unusable",
            format!("the last state is unusable: {reason}"),
        ),
        None => Outcome::ours(Status::InternalError, "the device has not told its state yet"),
    }
}

/// Sends, and waits for the answer.
async fn exchange(
    prepared: Prepared,
    message: Outgoing,
    listen: Listen,
    link: &DeviceLink,
    mut connection: watch::Receiver<Connection>,
) -> Outcome {
    let turn = if listen.one_at_a_time {
        match timeout(prepared.timeout, link.turn(&listen.filter)).await {
            Ok(turn) => Some(turn),
            Err(_) => {
                return unavailable("the device is busy with other commands; nothing was sent");
            }
        }
    } else {
        None
    };
    // Any change from here on is a break while the command is under way.
    if !connection.borrow_and_update().up {
        return link_down();
    }
    let listener = link.listen(&listen.filter);
    let deadline = Instant::now() + prepared.timeout;
    let exchange = Exchange { prepared, link: link.clone(), listener, connection, deadline, turn };
    exchange.run(message).await
}

/// A command under way.
struct Exchange {
    prepared: Prepared,
    link: DeviceLink,
    listener: Listener,
    connection: watch::Receiver<Connection>,
    deadline: Instant,
    turn: Option<Turn>,
}

type Sending = Pending<'static, Result<Taken, LinkError>>;

impl Exchange {
    async fn run(mut self, message: Outgoing) -> Outcome {
        let begun = Instant::now();
        let mut sending = Some(self.sending(&message));
        let mut probe = self.prepared.probe.take();
        let mut probed = self.prepared.is_asking;
        loop {
            let probe_at = probe.as_ref().map_or(self.deadline, |(after, _)| begun + *after);
            tokio::select! {
                biased;
                Some(heard) = self.listener.heard() => match self.prepared.judge(&heard, probed) {
                    Verdict::Answered(response) => return response.into(),
                    Verdict::Ignored(reason) => tracing::trace!(reason, "no answer to this command"),
                },
                taken = finished(&mut sending) => {
                    sending = None;
                    match not_taken(taken, &message.topic) {
                        Some(failure) if !probed || self.prepared.is_asking => return failure,
                        // The command itself is on its way: its answer may still come.
                        Some(failure) => {
                            tracing::debug!(reason = failure.reason, "the probe was not sent");
                        },
                        None => {}
                    }
                }
                _ = self.connection.changed() => {
                    return unknown("the connection to the broker broke while the command was under way");
                }
                () = sleep_until(probe_at), if probe.is_some() && sending.is_none() => {
                    if let Some((_, question)) = probe.take() {
                        sending = Some(self.sending(&question));
                        probed = true;
                    }
                }
                () = sleep_until(self.deadline) => return self.given_up(),
            }
        }
    }

    fn sending(&self, message: &Outgoing) -> Sending {
        let publication = publication(message, self.deadline - Instant::now());
        let link = self.link.clone();
        Box::pin(async move { link.publish(publication).await })
    }

    /// The device said nothing in time.
    fn given_up(mut self) -> Outcome {
        let waited = self.prepared.timeout;
        // Where a reply does not say which command it answers, a late one would pass for the answer
        // to the next. So the next command waits until it has come, or for half as long again.
        if self.prepared.confirm == Confirm::Echo
            && let Some(turn) = self.turn.take()
        {
            tokio::spawn(async move {
                let settled = self.late_reply();
                if timeout_at(Instant::now() + waited / 2, settled).await.is_ok() {
                    tracing::info!("a device answered after its command had been given up");
                }
                drop(turn);
            });
        }
        unknown(&format!("the device confirmed nothing within {waited:?}"))
    }

    async fn late_reply(&mut self) {
        while let Some(heard) = self.listener.heard().await {
            if matches!(self.prepared.judge(&heard, false), Verdict::Answered(_)) {
                return;
            }
        }
    }
}

/// Waits for what is being sent; for ever where nothing is.
async fn finished(sending: &mut Option<Sending>) -> Result<Taken, LinkError> {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}

/// The message as it is published: never retained, and gone when nobody waits for its effect any more.
fn publication(message: &Outgoing, remaining: Duration) -> Publication {
    let whole_secs = remaining.as_secs() + u64::from(remaining.subsec_nanos() > 0);
    let expiry_secs = u32::try_from(whole_secs.max(1)).unwrap_or(u32::MAX);
    Publication {
        topic: message.topic.clone(),
        payload: message.payload.clone(),
        qos: message.qos,
        properties: Properties { expiry_secs: Some(expiry_secs), ..Properties::default() },
    }
}

/// What to answer where the broker did not take the message.
fn not_taken(taken: Result<Taken, LinkError>, topic: &str) -> Option<Outcome> {
    match taken {
        Ok(Taken::Delivered) => None,
        Ok(Taken::NoMatchingSubscribers) => {
            // The topic may hold values of the command.
            let unquoted = "the device is not connected: nobody listens on its topic";
            let text = format!("the device is not connected: nobody listens on {topic}");
            Some(quoting(Status::ServiceUnavailable, unquoted, text))
        }
        // Nothing tells whether the broker had passed it on.
        Err(error @ (LinkError::SessionReset | LinkError::Closed)) => {
            Some(unknown(&error.to_string()))
        }
        Err(
            error @ (LinkError::Refused { .. }
            | LinkError::TooLarge { .. }
            | LinkError::BadTopic { .. }),
        ) => {
            let unquoted = "the command was not sent to the device";
            let text = format!("{unquoted}: {error}");
            Some(quoting(Status::InternalError, unquoted, text))
        }
    }
}

fn link_down() -> Outcome {
    unavailable("the connection to the broker of the devices is down")
}

fn unavailable(text: &str) -> Outcome {
    Outcome::ours(Status::ServiceUnavailable, text)
}

fn unknown(why: &str) -> Outcome {
    Outcome::ours(Status::InternalError, format!("{why}: the outcome is unknown"))
}

/// Something that quotes somebody else, and what can be said without that.
fn quoting(status: Status, unquoted: &str, text: String) -> Outcome {
    Outcome { response: Response::with_text(status, text), reason: Some(unquoted.to_owned()) }
}

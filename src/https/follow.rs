//! A command that is followed: what happens to it, as server-sent events
//! (HTML, section 9.2).
//!
//! Each event has the number that the journal gives it. Who was cut off says the last
//! one that it has, and gets those after it, also from a bridge that was started anew.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use super::archive::{Archive, Followed, Happened};
use super::body::Body;
use super::connections::Shared;
use super::problem::Problem;
use super::query;
use super::request::single;
use super::resources::{Asker, failed, nothing_here};
use super::shares::Share;

/// Streams at the same time.
pub(super) const MAX_STREAMS: usize = 64;

/// The same of one producer: there is room for others.
pub(super) const MAX_STREAMS_OF_ONE: usize = MAX_STREAMS / 2;

/// Longest silence of a stream: then it says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What it says.
const STILL_HERE: Bytes = Bytes::from_static(b": nothing new\n\n");

/// Longest wait for a client that does not read.
const SEND_TIME: Duration = Duration::from_secs(30);

/// Events that a client may be behind.
const BEHIND: usize = 16;

/// The last event that a client has.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a stream of events is in HTTP.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// Answers `GET /v1/commands/{id}/events`.
pub(super) async fn answer(
    id: &str,
    head: &Parts,
    identity: Option<&str>,
    shared: &Shared,
) -> Result<Response<Body>, Problem> {
    let asker = Asker::new(identity, &shared.operators);
    let last = match single(&head.headers, &LAST_EVENT_ID)? {
        None => None,
        Some(text) => Some(query::number(text).ok_or_else(|| {
            let detail = "Last-Event-ID is the id of an event of this stream, a number";
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?),
    };
    let after = last.unwrap_or(0);
    let first = shared.archive.events(id, after, Duration::ZERO).await;
    let first = first.map_err(|failure| failed(&failure))?;
    let first = first.filter(|first| asker.sees(first.producer.as_deref()));
    let Some(first) = first else { return Err(nothing_here()) };
    if last.is_some() && first.is_over && first.events.is_empty() {
        // It has all there is. A client that comes back by itself stops with that.
        let mut response = Response::new(Body::from(""));
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return Err(Problem::busy("too many commands are followed"));
    };
    let share = identity.map(|identity| {
        shared.stream_shares.take(identity).ok_or_else(|| {
            let detail =
                format!("{identity} follows {MAX_STREAMS_OF_ONE} commands, and may no more");
            Problem::busy(&detail)
        })
    });
    let share = share.transpose()?;
    let (out, coming) = mpsc::channel(BEHIND);
    let (archive, stop) = (Arc::clone(&shared.archive), shared.stop.clone());
    let teller = Teller { id: id.to_owned(), archive, out, last: after, _place: (place, share) };
    tokio::spawn(async move {
        tokio::select! {
            // Whoever follows comes back, and resumes.
            () = stop.cancelled() => {}
            () = teller.tell(first) => {}
        }
    });
    let mut response = Response::new(Body::Coming(coming));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Tells one client of one command.
struct Teller {
    id: String,
    archive: Arc<dyn Archive>,
    out: mpsc::Sender<Bytes>,
    /// The last event that it was told.
    last: u64,
    _place: (OwnedSemaphorePermit, Option<Share>),
}

impl Teller {
    /// Tells until the command has ended, or the client is gone.
    async fn tell(mut self, first: Followed) {
        let mut next = first;
        loop {
            let Followed { events, is_over, .. } = next;
            let is_silent = events.is_empty();
            for event in events {
                self.last = event.number;
                if !self.send(written(&event)).await {
                    return;
                }
            }
            if is_over || is_silent && !self.send(STILL_HERE).await {
                return;
            }
            let found = tokio::select! {
                () = self.out.closed() => return,
                found = self.archive.events(&self.id, self.last, HEARTBEAT) => found,
            };
            next = match found {
                Ok(Some(found)) => found,
                // The journal has let it go.
                Ok(None) => return,
                Err(failure) => {
                    tracing::error!(failure, "the journal does not answer");
                    return;
                }
            };
        }
    }

    async fn send(&self, text: Bytes) -> bool {
        timeout(SEND_TIME, self.out.send(text)).await.is_ok_and(|sent| sent.is_ok())
    }
}

/// An event as it travels. JSON on one line has no line feed in it.
fn written(event: &Happened) -> Bytes {
    let Happened { number, name, facts } = event;
    format!("id: {number}\nevent: {name}\ndata: {facts}\n\n").into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::sync::Semaphore;
    use tokio::time::{Instant, sleep};

    use super::super::archive::{Failure, Filed, Soon, Wanted, Withdrawal};
    use super::*;

    /// Nothing happens here, however long one waits.
    #[derive(Debug)]
    struct Quiet;

    impl Archive for Quiet {
        fn command<'a>(
            &'a self,
            _: &'a str,
            _: Duration,
        ) -> Soon<'a, Result<Option<Filed>, Failure>> {
            Box::pin(async { Ok(None) })
        }

        fn events<'a>(
            &'a self,
            _: &'a str,
            _: u64,
            wait: Duration,
        ) -> Soon<'a, Result<Option<Followed>, Failure>> {
            Box::pin(async move {
                sleep(wait).await;
                Ok(Some(Followed { producer: None, events: Vec::new(), is_over: false }))
            })
        }

        fn withdrawal<'a>(&'a self, _: &'a str) -> Soon<'a, Result<Option<Withdrawal>, Failure>> {
            Box::pin(async { Ok(None) })
        }

        fn commands(&self, _: Wanted) -> Soon<'_, Result<Vec<Filed>, Failure>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn consumers(&self) -> Value {
            json!([])
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_says_that_it_is_still_there_and_ends_with_its_client() {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        let (out, mut coming) = mpsc::channel(BEHIND);
        let archive = Arc::new(Quiet);
        let teller = Teller { id: "a".to_owned(), archive, out, last: 0, _place: (place, None) };
        let event = Happened { number: 7, name: "accepted", facts: json!({"text": "a\nb"}) };
        let first = Followed { producer: None, events: vec![event], is_over: false };
        let begun = Instant::now();
        let telling = tokio::spawn(teller.tell(first));
        let told = "id: 7\nevent: accepted\ndata: {\"text\":\"a\\nb\"}\n\n";
        assert_eq!(coming.recv().await.unwrap(), told);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(coming.recv().await, Some(STILL_HERE));
        assert_eq!(begun.elapsed(), HEARTBEAT);
        drop(coming);
        telling.await.unwrap();
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_left() {
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (out, _unread) = mpsc::channel(1);
        let archive = Arc::new(Quiet);
        let teller = Teller { id: "a".to_owned(), archive, out, last: 0, _place: (place, None) };
        let begun = Instant::now();
        teller.tell(Followed { producer: None, events: Vec::new(), is_over: false }).await;
        assert_eq!(begun.elapsed(), HEARTBEAT + SEND_TIME);
    }
}

//! What can be asked about commands beside posting them.
//!
//! A producer sees its own commands; an identity of `[https.operators]` sees all.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::archive::{Filed, Wanted, Withdrawal};
use super::body::Body;
use super::connections::Shared;
use super::paths::Place;
use super::problem::Problem;
use super::query::{Query, encoded};
use super::{description, follow, posting, request};
use crate::dispatch::{Caller, CommandIds};

/// Where commands are asked after.
const COMMANDS: &str = "/v1/commands";

/// What all of them begin with.
pub(super) const ROOT: &str = "/v1/";

/// Commands of one page where nothing else is asked for, and at most.
pub(super) const PAGE: (usize, usize) = (50, 500);

/// What lists can be asked for.
pub(super) const STATES: [&str; 5] = ["pending", "accepted", "started", "ended", "in_doubt"];

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker<'a> {
    /// A producer, who sees its own.
    Producer(&'a str),
    /// Who sees all.
    Operator,
}

impl<'a> Asker<'a> {
    /// Of this identity; without one, everybody is believed.
    pub fn new(identity: Option<&'a str>, operators: &[String]) -> Self {
        match identity {
            Some(identity) if !operators.iter().any(|it| it == identity) => {
                Self::Producer(identity)
            }
            _ => Self::Operator,
        }
    }

    pub fn sees(self, producer: Option<&str>) -> bool {
        match self {
            Self::Operator => true,
            Self::Producer(identity) => producer == Some(identity),
        }
    }
}

/// Answers a request of this identity for one of these places; without one everybody is believed.
pub(super) async fn answer(
    place: Place,
    id: &str,
    head: &Parts,
    identity: Option<&str>,
    shared: &Shared,
) -> Result<Response<Body>, Problem> {
    let asker = Asker::new(identity, &shared.operators);
    let mut query = Query::read(head.uri.query())?;
    let view = match place {
        Place::Command if head.method == Method::DELETE => {
            query.end()?;
            return withdraw(id, head, identity, shared).await;
        }
        Place::Command => one(id, &mut query, identity, shared).await?,
        Place::Commands => several(&mut query, asker, shared).await?,
        Place::Consumers => json!({"consumers": shared.archive.consumers()}),
        Place::Events => {
            query.end()?;
            return follow::answer(id, head, identity, shared).await;
        }
        Place::Description => {
            query.end()?;
            return Ok(response(description::TEXT));
        }
        Place::Post => unreachable!("what is posted goes another way"),
    };
    query.end()?;
    Ok(response(view.to_string()))
}

/// `GET /v1/commands/{id}`, with `wait=N` once it has ended, or after N seconds.
async fn one(
    id: &str,
    query: &mut Query,
    identity: Option<&str>,
    shared: &Shared,
) -> Result<Value, Problem> {
    let asker = Asker::new(identity, &shared.operators);
    let wait = query.take_number("wait")?.map_or(Duration::ZERO, Duration::from_secs);
    let wait = shared.callers.wait(Some(wait))?;
    let at_once =
        shared.archive.command(id, Duration::ZERO).await.map_err(|failure| failed(&failure))?;
    let at_once = at_once.filter(|filed| asker.sees(filed.producer.as_deref()));
    let Some(at_once) = at_once else { return Err(nothing_here()) };
    if wait.is_zero() {
        return Ok(at_once.view);
    }
    let _place = shared.callers.place(identity)?;
    let later = shared.archive.command(id, wait).await.map_err(|failure| failed(&failure))?;
    Ok(later.unwrap_or(at_once).view)
}

/// `DELETE /v1/commands/{id}`: `cancel command` of its producer, and answered like that.
async fn withdraw(
    id: &str,
    head: &Parts,
    identity: Option<&str>,
    shared: &Shared,
) -> Result<Response<Body>, Problem> {
    let request_id = request::request_id(&head.headers)?.map(str::to_owned);
    let prefers = request::preferences(&head.headers)?;
    let wait = shared.callers.wait(prefers.wait)?;
    let found = shared.archive.withdrawal(id).await.map_err(|failure| failed(&failure))?;
    let asker = Asker::new(identity, &shared.operators);
    let found = found.filter(|found| asker.sees(found.producer.as_deref()));
    let Some(Withdrawal { producer: Some(producer), withdrawn, to, request_id: own }) = found
    else {
        return Err(nothing_here());
    };
    if identity.is_some_and(|identity| identity != producer) {
        let detail = "a command is taken back by its producer, and by nobody else";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let mut message = json!({
        "headers": {
            "request_id": request_id.as_ref().unwrap_or(&own),
            "created": posting::now_ms(),
            "from": producer,
        },
        "body": {"openc2": {"request": {"action": "cancel", "target": {"command": id}}}},
    });
    if !to.is_empty() {
        message["headers"]["to"] = json!(to);
    }
    let caller = Caller {
        identity: identity.map(str::to_owned),
        request_id,
        hops: 0,
        will_not_wait: prefers.respond_async,
        will_wait: prefers.wait.is_some(),
        withdraws: Some(withdrawn),
    };
    posting::hand_in(message.to_string().into(), caller, wait, shared).await
}

/// `GET /v1/commands`, newest first.
async fn several(query: &mut Query, asker: Asker<'_>, shared: &Shared) -> Result<Value, Problem> {
    let limit = query.take_number("limit")?.unwrap_or(PAGE.0);
    if !(1..=PAGE.1).contains(&limit) {
        let detail = format!("limit is 1 to {}", PAGE.1);
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let before = query.take_number("before")?;
    let [state, consumer, request_id, producer] =
        ["state", "consumer", "request_id", "producer"].map(|name| query.take(name));
    if let Some(state) = &state
        && !STATES.contains(&state.as_str())
    {
        let detail = "state is pending, accepted, started, ended or in_doubt";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let filters = [
        ("state", &state),
        ("consumer", &consumer),
        ("request_id", &request_id),
        ("producer", &producer),
    ];
    let filters: String = filters
        .iter()
        .filter_map(|(name, value)| Some(format!("&{name}={}", encoded(value.as_ref()?))))
        .collect();
    let producer = match asker {
        Asker::Operator => producer,
        Asker::Producer(own) if producer.as_deref().is_none_or(|it| it == own) => {
            Some(own.to_owned())
        }
        Asker::Producer(_) => {
            let detail = "a producer sees its own commands";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
    };
    let wanted = Wanted { limit, before, state, consumer, producer, request_id };
    let found = shared.archive.commands(wanted).await.map_err(|failure| failed(&failure))?;
    let next = (found.len() == limit).then(|| found.last()).flatten();
    let next = next.map(|last| format!("{COMMANDS}?limit={limit}&before={}{filters}", last.number));
    let commands: Vec<Value> = found.into_iter().map(|Filed { view, .. }| view).collect();
    let mut page = json!({"commands": commands});
    if let Some(next) = next {
        page["next"] = next.into();
    }
    Ok(page)
}

/// Where what was begun can be asked after.
pub(super) fn location(ids: &CommandIds) -> String {
    match ids.ids.as_slice() {
        [id] => format!("{COMMANDS}/{id}"),
        _ => format!("{COMMANDS}?request_id={}", encoded(&ids.request_id)),
    }
}

/// A document of ours. `OpenAPI` is one as well: what it is stands in it, and a media type of its
/// own is not registered.
fn response(document: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Nor is there what others may not see.
pub(super) fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here, or nothing for this certificate")
}

pub(super) fn failed(failure: &str) -> Problem {
    tracing::error!(failure, "the journal does not answer");
    Problem::busy("the journal does not answer")
}

//! From an HTTP request to a message, or to what is wrong with the request.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::prefer::Preferences;
use super::problem::Problem;
use super::{media, query};
use crate::dispatch;

/// What other tools follow a request by (Transfer via HTTPS v1.1, section 3.3.3).
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How often a command was relayed on its way: our own mark, against loops.
pub(super) const HOPS: HeaderName = HeaderName::from_static(dispatch::HOPS);

/// What a request prefers (RFC 7240).
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Which of them were followed.
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longest `X-Request-ID`, in characters.
pub(super) const MAX_REQUEST_ID: usize = 128;

/// Longest wait for a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// Longest wait for the rest of a body that will not be looked at.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// A message that was posted.
#[derive(Debug)]
pub(super) struct Posted {
    pub payload: Bytes,
    /// `X-Request-ID`.
    pub request_id: Option<String>,
    /// How often it was relayed on its way here.
    pub hops: u8,
    /// What its caller prefers.
    pub prefers: Preferences,
}

/// Reads a request. What its head shows to be wrong is said whatever its body holds.
pub(super) async fn read(
    head: &Parts,
    body: Incoming,
    message_bytes: usize,
) -> Result<Posted, Problem> {
    let checked = check(head)
        .and_then(|(request_id, hops)| Ok((request_id, hops, preferences(&head.headers)?)));
    let (request_id, hops, prefers) = match checked {
        Ok(checked) => checked,
        Err(problem) => {
            discard(head, body, message_bytes).await;
            return Err(problem);
        }
    };
    if body.size_hint().lower() > message_bytes as u64 {
        return Err(too_long(message_bytes));
    }
    let read = tokio::time::timeout(BODY_TIME, Limited::new(body, message_bytes).collect());
    let payload = match read.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_long(message_bytes)),
        Ok(Err(error)) => {
            let detail = format!("the body cannot be read: {error}");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        Err(_) => {
            let detail = format!("the body took more than {} s to come", BODY_TIME.as_secs());
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        }
    };
    Ok(Posted { payload, request_id, hops, prefers })
}

/// Takes a body that will not be looked at, if it is no longer than a message may be. Over
/// HTTP/2 an answer beside a body that is still coming ends in a reset of the stream, and some
/// clients then lose the answer.
pub(super) async fn discard(head: &Parts, body: Incoming, message_bytes: usize) {
    // Who waits for a 100 has not begun to send.
    let is_waiting = head.headers.contains_key(header::EXPECT);
    if is_waiting || body.size_hint().lower() > message_bytes as u64 {
        return;
    }
    let rest = Limited::new(body, message_bytes).collect();
    // Whatever became of it: the answer is the same.
    let _discarded = tokio::time::timeout(DISCARD_TIME, rest).await;
}

/// Checks the head of a request, and gives back its `X-Request-ID` and its hops.
fn check(head: &Parts) -> Result<(Option<String>, u8), Problem> {
    let headers = &head.headers;
    let content_type = single(headers, &header::CONTENT_TYPE)?;
    if !content_type.is_some_and(media::is_openc2) {
        let header = Some((header::ACCEPT, HeaderValue::from_static(media::OPENC2)));
        let detail = format!("Content-Type must be {}", media::OPENC2);
        return Err(Problem { header, ..Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail) });
    }
    if let Some(coding) = single(headers, &header::CONTENT_ENCODING)?
        && !coding.eq_ignore_ascii_case("identity")
    {
        let detail = "a message is posted as it is, without Content-Encoding";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    if headers.contains_key(header::ACCEPT)
        && !media::admits_openc2(&all(headers, &header::ACCEPT)?)
    {
        let detail = format!("the response is {}, and Accept does not admit it", media::OPENC2);
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail));
    }
    let request_id = request_id(headers)?;
    let Some(hops) = single(headers, &HOPS)?.map_or(Some(0), query::number) else {
        let detail = format!("{HOPS} is a number from 0 to 255");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    };
    Ok((request_id.map(str::to_owned), hops))
}

/// `X-Request-ID`.
pub(super) fn request_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let request_id = single(headers, &REQUEST_ID)?;
    let is_right = |id: &str| {
        (1..=MAX_REQUEST_ID).contains(&id.len()) && !id.contains(|c: char| c.is_ascii_control())
    };
    if request_id.is_some_and(|id| !is_right(id)) {
        let detail = format!("X-Request-ID has 1 to {MAX_REQUEST_ID} characters, and no tab");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(request_id)
}

/// What a request prefers.
pub(super) fn preferences(headers: &HeaderMap) -> Result<Preferences, Problem> {
    Preferences::read(&all(headers, &PREFER)?)
}

/// All values of a header, as if they stood in one.
fn all(headers: &HeaderMap, name: &HeaderName) -> Result<String, Problem> {
    let values: Vec<_> = headers.get_all(name).iter().map(text).collect::<Result<_, _>>()?;
    Ok(values.join(","))
}

/// The one value of a header, if it is there.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => text(value).map(Some),
        (Some(_), Some(_)) => {
            let detail = format!("{name} stands there twice");
            Err(Problem::new(StatusCode::BAD_REQUEST, detail))
        }
    }
}

fn text(value: &HeaderValue) -> Result<&str, Problem> {
    value.to_str().map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, "a header has characters other than ASCII")
    })
}

fn too_long(message_bytes: usize) -> Problem {
    let detail = format!("a message has at most {message_bytes} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

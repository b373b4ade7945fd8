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

/// Longest wait for a short body that will not be looked at, before the answer.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// Most that is taken of a longer one beside the answer, in bytes, and for how long: then its
/// stream is reset, or its connection closed.
const REST_BYTES: usize = 16 * 1024 * 1024;
const REST_TIME: Duration = Duration::from_secs(10);

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
    mut body: Incoming,
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
        discard(head, body, message_bytes).await;
        return Err(too_long(message_bytes));
    }
    let read = tokio::time::timeout(BODY_TIME, Limited::new(&mut body, message_bytes).collect());
    let payload = match read.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            take_rest(body);
            return Err(too_long(message_bytes));
        }
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

/// Takes a body that will not be looked at: before the answer, if it is no longer than a message
/// may be, or else beside it. A client that is cut off while it sends may lose the answer: over
/// HTTP/2 by the reset of the stream, over HTTP/1.1 by that of the connection.
pub(super) async fn discard(head: &Parts, mut body: Incoming, message_bytes: usize) {
    // Who waits for a 100 has not begun to send.
    if head.headers.contains_key(header::EXPECT) {
        return;
    }
    if body.size_hint().lower() <= message_bytes as u64 {
        let short = Limited::new(&mut body, message_bytes).collect();
        if let Ok(Ok(_)) = tokio::time::timeout(DISCARD_TIME, short).await {
            return;
        }
    }
    take_rest(body);
}

/// Takes what is left of a body while the answer goes out, and no more than there is a bound for.
fn take_rest(body: Incoming) {
    tokio::spawn(tokio::time::timeout(REST_TIME, async move {
        let mut rest = Limited::new(body, REST_BYTES);
        while let Some(Ok(_)) = rest.frame().await {}
    }));
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

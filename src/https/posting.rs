//! From a message to the HTTP response around what is answered to it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Body;
use super::connections::Shared;
use super::problem::{Problem, RETRY_AFTER_SECS};
use super::request::{PREFERENCE_APPLIED, REQUEST_ID};
use super::{media, resources};
use crate::dispatch::{Address, Caller, Declared, Inbound, Reply};
use crate::openc2::Status;

/// Hands a message in, and waits so long for what is answered.
pub(super) async fn hand_in(
    payload: Bytes,
    caller: Caller,
    wait: Duration,
    shared: &Shared,
) -> Result<Response<Body>, Problem> {
    let request_id = caller.request_id.clone();
    let identity = caller.identity.clone();
    let reply = shared.callers.ask(identity.as_deref(), wait, |receipt| Inbound {
        receipt,
        // The quiet room finds out whom it is for.
        address: Address::All,
        payload,
        declared: Declared {
            msg_type: Some("req".to_owned()),
            encoding: Some("json".to_owned()),
            ..Declared::default()
        },
        retained: false,
        received_ms: now_ms(),
        caller: Some(caller),
    });
    Ok(response(reply.await?, request_id.as_deref()))
}

/// The HTTP response around an `OpenC2` response (Transfer via HTTPS v1.1, sections 3.4 and
/// 4.2.1). hyper adds Date.
fn response(reply: Reply, request_id: Option<&str>) -> Response<Body> {
    let code = match reply.status {
        Status::Processing if reply.begun.is_some() => StatusCode::ACCEPTED,
        Status::Processing => StatusCode::OK,
        status => StatusCode::from_u16(status.code()).expect("one of nine codes"),
    };
    let has_message = reply.payload.is_some();
    let mut response = Response::new(Body::from(reply.payload.unwrap_or_default()));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if has_message {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media::OPENC2));
    }
    if let Some(begun) = &reply.begun {
        let location = HeaderValue::try_from(resources::location(begun));
        headers.insert(header::LOCATION, location.expect("a path, encoded"));
        headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
    }
    if code == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECS.into());
    }
    if let Some(Ok(value)) = request_id.map(HeaderValue::from_str) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// Milliseconds since 1970-01-01T00:00:00Z.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

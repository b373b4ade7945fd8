//! What is wrong with the HTTP around a message (RFC 9457).

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::body::Body;

/// After how many seconds it is worth trying again.
pub(super) const RETRY_AFTER_SECS: u16 = 5;

/// What it is in HTTP.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// An error of HTTP itself: there is no `OpenC2` message that it could answer.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Problem {
    pub status: StatusCode,
    pub detail: String,
    /// A header that the status asks for.
    pub header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    /// Not now.
    pub(super) fn busy(detail: &str) -> Self {
        let header = Some((header::RETRY_AFTER, RETRY_AFTER_SECS.into()));
        Self { header, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.extend(self.header);
        response
    }
}

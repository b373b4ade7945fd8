//! Date, in the preferred form of HTTP (RFC 9110, section 5.6.7).

use std::time::SystemTime;

use hyper::header::HeaderValue;

/// The time of day as IMF-fixdate.
pub(super) fn now() -> Option<HeaderValue> {
    HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now())).ok()
}

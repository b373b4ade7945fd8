//! The other end of HTTPS: a consumer that commands are posted to.
//!
//! One pool of connections a peer. Redirects are not followed, and no proxy of
//! the environment is asked: a command goes where topics.toml says, or nowhere.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use super::request::{HOPS, PREFER, REQUEST_ID};
use super::{WELL_KNOWN, media};
use crate::tls::{ClientFiles, ClientTls, Stamp, TlsError};

/// Longest wait for a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long a connection without work is kept.
const IDLE_TIME: Duration = Duration::from_mins(1);

/// Longest response, in bytes.
const RESPONSE_BYTES: usize = 1024 * 1024;

/// The files are looked at before a request, and no more often than this.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Where a peer is, and how both sides prove who they are.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerConfig {
    /// `https://host[:port]/`.
    pub url: PeerUrl,
    /// PEM file with the authorities that may vouch for the peer; the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our certificate; needs `key-file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of our certificate; needs `cert-file`.
    pub key_file: Option<PathBuf>,
}

/// The address of a peer: of a server, since the path is the standard's
/// (Transfer via HTTPS v1.1, section 3.2.2).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct PeerUrl(Uri);

impl fmt::Display for PeerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PeerUrl {
    /// Whether it is `https`.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

impl TryFrom<String> for PeerUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fault = |what: &str| Err(format!("{text:?}: {what}; expected https://host[:port]/"));
        let Ok(uri) = text.parse::<Uri>() else { return fault("this is no URL") };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return fault("this is no whole URL");
        };
        if authority.as_str().contains('@') {
            return fault("a user name has no place in it");
        }
        if !["", "/", WELL_KNOWN].contains(&uri.path()) || uri.query().is_some() {
            return fault("the path is always /.well-known/openc2");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let is_here = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match scheme {
            "https" => {}
            "http" if is_here => {}
            "http" => return fault("plain HTTP goes to this machine only"),
            _ => return fault("the scheme is not https"),
        }
        let whole = format!("{scheme}://{authority}{WELL_KNOWN}");
        match whole.parse() {
            Ok(uri) => Ok(Self(uri)),
            Err(_) => fault("this is no URL"),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerMistake {
    /// A certificate without its key, or a key without its certificate.
    #[error("cert-file and key-file need one another")]
    HalfAnIdentity,
    /// The TLS files are not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What came back for a POST.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// When the peer wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Where else there is more: of a command that was recorded and has not ended.
    pub location: Option<String>,
    /// Content-Type says that it is an `OpenC2` message in JSON.
    pub is_openc2: bool,
    /// The body.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerError {
    /// There was no connection: nothing was sent.
    #[error("no connection: {reason}")]
    NotConnected {
        /// Why.
        reason: String,
    },
    /// The connection was lost: nobody knows whether the command arrived.
    #[error("the connection was lost: {reason}")]
    Lost {
        /// Why.
        reason: String,
    },
    /// There is an answer, and it is too long to be read.
    #[error("the answer has more than {RESPONSE_BYTES} bytes")]
    TooLong,
}

/// A consumer behind HTTPS.
pub struct Peer {
    config: PeerConfig,
    pool: Mutex<Pool>,
}

type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

struct Pool {
    client: HttpClient,
    stamps: [Option<Stamp>; 3],
    looked: Instant,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.config.url.to_string()).finish()
    }
}

impl PeerConfig {
    /// The same, with paths that start from this folder.
    #[must_use]
    pub fn beside(mut self, folder: &Path) -> Self {
        for file in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file] {
            *file = file.take().map(|path| folder.join(path));
        }
        self
    }

    fn files(&self) -> ClientFiles {
        ClientFiles {
            authorities: self.ca_file.clone(),
            identity: self.cert_file.clone().zip(self.key_file.clone()),
        }
    }

    fn stamps(&self) -> [Option<Stamp>; 3] {
        [&self.ca_file, &self.cert_file, &self.key_file]
            .map(|file| file.as_deref().and_then(Stamp::of))
    }

    fn client(&self) -> Result<HttpClient, PeerMistake> {
        if self.cert_file.is_some() != self.key_file.is_some() {
            return Err(PeerMistake::HalfAnIdentity);
        }
        let tls = ClientTls::load(&self.files())?;
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config((*tls.config()).clone());
        let connector = if self.url.is_tls() {
            builder.https_only().enable_all_versions().wrap_connector(tcp)
        } else {
            builder.https_or_http().enable_http1().wrap_connector(tcp)
        };
        Ok(Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .build(connector))
    }
}

impl Peer {
    /// Reads the files, and connects to nobody yet.
    pub fn new(config: PeerConfig) -> Result<Self, PeerMistake> {
        let stamps = config.stamps();
        let client = config.client()?;
        let pool = Mutex::new(Pool { client, stamps, looked: Instant::now() });
        Ok(Self { config, pool })
    }

    /// Posts a message (Transfer via HTTPS v1.1, section 3.4). `hops` is how
    /// often the command has been relayed, this time included. Waits as long as
    /// it takes: the caller sets the limit.
    pub async fn post(
        &self,
        request_id: &str,
        hops: u8,
        message: Bytes,
    ) -> Result<Answer, PeerError> {
        let mut request = self.message(Some(request_id), message);
        request.headers_mut().insert(HOPS, u16::from(hops).into());
        self.answered(request).await
    }

    /// The same as a producer, with what it prefers (RFC 7240).
    pub async fn post_preferring(
        &self,
        request_id: Option<&str>,
        prefer: &str,
        message: Bytes,
    ) -> Result<Answer, PeerError> {
        let mut request = self.message(request_id, message);
        if let Ok(value) = HeaderValue::from_str(prefer) {
            request.headers_mut().insert(PREFER, value);
        }
        self.answered(request).await
    }

    /// Reads what there is at a path of the same server, with its query.
    ///
    /// # Panics
    ///
    /// Where this is no path.
    pub async fn get(&self, path: &str) -> Result<Answer, PeerError> {
        let whole = self.config.url.to_string();
        let server = whole.strip_suffix(WELL_KNOWN).expect("every URL of a peer ends in it");
        let request =
            Request::get(format!("{server}{path}")).header(header::CACHE_CONTROL, "no-cache");
        self.answered(request.body(Full::default()).expect("a path")).await
    }

    fn message(&self, request_id: Option<&str>, message: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::post(self.config.url.0.clone())
            .header(header::CONTENT_TYPE, media::OPENC2)
            .header(header::ACCEPT, media::OPENC2)
            .header(header::CACHE_CONTROL, "no-cache")
            .body(Full::new(message))
            .expect("the URL and the headers are in order");
        // An identifier of other letters stands in the message alone.
        if let Some(Ok(value)) = request_id.map(HeaderValue::from_str) {
            request.headers_mut().insert(REQUEST_ID, value);
        }
        if let Some(date) = super::date::now() {
            request.headers_mut().insert(header::DATE, date);
        }
        request
    }

    async fn answered(&self, request: Request<Full<Bytes>>) -> Result<Answer, PeerError> {
        let response = self.client().request(request).await.map_err(|error| {
            let reason = with_causes(&error);
            if error.is_connect() {
                PeerError::NotConnected { reason }
            } else {
                PeerError::Lost { reason }
            }
        })?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                PeerError::TooLong
            } else {
                PeerError::Lost { reason: with_causes(&*error) }
            }
        })?;
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        // The other form of Retry-After, a date, is left to the caller's own patience.
        let retry_after = text(header::RETRY_AFTER).and_then(|secs| secs.parse().ok());
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: retry_after.map(Duration::from_secs),
            location: text(header::LOCATION).map(str::to_owned),
            is_openc2: text(header::CONTENT_TYPE).is_some_and(media::is_openc2),
            body: body.to_bytes(),
        })
    }

    /// The pool; a new one where the files have changed. What is under way
    /// stays on its connections.
    fn client(&self) -> HttpClient {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.looked.elapsed() >= LOOK_EVERY {
            pool.looked = Instant::now();
            let stamps = self.config.stamps();
            if stamps != pool.stamps {
                pool.stamps = stamps;
                match self.config.client() {
                    Ok(client) => pool.client = client,
                    Err(error) => {
                        let url = &self.config.url;
                        tracing::error!(%url, %error, "new certificates are refused; the old ones stay");
                    }
                }
            }
        }
        pool.client.clone()
    }
}

impl Answer {
    /// Asking again, later, with the same `request_id` is safe and may help.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        const WORTH: [StatusCode; 4] = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        WORTH.iter().any(|status| status.as_u16() == self.status)
    }
}

/// An error and what led to it, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_server_and_its_path_is_the_standards() {
        let good = [
            ("https://edr.example/", "https://edr.example/.well-known/openc2"),
            ("https://edr.example", "https://edr.example/.well-known/openc2"),
            (
                "https://[2001:db8::1]:8443/.well-known/openc2",
                "https://[2001:db8::1]:8443/.well-known/openc2",
            ),
            ("http://127.0.0.1:80/", "http://127.0.0.1:80/.well-known/openc2"),
            ("http://[::1]/", "http://[::1]/.well-known/openc2"),
        ];
        for (text, url) in good {
            assert_eq!(PeerUrl::try_from(text.to_owned()).unwrap().to_string(), url);
        }
        let bad = [
            ("", "no URL"),
            ("edr.example", "no whole URL"),
            ("/x", "no whole URL"),
            ("ftp://edr.example/", "not https"),
            ("http://edr.example/", "this machine only"),
            ("http://169.254.169.254/", "this machine only"),
            ("https://user:secret@edr.example/", "user name"),
            ("https://edr.example/commands", "the path is always"),
            ("https://edr.example/?to=x", "the path is always"),
        ];
        for (text, told) in bad {
            let error = PeerUrl::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

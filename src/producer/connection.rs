//! What a producer needs of a connection, and how it opens one.

use std::path::PathBuf;
use std::time::Duration;

use crate::dispatch::Receipt;
use crate::mqtt::MqttConfig;
use crate::mqtt::config::ConfigError;
use crate::mqtt::link::{
    Link, LinkError, LinkEvents, LinkSettings, Publication, Session, Subscription, Taken,
};

/// A connection to a broker, as a producer uses it. [`Link`] is the real one;
/// tests put a puppet broker in its place.
pub trait Connection: Clone + Send + Sync + 'static {
    /// See [`Link::subscribe`].
    fn subscribe(
        &self,
        subscriptions: Vec<Subscription>,
    ) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// See [`Link::publish`].
    fn publish(
        &self,
        publication: Publication,
    ) -> impl Future<Output = Result<Taken, LinkError>> + Send;

    /// See [`Link::acknowledge`].
    fn acknowledge(&self, receipt: Receipt);

    /// See [`Link::close`].
    fn close(&self, grace: Duration) -> impl Future<Output = ()> + Send;
}

impl Connection for Link {
    async fn subscribe(&self, subscriptions: Vec<Subscription>) -> Result<(), LinkError> {
        Link::subscribe(self, subscriptions).await
    }

    async fn publish(&self, publication: Publication) -> Result<Taken, LinkError> {
        Link::publish(self, publication).await
    }

    fn acknowledge(&self, receipt: Receipt) {
        Link::acknowledge(self, receipt);
    }

    async fn close(&self, grace: Duration) {
        Link::close(self, grace).await;
    }
}

/// Where the broker is, and as whom to connect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BrokerSettings {
    /// `mqtt://host[:port]` or `mqtts://host[:port]`.
    pub url: String,
    /// Client Identifier: 1 to 23 letters and digits.
    pub client_id: String,
    /// Begin without what the broker kept of an earlier session.
    pub clean_start: bool,
    /// How long the broker keeps the session when the connection is gone, in whole seconds.
    pub session_expiry_secs: u32,
    /// User name of the broker's account.
    pub username: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Certificates for `mqtts`.
    pub tls: TlsFiles,
    /// An unencrypted connection to another machine is what the user wants.
    pub allow_plain_text: bool,
}

/// PEM files for an encrypted connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsFiles {
    /// Authorities to trust; the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, where the broker wants one.
    pub cert_file: Option<PathBuf>,
    /// The key to it.
    pub key_file: Option<PathBuf>,
}

/// Why a connection cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address of the broker is none.
    #[error("{0}")]
    Url(String),
    /// The settings do not fit together, or name files that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Opens a connection. It comes up, and comes back, by itself. Must be called
/// within a tokio runtime.
pub fn open(settings: &BrokerSettings) -> Result<(Link, LinkEvents), OpenError> {
    let config = MqttConfig {
        url: settings.url.parse().map_err(OpenError::Url)?,
        allow_plain_text: settings.allow_plain_text,
        username: settings.username.clone(),
        password_file: settings.password_file.clone(),
        ca_file: settings.tls.ca_file.clone(),
        cert_file: settings.tls.cert_file.clone(),
        key_file: settings.tls.key_file.clone(),
        ..MqttConfig::default()
    };
    let session = if settings.clean_start {
        Session::Clean
    } else {
        // Nothing is lost with a session of a minute: its absence is no alarm.
        Session::Kept { expiry_secs: settings.session_expiry_secs, is_known: false }
    };
    let clean = LinkSettings::clean(&config, settings.client_id.clone())?;
    Ok(Link::open(LinkSettings { session, ..clean }))
}

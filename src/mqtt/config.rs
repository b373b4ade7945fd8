//! The `[mqtt]` table of bridge.toml.

use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use super::broker_url::BrokerUrl;
use crate::format::duration;
use crate::tls::{self, ClientFiles, ClientTls, TlsError};

/// The `[mqtt]` table of the configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MqttConfig {
    /// Where the broker is.
    pub url: BrokerUrl,
    /// An unencrypted connection may leave this machine. For tests only
    /// (Transfer via MQTT v1.0, appendix B).
    pub allow_plain_text: bool,
    /// File with the Client Identifier, made when it is not there; in the
    /// state folder under the name `client-id` when absent.
    pub client_id_file: Option<PathBuf>,
    /// Longest silence the broker tolerates from us.
    pub keep_alive: KeepAlive,
    /// How long the broker keeps our session, and the commands in it, when we
    /// are gone. It ends at the longest time MQTT can say: 4294967294 s, 136 years.
    #[serde(deserialize_with = "duration::deserialize")]
    pub session_expiry: Duration,
    /// User name.
    pub username: Option<String>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// PEM file with the authorities we trust; the system's own when absent.
    pub ca_file: Option<PathBuf>,
    /// PEM file with our certificate; needs `key-file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the private key of our certificate; needs `cert-file`.
    pub key_file: Option<PathBuf>,
    /// Where responses go.
    pub responses: Responses,
    /// Commands without properties are read as JSON: MQTT 3.1.1 has no properties.
    pub accept_without_properties: bool,
    /// Messages the broker may send us before the first of them is acknowledged:
    /// our Receive Maximum (MQTT v5.0, section 3.1.2.11.3). Where it is absent,
    /// a bridge takes as many as its journal records in one commit.
    pub receive_maximum: Option<NonZeroU16>,
    /// Largest packet we take, in bytes. Well above our own limit for a message,
    /// so that one that is too large can still be answered.
    pub maximum_packet_size: MaximumPacketSize,
    /// Publications on their way that the broker has not confirmed.
    pub max_inflight: MaxInflight,
    /// Longest wait for a connection, from the first packet to CONNACK.
    #[serde(deserialize_with = "duration::deserialize")]
    pub connect_timeout: Duration,
    /// Wait before the first attempt to connect again; doubled at each further one.
    #[serde(deserialize_with = "duration::deserialize")]
    pub backoff_min: Duration,
    /// Longest wait between two attempts.
    #[serde(deserialize_with = "duration::deserialize")]
    pub backoff_max: Duration,
}

impl Default for MqttConfig {
    fn default() -> Self {
        Self {
            url: BrokerUrl::default(),
            allow_plain_text: false,
            client_id_file: None,
            keep_alive: KeepAlive::default(),
            session_expiry: Duration::from_hours(24),
            username: None,
            password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            responses: Responses::default(),
            accept_without_properties: true,
            receive_maximum: None,
            maximum_packet_size: MaximumPacketSize::default(),
            max_inflight: MaxInflight::default(),
            connect_timeout: Duration::from_secs(10),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
        }
    }
}

/// Where a consumer publishes its responses (Transfer via MQTT v1.0, section 2.2).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Responses {
    /// On `oc2/rsp/<producer>`, and on `oc2/rsp` where nobody listens there.
    #[default]
    Producer,
    /// On `oc2/rsp`.
    Shared,
    /// On both.
    Both,
}

/// Settings that are each right, but not together or not here.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No TLS, and the broker is on another machine.
    #[error("{url}: unencrypted to another machine; use mqtts://, or for tests allow-plain-text")]
    PlainText {
        /// Where to.
        url: BrokerUrl,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("cert-file and key-file need one another")]
    HalfAnIdentity,
    /// A password without a user name.
    #[error("password-file needs username")]
    PasswordAlone,
    /// `backoff-min` above `backoff-max`, or zero.
    #[error("backoff-min is {min:?} and backoff-max {max:?}; allowed is 0 < min <= max")]
    Backoff {
        /// As configured.
        min: Duration,
        /// As configured.
        max: Duration,
    },
    /// The password file could not be read.
    #[error("{path}: {source}")]
    PasswordFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The TLS files are not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl MqttConfig {
    /// Checks what one key alone cannot show. Reads no file.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.mistakes().into_iter().next().map_or(Ok(()), Err)
    }

    /// All that is wrong with them, as far as that can be seen without opening a file.
    #[must_use]
    pub fn mistakes(&self) -> Vec<ConfigError> {
        let mut mistakes = Vec::new();
        if !self.url.is_tls() && !self.allow_plain_text && !self.url.is_loopback() {
            mistakes.push(ConfigError::PlainText { url: self.url.clone() });
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            mistakes.push(ConfigError::HalfAnIdentity);
        }
        if self.password_file.is_some() && self.username.is_none() {
            mistakes.push(ConfigError::PasswordAlone);
        }
        let (min, max) = (self.backoff_min, self.backoff_max);
        if min.is_zero() || min > max {
            mistakes.push(ConfigError::Backoff { min, max });
        }
        mistakes
    }

    /// TLS as these settings want it; `None` for an unencrypted connection.
    pub fn tls(&self) -> Result<Option<ClientTls>, ConfigError> {
        self.check()?;
        if !self.url.is_tls() {
            if !self.url.is_loopback() {
                tracing::warn!(url = %self.url, "unencrypted connection: for tests only");
            }
            return Ok(None);
        }
        Ok(Some(ClientTls::load(&self.client_files())?))
    }

    fn client_files(&self) -> ClientFiles {
        ClientFiles {
            authorities: self.ca_file.clone(),
            identity: self.cert_file.clone().zip(self.key_file.clone()),
        }
    }

    /// Opens the files that these settings name, whether the connection
    /// needs them or not, and gives back the keys whose files will not do.
    #[must_use]
    pub fn check_files(&self) -> Vec<(&'static str, ConfigError)> {
        let files = self.client_files();
        let mut mistakes = Vec::new();
        let mut note = |key, result: Result<(), ConfigError>| match result {
            Ok(()) => true,
            Err(error) => {
                mistakes.push((key, error));
                false
            }
        };
        if self.password_file.is_some() {
            note("password-file", self.password().map(drop));
        }
        // Without a file they are the system's, and that is for `tls` to see.
        if self.ca_file.is_some() {
            note("ca-file", files.check_authorities().map_err(ConfigError::from));
        }
        let has_certificate = note("cert-file", files.check_certificate().map_err(Into::into));
        let has_key = note("key-file", files.check_key().map_err(Into::into));
        if has_certificate && has_key {
            note("cert-file", files.check_identity().map_err(Into::into));
        }
        mistakes
    }

    /// The credentials, with the password read from its file.
    pub fn credentials(&self) -> Result<Option<Credentials>, ConfigError> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        if let Some(path) = &self.password_file {
            tls::warn_if_exposed(path);
        }
        Ok(Some(Credentials { username, password: self.password()? }))
    }

    /// The first line of the password file.
    fn password(&self) -> Result<Option<String>, ConfigError> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::PasswordFile { path: path.clone(), source })?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }

    /// The file with the Client Identifier.
    #[must_use]
    pub fn client_id_path(&self, state_folder: &Path) -> PathBuf {
        self.client_id_file.clone().unwrap_or_else(|| state_folder.join("client-id"))
    }
}

/// User name and password. The password is in no log.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// MQTT keep-alive interval, in whole seconds, 2 to 300.
///
/// MQTT reads 0 as "off", and `OpenC2` caps it at 300 s (Transfer via MQTT v1.0,
/// section 2.7). 1 s is left out because a PINGREQ by 95% of it could not be promised
/// in whole seconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "u16")]
pub struct KeepAlive(u16);

impl KeepAlive {
    /// Whole seconds.
    #[must_use]
    pub fn secs(self) -> u16 {
        self.0
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self(60)
    }
}

impl TryFrom<u16> for KeepAlive {
    type Error = String;

    fn try_from(secs: u16) -> Result<Self, String> {
        match secs {
            2..=300 => Ok(Self(secs)),
            _ => Err(format!("keep-alive is {secs} s, allowed are 2 to 300 s")),
        }
    }
}

/// Largest packet we take, in bytes: at least [`MaximumPacketSize::LEAST`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "u32")]
pub struct MaximumPacketSize(u32);

impl MaximumPacketSize {
    /// Less than this makes no sense for `OpenC2` messages.
    pub const LEAST: u32 = 4 * 1024;
    /// The largest packet there can be in MQTT (v5.0, section 2.1.4).
    pub const MOST: u32 = 268_435_460;

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> u32 {
        self.0
    }
}

impl Default for MaximumPacketSize {
    fn default() -> Self {
        Self(1024 * 1024)
    }
}

impl TryFrom<u32> for MaximumPacketSize {
    type Error = String;

    fn try_from(bytes: u32) -> Result<Self, String> {
        match bytes {
            Self::LEAST..=Self::MOST => Ok(Self(bytes)),
            _ => Err(format!(
                "maximum-packet-size is {bytes} bytes, allowed are {} to {}",
                Self::LEAST,
                Self::MOST
            )),
        }
    }
}

/// Publications that may be unconfirmed at one time, 1 to [`MaxInflight::MOST`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "u16")]
pub struct MaxInflight(u16);

impl MaxInflight {
    /// The library looks at every place at each flush: 65,535 of them cost 15 times the CPU.
    pub const MOST: u16 = 1_000;

    /// How many.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl Default for MaxInflight {
    fn default() -> Self {
        Self(256)
    }
}

impl TryFrom<u16> for MaxInflight {
    type Error = String;

    fn try_from(count: u16) -> Result<Self, String> {
        match count {
            1..=Self::MOST => Ok(Self(count)),
            _ => Err(format!("max-inflight is {count}, allowed are 1 to {}", Self::MOST)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_is_the_default() {
        let config: MqttConfig = toml::from_str("").unwrap();
        assert_eq!(config.url.to_string(), "mqtt://localhost:1883");
        assert_eq!(config.keep_alive.secs(), 60);
        assert_eq!(config.session_expiry, Duration::from_hours(24));
        assert_eq!(config.maximum_packet_size.bytes(), 1_048_576);
        assert_eq!(config.responses, Responses::Producer);
        assert!(config.accept_without_properties);
        assert!(config.check().is_ok());
    }

    /// Shows MQTT-3.1-3: a keep-alive above 300 s is refused when it is read.
    #[test]
    fn mistakes_are_named() {
        #[rustfmt::skip]
        let cases = [
            ("keep-alive = 301",          "keep-alive is 301 s, allowed are 2 to 300 s"),
            ("keep-alive = 0",            "keep-alive is 0 s, allowed are 2 to 300 s"),
            ("kep-alive = 60",            "unknown field `kep-alive`"),
            ("receive-maximum = 0",       "nonzero u16"),
            ("max-inflight = 1001",       "max-inflight is 1001, allowed are 1 to 1000"),
            ("max-inflight = 0",          "max-inflight is 0"),
            ("maximum-packet-size = 10",  "maximum-packet-size is 10 bytes"),
            ("session-expiry = \"1 day\"", "not a duration"),
            ("responses = \"all\"",       "unknown variant `all`"),
            ("url = \"tcp://broker\"",    "neither mqtt nor mqtts"),
            ("url = \"mqtt://\"",         "no host"),
            ("url = \"mqtt://a:0\"",      "the port is not 1 to 65535"),
            ("url = \"mqtt://a:b:1\"",    "the port is not"),
            ("url = \"mqtt://u:p@a\"",    "have keys of their own"),
            ("url = \"mqtt://[::1\"",     "no ]"),
            ("url = \"mqtt://[::1]x\"",   "something stands after"),
            ("url = \"mqtt://[a]\"",      "no IPv6 address"),
            ("url = \"mqtt://a/b\"",      "no host"),
        ];
        for (file, complaint) in cases {
            let error = toml::from_str::<MqttConfig>(file).unwrap_err().to_string();
            assert!(error.contains(complaint), "{file}: {error}");
        }
    }

    /// Shows MQTT-B-3: outside loopback an unencrypted connection needs an opt-in.
    #[test]
    fn settings_that_do_not_fit_together_are_refused() {
        #[rustfmt::skip]
        let cases = [
            ("url = \"mqtt://broker.example\"",   "unencrypted to another machine"),
            ("cert-file = \"a\"",                 "need one another"),
            ("key-file = \"a\"",                  "need one another"),
            ("password-file = \"a\"",             "needs username"),
            ("backoff-min = \"0s\"",              "allowed is 0 < min <= max"),
            ("backoff-min = \"1h\"",              "allowed is 0 < min <= max"),
        ];
        for (file, complaint) in cases {
            let config: MqttConfig = toml::from_str(file).unwrap();
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(complaint), "{file}: {error}");
        }
        let asked = "url = \"mqtt://broker.example\"\nallow-plain-text = true";
        assert!(toml::from_str::<MqttConfig>(asked).unwrap().check().is_ok());
    }
}

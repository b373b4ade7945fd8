//! Where a broker is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::Deserialize;

/// `mqtt://host[:port]` or, with TLS, `mqtts://host[:port]`.
///
/// The port is 1883 or, with TLS, 8883 where none is given; an IPv6 address stands in
/// brackets. A value of this type has been checked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub struct BrokerUrl {
    tls: bool,
    host: String,
    port: NonZeroU16,
}

impl BrokerUrl {
    const PORT: NonZeroU16 = NonZeroU16::new(1883).unwrap();
    const TLS_PORT: NonZeroU16 = NonZeroU16::new(8883).unwrap();

    /// The connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.get()
    }

    /// `host:port`, with brackets where the host is an IPv6 address.
    #[must_use]
    pub fn socket_address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The broker is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl Default for BrokerUrl {
    fn default() -> Self {
        Self { tls: false, host: "localhost".to_owned(), port: Self::PORT }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "mqtts" } else { "mqtt" }, self.socket_address())
    }
}

impl FromStr for BrokerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complaint = |what: &str| {
            format!("{text:?}: {what}; expected mqtt://host:port or mqtts://host:port")
        };
        let (tls, rest) = if let Some(rest) = text.strip_prefix("mqtts://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("mqtt://") {
            (false, rest)
        } else {
            return Err(complaint("the scheme is neither mqtt nor mqtts"));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(complaint("user name and password have keys of their own"));
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| complaint("no ]"))?;
                host.parse::<Ipv6Addr>().map_err(|_| complaint("no IPv6 address"))?;
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("")),
            },
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || !host.chars().all(named) {
            return Err(complaint("no host"));
        }
        let port = match port {
            Some("") if tls => Self::TLS_PORT,
            Some("") => Self::PORT,
            Some(port) => port.parse().map_err(|_| complaint("the port is not 1 to 65535"))?,
            None => return Err(complaint("something stands after ]")),
        };
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

impl TryFrom<String> for BrokerUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_its_parts() {
        #[rustfmt::skip]
        let cases = [
            ("mqtt://broker",             "mqtt://broker:1883",        false, false),
            ("mqtts://broker/",           "mqtts://broker:8883",       true,  false),
            ("mqtt://127.0.0.1:1884",     "mqtt://127.0.0.1:1884",     false, true),
            ("mqtt://[::1]",              "mqtt://[::1]:1883",         false, true),
            ("mqtts://[2001:db8::1]:99",  "mqtts://[2001:db8::1]:99",  true,  false),
            ("mqtt://LocalHost",          "mqtt://LocalHost:1883",     false, true),
        ];
        for (text, written, tls, loopback) in cases {
            let url: BrokerUrl = text.parse().unwrap();
            assert_eq!(
                (url.to_string().as_str(), url.is_tls(), url.is_loopback()),
                (written, tls, loopback)
            );
        }
    }
}

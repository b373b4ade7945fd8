//! Address ranges and connections.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Malformed;
use crate::format;

/// Declares an address range.
macro_rules! net {
    ($(#[$doc:meta])* $name:ident, $addr:ty, $what:literal, $read:path) => {
        $(#[$doc])*
        ///
        /// Host bits may be set: they say which host the sender had in mind,
        /// and the range is the same without them.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub struct $name {
            addr: $addr,
            prefix: Option<u8>,
        }

        impl $name {
            /// The address, with its host bits.
            #[must_use]
            pub fn addr(self) -> $addr {
                self.addr
            }

            /// Prefix length in bits; `None` where none was given, which
            /// means one single host.
            #[must_use]
            pub fn prefix(self) -> Option<u8> {
                self.prefix
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let (addr, prefix) = $read(text).map_err(|flaw| Malformed { what: $what, flaw })?;
                Ok(Self { addr, prefix })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.prefix {
                    Some(prefix) => write!(f, "{}/{prefix}", self.addr),
                    None => write!(f, "{}", self.addr),
                }
            }
        }
    };
}

net! {
    /// IPv4 address range (Language v1.1, section 3.4.1.9).
    Ipv4Net, Ipv4Addr, "an IPv4 address range", format::ipv4_net
}
net! {
    /// IPv6 address range (Language v1.1, section 3.4.1.11); written by RFC 5952.
    Ipv6Net, Ipv6Addr, "an IPv6 address range", format::ipv6_net
}

/// A single address of either kind (Language v1.0 CSD07, section 3.4.1.9).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct IpAddress(IpAddr);

impl IpAddress {
    /// The address.
    #[must_use]
    pub fn addr(self) -> IpAddr {
        self.0
    }
}

/// As people write it, or its octets in base64url, as language 1.0 has all binary values.
impl FromStr for IpAddress {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(addr) = text.parse() {
            return Ok(Self(addr));
        }
        let malformed = |flaw| Malformed { what: "an IP address", flaw };
        let octets = format::base64url_octets(text).map_err(malformed)?;
        match octets.as_slice() {
            &[a, b, c, d] => Ok(Self(Ipv4Addr::new(a, b, c, d).into())),
            octets => match <[u8; 16]>::try_from(octets) {
                Ok(octets) => Ok(Self(Ipv6Addr::from(octets).into())),
                Err(_) => Err(malformed("neither four octets nor sixteen")),
            },
        }
    }
}

impl fmt::Display for IpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Source and destination ranges, ports and protocol (Language v1.1, sections
/// 3.4.1.10 and 3.4.1.12). At least one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection<Net> {
    /// Source address range.
    pub src_addr: Option<Net>,
    /// Source port.
    pub src_port: Option<u16>,
    /// Destination address range.
    pub dst_addr: Option<Net>,
    /// Destination port.
    pub dst_port: Option<u16>,
    /// Layer 4 protocol.
    pub protocol: Option<L4Protocol>,
}

/// Layer 4 protocol (Language v1.1, section 3.4.2.10).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "each is its own name in the table of the standard")]
pub enum L4Protocol {
    Icmp,
    Tcp,
    Udp,
    Sctp,
}

impl L4Protocol {
    /// All four, in the order of the standard's table.
    pub const ALL: [Self; 4] = [Self::Icmp, Self::Tcp, Self::Udp, Self::Sctp];

    /// The name as it travels on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

//! What targets are called.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, Nsid};
use crate::format;

/// Name of a target: one of the core eighteen, or `<nsid>:<name>` (Language v1.1, section 3.1.4).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is its own name in the table of the standard")]
pub enum TargetName {
    Artifact,
    Command,
    Device,
    DomainName,
    EmailAddr,
    Features,
    File,
    IdnDomainName,
    IdnEmailAddr,
    Ipv4Net,
    Ipv6Net,
    Ipv4Connection,
    Ipv6Connection,
    Iri,
    MacAddr,
    Process,
    Properties,
    Uri,
    /// Of language 1.0 alone.
    IpAddr,
    /// Of language 1.0 alone.
    IpConnection,
    /// A profile's own target.
    Extension {
        /// Namespace identifier of the profile: 1 to 16 characters.
        profile: String,
        /// Name inside the profile.
        name: String,
    },
}

impl TargetName {
    /// The core eighteen, in the order of the standard's table.
    pub const CORE: [Self; 18] = [
        Self::Artifact,
        Self::Command,
        Self::Device,
        Self::DomainName,
        Self::EmailAddr,
        Self::Features,
        Self::File,
        Self::IdnDomainName,
        Self::IdnEmailAddr,
        Self::Ipv4Net,
        Self::Ipv6Net,
        Self::Ipv4Connection,
        Self::Ipv6Connection,
        Self::Iri,
        Self::MacAddr,
        Self::Process,
        Self::Properties,
        Self::Uri,
    ];

    /// Those that language 1.0 has and 1.1 has not (CSD07, section 3.3.1.2).
    pub const OF_1_0: [Self; 2] = [Self::IpAddr, Self::IpConnection];

    /// Those that language 1.1 has and 1.0 has not.
    pub const NOT_OF_1_0: [Self; 7] = [
        Self::IdnDomainName,
        Self::IdnEmailAddr,
        Self::Ipv4Net,
        Self::Ipv6Net,
        Self::Ipv4Connection,
        Self::Ipv6Connection,
        Self::Iri,
    ];

    /// Namespace identifier of the profile whose target it is; `None` for the core eighteen.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        match self {
            Self::Extension { profile, .. } => Some(profile),
            _ => None,
        }
    }

    /// The name without its namespace.
    #[must_use]
    pub fn local(&self) -> &str {
        match self {
            Self::Artifact => "artifact",
            Self::Command => "command",
            Self::Device => "device",
            Self::DomainName => "domain_name",
            Self::EmailAddr => "email_addr",
            Self::Features => "features",
            Self::File => "file",
            Self::IdnDomainName => "idn_domain_name",
            Self::IdnEmailAddr => "idn_email_addr",
            Self::Ipv4Net => "ipv4_net",
            Self::Ipv6Net => "ipv6_net",
            Self::Ipv4Connection => "ipv4_connection",
            Self::Ipv6Connection => "ipv6_connection",
            Self::Iri => "iri",
            Self::MacAddr => "mac_addr",
            Self::Process => "process",
            Self::Properties => "properties",
            Self::Uri => "uri",
            Self::IpAddr => "ip_addr",
            Self::IpConnection => "ip_connection",
            Self::Extension { name, .. } => name,
        }
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension { profile, name } => f.pad(&format!("{profile}:{name}")),
            _ => f.pad(self.local()),
        }
    }
}

/// The text names no target.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnknownTarget {
    /// Without a colon it should be one of the core eighteen.
    #[error(
        "expected one of the eighteen targets of OpenC2, or nsid:name for a target of a profile"
    )]
    NotCore,
    /// The part before the colon is no namespace identifier.
    #[error("before the colon: {0}")]
    Profile(Malformed),
    /// The part after the colon is no name.
    #[error("after the colon: {0}")]
    Name(Malformed),
}

impl FromStr for TargetName {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((profile, name)) = text.split_once(':') else {
            return Self::CORE
                .into_iter()
                .chain(Self::OF_1_0)
                .find(|core| core.local() == text)
                .ok_or(UnknownTarget::NotCore);
        };
        let profile: Nsid = profile.parse().map_err(UnknownTarget::Profile)?;
        format::target_name(name).map_err(|flaw| {
            UnknownTarget::Name(Malformed { what: "the name of a target", flaw })
        })?;
        Ok(Self::Extension { profile: profile.into(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let extension =
            TargetName::Extension { profile: "x-probe".to_owned(), name: "level".to_owned() };
        assert_eq!(extension.to_string(), "x-probe:level");
        assert_eq!(extension.profile(), Some("x-probe"));
        for name in TargetName::CORE.into_iter().chain(TargetName::OF_1_0).chain([extension]) {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    /// Shows L11-3.1.4-1 for names of targets.
    #[test]
    fn what_names_no_target_is_refused() {
        for text in
            ["", "Features", "ip_net", "slpf/rule_number", ":x", "x:", "x:_y", "-x:y", "a:b:c"]
        {
            assert!(text.parse::<TargetName>().is_err(), "{text:?}");
        }
    }
}

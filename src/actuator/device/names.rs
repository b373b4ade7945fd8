//! Names that stand in maps as text.

use crate::openc2::TargetName;

/// The core targets (Language v1.1, table 3.3.1.2) by their names on the wire.
const CORE: [(&str, TargetName); 18] = [
    ("artifact", TargetName::Artifact),
    ("command", TargetName::Command),
    ("device", TargetName::Device),
    ("domain_name", TargetName::DomainName),
    ("email_addr", TargetName::EmailAddr),
    ("features", TargetName::Features),
    ("file", TargetName::File),
    ("idn_domain_name", TargetName::IdnDomainName),
    ("idn_email_addr", TargetName::IdnEmailAddr),
    ("ipv4_net", TargetName::Ipv4Net),
    ("ipv6_net", TargetName::Ipv6Net),
    ("ipv4_connection", TargetName::Ipv4Connection),
    ("ipv6_connection", TargetName::Ipv6Connection),
    ("iri", TargetName::Iri),
    ("mac_addr", TargetName::MacAddr),
    ("process", TargetName::Process),
    ("properties", TargetName::Properties),
    ("uri", TargetName::Uri),
];

/// The target of this name, if there can be one.
pub(super) fn target(text: &str) -> Option<TargetName> {
    if let Some((profile, name)) = text.split_once(':') {
        let is_good = is_namespace(profile) && is_identifier(name);
        return is_good
            .then(|| TargetName::Extension { profile: profile.to_owned(), name: name.to_owned() });
    }
    CORE.into_iter().find(|(name, _)| *name == text).map(|(_, target)| target)
}

/// Whether this can be a namespace identifier (Language v1.1, section 3.1.4).
pub(super) fn is_namespace(text: &str) -> bool {
    const MAX_CHARS: usize = 16;
    text.len() <= MAX_CHARS && is_identifier(text)
}

/// Letters, digits, `-`, `_` and `.`; beginning with a letter.
pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

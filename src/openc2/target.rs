//! What a command acts upon.

use serde_json::Value;

use super::net::{Connection, IpAddress, Ipv4Net, Ipv6Net};
use super::text::{
    Base64Url, CommandId, DomainName, EmailAddr, Hostname, IdnDomainName, IdnEmailAddr,
    IdnHostname, Iri, MacAddr, Md5, Sha1, Sha256, Uri,
};
use super::{TargetName, UnknownTarget};

/// The object of an action, checked (Language v1.1, section 3.3.1.2).
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// An array of bytes that represents a file-like object, or a link to it.
    Artifact(Artifact),
    /// A command that was issued before.
    Command(CommandId),
    /// A hardware device.
    Device(Device),
    /// A network domain name.
    DomainName(DomainName),
    /// A single mail address.
    EmailAddr(EmailAddr),
    /// What a consumer is asked about itself; no feature stands twice. May be empty.
    Features(Vec<Feature>),
    /// A file.
    File(File),
    /// An internationalized domain name.
    IdnDomainName(IdnDomainName),
    /// A single internationalized mail address.
    IdnEmailAddr(IdnEmailAddr),
    /// An IPv4 address range.
    Ipv4Net(Ipv4Net),
    /// An IPv6 address range.
    Ipv6Net(Ipv6Net),
    /// A 5-tuple of IPv4.
    Ipv4Connection(Connection<Ipv4Net>),
    /// A 5-tuple of IPv6.
    Ipv6Connection(Connection<Ipv6Net>),
    /// An address; of language 1.0 alone.
    IpAddr(IpAddress),
    /// A 5-tuple of addresses; of language 1.0 alone.
    IpConnection(Connection<IpAddress>),
    /// An internationalized resource identifier.
    Iri(Iri),
    /// A media access control address.
    MacAddr(MacAddr),
    /// An instance of a program.
    Process(Box<Process>),
    /// Names of properties of an actuator: at least one, none twice.
    Properties(Vec<String>),
    /// A uniform resource identifier.
    Uri(Uri),
    /// A target of a profile.
    Extension(ExtensionTarget),
}

impl Target {
    /// Which of the targets it is.
    #[must_use]
    pub fn name(&self) -> &TargetName {
        match self {
            Self::Artifact(_) => &TargetName::Artifact,
            Self::Command(_) => &TargetName::Command,
            Self::Device(_) => &TargetName::Device,
            Self::DomainName(_) => &TargetName::DomainName,
            Self::EmailAddr(_) => &TargetName::EmailAddr,
            Self::Features(_) => &TargetName::Features,
            Self::File(_) => &TargetName::File,
            Self::IdnDomainName(_) => &TargetName::IdnDomainName,
            Self::IdnEmailAddr(_) => &TargetName::IdnEmailAddr,
            Self::Ipv4Net(_) => &TargetName::Ipv4Net,
            Self::Ipv6Net(_) => &TargetName::Ipv6Net,
            Self::Ipv4Connection(_) => &TargetName::Ipv4Connection,
            Self::Ipv6Connection(_) => &TargetName::Ipv6Connection,
            Self::IpAddr(_) => &TargetName::IpAddr,
            Self::IpConnection(_) => &TargetName::IpConnection,
            Self::Iri(_) => &TargetName::Iri,
            Self::MacAddr(_) => &TargetName::MacAddr,
            Self::Process(_) => &TargetName::Process,
            Self::Properties(_) => &TargetName::Properties,
            Self::Uri(_) => &TargetName::Uri,
            Self::Extension(target) => &target.name,
        }
    }

    /// A `features` target with each feature once, in the order of first mention.
    ///
    /// A producer must not repeat a feature, and a consumer behaves as if a
    /// repetition were not there (Language v1.1, section 3.4.1.5).
    #[must_use]
    pub fn features(wanted: impl IntoIterator<Item = Feature>) -> Self {
        let mut features = Vec::with_capacity(Feature::ALL.len());
        for feature in wanted {
            if !features.contains(&feature) {
                features.push(feature);
            }
        }
        Self::Features(features)
    }

    /// Target `<profile>:<name>` with any value.
    pub fn extension(profile: &str, name: &str, value: Value) -> Result<Self, UnknownTarget> {
        let name = format!("{profile}:{name}").parse()?;
        Ok(Self::Extension(ExtensionTarget { name, value }))
    }
}

/// A target of a profile; what its value means, only the profile knows (Language v1.1, section 3.1.4).
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionTarget {
    /// Always a [`TargetName::Extension`].
    name: TargetName,
    value: Value,
}

impl ExtensionTarget {
    /// Namespace identifier of the profile.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.name.profile().unwrap_or_default()
    }

    /// Name inside the profile.
    #[must_use]
    pub fn local(&self) -> &str {
        self.name.local()
    }

    /// The value as it came.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// What a consumer can be asked about itself (Language v1.1, section 3.4.2.4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Feature {
    /// Versions of the language.
    Versions,
    /// Profiles.
    Profiles,
    /// Actions and their targets.
    Pairs,
    /// Commands a minute, at most.
    RateLimit,
    /// What is accepted, as a schema; of language 1.0 alone (CSD07, section 3.4.2.14).
    Schema,
}

impl Feature {
    /// All of them: the four in the order of the standard's table, and that of 1.0.
    pub const ALL: [Self; 5] =
        [Self::Versions, Self::Profiles, Self::Pairs, Self::RateLimit, Self::Schema];

    /// The name as it travels on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::Profiles => "profiles",
            Self::Pairs => "pairs",
            Self::RateLimit => "rate_limit",
            Self::Schema => "schema",
        }
    }
}

/// An array of bytes that represents a file-like object, or a link to it
/// (Language v1.1, section 3.4.1.1). At least one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// IANA media type.
    pub mime_type: Option<String>,
    /// The content or where it is.
    pub payload: Option<Payload>,
    /// Hashes of the content.
    pub hashes: Option<Hashes>,
}

/// Literal content or a URL (Language v1.1, section 3.4.2.13).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Payload {
    /// The content.
    Bin(Base64Url),
    /// Where the content is.
    Url(Uri),
}

/// A hardware device (Language v1.1, section 3.4.1.2). At least one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// A name under which it can be reached.
    pub hostname: Option<Hostname>,
    /// An internationalized name under which it can be reached.
    pub idn_hostname: Option<IdnHostname>,
    /// A description; of language 1.0 alone.
    pub description: Option<String>,
    /// Its identifier in an inventory.
    pub device_id: Option<String>,
}

/// A file (Language v1.1, section 3.4.1.6). At least one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Its name in the file system.
    pub name: Option<String>,
    /// The absolute path to it.
    pub path: Option<String>,
    /// Hashes of its content.
    pub hashes: Option<Hashes>,
}

/// An instance of a program (Language v1.1, section 3.4.1.15). At least one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Process {
    /// Process id.
    pub pid: Option<u64>,
    /// Name.
    pub name: Option<String>,
    /// Current working directory.
    pub cwd: Option<String>,
    /// The file that was executed.
    pub executable: Option<File>,
    /// The process that started it.
    pub parent: Option<Box<Process>>,
    /// The whole command line.
    pub command_line: Option<String>,
}

/// Hashes of one content (Language v1.1, section 3.4.2.5). At least one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hashes {
    /// MD5 (RFC 1321).
    pub md5: Option<Md5>,
    /// SHA-1 (RFC 6234).
    pub sha1: Option<Sha1>,
    /// SHA-256 (RFC 6234).
    pub sha256: Option<Sha256>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stand_once() {
        let target = Target::features([Feature::Pairs, Feature::Versions, Feature::Pairs]);
        assert_eq!(target, Target::Features(vec![Feature::Pairs, Feature::Versions]));
    }

    #[test]
    fn an_extension_target_cannot_have_a_core_name() {
        assert!(Target::extension("", "file", Value::Null).is_err());
        assert!(Target::extension("x-y", "a:b", Value::Null).is_err());
        let target = Target::extension("slpf", "rule_number", 1234.into()).unwrap();
        assert_eq!(target.name().to_string(), "slpf:rule_number");
    }
}

//! Targets, from a message that its schema found valid, and back.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use super::command::is_nest;
use super::fault::quoted;
use super::object::{members, one, text};
use super::values::{at, checked, list, named, natural, required, string};
use super::{Fault, values};
use crate::format;
use crate::jadn::View;
use crate::language::Version;
use crate::openc2::{
    Artifact, Connection, Device, Feature, File, Hashes, IpAddress, L4Protocol, Malformed, Payload,
    Process, Status, Target, TargetName,
};

pub(super) fn read(it: View<'_>, version: Version) -> Result<Target, Fault> {
    let (name, it) = required(it.chosen(), "a target", "a command")?;
    if !it.is_known() && name.parse::<i64>().is_ok() {
        return Err(not_here(&name));
    }
    at(&name, read_as(&name, it, version))
}

/// In CBOR, targets are numbers: this one may well be a profile's.
fn not_here(number: &str) -> Fault {
    let reason = format!("no target has the number {number} here");
    Fault { status: Status::NotImplemented, ..Fault::new(reason) }.inside(number)
}

fn read_as(name: &str, it: View<'_>, version: Version) -> Result<Target, Fault> {
    Ok(match name {
        "artifact" => Target::Artifact(artifact(it, version)?),
        "command" => Target::Command(checked(it)?),
        "device" => Target::Device(device(it)?),
        "domain_name" => Target::DomainName(checked(it)?),
        "email_addr" => Target::EmailAddr(checked(it)?),
        "features" => Target::features(list(it, |it| named(it, &Feature::ALL, Feature::as_str))?),
        "file" => Target::File(file(it, version)?),
        "idn_domain_name" => Target::IdnDomainName(checked(it)?),
        "idn_email_addr" => Target::IdnEmailAddr(checked(it)?),
        "ipv4_net" => Target::Ipv4Net(checked(it)?),
        "ipv6_net" => Target::Ipv6Net(checked(it)?),
        "ipv4_connection" => Target::Ipv4Connection(connection(it)?),
        "ipv6_connection" => Target::Ipv6Connection(connection(it)?),
        "ip_addr" => Target::IpAddr(checked(it)?),
        "ip_connection" => Target::IpConnection(ip_connection(it)?),
        "iri" => Target::Iri(checked(it)?),
        "mac_addr" => Target::MacAddr(octets(it, version, ":")?),
        "process" => Target::Process(Box::new(process(it, version)?)),
        "properties" => Target::Properties(list(it, |it| Ok(string(it)))?),
        "uri" => Target::Uri(checked(it)?),
        nest if is_nest(nest, version) => {
            let (profile, it) = required(it.chosen(), "a profile", nest)?;
            at(&profile, nested(&profile, it))?
        }
        profile if version == Version::V1_0 => nested(profile, it)?,
        _ => match name.parse() {
            Ok(TargetName::Extension { profile, name }) => {
                extension(&profile, &name, it.to_json())?
            }
            Ok(_) => return Err(Fault::new("no target of a profile")),
            Err(error) => return Err(Fault::new(error.to_string())),
        },
    })
}

/// A target of a profile as language 1.0 has it: an object of one member, under the name of the profile.
fn nested(profile: &str, it: View<'_>) -> Result<Target, Fault> {
    let mut targets = values::members(it, "exactly one target of the profile")?.into_iter();
    match (targets.next(), targets.next()) {
        (Some((name, _)), None) if name.parse::<i64>().is_ok() => Err(not_here(&name)),
        (Some((name, value)), None) => at(&name, extension(profile, &name, value)),
        _ => Err(Fault::new("expected exactly one target of the profile")),
    }
}

fn extension(profile: &str, name: &str, value: Value) -> Result<Target, Fault> {
    Target::extension(profile, name, value).map_err(|error| Fault::new(error.to_string()))
}

fn artifact(it: View<'_>, version: Version) -> Result<Artifact, Fault> {
    let mut artifact = Artifact { mime_type: None, payload: None, hashes: None };
    for (name, it) in it.entries() {
        match &*name {
            "mime_type" => artifact.mime_type = Some(string(it)),
            "payload" => artifact.payload = Some(at(&name, payload(it))?),
            "hashes" => artifact.hashes = Some(at(&name, hashes(it, version))?),
            _ => {}
        }
    }
    Ok(artifact)
}

fn payload(it: View<'_>) -> Result<Payload, Fault> {
    let (name, it) = required(it.chosen(), "bin or url", "a payload")?;
    let payload = match &*name {
        "bin" => checked(it).map(Payload::Bin),
        _ => checked(it).map(Payload::Url),
    };
    at(&name, payload)
}

fn device(it: View<'_>) -> Result<Device, Fault> {
    let mut device =
        Device { hostname: None, idn_hostname: None, description: None, device_id: None };
    for (name, it) in it.entries() {
        match &*name {
            "hostname" => device.hostname = Some(at(&name, checked(it))?),
            "idn_hostname" => device.idn_hostname = Some(at(&name, checked(it))?),
            "description" => device.description = Some(string(it)),
            "device_id" => device.device_id = Some(string(it)),
            _ => {}
        }
    }
    Ok(device)
}

fn file(it: View<'_>, version: Version) -> Result<File, Fault> {
    let mut file = File { name: None, path: None, hashes: None };
    for (name, it) in it.entries() {
        match &*name {
            "name" => file.name = Some(string(it)),
            "path" => file.path = Some(string(it)),
            "hashes" => file.hashes = Some(at(&name, hashes(it, version))?),
            _ => {}
        }
    }
    Ok(file)
}

fn hashes(it: View<'_>, version: Version) -> Result<Hashes, Fault> {
    let mut hashes = Hashes { md5: None, sha1: None, sha256: None };
    for (name, it) in it.entries() {
        match &*name {
            "md5" => hashes.md5 = Some(at(&name, octets(it, version, ""))?),
            "sha1" => hashes.sha1 = Some(at(&name, octets(it, version, ""))?),
            "sha256" => hashes.sha256 = Some(at(&name, octets(it, version, ""))?),
            _ => {}
        }
    }
    Ok(hashes)
}

/// Octets that 1.1 writes in hexadecimal digits, and 1.0 in base64url like all others.
fn octets<T: FromStr<Err = Malformed>>(
    it: View<'_>,
    version: Version,
    between: &str,
) -> Result<T, Fault> {
    if version != Version::V1_0 {
        return checked(it);
    }
    let text = it.text();
    let fault = |reason: String| Fault::found(reason, &quoted(&text));
    let octets =
        format::base64url_octets(&text).map_err(|flaw| fault(format!("no octets: {flaw}")))?;
    format::to_hex(&octets, between).parse().map_err(|error: Malformed| fault(error.to_string()))
}

fn connection<Net: FromStr<Err = Malformed>>(it: View<'_>) -> Result<Connection<Net>, Fault> {
    let mut connection = Connection {
        src_addr: None,
        src_port: None,
        dst_addr: None,
        dst_port: None,
        protocol: None,
    };
    for (name, it) in it.entries() {
        match &*name {
            "src_addr" => connection.src_addr = Some(at(&name, checked(it))?),
            "src_port" => connection.src_port = Some(at(&name, port(it))?),
            "dst_addr" => connection.dst_addr = Some(at(&name, checked(it))?),
            "dst_port" => connection.dst_port = Some(at(&name, port(it))?),
            "protocol" => {
                let protocol = named(it, &L4Protocol::ALL, L4Protocol::as_str);
                connection.protocol = Some(at(&name, protocol)?);
            }
            _ => {}
        }
    }
    Ok(connection)
}

/// Both addresses are of one kind (Language v1.0 CSD07, section 3.4.1.9).
fn ip_connection(it: View<'_>) -> Result<Connection<IpAddress>, Fault> {
    let connection = connection::<IpAddress>(it)?;
    if let (Some(src), Some(dst)) = (connection.src_addr, connection.dst_addr)
        && src.addr().is_ipv4() != dst.addr().is_ipv4()
    {
        return Err(Fault::new("expected src_addr and dst_addr of the same version of IP"));
    }
    Ok(connection)
}

fn port(it: View<'_>) -> Result<u16, Fault> {
    natural(it)?.try_into().map_err(|_| Fault::new("expected a port, an integer from 0 to 65535"))
}

fn process(it: View<'_>, version: Version) -> Result<Process, Fault> {
    let mut process = Process {
        pid: None,
        name: None,
        cwd: None,
        executable: None,
        parent: None,
        command_line: None,
    };
    for (name, it) in it.entries() {
        match &*name {
            "pid" => process.pid = Some(at(&name, natural(it))?),
            "name" => process.name = Some(string(it)),
            "cwd" => process.cwd = Some(string(it)),
            "executable" => process.executable = Some(at(&name, file(it, version))?),
            // As deep as the message is allowed to nest, and no deeper.
            "parent" => process.parent = Some(Box::new(at(&name, self::process(it, version))?)),
            "command_line" => process.command_line = Some(string(it)),
            _ => {}
        }
    }
    Ok(process)
}

pub(super) fn write(target: &Target) -> Value {
    let value = match target {
        Target::Artifact(it) => write_artifact(it),
        Target::Command(it) => it.as_str().into(),
        Target::Device(it) => members([
            ("hostname", it.hostname.as_ref().map(text)),
            ("idn_hostname", it.idn_hostname.as_ref().map(text)),
            ("description", it.description.as_ref().map(text)),
            ("device_id", it.device_id.as_ref().map(text)),
        ])
        .into(),
        Target::DomainName(it) => it.as_str().into(),
        Target::EmailAddr(it) => it.as_str().into(),
        Target::Features(it) => it.iter().map(|it| it.as_str()).collect(),
        Target::File(it) => write_file(it),
        Target::IdnDomainName(it) => it.as_str().into(),
        Target::IdnEmailAddr(it) => it.as_str().into(),
        Target::Ipv4Net(it) => text(it),
        Target::Ipv6Net(it) => text(it),
        Target::Ipv4Connection(it) => write_connection(it),
        Target::Ipv6Connection(it) => write_connection(it),
        Target::IpAddr(it) => text(it),
        Target::IpConnection(it) => write_connection(it),
        Target::Iri(it) => it.as_str().into(),
        Target::MacAddr(it) => it.as_str().into(),
        Target::Process(it) => write_process(it),
        Target::Properties(it) => it.clone().into(),
        Target::Uri(it) => it.as_str().into(),
        Target::Extension(it) => it.value().clone(),
    };
    one(&target.name().to_string(), value)
}

fn write_artifact(artifact: &Artifact) -> Value {
    let payload = artifact.payload.as_ref().map(|payload| match payload {
        Payload::Bin(it) => one("bin", text(it)),
        Payload::Url(it) => one("url", text(it)),
    });
    members([
        ("mime_type", artifact.mime_type.as_ref().map(text)),
        ("payload", payload),
        ("hashes", artifact.hashes.as_ref().map(write_hashes)),
    ])
    .into()
}

fn write_file(file: &File) -> Value {
    members([
        ("name", file.name.as_ref().map(text)),
        ("path", file.path.as_ref().map(text)),
        ("hashes", file.hashes.as_ref().map(write_hashes)),
    ])
    .into()
}

fn write_hashes(hashes: &Hashes) -> Value {
    members([
        ("md5", hashes.md5.as_ref().map(text)),
        ("sha1", hashes.sha1.as_ref().map(text)),
        ("sha256", hashes.sha256.as_ref().map(text)),
    ])
    .into()
}

fn write_connection<Net: Display>(connection: &Connection<Net>) -> Value {
    members([
        ("src_addr", connection.src_addr.as_ref().map(text)),
        ("src_port", connection.src_port.map(Value::from)),
        ("dst_addr", connection.dst_addr.as_ref().map(text)),
        ("dst_port", connection.dst_port.map(Value::from)),
        ("protocol", connection.protocol.map(|it| it.as_str().into())),
    ])
    .into()
}

fn write_process(process: &Process) -> Value {
    members([
        ("pid", process.pid.map(Value::from)),
        ("name", process.name.as_ref().map(text)),
        ("cwd", process.cwd.as_ref().map(text)),
        ("executable", process.executable.as_ref().map(write_file)),
        ("parent", process.parent.as_deref().map(write_process)),
        ("command_line", process.command_line.as_ref().map(text)),
    ])
    .into()
}

//! Targets, from a tree and back.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use super::Fault;
use super::fields::{Fields, MAX_INTEGER, checked, choice, integer, list, named, set, string};
use super::object::{members, one, text};
use crate::openc2::{
    Artifact, Connection, Device, Feature, File, Hashes, L4Protocol, Malformed, Payload, Process,
    Target, TargetName,
};

const ARTIFACT: [&str; 3] = ["mime_type", "payload", "hashes"];
const CONNECTION: [&str; 5] = ["src_addr", "src_port", "dst_addr", "dst_port", "protocol"];
const DEVICE: [&str; 3] = ["hostname", "idn_hostname", "device_id"];
const FILE: [&str; 3] = ["name", "path", "hashes"];
const HASHES: [&str; 3] = ["md5", "sha1", "sha256"];
const PROCESS: [&str; 6] = ["pid", "name", "cwd", "executable", "parent", "command_line"];

/// Longest list of features (Language v1.1, section 3.4.1.5), repetitions included.
const FEATURES: usize = 10;

pub(super) fn read(value: &Value) -> Result<Target, Fault> {
    let (name, value) = choice(value, "target")?;
    name.parse::<TargetName>()
        .map_err(|error| Fault::new(error.to_string()))
        .and_then(|name| read_as(&name, value))
        .map_err(|fault| fault.inside(name))
}

fn read_as(name: &TargetName, value: &Value) -> Result<Target, Fault> {
    Ok(match name {
        TargetName::Artifact => Target::Artifact(artifact(value)?),
        TargetName::Command => Target::Command(checked(value)?),
        TargetName::Device => Target::Device(device(value)?),
        TargetName::DomainName => Target::DomainName(checked(value)?),
        TargetName::EmailAddr => Target::EmailAddr(checked(value)?),
        TargetName::Features => features(value)?,
        TargetName::File => Target::File(file(value)?),
        TargetName::IdnDomainName => Target::IdnDomainName(checked(value)?),
        TargetName::IdnEmailAddr => Target::IdnEmailAddr(checked(value)?),
        TargetName::Ipv4Net => Target::Ipv4Net(checked(value)?),
        TargetName::Ipv6Net => Target::Ipv6Net(checked(value)?),
        TargetName::Ipv4Connection => Target::Ipv4Connection(connection(value)?),
        TargetName::Ipv6Connection => Target::Ipv6Connection(connection(value)?),
        TargetName::Iri => Target::Iri(checked(value)?),
        TargetName::MacAddr => Target::MacAddr(checked(value)?),
        TargetName::Process => Target::Process(Box::new(process(value)?)),
        TargetName::Properties => {
            Target::Properties(set(value, "an array of names of properties", string)?)
        }
        TargetName::Uri => Target::Uri(checked(value)?),
        TargetName::Extension { profile, name } => Target::extension(profile, name, value.clone())
            .map_err(|error| Fault::new(error.to_string()))?,
    })
}

fn features(value: &Value) -> Result<Target, Fault> {
    let feature = |it| named(it, "a feature", &Feature::ALL, Feature::as_str);
    let wanted = list(value, "an array of features", feature)?;
    if wanted.len() > FEATURES {
        return Err(Fault::new(format!(
            "expected at most {FEATURES} features, found {}",
            wanted.len()
        )));
    }
    Ok(Target::features(wanted))
}

fn artifact(value: &Value) -> Result<Artifact, Fault> {
    let fields = Fields::closed(value, "an artifact", &ARTIFACT)?;
    Ok(Artifact {
        mime_type: fields.optional("mime_type", string)?,
        payload: fields.optional("payload", payload)?,
        hashes: fields.optional("hashes", hashes)?,
    })
}

fn payload(value: &Value) -> Result<Payload, Fault> {
    let (name, value) = choice(value, "of bin and url")?;
    let payload = match name {
        "bin" => checked(value).map(Payload::Bin),
        "url" => checked(value).map(Payload::Url),
        _ => Err(Fault::new("expected bin or url".to_owned())),
    };
    payload.map_err(|fault| fault.inside(name))
}

fn device(value: &Value) -> Result<Device, Fault> {
    let fields = Fields::closed(value, "a device", &DEVICE)?;
    Ok(Device {
        hostname: fields.optional("hostname", checked)?,
        idn_hostname: fields.optional("idn_hostname", checked)?,
        device_id: fields.optional("device_id", string)?,
    })
}

fn file(value: &Value) -> Result<File, Fault> {
    let fields = Fields::closed(value, "a file", &FILE)?;
    Ok(File {
        name: fields.optional("name", string)?,
        path: fields.optional("path", string)?,
        hashes: fields.optional("hashes", hashes)?,
    })
}

fn hashes(value: &Value) -> Result<Hashes, Fault> {
    let fields = Fields::closed(value, "hashes", &HASHES)?;
    Ok(Hashes {
        md5: fields.optional("md5", checked)?,
        sha1: fields.optional("sha1", checked)?,
        sha256: fields.optional("sha256", checked)?,
    })
}

fn connection<Net: FromStr<Err = Malformed>>(value: &Value) -> Result<Connection<Net>, Fault> {
    let fields = Fields::closed(value, "a connection", &CONNECTION)?;
    let protocol = |it| named(it, "a protocol", &L4Protocol::ALL, L4Protocol::as_str);
    Ok(Connection {
        src_addr: fields.optional("src_addr", checked)?,
        src_port: fields.optional("src_port", port)?,
        dst_addr: fields.optional("dst_addr", checked)?,
        dst_port: fields.optional("dst_port", port)?,
        protocol: fields.optional("protocol", protocol)?,
    })
}

fn port(value: &Value) -> Result<u16, Fault> {
    let port = integer(value, "a port", u16::MAX.into())?;
    Ok(u16::try_from(port).expect("a port was read within its range"))
}

fn process(value: &Value) -> Result<Process, Fault> {
    let fields = Fields::closed(value, "a process", &PROCESS)?;
    Ok(Process {
        pid: fields.optional("pid", |it| integer(it, "a process id", MAX_INTEGER))?,
        name: fields.optional("name", string)?,
        cwd: fields.optional("cwd", string)?,
        executable: fields.optional("executable", file)?,
        // As deep as the message is allowed to nest, and no deeper.
        parent: fields.optional("parent", process)?.map(Box::new),
        command_line: fields.optional("command_line", string)?,
    })
}

pub(super) fn write(target: &Target) -> Value {
    let value = match target {
        Target::Artifact(it) => write_artifact(it),
        Target::Command(it) => it.as_str().into(),
        Target::Device(it) => members([
            ("hostname", it.hostname.as_ref().map(text)),
            ("idn_hostname", it.idn_hostname.as_ref().map(text)),
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

//! Commands, from a message that its schema found valid, and back.

use serde_json::Value;

use super::object::{members, one, text, unless_empty};
use super::values::{at, checked, named, natural, required};
use super::{Fault, target, values};
use crate::jadn::View;
use crate::language::Version;
use crate::openc2::{Action, Actuator, Args, Command, CommandId, Members, ResponseType};

/// What language 1.0 has around the extensions of registered and of other
/// profiles (CSD07, sections 3.3.3 and 3.3.4); 1.1 names the profile at once.
const NESTS: [&str; 2] = ["extension", "extension_unr"];

pub(super) fn read(it: View<'_>, version: Version) -> Result<Command, Fault> {
    let (mut action, mut target, mut actuator, mut command_id) = (None, None, None, None);
    let mut args = Args::default();
    for (name, it) in it.entries() {
        match &*name {
            "action" => action = Some(at(&name, named(it, &Action::ALL, Action::as_str))?),
            "target" => target = Some(at(&name, target::read(it, version))?),
            "args" => args = at(&name, self::args(it, version))?,
            "actuator" => actuator = Some(at(&name, self::actuator(it, version))?),
            "command_id" => command_id = Some(at(&name, checked::<CommandId>(it))?.into()),
            _ => {}
        }
    }
    Ok(Command {
        action: required(action, "action", "a command")?,
        target: required(target, "target", "a command")?,
        args,
        actuator,
        command_id,
    })
}

fn args(it: View<'_>, version: Version) -> Result<Args, Fault> {
    let mut args = Args::default();
    for (name, it) in it.entries() {
        match &*name {
            "start_time" => args.start_time = Some(at(&name, natural(it))?),
            "stop_time" => args.stop_time = Some(at(&name, natural(it))?),
            "duration" => args.duration = Some(at(&name, natural(it))?),
            "response_requested" => {
                let wanted = named(it, &ResponseType::ALL, ResponseType::as_str);
                args.response_requested = Some(at(&name, wanted)?);
            }
            nest if is_nest(nest, version) => {
                for (profile, it) in it.entries() {
                    let arguments = at(&name, at(&profile, namespace(it)))?;
                    args.extensions.insert(profile.into_owned(), arguments);
                }
            }
            _ => {
                let arguments = at(&name, namespace(it))?;
                args.extensions.insert(name.into_owned(), arguments);
            }
        }
    }
    if args.start_time.is_some() && args.stop_time.is_some() && args.duration.is_some() {
        let reason = "expected at most two of start_time, stop_time and duration, found all three";
        return Err(Fault::new(reason));
    }
    Ok(args)
}

/// What stands under the namespace identifier of a profile in args.
fn namespace(it: View<'_>) -> Result<Members, Fault> {
    const WHAT: &str = "start_time, stop_time, duration, response_requested, or here an object \
                        with at least one argument of a profile";
    let arguments = values::members(it, WHAT)?;
    if arguments.is_empty() {
        return Err(Fault::expected(WHAT, &arguments.into()));
    }
    Ok(arguments)
}

fn actuator(it: View<'_>, version: Version) -> Result<Actuator, Fault> {
    let (profile, it) = required(it.chosen(), "a profile", "an actuator")?;
    if is_nest(&profile, version) {
        return at(&profile, required(it.chosen(), "a profile", &profile))
            .and_then(|(inner, it)| at(&profile, specifiers(&inner, it)));
    }
    specifiers(&profile, it)
}

fn specifiers(profile: &str, it: View<'_>) -> Result<Actuator, Fault> {
    let specifiers = at(profile, values::members(it, "an object of specifiers"))?;
    Ok(Actuator { profile: profile.to_owned(), specifiers })
}

/// Whether profiles stand inside of it, and not beside it.
pub(super) fn is_nest(name: &str, version: Version) -> bool {
    version == Version::V1_0 && NESTS.contains(&name)
}

pub(super) fn write(command: &Command) -> Value {
    let specifiers = |it: &Actuator| one(&it.profile, it.specifiers.clone().into());
    members([
        ("action", Some(text(&command.action))),
        ("target", Some(target::write(&command.target))),
        ("args", unless_empty(write_args(&command.args))),
        ("actuator", command.actuator.as_ref().map(specifiers)),
        ("command_id", command.command_id.as_ref().map(text)),
    ])
    .into()
}

fn write_args(args: &Args) -> Members {
    let mut written = members([
        ("start_time", args.start_time.map(Value::from)),
        ("stop_time", args.stop_time.map(Value::from)),
        ("duration", args.duration.map(Value::from)),
        ("response_requested", args.response_requested.map(|it| it.as_str().into())),
    ]);
    let extensions = args.extensions.iter();
    written.extend(extensions.map(|(nsid, arguments)| (nsid.clone(), arguments.clone().into())));
    written
}

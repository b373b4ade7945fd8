//! Commands, from a tree and back.

use serde_json::Value;

use super::fields::{Fields, MAX_INTEGER, checked, choice, integer, named};
use super::object::{members, one, text, unless_empty};
use super::{Fault, target};
use crate::openc2::{Action, Actuator, Args, Command, CommandId, Members, Nsid, ResponseType};

const COMMAND: [&str; 5] = ["action", "target", "args", "actuator", "command_id"];
const ARGS: [&str; 4] = ["start_time", "stop_time", "duration", "response_requested"];

pub(super) fn read(value: &Value) -> Result<Command, Fault> {
    let fields = Fields::closed(value, "a command", &COMMAND)?;
    Ok(Command {
        action: fields
            .required("action", |it| named(it, "an action", &Action::ALL, Action::as_str))?,
        target: fields.required("target", target::read)?,
        args: fields.optional("args", args)?.unwrap_or_default(),
        actuator: fields.optional("actuator", actuator)?,
        command_id: fields.optional("command_id", checked::<CommandId>)?.map(String::from),
    })
}

fn args(value: &Value) -> Result<Args, Fault> {
    let fields = Fields::open(value, "args")?;
    let time = |value| integer(value, "milliseconds", MAX_INTEGER);
    let args = Args {
        start_time: fields.optional("start_time", time)?,
        stop_time: fields.optional("stop_time", time)?,
        duration: fields.optional("duration", time)?,
        response_requested: fields.optional("response_requested", |it| {
            named(it, "a type of response", &ResponseType::ALL, ResponseType::as_str)
        })?,
        extensions: fields.extensions(&ARGS, namespace)?.into_iter().collect(),
    };
    if args.start_time.is_some() && args.stop_time.is_some() && args.duration.is_some() {
        let reason = "expected at most two of start_time, stop_time and duration, found all three";
        return Err(Fault::new(reason.to_owned()));
    }
    Ok(args)
}

/// What stands under the namespace identifier of a profile in args.
fn namespace(value: &Value) -> Result<Members, Fault> {
    match value.as_object() {
        Some(members) if !members.is_empty() => Ok(members.clone()),
        _ => {
            let what = format!(
                "{}, or here an object with at least one argument of a profile",
                ARGS.join(", ")
            );
            Err(Fault::expected(what, value))
        }
    }
}

fn actuator(value: &Value) -> Result<Actuator, Fault> {
    let (name, value) = choice(value, "profile with its specifiers")?;
    let profile = name.parse::<Nsid>();
    profile
        .map_err(|error| Fault::new(error.to_string()))
        .and_then(|profile| match value.as_object() {
            Some(specifiers) => {
                Ok(Actuator { profile: profile.into(), specifiers: specifiers.clone() })
            }
            None => Err(Fault::expected("an object of specifiers", value)),
        })
        .map_err(|fault| fault.inside(name))
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

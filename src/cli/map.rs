//! `oc2 map`: device maps, without a broker.

#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::Exit;
use crate::actuator::device::{self, MapConfig, MapError};

/// What templates see as `seq`, and devices as `id`, unless `--seq` says otherwise.
const SEQ: u64 = 1;

/// For `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  oc2 map list
  oc2 map show tasmota > mine.toml
  oc2 map lint topics.toml
  oc2 map test tasmota --var topic=plug --command on.json";

/// What to do with maps.
#[derive(Debug, Subcommand)]
pub enum MapCommand {
    /// List the maps there are, and the commands they know
    List(ListArgs),
    /// Print a map that comes with the bridge, to read or to begin from
    Show(ShowArgs),
    /// Look for mistakes in the maps of files; without a file, in those that come with the bridge
    Lint(LintArgs),
    /// Show what a map would publish for a command, and how it would judge replies
    Test(Box<TestArgs>),
}

/// Arguments of `oc2 map list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Files with more maps, such as topics.toml
    #[arg(long, value_name = "FILE")]
    maps: Vec<PathBuf>,
    /// A line of JSON for each map
    #[arg(long)]
    json: bool,
}

/// Arguments of `oc2 map show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Name of the map
    map: String,
}

/// Arguments of `oc2 map lint`.
#[derive(Args, Debug)]
pub struct LintArgs {
    /// Files with maps, such as topics.toml
    files: Vec<PathBuf>,
    /// A line of JSON for each mistake
    #[arg(long)]
    json: bool,
}

/// Arguments of `oc2 map test`.
#[derive(Args, Debug)]
#[command(after_help = TEST_HELP)]
pub struct TestArgs {
    /// Name of the map
    map: String,
    /// File with a command, or with a whole message
    #[arg(long, value_name = "FILE")]
    command: PathBuf,
    /// A variable of the device; JSON, or plain text
    #[arg(long = "var", value_name = "KEY=VALUE")]
    vars: Vec<String>,
    /// A reply to judge: topic, space, payload
    #[arg(long = "reply", value_name = "TOPIC PAYLOAD")]
    replies: Vec<String>,
    /// File with replies to judge: {"topic", "payload", "retained", "user"}, or a list of these
    #[arg(long = "reply-file", value_name = "FILE")]
    reply_files: Vec<PathBuf>,
    /// Files with more maps, such as topics.toml
    #[arg(long, value_name = "FILE")]
    maps: Vec<PathBuf>,
    /// Name of the device
    #[arg(long, default_value = "device-1")]
    device: String,
    /// Number of the command, which devices send back
    #[arg(long, default_value_t = SEQ)]
    seq: u64,
    /// Name that devices answer to
    #[arg(long, default_value = "oc2-map-test")]
    reply_src: String,
    /// Try it as a device with confirm = "none"
    #[arg(long)]
    unconfirmed: bool,
    /// One JSON value
    #[arg(long)]
    json: bool,
}

const TEST_HELP: &str = "\
Exit codes: 0 the command would be sent; 1 it would be refused, or a given reply means failure;
65 the map or the command is not valid.

  oc2 map test tasmota --var topic=plug --command on.json --reply 'stat/plug/RESULT {\"POWER\":\"ON\"}'";

/// Carries it out. Errors are about files and words; mistakes in maps are printed to `out`.
pub fn run(command: MapCommand, out: &mut dyn Write) -> Result<Exit> {
    match command {
        MapCommand::List(args) => list(&args, out),
        MapCommand::Show(args) => show(&args, out),
        MapCommand::Lint(args) => lint(&args, out),
        MapCommand::Test(args) => trial::test(&args, out),
    }
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<Exit> {
    let own = read_files(&args.maps)?;
    let mut all: BTreeMap<&String, &MapConfig> = device::built_in_maps().iter().collect();
    all.extend(&own);
    for (name, map) in all {
        let commands = map.commands.iter().flat_map(|command| {
            command.on.action.0.iter().map(|action| format!("{action} {}", command.on.target))
        });
        let commands: Vec<String> = commands.collect();
        let needs: Vec<String> = device::needed_vars(name, map).into_iter().collect();
        let source = if own.contains_key(name) { "file" } else { "built in" };
        if args.json {
            let line = json!({"map": name, "source": source, "about": map.about, "vars": map.vars, "needs": needs, "commands": commands});
            writeln!(out, "{line}")?;
            continue;
        }
        writeln!(out, "{name} ({source}): {}", printable(&map.about))?;
        writeln!(out, "  needs     {}", or_nothing(needs.join(", ")))?;
        let defaults = map.vars.iter().map(|(name, value)| format!("{name} = {value}"));
        writeln!(out, "  defaults  {}", or_nothing(defaults.collect::<Vec<_>>().join(", ")))?;
        writeln!(out, "  commands  {}", commands.join(", "))?;
    }
    Ok(Exit::Success)
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<Exit> {
    let source = device::BUILT_IN_SOURCES.iter().find(|(name, _)| *name == args.map);
    let Some((_, text)) = source else {
        let known: Vec<_> = device::BUILT_IN_SOURCES.iter().map(|(name, _)| *name).collect();
        bail!("no map {:?} comes with the bridge; there are {}", args.map, known.join(", "));
    };
    out.write_all(text.as_bytes())?;
    Ok(Exit::Success)
}

fn lint(args: &LintArgs, out: &mut dyn Write) -> Result<Exit> {
    let mut mistakes = Vec::new();
    let mut maps = 0;
    if args.files.is_empty() {
        let built_in = device::built_in_maps();
        maps += built_in.len();
        mistakes.extend(built_in.iter().flat_map(|(name, map)| device::lint(name, map)));
    }
    for file in &args.files {
        let own = read_file(file)?;
        maps += own.len();
        for mistake in own.iter().flat_map(|(name, map)| device::lint(name, map)) {
            mistakes
                .push(MapError { map: format!("{} ({})", mistake.map, file.display()), ..mistake });
        }
    }
    for mistake in &mistakes {
        if args.json {
            let MapError { map, entry, key, line, reason } = mistake;
            let line =
                json!({"map": map, "command": entry, "key": key, "line": line, "reason": reason});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", printable(&mistake.to_string()))?;
        }
    }
    if !args.json {
        writeln!(out, "{maps} maps, {} mistakes", mistakes.len())?;
    }
    Ok(if mistakes.is_empty() { Exit::Success } else { Exit::BadInput })
}

fn read_files(files: &[PathBuf]) -> Result<BTreeMap<String, MapConfig>> {
    let mut maps = BTreeMap::new();
    for file in files {
        maps.extend(read_file(file)?);
    }
    Ok(maps)
}

fn read_file(file: &Path) -> Result<BTreeMap<String, MapConfig>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    device::read_maps(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let reason = error.message().trim_end().replace('\n', ", ");
        anyhow!("{}:{line}: no good map: {reason}", file.display())
    })
}

/// Text that may come from anywhere, safe for a terminal.
fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

fn or_nothing(text: String) -> String {
    if text.is_empty() { "(nothing)".to_owned() } else { text }
}

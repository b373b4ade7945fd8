//! The command line. Thin: it reads words, calls a room, and prints.
//!
//! A new command is a file here with its arguments and its `run`, a variant of
//! [`CliCommand`], and a line in [`run`].

mod broker;
mod check;
mod completion;
#[cfg(feature = "embedded-broker")]
mod demo;
mod gateway;
mod journal;
mod letter;
mod map;
mod output;
mod query;
mod request;
mod responses;
mod run;
mod schema;
mod schemas;
mod send;
mod status;
mod traffic;
mod units;
mod watch;

use std::fmt;
use std::io;

use clap::Parser;
use tokio::runtime::Runtime;

pub use broker::BrokerArgs;
pub use output::{Screen, Style, escape, escape_line, json_line, table};
pub use units::{duration, elapsed, millis, timestamp};

/// OpenC2 over MQTT: run the bridge, send commands, see what happens.
#[derive(Debug, Parser)]
#[command(name = "oc2", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: CliCommand,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 a response was not 2xx; 2 no response in time; 64 wrong words on the
command line; 65 the command or file is not valid; 69 the broker cannot be reached or refused;
70 a fault of this program; 74 a file cannot be read or written; 78 wrong configuration;
130 interrupted.";

/// The commands of `oc2`.
#[derive(Debug, clap::Subcommand)]
pub enum CliCommand {
    /// Run the bridge beside a broker
    Run(run::RunArgs),
    /// A broker, the bridge and three simulated devices in one process, to try it out
    #[cfg(feature = "embedded-broker")]
    Demo(demo::DemoArgs),
    /// Send a command and print the responses
    Send(Box<send::SendArgs>),
    /// Ask consumers what they can do
    Query(Box<query::QueryArgs>),
    /// What became of a command that was posted to a bridge with `oc2 send --async`
    Status(Box<status::StatusArgs>),
    /// The consumers that a bridge has heard on its broker
    Consumers(Box<status::ConsumersArgs>),
    /// Follow the traffic, a line a message
    Watch(Box<watch::WatchArgs>),
    /// List, read, check and try the maps of devices
    #[command(subcommand, after_help = map::EXAMPLES)]
    Map(map::MapCommand),
    /// Check schema files, judge messages by them, make messages up
    #[command(subcommand, after_help = schema::EXAMPLES)]
    Schema(schema::SchemaCommand),
    /// Find every mistake in the configuration
    Check(check::CheckArgs),
    /// Look into the journal: what came, and what became of it
    Journal(journal::JournalArgs),
}

/// Carries a command out.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        CliCommand::Run(args) => run::run(&args),
        #[cfg(feature = "embedded-broker")]
        CliCommand::Demo(args) => demo::run(&args),
        CliCommand::Send(args) => send::run(&args),
        CliCommand::Query(args) => query::run(&args),
        CliCommand::Status(args) => status::run(&args),
        CliCommand::Consumers(args) => status::consumers(&args),
        CliCommand::Watch(args) => watch::run(&args),
        CliCommand::Map(command) => map::run(command, &mut io::stdout().lock()).map_err(|error| {
            let is_io = error.chain().any(<dyn std::error::Error>::is::<io::Error>);
            Failure { exit: if is_io { Exit::Io } else { Exit::BadInput }, error }
        }),
        CliCommand::Schema(command) => schema::run(command, &mut io::stdout().lock()),
        CliCommand::Check(args) => check::run(&args),
        CliCommand::Journal(args) => journal::run(&args),
    }
}

/// How `oc2` ended, for the shell. The higher numbers are those of sysexits.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Exit {
    /// Done; every response was 2xx.
    Success = 0,
    /// A response was not 2xx, or could not be read.
    NotOk = 1,
    /// No response came in time, or fewer than expected.
    NoResponse = 2,
    /// The words on the command line make no sense.
    Usage = 64,
    /// The command, or a file with one, is not valid.
    BadInput = 65,
    /// The broker cannot be reached, or refused.
    Unavailable = 69,
    /// A fault of this program.
    Internal = 70,
    /// A file cannot be read or written.
    Io = 74,
    /// The configuration is wrong.
    Config = 78,
    /// Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// The number the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command could not be carried out, and what to tell the shell.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// For people.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure that `error` explains.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into() }
    }

    /// A failure that a sentence explains.
    pub fn say(exit: Exit, sentence: impl fmt::Display) -> Self {
        Self { exit, error: anyhow::anyhow!("{sentence}") }
    }

    /// The reader of our output has gone (`oc2 watch | head`): nothing to tell.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        let io_error = self.error.downcast_ref::<io::Error>();
        io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for Failure {
    /// The error with its causes, in one harmless line: it may quote strangers. Mistakes in the
    /// configuration are a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(check::Mistaken(mistakes)) = self.error.downcast_ref() else {
            return f.write_str(&escape(&format!("{:#}", self.error)));
        };
        for (index, mistake) in mistakes.iter().enumerate() {
            let between = if index == 0 { "" } else { "\noc2: " };
            write!(f, "{between}{}", escape(&mistake.to_string()))?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Io, error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { exit: Exit::Internal, error }
    }
}

/// A runtime for a command that talks to a broker: the connection is kept
/// alive on one thread while the other prints.
fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Tells the user, not the reader of our output, that something is going on.
fn tell(sentence: impl fmt::Display) {
    eprintln!("oc2: {}", escape_line(&sentence.to_string()));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(help.contains(&format!("\n  oc2 {name}")), "oc2 {name} --help: {help:?}");
        }
    }

    #[test]
    fn the_help_and_the_manual_name_every_exit_code() {
        let manual = include_str!("../../docs/cli.md");
        let exits = [
            Exit::Success,
            Exit::NotOk,
            Exit::NoResponse,
            Exit::Usage,
            Exit::BadInput,
            Exit::Unavailable,
            Exit::Internal,
            Exit::Io,
            Exit::Config,
            Exit::Interrupted,
        ];
        let spaced: String =
            EXIT_CODES.chars().map(|c| if c.is_ascii_digit() { c } else { ' ' }).collect();
        let help: Vec<_> = spaced.split_whitespace().collect();
        for exit in exits {
            let code = exit.code().to_string();
            assert!(help.contains(&code.as_str()), "--help lacks {code}");
            assert!(manual.contains(&format!("| {code} |")), "docs/cli.md lacks {code}");
        }
    }

    #[test]
    fn a_failure_is_one_harmless_line() {
        let cause = io::Error::other("said \u{1b}[2J\nand more");
        let failure =
            Failure::new(Exit::Io, anyhow::Error::new(cause).context("cannot read message.json"));
        assert_eq!(failure.to_string(), r"cannot read message.json: said \u{1b}[2J\nand more");
        assert!(!failure.is_closed_pipe());
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_closed_pipe());
    }

    #[test]
    fn each_mistake_in_the_configuration_is_a_line() {
        let mistakes = crate::config::Settings::parse(
            std::path::Path::new("bridge.toml"),
            "[mqtt]\nkep-alive = \"5s\"\n[log]\nlevel = \"\\u001b[2J\"\n",
            [],
        );
        let failure = Failure::new(Exit::Config, check::Mistaken(mistakes.unwrap_err()));
        let text = failure.to_string();
        let lines: Vec<_> = text.lines().collect();
        let [first, second] = lines[..] else { panic!("{text}") };
        assert_eq!(
            first,
            "bridge.toml:2:1: unknown key `mqtt.kep-alive`; did you mean `keep-alive`?"
        );
        assert!(second.starts_with("oc2: bridge.toml:4:1: log.level: "), "{second}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    /// Every command in the manual can be given as it stands there.
    #[test]
    fn the_manual_shows_commands_that_exist() {
        let manual = include_str!("../../docs/cli.md");
        let shown = manual.lines().filter_map(|line| line.strip_prefix("$ oc2 "));
        let mut number = 0;
        for line in shown {
            let line = line.split(" | ").next().unwrap_or_default();
            let words = std::iter::once("oc2".to_owned()).chain(shell_words(line));
            if let Err(error) = Cli::try_parse_from(words) {
                assert!(!error.use_stderr(), "{line}: {error}");
            }
            number += 1;
        }
        assert!(number > 8, "only {number}");
    }

    /// Splits like a shell where single quotes are the only quotes.
    fn shell_words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().expect("never empty").push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}

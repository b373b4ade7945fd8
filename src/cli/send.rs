//! `oc2 send`: a producer for one command.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ArgGroup;
use tokio::sync::watch;

use super::broker::unavailable;
use super::gateway::{self, WayArgs};
use super::letter::{Given, Letter};
use super::output::message_line;
use super::request::Words;
use super::responses::{Patience, converse};
use super::schemas::SchemasArgs;
use super::{BrokerArgs, Exit, Failure, Screen, runtime, tell, units};
use crate::dispatch::Address;
use crate::language::{Library, Version};
use crate::mqtt::topics::{self, TopicLevel};
use crate::openc2::ResponseType;
use crate::producer::{self, BrokerSettings, Producer, Slot, State};
use crate::wire::Encoding;

/// Largest file that is read, in bytes: larger than any message a consumer
/// takes, so that one can be shown to be refused.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// How long the broker keeps our session when we are gone: long enough to come
/// back to after a short break of the network.
const SESSION: Duration = Duration::from_mins(1);

/// How long to wait for responses unless told otherwise.
const WAIT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  oc2 send query features --all
  oc2 send deny ipv4_net 198.51.100.0/24 --profile slpf --arg duration=1h
  oc2 send set x-probe:level 5 --device gateway-1 --arg response_requested=status
  oc2 send stop device '{\"hostname\":\"cam-3\"}' --profile x-iot --expect 2
  oc2 send --file message.json --device gateway-1
  oc2 send deny uri http://a.example/ -d fw-1 --url https://bridge.example/ --cert c.pem --key c.key
  oc2 send query features --all --encoding cbor
  oc2 send set x-iot:light --example --device gateway-1 --dry-run

VALUE is JSON, or what the schema of the target can complete: plain text for a string, elements
with commas for a list, name=value with commas for members. --arg x-foo.bar=5 sets argument bar
of extension x-foo.

Exit codes: 0 all 2xx, 1 one was not, 2 none in time, 64 usage, 65 not valid, 69 no broker
or bridge.";

/// Arguments of `oc2 send`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("whom").required(true).args(["device", "profile", "all"])))]
pub struct SendArgs {
    /// One of the twenty: query, deny, set, stop …
    #[arg(required_unless_present = "file")]
    action: Option<String>,
    /// One of the core targets, or a profile's own: nsid:name
    #[arg(required_unless_present = "file")]
    target: Option<String>,
    /// JSON or text; absent for `features`
    #[arg(allow_negative_numbers = true)]
    value: Option<String>,
    /// Send this message, or the command in it; - is standard input
    #[arg(long, short, value_name = "FILE")]
    #[arg(conflicts_with_all = ["action", "arg", "actuator", "response_requested", "command_id", "example"])]
    file: Option<PathBuf>,
    #[command(flatten)]
    address: AddressArgs,
    /// Command argument; V is JSON or text, times also `5m`, `+10s`
    #[arg(long, value_name = "K=V")]
    arg: Vec<String>,
    /// Profile that is to act, and specifiers: x-iot:asset_id=30
    #[arg(long, value_name = "NSID[:K=V]")]
    actuator: Vec<String>,
    /// Which responses to ask for: none, ack, status or complete
    #[arg(long, value_name = "TYPE", hide_possible_values = true)]
    #[arg(value_parser = ["none", "ack", "status", "complete"])]
    response_requested: Option<String>,
    /// Name of the command, for later commands to refer to
    #[arg(long, value_name = "ID")]
    command_id: Option<String>,
    /// Make up a VALUE, and arguments of the profile, where none are given
    #[arg(long)]
    example: bool,
    /// The same number makes the same example
    #[arg(long, value_name = "NUMBER", requires = "example")]
    seed: Option<u64>,
    #[command(flatten)]
    exchange: ExchangeArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

/// Whom a command is for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct AddressArgs {
    /// The consumer with this identity
    #[arg(long, short, value_name = "ID", conflicts_with_all = ["profile", "all"])]
    device: Option<String>,
    /// Every consumer that implements the profile
    #[arg(long, short, value_name = "NSID", conflicts_with = "all")]
    profile: Option<String>,
    /// Every consumer
    #[arg(long, short)]
    all: bool,
}

impl AddressArgs {
    /// The address; everybody where none was given.
    #[must_use]
    pub fn address(&self) -> Address {
        match (&self.device, &self.profile) {
            (Some(device), _) => Address::Device(device.clone()),
            (None, Some(profile)) => Address::Profile(profile.clone()),
            (None, None) => Address::All,
        }
    }
}

/// How to send, and how long to listen.
#[derive(Clone, Debug, clap::Args)]
pub struct ExchangeArgs {
    #[command(flatten)]
    pub(super) way: WayArgs,
    /// Our identity as a producer; --username if absent, or oc2-<user>-<number>; with --url the
    /// certificate's
    #[arg(long, value_name = "ID", env = "OC2_FROM", hide_env_values = true)]
    pub(super) from: Option<String>,
    /// headers.to: consumers that are meant, of those the topic reaches
    #[arg(long, value_name = "ID")]
    pub(super) to: Vec<String>,
    /// Identifier of the exchange; a random UUID if absent
    #[arg(long, value_name = "ID")]
    pub(super) request_id: Option<String>,
    /// How long to listen for responses [default: 5s; 0s if none is asked for]
    #[arg(long, short, value_name = "TIME", value_parser = units::duration)]
    wait: Option<Duration>,
    /// Stop after N responses [default: 1 for --device, else all that come]
    #[arg(long, value_name = "N")]
    expect: Option<usize>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// How the message is written down
    #[arg(long, value_name = "ENCODING", value_enum, default_value_t)]
    pub(super) encoding: Wanted,
    #[command(flatten)]
    schemas: SchemasArgs,
    /// Check it by this version of the language alone: 1.1 or 1.0
    #[arg(long, value_name = "VERSION")]
    pub(super) language_version: Option<Version>,
    /// Send it even if it is not valid
    #[arg(long)]
    pub(super) no_check: bool,
    /// Print what would be sent, and where to, and send nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// How a command is written down.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Wanted {
    /// JSON
    #[default]
    Json,
    /// CBOR, by the numbers of the language's tables
    Cbor,
}

/// Sends a command and prints the responses.
pub fn run(args: &SendArgs) -> Result<Exit, Failure> {
    let library = args.exchange.library()?;
    let given = args.given(&library)?;
    exchange(&given, &library, &args.address.address(), &args.exchange, &args.broker)
}

impl SendArgs {
    fn given(&self, library: &Library) -> Result<Given, Failure> {
        if let Some(path) = &self.file {
            return Ok(Given::from_file(read_file(path)?));
        }
        let now_ms = producer::now_ms();
        let words = self.words(now_ms);
        if let (Some(seed), None) = (words.example, self.seed) {
            tell(format_args!("made up; --seed {seed} makes the same again"));
        }
        let command = words.command(now_ms, library).map_err(usage)?;
        Ok(Given::Command(command.to_string()))
    }

    /// The words; where nothing says from which number an example is made, it is from `number`.
    fn words(&self, number: u64) -> Words {
        Words {
            action: self.action.clone().unwrap_or_default(),
            target: self.target.clone().unwrap_or_default(),
            value: self.value.clone(),
            args: self.arg.clone(),
            actuators: self.actuator.clone(),
            response_requested: self.response_requested.clone(),
            command_id: self.command_id.clone(),
            example: self.example.then(|| self.seed.unwrap_or(number)),
        }
    }
}

/// Checks what was given, sends it by the way that the arguments say, and prints the responses.
pub fn exchange(
    given: &Given,
    library: &Library,
    to: &Address,
    args: &ExchangeArgs,
    broker: &BrokerArgs,
) -> Result<Exit, Failure> {
    if let Some(url) = &args.way.url {
        return gateway::exchange(given, library, to, (args, url), broker);
    }
    let topic = producer::command_topic(&broker.prefix, to).map_err(usage)?;
    let slots = producer::slots_dir().map_err(|error| Failure::new(Exit::Io, error))?;
    let slot = Slot::take(&slots).map_err(|error| Failure::new(Exit::Io, error))?;
    let default_identity = || default_identity(broker, &slot);
    let letter = letter(given, library, args, default_identity)?;
    objected(&letter, args.no_check)?;
    let letter = match args.encoding {
        Wanted::Json => letter,
        Wanted::Cbor => letter.in_cbor(library).map_err(|fault| {
            let sentence = "it cannot be written in CBOR, where only what is valid has numbers";
            Failure { exit: Exit::BadInput, error: anyhow::Error::new(fault).context(sentence) }
        })?,
    };
    let mut screen = Screen::stdout();
    if args.dry_run {
        tell(format_args!("would publish on {topic}"));
        show_message(letter.outgoing.payload(), &mut screen)?;
        return Ok(Exit::Success);
    }

    let identity = letter.from.clone().unwrap_or_else(default_identity);
    let identity = producer::topic_level(&identity).map_err(usage)?;
    let responses = topics::rsp(&broker.prefix, Some(&identity));
    let patience = args.patience(to, letter.asks_for);
    let settings = broker.settings(slot.client_id().to_owned(), Some(SESSION));
    runtime()?.block_on(async {
        let producer = listen(&settings, identity, library, broker).await?;
        let exit = tokio::select! {
            exit = converse(&producer, &letter.outgoing, to, patience, &mut screen) => exit,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
        };
        if matches!(exit, Ok(Exit::NoResponse)) && args.from.is_none() && broker.has_account() {
            tell(format_args!(
                "listened on {responses}: where the broker has an access list it lets everybody listen, \
                 and hands over only what is theirs; --from says by which name it knows us"
            ));
        }
        producer.close().await;
        exit
    })
}

/// Says what is wrong with a message, and keeps it from being sent unless it is to be all the same.
pub(super) fn objected(letter: &Letter, no_check: bool) -> Result<(), Failure> {
    if letter.version.is_some_and(|version| version < Version::default()) {
        tell("by language 1.0: a consumer that does not speak it refuses what that alone has");
    }
    let Some(objection) = &letter.objection else { return Ok(()) };
    if no_check {
        tell(format_args!("not valid, sent all the same: {objection}"));
        return Ok(());
    }
    let objection = anyhow::Error::new(objection.clone());
    Err(Failure::new(Exit::BadInput, objection.context("not sent (--no-check would)")))
}

/// Prints a message that is not sent.
pub(super) fn show_message<W: io::Write>(
    payload: &[u8],
    screen: &mut Screen<W>,
) -> Result<(), Failure> {
    let line = match Encoding::of(payload) {
        Encoding::Json => message_line(payload),
        Encoding::Cbor => crate::format::to_hex(payload, ""),
    };
    Ok(screen.line(&line)?)
}

/// A producer that hears the responses to come.
async fn listen(
    settings: &BrokerSettings,
    identity: TopicLevel,
    library: &Library,
    broker: &BrokerArgs,
) -> Result<Producer, Failure> {
    let unavailable = |error: anyhow::Error| unavailable(&settings.url, format_args!("{error:#}"));
    let (link, events) =
        producer::open(settings).map_err(|error| Failure::new(Exit::Config, error))?;
    let prefix = broker.prefix.clone();
    let producer = Producer::reading_by(library.clone(), link, events, identity, prefix);
    let deadline = tokio::time::Instant::now() + broker.connect_wait;
    let granted = tokio::select! {
        biased;
        granted = producer.subscribe() => granted,
        trouble = hopeless(producer.state(), broker.connect_wait) => {
            return Err(unavailable(anyhow::anyhow!("{trouble}")));
        }
        () = tokio::time::sleep_until(deadline) => {
            let trouble = producer.state().borrow().trouble.clone();
            let trouble = trouble.unwrap_or_else(|| "no answer".to_owned());
            return Err(unavailable(anyhow::anyhow!("{trouble}")));
        }
    };
    granted.map_err(|error| unavailable(error.into()))?;
    Ok(producer)
}

/// Tells what keeps the connection from coming about, once, and ends with what no waiting will mend.
async fn hopeless(mut state: watch::Receiver<State>, wait: Duration) -> String {
    let mut is_told = false;
    loop {
        let State { trouble, is_refused, .. } = state.borrow_and_update().clone();
        if let Some(trouble) = trouble {
            if is_refused {
                return trouble;
            }
            if !std::mem::replace(&mut is_told, true) {
                tell(format_args!("no connection: {trouble}; trying again for {wait:?}"));
            }
        }
        if state.changed().await.is_err() {
            // Its end is told by whoever waits for the subscription.
            std::future::pending::<()>().await;
        }
    }
}

/// The message, with the headers that the arguments ask for.
pub(super) fn letter(
    given: &Given,
    library: &Library,
    args: &ExchangeArgs,
    default_identity: impl FnOnce() -> String,
) -> Result<Letter, Failure> {
    match given {
        Given::Command(command) => {
            let from = args.from.clone().unwrap_or_else(default_identity);
            producer::topic_level(&from).map_err(usage)?;
            let mut envelope = producer::Envelope::new(from);
            envelope.to.clone_from(&args.to);
            if let Some(request_id) = &args.request_id {
                envelope.request_id.clone_from(request_id);
            }
            Ok(Letter::around(&envelope, command, library, args.language_version))
        }
        Given::Message(payload) => {
            let letter = Letter::as_written(payload.clone(), library, args.language_version);
            let contradicts =
                args.from.is_some() && letter.from.is_some() && args.from != letter.from;
            if contradicts || args.request_id.is_some() || !args.to.is_empty() {
                let sentence = "a whole message is sent as it is written: --from, --to and \
                    --request-id cannot change it";
                return Err(Failure::say(Exit::Usage, sentence));
            }
            Ok(Letter { from: letter.from.or_else(|| args.from.clone()), ..letter })
        }
    }
}

impl ExchangeArgs {
    /// The schemas by which a command is completed and checked.
    ///
    /// # Errors
    ///
    /// Every mistake in every file of the folder.
    pub fn library(&self) -> Result<Library, Failure> {
        self.schemas.library()
    }

    pub(super) fn patience(&self, to: &Address, asks_for: ResponseType) -> Patience {
        let is_silent = asks_for == ResponseType::None;
        let expect = match to {
            Address::Device(_) if !is_silent => Some(self.expect.unwrap_or(1)),
            _ => self.expect,
        };
        let default_wait = if is_silent && expect.is_none() { Duration::ZERO } else { WAIT };
        let wait = self.wait.unwrap_or(default_wait);
        Patience { wait, expect, asks_for, as_json: self.json }
    }
}

fn usage(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(Exit::Usage, error)
}

/// Who we are where nobody says so: the name that the broker knows us by, since its access list
/// gives the responses to that; or else a name of this session's own.
fn default_identity(broker: &BrokerArgs, slot: &Slot) -> String {
    let account = broker.username.clone().filter(|name| producer::topic_level(name).is_ok());
    account.unwrap_or_else(|| slot.default_identity(&user()))
}

fn user() -> String {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default()
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))
        .map_err(|error| Failure::new(Exit::Io, error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES) {
        let sentence = format!("{} is larger than {FILE_BYTES} bytes", path.display());
        return Err(Failure::say(Exit::BadInput, sentence));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, CliCommand};
    use super::*;

    fn parse(line: &str) -> Result<SendArgs, clap::Error> {
        let words = ["oc2", "send"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            CliCommand::Send(args) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_needs_an_address_and_only_one() {
        let cases = [
            ("query features --all", true),
            ("query features --device d", true),
            ("query features -p x-iot", true),
            ("query features", false),
            ("query features --all --device d", false),
            ("query features --profile p --device d", false),
            ("query --all", false),
            ("--file m.json --all", true),
            ("--file m.json", false),
            ("query features --file m.json --all", false),
            ("--file m.json --arg a=1 --all", false),
            ("set x-a:b --example --all", true),
            ("set x-a:b --example --seed 7 --all", true),
            ("set x-a:b --seed 7 --all", false),
            ("--file m.json --example --all", false),
            ("set x-a:b -5 --all", true),
            ("set x-a:b 5 --all --response-requested ack", true),
            ("set x-a:b 5 --all --response-requested later", false),
            ("set x-a:b 5 --all --wait 5", false),
        ];
        for (line, is_right) in cases {
            assert_eq!(parse(line).is_ok(), is_right, "{line}");
        }
    }

    #[test]
    fn words_and_flags_reach_the_command() {
        let line = "stop device {} --all --arg x-a.b=1 --arg duration=1s --actuator x-iot:asset_id=30 \
            --response-requested status --command-id c-1";
        let command = parse(line).unwrap().words(0).command(0, &Library::built_in()).unwrap();
        assert_eq!(
            command.to_string(),
            r#"{"action":"stop","target":{"device":{}},"args":{"x-a":{"b":1},"duration":1000,"response_requested":"status"},"actuator":{"x-iot":{"asset_id":"30"}},"command_id":"c-1"}"#
        );
    }

    #[test]
    fn how_long_to_wait_depends_on_who_is_asked_what() {
        use ResponseType::{Complete, None as Silence};
        let (short, none) = (Duration::from_secs(5), Duration::ZERO);
        #[rustfmt::skip]
        let cases = [
            ("--device d",            Complete, short, Some(1)),
            ("--device d --expect 3", Complete, short, Some(3)),
            ("--all",                 Complete, short, None),
            ("--profile p",           Complete, short, None),
            ("--all --expect 2",      Complete, short, Some(2)),
            ("--all --wait 5s",       Silence,  short, None),
            ("--device d",            Silence,  none,  None),
            ("--device d --expect 1", Silence,  short, Some(1)),
        ];
        for (line, asks_for, wait, expect) in cases {
            let args = parse(&format!("query features {line}")).unwrap();
            let patience = args.exchange.patience(&args.address.address(), asks_for);
            assert_eq!((patience.wait, patience.expect), (wait, expect), "{line} {asks_for:?}");
        }
    }

    #[test]
    fn a_failure_shows_no_password() {
        let failure = unavailable("mqtt://ann:secret@broker:1883", anyhow::anyhow!("refused"));
        assert_eq!(failure.to_string(), "broker mqtt://broker:1883: refused");
        assert_eq!(failure.exit, Exit::Unavailable);
    }

    #[test]
    fn files_are_read_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.json");
        assert_eq!(read_file(&path).unwrap_err().exit, Exit::Io);
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read_file(&path).unwrap(), b"{}");
        File::create(&path).unwrap().set_len(FILE_BYTES + 1).unwrap();
        assert_eq!(read_file(&path).unwrap_err().exit, Exit::BadInput);
    }

    /// A whole message names its producer itself.
    #[test]
    fn arguments_cannot_change_a_whole_message() {
        let message = r#"{"headers":{"request_id":"r","from":"soar-1"},"body":{"openc2":{"request":{"action":"query","target":{"features":[]}}}}}"#;
        let given = Given::Message(message.into());
        let cases = [
            ("", Ok(())),
            ("--from soar-1", Ok(())),
            ("--from other", Err(Exit::Usage)),
            ("--request-id x", Err(Exit::Usage)),
            ("--to gateway-1", Err(Exit::Usage)),
        ];
        for (line, outcome) in cases {
            let args = parse(&format!("--file m.json --all {line}")).unwrap().exchange;
            let letter = letter(&given, &Library::built_in(), &args, String::new);
            assert_eq!(letter.map(drop).map_err(|failure| failure.exit), outcome, "{line}");
        }
    }
}

//! The other way to consumers: through the HTTPS door of a bridge.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::letter::{Given, Letter, Objection};
use super::responses::{self, Patience};
use super::send::{self, ExchangeArgs, Wanted};
use super::{BrokerArgs, Exit, Failure, Screen, runtime, tell};
use crate::dispatch::{Address, SUMMARY};
use crate::https::{Answer, Peer, PeerConfig, PeerError, PeerUrl};
use crate::language::{Library, Version};
use crate::openc2::Response;
use crate::producer::{self, Arrival, Envelope};
use crate::wire;

/// How much longer than its caller wants to wait a bridge may take.
const GRACE: Duration = Duration::from_secs(10);

/// A connection that ends sooner than this may have ended with the handshake: over TLS 1.3 the
/// client is done with it before its certificate is looked at.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// What TLS says to a client without a certificate, as rustls writes it: in TLS 1.3, and before.
const NO_CERTIFICATE: [&str; 2] =
    ["fatal alert: CertificateRequired", "fatal alert: HandshakeFailure"];

/// Statuses of HTTP that say that the message is not as it should be.
const NOT_THAT: [u16; 4] = [406, 413, 415, 431];

/// The bridge that is asked.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct GatewayArgs {
    /// Address of the bridge
    #[arg(long, value_name = "URL", help = "Address of the bridge: https://host[:port]/")]
    url: String,
    /// Authorities to trust, PEM; the system's own if absent
    #[arg(long, visible_alias = "ca", value_name = "FILE", env = "OC2_CA_FILE")]
    #[arg(hide_env_values = true)]
    ca_file: Option<PathBuf>,
    /// Our certificate, PEM
    #[arg(long, visible_alias = "cert", value_name = "FILE", env = "OC2_CERT_FILE")]
    #[arg(hide_env_values = true, requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// The key to our certificate, PEM
    #[arg(long, visible_alias = "key", value_name = "FILE", env = "OC2_KEY_FILE")]
    #[arg(hide_env_values = true, requires = "cert_file")]
    key_file: Option<PathBuf>,
}

/// Which way to send.
#[derive(Clone, Debug, clap::Args)]
pub struct WayArgs {
    /// Address of a bridge
    #[arg(help = "Post it to the bridge at this address, https://host[:port]/, and to no broker")]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// With --url: do not wait for responses, and print what `oc2 status` asks by
    #[arg(long = "async", requires = "url")]
    pub is_async: bool,
}

impl GatewayArgs {
    /// Reads the files, and connects to nobody yet.
    pub fn bridge(&self) -> Result<Bridge, Failure> {
        let Self { url, ca_file, cert_file, key_file } = self.clone();
        Bridge::new(url, ca_file, cert_file, key_file)
    }
}

/// A bridge with an HTTPS door.
pub struct Bridge {
    peer: Peer,
    url: String,
    /// Over TLS, and without a certificate of ours.
    is_bare: bool,
}

impl Bridge {
    fn new(
        url: String,
        ca_file: Option<PathBuf>,
        cert_file: Option<PathBuf>,
        key_file: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let config = |sentence: String| Failure::say(Exit::Config, format!("--url: {sentence}"));
        let address = PeerUrl::try_from(url.clone()).map_err(config)?;
        let is_bare = cert_file.is_none() && address.is_tls();
        let config = PeerConfig { url: address, ca_file, cert_file, key_file };
        let peer = Peer::new(config).map_err(|error| Failure::new(Exit::Config, error))?;
        Ok(Self { peer, url, is_bare })
    }

    /// Reads a resource that takes no longer than this to answer.
    pub fn get(&self, path: &str, wait: Duration) -> Result<Asked, Failure> {
        runtime()?.block_on(async {
            tokio::select! {
                answer = self.in_time(wait, self.peer.get(path)) => answer.map(Asked::Answered),
                _ = tokio::signal::ctrl_c() => Ok(Asked::Interrupted),
            }
        })
    }

    async fn in_time(
        &self,
        wait: Duration,
        asked: impl Future<Output = Result<Answer, PeerError>>,
    ) -> Result<Answer, Failure> {
        let unavailable = |why: &dyn std::fmt::Display| {
            Failure::say(Exit::Unavailable, format_args!("bridge {}: {why}", self.url))
        };
        let begun = Instant::now();
        match tokio::time::timeout(wait + GRACE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error @ PeerError::TooLong)) => Err(Failure::new(Exit::NotOk, error)),
            Ok(Err(error)) if self.is_bare && is_for_want_of_a_certificate(&error, begun) => {
                Err(unavailable(&format_args!(
                    "it ended the connection at the handshake, where a bridge asks for a \
                     certificate, and none was given: --cert and --key ({error})"
                )))
            }
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(unavailable(&"there is a connection, and no answer")),
        }
    }
}

/// Whether a connection that began then has ended as it does where a certificate is missing.
fn is_for_want_of_a_certificate(error: &PeerError, begun: Instant) -> bool {
    let is_said = |reason: &str| NO_CERTIFICATE.iter().any(|alert| reason.contains(alert));
    match error {
        PeerError::NotConnected { reason } => is_said(reason),
        PeerError::Lost { reason } => is_said(reason) || begun.elapsed() < HANDSHAKE,
        PeerError::TooLong => false,
    }
}

/// What came of asking.
pub enum Asked {
    /// This.
    Answered(Answer),
    /// Ctrl-C came first.
    Interrupted,
}

/// What a bridge says of a request that it does not answer.
pub fn refused(answer: &Answer) -> Failure {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let exit = match answer.status {
        400 => Exit::Usage,
        status if NOT_THAT.contains(&status) => Exit::BadInput,
        _ => Exit::Unavailable,
    };
    let why = match problem["detail"].as_str() {
        Some(detail) => detail.to_owned(),
        None => "and says no more".to_owned(),
    };
    Failure::say(exit, format_args!("the bridge refused ({}): {why}", answer.status))
}

/// Checks what was given, posts it, and prints the responses.
pub fn exchange(
    given: &Given,
    library: &Library,
    to: &Address,
    (args, url): (&ExchangeArgs, &str),
    broker: &BrokerArgs,
) -> Result<Exit, Failure> {
    let usage = |sentence: &str| Err(Failure::say(Exit::Usage, sentence));
    if broker.is_told() {
        return usage("--broker and --url are two ways: one of them");
    }
    if args.encoding == Wanted::Cbor {
        return usage("over HTTPS a message is JSON (Transfer via HTTPS v1.1, section 3.3.1)");
    }
    let (given, args) = addressed(given, to, args)?;
    let letter = letter(&given, library, &args)?;
    send::objected(&letter, args.no_check)?;
    let mut screen = Screen::stdout();
    if args.dry_run {
        tell(format_args!("would post to {url}"));
        send::show_message(letter.outgoing.payload(), &mut screen)?;
        return Ok(Exit::Success);
    }
    let BrokerArgs { ca_file, cert_file, key_file, .. } = broker.clone();
    let bridge = Bridge::new(url.to_owned(), ca_file, cert_file, key_file)?;
    // Each consumer that answers is one of those who were asked, so all of them are waited for.
    let patience = args.patience(&Address::All, letter.asks_for);
    let prefer = preference(patience.wait, args.way.is_async);
    let sent = Instant::now();
    let request_id = letter.outgoing.request_id().map(str::to_owned);
    let posted = bridge.peer.post_preferring(
        request_id.as_deref(),
        &prefer,
        letter.outgoing.payload().clone(),
    );
    let asked = runtime()?.block_on(async {
        tokio::select! {
            answer = bridge.in_time(patience.wait, posted) => answer.map(Asked::Answered),
            _ = tokio::signal::ctrl_c() => Ok(Asked::Interrupted),
        }
    })?;
    let Asked::Answered(answer) = asked else { return Ok(Exit::Interrupted) };
    if answer.status == 202
        && let Some(location) = &answer.location
    {
        return begun(location, request_id.as_deref(), patience.as_json, &mut screen);
    }
    let is_silent = answer.status == 200 && answer.body.is_empty();
    if !answer.is_openc2 && !is_silent {
        return Err(refused(&answer));
    }
    let elapsed = sent.elapsed();
    let Said { arrivals, expected, nobody } = said(&answer.body, elapsed, library);
    if let Some(text) = nobody {
        tell(text);
        return Ok(Exit::NoResponse);
    }
    let patience = Patience { expect: patience.expect.or(expected), ..patience };
    responses::print(request_id.as_deref(), &arrivals, (elapsed, patience), &mut screen)
}

/// Whom a command is for stands in the message: there is no topic.
fn addressed(
    given: &Given,
    to: &Address,
    args: &ExchangeArgs,
) -> Result<(Given, ExchangeArgs), Failure> {
    let mut args = args.clone();
    let given = match (given, to) {
        (_, Address::All) => given.clone(),
        (Given::Message(_), _) => {
            let sentence = "a whole message says itself whom it is for: with --url, --all is all \
                there is to say";
            return Err(Failure::say(Exit::Usage, sentence));
        }
        (Given::Command(_), Address::Device(device)) => {
            if !args.to.contains(device) {
                args.to.insert(0, device.clone());
            }
            given.clone()
        }
        (Given::Command(command), Address::Profile(profile)) => {
            Given::Command(for_profile(command, profile))
        }
    };
    Ok((given, args))
}

/// A command that names the profile that is to act, where it names none.
fn for_profile(command: &str, profile: &str) -> String {
    match serde_json::from_str(command) {
        Ok(Value::Object(mut members)) if !members.contains_key("actuator") => {
            members.insert("actuator".to_owned(), json!({ profile: {} }));
            Value::Object(members).to_string()
        }
        _ => command.to_owned(),
    }
}

/// The message. Who sends it is for the certificate to say, unless it is said here.
fn letter(given: &Given, library: &Library, args: &ExchangeArgs) -> Result<Letter, Failure> {
    if let (Given::Command(command), None) = (given, &args.from) {
        let mut envelope = Envelope::new(String::new());
        envelope.to.clone_from(&args.to);
        if let Some(request_id) = &args.request_id {
            envelope.request_id.clone_from(request_id);
        }
        return Ok(Letter::without_from(&envelope, command, library, args.language_version));
    }
    let mut letter = send::letter(given, library, args, String::new)?;
    letter.objection = letter.objection.filter(|objection| *objection != Objection::NoFrom);
    Ok(letter)
}

/// `Prefer` (RFC 7240): whole seconds, and rather one more.
fn preference(wait: Duration, is_async: bool) -> String {
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    if is_async { format!("respond-async, wait={secs}") } else { format!("wait={secs}") }
}

/// Tells where a command can be asked after that nobody waits for.
fn begun(
    location: &str,
    request_id: Option<&str>,
    as_json: bool,
    screen: &mut Screen<std::io::Stdout>,
) -> Result<Exit, Failure> {
    let id = location.strip_prefix("/v1/commands/");
    if as_json {
        screen.json(&json!({ "request_id": request_id, "id": id, "location": location }))?;
    } else {
        tell("the command is recorded; oc2 status says what becomes of it");
        screen.line(&super::escape_line(id.unwrap_or(location)))?;
    }
    Ok(Exit::Success)
}

/// What a response message comes to.
struct Said {
    arrivals: Vec<Arrival>,
    /// How many are to answer, where several were asked.
    expected: Option<usize>,
    /// Why nobody has answered.
    nobody: Option<String>,
}

/// The response of one consumer, or those of several that stand in one.
fn said(body: &[u8], elapsed: Duration, library: &Library) -> Said {
    let nothing = Said { arrivals: Vec::new(), expected: None, nobody: None };
    if body.is_empty() {
        return nothing;
    }
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let arrivals = arrivals(&message, elapsed, library);
    let response = &message["body"]["openc2"]["response"];
    let summary = &response["results"][SUMMARY];
    let expected = summary["expected"].as_u64().and_then(|it| usize::try_from(it).ok());
    // The bridge itself, and nobody else.
    if response["status"] == 503 && summary["answered"] == 0 {
        let text = response["status_text"].as_str().unwrap_or("nobody has answered in time");
        return Said { nobody: Some(text.to_owned()), ..nothing };
    }
    Said { arrivals, expected: expected.or(Some(1)), nobody: None }
}

/// The responses in a response message: its own, or those that it sums up.
pub fn arrivals(message: &Value, elapsed: Duration, library: &Library) -> Vec<Arrival> {
    let response = &message["body"]["openc2"]["response"];
    if let Some(several) = response["results"][SUMMARY]["responses"].as_array() {
        return several.iter().map(|it| arrival(it, elapsed, library)).collect();
    }
    let mut response = response.clone();
    if let (Value::Object(members), Some(from)) = (&mut response, message["headers"].get("from")) {
        members.insert("from".to_owned(), from.clone());
    }
    vec![arrival(&response, elapsed, library)]
}

/// A response that has its consumer's name among its members, and whether it is late.
pub fn arrival(response: &Value, elapsed: Duration, library: &Library) -> Arrival {
    let mut response = response.clone();
    let members = response.as_object_mut();
    let from = members.and_then(|members| {
        members.shift_remove("late");
        members.shift_remove("from")
    });
    let from = from.as_ref().and_then(Value::as_str).map(str::to_owned);
    let results = response.get("results").cloned();
    match read(&response, library) {
        Ok(response) => {
            Arrival::Answer(Box::new(producer::Answer { from, response, results, elapsed }))
        }
        Err(fault) => Arrival::Malformed { from, fault: *fault, elapsed },
    }
}

fn read(response: &Value, library: &Library) -> Result<Response, Box<wire::Fault>> {
    wire::response_by(response, library.language(Version::V1_1)).map_err(Box::new)
}

/// Milliseconds between two times as a duration.
pub fn between(from_ms: &Value, to_ms: &Value) -> Duration {
    let (from, to) = (from_ms.as_u64().unwrap_or_default(), to_ms.as_u64().unwrap_or_default());
    Duration::from_millis(to.saturating_sub(from))
}

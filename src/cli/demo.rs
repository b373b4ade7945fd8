//! `oc2 demo`: a broker, the bridge and three devices in one process.

mod caller;

use std::io::IsTerminal;

use caller::Client;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure};
use crate::config::{Settings, Topics};
use crate::daemon::{self, Control, DaemonError, Ready};
use crate::demo::broker::BrokerError;
use crate::demo::tour::{Answer, Order, To};
use crate::demo::{self, BoxError, Bridge, DemoError, DemoOptions, Files, Mode, Style, Verdict};
use crate::dispatch::Address;
use crate::https;
use crate::language::Library;
use crate::mqtt::client_id::random_client_id;
use crate::mqtt::topics::{TopicLevel, TopicPrefix};
use crate::producer::{self, Arrival, BrokerSettings, Outgoing, Producer, TlsFiles};
use crate::telemetry::{self, LogConfig};

/// Identity of the tour's producer.
const GUIDE: &str = "demo-tour";

const EXAMPLES: &str = "\
Examples:
  oc2 demo                  stay until Ctrl-C, and print commands to paste
  oc2 demo --tour           send commands, judge the answers, and end
  oc2 demo --gateway        open an HTTPS door as well, and print what to post with curl
  oc2 demo --gateway --tour
  oc2 demo --print-config   the two files that the demo's bridge runs with

Exit codes: 0 all went as it should; 1 a step of the tour was wrong; 69 a port is taken; 130 the tour was
ended before it was over.";

/// Arguments of `oc2 demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// TCP port of the demo's broker; 0 for any free one
    #[arg(long, value_name = "PORT", default_value = "18830")]
    port: u16,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Send commands to it, check the answers, and end
    #[arg(long)]
    tour: bool,
    /// Start nothing: print the bridge.toml and topics.toml of the demo
    #[arg(long, conflicts_with = "tour")]
    print_config: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// The other half of the demo.
#[derive(Debug, clap::Args)]
struct GatewayArgs {
    /// Add a gateway: commands posted over HTTPS reach the devices by MQTT
    #[arg(long)]
    gateway: bool,
    /// TCP port of the gateway's HTTPS door; 0 for any free one
    #[arg(long, value_name = "PORT", default_value = "18843", requires = "gateway")]
    https_port: u16,
}

/// Runs the demo.
pub fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    telemetry::init(&LogConfig::warnings()).map_err(|error| Failure::new(Exit::Internal, error))?;
    // `cargo run` leaves no `oc2` where a shell would look for it.
    let program = std::env::args().next().unwrap_or_else(|| "oc2".to_owned());
    let options = DemoOptions {
        program,
        port: args.port,
        https_port: args.gateway.gateway.then_some(args.gateway.https_port),
        mode: match (args.tour, args.print_config) {
            (true, _) => Mode::Tour,
            (false, true) => Mode::PrintConfig,
            (false, false) => Mode::Stay,
        },
        style: style(args),
    };
    super::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        stop_on_signals(&stop);
        let out = &mut std::io::stdout();
        match demo::run::<_, Guide, Client>(options, OurBridge, stop, out).await {
            Ok(Verdict::Right) => Ok(Exit::Success),
            Ok(Verdict::Wrong { .. }) => Ok(Exit::NotOk),
            Ok(Verdict::CutShort) => Ok(Exit::Interrupted),
            Err(DemoError::Broker(error @ BrokerError::Listen { .. })) => {
                let hint = "--port takes another one, and --port 0 any that is free";
                Err(Failure::say(Exit::Unavailable, format_args!("{error}; {hint}")))
            }
            Err(DemoError::Print(error)) => Err(error.into()),
            Err(error) => Err(Failure::new(Exit::Unavailable, error)),
        }
    })
}

/// Cancels `stop` on Ctrl-C, on SIGTERM, and where the terminal goes away.
///
/// However often: the end takes less than a second, and who cut it short would leave keys behind.
fn stop_on_signals(stop: &CancellationToken) {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).expect("a signal can be listened for");
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
}

fn style(args: &DemoArgs) -> Style {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
    if args.json {
        Style::Json
    } else if std::io::stdout().is_terminal() && !no_colour {
        Style::Colours
    } else {
        Style::Plain
    }
}

/// The bridge as `oc2 run` starts it.
#[derive(Clone)]
struct OurBridge;

impl Bridge for OurBridge {
    async fn run(
        self,
        files: Files,
        stop: CancellationToken,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), BoxError> {
        let Files { bridge_toml, topics_toml, dir } = files;
        // What the demo shows must not depend on the variables of whoever tries it.
        let nothing = std::iter::empty();
        let settings = Settings::parse(&dir.join("bridge.toml"), &bridge_toml, nothing)
            .map_err(super::check::Mistaken)?;
        let topics = Topics::parse(&dir.join("topics.toml"), &topics_toml, &Library::built_in())
            .map_err(super::check::Mistaken)?;
        let (_nobody_reloads, reload) = mpsc::channel(1);
        let ended =
            daemon::run(settings, topics, Control { stop, reload, ready: Some(ready) }).await;
        ended.map(|_counters| ()).map_err(|error| {
            let hint = match &error {
                DaemonError::Https(https::OpenError::Listen { .. }) => {
                    "; --https-port takes another one, and --https-port 0 any that is free"
                }
                _ => "",
            };
            // With all its causes: the demo prints one sentence.
            format!("{:#}{hint}", anyhow::Error::from(error)).into()
        })
    }
}

/// The producer of the tour.
struct Guide(Producer);

impl demo::tour::Producer for Guide {
    async fn connect(broker_url: &str) -> Result<Self, BoxError> {
        let settings = BrokerSettings {
            url: broker_url.to_owned(),
            client_id: random_client_id()?,
            clean_start: true,
            session_expiry_secs: 0,
            username: None,
            password_file: None,
            tls: TlsFiles::default(),
            allow_plain_text: false,
        };
        let (link, events) = producer::open(&settings)?;
        let identity = TopicLevel::try_from(GUIDE.to_owned())?;
        let producer = Producer::new(link, events, identity, TopicPrefix::default());
        producer.subscribe().await?;
        Ok(Self(producer))
    }

    async fn send(&mut self, order: &Order) -> Result<Vec<Answer>, BoxError> {
        let message = json!({
            "headers": {
                "request_id": order.request_id,
                "created": producer::now_ms(),
                "from": GUIDE,
            },
            "body": {"openc2": {"request": order.command}},
        });
        // As it is: some commands of the tour are wrong on purpose.
        let written = message.to_string().into();
        let outgoing = Outgoing::as_written(written, Some(order.request_id.clone()));
        let deadline = Instant::now() + order.wait;
        let mut responses = self.0.send(&outgoing, &address(order.to)).await?;
        let mut answers = Vec::new();
        while (order.answers == 0 || answers.len() < order.answers)
            && let Some(arrival) = responses.next(deadline).await
        {
            match arrival {
                Arrival::Answer(answer) => answers.push(told(*answer)),
                Arrival::Malformed { fault, .. } => {
                    return Err(format!("a response that is none: {fault}").into());
                }
            }
        }
        Ok(answers)
    }

    async fn close(self) {
        self.0.close().await;
    }
}

fn address(to: To) -> Address {
    match to {
        To::Device(id) => Address::Device(id.to_owned()),
        To::Profile(profile) => Address::Profile(profile.to_owned()),
        To::All => Address::All,
    }
}

fn told(answer: producer::Answer) -> Answer {
    let results: Option<Value> = answer.results;
    Answer {
        from: answer.from.unwrap_or_default(),
        status: answer.response.status.code(),
        text: answer.response.status_text,
        results,
        elapsed: answer.elapsed,
    }
}

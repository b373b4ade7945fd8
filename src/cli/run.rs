//! `oc2 run`: the bridge itself.

use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::check::Mistaken;
use super::{Exit, Failure};
use crate::config::{Mistake, SchemasConfig, Settings, Topics};
use crate::daemon::{self, Control, DaemonError};
use crate::telemetry;

const EXAMPLES: &str = "\
Examples:
  oc2 run --config bridge.toml --topics topics.toml
  oc2 run --broker mqtts://broker.example:8883 --log-level debug
  kill -HUP PID             read topics.toml and the schemas again

Exit codes: 0 stopped; 74 the journal cannot be used; 78 a file has a mistake; 130 asked twice to
stop.";

/// Arguments of `oc2 run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// How the bridge runs
    #[arg(long, value_name = "FILE", default_value = "bridge.toml", env = "OC2_CONFIG")]
    pub config: PathBuf,
    /// What it is on MQTT: consumers and actuators. Read again on SIGHUP
    #[arg(long, value_name = "FILE", default_value = "topics.toml", env = "OC2_TOPICS")]
    pub topics: PathBuf,
    /// Broker, instead of the one in the configuration
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// Log level or filter, instead of the one in the configuration
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// Folder of the journal, instead of the one in the configuration
    #[arg(long, value_name = "DIR")]
    pub journal_dir: Option<PathBuf>,
}

/// Runs the bridge until SIGTERM or Ctrl-C.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let settings = settings(args)?;
    let library = settings.schemas.load().map_err(mistaken)?;
    let topics = Topics::load(&args.topics, &library).map_err(mistaken)?;
    telemetry::init(&settings.log).map_err(|error| Failure::new(Exit::Internal, error))?;
    super::runtime()?.block_on(bridge(args, settings, topics))
}

async fn bridge(args: &RunArgs, settings: Settings, topics: Topics) -> Result<Exit, Failure> {
    let stop = CancellationToken::new();
    let (reload_in, reload) = mpsc::channel(1);
    let (ready_in, ready) = tokio::sync::oneshot::channel();
    stop_on_signal(stop.clone());
    reload_on_hangup(settings.schemas.clone(), args.topics.clone(), reload_in);
    tokio::spawn(async move {
        if ready.await.is_ok() {
            tracing::info!("ready: commands are being taken");
        }
    });

    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        broker = %settings.mqtt.url,
        journal = %settings.journal.dir.display(),
        consumers = topics.house.consumers.len(),
        actuators = topics.actuators.len(),
        "starting"
    );
    match daemon::run(settings, topics, Control { stop, reload, ready: Some(ready_in) }).await {
        Ok(counters) => {
            let counters = serde_json::to_string(&counters).unwrap_or_default();
            tracing::info!(counters, "stopped");
            Ok(Exit::Success)
        }
        Err(error) => {
            // Said here and not once more by `main`: standard error is the log now.
            let cause: &dyn std::error::Error = &error;
            tracing::error!(error = cause, "the bridge had to end");
            Ok(match error {
                DaemonError::Journal(_) => Exit::Io,
                DaemonError::Door(_) | DaemonError::Https(_) | DaemonError::Crew(_) => Exit::Config,
            })
        }
    }
}

/// The settings, with the flags over the environment over the file.
fn settings(args: &RunArgs) -> Result<Settings, Failure> {
    let mut environment: Vec<(String, String)> = std::env::vars().collect();
    let mut flags = vec![
        ("--broker", "OC2_MQTT_URL", args.broker.clone()),
        ("--log-level", "OC2_LOG_LEVEL", args.log_level.clone()),
        ("--journal-dir", "OC2_JOURNAL_DIR", args.journal_dir.as_deref().map(path_text)),
    ];
    flags.retain(|(_, _, value)| value.is_some());
    for (_, variable, value) in &mut flags {
        environment.retain(|(name, _)| name != variable);
        environment.extend(value.take().map(|value| ((*variable).to_owned(), value)));
    }
    Settings::load_with(&args.config, environment).map_err(|mut mistakes| {
        // Told under the name that the user gave it.
        for mistake in &mut mistakes {
            let given = flags.iter().find(|(_, variable, _)| mistake.file == Path::new(variable));
            if let Some((flag, _, _)) = given {
                mistake.file = PathBuf::from(flag);
            }
        }
        mistaken(mistakes)
    })
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}

fn mistaken(mistakes: Vec<Mistake>) -> Failure {
    Failure::new(Exit::Config, Mistaken(mistakes))
}

/// Cancels `stop` on SIGTERM and Ctrl-C; a second of them ends the process.
///
/// The signals are listened for from here on, not only once the task runs.
pub(super) fn stop_on_signal(stop: CancellationToken) {
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened for");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be listened for");
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if is_first {
                stop.cancel();
            } else {
                tracing::warn!("asked twice to stop: started commands are left in doubt");
                std::process::exit(Exit::Interrupted.code().into());
            }
        }
    });
}

/// Good files, schemas among them, replace the old ones; where one is bad all are
/// refused, and the old ones stay.
fn reload_on_hangup(schemas: SchemasConfig, file: PathBuf, reload: mpsc::Sender<Topics>) {
    let mut hangup = signal(SignalKind::hangup()).expect("SIGHUP can be listened for");
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let library = match schemas.load() {
                Ok(library) => library,
                Err(mistakes) => {
                    refuse(schemas.dir.as_deref().unwrap_or(Path::new("")), &mistakes);
                    continue;
                }
            };
            match Topics::load(&file, &library) {
                Ok(topics) => {
                    if reload.send(topics).await.is_err() {
                        return;
                    }
                }
                Err(mistakes) => refuse(&file, &mistakes),
            }
        }
    });
}

/// A line of the log for each mistake.
fn refuse(file: &Path, mistakes: &[Mistake]) {
    for mistake in mistakes {
        tracing::error!(%mistake, "a mistake in the new file");
    }
    tracing::error!(file = %file.display(), "the new file is refused; the old one stays");
}

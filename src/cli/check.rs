//! `oc2 check`: every mistake in the configuration, before it matters.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, Failure};
use crate::config::{Mistake, Settings, Topics};
use crate::language::Library;
use crate::mqtt::{self, Finding};

/// Longest wait for the broker.
const PATIENCE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  oc2 check
  oc2 check --config bridge.toml --topics topics.toml --json
  oc2 check --broker        also what the broker grants

Exit codes: 0 all in order; 69 the broker refuses something; 78 a file has a mistake.";

/// Arguments of `oc2 check`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CheckArgs {
    /// How the bridge runs
    #[arg(long, value_name = "FILE", default_value = "bridge.toml", env = "OC2_CONFIG")]
    pub config: PathBuf,
    /// What it is on MQTT: consumers, actuators, maps
    #[arg(long, value_name = "FILE", default_value = "topics.toml", env = "OC2_TOPICS")]
    pub topics: PathBuf,
    /// Also connect, and say what the broker grants and refuses
    #[arg(long)]
    pub broker: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// A configuration with mistakes in it.
#[derive(Debug)]
pub struct Mistaken(pub Vec<Mistake>);

impl fmt::Display for Mistaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistaken {}

/// Reads both files and those that they name, and says every mistake in them.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    super::runtime()?.block_on(check(args, &mut std::io::stdout().lock()))
}

async fn check(args: &CheckArgs, out: &mut impl Write) -> Result<Exit, Failure> {
    let settings = Settings::load_with_files(&args.config);
    // What is wrong elsewhere in bridge.toml hides nothing of the schemas.
    let schemas = match &settings {
        Ok(settings) => Some(settings.schemas.clone()),
        Err(_) => Settings::schemas_alone(&args.config),
    };
    let library = schemas.map_or_else(|| Ok(Library::built_in()), |it| it.load());
    // Where the schemas have mistakes nothing is said of what they would have been good for.
    let in_doubt = Library::built_in().in_doubt();
    let known = library.as_ref().ok().filter(|_| settings.is_ok());
    let topics = Topics::load(&args.topics, known.unwrap_or(&in_doubt));
    let mistakes: Vec<&Mistake> =
        [settings.as_ref().err(), library.as_ref().err(), topics.as_ref().err()]
            .into_iter()
            .flatten()
            .flatten()
            .collect();
    for mistake in &mistakes {
        if args.json {
            let line = serde_json::json!({
                "file": mistake.file, "line": mistake.line, "column": mistake.column,
                "text": mistake.text, "nearest": mistake.nearest,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{mistake}")?;
        }
    }
    let (Ok(settings), Ok(library), Ok(topics)) = (settings, library, topics) else {
        return Ok(Exit::Config);
    };
    if !args.json {
        writeln!(
            out,
            "{} and {} are in order (consumers: {}, actuators: {}, profile schemas: {})",
            args.config.display(),
            args.topics.display(),
            topics.house.consumers.len(),
            topics.actuators.len(),
            library.profiles().count(),
        )?;
    }
    if !args.broker {
        return Ok(Exit::Success);
    }
    let findings = mqtt::probe(&settings.mqtt, &topics.command_topics(), PATIENCE).await;
    let mut is_good = true;
    for Finding { what, verdict } in findings {
        let (word, text) = match &verdict {
            Ok(text) => ("ok", text),
            Err(text) => {
                is_good = false;
                ("REFUSED", text)
            }
        };
        if args.json {
            let line = serde_json::json!({"what": what, "ok": verdict.is_ok(), "text": text});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{word:<8} {what}: {text}")?;
        }
    }
    Ok(if is_good { Exit::Success } else { Exit::Unavailable })
}

//! `oc2 query`: the short form of `oc2 send query`.

use clap::ArgGroup;
use serde_json::json;

use super::letter::Given;
use super::request::Words;
use super::send::{self, AddressArgs, ExchangeArgs};
use super::{BrokerArgs, Exit, Failure};
use crate::producer;

/// What can be asked of every consumer (Language v1.1, section 3.4.2.5).
const FEATURES: &[&str] = &["versions", "profiles", "pairs", "rate_limit"];

const EXAMPLES: &str = "\
Examples:
  oc2 query features                          who is there?
  oc2 query profiles pairs                    what can they do?
  oc2 query features versions --device gateway-1
  oc2 query properties battery,signal --device gateway-1
  oc2 query x-probe:level '{}' --profile x-probe

Without --device, --profile or --all it asks everybody. Exit codes as of oc2 send.";

/// Arguments of `oc2 query`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(ArgGroup::new("whom").args(["device", "profile", "all"])))]
pub struct QueryArgs {
    /// What to ask for
    #[arg(help = "versions, profiles, pairs, rate_limit; or `features` and any of them; \
        or another target and its value")]
    #[arg(required = true, num_args = 1..)]
    what: Vec<String>,
    #[command(flatten)]
    address: AddressArgs,
    #[command(flatten)]
    exchange: ExchangeArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

/// Asks, and prints the answers.
pub fn run(args: &QueryArgs) -> Result<Exit, Failure> {
    let words = words(&args.what).map_err(|sentence| Failure::say(Exit::Usage, sentence))?;
    let library = args.exchange.library()?;
    let command = words.command(producer::now_ms(), &library);
    let command = command.map_err(|mistake| Failure::new(Exit::Usage, mistake))?.to_string();
    let given = Given::Command(command);
    send::exchange(&given, &library, &args.address.address(), &args.exchange, &args.broker)
}

fn words(what: &[String]) -> Result<Words, String> {
    let is_feature = |word: &String| FEATURES.contains(&word.as_str());
    let are_features = |words: &String| words.split(',').all(|word| FEATURES.contains(&word));
    let (target, value) = match what {
        [first, features @ ..] if first == "features" && !features.is_empty() => {
            // A feature that we do not know may be one of a later language.
            ("features", Some(features.join(",")))
        }
        features if features.iter().all(are_features) => ("features", Some(features.join(","))),
        [target] => (target.as_str(), None),
        [target, value] if !is_feature(target) => (target.as_str(), Some(value.clone())),
        _ => {
            let mut stray = what.iter().filter(|word| !is_feature(word));
            let stray = stray.next().map_or("", String::as_str);
            let features = FEATURES.join(", ");
            return Err(format!("{} is none of the features {features}", json!(stray)));
        }
    };
    let (action, target) = ("query".to_owned(), target.to_owned());
    Ok(Words { action, target, value, ..Words::default() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, CliCommand};
    use super::*;
    use crate::dispatch::Address;
    use crate::language::Library;

    fn parse(line: &str) -> QueryArgs {
        let words = ["oc2", "query"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            CliCommand::Query(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn short_forms_mean_the_long_ones() {
        let cases = [
            ("features", r#"{"features":[]}"#),
            ("versions", r#"{"features":["versions"]}"#),
            ("features pairs", r#"{"features":["pairs"]}"#),
            ("pairs,versions", r#"{"features":["pairs","versions"]}"#),
            (
                "features pairs,versions rate_limit",
                r#"{"features":["pairs","versions","rate_limit"]}"#,
            ),
            ("profiles pairs profiles", r#"{"features":["profiles","pairs"]}"#),
            ("properties battery", r#"{"properties":["battery"]}"#),
            ("x-probe:level {}", r#"{"x-probe:level":{}}"#),
        ];
        for (line, target) in cases {
            let command =
                words(&parse(line).what).unwrap().command(0, &Library::built_in()).unwrap();
            assert_eq!(command["action"], "query");
            assert_eq!(command["target"].to_string(), target, "{line}");
        }
        let mistake = words(&parse("pairs vresions").what).map(drop).unwrap_err();
        assert!(mistake.starts_with(r#""vresions" is none of the features"#), "{mistake}");
    }

    #[test]
    fn everybody_is_asked_unless_told_otherwise() {
        assert_eq!(parse("pairs").address.address(), Address::All);
        assert_eq!(parse("pairs --all").address.address(), Address::All);
        let device = Address::Device("gateway-1".to_owned());
        assert_eq!(parse("pairs --device gateway-1").address.address(), device);
    }
}

//! `oc2 watch`: follows the traffic, a line a message.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

use super::broker::unavailable;
use super::schemas::SchemasArgs;
use super::traffic::Traffic;
use super::{BrokerArgs, Exit, Failure, Screen, runtime, tell};
use crate::language::Library;
use crate::mqtt::client_id::random_client_id;
use crate::mqtt::link::{LinkEvent, LinkEvents, Subscription};
use crate::mqtt::topics;
use crate::producer::{self, Connection};

/// How long to wait for a clean goodbye.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  oc2 watch
  oc2 watch --full --topic oc2/cmd/# --topic oc2/rsp/#
  oc2 watch --json | jq 'select(.status >= 400)'

Each response says which command it answers and how long that took, as seen from here.
It ends with Ctrl-C.";

/// Arguments of `oc2 watch`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Topic filter to follow; may be repeated [default: all of the prefix]
    #[arg(long, short, value_name = "FILTER", value_parser = topics::filter)]
    topic: Vec<String>,
    /// Show the messages as well
    #[arg(long)]
    full: bool,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// End after N messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    #[command(flatten)]
    schemas: SchemasArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

/// Follows the traffic until Ctrl-C.
pub fn run(args: &WatchArgs) -> Result<Exit, Failure> {
    let library = args.schemas.library()?;
    // A session of its own, which ends with the connection: nothing is kept
    // for a watcher, and nobody shares its identifier.
    let settings = args.broker.settings(random_client_id()?, None);
    runtime()?.block_on(async {
        let (link, events) =
            producer::open(&settings).map_err(|error| Failure::new(Exit::Config, error))?;
        let mut screen = Screen::stdout();
        let exit = tokio::select! {
            exit = follow(link.clone(), events, args, library, &mut screen) => exit,
            _ = tokio::signal::ctrl_c() => Ok(Exit::Success),
        };
        link.close(CLOSE_GRACE).await;
        exit
    })
}

async fn follow<C: Connection, W: Write>(
    link: C,
    mut events: LinkEvents,
    args: &WatchArgs,
    library: Library,
    screen: &mut Screen<W>,
) -> Result<Exit, Failure> {
    let subscriptions = args.subscriptions();
    let filters: Vec<_> = subscriptions.iter().map(|it| it.filter.clone()).collect();
    let mut traffic = Traffic::read_by(library);
    let mut seen = 0;
    let mut is_granted = false;
    let mut was_down = false;
    let granted = link.subscribe(subscriptions);
    tokio::pin!(granted);
    let unreachable = tokio::time::sleep(args.broker.connect_wait);
    tokio::pin!(unreachable);
    let mut trouble = String::from("no answer");
    while args.count.is_none_or(|count| seen < count) {
        tokio::select! {
            granted = &mut granted, if !is_granted => {
                granted.map_err(|error| Failure::new(Exit::Unavailable, error))?;
                is_granted = true;
                tell(format_args!("following {}", filters.join(", ")));
            }
            () = &mut unreachable, if !is_granted => {
                return Err(unavailable(&args.broker.broker, &trouble));
            }
            event = events.recv() => match event {
                None => return Err(Failure::say(Exit::Unavailable, "the connection was closed")),
                Some(LinkEvent::Up { .. }) if was_down => tell("connected again"),
                Some(LinkEvent::Up { .. }) => {}
                Some(LinkEvent::Down { reason, is_refusal }) => {
                    if is_refusal && !is_granted {
                        return Err(unavailable(&args.broker.broker, &reason));
                    }
                    was_down = true;
                    tell(format_args!("no connection: {reason}; trying again"));
                    trouble = reason;
                }
                Some(LinkEvent::Message(delivery)) => {
                    let at = Instant::now();
                    let passing = traffic.pass(&delivery, &args.broker.prefix, at, producer::now_ms());
                    if args.json {
                        screen.json(&passing.as_json(args.full))?;
                    } else {
                        screen.line(&passing.line(screen))?;
                        if args.full {
                            for line in passing.full() {
                                screen.line(&line)?;
                            }
                        }
                    }
                    if delivery.qos > 0 {
                        link.acknowledge(delivery.receipt);
                    }
                    seen += 1;
                }
            },
        }
    }
    Ok(Exit::Success)
}

impl WatchArgs {
    fn subscriptions(&self) -> Vec<Subscription> {
        let all = [topics::everything(&self.broker.prefix)];
        let filters = if self.topic.is_empty() { &all[..] } else { &self.topic };
        filters
            .iter()
            .map(|filter| Subscription {
                filter: filter.clone(),
                qos: 1,
                no_local: false,
                retain_as_published: true,
                retain_handling: 0,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, CliCommand};
    use super::*;

    fn parse(line: &str) -> WatchArgs {
        let words = ["oc2", "watch"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            CliCommand::Watch(args) => *args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_whole_prefix_is_followed_unless_told_otherwise() {
        let cases: [(&str, &[&str]); 3] = [
            ("", &["oc2/#"]),
            ("--prefix site/oc2", &["site/oc2/#"]),
            ("--topic oc2/rsp/# --topic stat/#", &["oc2/rsp/#", "stat/#"]),
        ];
        for (line, filters) in cases {
            let subscriptions = parse(line).subscriptions();
            let found: Vec<_> = subscriptions.iter().map(|s| s.filter.as_str()).collect();
            assert_eq!(found, filters);
        }
    }
}

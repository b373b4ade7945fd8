//! Waiting for responses, printing them, and what they come to.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::output::{self, Screen, Style, escape_line, status_style};
use super::{Exit, Failure, tell, units};
use crate::dispatch::Address;
use crate::mqtt::link::Taken;
use crate::openc2::ResponseType;
use crate::producer::{Arrival, Connection, Outgoing, Producer, ProducerError};

/// Consumers that are remembered as still at work. Past that, a consumer that
/// never finishes is not missed.
const UNFINISHED_CONSUMERS: usize = 4096;

/// How long the broker may take to confirm the command.
const PUBACK_WAIT: Duration = Duration::from_secs(10);

/// Width of the column that says who answered, in characters.
const FROM_CHARS: usize = 16;

/// What to wait for, and how to show it.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long at most.
    pub wait: Duration,
    /// Stop after this many final responses.
    pub expect: Option<usize>,
    /// Which responses the command asks for.
    pub asks_for: ResponseType,
    /// One JSON object a line.
    pub as_json: bool,
}

impl Patience {
    /// Who reads JSON counts himself, and who asked for silence and did not listen has nothing to be told.
    fn is_worth_a_summary(self) -> bool {
        let is_deaf = self.wait.is_zero() && self.asks_for == ResponseType::None;
        !self.as_json && !is_deaf
    }
}

/// Sends a command, prints the responses as they come, and says what they come to.
pub async fn converse<C: Connection, W: Write>(
    producer: &Producer<C>,
    outgoing: &Outgoing,
    to: &Address,
    patience: Patience,
    screen: &mut Screen<W>,
) -> Result<Exit, Failure> {
    let sent = Instant::now();
    let mut responses = tokio::time::timeout(PUBACK_WAIT, producer.send(outgoing, to))
        .await
        .map_err(|_| {
            let sentence = "the broker did not confirm the command; it may be on its way";
            Failure::say(Exit::Unavailable, sentence)
        })?
        .map_err(not_sent)?;
    let deadline = sent + patience.wait;
    if responses.taken() == Some(Taken::NoMatchingSubscribers) {
        tell("nobody has subscribed to that topic: no consumer will get the command");
        return Ok(Exit::NoResponse);
    }
    let mut tally = Tally::new(patience);
    while !tally.is_complete() {
        let Some(arrival) = responses.next(deadline).await else { break };
        tally.add(&arrival);
        show(outgoing.request_id(), &arrival, patience, screen)?;
    }
    if patience.is_worth_a_summary() {
        tell(tally.summary(sent.elapsed()));
    }
    Ok(tally.exit())
}

/// Prints responses that have come together, and says what they come to.
pub fn print<W: Write>(
    request_id: Option<&str>,
    arrivals: &[Arrival],
    (elapsed, patience): (Duration, Patience),
    screen: &mut Screen<W>,
) -> Result<Exit, Failure> {
    let mut tally = Tally::new(patience);
    for arrival in arrivals {
        tally.add(arrival);
        show(request_id, arrival, patience, screen)?;
    }
    if patience.is_worth_a_summary() {
        tell(tally.summary(elapsed));
    }
    Ok(tally.exit())
}

fn show<W: Write>(
    request_id: Option<&str>,
    arrival: &Arrival,
    patience: Patience,
    screen: &mut Screen<W>,
) -> Result<(), Failure> {
    if patience.as_json {
        screen.json(&as_json(request_id, arrival))?;
        return Ok(());
    }
    for line in lines(arrival, screen) {
        screen.line(&line)?;
    }
    Ok(())
}

fn not_sent(error: ProducerError) -> Failure {
    let exit = match error {
        ProducerError::Link(_) => Exit::Unavailable,
        ProducerError::BadLevel(_) => Exit::Usage,
        ProducerError::StillOpen { .. } | ProducerError::TooMany { .. } => Exit::Internal,
    };
    Failure::new(exit, anyhow::Error::new(error).context("not sent"))
}

/// Counts responses, and what they come to.
#[derive(Debug)]
struct Tally {
    patience: Patience,
    /// Final responses that were 2xx.
    good: usize,
    /// Final responses that were not.
    bad: usize,
    /// What could not be read.
    malformed: usize,
    /// Consumers that said 102 and nothing final yet.
    unfinished: BTreeSet<Option<String>>,
}

impl Tally {
    fn new(patience: Patience) -> Self {
        Self { patience, good: 0, bad: 0, malformed: 0, unfinished: BTreeSet::new() }
    }

    fn add(&mut self, arrival: &Arrival) {
        let Arrival::Answer(answer) = arrival else {
            self.malformed += 1;
            return;
        };
        // Who asked for an acknowledgement gets a 102 and nothing more
        // (Language v1.1, section 3.3.1.4).
        if answer.is_final() || self.patience.asks_for == ResponseType::Ack {
            self.unfinished.remove(&answer.from);
            match answer.response.status.code() {
                102 | 200..300 => self.good += 1,
                _ => self.bad += 1,
            }
        } else if self.unfinished.len() < UNFINISHED_CONSUMERS {
            self.unfinished.insert(answer.from.clone());
        }
    }

    fn heard(&self) -> usize {
        self.good + self.bad + self.malformed
    }

    fn is_complete(&self) -> bool {
        self.patience.expect.is_some_and(|expected| self.heard() >= expected)
    }

    fn exit(&self) -> Exit {
        let wanted = match self.patience.asks_for {
            // Silence is what was asked for.
            ResponseType::None => self.patience.expect.unwrap_or(0),
            _ => self.patience.expect.unwrap_or(1),
        };
        if self.bad + self.malformed > 0 {
            Exit::NotOk
        } else if self.heard() < wanted || (!self.is_complete() && !self.unfinished.is_empty()) {
            Exit::NoResponse
        } else {
            Exit::Success
        }
    }

    fn summary(&self, elapsed: Duration) -> String {
        let heard = match self.patience.expect {
            Some(expected) if self.heard() < expected => {
                format!("{} of {expected} responses", self.heard())
            }
            _ if self.heard() == 1 => "1 response".to_owned(),
            _ => format!("{} responses", self.heard()),
        };
        let mut parts = vec![format!("{heard} in {}", units::elapsed(elapsed))];
        let counts = [
            (self.bad, "not 2xx"),
            (self.malformed, "could not be read"),
            (self.unfinished.len(), "still at work"),
        ];
        let worth_saying = counts.into_iter().filter(|(count, _)| *count > 0);
        parts.extend(worth_saying.map(|(count, what)| format!("{count} {what}")));
        parts.join(", ")
    }
}

/// A response as people read it.
pub fn lines<W: Write>(arrival: &Arrival, screen: &Screen<W>) -> Vec<String> {
    match arrival {
        Arrival::Answer(answer) => {
            let code = answer.response.status.code();
            let style = status_style(u64::from(code));
            let text = answer.response.status_text.as_deref().unwrap_or_default();
            let mut lines = vec![format!(
                "{}  {}  {:>9}  {}",
                who(answer.from.as_deref(), screen),
                screen.paint(style, &code.to_string()),
                units::elapsed(answer.elapsed),
                escape_line(text),
            )];
            if let Some(results) = &answer.results {
                lines.extend(output::results(results));
            }
            lines
        }
        Arrival::Malformed { from, fault, elapsed } => vec![format!(
            "{}  {}  {:>9}  not a proper response: {}",
            who(from.as_deref(), screen),
            screen.paint(Style::Bad, "???"),
            units::elapsed(*elapsed),
            escape_line(&fault.to_string()),
        )],
    }
}

fn who<W: Write>(from: Option<&str>, screen: &Screen<W>) -> String {
    let from = format!("{:<FROM_CHARS$}", escape_line(from.unwrap_or("(no from)")));
    screen.paint(Style::Strong, &from)
}

fn as_json(request_id: Option<&str>, arrival: &Arrival) -> Value {
    match arrival {
        Arrival::Answer(answer) => {
            let mut line = json!({
                "request_id": request_id,
                "from": answer.from,
                "status": answer.response.status.code(),
            });
            if let Some(text) = &answer.response.status_text {
                line["status_text"] = json!(text);
            }
            if let Some(results) = &answer.results {
                line["results"] = results.clone();
            }
            line["elapsed_ms"] = json!(units::exact_ms(answer.elapsed));
            line
        }
        Arrival::Malformed { from, fault, elapsed } => json!({
            "request_id": request_id,
            "from": from,
            "fault": { "pointer": fault.pointer, "reason": fault.reason },
            "elapsed_ms": units::exact_ms(*elapsed),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openc2::{Response, Status};
    use crate::producer::Answer;
    use crate::wire::Fault;

    fn patience(asks_for: ResponseType, expect: Option<usize>) -> Patience {
        Patience { wait: Duration::from_secs(5), expect, asks_for, as_json: false }
    }

    fn answer(from: &str, status: Status) -> Arrival {
        Arrival::Answer(Box::new(Answer {
            from: Some(from.to_owned()),
            response: Response::with_text(status, "as told"),
            results: None,
            elapsed: Duration::from_micros(3_250),
        }))
    }

    fn malformed() -> Arrival {
        let pointer = "/body/openc2/response/status".to_owned();
        let fault = Fault { pointer, ..Fault::quoting("no status", "no status".to_owned()) };
        Arrival::Malformed { from: None, fault, elapsed: Duration::from_millis(7) }
    }

    #[test]
    fn exit_codes_say_what_the_responses_come_to() {
        use ResponseType::{Ack, Complete, None as Silence};
        use Status::{InternalError, NotFound, Ok, Processing};
        let all = |statuses: &[Status]| {
            let named = statuses.iter().enumerate();
            named.map(|(n, &status)| answer(&format!("d{n}"), status)).collect::<Vec<_>>()
        };
        let one_finishes = vec![answer("d", Processing), answer("d", Ok)];
        #[rustfmt::skip]
        let cases = [
            // what came                       asks for  expect   complete  exit
            (all(&[Ok]),                       Complete, Some(1), true,  Exit::Success),
            (all(&[NotFound]),                 Complete, Some(1), true,  Exit::NotOk),
            (all(&[]),                         Complete, Some(1), false, Exit::NoResponse),
            (vec![malformed()],                Complete, Some(1), true,  Exit::NotOk),
            (all(&[Ok, Ok]),                   Complete, None,    false, Exit::Success),
            (all(&[Ok, InternalError, Ok]),    Complete, None,    false, Exit::NotOk),
            (all(&[]),                         Complete, None,    false, Exit::NoResponse),
            (all(&[Ok, Ok]),                   Complete, Some(3), false, Exit::NoResponse),
            (all(&[Ok, NotFound]),             Complete, Some(3), false, Exit::NotOk),
            (one_finishes,                     Complete, Some(1), true,  Exit::Success),
            (all(&[Processing]),               Complete, Some(1), false, Exit::NoResponse),
            (all(&[Ok, Processing]),           Complete, None,    false, Exit::NoResponse),
            (all(&[Processing]),               Ack,      Some(1), true,  Exit::Success),
            (all(&[NotFound]),                 Ack,      Some(1), true,  Exit::NotOk),
            (all(&[]),                         Silence,  None,    false, Exit::Success),
            (all(&[InternalError]),            Silence,  None,    false, Exit::NotOk),
        ];
        for (arrivals, asks_for, expect, is_complete, exit) in cases {
            let mut tally = Tally::new(patience(asks_for, expect));
            for arrival in &arrivals {
                tally.add(arrival);
            }
            let case = format!("{arrivals:?} {asks_for:?} {expect:?}");
            assert_eq!((tally.is_complete(), tally.exit()), (is_complete, exit), "{case}");
        }
    }

    #[test]
    fn a_summary_counts_what_matters() {
        let mut tally = Tally::new(patience(ResponseType::Complete, Some(4)));
        for arrival in [answer("a", Status::Ok), answer("b", Status::Processing), malformed()] {
            tally.add(&arrival);
        }
        let summary = tally.summary(Duration::from_secs(5));
        assert_eq!(summary, "2 of 4 responses in 5.0 s, 1 could not be read, 1 still at work");
    }

    #[test]
    fn responses_are_lines() {
        let screen = Screen::plain(Vec::new());
        let mut found = answer("gateway-1\u{1b}[2J", Status::Ok);
        if let Arrival::Answer(answer) = &mut found {
            answer.response.status_text = Some("done\nand dusted".to_owned());
            answer.results = Some(json!({ "versions": ["1.1"] }));
        }
        let shown = lines(&found, &screen);
        assert_eq!(
            shown,
            [r"gateway-1\u{1b}[2J  200     3.2 ms  done\nand dusted", "    versions    1.1"]
        );
        assert_eq!(
            as_json(Some("r-1"), &found),
            json!({
                "request_id": "r-1", "from": "gateway-1\u{1b}[2J", "status": 200,
                "status_text": "done\nand dusted", "results": { "versions": ["1.1"] },
                "elapsed_ms": 3.25,
            })
        );

        let shown = lines(&malformed(), &screen);
        assert_eq!(
            shown,
            [
                r#"(no from)         ???     7.0 ms  not a proper response: no status at "/body/openc2/response/status""#
            ]
        );
    }
}

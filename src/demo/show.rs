//! What the demo prints: for people, or a JSON object a line for machines.

mod gateway;

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::gateway::quoted;
use super::house::{CONSUMERS, DeviceName, Devices, TO_PASTE};
use super::run::Style;
use super::tour::{Answer, Outcome, Step, To};

/// Columns of results and of texts before they are cut, for people only.
const WIDE: usize = 96;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Where and how to print.
pub(super) struct Show<'a, W> {
    out: &'a mut W,
    style: Style,
}

impl<'a, W: Write> Show<'a, W> {
    pub(super) fn new(out: &'a mut W, style: Style) -> Self {
        Self { out, style }
    }

    /// The two files that the bridge of the demo runs with, and those of its gateway.
    pub(super) fn files(
        &mut self,
        house: &[String; 2],
        gateway: Option<&[String; 2]>,
    ) -> io::Result<()> {
        if self.style == Style::Json {
            let named = |[bridge, topics]: &[String; 2]| json!({ "bridge.toml": bridge, "topics.toml": topics });
            let mut files = named(house);
            if let Some(gateway) = gateway {
                files["gateway"] = named(gateway);
            }
            return self.line(&files);
        }
        let [bridge, topics] = house;
        writeln!(self.out, "# bridge.toml\n{bridge}\n\n# topics.toml\n{topics}")?;
        let Some([bridge, topics]) = gateway else { return Ok(()) };
        writeln!(
            self.out,
            "\n# bridge.toml of the gateway\n{bridge}\n\n# topics.toml of the gateway\n{topics}"
        )
    }

    /// What is there now.
    pub(super) fn house(
        &mut self,
        broker_url: &str,
        devices: &Devices,
        took: Duration,
    ) -> io::Result<()> {
        if self.style == Style::Json {
            let consumers = CONSUMERS.iter().map(|consumer| {
                json!({
                    "id": consumer.id,
                    "profiles": consumer.profiles(),
                    "actuators": consumer.actuators,
                })
            });
            let consumers: Vec<_> = consumers.collect();
            return self.line(&json!({
                "broker": broker_url,
                "consumers": consumers,
                "started_ms": milliseconds(took),
            }));
        }
        let took = milliseconds(took);
        writeln!(self.out, "\n  broker     {}", self.paint(BOLD, broker_url))?;
        writeln!(self.out, "             MQTT 5 and 3.1.1, this machine only, nothing on disk")?;
        for (number, consumer) in CONSUMERS.iter().enumerate() {
            writeln!(
                self.out,
                "  {:<9}  {} {:<13}  {}",
                if number == 0 { "consumers" } else { "" },
                self.paint(BOLD, &format!("{:<12}", consumer.id)),
                consumer.profiles().join(", "),
                consumer.actuators.join(", "),
            )?;
        }
        for (number, name) in DeviceName::ALL.into_iter().enumerate() {
            writeln!(
                self.out,
                "  {:<9}  {} {}, now {}",
                if number == 0 { "devices" } else { "" },
                self.paint(BOLD, &format!("{:<12}", name.as_str())),
                name.description(),
                devices.get(name).snapshot().state,
            )?;
        }
        let started = format!("started in {took:.0} ms");
        writeln!(self.out, "  {}\n", self.paint(DIM, &started))
    }

    /// What a person can do now.
    pub(super) fn ways_on(&mut self, program: &str, broker_url: &str) -> io::Result<()> {
        if self.style == Style::Json {
            let commands: Vec<_> =
                TO_PASTE.iter().map(|command| pasted(program, command, broker_url)).collect();
            return self.line(&json!({ "commands": commands }));
        }
        writeln!(self.out, "Try in another terminal:\n")?;
        for command in TO_PASTE {
            writeln!(self.out, "  {}", self.paint(BOLD, &pasted(program, command, broker_url)))?;
        }
        writeln!(self.out, "\nCtrl-C ends it, and leaves nothing behind.")?;
        self.out.flush()
    }

    /// A step of the tour, with all that came of it.
    pub(super) fn step(&mut self, number: usize, step: &Step, outcome: &Outcome) -> io::Result<()> {
        if self.style == Style::Json {
            let answers: Vec<_> = outcome.answers.iter().map(Answer::to_json).collect();
            let device = outcome.device.as_ref().map(|(name, snapshot)| {
                json!({ "name": name.as_str(), "state": snapshot.state, "acts": snapshot.acts })
            });
            return self.line(&json!({
                "step": number,
                "title": step.title,
                "order": outcome.order.to_json(),
                "answers": answers,
                "device": device,
                "wrong": outcome.wrong,
            }));
        }
        let to = match step.to {
            To::Device(id) => id.to_owned(),
            To::Profile(nsid) => format!("every {nsid}"),
            To::All => "everybody".to_owned(),
        };
        writeln!(self.out, "{number:>2}  {}", self.paint(BOLD, step.title))?;
        writeln!(self.out, "    to {to}: {}", in_short(&outcome.order.command))?;
        if outcome.answers.is_empty() {
            writeln!(self.out, "    {}", self.paint(DIM, "no answer"))?;
        }
        for answer in &outcome.answers {
            self.answer(answer)?;
        }
        if let Some((name, snapshot)) = &outcome.device {
            let now = format!("the {} is {}", name.as_str(), snapshot.state);
            writeln!(self.out, "    {}", self.paint(DIM, &now))?;
        }
        for wrong in &outcome.wrong {
            writeln!(self.out, "    {} {wrong}", self.paint(RED, "WRONG:"))?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }

    fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        let colour = status_colour(answer.status);
        let said: Vec<_> = [
            answer.text.as_deref().map(|text| cut(&text.escape_debug().to_string())),
            answer.results.as_ref().map(in_short),
        ]
        .into_iter()
        .flatten()
        .collect();
        let status = self.paint(colour, &answer.status.to_string());
        let line = format!(
            "    {status}  {:<12} {:>7.1} ms  {}",
            answer.from.escape_debug().to_string(),
            milliseconds(answer.elapsed),
            said.join("  "),
        );
        writeln!(self.out, "{}", line.trim_end())
    }

    /// How the tour went; `what` its steps are.
    pub(super) fn summary(
        &mut self,
        what: &str,
        (steps, wrong): (usize, usize),
        took: Duration,
    ) -> io::Result<()> {
        if self.style == Style::Json {
            let took = milliseconds(took);
            return self.line(&json!({ "steps": steps, "wrong": wrong, "elapsed_ms": took }));
        }
        let seconds = took.as_secs_f64();
        let verdict = if wrong == 0 {
            self.paint(GREEN, &format!("All {steps} {what} ended as they should"))
        } else {
            self.paint(RED, &format!("{wrong} of {steps} {what} did not end as they should"))
        };
        writeln!(self.out, "{verdict}, in {seconds:.1} s.")?;
        self.out.flush()
    }

    fn line(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{value}")?;
        self.out.flush()
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.style {
            Style::Colours => format!("{colour}{text}{PLAIN}"),
            Style::Plain | Style::Json => text.to_owned(),
        }
    }
}

fn pasted(program: &str, command: &str, broker_url: &str) -> String {
    format!("{} {command} --broker {broker_url}", quoted(program))
}

fn status_colour(status: u16) -> &'static str {
    match status {
        100..300 => GREEN,
        400..500 => YELLOW,
        _ => RED,
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn in_short(value: &Value) -> String {
    cut(&value.to_string())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDE) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} ...", &text[..end]),
    }
}

//! What the demo prints of its gateway.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::{BOLD, DIM, GREEN, RED, Show, cut, in_short, milliseconds, status_colour};
use crate::demo::gateway::tour::{Outcome, Reply, Step};
use crate::demo::gateway::{Door, PRODUCER, THREE, WELL_KNOWN, to_paste};
use crate::demo::run::Style;

impl<W: Write> Show<'_, W> {
    /// Where the door is, and what one needs to come in.
    pub(in crate::demo) fn door(&mut self, door: &Door) -> io::Result<()> {
        let papers = &door.papers;
        let (certificate, key) = papers.client();
        let url = door.url();
        if self.style == Style::Json {
            return self.line(&json!({
                "gateway": url,
                "producer": PRODUCER,
                "ca-file": papers.authority().to_string_lossy(),
                "cert-file": certificate.to_string_lossy(),
                "key-file": key.to_string_lossy(),
            }));
        }
        writeln!(self.out, "  gateway    {}{WELL_KNOWN}", self.paint(BOLD, &url))?;
        writeln!(self.out, "             {PRODUCER} may post, by its certificate:")?;
        for file in [papers.authority(), certificate, key] {
            writeln!(self.out, "             {}", file.display())?;
        }
        let to = THREE.join(", ");
        writeln!(self.out, "             reaches {to} by MQTT; all are to answer\n")
    }

    /// What a person can do now with the gateway.
    pub(in crate::demo) fn ways_in(&mut self, program: &str, door: &Door) -> io::Result<()> {
        let commands = to_paste(program, door);
        if self.style == Style::Json {
            let commands = commands.map(|(_, command)| command);
            return self.line(&json!({ "commands": commands }));
        }
        writeln!(self.out, "Try in another terminal:")?;
        for (title, command) in commands {
            writeln!(self.out, "\n{}\n", self.paint(BOLD, title))?;
            // As one piece, which can be pasted with what is before each line.
            writeln!(self.out, "  {}", command.replace('\n', "\n  "))?;
        }
        writeln!(self.out, "\nCtrl-C ends it, and leaves nothing behind, no key either.")?;
        self.out.flush()
    }

    /// A step of the gateway's tour, with all that came of it.
    pub(in crate::demo) fn call(
        &mut self,
        number: usize,
        step: &Step,
        outcome: &Outcome,
    ) -> io::Result<()> {
        if self.style == Style::Json {
            return self.line(&call_as_json(number, step, outcome));
        }
        let Outcome { request, reply, elapsed, devices, wrong } = outcome;
        writeln!(self.out, "{number:>2}  {}", self.paint(BOLD, step.title))?;
        writeln!(
            self.out,
            "    {} {}{}",
            request.method(),
            request.path,
            preferring(request.prefer)
        )?;
        if let Some(message) = &request.message {
            let headers = &message["headers"];
            let from = headers["from"].as_str().map(|from| format!("from {from} "));
            let to: Vec<_> = headers["to"].as_array().into_iter().flatten().collect();
            let to: Vec<_> = to.iter().filter_map(|id| id.as_str()).collect();
            let command = in_short(&message["body"]["openc2"]["request"]);
            writeln!(self.out, "    {}to {}: {command}", from.unwrap_or_default(), to.join(", "))?;
        }
        match reply {
            Ok(reply) => self.reply(reply, *elapsed)?,
            Err(why) => {
                let why = cut(&why.escape_debug().to_string());
                writeln!(self.out, "    {}", self.paint(DIM, &format!("refused: {why}")))?;
            }
        }
        for (name, snapshot) in devices {
            let now = format!("the {} is {}", name.as_str(), snapshot.state);
            writeln!(self.out, "    {}", self.paint(DIM, &now))?;
        }
        for wrong in wrong {
            writeln!(self.out, "    {} {wrong}", self.paint(RED, "WRONG:"))?;
        }
        writeln!(self.out)?;
        self.out.flush()
    }

    fn reply(&mut self, reply: &Reply, elapsed: Duration) -> io::Result<()> {
        let status = self.paint(status_colour(reply.status), &reply.status.to_string());
        let took = milliseconds(elapsed);
        let said = in_words(reply);
        let line = format!("    HTTP {status}  {took:>7.1} ms  {said}");
        writeln!(self.out, "{}", line.trim_end())?;
        for response in reply.responses() {
            self.one_of_several(&response)?;
        }
        for (name, data) in reply.events() {
            let name = self.paint(GREEN, &format!("{:<9}", name.escape_debug().to_string()));
            let facts = ["from", "status", "status_text"].map(|it| shown(&data[it]));
            let facts: Vec<_> = facts.into_iter().filter(|it| !it.is_empty()).collect();
            writeln!(self.out, "    {}", format!("{name} {}", facts.join("  ")).trim_end())?;
        }
        Ok(())
    }

    /// One of the responses that another sums up.
    fn one_of_several(&mut self, response: &Value) -> io::Result<()> {
        let status = response["status"].as_u64().and_then(|it| u16::try_from(it).ok());
        let status = status.unwrap_or_default();
        let status = self.paint(status_colour(status), &status.to_string());
        let results = Some(&response["results"]).filter(|it| !it.is_null()).map(in_short);
        let said: Vec<_> = [shown(&response["status_text"]), results.unwrap_or_default()]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        let from = shown(&response["from"]);
        writeln!(self.out, "    {status}  {from:<12}  {}", said.join("  "))
    }
}

/// What the body comes to, in a line.
fn in_words(reply: &Reply) -> String {
    if let Some(location) = &reply.location {
        return format!("Location: {}", cut(&location.escape_debug().to_string()));
    }
    let body = reply.value();
    if let Some(consumers) = body["consumers"].as_array() {
        let ids: Vec<_> = consumers.iter().map(|consumer| shown(&consumer["id"])).collect();
        return cut(&ids.join(", "));
    }
    if body["state"].is_string() {
        let ended = ["state", "status", "status_text"].map(|it| shown(&body[it]));
        return ended.join("  ");
    }
    let response = &body["body"]["openc2"]["response"];
    if response.is_object() { shown(&response["status_text"]) } else { String::new() }
}

/// A value for people: nothing that was written by others moves the cursor.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cut(&text.escape_debug().to_string()),
        other => in_short(other),
    }
}

fn preferring(prefer: &str) -> String {
    if prefer.is_empty() { String::new() } else { format!("  Prefer: {prefer}") }
}

fn call_as_json(number: usize, step: &Step, outcome: &Outcome) -> Value {
    let Outcome { request, reply, elapsed, devices, wrong } = outcome;
    let devices: Vec<_> = devices
        .iter()
        .map(|(name, snapshot)| {
            json!({ "name": name.as_str(), "state": snapshot.state, "acts": snapshot.acts })
        })
        .collect();
    let reply = match reply {
        Ok(reply) => {
            json!({ "http": reply.status, "location": reply.location, "body": reply.value() })
        }
        Err(why) => json!({ "refused": why }),
    };
    json!({
        "step": number,
        "title": step.title,
        "request": request.to_json(),
        "reply": reply,
        "elapsed_ms": milliseconds(*elapsed),
        "devices": devices,
        "wrong": wrong,
    })
}

//! From a map as written to a map that runs, and every mistake on the way.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use serde_json::Value;

use super::config::{
    CommandConfig, Confirm, MapConfig, OnlineConfig, ProbeConfig, PublishConfig, Qos, ReplyConfig,
    StopConfig, Wait,
};
use super::engine::{self, Direction, Expression, TemplateError, Text};
use super::map::{
    Body, CompiledMap, Entry, MapError, Member, Message, Online, Probe, Reply, Stop, VarUse,
};
use super::names;
use super::scan::{self, Code, Piece};
use super::shape::Shape;
use super::topic::{Topic, Use};
use crate::openc2::{Action, TargetName};

/// How long to wait for a device where neither map nor device says.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// What templates see of a command.
const COMMAND_NAMES: [&str; 12] = [
    "action",
    "target",
    "target_type",
    "args",
    "actuator",
    "request_id",
    "from",
    "consumer",
    "device",
    "v",
    "seq",
    "reply_src",
];
/// What templates see of a reply, besides the command it may answer.
const REPLY_NAMES: [&str; 5] = ["topic", "levels", "payload", "json", "user"];
/// What is different for every command, so that a reply with it answers this one.
const ID_NAMES: [&str; 2] = ["seq", "request_id"];

/// Compiles everything, or says everything that is wrong.
pub(super) fn compile(name: &str, map: &MapConfig) -> Result<CompiledMap, Vec<MapError>> {
    let mut compiler = Compiler {
        map: name,
        entry: None,
        errors: Vec::new(),
        var_uses: Vec::new(),
        vars: BTreeSet::new(),
    };
    if !names::is_namespace(&map.profile) {
        compiler.mistake("profile", "a namespace identifier has 1 to 16 characters");
    }
    if map.commands.is_empty() {
        compiler.mistake("command", "a map needs at least one [[command]] table");
    }
    let online = map.online.as_ref().and_then(|online| compiler.online(online));
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    for (index, command) in map.commands.iter().enumerate() {
        compiler.entry = Some(index + 1);
        let entry = compiler.entry(command);
        for pair in entry
            .iter()
            .flat_map(|entry| entry.actions.iter().map(|action| (*action, entry.target.clone())))
        {
            if !seen.insert(pair) {
                compiler.mistake("on", "an earlier command of this map has the same pair");
            }
        }
        entries.extend(entry);
    }
    if compiler.errors.is_empty() {
        let Compiler { var_uses, mut vars, .. } = compiler;
        vars.extend(map.vars.keys().cloned());
        Ok(CompiledMap { profile: map.profile.clone(), online, entries, var_uses, vars })
    } else {
        Err(compiler.errors)
    }
}

/// Compiles one map, and goes on after a mistake.
struct Compiler<'a> {
    map: &'a str,
    entry: Option<usize>,
    errors: Vec<MapError>,
    var_uses: Vec<VarUse>,
    vars: BTreeSet<String>,
}

impl Compiler<'_> {
    fn online(&mut self, online: &OnlineConfig) -> Option<Online> {
        let topic = self.topic("online.topic", &online.topic, Use::Publish);
        if topic.as_ref().is_some_and(|topic| !topic.is_one_topic()) {
            self.mistake("online.topic", "only v and device are known here");
        }
        let known = [["v", "device"].as_slice(), &REPLY_NAMES].concat();
        let when = self.expression("online.when", &online.when, Direction::In, &known);
        Some(Online { topic: topic?, when: when? })
    }

    fn entry(&mut self, command: &CommandConfig) -> Option<Entry> {
        let before = self.errors.len();
        let actions = self.actions(&command.on.action.0);
        let target = names::target(&command.on.target);
        if target.is_none() {
            let reason =
                format!("{:?} is no target: write device or x-iot:switch", command.on.target);
            self.mistake("on.target", reason);
        }
        if target == Some(TargetName::Features) {
            self.mistake("on.target", "features are answered by the bridge, from the map itself");
        }
        let takes = command
            .takes
            .as_ref()
            .map(|takes| takes.iter().filter_map(|(name, when)| self.member(name, when)).collect());
        let message = command.publish.as_ref().and_then(|publish| self.publish(publish));
        let reply = command.reply.as_ref().and_then(|reply| self.reply(reply));
        let probe = command.probe.as_ref().and_then(|probe| self.probe(probe));
        let stop = command.stop.as_ref().and_then(|stop| self.stop("stop", stop));
        let cancel = command.cancel.as_ref().and_then(|cancel| self.stop("cancel", cancel));
        let result = command
            .result
            .iter()
            .filter_map(|(nsid, table)| Some((nsid.clone(), self.result(nsid, table)?)))
            .collect();
        let confirm = self.confirm(command, reply.as_ref());
        self.parts_fit(command, reply.as_ref(), confirm);

        let is_good = self.errors.len() == before;
        is_good.then_some(())?;
        let target = target?;
        Some(Entry { actions, target, takes, message, reply, probe, stop, cancel, result, confirm })
    }

    fn actions(&mut self, names: &[String]) -> Vec<Action> {
        if names.is_empty() {
            self.mistake("on.action", "needs at least one action");
        }
        let mut actions = Vec::new();
        for name in names {
            match name.parse() {
                Ok(action) => actions.push(action),
                Err(unknown) => self.mistake("on.action", format!("{unknown}")),
            }
        }
        actions
    }

    fn member(&mut self, name: &str, when: &str) -> Option<Member> {
        let key = format!("takes.{name}");
        let is_optional = name.ends_with('?');
        let known = [COMMAND_NAMES.as_slice(), &["value"]].concat();
        let when = self.expression(&key, when, Direction::Out, &known)?;
        Some(Member { name: name.trim_end_matches('?').to_owned(), is_optional, when })
    }

    fn publish(&mut self, publish: &PublishConfig) -> Option<Message> {
        let PublishConfig { topic, payload, json, qos } = publish;
        self.message("publish", topic, payload.as_deref(), json.as_ref(), *qos)
    }

    fn probe(&mut self, probe: &ProbeConfig) -> Option<Probe> {
        let ProbeConfig { after, topic, payload, json, qos } = probe;
        let message = self.message("probe", topic, payload.as_deref(), json.as_ref(), *qos)?;
        Some(Probe { after: after.map(Wait::duration), message })
    }

    fn stop(&mut self, key: &str, stop: &StopConfig) -> Option<Stop> {
        if stop.action.is_none() && stop.target.is_none() {
            self.mistake(key, "needs another action, or another target");
        }
        if let Some(Err(unknown)) = stop.action.as_deref().map(str::parse::<Action>)
            && !unknown.0.contains("{{")
        {
            self.mistake(&format!("{key}.action"), unknown.to_string());
        }
        let action = match &stop.action {
            Some(action) => {
                Some(self.text(&format!("{key}.action"), action, Direction::Out, &COMMAND_NAMES)?)
            }
            None => None,
        };
        let target = match &stop.target {
            Some(target) => Some(self.shape(
                &format!("{key}.target"),
                target,
                Direction::Out,
                &COMMAND_NAMES,
            )?),
            None => None,
        };
        Some(Stop { action, target })
    }

    fn message(
        &mut self,
        key: &str,
        topic: &str,
        payload: Option<&str>,
        json: Option<&Value>,
        qos: Qos,
    ) -> Option<Message> {
        let topic = self.topic(&format!("{key}.topic"), topic, Use::Publish);
        let body = match (payload, json) {
            (Some(_), Some(_)) => {
                self.mistake(key, "has payload and json: one of them is enough");
                None
            }
            (None, Some(json)) => {
                let key = format!("{key}.json");
                self.shape(&key, json, Direction::Out, &COMMAND_NAMES).map(Body::Json)
            }
            (payload, None) => {
                let key = format!("{key}.payload");
                let payload = payload.unwrap_or_default();
                self.text(&key, payload, Direction::Out, &COMMAND_NAMES).map(Body::Text)
            }
        };
        Some(Message { topic: topic?, body: body?, qos })
    }

    fn reply(&mut self, reply: &ReplyConfig) -> Option<Reply> {
        let known = [COMMAND_NAMES.as_slice(), REPLY_NAMES.as_slice()].concat();
        let topic = self.topic("reply.topic", &reply.topic, Use::Listen);
        let matches = self.expression("reply.match", &reply.matches, Direction::In, &known);
        let ok = match &reply.ok {
            Some(ok) => Some(self.expression("reply.ok", ok, Direction::In, &known)?),
            None => None,
        };
        let text = match &reply.text {
            Some(text) => Some(self.text("reply.text", text, Direction::In, &known)?),
            None => None,
        };
        if text.is_some() && ok.is_none() {
            self.mistake("reply.text", "is for replies that are not ok, and there is no reply.ok");
        }
        if reply.last && topic.as_ref().is_some_and(|topic| !topic.is_one_topic()) {
            self.mistake("reply.last", "needs a topic of v and device only, without wildcards");
        }
        let (topic, matches) = (topic?, matches?);
        let mut names = topic.names();
        names.extend(matches.names());
        let has_id = ID_NAMES.iter().any(|id| names.contains(*id));
        let timeout = reply.timeout.map_or(DEFAULT_TIMEOUT, Wait::duration);
        Some(Reply { topic, matches, ok, text, timeout, last: reply.last, has_id })
    }

    fn result(&mut self, nsid: &str, table: &Value) -> Option<Shape> {
        let key = format!("result.{nsid}");
        if !names::is_namespace(nsid) {
            self.mistake(&key, "results stand under a namespace identifier of 1 to 16 characters");
        }
        if !table.is_object() {
            self.mistake(&key, "is a table");
        }
        let known = [COMMAND_NAMES.as_slice(), REPLY_NAMES.as_slice()].concat();
        self.shape(&key, table, Direction::In, &known)
    }

    fn confirm(&mut self, command: &CommandConfig, reply: Option<&Reply>) -> Confirm {
        let has_id = reply.is_some_and(|reply| reply.has_id);
        let is_last = reply.is_some_and(|reply| reply.last);
        match command.confirm {
            Some(Confirm::Id) if !has_id && reply.is_some() => {
                self.mistake(
                    "confirm",
                    "neither reply.match nor reply.topic uses seq or request_id",
                );
                Confirm::Id
            }
            Some(given) => given,
            None if has_id => Confirm::Id,
            None if is_last => Confirm::State,
            None => Confirm::Echo,
        }
    }

    /// What the keys of a command need of one another.
    fn parts_fit(&mut self, command: &CommandConfig, reply: Option<&Reply>, confirm: Confirm) {
        let has_reply = command.reply.is_some();
        let is_last = command.reply.as_ref().is_some_and(|reply| reply.last);
        if command.publish.is_none() && !is_last {
            self.mistake("publish", "is missing (only reply.last does without)");
        }
        if command.publish.is_some() && is_last {
            self.mistake("reply.last", "is for commands that publish nothing");
        }
        if !has_reply && confirm != Confirm::None {
            self.mistake("reply", "is missing; if sending is enough, write confirm = \"none\"");
        }
        if has_reply && confirm == Confirm::None {
            self.mistake("confirm", "is none, so reply would never be looked at");
        }
        if let Some(probe) = &command.probe {
            if !has_reply || is_last {
                self.mistake("probe", "needs a reply that it could cause");
            }
            let after = probe.after.map_or(Duration::ZERO, Wait::duration);
            if reply.is_some_and(|reply| after >= reply.timeout) {
                self.mistake("probe.after", "is not before reply.timeout");
            }
        }
    }

    fn topic(&mut self, key: &str, template: &str, purpose: Use) -> Option<Topic> {
        self.look_inside(key, template);
        let topic = Topic::compile(template, purpose);
        let topic = self.noted(key, topic)?;
        self.names_are_known(key, &topic.names(), &COMMAND_NAMES);
        Some(topic)
    }

    fn shape(
        &mut self,
        key: &str,
        value: &Value,
        direction: Direction,
        known: &[&str],
    ) -> Option<Shape> {
        Some(match value {
            Value::String(text) => match engine::pieces(text).ok().as_deref() {
                Some([Piece::Expression(code)]) => {
                    Shape::Typed(self.code(key, *code, direction, known)?)
                }
                _ => Shape::Text(self.text(key, text, direction, known)?),
            },
            Value::Array(items) => {
                let items = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.shape(&format!("{key}.{at}"), item, direction, known));
                // All of them first, so that every mistake is found.
                let items: Vec<_> = items.collect();
                Shape::List(items.into_iter().collect::<Option<_>>()?)
            }
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| {
                    let key = format!("{key}.{name}");
                    let name = self.text(&key, name, direction, known);
                    let value = self.shape(&key, value, direction, known);
                    Some((name?, value?))
                });
                let members: Vec<_> = members.collect();
                Shape::Table(members.into_iter().collect::<Option<_>>()?)
            }
            fixed => Shape::Fixed(fixed.clone()),
        })
    }

    fn text(
        &mut self,
        key: &str,
        template: &str,
        direction: Direction,
        known: &[&str],
    ) -> Option<Text> {
        self.look_inside(key, template);
        let text = Text::compile(template, direction);
        let text = self.noted(key, text)?;
        self.names_are_known(key, &text.names(), known);
        Some(text)
    }

    fn expression(
        &mut self,
        key: &str,
        source: &str,
        direction: Direction,
        known: &[&str],
    ) -> Option<Expression> {
        if source.contains("{{") {
            self.mistake(key, "is an expression already: write it without {{ }}");
            return None;
        }
        self.code(key, Code { source, line: 1 }, direction, known)
    }

    fn code(
        &mut self,
        key: &str,
        code: Code<'_>,
        direction: Direction,
        known: &[&str],
    ) -> Option<Expression> {
        self.look_at(key, code);
        let expression = Expression::compile(code.source, code.line, direction);
        let expression = self.noted(key, expression)?;
        self.names_are_known(key, &expression.names(), known);
        Some(expression)
    }

    /// Looks at all code in a template. What does not come apart is reported when it is compiled.
    fn look_inside(&mut self, key: &str, template: &str) {
        for piece in engine::pieces(template).unwrap_or_default() {
            if let Piece::Expression(code) | Piece::Statement(code) = piece {
                self.look_at(key, code);
            }
        }
    }

    /// Finds what the engine would only find when it gets there.
    fn look_at(&mut self, key: &str, code: Code<'_>) {
        let calls = scan::calls(code.source);
        for filter in calls.filters.iter().filter(|filter| !engine::has_filter(filter.text)) {
            self.mistake_at(
                key,
                code.line + filter.line - 1,
                format!("unknown filter {:?}", filter.text),
            );
        }
        for test in calls.tests.iter().filter(|test| !engine::has_test(test.text)) {
            self.mistake_at(
                key,
                code.line + test.line - 1,
                format!("unknown test {:?}", test.text),
            );
        }
        self.vars.extend(calls.vars.iter().map(|var| var.text.to_owned()));
        for var in calls.vars.iter().filter(|var| !calls.guarded.contains(&var.text)) {
            let line = Some(code.line + var.line - 1);
            let error = self.error(key, line, format!("v.{} is not given", var.text));
            self.var_uses.push(VarUse { name: var.text.to_owned(), error });
        }
    }

    fn names_are_known(&mut self, key: &str, names: &HashSet<String>, known: &[&str]) {
        let mut unknown: Vec<&String> = names
            .iter()
            .filter(|name| !known.contains(&name.as_str()) && !engine::has_global(name))
            .collect();
        unknown.sort();
        for name in unknown {
            let reason = if REPLY_NAMES.contains(&name.as_str()) {
                format!("{name} is known in replies only")
            } else {
                format!("{name} is not known here; known are {}", known.join(", "))
            };
            self.mistake(key, reason);
        }
    }

    fn noted<T>(&mut self, key: &str, result: Result<T, TemplateError>) -> Option<T> {
        result
            .map_err(|error| {
                let error = self.error(key, error.line, error.reason);
                self.errors.push(error);
            })
            .ok()
    }

    fn mistake(&mut self, key: &str, reason: impl Into<String>) {
        let error = self.error(key, None, reason.into());
        self.errors.push(error);
    }

    fn mistake_at(&mut self, key: &str, line: usize, reason: String) {
        let error = self.error(key, Some(line), reason);
        self.errors.push(error);
    }

    fn error(&self, key: &str, line: Option<usize>, reason: String) -> MapError {
        MapError { map: self.map.to_owned(), entry: self.entry, key: key.to_owned(), line, reason }
    }
}

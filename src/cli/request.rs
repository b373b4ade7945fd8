//! From words on the command line to a command.

use serde_json::{Map, Value, json};

use super::completion::{Completion, string};
use super::units;
use crate::language::{Library, TEXT_SPECIFIERS};
use crate::wire;

/// A command as it was typed.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// ACTION.
    pub action: String,
    /// TARGET.
    pub target: String,
    /// VALUE.
    pub value: Option<String>,
    /// Each `--arg`.
    pub args: Vec<String>,
    /// Each `--actuator`.
    pub actuators: Vec<String>,
    /// `--response-requested`.
    pub response_requested: Option<String>,
    /// `--command-id`.
    pub command_id: Option<String>,
    /// What is missing is made up, from this number.
    pub example: Option<u64>,
}

/// Words that make no command. Whether a command makes sense is judged later.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Mistake {
    #[error("target {target} needs a VALUE: {expected}")]
    NoValue { target: String, expected: String },
    #[error("the VALUE of {target} is JSON, and this is none ({reason}): {text}{expected}")]
    NotJson { target: String, text: String, reason: String, expected: String },
    #[error("there is no target {target} (one of a profile is written nsid:name){nearest}")]
    NoTarget { target: String, nearest: String },
    #[error("more than one profile has a target {target}: {names}")]
    SeveralTargets { target: String, names: String },
    #[error("target {target} has no {name}{nearest}; it is {expected}")]
    NoField { target: String, name: String, expected: String, nearest: String },
    #[error("no value of {target} could be made up")]
    NoExample { target: String },
    #[error("{flag} takes {form}, not {text:?}")]
    Form { flag: &'static str, form: &'static str, text: String },
    #[error("{flag} {key} is given twice")]
    Twice { flag: &'static str, key: String },
    #[error("a command is for one profile: --actuator names {first} and {second}")]
    TwoProfiles { first: String, second: String },
    #[error("--arg {key}: {reason}")]
    Time { key: String, reason: String },
}

/// Examples made up before one is given that is valid by the schemas alone.
const EXAMPLES: u64 = 100;

impl Words {
    /// The command as JSON, members in the order of the standard's table, completed by the
    /// schemas of `library`. Times given as `+10s` are counted from `now_ms`.
    pub fn command(&self, now_ms: u64, library: &Library) -> Result<Value, Mistake> {
        let Some(seed) = self.example else { return self.completed(now_ms, library, None) };
        // What the standards say beside their schemas, such as how long an MD5 hash is, an example
        // meets by luck.
        let languages = library.languages();
        for seed in seed..seed.saturating_add(EXAMPLES) {
            let command = self.completed(now_ms, library, Some(seed))?;
            if languages.iter().any(|language| wire::command_by(&command, language).is_ok()) {
                return Ok(command);
            }
        }
        self.completed(now_ms, library, Some(seed))
    }

    fn completed(
        &self,
        now_ms: u64,
        library: &Library,
        example: Option<u64>,
    ) -> Result<Value, Mistake> {
        let completion = Completion(library);
        let name = completion.name(&self.target)?;
        let target = match (self.value.as_deref(), example) {
            (None, Some(seed)) => completion.example(&name, seed)?,
            (value, _) => completion.value(&name, value)?,
        };
        let actuator = self.actuator()?;
        let mut args = self.args(now_ms)?;
        if let Some(seed) = example {
            for nsid in [profile_of(&name), actuator.as_ref().and_then(only_member)] {
                let Some(nsid) = nsid.filter(|nsid| !args.contains_key(*nsid)) else { continue };
                args.extend(completion.example_of_args(nsid, seed).map(|it| (nsid.to_owned(), it)));
            }
        }
        let mut command = Map::new();
        command.insert("action".to_owned(), json!(self.action));
        command.insert("target".to_owned(), json!({ name: target }));
        if !args.is_empty() {
            command.insert("args".to_owned(), Value::Object(args));
        }
        if let Some(actuator) = actuator {
            command.insert("actuator".to_owned(), actuator);
        }
        if let Some(id) = &self.command_id {
            command.insert("command_id".to_owned(), json!(id));
        }
        Ok(Value::Object(command))
    }

    fn args(&self, now_ms: u64) -> Result<Map<String, Value>, Mistake> {
        const FLAG: &str = "--arg";
        let mut args = Map::new();
        for text in &self.args {
            let (key, value) = key_and_value(FLAG, "K=V", text)?;
            let twice = || Mistake::Twice { flag: FLAG, key: key.to_owned() };
            let value = match key {
                "start_time" | "stop_time" => point_in_time(key, value, now_ms)?,
                "duration" => length_of_time(key, value)?,
                "response_requested" => json!(value),
                _ => json_or_text(value),
            };
            // `x-foo.bar=5` is a member of the extension x-foo.
            let is_new = match key.split_once('.') {
                None => args.insert(key.to_owned(), value).is_none(),
                Some((nsid, member)) => args
                    .entry(nsid)
                    .or_insert_with(|| json!({}))
                    .as_object_mut()
                    .ok_or_else(twice)?
                    .insert(member.to_owned(), value)
                    .is_none(),
            };
            if !is_new {
                return Err(twice());
            }
        }
        if let Some(wanted) = &self.response_requested {
            let key = "response_requested";
            if args.insert(key.to_owned(), json!(wanted)).is_some() {
                return Err(Mistake::Twice { flag: FLAG, key: key.to_owned() });
            }
        }
        Ok(args)
    }

    fn actuator(&self) -> Result<Option<Value>, Mistake> {
        const FLAG: &str = "--actuator";
        const FORM: &str = "NSID or NSID:K=V";
        let Some(first) = self.actuators.first() else { return Ok(None) };
        let profile = |text: &str| text.split_once(':').map_or(text, |(nsid, _)| nsid).to_owned();
        let mut specifiers = Map::new();
        for text in &self.actuators {
            if profile(text) != profile(first) {
                let (first, second) = (profile(first), profile(text));
                return Err(Mistake::TwoProfiles { first, second });
            }
            let Some((_, specifier)) = text.split_once(':') else { continue };
            let (key, value) = key_and_value(FLAG, FORM, specifier)?;
            let value = match key {
                key if TEXT_SPECIFIERS.contains(&key) => string(value),
                _ => json_or_text(value),
            };
            if specifiers.insert(key.to_owned(), value).is_some() {
                return Err(Mistake::Twice { flag: FLAG, key: key.to_owned() });
            }
        }
        Ok(Some(json!({ profile(first): specifiers })))
    }
}

/// The namespace of a target of a profile.
fn profile_of(target: &str) -> Option<&str> {
    target.split_once(':').map(|(nsid, _)| nsid)
}

fn only_member(object: &Value) -> Option<&str> {
    object.as_object()?.keys().next().map(String::as_str)
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn key_and_value<'a>(
    flag: &'static str,
    form: &'static str,
    text: &'a str,
) -> Result<(&'a str, &'a str), Mistake> {
    let found = text.split_once('=').filter(|(key, _)| !key.is_empty());
    found.ok_or_else(|| Mistake::Form { flag, form, text: text.to_owned() })
}

/// Milliseconds since 1970, or `+10s` from now. What is neither goes through
/// as it is, for the check to explain.
fn point_in_time(key: &str, text: &str, now_ms: u64) -> Result<Value, Mistake> {
    let Some(later) = text.strip_prefix('+') else { return Ok(json_or_text(text)) };
    Ok(json!(now_ms.saturating_add(span_ms(key, later)?)))
}

/// Milliseconds, or `5m`.
fn length_of_time(key: &str, text: &str) -> Result<Value, Mistake> {
    if serde_json::from_str::<Value>(text).is_ok() {
        return Ok(json_or_text(text));
    }
    Ok(json!(span_ms(key, text)?))
}

fn span_ms(key: &str, text: &str) -> Result<u64, Mistake> {
    let span = units::duration(text);
    span.map(units::millis).map_err(|reason| Mistake::Time { key: key.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn words(line: &str) -> Words {
        let mut words = Words::default();
        let mut plain = Vec::new();
        for word in line.split(' ') {
            match word.split_once(' ').unwrap_or((word, "")).0 {
                arg if arg.starts_with("arg:") => words.args.push(arg[4..].to_owned()),
                act if act.starts_with("act:") => words.actuators.push(act[4..].to_owned()),
                other => plain.push(other.to_owned()),
            }
        }
        let mut plain = plain.into_iter();
        words.action = plain.next().unwrap();
        words.target = plain.next().unwrap();
        words.value = plain.next();
        words
    }

    #[test]
    fn words_become_a_command() {
        #[rustfmt::skip]
        let cases = [
            // targets
            ("query features", r#"{"action":"query","target":{"features":[]}}"#),
            ("query features versions,pairs", r#"{"action":"query","target":{"features":["versions","pairs"]}}"#),
            ("query features [\"versions\"]", r#"{"action":"query","target":{"features":["versions"]}}"#),
            ("query properties battery", r#"{"action":"query","target":{"properties":["battery"]}}"#),
            ("deny ipv4_net 198.51.100.0/24", r#"{"action":"deny","target":{"ipv4_net":"198.51.100.0/24"}}"#),
            ("deny uri http://x/?a=1", r#"{"action":"deny","target":{"uri":"http://x/?a=1"}}"#),
            ("deny domain_name \"a.example\"", r#"{"action":"deny","target":{"domain_name":"a.example"}}"#),
            ("cancel command 42", r#"{"action":"cancel","target":{"command":"42"}}"#),
            ("deny file {\"name\":\"x\"}", r#"{"action":"deny","target":{"file":{"name":"x"}}}"#),
            ("set x-probe:level 5", r#"{"action":"set","target":{"x-probe:level":5}}"#),
            ("set x-iot:power on", r#"{"action":"set","target":{"x-iot:power":"on"}}"#),
            ("set x-iot:power \"5\"", r#"{"action":"set","target":{"x-iot:power":"5"}}"#),
            ("set x-iot:light {}", r#"{"action":"set","target":{"x-iot:light":{}}}"#),
            // what the schema of a profile knows
            ("set x-iot:light state=on,level=50", r#"{"action":"set","target":{"x-iot:light":{"state":"on","level":50}}}"#),
            ("set switch state=off", r#"{"action":"set","target":{"x-iot:switch":{"state":"off"}}}"#),
            ("delete rule_number 7", r#"{"action":"delete","target":{"slpf:rule_number":7}}"#),
            ("deny ipv4_connection protocol=tcp,dst_port=80", r#"{"action":"deny","target":{"ipv4_connection":{"protocol":"tcp","dst_port":80}}}"#),
            ("deny ip_addr 192.0.2.1", r#"{"action":"deny","target":{"ip_addr":"192.0.2.1"}}"#),
            // arguments
            ("stop device {} arg:response_requested=ack",
             r#"{"action":"stop","target":{"device":{}},"args":{"response_requested":"ack"}}"#),
            ("stop device {} arg:duration=5m arg:start_time=+10s",
             r#"{"action":"stop","target":{"device":{}},"args":{"duration":300000,"start_time":1700000010000}}"#),
            ("stop device {} arg:stop_time=1700000000001 arg:duration=500",
             r#"{"action":"stop","target":{"device":{}},"args":{"stop_time":1700000000001,"duration":500}}"#),
            ("deny uri a arg:slpf.drop_process=none arg:slpf.n=5 arg:slpf.t=\"5\"",
             r#"{"action":"deny","target":{"uri":"a"},"args":{"slpf":{"drop_process":"none","n":5,"t":"5"}}}"#),
            ("deny uri a arg:x-a={\"b\":1} arg:x-a.c=d",
             r#"{"action":"deny","target":{"uri":"a"},"args":{"x-a":{"b":1,"c":"d"}}}"#),
            ("deny uri a arg:x-a.b=c=d",
             r#"{"action":"deny","target":{"uri":"a"},"args":{"x-a":{"b":"c=d"}}}"#),
            // actuators
            ("deny uri a act:slpf", r#"{"action":"deny","target":{"uri":"a"},"actuator":{"slpf":{}}}"#),
            ("deny uri a act:slpf:asset_id=30 act:slpf:rack=7",
             r#"{"action":"deny","target":{"uri":"a"},"actuator":{"slpf":{"asset_id":"30","rack":7}}}"#),
            ("deny uri a act:slpf:asset_tuple=[\"a\",\"b\"]",
             r#"{"action":"deny","target":{"uri":"a"},"actuator":{"slpf":{"asset_tuple":["a","b"]}}}"#),
            // what makes no sense goes through: it is judged elsewhere
            ("dney uri a", r#"{"action":"dney","target":{"uri":"a"}}"#),
            ("deny uri a arg:start_time=soon",
             r#"{"action":"deny","target":{"uri":"a"},"args":{"start_time":"soon"}}"#),
        ];
        for (line, json) in cases {
            assert_eq!(
                words(line).command(NOW, &Library::built_in()).unwrap().to_string(),
                json,
                "{line}"
            );
        }
    }

    /// L11-3.4.1.5-1: a producer never repeats a feature.
    #[test]
    fn a_feature_is_asked_for_once() {
        for line in [
            "query features pairs,versions,pairs",
            r#"query features ["pairs","versions","pairs"]"#,
        ] {
            let command = words(line).command(NOW, &Library::built_in()).unwrap();
            assert_eq!(command["target"]["features"], json!(["pairs", "versions"]));
        }
    }

    /// What is missing is made up, and what was typed is kept.
    #[test]
    fn an_example_is_a_command_that_is_valid() {
        let library = Library::built_in();
        let language = library.language(crate::language::Version::V1_1);
        let lines = [
            "deny ipv4_net",
            "deny ipv4_net 192.0.2.1 act:slpf",
            "set light",
            "delete slpf:rule_number",
            "query features",
            "deny file act:slpf arg:slpf.persistent=true",
        ];
        for (line, seed) in lines.into_iter().flat_map(|line| (0..20).map(move |it| (line, it))) {
            let words = Words { example: Some(seed), ..words(line) };
            let command = words.command(NOW, &library).unwrap();
            wire::command_by(&command, language).unwrap_or_else(|it| panic!("{command}: {it}"));
            assert_eq!(words.command(NOW, &library).unwrap(), command, "the same from one number");
            if words.value.is_some() {
                assert_eq!(command["target"]["ipv4_net"], "192.0.2.1");
            }
            if !words.args.is_empty() {
                assert_eq!(command["args"]["slpf"], json!({ "persistent": true }));
            } else if !words.actuators.is_empty() || line.contains("slpf:") {
                assert!(command["args"]["slpf"].is_object(), "{command}");
            }
        }
        let words = Words { example: Some(1), ..words("set x-nobody:thing") };
        let mistake = words.command(NOW, &library).unwrap_err().to_string();
        assert!(mistake.starts_with("there is no target x-nobody:thing"), "{mistake}");
    }

    #[test]
    fn members_stand_in_the_order_of_the_standard() {
        let words = Words {
            command_id: Some("c-1".to_owned()),
            response_requested: Some("status".to_owned()),
            ..words("deny uri a act:slpf arg:duration=1s")
        };
        let command = words.command(NOW, &Library::built_in()).unwrap();
        let members: Vec<_> = command.as_object().unwrap().keys().collect();
        assert_eq!(members, ["action", "target", "args", "actuator", "command_id"]);
        assert_eq!(command["args"], json!({ "duration": 1000, "response_requested": "status" }));
    }

    #[test]
    fn mistakes_are_explained() {
        let cases = [
            ("deny uri", "target uri needs a VALUE"),
            (
                "query properties",
                "target properties needs a VALUE: Properties, an array: its elements with commas",
            ),
            (
                "set x-iot:light",
                "target x-iot:light needs a VALUE: x-iot:Light, an object: state, level",
            ),
            ("set x-iot:switch", "an object: state (required)"),
            ("deny artifact payload=x", "the VALUE of artifact is JSON, and this is none"),
            (
                "set x-iot:light lvel=5",
                "target x-iot:light has no lvel; did you mean level?; it is x-iot:Light, an object: state, level",
            ),
            (
                "delete slpf:rule_number first",
                "and this is none (expected ident at line 1 column 2): first; it is slpf:Rule-ID, an integer from",
            ),
            ("set x-a:b", "target x-a:b needs a VALUE: as JSON; {} is the empty object"),
            ("deny file name", "the VALUE of file is JSON, and this is none"),
            ("set x-a:b {oops", "the VALUE of x-a:b is JSON, and this is none"),
            (
                "deny ipv4_nett 192.0.2.1",
                "there is no target ipv4_nett (one of a profile is written nsid:name); did you mean ipv4_net?",
            ),
            ("deny zap", "there is no target zap (one of a profile is written nsid:name)"),
            ("deny uri a arg:duration", "--arg takes K=V, not \"duration\""),
            ("deny uri a arg:=5", "--arg takes K=V, not \"=5\""),
            ("deny uri a arg:duration=1s arg:duration=2s", "--arg duration is given twice"),
            ("deny uri a arg:x-a.b=1 arg:x-a.b=2", "--arg x-a.b is given twice"),
            ("deny uri a arg:x-a=1 arg:x-a.b=2", "--arg x-a.b is given twice"),
            ("deny uri a arg:duration=soon", "--arg duration: \"soon\" is no unit of time"),
            ("deny uri a arg:start_time=+5", "--arg start_time: \"5\" needs a unit"),
            ("deny uri a act:slpf:asset_id", "--actuator takes NSID or NSID:K=V, not \"asset_id\""),
            ("deny uri a act:slpf act:x-a:b=1", "--actuator names slpf and x-a"),
            ("deny uri a act:slpf:a=1 act:slpf:a=2", "--actuator a is given twice"),
        ];
        for (line, complaint) in cases {
            let mistake = words(line).command(NOW, &Library::built_in()).unwrap_err().to_string();
            assert!(mistake.contains(complaint), "{line}: {mistake}");
        }
    }
}

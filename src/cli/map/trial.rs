//! `oc2 map test`: what a map would publish for a command, and how it would judge replies.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value, json};

use super::{Exit, TestArgs, or_nothing, printable, read_files};
use crate::actuator::device::{
    Bench, BenchReply, DeviceConfig, Judged, Message, Sent, Trial, Unconfirmed, Vars,
};
use crate::openc2::Response;

/// Carries it out.
pub(super) fn test(args: &TestArgs, out: &mut dyn Write) -> Result<Exit> {
    let maps = read_files(&args.maps)?;
    let trial = read_trial(args)?;
    let replies = read_replies(args)?;
    let config = DeviceConfig {
        map: args.map.clone(),
        vars: args.vars.iter().map(|var| read_var(var)).collect::<Result<Vars>>()?,
        timeout: None,
        confirm: args.unconfirmed.then_some(Unconfirmed::None),
        names: Vec::new(),
    };
    let bench = match Bench::new(&args.device, &config, &maps, &args.reply_src) {
        Ok(bench) => bench,
        Err(error) => {
            if args.json {
                writeln!(out, "{}", json!({"error": error.to_string()}))?;
            } else {
                writeln!(out, "{}", printable(&error.to_string()))?;
            }
            return Ok(Exit::BadInput);
        }
    };
    let sent = match bench.send(trial) {
        Ok(sent) => sent,
        Err(refusal) => {
            if args.json {
                writeln!(out, "{}", json!({"response": response_json(&refusal)}))?;
            } else {
                writeln!(out, "nothing is published\nresponse   {}", response_line(&refusal))?;
            }
            return Ok(Exit::NotOk);
        }
    };
    let judged: Vec<_> =
        replies.into_iter().map(|reply| (reply.clone(), sent.judge(reply))).collect();
    if args.json {
        writeln!(out, "{}", report_json(&sent, &bench, &judged))?;
    } else {
        report(&sent, &bench, &judged, out)?;
    }
    let is_failure = |(_, judged): &(BenchReply, Judged)| match judged {
        Judged::Ignored(_) => false,
        Judged::Answered(response) => !response.status.is_success(),
    };
    Ok(if judged.iter().any(is_failure) { Exit::NotOk } else { Exit::Success })
}

fn report(
    sent: &Sent,
    bench: &Bench,
    judged: &[(BenchReply, Judged)],
    out: &mut dyn Write,
) -> Result<()> {
    let filters: Vec<_> = bench.filters().collect();
    writeln!(out, "subscribed {}", or_nothing(printable(&filters.join(", "))))?;
    match sent.message() {
        Some(message) => {
            let expiry = format!("message expiry {:?}", sent.timeout());
            print_message("publish", &message, &expiry, out)?;
        }
        None => writeln!(out, "publish    nothing: the last message is read")?,
    }
    if let Some((after, message)) = sent.probe() {
        print_message("probe", &message, &format!("after {after:?} without a reply"), out)?;
    }
    match sent.reply_filter() {
        Some(filter) => writeln!(
            out,
            "reply      on {} within {:?}, confirms by {}{}",
            printable(filter),
            sent.timeout(),
            sent.confirm().as_str(),
            if sent.is_one_at_a_time() { ", one command at a time" } else { "" },
        )?,
        None => writeln!(out, "reply      not waited for")?,
    }
    if let Some(response) = sent.unconfirmed() {
        writeln!(out, "response   {}", response_line(&response))?;
    }
    for (reply, judged) in judged {
        let payload = String::from_utf8_lossy(&reply.payload);
        let retained = if reply.retained { " (retained)" } else { "" };
        writeln!(
            out,
            "\nreply      {} {}{retained}",
            printable(&reply.topic),
            printable(&payload)
        )?;
        match judged {
            Judged::Ignored(reason) => writeln!(out, "match      no: {}", printable(reason))?,
            Judged::Answered(response) => {
                let ok = if response.status.is_success() { "yes" } else { "no" };
                writeln!(
                    out,
                    "match      yes\nok         {ok}\nresponse   {}",
                    response_line(response)
                )?;
            }
        }
    }
    Ok(())
}

fn print_message(label: &str, message: &Message, more: &str, out: &mut dyn Write) -> Result<()> {
    let Message { topic, payload, qos } = message;
    writeln!(out, "{label:10} {}", printable(topic))?;
    writeln!(out, "           {}", or_nothing(printable(payload)))?;
    writeln!(out, "           qos {qos}, not retained, {more}")?;
    Ok(())
}

fn report_json(sent: &Sent, bench: &Bench, judged: &[(BenchReply, Judged)]) -> Value {
    let message = |message: &Message| json!({"topic": message.topic, "payload": message.payload, "qos": message.qos, "retain": false});
    let replies = judged.iter().map(|(reply, judged)| {
        let (matches, reason, response) = match judged {
            Judged::Ignored(reason) => (false, Some(reason), None),
            Judged::Answered(response) => (true, None, Some(response)),
        };
        json!({
            "topic": reply.topic,
            "payload": String::from_utf8_lossy(&reply.payload),
            "retained": reply.retained,
            "match": matches,
            "reason": reason,
            "ok": response.map(|response| response.status.is_success()),
            "response": response.map(response_json),
        })
    });
    let replies: Vec<Value> = replies.collect();
    json!({
        "subscribed": bench.filters().collect::<Vec<_>>(),
        "publish": sent.message().as_ref().map(message),
        "probe": sent.probe().map(|(after, probe)| json!({"after_ms": millis(after), "publish": message(&probe)})),
        "reply_filter": sent.reply_filter(),
        "timeout_ms": millis(sent.timeout()),
        "confirms_by": sent.confirm().as_str(),
        "one_at_a_time": sent.is_one_at_a_time(),
        "response": sent.unconfirmed().as_ref().map(response_json),
        "replies": replies,
    })
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A response of a device: its results are all extensions.
fn response_json(response: &Response) -> Value {
    let mut json = Map::from_iter([("status".to_owned(), response.status.code().into())]);
    json.extend(response.status_text.clone().map(|text| ("status_text".to_owned(), text.into())));
    let results =
        response.results.as_ref().map(|results| Value::Object(results.extensions.clone()));
    json.extend(results.map(|results| ("results".to_owned(), results)));
    Value::Object(json)
}

fn response_line(response: &Response) -> String {
    printable(&response_json(response).to_string())
}

fn read_json(file: &Path) -> Result<Value> {
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", file.display()))
}

/// A bare command, or the command of a message with what its headers say.
fn read_trial(args: &TestArgs) -> Result<Trial> {
    let value = read_json(&args.command)?;
    let header = |name: &str, otherwise: &str| {
        value["headers"][name].as_str().unwrap_or(otherwise).to_owned()
    };
    let command = value.pointer("/body/openc2/request").unwrap_or(&value).clone();
    if !command["action"].is_string() || !command["target"].is_object() {
        bail!("{} holds no command: it needs action and target", args.command.display());
    }
    Ok(Trial {
        command,
        request_id: header("request_id", "map-test"),
        producer: header("from", "oc2"),
        consumer: args.device.clone(),
        seq: args.seq,
    })
}

fn read_var(var: &str) -> Result<(String, Value)> {
    let (name, value) =
        var.split_once('=').ok_or_else(|| anyhow!("{var:?} is no variable: write key=value"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

fn read_replies(args: &TestArgs) -> Result<Vec<BenchReply>> {
    let mut replies = Vec::new();
    for reply in &args.replies {
        let (topic, payload) = reply.split_once(' ').unwrap_or((reply, ""));
        replies.push(reply_of(topic, payload));
    }
    for file in &args.reply_files {
        let all = match read_json(file)? {
            Value::Array(all) => all,
            one => vec![one],
        };
        for reply in all {
            replies.push(read_reply(&reply).with_context(|| format!("in {}", file.display()))?);
        }
    }
    Ok(replies)
}

fn read_reply(reply: &Value) -> Result<BenchReply> {
    let topic = reply["topic"].as_str().ok_or_else(|| anyhow!("a reply needs a topic"))?;
    let payload = match &reply["payload"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let user = reply["user"].as_object().into_iter().flatten();
    let user = user.map(|(name, value)| {
        (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    let retained = reply["retained"].as_bool().unwrap_or(false);
    Ok(BenchReply { retained, user: user.collect(), ..reply_of(topic, &payload) })
}

fn reply_of(topic: &str, payload: &str) -> BenchReply {
    let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
    BenchReply { topic, payload, retained: false, user: Vec::new() }
}

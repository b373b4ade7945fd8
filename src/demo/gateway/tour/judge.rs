//! What is not as it should be.

use serde_json::Value;

use super::{Expected, Reply};
use crate::demo::devices::Snapshot;
use crate::demo::house::DeviceName;
use crate::demo::tour::{covers, parse};

/// What is wrong with what came back; `last` is the body that came before it.
pub(super) fn faults(
    expected: &Expected,
    reply: &Result<Reply, String>,
    last: &str,
) -> Vec<String> {
    let reply = match (expected, reply) {
        (Expected::Refused, Err(_)) => return Vec::new(),
        (Expected::Refused, Ok(reply)) => {
            return vec![format!("nobody may come in like this, and HTTP {} came", reply.status)];
        }
        (_, Err(why)) => return vec![format!("there must be an answer: {why}")],
        (_, Ok(reply)) => reply,
    };
    let mut wrong = Vec::new();
    let mut must = |is_so: bool, fault: String| {
        if !is_so {
            wrong.push(fault);
        }
    };
    let http = match *expected {
        Expected::Response(status, ..) => status,
        Expected::Begun => 202,
        _ => 200,
    };
    must(reply.status == http, format!("HTTP must be {http}, it is {}", reply.status));
    let body = reply.value();
    match *expected {
        Expected::Refused => {}
        Expected::Response(status, text, from) => {
            let response = &body["body"]["openc2"]["response"];
            must(response["status"] == status, format!("the response must have status {status}"));
            let said = response["status_text"].as_str().unwrap_or_default();
            must(said.contains(text), format!("its text must say {text:?}"));
            must(are(reply, from), answers(reply, from));
        }
        Expected::Same => must(reply.body == last, "it must be the same bytes again".to_owned()),
        Expected::Begun => {
            let place = reply.location.as_deref().unwrap_or_default();
            must(
                place.starts_with("/v1/commands/"),
                format!("Location must be a command, it is {place:?}"),
            );
        }
        Expected::Events(names, from) => {
            let events = reply.events();
            let told: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
            must(told == names, format!("the events must be {names:?}, they are {told:?}"));
            let responses = events.iter().filter(|(name, _)| name == "response");
            let mut who: Vec<_> =
                responses.map(|(_, data)| data["from"].as_str().unwrap_or_default()).collect();
            let mut from = from.to_vec();
            who.sort_unstable();
            from.sort_unstable();
            must(who == from, format!("{from:?} must answer, {who:?} do"));
        }
        Expected::Ended(status, from) => {
            let (state, ended) = (&body["state"], &body["status"]);
            must(
                state == "ended" && *ended == status,
                format!("it must have ended with {status}, it has {state} with {ended}"),
            );
            must(are(reply, from), answers(reply, from));
        }
        Expected::Consumers(ids) => {
            let listed = body["consumers"].as_array().cloned().unwrap_or_default();
            for id in ids {
                let is_there = listed.iter().any(|it| it["id"] == **id);
                must(is_there, format!("{id} must be on the list"));
            }
        }
    }
    wrong
}

/// Who has answered, and how.
fn said(reply: &Reply) -> Vec<(String, u64)> {
    let one = |it: &Value| {
        (it["from"].as_str().unwrap_or_default().to_owned(), it["status"].as_u64().unwrap_or(0))
    };
    let mut said: Vec<_> = reply.responses().iter().map(one).collect();
    said.sort_unstable();
    said
}

fn wanted(from: &[(&str, u16)]) -> Vec<(String, u64)> {
    let mut wanted: Vec<_> =
        from.iter().map(|&(id, status)| (id.to_owned(), u64::from(status))).collect();
    wanted.sort_unstable();
    wanted
}

fn are(reply: &Reply, from: &[(&str, u16)]) -> bool {
    said(reply) == wanted(from)
}

fn answers(reply: &Reply, from: &[(&str, u16)]) -> String {
    format!("the answers in it must be {:?}, they are {:?}", wanted(from), said(reply))
}

/// What is wrong with the devices.
pub(super) fn faults_of_devices(
    expected: &[(DeviceName, &str, u64)],
    devices: &[(DeviceName, Snapshot)],
) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((name, state, acts), (_, now)) in expected.iter().zip(devices) {
        let name = name.as_str();
        if !covers(&now.state, &parse(state)) {
            wrong.push(format!("the {name} must be {state}, it is {}", now.state));
        }
        if now.acts != *acts {
            wrong.push(format!("the {name} must have acted {acts} times, not {}", now.acts));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BOTH: &[(&str, u16)] = &[("lamp", 200), ("plug", 501)];

    /// A response that sums up these.
    fn summary(status: u16, responses: &Value) -> Value {
        json!({"body": {"openc2": {"response": {
            "status": status,
            "status_text": "2 of 2 answered in time",
            "results": {"x-oc2b": {"responses": responses}},
        }}}})
    }

    #[test]
    fn every_fault_is_named() {
        let reply =
            |status: u16, body: &str| Ok(Reply { status, location: None, body: body.to_owned() });
        let both = json!([{"from": "plug", "status": 501}, {"from": "lamp", "status": 200}]);
        let good = summary(200, &both).to_string();
        let one = summary(200, &json!([both[0]])).to_string();
        let other = summary(503, &both).to_string();
        let response = Expected::Response(200, "2 of 2", BOTH);
        let events = "id: 1\nevent: accepted\ndata: {}\n\n: nothing new\n\n\
                      id: 2\nevent: response\ndata: {\"from\":\"lamp\"}\n\n";
        let follows = Expected::Events(&["accepted", "response"], &["lamp"]);
        let ended = json!({"state": "ended", "status": 200, "response": summary(200, &both)});
        let open = json!({"state": "started", "status": null, "response": null});
        let has_ended = Expected::Ended(200, BOTH);
        let listed = json!({"consumers": [{"id": "plug"}, {"id": "lamp"}]}).to_string();
        let at = |status: u16, place: &str| {
            Ok(Reply { status, location: Some(place.to_owned()), body: String::new() })
        };
        #[rustfmt::skip]
        let cases = [
            (Expected::Refused,                       Err("no".to_owned()),                    None),
            (Expected::Refused,                       reply(200, ""),                          Some("nobody may come in")),
            (response,                                reply(200, &good),                       None),
            (response,                                Err("lost".to_owned()),                  Some("an answer: lost")),
            (response,                                reply(503, &good),                       Some("HTTP must be 200, it is 503")),
            (response,                                reply(200, &other),                      Some("must have status 200")),
            (response,                                reply(200, &one),                        Some("the answers in it must be")),
            (Expected::Response(200, "3 of 3", BOTH), reply(200, &good),                       Some("must say \"3 of 3\"")),
            (Expected::Same,                          reply(200, "before"),                    None),
            (Expected::Same,                          reply(200, "before "),                   Some("the same bytes")),
            (Expected::Begun,                         at(202, "/v1/commands/a-1"),             None),
            (Expected::Begun,                         at(202, "/v1/commands?request_id=a"),    Some("must be a command")),
            (Expected::Begun,                         at(200, "/v1/commands/a-1"),             Some("HTTP must be 202")),
            (follows,                                 reply(200, events),                      None),
            (Expected::Events(&["accepted"], &[]),    reply(200, events),                      Some("the events must be")),
            (Expected::Events(&["accepted", "response"], &["plug"]), reply(200, events),       Some("must answer")),
            (has_ended,                               reply(200, &ended.to_string()),          None),
            (has_ended,                               reply(200, &open.to_string()),           Some("must have ended with 200")),
            (Expected::Consumers(&["lamp"]),          reply(200, &listed),                     None),
            (Expected::Consumers(&["lamp", "oven"]),  reply(200, &listed),                     Some("oven must be on the list")),
        ];
        for (expected, reply, complaint) in cases {
            let wrong = faults(&expected, &reply, "before").join("; ");
            match complaint {
                None => assert_eq!(wrong, "", "{expected:?}"),
                Some(complaint) => assert!(wrong.contains(complaint), "{complaint}: {wrong}"),
            }
        }
    }

    #[test]
    fn a_device_that_did_not_obey_or_did_so_twice_is_found() {
        let expected = [(DeviceName::Plug, r#"{"POWER1":"ON"}"#, 1)];
        let plug = |power: &str, acts: u64| {
            [(DeviceName::Plug, Snapshot { state: json!({ "POWER1": power }), acts })]
        };
        assert_eq!(faults_of_devices(&expected, &plug("ON", 1)), Vec::<String>::new());
        for (devices, complaint) in [
            (plug("OFF", 1), r#"the plug must be {"POWER1":"ON"}, it is {"POWER1":"OFF"}"#),
            (plug("ON", 2), "the plug must have acted 1 times, not 2"),
        ] {
            assert_eq!(faults_of_devices(&expected, &devices), [complaint]);
        }
    }
}

//! `oc2` as a producer over HTTPS: `send --url`, `send --async`, `status`, `consumers`.

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value as Json, json};

use super::relay::Server;
use super::route::{self, Crowd};
use super::{Site, port};
use crate::support::probe;
use crate::support::scene::letter;

impl Site {
    /// Begins to run `oc2` as this producer, towards the bridge.
    fn oc2(&self, producer: &str, words: &str) -> Child {
        let url = format!("https://localhost:{}/", port(&self.scene));
        let path = |name: &str| self.papers.path(name).display().to_string();
        let (ca, cert, key) =
            (path("ca.pem"), path(&format!("{producer}.pem")), path(&format!("{producer}.key")));
        let whole = format!("{words} --url {url} --ca {ca} --cert {cert} --key {key}");
        self.oc2_alone(&whole)
    }

    /// The same without a word about the bridge.
    fn oc2_alone(&self, words: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_oc2"))
            .args(words.split_whitespace())
            .env_clear()
            .env("USER", "ann")
            .env("XDG_STATE_HOME", self.scene.bridge.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("oc2 starts")
    }

    /// The same over MQTT.
    fn oc2_by_mqtt(&self, words: &str) -> Child {
        let (port, prefix) = (self.scene.broker.port(), &self.scene.prefix);
        self.oc2_alone(&format!("{words} --broker mqtt://127.0.0.1:{port} --prefix {prefix}"))
    }
}

/// What was printed, told, and the exit code.
#[derive(Debug)]
struct Ended {
    printed: String,
    told: String,
    code: Option<i32>,
}

fn ended(child: Child) -> Ended {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("oc2 ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ended { printed: text(stdout), told: text(stderr), code: status.code() }
}

/// Without what is never the same twice: times and ids.
fn timeless(printed: &str) -> Vec<String> {
    let line = |line: &str| {
        if let Ok(Json::Object(mut members)) = serde_json::from_str(line) {
            members.remove("request_id");
            members.remove("elapsed_ms");
            return Json::Object(members).to_string();
        }
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| ["ms", "s"].contains(word)) {
            words.drain(at - 1..=at);
        }
        words.join(" ")
    };
    printed.lines().map(line).collect()
}

/// What is sent by either way is printed in the same form, and ends with the same code.
#[tokio::test]
async fn what_is_sent_over_https_looks_as_over_mqtt() {
    let test = "what_is_sent_over_https_looks_as_over_mqtt";
    let Some(site) = Site::open(test, "").await else { return };
    let act = "send set x-probe:act {\"do\":\"work\"}";
    #[rustfmt::skip]
    let cases = [
        ("send query features versions,profiles --device gateway-1".to_owned(), 0),
        ("query pairs --device gateway-1 --json".to_owned(),                    0),
        (format!("{act} --profile x-wall --expect 1"),                          0),
        (format!("{act} --actuator x-wall --device gateway-1 --response-requested none"), 0),
        (format!("{act} --actuator x-wall --device gateway-1 --response-requested ack --json"), 0),
        ("send deny uri http://a.example/ --device gateway-1".to_owned(),       1),
        ("send query features --all --expect 2".to_owned(),                     0),
        ("send dney uri http://a.example/ --all".to_owned(),                    65),
    ];
    for (words, code) in cases {
        let (https, mqtt) = (ended(site.oc2("soar-1", &words)), ended(site.oc2_by_mqtt(&words)));
        assert_eq!(
            (https.code, mqtt.code),
            (Some(code), Some(code)),
            "{words}: {https:?} {mqtt:?}"
        );
        let (mut one, mut other) = (timeless(&https.printed), timeless(&mqtt.printed));
        // Of several, over MQTT they come as they come.
        one.sort();
        other.sort();
        assert_eq!(one, other, "{words}");
    }
    let dry = ended(site.oc2("soar-1", "send query features -d gateway-1 --dry-run"));
    let message: Json = serde_json::from_str(&dry.printed).expect("a message");
    assert_eq!(message["headers"]["from"], Json::Null, "the certificate says who it is");
    assert_eq!(message["headers"]["to"], json!(["gateway-1"]));
    assert!(dry.told.contains("would post to https://localhost:"), "{dry:?}");
}

/// Each of several that answers is a line; who is missing is counted.
#[tokio::test]
async fn the_responses_of_several_are_lines() {
    let test = "the_responses_of_several_are_lines";
    let topics = route::topics(&[
        "match = { device = \"fw-*\" }\nwait = \"1s\"",
        "match = { device = \"slow-*\" }\nwait = \"20s\"",
    ]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let three = ["fw-1", "fw-2", "fw-3"];
    let act = "send set x-probe:act {\"do\":\"work\"} --all";
    let all = format!("{act} --to fw-1 --to fw-2 --to fw-3 --wait 20s");
    #[rustfmt::skip]
    let cases = [
        (&[("fw-1", 200), ("fw-2", 200), ("fw-3", 200)][..], 0, "3 responses in"),
        (&[("fw-1", 200), ("fw-3", 404)][..],                1, "2 of 3 responses in"),
        (&[("fw-2", 200)][..],                               2, "1 of 3 responses in"),
    ];
    for (answers, code, summary) in cases {
        let sending = site.oc2("soar-1", &all);
        let heard = crowd.each_hears(&three).await;
        for (from, status) in answers {
            crowd.answers(&heard, from, *status).await;
        }
        let Ended { printed, told, code: found } = ended(sending);
        assert_eq!(found, Some(code), "{printed} {told}");
        let shown = timeless(&printed);
        let expected: Vec<_> =
            answers.iter().map(|(from, status)| format!("{from} {status} said {from}")).collect();
        assert_eq!(shown, expected);
        assert!(told.contains(summary), "{told}");
    }
    let nobody = ended(site.oc2("soar-1", &format!("{act} --to slow-1 --wait 100ms")));
    assert_eq!((nobody.code, nobody.printed.as_str()), (Some(2), ""), "{nobody:?}");
    assert!(nobody.told.contains("0 of 1 answered in time"), "{nobody:?}");
}

/// Who does not wait asks later, by the id that was printed.
#[tokio::test]
async fn a_command_that_was_not_waited_for_is_asked_after() {
    let test = "a_command_that_was_not_waited_for_is_asked_after";
    let topics = route::topics(&["match = { device = \"fw-*\" }\nwait = \"20s\""]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let act = "send set x-probe:act {\"do\":\"work\"} --device fw-1 --async --request-id r-1";
    let begun = ended(site.oc2("soar-1", act));
    assert_eq!(begun.code, Some(0), "{begun:?}");
    let id = begun.printed.trim();
    let heard = crowd.each_hears(&["fw-1"]).await;
    assert_eq!(heard.id(), id);
    let again: Json =
        serde_json::from_str(&ended(site.oc2("soar-1", &format!("{act} --json"))).printed).unwrap();
    assert_eq!(
        again,
        json!({"request_id": "r-1", "id": id, "location": format!("/v1/commands/{id}")})
    );
    let pending = ended(site.oc2("soar-1", &format!("status {id}")));
    assert_eq!(pending.code, Some(2), "{pending:?}");
    assert!(pending.printed.contains("state       started"), "{pending:?}");

    let waiting = site.oc2("soar-1", &format!("status {id} --wait 20s"));
    crowd.answers(&heard, "fw-1", 404).await;
    let over = ended(waiting);
    assert_eq!(over.code, Some(1), "{over:?}");
    let shown = timeless(&over.printed);
    assert_eq!(shown.first().map(String::as_str), Some(&*format!("command {id} set x-probe:act")));
    assert_eq!(shown.last().map(String::as_str), Some("fw-1 404 said fw-1"));
    let whole = ended(site.oc2("soar-1", &format!("status {id} --json"))).printed;
    let whole: Json = serde_json::from_str(&whole).expect("JSON");
    assert_eq!(whole["response"]["body"]["openc2"]["response"]["status"], 404);
    // By now there is a response, and whoever sends it again gets that.
    let late = ended(site.oc2("soar-1", act));
    assert_eq!(
        (late.code, timeless(&late.printed)),
        (Some(1), vec!["fw-1 404 said fw-1".to_owned()])
    );

    let consumers = ended(site.oc2("soar-1", "consumers --json"));
    let consumers: Vec<Json> =
        consumers.printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(consumers.iter().any(|consumer| consumer["id"] == "fw-1"), "{consumers:?}");
    let table = ended(site.oc2("soar-1", "consumers"));
    assert!(table.printed.starts_with("ID ") && table.printed.contains("\nfw-1 "), "{table:?}");
}

/// What went to several consumers of the bridge is a list, and each is shown as one alone is.
#[tokio::test]
async fn of_several_commands_each_is_shown_with_its_response() {
    let test = "of_several_commands_each_is_shown_with_its_response";
    let Some(mut site) = Site::prepare(test, "").await else { return };
    let mut gate = probe::install(&site.scene);
    site.scene.bridge.run();
    let mut message = letter("r-1", &probe::act("wait", "x-wall"));
    message["headers"]["to"] = json!(["gateway-1", "lamp-2"]);
    message["body"]["openc2"]["request"].as_object_mut().unwrap().remove("actuator");
    let reply = site.post_as("soar-1", &message.to_string(), &["-H", "Prefer: respond-async"]);
    let reply = reply.reply();
    let list = reply.header("location").expect("a place to ask").to_owned();
    assert_eq!((reply.status, list.as_str()), (202, "/v1/commands?request_id=r-1"));
    site.scene.busy_with(2).await;
    let pending = ended(site.oc2("soar-1", &format!("status {list}")));
    assert_eq!(pending.code, Some(2), "{pending:?}");

    let waiting = site.oc2("soar-1", &format!("status {list} --wait 30s"));
    for _ in 0..2 {
        gate.let_one_pass();
    }
    let shown = ended(waiting);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let lines = timeless(&shown.printed);
    let of = |first: &str| lines.iter().filter(|line| line.starts_with(first)).count();
    assert_eq!(
        (of("state ended 200"), of("gateway-1 200"), of("lamp-2 200")),
        (2, 1, 1),
        "{shown:?}"
    );
    let whole = ended(site.oc2("soar-1", &format!("status {list} --json"))).printed;
    for line in whole.lines() {
        let command: Json = serde_json::from_str(line).expect("JSON");
        assert_eq!(command["response"]["body"]["openc2"]["response"]["status"], 200, "{command}");
    }
    assert_eq!(whole.lines().count(), 2);
}

/// Every mistake has its sentence and its exit code.
#[tokio::test]
async fn what_is_wrong_on_the_way_to_a_bridge_is_told() {
    let test = "what_is_wrong_on_the_way_to_a_bridge_is_told";
    let Some(site) = Site::open(test, "max-wait = \"30s\"").await else { return };
    std::fs::write(site.papers.path("message.json"), "{\"headers\":{},\"body\":{}}").unwrap();
    let path = |name: &str| site.papers.path(name).display().to_string();
    let (message, ca, other) = (path("message.json"), path("ca.pem"), path("other-ca.pem"));
    let query = "send query features -d gateway-1";
    let here = format!("https://localhost:{}/", port(&site.scene));
    // Before TLS 1.3 it is said within the handshake.
    let words = "-tls1_2 -Verify 1 -CAfile ca.pem";
    let server = Server::start(&site.papers, "server", words);
    let older = format!("https://localhost:{}/", server.port);
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("https://localhost:{}/", listener.local_addr().unwrap().port())
    };
    let whole = format!("send --file {message} --url {here} --ca {ca}");
    let certificate = format!("--cert {} --key {}", path("soar-1.pem"), path("soar-1.key"));
    let none = "00000000-0000-4000-8000-000000000000";
    #[rustfmt::skip]
    let alone = [
        (format!("{query} --url bridge.example"),                       78, "no whole URL"),
        (format!("{query} --url http://bridge.example/"),               78, "this machine only"),
        (format!("{query} --url {here} --ca {}", path("none.pem")),     78, "none.pem"),
        (format!("{query} --url {here} --cert {message}"),              64, "--key-file"),
        (format!("{query} --url {here} --ca {message}"),                78, "message.json"),
        (format!("{query} --async"),                                    64, "--url"),
        (format!("{query} --url {here} --broker mqtt://127.0.0.2:1"),   64, "two ways"),
        (format!("{query} --url {here} --encoding cbor"),               64, "JSON"),
        (format!("{whole} -d gateway-1"),                               64, "says itself whom it is for"),
        (format!("{whole} --all"),                                      65, "not sent"),
        (format!("{query} --url {closed}"),                             69, "no connection"),
        (format!("{query} --url {here}"),                               69, "no connection"),
        (format!("{query} --url {here} --ca {other} {certificate}"),    69, "no connection"),
        (format!("{query} --url {here} --ca {ca}"),                     69, "none was given: --cert and --key"),
        (format!("status {none} --url {here} --ca {ca}"),               69, "none was given: --cert and --key"),
        (format!("{query} --url {older} --ca {ca}"),            69, "none was given: --cert and --key"),
        ("status".to_owned(),                                           64, "--url"),
        ("consumers".to_owned(),                                        64, "--url"),
        (format!("status {none} --url {closed}"),                       69, "no connection"),
        (format!("consumers --url {closed}"),                           69, "no connection"),
    ];
    for (words, code, told) in alone {
        let found = ended(site.oc2_alone(&words));
        assert_eq!(found.code, Some(code), "{words}: {found:?}");
        assert!(found.told.contains(told) && found.printed.is_empty(), "{words}: {found:?}");
    }
    #[rustfmt::skip]
    let cases = [
        ("soar-1",   format!("{query} --wait 31s"),           64, "a wait is at most 30s"),
        ("soar-1",   format!("{query} --from soar-2"),        1,  "1 not 2xx"),
        ("stranger", query.to_owned(),                        69, "no identity is configured"),
        ("stranger", "consumers".to_owned(),                  69, "no identity is configured"),
        ("soar-1",   "status a/b".to_owned(),                 64, "letters, digits and dashes"),
        ("soar-1",   format!("status {none}"),                1,  "no such command"),
        ("soar-1",   format!("status {none} --wait 31s"),     64, "a wait is at most 30s"),
    ];
    for (who, words, code, told) in cases {
        let found = ended(site.oc2(who, &words));
        assert_eq!(found.code, Some(code), "{words}: {found:?}");
        assert!(found.told.contains(told), "{words}: {found:?}");
    }
}

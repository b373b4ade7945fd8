//! What is posted is carried out as what comes by MQTT is, and answered where it came from.

use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use super::{Site, assert_openc2};
use crate::support::probe::{act, acts, install};
use crate::support::scene::{letter, query_features};
use crate::support::skip;

/// A message that is for this consumer alone.
fn to(consumer: &str, mut message: Json) -> Json {
    message["headers"]["to"] = json!([consumer]);
    message
}

/// HTTPS-4.2-1: the HTTP status is the OpenC2 status, save for 102.
#[tokio::test]
async fn each_outcome_has_the_http_status_of_its_openc2_status() {
    let test = "each_outcome_has_the_http_status_of_its_openc2_status";
    let Some(mut site) = Site::prepare(test, "").await else { return };
    let _gate = install(&site.scene);
    site.scene.bridge.run();
    let asked = |how: &str| {
        let mut command = act("work", "x-wall");
        command["args"] = json!({"response_requested": how});
        command
    };
    #[rustfmt::skip]
    let cases = [
        // id        command                                            status, in HTTP
        ("done",     letter("done", &act("work", "x-wall")),              200, 200),
        ("ack",      letter("ack", &asked("ack")),                        102, 200),
        ("status",   letter("status", &asked("status")),                  200, 200),
        ("wrong",    letter("wrong", &json!({"action": "zap"})),          400, 400),
        ("nobody",   letter("nobody", &act("work", "er")),                404, 404),
        ("absent",   to("absent", letter("absent", &act("work", "x-wall"))), 404, 404),
        ("fail",     letter("fail", &act("fail", "x-wall")),              500, 500),
        ("unable",   to("gateway-1", letter("unable", &json!({"action": "scan", "target": {"uri": "http://a.example"}}))),
                                                                          501, 501),
        ("not now",  letter("not now", &act("unavailable", "x-wall")),    503, 503),
    ];
    for (id, message, status, http) in cases {
        let reply = site.post(&message).reply();
        assert_openc2(&reply, id);
        assert_eq!(
            (reply.response()["status"].as_u64(), reply.status),
            (Some(status), http),
            "{id}"
        );
        assert_eq!(reply.header("retry-after").is_some(), http == 503, "{id}: {reply:?}");
    }
    let silent = site.post(&letter("silent", &asked("none"))).reply();
    assert_eq!((silent.status, silent.body.as_str()), (200, ""));
    assert_eq!(silent.header("content-type"), None);

    let mut stranger = letter("other", &act("work", "x-wall"));
    stranger["headers"]["from"] = json!("soar-2");
    let reply = site.post(&stranger).reply();
    assert_openc2(&reply, "other");
    assert_eq!(reply.status, 403);
    assert!(site.scene.until_idle().await.is_empty(), "nothing of it is published");
    site.scene.others_sent(0);
}

/// Several consumers are one response; the same over HTTP/2.
#[tokio::test]
async fn several_consumers_are_answered_for_in_one_response() {
    let test = "several_consumers_are_answered_for_in_one_response";
    let Some(site) = Site::open(test, "").await else { return };
    let body = letter("all", &query_features(&json!(["profiles"]))).to_string();
    for (flag, version) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")] {
        let reply = site.post_as("soar-1", &body, &[flag]).reply();
        assert_openc2(&reply, "all");
        assert_eq!((reply.version.as_str(), reply.status), (version, 200));
        let summary = &reply.response()["results"]["x-oc2b"];
        assert_eq!((&summary["expected"], &summary["answered"]), (&json!(2), &json!(2)));
        assert_eq!(summary["responses"][1]["from"], "lamp-2");
        assert_eq!(summary["responses"][1]["results"]["profiles"], json!(["x-lamp"]));
    }
}

/// A caller that hangs up changes nothing; the same request again joins, or gets the answer.
#[tokio::test]
async fn a_caller_that_hangs_up_finds_the_answer_later() {
    let test = "a_caller_that_hangs_up_finds_the_answer_later";
    let Some(mut site) = Site::prepare(test, "").await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let message = letter("r-1", &act("wait", "x-wall"));

    let first = site.post(&message);
    site.scene.busy_with(1).await;
    first.abandon();
    let second = site.post(&message);
    let third = site.post(&message);
    crate::support::soon("both wait", async {
        while site.scene.bridge.counters()["repeated"] != 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.let_one_pass();
    let (second, third) = (second.reply(), third.reply());
    assert_openc2(&second, "r-1");
    assert_eq!((second.status, &second.body), (200, &third.body));
    assert_eq!(site.post(&message).reply().body, second.body);

    let mut other = message.clone();
    other["body"]["openc2"]["request"]["args"] = json!({"response_requested": "complete"});
    assert_eq!(site.post(&other).reply().status, 400);
    assert_eq!(acts(&site.scene, "wait"), 1);
}

/// A wait that is too long ends in 503, and the command goes on.
#[tokio::test]
async fn who_has_waited_long_enough_is_told_so() {
    let test = "who_has_waited_long_enough_is_told_so";
    let Some(mut site) = Site::prepare(test, "max-wait = \"1s\"").await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let message = letter("r-1", &act("wait", "x-wall"));
    let reply = site.post(&message).reply();
    assert_openc2(&reply, "r-1");
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    gate.let_one_pass();
    site.scene.busy_with(0).await;
    assert_eq!(site.post(&message).reply().status, 200);
    assert_eq!(acts(&site.scene, "wait"), 1);
}

/// A SIGKILL while many wait: every command that was accepted has its record, and the same
/// request again gets an answer.
#[tokio::test]
async fn callers_of_a_bridge_that_is_killed_find_their_answers() {
    const CALLERS: usize = 100;
    let test = "callers_of_a_bridge_that_is_killed_find_their_answers";
    let Some(mut site) = Site::prepare(test, "").await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let messages: Vec<_> = (0..CALLERS)
        .map(|n| to("gateway-1", letter(&format!("r-{n}"), &act("wait", "x-wall"))))
        .collect();
    let waiting: Vec<_> = messages.iter().map(|message| site.post(message)).collect();
    site.scene.busy_with(CALLERS as u64).await;
    site.scene.bridge.kill();
    assert!(waiting.into_iter().all(|caller| caller.ended().is_err()));

    site.scene.bridge.run();
    assert_eq!(site.scene.journal().len(), CALLERS);
    let again: Vec<_> = messages.iter().map(|message| site.post(message)).collect();
    for _ in 0..CALLERS {
        gate.let_one_pass();
    }
    let mut codes: Vec<_> = again.into_iter().map(|caller| caller.reply().status).collect();
    codes.sort_unstable();
    // The four that had begun are in doubt, and are not run again; all others are carried out.
    assert_eq!(codes, [vec![200; CALLERS - 4], vec![500; 4]].concat());
    assert_eq!(acts(&site.scene, "wait"), CALLERS);
}

/// What other clients send, as they send it: which headers, and what is in their messages.
#[tokio::test]
async fn requests_as_other_clients_shape_them_are_answered() {
    let test = "requests_as_other_clients_shape_them_are_answered";
    let Some(site) = Site::open(test, "").await else { return };
    let query = json!({"action": "query", "target": {"features": ["versions"]}});
    let message =
        |headers: Json| json!({"headers": headers, "body": {"openc2": {"request": query}}});
    let created = openc2_bridge::producer::now_ms();
    // otupy: Date, Accept and Content-Type alone, no X-Request-ID; `to` is the host of the URL
    // where nothing else is said, and a list in any case.
    let otupy = |id: &str, to: &str| {
        message(json!({"request_id": id, "created": created, "from": "soar-2", "to": [to]}))
    };
    let date = "Date: Sun, 29 Nov 2026 12:00:00 GMT";
    let of_requests =
        ["-H", "User-Agent: python-requests/2.32.3", "-H", "Accept-Encoding: gzip, deflate"];
    let pretty = |message: &Json| serde_json::to_string_pretty(message).unwrap();
    #[rustfmt::skip]
    let cases = [
        ("otupy, to a consumer",          "o-1", otupy("o-1", "gateway-1").to_string(),   vec!["-H", date], 200),
        ("otupy, to whom the URL names",  "o-2", otupy("o-2", "localhost").to_string(),   vec!["-H", date], 404),
        ("the standard's own examples",   "e-1", pretty(&message(json!({"request_id": "e-1", "created": created, "from": "soar-2"}))),
                                                                     vec!["-H", "X-Request-ID: e-1", "-H", date], 200),
        ("as little as will do", "n-1", message(json!({"request_id": "n-1"})).to_string(),
                                                                     vec!["-H", "Authorization: Bearer x"], 200),
    ];
    for (case, id, body, further, status) in cases {
        let reply = site.post_as("soar-2", &body, &[&of_requests[..], &further].concat()).reply();
        assert_openc2(&reply, id);
        assert_eq!(reply.response()["status"], status, "{case}: {reply:?}");
        assert_eq!(reply.header("content-encoding"), None, "{case}");
    }
}

/// The `requests` library of Python, as a foreign producer.
#[tokio::test]
async fn requests_for_python_is_answered() {
    const SCRIPT: &str = r"
import json, sys, time, uuid, requests
url, ca, cert, key = sys.argv[1:]
request_id = str(uuid.uuid4())
message = {'headers': {'request_id': request_id, 'created': int(1000 * time.time()), 'from': 'soar-2'},
           'body': {'openc2': {'request': {'action': 'query', 'target': {'features': ['profiles']}}}}}
headers = {'Content-Type': 'application/openc2+json;version=1.0',
           'Accept': 'application/openc2+json;version=1.0', 'X-Request-ID': request_id}
with requests.Session() as session:
    session.trust_env = False
    for _ in range(3):
        reply = session.post(url, json=message, headers=headers, verify=ca, cert=(cert, key), timeout=30)
        assert reply.status_code == 200, reply.text
        assert reply.headers['Content-Type'] == headers['Content-Type']
        assert reply.headers['X-Request-ID'] == reply.json()['headers']['request_id'] == request_id
print(json.dumps(reply.json()['body']['openc2']['response']['status']))
";
    let test = "requests_for_python_is_answered";
    let Some(python) = std::env::var_os("OC2_TEST_PYTHON") else {
        skip(test, "OC2_TEST_PYTHON is not set");
        return;
    };
    let Some(site) = Site::open(test, "").await else { return };
    let path = |name: &str| site.papers.path(name).display().to_string();
    let output = Command::new(python)
        .args([
            "-c",
            SCRIPT,
            &site.url(),
            &path("ca.pem"),
            &path("soar-2.pem"),
            &path("soar-2.key"),
        ])
        .stdin(Stdio::null())
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "200");
}

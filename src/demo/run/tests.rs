//! The demo with a bridge that knows the answers by heart: what is tested here is
//! the house around it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Bridge, DemoError, DemoOptions, Files, Mode, Style, Verdict, run};
use crate::daemon::Ready;
use crate::demo::BoxError;
use crate::demo::gateway::Door;
use crate::demo::gateway::tour::{Caller, Reply, Request};
use crate::demo::tour::{Answer, Order, Producer, To};
use crate::mqtt::peer::{Peer, PeerMessage, PeerOptions};

/// A bridge that does nothing but be there.
#[derive(Clone, Default)]
struct Idle {
    folders: Arc<Mutex<Vec<PathBuf>>>,
    on_ready: CancellationToken,
}

impl Bridge for Idle {
    async fn run(
        self,
        files: Files,
        stop: CancellationToken,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), BoxError> {
        std::fs::write(files.dir.join("journal"), "something")?;
        self.folders.lock().unwrap().push(files.dir);
        let https = Some(([127, 0, 0, 1], 9).into());
        ready.send(Ready { https }).unwrap();
        self.on_ready.cancel();
        stop.cancelled().await;
        Ok(())
    }
}

/// A bridge that cannot start.
#[derive(Clone)]
struct Broken;

impl Bridge for Broken {
    async fn run(
        self,
        _files: Files,
        _stop: CancellationToken,
        _ready: oneshot::Sender<Ready>,
    ) -> Result<(), BoxError> {
        Err("the journal is upside down".into())
    }
}

/// A bridge that does not hear.
#[derive(Clone)]
struct Deaf(CancellationToken);

impl Bridge for Deaf {
    async fn run(
        self,
        _files: Files,
        _stop: CancellationToken,
        ready: oneshot::Sender<Ready>,
    ) -> Result<(), BoxError> {
        ready.send(Ready::default()).unwrap();
        self.0.cancel();
        std::future::pending().await
    }
}

/// Plays bridge and producer at once: gives the devices their orders and answers itself.
struct Understudy {
    peer: Peer,
    repeated: Vec<String>,
}

impl Producer for Understudy {
    async fn connect(broker_url: &str) -> Result<Self, BoxError> {
        let peer = Peer::connect(PeerOptions::new(broker_url, "understudy")).await?;
        Ok(Self { peer, repeated: Vec::new() })
    }

    async fn send(&mut self, order: &Order) -> Result<Vec<Answer>, BoxError> {
        let action = order.command["action"].as_str().unwrap_or_default();
        let known = self.repeated.contains(&order.request_id);
        self.repeated.push(order.request_id.clone());
        let (status, text, results, device) = match action {
            "query" => (
                200,
                "",
                json!({
                    "versions": ["1.1"],
                    "profiles": ["x-demo", "x-iot"],
                    "pairs": { "set": ["x-demo:note", "x-iot:light"] },
                }),
                None,
            ),
            "start" => (200, "", Value::Null, Some(("cmnd/tasmota_switch/POWER1", "ON"))),
            "stop" => (200, "", Value::Null, Some(("cmnd/tasmota_switch/POWER1", "OFF"))),
            "set" => (
                200,
                "",
                json!({ "x-iot": { "light": { "state": "on", "level": 50 } } }),
                order.command["target"]["x-iot:light"]
                    .is_object()
                    .then_some(("zigbee2mqtt/lamp/set", r#"{"state":"ON","brightness":127}"#)),
            ),
            "deny" => (
                200,
                "",
                json!({ "x-iot": { "was_on": true } }),
                Some((
                    "shellyplus1-a8032abe54dc/rpc",
                    r#"{"id":1,"src":"a","method":"Switch.Set","params":{"id":0,"on":false}}"#,
                )),
            ),
            "stopp" => (400, "no such action at /body/openc2/request/action", Value::Null, None),
            _ => (501, "", Value::Null, None),
        };
        if let Some((topic, payload)) = device.filter(|_| !known) {
            self.peer.publish(PeerMessage::new(topic, payload)).await?;
        }
        let ids: &[&str] = match order.to {
            _ if order.answers == 0 => &[],
            To::Device(id) => &[id],
            _ => &["demo-house", "demo-plug", "demo-lamp", "demo-heater"],
        };
        Ok(ids.iter().map(|id| answer(id, status, text, &results)).collect())
    }

    async fn close(self) {
        self.peer.disconnect().await;
    }
}

/// Answers 200 to everything, and does nothing.
struct Liar;

impl Producer for Liar {
    async fn connect(_broker_url: &str) -> Result<Self, BoxError> {
        Ok(Self)
    }

    async fn send(&mut self, order: &Order) -> Result<Vec<Answer>, BoxError> {
        let To::Device(id) = order.to else { return Ok(Vec::new()) };
        Ok(vec![answer(id, 200, "", &Value::Null)])
    }

    async fn close(self) {}
}

fn answer(from: &str, status: u16, text: &str, results: &Value) -> Answer {
    Answer {
        from: from.to_owned(),
        status,
        text: (!text.is_empty()).then(|| text.to_owned()),
        results: (!results.is_null()).then(|| results.clone()),
        elapsed: Duration::from_micros(1_234),
    }
}

/// Never reaches the door.
struct Nobody;

impl Caller for Nobody {
    fn new(_door: &Door) -> Result<Self, BoxError> {
        Ok(Self)
    }

    async fn call(&self, _request: &Request) -> Result<Reply, BoxError> {
        Err("there is no way".into())
    }
}

const TOUR: DemoOptions = DemoOptions {
    program: String::new(),
    port: 0,
    https_port: None,
    mode: Mode::Tour,
    style: Style::Plain,
};

#[tokio::test]
async fn a_tour_is_right_when_every_answer_and_every_device_is() {
    let bridge = Idle::default();
    let mut out = Vec::new();

    let verdict =
        run::<_, Understudy, Nobody>(TOUR, bridge.clone(), CancellationToken::new(), &mut out)
            .await;

    let out = String::from_utf8(out).unwrap();
    assert_eq!(verdict.unwrap(), Verdict::Right, "{out}");
    assert!(out.contains("\n    200  demo-plug        1.2 ms\n"), "{out}");
    assert!(out.contains("\n    the plug is {\"POWER1\":\"ON\",\"POWER2\":\"OFF\"}\n"), "{out}");
    assert!(out.contains("\nAll 10 commands ended as they should, in "), "{out}");
    assert!(!out.contains('\x1b'), "no colours were asked for");
    let folders = bridge.folders.lock().unwrap().clone();
    assert!(matches!(&*folders, [one] if one.is_absolute() && !one.exists()), "{folders:?}");
}

#[tokio::test]
async fn the_tour_of_the_gateway_is_wrong_when_nobody_answers() {
    let bridge = Idle::default();
    let mut out = Vec::new();
    let options = DemoOptions { https_port: Some(0), style: Style::Json, ..TOUR };

    let verdict =
        run::<_, Liar, Nobody>(options, bridge.clone(), CancellationToken::new(), &mut out).await;

    assert_eq!(verdict.unwrap(), Verdict::Wrong { steps: 9 }, "only the stranger may be refused");
    let lines: Vec<Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[1]["gateway"], &lines[1]["producer"]),
        (&json!("https://127.0.0.1:9"), &json!("demo-soar"))
    );
    assert_eq!((&lines[12]["steps"], &lines[12]["wrong"]), (&json!(10), &json!(9)));
    let key = lines[1]["key-file"].as_str().unwrap();
    assert!(key.ends_with("/certs/demo-soar.key") && !std::path::Path::new(key).exists(), "{key}");
    let folders = bridge.folders.lock().unwrap().clone();
    assert!(folders.len() == 2 && folders.iter().all(|folder| !folder.exists()), "{folders:?}");
}

#[tokio::test]
async fn a_tour_is_wrong_when_a_consumer_lies() {
    let mut out = Vec::new();
    let options = DemoOptions { style: Style::Json, ..TOUR };

    let verdict =
        run::<_, Liar, Nobody>(options, Idle::default(), CancellationToken::new(), &mut out).await;

    assert_eq!(verdict.unwrap(), Verdict::Wrong { steps: 9 }, "only the diary may do nothing");
    let lines: Vec<Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let wrong = |step: &Value| !step["wrong"].as_array().unwrap().is_empty();
    assert_eq!(lines[0]["consumers"][0]["id"], "demo-house");
    assert_eq!(lines[1..11].iter().filter(|step| wrong(step)).count(), 9);
    assert_eq!((&lines[11]["steps"], &lines[11]["wrong"]), (&json!(10), &json!(9)));
}

#[tokio::test]
async fn without_a_tour_it_stays_until_it_is_told_to_go() {
    let bridge = Idle::default();
    let mut out = Vec::new();
    let options = DemoOptions { mode: Mode::Stay, ..TOUR };
    let stop = CancellationToken::new();
    let (until, ready) = (stop.clone(), bridge.on_ready.clone());
    tokio::spawn(async move {
        ready.cancelled().await;
        until.cancel();
    });

    let verdict = run::<_, Liar, Nobody>(options, bridge, stop, &mut out).await;

    assert_eq!(verdict.unwrap(), Verdict::Right);
}

#[tokio::test]
async fn a_tour_that_somebody_ends_is_not_right() {
    let stop = CancellationToken::new();
    stop.cancel();
    let mut out = Vec::new();
    let verdict = run::<_, Liar, Nobody>(TOUR, Idle::default(), stop, &mut out).await;
    assert_eq!(verdict.unwrap(), Verdict::CutShort);
}

#[tokio::test]
async fn a_stop_takes_less_than_a_second_even_with_a_bridge_that_does_not_hear() {
    let is_ready = CancellationToken::new();
    let stop = CancellationToken::new();
    let (until, ready) = (stop.clone(), is_ready.clone());
    let stopping = tokio::spawn(async move {
        ready.cancelled().await;
        until.cancel();
        Instant::now()
    });
    let options = DemoOptions { mode: Mode::Stay, ..TOUR };

    run::<_, Liar, Nobody>(options, Deaf(is_ready), stop, &mut Vec::new()).await.unwrap();

    assert!(stopping.await.unwrap().elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_bridge_that_cannot_start_says_why() {
    let stop = CancellationToken::new();
    let error = run::<_, Liar, Nobody>(TOUR, Broken, stop, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(error, DemoError::Bridge { .. }));
    assert_eq!(error.to_string(), "the bridge failed: the journal is upside down");
}

#[tokio::test]
async fn the_files_are_shown_without_starting_anything() {
    let mut out = Vec::new();
    let options = DemoOptions { mode: Mode::PrintConfig, https_port: Some(0), ..TOUR };

    run::<_, Liar, Nobody>(options, Broken, CancellationToken::new(), &mut out).await.unwrap();

    let out = String::from_utf8(out).unwrap();
    for line in [
        r#"url = "mqtt://127.0.0.1:1883""#,
        r#"actuators = ["plug", "lamp", "heater", "diary"]"#,
        r#"vars = { topic = "tasmota_switch", relay = 1 }"#,
        r#"pairs = { set = ["x-demo:note"] }"#,
        r#"key-file = "/var/lib/openc2-gateway/certs/server.key""#,
        r#"match = { device = "demo-*" }"#,
    ] {
        assert!(out.lines().any(|printed| printed == line), "{line}\n{out}");
    }
}

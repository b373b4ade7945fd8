//! What is not lost: by late answers, by a broker that forgets, by callers that go away.

use serde_json::Value as Json;

use super::{Crowd, Site, soon, to, topics};
use crate::support::bridge::Bridge;
use crate::support::probe::{self, acts_in, install_in};

/// A consumer of its own, on the broker of the site, that waits at its gate.
fn consumer(site: &Site) -> Bridge {
    let topics = format!(
        "prefix = \"{}\"\n[[consumer]]\nid = \"fw-1\"\nactuators = [\"wall\"]\n{}",
        site.scene.prefix,
        probe::actuator("wall", "x-wall", "")
    );
    let url = format!("mqtt://127.0.0.1:{}", site.scene.broker.port());
    Bridge::prepare(&url, QUICK, &topics)
}

fn wait_at_the_gate(request_id: &str) -> Json {
    let mut message = to(&["fw-1"], request_id, "x-wall");
    message["body"]["openc2"]["request"]["target"]["x-probe:act"]["do"] = "wait".into();
    message
}

const ROUTE: &str = "match = { device = \"fw-*\" }";

/// A broker that comes back is found soon.
const QUICK: &str = "[mqtt]\nbackoff-min = \"100ms\"\nbackoff-max = \"200ms\"\n";

/// Not answered in time: 503, and the command stays open; who asks again later gets the answer.
#[tokio::test]
async fn a_late_answer_is_kept_for_who_asks_again() {
    let test = "a_late_answer_is_kept_for_who_asks_again";
    let topics = topics(&[&format!("{ROUTE}\nwait = \"1s\"")]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let message = to(&["fw-1"], "r-1", "x-wall");
    let waiting = site.post(&message);
    let heard = crowd.each_hears(&["fw-1"]).await;
    let reply = waiting.reply();
    super::assert_openc2(&reply, "r-1");
    assert_eq!((reply.status, reply.json()["headers"]["from"].as_str()), (503, Some("gateway-1")));
    assert!(reply.header("retry-after").is_some());
    assert_eq!(site.scene.bridge.counters()["in_progress"], 1, "it stays open");

    // Who comes again is told the same at once, long before max-wait (60 s) is over.
    let again = site.post_as("soar-1", &message.to_string(), &["--max-time", "20"]).reply();
    assert_eq!((again.status, again.header("retry-after")), (503, Some("5")));
    assert_eq!(again.body, reply.body);
    // And who says how long he will wait gets the answer when it comes.
    let waiting = site.post_as("soar-1", &message.to_string(), &["-H", "Prefer: wait=30"]);
    soon("it waits", async {
        while site.scene.bridge.status()["https"]["waiting"] != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    crowd.answers(&heard, "fw-1", 200).await;
    assert_eq!(waiting.reply().status, 200);
    site.scene.busy_with(0).await;
    let reply = site.post(&message).reply();
    assert_eq!((reply.status, reply.json()["headers"]["from"].as_str()), (200, Some("fw-1")));
}

/// A command whose answer nobody takes for long is closed, and is not sent again.
#[tokio::test]
async fn what_is_never_answered_ends_as_unknown() {
    let test = "what_is_never_answered_ends_as_unknown";
    let topics = topics(&[&format!("{ROUTE}\nwait = \"1s\"")]);
    let site = Site::prepare_with(test, "keep-for = \"1s\"", &topics).await;
    let Some(mut site) = site else { return };
    site.scene.bridge.run();
    let message = to(&["fw-1"], "r-1", "x-wall");
    assert_eq!(site.post(&message).reply().status, 503);
    site.scene.busy_with(0).await;
    let reply = site.post(&message).reply();
    assert_eq!(reply.status, 500);
    assert_eq!(reply.response()["status_text"], "no answer came within 2s: the outcome is unknown");
}

/// The broker forgets everything between command and response: the command is published
/// again under the same id, and is carried out once.
#[tokio::test]
async fn a_broker_that_forgets_is_told_again_and_the_command_acts_once() {
    let test = "a_broker_that_forgets_is_told_again_and_the_command_acts_once";
    let topics = topics(&[&format!("{ROUTE}\nwait = \"50s\"")]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    append(&site, QUICK);
    let mut consumer = consumer(&site);
    let mut gate = install_in(&consumer);
    consumer.run();
    site.scene.bridge.run();

    let waiting = site.post(&wait_at_the_gate("r-1"));
    soon("it has begun", async {
        while consumer.counters()["in_progress"] != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(site.scene.broker.kill_and_restart(false));
    let mut crowd = gather_again(&site).await;
    // Published again: somebody else hears it now, who was not there the first time.
    let heard = crowd.each_hears(&["fw-1"]).await;
    assert_eq!(heard.message["headers"]["from"], "gateway-1");
    gate.let_one_pass();
    let reply = waiting.reply();
    assert_eq!((reply.status, reply.json()["headers"]["from"].as_str()), (200, Some("fw-1")));
    assert_eq!(acts_in(&consumer, "wait"), 1);
}

/// The bridge is killed while a command is on its way, and goes on with it under the same id.
#[tokio::test]
async fn a_bridge_that_is_killed_asks_again_under_the_same_id() {
    let test = "a_bridge_that_is_killed_asks_again_under_the_same_id";
    let Some(mut site) = Site::prepare_with(test, "", &topics(&[ROUTE])).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let message = to(&["fw-1"], "r-1", "x-wall");
    let waiting = site.post(&message);
    let first = crowd.each_hears(&["fw-1"]).await;
    site.scene.bridge.kill();
    assert!(waiting.ended().is_err());
    site.scene.bridge.run();
    let second = crowd.each_hears(&["fw-1"]).await;
    assert_eq!(second.id(), first.id());
    let waiting = site.post(&message);
    crowd.answers(&second, "fw-1", 200).await;
    assert_eq!(waiting.reply().status, 200);
}

/// A caller that hangs up changes nothing, and a stop of the bridge does not wait for consumers.
#[tokio::test]
async fn a_command_goes_on_without_its_caller_and_over_a_restart() {
    let test = "a_command_goes_on_without_its_caller_and_over_a_restart";
    let Some(mut site) = Site::prepare_with(test, "", &topics(&[ROUTE])).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let (one, two) = (to(&["fw-1"], "r-1", "x-wall"), to(&["fw-1"], "r-2", "x-wall"));
    let waiting = site.post(&one);
    let heard = crowd.each_hears(&["fw-1"]).await;
    waiting.abandon();
    crowd.answers(&heard, "fw-1", 200).await;
    site.scene.busy_with(0).await;
    assert_eq!(site.post(&one).reply().status, 200);

    let waiting = site.post(&two);
    let first = crowd.each_hears(&["fw-1"]).await;
    assert!(site.scene.bridge.terminate().success());
    assert_eq!(waiting.reply().status, 503, "told to come again");
    site.scene.bridge.run();
    let second = crowd.each_hears(&["fw-1"]).await;
    assert_eq!(second.id(), first.id());
    crowd.answers(&second, "fw-1", 200).await;
    site.scene.busy_with(0).await;
    assert_eq!(site.post(&two).reply().status, 200);
}

/// Without a broker a command is refused at once; with `queue = true` it waits for one.
#[tokio::test]
async fn without_a_broker_a_command_is_refused_or_waits_as_the_route_says() {
    let test = "without_a_broker_a_command_is_refused_or_waits_as_the_route_says";
    let topics = topics(&[ROUTE, "match = { device = \"lamp-*\" }\nqueue = true\nwait = \"30s\""]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    append(&site, QUICK);
    site.scene.bridge.run();
    // A command that is answered: the connection for routes is up.
    let mut crowd = Crowd::gather(&site).await;
    let waiting = site.post(&to(&["lamp-1"], "r-0", "x-lamp"));
    let heard = crowd.each_hears(&["lamp-1"]).await;
    crowd.answers(&heard, "lamp-1", 200).await;
    assert_eq!(waiting.reply().status, 200);

    site.scene.broker.kill();
    let refused = to(&["fw-1"], "r-1", "x-wall");
    let reply = soon("it is noticed", async {
        let mut n = 0;
        loop {
            n += 1;
            let message = to(&["fw-1"], &format!("r-1-{n}"), "x-wall");
            let begun = std::time::Instant::now();
            let reply =
                site.post_as("soar-1", &message.to_string(), &["-H", "Prefer: wait=1"]).reply();
            if begun.elapsed() < std::time::Duration::from_secs(1) {
                return reply;
            }
        }
    })
    .await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert!(reply.response()["status_text"].as_str().unwrap().contains("nothing was begun"));
    let queued = site.post(&to(&["lamp-1"], "r-2", "x-lamp"));
    soon("it waits", async {
        while site.scene.journal().iter().all(|entry| entry["request_id"] != "r-2") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    site.scene.broker.restart();
    let mut crowd = gather_again(&site).await;
    let heard = crowd.hears_on("device/lamp-1").await;
    crowd.answers(&heard, "lamp-1", 200).await;
    assert_eq!(queued.reply().status, 200);
    let again = site.post(&refused);
    let heard = crowd.hears_on("device/fw-1").await;
    crowd.answers(&heard, "fw-1", 200).await;
    assert_eq!(again.reply().status, 200);
}

/// Whoever listens, once the broker is back.
async fn gather_again(site: &Site) -> Crowd {
    soon("the broker is back", async {
        let broker = ("127.0.0.1", site.scene.broker.port());
        while tokio::net::TcpStream::connect(broker).await.is_err() {
            tokio::task::yield_now().await;
        }
        Crowd::gather(site).await
    })
    .await
}

/// Adds to bridge.toml.
fn append(site: &Site, further: &str) {
    let file = site.scene.bridge.path("bridge.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n{further}")).unwrap();
}

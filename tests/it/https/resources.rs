//! Commands that are asked after: `/v1/commands` and `/v1/consumers`.

use serde_json::{Value as Json, json};

use super::route::Crowd;
use super::{Site, assert_openc2};
use crate::support::curl::{self, Reply};
use crate::support::probe::{act, acts, install};
use crate::support::scene::letter;
use crate::support::soon;

pub(super) const ASYNC: [&str; 2] = ["-H", "Prefer: respond-async"];

impl Site {
    /// Reads a resource, as this producer.
    pub(super) fn get(&self, producer: &str, path: &str) -> Reply {
        self.ask(producer, path, &[])
    }

    pub(super) fn ask(&self, producer: &str, path: &str, further: &[&str]) -> Reply {
        let mut arguments = self.as_producer(producer);
        arguments.push(self.url().replace("/.well-known/openc2", path));
        arguments.extend(further.iter().map(|&it| it.to_owned()));
        curl::begin(arguments).reply()
    }

    /// Posts a command to the gateway that nobody waits for; gives its path.
    pub(super) fn begin(&self, producer: &str, request_id: &str, what: &str) -> String {
        let mut message = letter(request_id, &act(what, "x-wall"));
        message["headers"]["from"] = json!(producer);
        let reply = self.post_as(producer, &message.to_string(), &ASYNC).reply();
        assert_eq!(
            (reply.status, reply.header("preference-applied")),
            (202, Some("respond-async"))
        );
        assert_eq!(reply.response()["status"], 102);
        reply.header("location").expect("a place to ask").to_owned()
    }
}

fn ids(page: &Json) -> Vec<&str> {
    let commands = page["commands"].as_array().expect("commands");
    commands.iter().map(|command| command["request_id"].as_str().expect("an id")).collect()
}

/// What nobody waits for is asked after: at once, and once it has ended.
#[tokio::test]
async fn a_command_that_nobody_waits_for_is_asked_after() {
    let test = "a_command_that_nobody_waits_for_is_asked_after";
    let further = "max-wait = \"20s\"\n[https.operators]\nidentities = [\"soar-2\"]\n";
    let Some(mut site) = Site::prepare(test, further).await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();

    let path = site.begin("soar-1", "r-1", "wait");
    site.scene.busy_with(1).await;
    let reply = site.get("soar-1", &path);
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let view = reply.json();
    assert!(path.ends_with(view["id"].as_str().unwrap()), "{path} {view}");
    assert_eq!((&view["state"], &view["response"]), (&json!("started"), &Json::Null), "{view}");
    assert_eq!(
        (&view["producer"], &view["command"]),
        (&json!("soar-1"), &json!("set x-probe:act"))
    );

    // The same again is told the same place, and carried out once.
    assert_eq!(site.begin("soar-1", "r-1", "wait"), path);
    // After a while it is as it is, and after its end as it was answered.
    let begun = std::time::Instant::now();
    assert_eq!(site.get("soar-1", &format!("{path}?wait=1")).json()["state"], "started");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));
    let waiting = {
        let mut arguments = site.as_producer("soar-1");
        arguments.push(site.url().replace("/.well-known/openc2", &format!("{path}?wait=20")));
        curl::begin(arguments)
    };
    soon("it waits", async {
        while site.scene.bridge.status()["https"]["waiting"] != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.let_one_pass();
    let view = waiting.reply().json();
    assert_eq!((&view["state"], &view["status"]), (&json!("ended"), &json!(200)), "{view}");
    assert_eq!(view["response"]["headers"]["request_id"], "r-1");
    assert_eq!(acts(&site.scene, "wait"), 1);
    // And whoever posts it now gets what is recorded, since that is there.
    let reply = site.post_as("soar-1", &letter("r-1", &act("wait", "x-wall")).to_string(), &ASYNC);
    let reply = reply.reply();
    assert_openc2(&reply, "r-1");
    assert_eq!((reply.status, reply.json()), (200, view["response"].clone()));

    // The other one is an operator and sees it; as a producer he has his own.
    assert_eq!(site.get("soar-2", &path).status, 200);
    let other = site.begin("soar-2", "r-2", "work");
    assert_eq!(site.get("soar-1", &other).status, 404);
    assert_eq!(site.get("stranger", &path).status, 403);
}

/// Lists have filters and pages, and show to each what is his.
#[tokio::test]
async fn commands_are_listed_in_pages_to_who_may_see_them() {
    let test = "commands_are_listed_in_pages_to_who_may_see_them";
    let further = "[https.operators]\nidentities = [\"soar-2\"]\n";
    let Some(mut site) = Site::prepare(test, further).await else { return };
    let _gate = install(&site.scene);
    site.scene.bridge.run();
    for n in 1..=5 {
        site.begin("soar-1", &format!("r-{n}"), if n == 5 { "wait" } else { "work" });
    }
    site.begin("soar-2", "s 1", "work");
    site.scene.busy_with(1).await;

    assert_eq!(
        ids(&site.get("soar-2", "/v1/commands").json()),
        ["s 1", "r-5", "r-4", "r-3", "r-2", "r-1"]
    );
    let page = site.get("soar-1", "/v1/commands?limit=3").json();
    assert_eq!(ids(&page), ["r-5", "r-4", "r-3"]);
    let next = page["next"].as_str().expect("more");
    let page = site.get("soar-1", next).json();
    assert_eq!((ids(&page), &page["next"]), (vec!["r-2", "r-1"], &Json::Null));
    #[rustfmt::skip]
    let cases = [
        // who      filter                            found
        ("soar-1", "state=pending",                   vec!["r-5"]),
        ("soar-1", "state=ended&limit=2",             vec!["r-4", "r-3"]),
        ("soar-1", "request_id=r-2",                  vec!["r-2"]),
        ("soar-1", "producer=soar-1&request_id=r-1",  vec!["r-1"]),
        ("soar-1", "consumer=lamp-2",                 vec![]),
        ("soar-2", "producer=soar-2",                 vec!["s 1"]),
        ("soar-2", "request_id=s%201",                vec!["s 1"]),
    ];
    for (who, filter, found) in cases {
        let page = site.get(who, &format!("/v1/commands?{filter}")).json();
        assert_eq!(ids(&page), found, "{who} {filter}");
    }
    let strange = "/v1/commands/00000000-0000-4000-8000-000000000000";
    #[rustfmt::skip]
    let refused = [
        ("/v1/commands?producer=soar-2",  vec![],              403),
        ("/v1/commands?limit=0",          vec![],              400),
        ("/v1/commands?limit=501",        vec![],              400),
        ("/v1/commands?state=lost",       vec![],              400),
        ("/v1/commands?sate=ended",       vec![],              400),
        ("/v1/commands?limit=1&limit=2",  vec![],              400),
        ("/v1/commands/1",                vec![],              404),
        (strange,                         vec![],              404),
        ("/v1/commands/a/b",              vec![],              404),
        ("/v1/other",                     vec![],              404),
        ("/v1/commands",                  vec!["-X", "PUT"],   405),
        ("/v1/consumers?x=1",             vec![],              400),
    ];
    for (path, further, status) in refused {
        let reply = site.ask("soar-1", path, &further);
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
    }
    let path = site.begin("soar-1", "r-9", "work");
    assert_eq!(
        site.get("soar-1", &format!("{path}?wait=3601")).status,
        400,
        "longer than max-wait"
    );
}

/// Several consumers are several commands, found together by their request id.
#[tokio::test]
async fn a_command_for_several_consumers_is_found_by_its_request_id() {
    let test = "a_command_for_several_consumers_is_found_by_its_request_id";
    let topics = "
[[consumer]]
id = \"gateway-1\"
actuators = [\"wall\"]
[[consumer]]
id = \"gateway-2\"
actuators = [\"wall\"]
"
    .to_owned()
        + &crate::support::probe::actuator("wall", "x-wall", "");
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let path = site.begin("soar-1", "r 1", "wait");
    assert_eq!(path, "/v1/commands?request_id=r%201");
    let page = site.get("soar-1", &path).json();
    let consumers: Vec<_> =
        page["commands"].as_array().unwrap().iter().map(|command| &command["consumer"]).collect();
    assert_eq!(consumers, ["gateway-2", "gateway-1"]);
    gate.let_one_pass();
    gate.let_one_pass();
    site.scene.busy_with(0).await;
}

/// Who answers the bridge's question is listed, with what it said of itself; what goes by a
/// route is published under the name that it is asked after by.
#[tokio::test]
async fn consumers_on_the_broker_are_listed_and_asked_through() {
    let test = "consumers_on_the_broker_are_listed_and_asked_through";
    let topics = super::route::topics(&["match = { device = \"fw-*\" }\nwait = \"1s\""]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let question = crowd.hears_anything().await;
    let features =
        json!({"profiles": ["slpf"], "pairs": {"deny": ["ipv4_net"]}, "versions": ["1.1"]});
    let answer = json!({"status": 200, "results": features});
    crowd.responds(&question, "fw-7", &answer).await;
    let seen = soon("it is listed", async {
        loop {
            let page = site.get("soar-1", "/v1/consumers").json();
            let consumers = page["consumers"].as_array().unwrap().clone();
            if let Some(seen) = consumers.into_iter().find(|it| it["id"] == "fw-7") {
                return seen;
            }
        }
    })
    .await;
    assert!(seen["seen_ms"].is_u64());
    assert_eq!((&seen["profiles"], &seen["pairs"]), (&features["profiles"], &features["pairs"]));

    let message = super::route::to(&["fw-1"], "r-1", "x-wall");
    let reply = site.post_as("soar-1", &message.to_string(), &ASYNC).reply();
    let path = reply.header("location").expect("a place to ask").to_owned();
    let heard = crowd.hears_on("device/fw-1").await;
    assert!(path.ends_with(heard.id()), "{path} {}", heard.id());
    crowd.answers(&heard, "fw-1", 200).await;
    let view = site.get("soar-1", &format!("{path}?wait=20")).json();
    assert_eq!((&view["state"], &view["consumer"]), (&json!("ended"), &json!("fw-1")));
    assert_eq!(view["response"]["headers"]["from"], "fw-1");
}

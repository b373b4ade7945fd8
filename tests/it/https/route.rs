//! `[[route]]`: what is posted is carried out by consumers on the broker.

mod kept;
mod late;
mod loops;
mod newcomers;

use serde_json::{Value as Json, json};

use super::{Site, assert_openc2};
use crate::support::bridge::Bridge;
use crate::support::client::Client;
use crate::support::packet::user;
use crate::support::probe::act;
use crate::support::scene::letter;
use crate::support::soon;

/// Subscription options: `QoS` 1.
const QOS_1: u8 = 1;

/// The consumers of a fan-out.
const FIVE: [&str; 5] = ["fw-1", "fw-2", "fw-3", "fw-4", "fw-5"];

/// A consumer here, and routes with these further lines.
pub(super) fn topics(routes: &[&str]) -> String {
    let mut topics = "
[[consumer]]
id = \"gateway-1\"
actuators = [\"notes\"]

[actuator.notes]
kind = \"log\"
profile = \"x-notes\"
pairs = { deny = [\"uri\"] }
"
    .to_owned();
    for route in routes {
        topics += &["[[route]]\nvia = \"mqtt\"\n", route, "\n"].concat();
    }
    topics
}

/// Consumers that do nothing but what the test says.
pub(super) struct Crowd {
    client: Client,
    prefix: String,
}

/// A command as it came.
pub(super) struct Heard {
    /// Without the prefix: `device/fw-1`.
    to: String,
    message: Json,
    hops: Option<String>,
}

impl Heard {
    pub fn id(&self) -> &str {
        self.message["headers"]["request_id"].as_str().expect("a request_id")
    }

    pub fn command(&self) -> &Json {
        &self.message["body"]["openc2"]["request"]
    }
}

impl Crowd {
    pub async fn gather(site: &Site) -> Self {
        let scene = &site.scene;
        let mut client = Client::connect(scene.broker.port(), "Crowd").await;
        client.subscribe(&format!("{}/cmd/#", scene.prefix), QOS_1).await;
        Self { client, prefix: scene.prefix.clone() }
    }

    /// The next command, but for the question of who is there.
    async fn hears(&mut self) -> Heard {
        loop {
            let heard = self.hears_anything().await;
            if !is_question(&heard) {
                return heard;
            }
        }
    }

    /// The next command on this topic.
    pub async fn hears_on(&mut self, topic: &str) -> Heard {
        loop {
            let heard = self.hears().await;
            if heard.to == topic {
                return heard;
            }
        }
    }

    pub async fn hears_anything(&mut self) -> Heard {
        let publish = self.client.message().await;
        let to = publish.topic.strip_prefix(&format!("{}/cmd/", self.prefix)).expect("a command");
        Heard {
            to: to.to_owned(),
            message: serde_json::from_slice(&publish.payload).expect("JSON"),
            hops: user(&publish.properties, "x-oc2b-hops").map(str::to_owned),
        }
    }

    /// The same command for each of these, on its own topic; gives the one of the last.
    pub async fn each_hears(&mut self, consumers: &[&str]) -> Heard {
        let mut last: Option<Heard> = None;
        for id in consumers {
            let heard = self.hears().await;
            assert_eq!(heard.to, format!("device/{id}"));
            assert!(last.is_none_or(|last| last.message == heard.message), "the same for all");
            last = Some(heard);
        }
        last.expect("somebody")
    }

    /// The same of the next command with this action; others may be published again before it.
    pub async fn each_hears_of(&mut self, action: &str, consumers: &[&str]) -> Heard {
        let mut heard = Vec::new();
        while heard.len() < consumers.len() {
            let next = self.hears().await;
            if next.command()["action"] == action {
                heard.push(next);
            }
        }
        let topics: Vec<_> = heard.iter().map(|heard| heard.to.clone()).collect();
        assert_eq!(topics, consumers.iter().map(|id| format!("device/{id}")).collect::<Vec<_>>());
        heard.pop().expect("somebody")
    }

    /// A consumer answers.
    pub async fn answers(&mut self, heard: &Heard, from: &str, status: u16) {
        let response = json!({"status": status, "status_text": format!("said {from}")});
        self.responds(heard, from, &response).await;
    }

    pub async fn responds(&mut self, heard: &Heard, from: &str, response: &Json) {
        let producer = heard.message["headers"]["from"].as_str().expect("a producer");
        let message = json!({
            "headers": {"request_id": heard.id(), "created": 1_795_466_039_961_u64, "from": from, "to": [producer]},
            "body": {"openc2": {"response": response}},
        });
        let topic = format!("{}/rsp/{producer}", self.prefix);
        let properties = crate::support::scene::declared("rsp", "json", 1);
        self.client.publish(&topic, &message.to_string(), 1, properties).await;
    }
}

/// `query features`, which a bridge with routes asks all consumers now and then.
fn is_question(heard: &Heard) -> bool {
    heard.message["body"]["openc2"]["request"]["target"]["features"].is_array()
}

pub(super) fn to(consumers: &[&str], request_id: &str, profile: &str) -> Json {
    let mut message = letter(request_id, &act("work", profile));
    message["headers"]["to"] = json!(consumers);
    message
}

fn senders(response: &Json) -> Vec<&str> {
    let responses = response["results"]["x-oc2b"]["responses"].as_array().expect("responses");
    responses.iter().map(|response| response["from"].as_str().expect("from")).collect()
}

/// Five consumers, of which one fails, one is slow and one never answers, in each mode.
#[tokio::test]
async fn a_command_for_five_is_answered_once_in_every_mode() {
    let test = "a_command_for_five_is_answered_once_in_every_mode";
    let route = |profile: &str, rest: &str| {
        format!("match = {{ device = \"fw-*\", profile = \"{profile}\" }}\n{rest}")
    };
    let routes = [
        route("x-first", "collect = \"first\"\nwait = \"30s\""),
        route("x-most", "collect = \"quorum:3\"\nwait = \"30s\""),
        route("x-all", "wait = \"4s\""),
    ];
    let topics = topics(&routes.each_ref().map(String::as_str));
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();

    let first = site.post(&to(&FIVE, "r-first", "x-first"));
    let heard = crowd.each_hears(&FIVE).await;
    let headers = &heard.message["headers"];
    assert_eq!((&headers["from"], &headers["to"]), (&json!("gateway-1"), &json!(FIVE)));
    assert_eq!(heard.hops.as_deref(), Some("1"));
    assert!(heard.id().len() == 36 && &heard.id()[14..15] == "4", "a UUID of its own");
    crowd.answers(&heard, "fw-2", 200).await;
    let reply = first.reply();
    assert_openc2(&reply, "r-first");
    let response = reply.response();
    assert_eq!((&response["status"], senders(&response)), (&json!(200), vec!["fw-2"]));
    assert_eq!(reply.json()["headers"]["from"], "gateway-1");

    let most = site.post(&to(&FIVE, "r-most", "x-most"));
    let heard = crowd.each_hears(&FIVE).await;
    for (from, status) in
        [("fw-1", 200), ("fw-1", 200), ("fw-9", 200), ("fw-3", 500), ("fw-2", 200)]
    {
        crowd.answers(&heard, from, status).await;
    }
    let reply = most.reply();
    let response = reply.response();
    assert_eq!((reply.status, senders(&response)), (200, vec!["fw-1", "fw-3", "fw-2"]));
    assert_eq!(response["status_text"], "3 of 5 answered in time, 1 failed");

    let message = to(&FIVE, "r-all", "x-all");
    let all = site.post(&message);
    let heard = crowd.each_hears(&FIVE).await;
    for (from, status) in [("fw-1", 200), ("fw-3", 500), ("fw-2", 200)] {
        crowd.answers(&heard, from, status).await;
    }
    let reply = all.reply();
    let response = reply.response();
    assert_eq!((reply.status, senders(&response)), (200, vec!["fw-1", "fw-3", "fw-2"]));
    let said = response["status_text"].as_str().unwrap();
    let begins = "3 of 5 answered in time, 1 failed; what was begun goes on";
    assert!(said.starts_with(begins), "{said}");

    // The slow one is late, and shown to who asks again; nothing is published for that.
    crowd.answers(&heard, "fw-4", 200).await;
    let again = site.post_as("soar-1", &message.to_string(), &["-H", "Prefer: wait=1"]);
    assert_eq!(senders(&again.reply().response()), ["fw-1", "fw-3", "fw-2", "fw-4"]);
    // And so is the last, whom nobody expected any more: with it, the command ends.
    crowd.answers(&heard, "fw-5", 200).await;
    site.scene.busy_with(0).await;
    let reply = site.post(&message).reply();
    assert_eq!(senders(&reply.response()).len(), 5);
    assert_eq!(reply.response()["status_text"], "5 of 5 answered, 2 late, 1 failed");
    assert_eq!(site.post(&message).reply().body, reply.body, "byte for byte from now on");
}

/// The response of the one consumer that is addressed is passed on as it is.
#[tokio::test]
async fn a_command_for_one_is_answered_by_that_one() {
    let test = "a_command_for_one_is_answered_by_that_one";
    let topics = topics(&["match = { device = \"fw-*\", from = \"soar-*\" }\non-behalf-of = true"]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();

    let mut message = to(&["fw-1"], "r-1", "x-wall");
    message["body"]["openc2"]["request"]["args"] = json!({"response_requested": "complete"});
    let waiting = site.post(&message);
    let heard = crowd.each_hears(&["fw-1"]).await;
    let headers = &heard.message["headers"];
    assert_eq!(headers["x-on-behalf-of"], "soar-1");
    assert_ne!(heard.id(), "r-1");
    assert_eq!(heard.message["body"], message["body"]);
    crowd.answers(&heard, "fw-2", 500).await;
    crowd.answers(&heard, "fw-1", 102).await;
    let said = json!({"status": 404, "status_text": "no", "results": {"x-wall": {"n": 7}}});
    crowd.responds(&heard, "fw-1", &said).await;
    let reply = waiting.reply();
    assert_openc2(&reply, "r-1");
    assert_eq!((reply.status, reply.response()), (404, said));
    let headers = &reply.json()["headers"];
    assert_eq!((&headers["from"], &headers["to"]), (&json!("fw-1"), &json!(["soar-1"])));

    // The same again is answered from the journal; another body under the same id is refused.
    assert_eq!(site.post(&message).reply().body, reply.body);
    message["body"]["openc2"]["request"]["args"] = json!({});
    assert_eq!(site.post(&message).reply().status, 400);
    let mut journal = site.scene.journal().into_iter();
    let entry = journal.find(|entry| entry["producer"] == "soar-1").expect("an entry");
    assert_eq!((&entry["producer"], &entry["request_id"]), (&json!("soar-1"), &json!("r-1")));
    assert_eq!((&entry["consumer"], &entry["actuator"]), (&json!("fw-1"), &json!("route-1")));

    // Another producer may use the same id: on MQTT it is another one.
    let mut other = to(&["fw-1"], "r-1", "x-wall");
    other["headers"]["from"] = json!("soar-2");
    let waiting = site.post_as("soar-2", &other.to_string(), &[]);
    let second = crowd.each_hears(&["fw-1"]).await;
    assert_ne!(second.id(), heard.id());
    crowd.answers(&second, "fw-1", 200).await;
    assert_openc2(&waiting.reply(), "r-1");
}

/// Where a command goes by what it says, and what becomes of it where no way leads there.
#[tokio::test]
async fn a_command_goes_where_its_address_and_the_routes_say() {
    let test = "a_command_goes_where_its_address_and_the_routes_say";
    let topics = topics(&[
        "match = { profile = \"x-lamp\", action = \"set\" }\nexpect = [\"lamp-1\", \"lamp-2\"]",
        "match = { device = \"fw-*\" }",
        "match = { device = \"*-x\" }",
    ]);
    let Some(mut site) = Site::prepare_with(test, "max-wait = \"20s\"", &topics).await else {
        return;
    };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();

    // The question who is there; one who answers it is expected from then on.
    let question = crowd.hears_anything().await;
    assert!(is_question(&question) && question.to == "all");
    let features = json!({"status": 200, "results": {"profiles": ["x-lamp"], "versions": ["1.1"]}});
    crowd.responds(&question, "lamp-3", &features).await;

    let everybody = letter("r-all", &act("work", "x-lamp"));
    let waiting = site.post(&everybody);
    let heard = crowd.hears().await;
    assert_eq!((heard.to.as_str(), &heard.message["headers"]["to"]), ("ap/x-lamp", &Json::Null));
    for lamp in ["lamp-1", "lamp-2", "lamp-3"] {
        crowd.answers(&heard, lamp, 200).await;
    }
    let reply = waiting.reply();
    assert_eq!(senders(&reply.response()), ["lamp-1", "lamp-2", "lamp-3"]);
    assert_eq!(reply.response()["status_text"], "3 of 3 answered in time");

    // One here and one elsewhere: one response for both.
    let mut both =
        letter("r-both", &json!({"action": "deny", "target": {"uri": "http://a.example"}}));
    both["headers"]["to"] = json!(["gateway-1", "fw-1"]);
    let waiting = site.post(&both);
    let heard = crowd.each_hears(&["fw-1"]).await;
    crowd.answers(&heard, "fw-1", 200).await;
    let reply = waiting.reply();
    assert_eq!(senders(&reply.response()), ["gateway-1", "fw-1"]);
    assert_eq!(reply.json()["headers"]["from"], "gateway-1", "the bridge sums up");

    // By two routes: a command for each.
    let waiting = site.post(&to(&["fw-1", "lamp-x"], "r-two", "x-wall"));
    let heard = [crowd.hears().await, crowd.hears().await];
    assert_ne!(heard[0].id(), heard[1].id());
    for heard in heard {
        let consumer = heard.to.strip_prefix("device/").expect("its own topic");
        crowd.answers(&heard, consumer, 200).await;
    }
    assert_eq!(senders(&waiting.reply().response()), ["fw-1", "lamp-x"]);

    // One here, two on the broker and one nowhere: an entry for each, and nothing is published
    // for the one that is nowhere.
    let named = ["gateway-1", "fw-1", "fw-2", "cam-1"];
    let waiting = site.post(&to(&named, "r-ghost", "x-wall"));
    let heard = crowd.each_hears(&["fw-1", "fw-2"]).await;
    assert_eq!(heard.message["headers"]["to"], json!(["fw-1", "fw-2"]));
    for firewall in ["fw-1", "fw-2"] {
        crowd.answers(&heard, firewall, 200).await;
    }
    let response = waiting.reply().response();
    assert_eq!(senders(&response), ["gateway-1", "cam-1", "fw-1", "fw-2"]);
    assert_eq!(response["status_text"], "4 of 4 answered in time, 2 failed");

    let mut signed = to(&["fw-1"], "r-signed", "x-wall");
    signed["signature"] = json!("e30..c2ln");
    let mut faulty = to(&["fw-1"], "r-faulty", "x-wall");
    faulty["body"]["openc2"]["request"]["action"] = json!("zap");
    #[rustfmt::skip]
    let refused = [
        // message                                    further                 status
        (to(&["cam-1"], "r-nobody", "x-wall"),         vec![],                 404),
        // No route leads there: the only consumer here is meant.
        (letter("r-nowhere", &act("work", "x-cam")),   vec![],                 501),
        (to(&["fw-1"], "r-far", "x-wall"),             vec!["X-OC2B-Hops: 1"], 403),
        (to(&["fw-1"], "r-long", "x-wall"),            vec!["Prefer: wait=21"], 400),
        (signed,                                       vec![],                 501),
        (faulty,                                       vec![],                 400),
    ];
    for (message, headers, status) in refused {
        let further: Vec<_> = headers.iter().flat_map(|&header| ["-H", header]).collect();
        let reply = site.post_as("soar-1", &message.to_string(), &further).reply();
        assert_eq!(reply.status, status, "{message} {headers:?} {reply:?}");
    }
    // Nothing of all that was published: the next to come is what is sent now.
    let waiting = site.post(&to(&["fw-1"], "r-last", "x-wall"));
    let heard = crowd.each_hears(&["fw-1"]).await;
    crowd.answers(&heard, "fw-1", 200).await;
    assert_eq!(waiting.reply().status, 200);
}

/// What `oc2 check` says of routes.
#[test]
fn mistakes_in_a_route_are_told() {
    let bridge = Bridge::prepare("mqtt://127.0.0.1:1", "", "");
    for (route, told) in [
        ("match = { device = \"fw-*\" }", None),
        ("match = { devise = \"fw-*\" }", Some("did you mean `device`?")),
        ("match = { action = \"denny\" }", Some("did you mean `deny`?")),
        ("collect = \"quorum:0\"", Some("quorum:N")),
        ("wait = \"2h\"", Some("route[0].wait is 2h; allowed are 1s to 1h")),
        ("expect = [\"a/b\"]", Some("route[0].expect[0]: \"a/b\" cannot be a consumer")),
        ("on-behalf = true", Some("did you mean `on-behalf-of`?")),
    ] {
        bridge.write_topics(&topics(&[route]));
        let output = check(&bridge);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(told.map_or(0, |_| 78)), "{route}: {said}");
        assert!(said.contains(told.unwrap_or_default()), "{route}: {said}");
    }
    bridge.write_topics("[[route]]\nvia = \"mqtt\"\n");
    let said = String::from_utf8(check(&bridge).stdout).unwrap();
    assert!(said.contains("producer is missing"), "{said}");
    bridge.write_topics("producer = \"soc\"\n[[route]]\nvia = \"mqtt\"\n");
    assert!(check(&bridge).status.success());
}

fn check(bridge: &Bridge) -> std::process::Output {
    let path = |name: &str| bridge.path(name).display().to_string();
    bridge.oc2(&["check", "--config", &path("bridge.toml"), "--topics", &path("topics.toml")])
}

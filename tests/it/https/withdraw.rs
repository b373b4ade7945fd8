//! Commands that are taken back: `DELETE /v1/commands/{id}`.

use serde_json::{Value as Json, json};

use super::resources::ASYNC;
use super::route::{self, Crowd};
use super::{Site, assert_openc2};
use crate::support::curl::{self, Reply, Waiting};
use crate::support::probe::{acts, install};
use crate::support::scene::letter;

impl Site {
    /// Begins to take a command back, as this producer.
    fn take_back(&self, producer: &str, path: &str, further: &[&str]) -> Waiting {
        let mut arguments = self.as_producer(producer);
        arguments.extend(["-X".to_owned(), "DELETE".to_owned()]);
        arguments.push(self.url().replace("/.well-known/openc2", path));
        arguments.extend(further.iter().map(|&it| it.to_owned()));
        curl::begin(arguments)
    }
}

fn said(reply: &Reply) -> String {
    reply.response()["status_text"].as_str().unwrap_or_default().to_owned()
}

/// A command here: what waits never begins, what has ended is told, and nobody takes back
/// what is another's, or is not there.
#[tokio::test]
async fn a_command_is_taken_back_by_its_producer() {
    let test = "a_command_is_taken_back_by_its_producer";
    let further = "[https.operators]\nidentities = [\"soar-2\"]\n";
    let topics = super::topics().replace("concurrency = 4", "concurrency = 1");
    let Some(mut site) = Site::prepare_with(test, further, &topics).await else { return };
    let _gate = install(&site.scene);
    site.scene.bridge.run();
    let at_work = site.begin("soar-1", "r-1", "wait");
    site.scene.busy_with(1).await;
    let waiting = site.begin("soar-1", "r-2", "work");

    let reply = site.take_back("soar-1", &waiting, &[]).reply();
    assert_eq!(
        (reply.status, said(&reply).as_str()),
        (200, "the command had not begun, and will not")
    );
    assert_eq!(reply.json()["headers"]["from"], "gateway-1");
    let view = site.get("soar-1", &waiting).json();
    assert_eq!((&view["state"], &view["status"]), (&json!("ended"), &json!(500)), "{view}");

    // Under an id of its own the same DELETE is answered with the same bytes; a new one is new.
    let own = ["-H", "X-Request-ID: c-1"];
    let first = site.take_back("soar-1", &waiting, &own).reply();
    assert_openc2(&first, "c-1");
    assert!(said(&first).starts_with("the command had ended with status 500"), "{first:?}");
    assert_eq!(site.take_back("soar-1", &waiting, &own).reply().body, first.body);

    let reply = site.take_back("soar-1", &at_work, &[]).reply();
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(said(&reply), "the command is at work: its actuator is told to give it up");
    site.scene.busy_with(0).await;
    let reply = site.take_back("soar-1", &at_work, &[]).reply();
    assert!(said(&reply).starts_with("the command had ended with status 500"), "{reply:?}");
    assert_eq!(acts(&site.scene, "work"), 0);

    let strange = "/v1/commands/00000000-0000-4000-8000-000000000000";
    let others = site.begin("soar-2", "s-1", "work");
    let query = format!("{at_work}?wait=1");
    let unnamed = ["-H", "X-Request-ID;"];
    #[rustfmt::skip]
    let refused = [
        ("soar-1",   strange,         &[][..],                      404),
        ("soar-1",   others.as_str(), &[][..],                      404),
        // An operator sees it, and is not its producer.
        ("soar-2",   at_work.as_str(), &[][..],                     403),
        ("stranger", at_work.as_str(), &[][..],                     403),
        ("soar-1",   query.as_str(),  &[][..],                      400),
        ("soar-1",   at_work.as_str(), &unnamed[..],                400),
        ("soar-1",   "/v1/commands",  &[][..],                      405),
    ];
    for (who, path, further, status) in refused {
        let reply = site.take_back(who, path, further).reply();
        assert_eq!(reply.status, status, "{who} {path}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
    }
    let reply = site.ask("soar-1", &at_work, &["-X", "PUT"]);
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, DELETE")));
}

/// A command that went to consumers on the broker: they are told, under the name that it has
/// there, and what they say is the answer.
#[tokio::test]
async fn a_cancel_goes_to_where_its_command_went() {
    let test = "a_cancel_goes_to_where_its_command_went";
    let topics = route::topics(&["match = { device = \"fw-*\", action = \"set\" }\nwait = \"5s\""]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let two = ["fw-1", "fw-2"];
    let message = route::to(&two, "r-1", "x-wall").to_string();
    let reply = site.post_as("soar-1", &message, &ASYNC).reply();
    let path = reply.header("location").expect("a place to ask").to_owned();
    let command = crowd.each_hears(&two).await;
    crowd.answers(&command, "fw-2", 200).await;

    // By the same route, although its match admits no cancel.
    let taking_back = site.take_back("soar-1", &path, &["-H", "X-Request-ID: c-1"]);
    let cancel = crowd.each_hears_of("cancel", &two).await;
    assert_ne!(cancel.id(), command.id());
    let request = json!({"action": "cancel", "target": {"command": command.id()}});
    assert_eq!(cancel.command(), &request);
    crowd.responds(&cancel, "fw-1", &json!({"status": 200, "status_text": "it will not"})).await;
    crowd.responds(&cancel, "fw-2", &json!({"status": 200, "status_text": "it had ended"})).await;
    let reply = taking_back.reply();
    assert_openc2(&reply, "c-1");
    assert_eq!((reply.status, said(&reply).as_str()), (200, "2 of 2 answered in time"));
    let texts: Vec<Json> = reply.response()["results"]["x-oc2b"]["responses"]
        .as_array()
        .expect("responses")
        .iter()
        .map(|response| response["status_text"].clone())
        .collect();
    assert_eq!(texts, ["it will not", "it had ended"]);

    // The command itself ends with what is said of it, and is not published again meanwhile.
    crowd.answers(&command, "fw-1", 500).await;
    let view = site.get("soar-1", &format!("{path}?wait=20")).json();
    assert_eq!((&view["state"], &view["status"]), (&json!("ended"), &json!(200)), "{view}");
    let reply = site.take_back("soar-1", &path, &[]).reply();
    assert_eq!((reply.status, &reply.json()["headers"]["from"]), (200, &json!("gateway-1")));
    assert!(said(&reply).starts_with("the command had ended with status 200"), "{reply:?}");
}

/// What a producer posts about a command, by the name that he gave it, reaches the consumers
/// that have it, by the name that it has there; whatever the routes admit, and for all of them
/// or for some.
#[tokio::test]
async fn a_posted_cancel_reaches_the_consumers_that_have_its_command() {
    let test = "a_posted_cancel_reaches_the_consumers_that_have_its_command";
    let topics =
        route::topics(&["match = { device = \"fw-*\", action = \"set\" }\nwait = \"20s\""]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let two = ["fw-1", "fw-2"];
    let message = route::to(&two, "r-1", "x-wall").to_string();
    let path = site.post_as("soar-1", &message, &ASYNC).reply();
    let path = path.header("location").expect("a place to ask").to_owned();
    let command = crowd.each_hears(&two).await;
    let about = |request_id: &str, action: &str, to: &[&str]| {
        let target = json!({"action": action, "target": {"command": "r-1"}});
        let mut message = letter(request_id, &target);
        if !to.is_empty() {
            message["headers"]["to"] = json!(to);
        }
        message
    };

    // One of them alone is asked, and told; the command goes on.
    for (request_id, action) in [("q-1", "query"), ("c-1", "cancel")] {
        let waiting = site.post(&about(request_id, action, &["fw-2"]));
        let heard = crowd.each_hears_of(action, &["fw-2"]).await;
        assert_ne!(heard.id(), command.id());
        assert_eq!(heard.command()["target"], json!({"command": command.id()}));
        crowd.responds(&heard, "fw-2", &json!({"status": 200, "status_text": "as you say"})).await;
        let reply = waiting.reply();
        assert_openc2(&reply, request_id);
        assert_eq!(
            (said(&reply).as_str(), &reply.json()["headers"]["from"]),
            ("as you say", &json!("fw-2"))
        );
    }
    assert_eq!(site.get("soar-1", &path).json()["state"], "started");

    // Another producer has no such command, and reaches nobody with it.
    let mut stranger = about("c-1", "cancel", &two);
    stranger["headers"]["from"] = json!("soar-2");
    assert_eq!(site.post_as("soar-2", &stranger.to_string(), &[]).reply().status, 404);

    // Without an address: all that have it, and it is published no more.
    let waiting = site.post(&about("c-2", "cancel", &[]));
    let heard = crowd.each_hears_of("cancel", &two).await;
    assert_eq!(heard.command()["target"], json!({"command": command.id()}));
    for from in two {
        crowd.answers(&heard, from, 200).await;
    }
    let reply = waiting.reply();
    assert_openc2(&reply, "c-2");
    assert_eq!((reply.status, said(&reply).as_str()), (200, "2 of 2 answered in time"));
    for from in two {
        crowd.answers(&command, from, 500).await;
    }
    let view = site.get("soar-1", &format!("{path}?wait=20")).json();
    assert_eq!((&view["state"], &view["status"]), (&json!("ended"), &json!(500)), "{view}");
    let reply = site.post(&about("c-3", "cancel", &two)).reply();
    assert!(said(&reply).starts_with("the command had ended with status 500"), "{reply:?}");
}

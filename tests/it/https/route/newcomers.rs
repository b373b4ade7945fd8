//! Consumers that come up after the bridge: what they have is known soon.

use serde_json::json;

use super::super::resources::ASYNC;
use super::{Crowd, Heard, Site, is_question, letter, senders, soon, to, topics};
use crate::support::probe::act;

const DEVICES: &str = "match = { device = \"fw-*\" }\nwait = \"30s\"";

const PROFILE: &str = "match = { profile = \"x-wall\" }\nwait = \"30s\"";

/// The next that is for one consumer: all are asked once more in between, if this takes long.
async fn hears_for_one(crowd: &mut Crowd) -> Heard {
    loop {
        let heard = crowd.hears_anything().await;
        if heard.to != "all" {
            return heard;
        }
    }
}

/// Who was not there for the question to all is asked when it is heard, once, and is expected
/// from then on.
#[tokio::test]
async fn who_comes_later_is_asked_by_itself_when_it_is_heard() {
    let test = "who_comes_later_is_asked_by_itself_when_it_is_heard";
    let topics = topics(&[DEVICES, PROFILE]);
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let to_all = crowd.hears_anything().await;
    assert!(is_question(&to_all) && to_all.to == "all");

    let waiting = site.post(&to(&["fw-1"], "r-1", "x-wall"));
    let heard = crowd.each_hears(&["fw-1"]).await;
    crowd.answers(&heard, "fw-1", 200).await;
    assert_eq!(waiting.reply().status, 200);
    let question = hears_for_one(&mut crowd).await;
    assert!(is_question(&question));
    assert_eq!(question.to, "device/fw-1");

    // It is heard again before it has answered, and not asked again so soon.
    for request_id in ["r-2", "r-3"] {
        let waiting = site.post(&to(&["fw-1"], request_id, "x-wall"));
        let heard = hears_for_one(&mut crowd).await;
        assert!(!is_question(&heard), "{request_id}");
        crowd.answers(&heard, "fw-1", 200).await;
        assert_eq!(waiting.reply().status, 200);
    }
    let features = json!({"profiles": ["x-wall"], "versions": ["1.1"]});
    crowd.responds(&question, "fw-1", &json!({"status": 200, "results": features})).await;
    let seen = soon("what it has is listed", async {
        loop {
            let page = site.get("soar-1", "/v1/consumers").json();
            let consumers = page["consumers"].as_array().unwrap().clone();
            if let Some(seen) = consumers.into_iter().find(|it| it["profiles"].is_array()) {
                return seen;
            }
        }
    })
    .await;
    assert_eq!((&seen["id"], &seen["profiles"]), (&json!("fw-1"), &json!(["x-wall"])));

    // Whoever has the profile is known: with its answer nobody else is waited for.
    let waiting = site.post(&letter("r-4", &act("work", "x-wall")));
    let heard = crowd.hears_on("ap/x-wall").await;
    crowd.answers(&heard, "fw-1", 200).await;
    let response = waiting.reply().response();
    assert_eq!(senders(&response), ["fw-1"]);
    assert_eq!(response["status_text"], "1 of 1 answered in time");
}

/// Who was a little late for the first question hears the second.
#[tokio::test]
async fn all_are_asked_again_soon_after_the_bridge_has_connected() {
    let test = "all_are_asked_again_soon_after_the_bridge_has_connected";
    let Some(mut site) = Site::prepare_with(test, "", &topics(&[DEVICES])).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let first = crowd.hears_anything().await;
    assert!(is_question(&first) && first.to == "all");
    // Not answered, so it is published again and again: something to hear meanwhile.
    let message = to(&["fw-9"], "r-1", "x-wall").to_string();
    assert_eq!(site.post_as("soar-1", &message, &ASYNC).reply().status, 202);
    let mut commands = 0;
    let second = loop {
        let heard = crowd.hears_anything().await;
        if is_question(&heard) {
            break heard;
        }
        commands += 1;
        assert!(commands < 5, "they were not asked again");
    };
    assert_eq!(second.to, "all");
    assert_ne!(second.id(), first.id());
}

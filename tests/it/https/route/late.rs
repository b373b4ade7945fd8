//! Answers that come after the end: of those whom nobody had to wait for.

use serde_json::{Value as Json, json};

use super::{Crowd, Heard, Site, senders, soon, to, topics};
use crate::support::curl::Event;

const THREE: [&str; 3] = ["fw-1", "fw-2", "fw-3"];

fn route(profile: &str, rest: &str) -> String {
    format!("match = {{ device = \"fw-*\", profile = \"{profile}\" }}\n{rest}")
}

/// Posts a command for three, of whom these answer at once; its path, and what they heard.
async fn answered_by(
    site: &Site,
    crowd: &mut Crowd,
    (request_id, profile): (&str, &str),
    first: &[&str],
) -> (String, Heard) {
    let waiting = site.post(&to(&THREE, request_id, profile));
    let heard = crowd.each_hears(&THREE).await;
    for from in first {
        crowd.answers(&heard, from, 200).await;
    }
    let reply = waiting.reply();
    assert_eq!((reply.status, senders(&reply.response())), (200, first.to_vec()));
    (format!("/v1/commands/{}", heard.id()), heard)
}

fn told(event: &Event) -> (&str, Option<&str>) {
    (&event.name, event.data["from"].as_str())
}

/// Who has answered, and whether late.
fn answers(view: &Json) -> Vec<(String, bool)> {
    let answers = view["answers"].as_array().expect("answers");
    let one = |it: &Json| (it["from"].as_str().unwrap().to_owned(), it["late"] == json!(true));
    answers.iter().map(one).collect()
}

/// Waits until so many answers are shown of a command.
async fn shown(site: &Site, path: &str, number: usize) -> Vec<(String, bool)> {
    soon("they are shown", async {
        loop {
            let view = site.get("soar-1", path).json();
            assert_eq!(view["state"], "ended", "{view}");
            let answers = answers(&view);
            if answers.len() >= number {
                return answers;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// With `first` and `quorum:N` the command ends before all have answered. Who answers after
/// that is kept, also over a crash: it is shown, and told to who follows, until all have.
#[tokio::test]
async fn who_answers_after_the_end_is_kept_and_told() {
    let test = "who_answers_after_the_end_is_kept_and_told";
    let routes = [
        route("x-first", "collect = \"first\"\nwait = \"30s\""),
        route("x-most", "collect = \"quorum:2\"\nwait = \"30s\""),
    ];
    let topics = topics(&routes.each_ref().map(String::as_str));
    let Some(mut site) = Site::prepare_with(test, "", &topics).await else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();

    let (path, heard) = answered_by(&site, &mut crowd, ("r-1", "x-first"), &["fw-2"]).await;
    let mut stream = site.follow("soar-1", &path, None);
    let before: Vec<_> = (0..3).map(|_| stream.next().expect("an event")).collect();
    let names: Vec<_> = before.iter().map(told).collect();
    assert_eq!(names, [("accepted", None), ("response", Some("fw-2")), ("done", None)]);
    let recorded = site.get("soar-1", &path).json()["response"].clone();

    // One who was not asked, one who has answered, and one who is late.
    crowd.answers(&heard, "fw-9", 200).await;
    crowd.answers(&heard, "fw-2", 500).await;
    crowd.answers(&heard, "fw-1", 404).await;
    let late = stream.next().expect("a late answer");
    assert_eq!(told(&late), ("late", Some("fw-1")));
    assert_eq!(
        (&late.data["status"], &late.data["status_text"]),
        (&json!(404), &json!("said fw-1"))
    );
    let both = [("fw-2".to_owned(), false), ("fw-1".to_owned(), true)];
    assert_eq!(shown(&site, &path, 2).await, both);

    // Nothing of that is in memory alone.
    site.scene.bridge.kill();
    site.scene.bridge.run();
    let mut stream = site.follow("soar-1", &path, Some(late.id));
    // Another one is answered: the routes are connected again.
    answered_by(&site, &mut crowd, ("r-0", "x-first"), &["fw-1"]).await;
    crowd.answers(&heard, "fw-3", 200).await;
    let last = stream.next().expect("the last one");
    assert_eq!(told(&last), ("late", Some("fw-3")));
    assert_eq!(stream.next(), None, "all have answered");
    let view = site.get("soar-1", &path).json();
    assert_eq!(view["answers"].as_array().unwrap().len(), 3, "{view}");
    assert_eq!((&view["status"], &view["response"]), (&json!(200), &recorded), "as it ended");

    let two = ["fw-3", "fw-1"];
    let (path, heard) = answered_by(&site, &mut crowd, ("r-2", "x-most"), &two).await;
    crowd.answers(&heard, "fw-2", 200).await;
    assert_eq!(shown(&site, &path, 3).await.last(), Some(&("fw-2".to_owned(), true)));
}

/// After `keep-for` no answer is taken any more, and who follows is told no more.
#[tokio::test]
async fn after_its_time_no_answer_is_taken() {
    let test = "after_its_time_no_answer_is_taken";
    let topics = topics(&[&route("x-first", "collect = \"first\"\nwait = \"1s\"")]);
    let Some(mut site) = Site::prepare_with(test, "keep-for = \"2s\"", &topics).await else {
        return;
    };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let (old, heard_old) = answered_by(&site, &mut crowd, ("r-1", "x-first"), &["fw-2"]).await;
    // The stream ends with the time.
    let events = site.follow("soar-1", &old, None).rest();
    let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["accepted", "response", "done"]);

    let (new, heard_new) = answered_by(&site, &mut crowd, ("r-2", "x-first"), &["fw-2"]).await;
    crowd.answers(&heard_old, "fw-1", 200).await;
    crowd.answers(&heard_new, "fw-1", 200).await;
    // They are looked at in order: when the second is there, the first has been refused.
    assert_eq!(shown(&site, &new, 2).await.len(), 2);
    assert_eq!(shown(&site, &old, 1).await, [("fw-2".to_owned(), false)]);
}

//! Commands that are followed: `/v1/commands/{id}/events`.

use serde_json::{Value as Json, json};

use super::resources::ASYNC;
use super::route::{self, Crowd};
use super::{Site, port};
use crate::support::curl::{self, Event, Stream};
use crate::support::probe::install;
use crate::support::soon;

impl Site {
    /// Follows a command, as this producer; after an event where one is given.
    pub(super) fn follow(&self, producer: &str, path: &str, after: Option<u64>) -> Stream {
        curl::follow(self.following(producer, path, after))
    }

    fn following(&self, producer: &str, path: &str, after: Option<u64>) -> Vec<String> {
        let mut arguments = self.as_producer(producer);
        if let Some(after) = after {
            arguments.extend(["-H".to_owned(), format!("Last-Event-ID: {after}")]);
        }
        arguments.push(self.url().replace("/.well-known/openc2", &format!("{path}/events")));
        arguments
    }

    /// Waits until so many commands are followed.
    async fn followed_are(&self, number: u64) {
        soon("they are followed", async {
            while self.scene.bridge.status()["https"]["followed"] != number {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn senders(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.data["from"].as_str()).collect()
}

/// Who was cut off resumes after the last event that it has, also where the bridge was killed
/// meanwhile: each event comes once, and in order.
#[tokio::test]
async fn who_follows_a_command_resumes_after_a_cut_and_after_a_crash() {
    let test = "who_follows_a_command_resumes_after_a_cut_and_after_a_crash";
    let topics = route::topics(&["match = { device = \"fw-*\" }\nwait = \"6s\""]);
    let Some(mut site) = Site::prepare_with(test, "keep-for = \"1m\"", &topics).await else {
        return;
    };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let three = ["fw-1", "fw-2", "fw-3"];
    let message = route::to(&three, "r-1", "x-wall");
    let reply = site.post_as("soar-1", &message.to_string(), &ASYNC).reply();
    let path = reply.header("location").expect("a place to ask").to_owned();

    let mut stream = site.follow("soar-1", &path, None);
    let accepted = stream.next().expect("the first event");
    assert_eq!(accepted.name, "accepted");
    assert_eq!(
        (&accepted.data["request_id"], &accepted.data["command"]),
        (&json!("r-1"), &json!("set x-probe:act"))
    );
    let heard = crowd.each_hears(&three).await;
    crowd.answers(&heard, "fw-2", 200).await;
    let first = stream.next().expect("an answer");
    assert_eq!((first.name.as_str(), &first.data["from"]), ("response", &json!("fw-2")));
    assert_eq!(
        (&first.data["status"], &first.data["status_text"]),
        (&json!(200), &json!("said fw-2"))
    );
    // The cut.
    drop(stream);
    // What there is so far is shown before the end as well.
    let view = site.get("soar-1", &path).json();
    assert_eq!((&view["state"], &view["answers"][0]["from"]), (&json!("started"), &json!("fw-2")));

    site.scene.bridge.kill();
    site.scene.bridge.run();
    let mut stream = site.follow("soar-1", &path, Some(first.id));
    let timeout = stream.next().expect("the end of the wait");
    assert_eq!((timeout.name.as_str(), &timeout.data["status"]), ("timeout", &json!(503)));
    for (from, status) in [("fw-3", 404), ("fw-1", 200), ("fw-2", 200)] {
        crowd.answers(&heard, from, status).await;
    }
    let rest = stream.rest();
    assert_eq!(names(&rest), ["late", "late", "late", "done"]);
    assert_eq!(senders(&rest), ["fw-3", "fw-1", "fw-2"]);
    let done = rest.last().expect("an end");
    assert_eq!(done.data["status"], 200);
    assert_eq!(done.data["status_text"], "3 of 3 answered, 3 late, 1 failed");
    assert_eq!(done.data["response"], site.get("soar-1", &path).json()["response"]);

    // All of it again, and nothing for who has all of it.
    let whole = site.follow("soar-1", &path, None).rest();
    let seen: Vec<_> = [accepted, first, timeout].into_iter().chain(rest.clone()).collect();
    assert_eq!(whole, seen);
    assert!(whole.is_sorted_by_key(|event| event.id), "{whole:?}");
    let again = curl::begin(site.following("soar-1", &path, Some(done.id))).reply();
    assert_eq!((again.status, again.body.as_str()), (204, ""));
}

/// A command that is carried out here is followed as well, by its producer and by operators; what
/// is wrong with the question is said.
#[tokio::test]
async fn a_command_is_followed_by_who_may_see_it() {
    let test = "a_command_is_followed_by_who_may_see_it";
    let further = "[https.operators]\nidentities = [\"soar-2\"]\n";
    let Some(mut site) = Site::prepare(test, further).await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let path = site.begin("soar-1", "r-1", "wait");
    let others = site.begin("soar-2", "r-2", "work");
    let streams = [site.follow("soar-1", &path, None), site.follow("soar-2", &path, None)];
    site.followed_are(2).await;
    gate.let_one_pass();
    for stream in streams {
        let events = stream.rest();
        assert_eq!(names(&events), ["accepted", "response", "done"]);
        assert_eq!(senders(&events), ["gateway-1"]);
        assert_eq!(
            (&events[1].data["status"], &events[2].data["status"]),
            (&json!(200), &json!(200))
        );
    }
    site.followed_are(0).await;

    let events = format!("{path}/events");
    #[rustfmt::skip]
    let refused = [
        ("soar-1",   format!("{others}/events"),                vec![],                            404),
        ("stranger", events.clone(),                            vec![],                            403),
        ("soar-1",   events.clone(),                            vec!["-H", "Last-Event-ID: last"], 400),
        ("soar-1",   events.clone(),                            vec!["-H", "Last-Event-ID: -1"],   400),
        ("soar-1",   format!("{events}?wait=1"),                vec![],                            400),
        ("soar-1",   events.clone(),                            vec!["-X", "POST"],                405),
        ("soar-1",   format!("{events}/1"),                     vec![],                            404),
        ("soar-1",   "/v1/commands//events".to_owned(),         vec![],                            404),
        ("soar-1",   format!("{}/events", path.replace('-', "")), vec![],                          404),
    ];
    for (who, path, further, status) in refused {
        let reply = site.ask(who, &path, &further);
        assert_eq!(reply.status, status, "{who} {path} {further:?}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{path}");
    }
}

/// So many are followed at the same time, half of them by one producer, and one more is told to
/// come later; an orderly stop of the bridge ends them.
#[tokio::test]
async fn only_so_many_commands_are_followed_at_a_time() {
    const MOST: usize = 64;
    let test = "only_so_many_commands_are_followed_at_a_time";
    let further = "[https.operators]\nidentities = [\"soar-2\"]\n";
    let Some(mut site) = Site::prepare(test, further).await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let path = site.begin("soar-1", "r-1", "wait");
    site.scene.busy_with(1).await;
    let url = format!("https://localhost:{}{path}/events", port(&site.scene));
    let half_of_them = |producer: &str| {
        let mut many = vec!["--parallel".to_owned(), "--parallel-immediate".to_owned()];
        many.extend(["--parallel-max".to_owned(), MOST.to_string()]);
        many.extend(site.as_producer(producer));
        many.extend(std::iter::repeat_n(url.clone(), MOST / 2));
        curl::follow(many)
    };
    let refused = |told: &str| {
        let reply = site.get("soar-1", &format!("{path}/events"));
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")), "{reply:?}");
        assert_eq!(reply.json()["detail"], told);
    };
    let mut streams = vec![half_of_them("soar-1")];
    site.followed_are(MOST as u64 / 2).await;
    refused("soar-1 follows 32 commands, and may no more");
    streams.push(half_of_them("soar-2"));
    site.followed_are(MOST as u64).await;
    refused("too many commands are followed");
    assert_eq!(site.get("soar-1", &path).status, 200, "others are answered");
    // Who goes away leaves its place.
    drop(streams);
    site.followed_are(0).await;

    let stream = site.follow("soar-1", &path, None);
    site.followed_are(1).await;
    site.scene.bridge.signal("TERM");
    assert_eq!(names(&stream.rest()), ["accepted"], "cut off at once, while the command goes on");
    gate.let_one_pass();
    assert!(site.scene.bridge.ended().success());
    let ended: Vec<Json> = site.scene.bridge.journal();
    assert_eq!(ended[0]["state"], "ended");
}

//! Room for all: no producer takes all the places of those who wait.

use super::{Site, assert_openc2};
use crate::support::curl;
use crate::support::probe::{act, install};
use crate::support::scene::letter;
use crate::support::soon;

impl Site {
    /// Waits until so many requests wait at the door.
    async fn waiting_are(&self, number: u64) {
        soon("they wait", async {
            while self.scene.bridge.status()["https"]["waiting"] != number {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

/// One producer that has its share of those who wait is told to come again; another one is
/// served meanwhile.
#[tokio::test]
async fn a_producer_that_waits_much_leaves_room_for_others() {
    let test = "a_producer_that_waits_much_leaves_room_for_others";
    let Some(mut site) = Site::prepare(test, "max-waiting-per-producer = 3").await else { return };
    let mut gate = install(&site.scene);
    site.scene.bridge.run();
    let post = |producer: &str, request_id: &str, what: &str| {
        let mut message = letter(request_id, &act(what, "x-wall"));
        message["headers"]["from"] = producer.into();
        site.post_as(producer, &message.to_string(), &[])
    };

    // Two that wait for their responses, and one for the end of a command: all are alike.
    let path = site.begin("soar-1", "r-1", "wait");
    let mut waiting: Vec<_> = ["r-2", "r-3"].map(|id| post("soar-1", id, "wait")).into();
    let mut polling = site.as_producer("soar-1");
    polling.push(site.url().replace("/.well-known/openc2", &format!("{path}?wait=30")));
    waiting.push(curl::begin(polling));
    site.waiting_are(3).await;
    let refused = post("soar-1", "r-4", "work").reply();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"), "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("soar-1 has 3 requests that wait"), "{detail}");
    assert!(detail.contains("https.max-waiting-per-producer"), "{detail}");
    assert_eq!(site.get("soar-1", &format!("{path}?wait=1")).status, 503);
    // What does not wait is answered.
    assert_eq!(site.get("soar-1", &path).status, 200);

    let served = post("soar-2", "s-1", "work").reply();
    assert_openc2(&served, "s-1");
    assert_eq!(served.status, 200);

    for _ in 0..3 {
        gate.let_one_pass();
    }
    assert!(waiting.into_iter().all(|waiting| waiting.reply().status == 200));
    site.waiting_are(0).await;
    assert_eq!(post("soar-1", "r-4", "work").reply().status, 200, "nothing was recorded of it");
}

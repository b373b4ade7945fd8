//! Everything at once: bridge and broker are killed, and the connection between them is cut.

use std::time::Duration;

use super::oracle::{Declared, Terms};
use super::scene::{CONCURRENCY, PATIENCE, Scene, has_python};
use crate::support::broker::shipped_broker;
use crate::support::proxy::Proxy;
use crate::support::random::Random;

const FAULTS: usize = 30;

/// Time between two faults.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(300);

/// Commands a second. Mosquitto, as it is shipped, writes all it holds after every change: with thousands
/// of commands waiting it takes in fewer than a hundred a second, and the run would be about that.
const RATE: u32 = 50;

/// What a producer waits for a response before it sends the command again.
const PRODUCER_WAITS: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_every_kind_together_lose_nothing_and_do_nothing_twice() {
    let test = "faults_of_every_kind_together_lose_nothing_and_do_nothing_twice";
    if !has_python(test) {
        return;
    }
    let Some(mut broker) = shipped_broker(test) else { return };
    let proxy = Proxy::start(broker.port()).await;
    let declared = Declared::NotIdempotent;
    let mut scene = Scene::start("all-at-once", declared, proxy.port(), broker.port()).await;
    let mut random = Random::for_test("all at once");
    let (mut bridge_kills, mut broker_kills, mut cuts) = (0, 0, 0);

    let sending = scene.load.keep_sending(RATE);
    for _ in 0..FAULTS {
        tokio::time::sleep(random.between(SHORTEST, LONGEST)).await;
        match random.below(4) {
            0 | 1 => {
                scene.bridge.kill();
                scene.bridge.spawn();
                bridge_kills += 1;
            }
            2 => {
                broker.kill();
                tokio::time::sleep(random.between(SHORTEST, LONGEST)).await;
                broker.restart();
                broker_kills += 1;
            }
            _ => {
                proxy.be_rude(random.below(2) == 0);
                proxy.cut();
                proxy.restore();
                cuts += 1;
            }
        }
    }
    sending.stop().await;
    let (is_answered, sent_again) =
        scene.load.is_answered_by_insisting(PRODUCER_WAITS, PATIENCE).await;

    let what = format!(
        "bridge killed {bridge_kills} times, broker {broker_kills}, connection cut {cuts}, \
         sent again {sent_again}"
    );
    let terms = Terms { declared, at_work: bridge_kills * CONCURRENCY };
    let verdict = scene.verdict(&what, terms).await;
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(scene.counters().in_progress, 0);
}

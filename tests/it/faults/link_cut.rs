//! The connection between bridge and broker fails, again and again, in every way that there is.

use std::time::{Duration, Instant};

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, Scene, Setting, Sum, has_python};
use crate::support::broker::quick_broker;
use crate::support::packet::Packet;
use crate::support::proxy::Proxy;
use crate::support::random::Random;
use crate::support::reliability::times;
use crate::support::soon;

/// Commands a second.
const RATE: u32 = 100;

/// Faults, and those of a long run: as many of each kind.
const FAULTS: usize = 20;
const MANY_FAULTS: usize = 200;

/// How long a fault lasts. A stalled connection that heals in this time goes on.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(400);

/// Between two attempts to connect: the waits of the bridge are from one second to two.
const APART: Duration = Duration::from_secs(1);

/// From the end of a fault to a connection.
const BACK: Duration = Duration::from_secs(3);

/// What is more than the bridge needs itself: this machine has much else to do.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    /// Ends in order, and what was under way arrives.
    Cut,
    /// Ends with a reset, and what the proxy had taken over is lost.
    Reset,
    /// Stays, and moves nothing for a while.
    Stall,
    /// Stays, and is dead; the bridge has to find that out.
    HalfOpen,
}

const KINDS: [Fault; 4] = [Fault::Cut, Fault::Reset, Fault::Stall, Fault::HalfOpen];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_fails_in_every_way_loses_nothing_and_keeps_its_session() {
    let test = "a_connection_that_fails_in_every_way_loses_nothing_and_keeps_its_session";
    if !has_python(test) {
        return;
    }
    let Some(broker) = quick_broker(test) else { return };
    let proxy = Proxy::start(broker.port()).await;
    let declared = Declared::NotIdempotent;
    let setting = Setting { is_patient: true, ..Setting::of(declared) };
    let mut scene = Scene::set_up("link-cut", setting, proxy.port(), broker.port()).await;
    scene.bridge.run();
    let mut random = Random::for_test("connection fails");
    let faults = times(FAULTS, MANY_FAULTS);
    let mut slowest = Duration::ZERO;

    let sending = scene.load.keep_sending(RATE);
    for number in 0..faults {
        // A reset concerns the connection that is made next: it comes after a cut.
        let kind = KINDS[number % KINDS.len()];
        let before = connections(&proxy);
        match kind {
            Fault::Cut | Fault::Reset => proxy.cut(),
            Fault::Stall => proxy.stall(),
            Fault::HalfOpen => proxy.half_open(),
        }
        proxy.be_rude(kind == Fault::Cut);
        tokio::time::sleep(random.between(SHORTEST, LONGEST)).await;
        let healed = Instant::now();
        proxy.restore();
        if kind != Fault::Stall {
            soon("connected again", async {
                while connections(&proxy) == before {
                    tokio::time::sleep(SHORTEST).await;
                }
            })
            .await;
            // That a connection is dead is found out first, by its silence.
            if kind != Fault::HalfOpen {
                slowest = slowest.max(healed.elapsed());
            }
        }
    }
    sending.stop().await;
    let is_answered = scene.load.is_answered_within(PATIENCE).await;

    let link = scene.bridge.status()["mqtt"]["link"].clone();
    let attempts = proxy.attempts();
    let closest = attempts.windows(2).map(|two| two[1] - two[0]).min().unwrap_or_default();
    let verdict = scene.verdict("connection fails", Terms { declared, at_work: 0 }).await;
    let mut sum = Sum::default();
    sum.add(&verdict);
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    sum.print(
        7,
        format!("connection cut, reset, stalled and half-open, {faults} times in all"),
        declared,
        &[
            ("attempts to connect", &attempts.len()),
            ("closest", &seconds(closest)),
            ("back after", &seconds(slowest)),
        ],
    );
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(link["sessions_lost"], 0, "{link}");
    assert!(link["failed"].as_u64() >= Some(faults as u64 / 2), "{link}");
    assert!(closest >= APART, "two attempts in {closest:?}");
    assert!(slowest <= BACK + GRACE, "back after {slowest:?}");
    let counters = scene.counters();
    assert_eq!(counters.in_progress, 0);
    assert_eq!(counters.received - counters.repeated, verdict.sent as u64, "{counters:?}");
}

/// Connections that the broker has accepted.
fn connections(proxy: &Proxy) -> usize {
    let is_accepted = |packet: &Packet| matches!(packet, Packet::ConnAck { .. });
    proxy.seen().iter().filter(|seen| is_accepted(&seen.packet)).count()
}

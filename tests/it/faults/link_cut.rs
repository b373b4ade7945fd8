//! The connection between bridge and broker fails, again and again, in every way that there is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::oracle::{Declared, Terms};
use super::scene::{PATIENCE, Scene, Setting, Sum, has_python};
use crate::support::broker::quick_broker;
use crate::support::packet::Packet;
use crate::support::proxy::{Proxy, Seen};
use crate::support::random::Random;
use crate::support::reliability::times;

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

/// From the end of a fault until a command comes through and is acknowledged, without what the
/// bridge waited for a processor that others had.
const BACK: Duration = Duration::from_secs(3);

/// How long it takes to notice that a connection is dead, by its silence alone: two and a half
/// times the keep-alive of a patient scene.
const NOTICED: Duration = Duration::from_secs(5);

/// Between two looks at what came by.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
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
    let mut slowest: BTreeMap<Fault, Duration> = BTreeMap::new();

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
        let (healed, waited) = (Instant::now(), scene.bridge.waited_for_a_processor());
        proxy.restore();
        let back = timeout(PATIENCE, async {
            while !comes_through(&proxy, healed) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        assert!(back.await.is_ok(), "{kind:?}: nothing comes through");
        let waited = scene.bridge.waited_for_a_processor().saturating_sub(waited);
        let its = slowest.entry(kind).or_default();
        *its = healed.elapsed().saturating_sub(waited).max(*its);
        if kind != Fault::Stall {
            assert!(connections(&proxy) > before, "{kind:?}: it is the same connection");
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
            ("back after a cut", &seconds(slowest[&Fault::Cut])),
            ("a reset", &seconds(slowest[&Fault::Reset])),
            ("a stall", &seconds(slowest[&Fault::Stall])),
            ("half-open, found out by its silence,", &seconds(slowest[&Fault::HalfOpen])),
        ],
    );
    assert_eq!(verdict.breaches, [].into());
    assert!(is_answered);
    assert_eq!(link["sessions_lost"], 0, "{link}");
    assert!(link["failed"].as_u64() >= Some(faults as u64 / 2), "{link}");
    assert!(closest >= APART, "two attempts in {closest:?}");
    for (kind, back) in slowest {
        let noticed = if kind == Fault::HalfOpen { NOTICED } else { Duration::ZERO };
        assert!(back <= noticed + BACK, "{kind:?}: back after {back:?}");
    }
    let counters = scene.counters();
    assert_eq!(counters.in_progress, 0);
    assert_eq!(counters.received - counters.repeated, verdict.sent as u64, "{counters:?}");
}

/// Whether a command has reached the bridge after this moment, and its PUBACK has come back.
fn comes_through(proxy: &Proxy, healed: Instant) -> bool {
    let mut delivered = BTreeSet::new();
    proxy.seen_after(healed).iter().any(|Seen { is_up, connection, packet, .. }| match packet {
        Packet::Publish(publish) if !is_up => {
            delivered.insert((*connection, publish.packet));
            false
        }
        Packet::PubAck { packet, .. } if *is_up => delivered.contains(&(*connection, *packet)),
        _ => false,
    })
}

/// Connections that the broker has accepted.
fn connections(proxy: &Proxy) -> usize {
    let is_accepted = |packet: &Packet| matches!(packet, Packet::ConnAck { .. });
    proxy.seen().iter().filter(|seen| is_accepted(&seen.packet)).count()
}

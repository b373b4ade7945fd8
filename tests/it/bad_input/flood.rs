//! A thousand bad messages, and then a good one.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::cases::{Case, cases};
use super::{WAYS, Way, topics};
use crate::support::packet::Publish;
use crate::support::probe::{act, install};
use crate::support::scene::{Scene, letter, well_formed};

/// Bad messages in one go.
const MESSAGES: usize = 1_000;

/// Messages between two markers: fewer than any broker queues for a client.
const AT_A_TIME: usize = 50;

/// What the bridge may keep of a thousand bad messages, in bytes.
const GROWTH_BYTES: u64 = 4 * 1024 * 1024;

/// A good command that comes after them is answered within this time.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Every kind of message there is to choose from.
enum Kind {
    Case(Box<Case>, Way),
    /// Retained at the broker as well.
    Retained,
    /// Of the one before it, which did nothing either.
    Repetition,
    OtherContent,
    /// The probe does this, with this profile.
    Act(&'static str, &'static str),
    /// More than it may be asked in a minute.
    Limited,
}

fn kinds() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for case in cases() {
        for way in WAYS.into_iter().filter(|way| case.can_go(*way)) {
            kinds.push(Kind::Case(Box::new(case.clone()), way));
        }
    }
    // Often enough that a thousand hold some of each.
    for _ in 0..16 {
        kinds.extend([Kind::Retained, Kind::Repetition, Kind::OtherContent, Kind::Limited]);
        kinds.push(Kind::Act("fail", "x-probe"));
        kinds.push(Kind::Act("garbage", "x-probe"));
        kinds.push(Kind::Act("hang", "x-dead"));
        // Never let through: its queue is full after the second.
        kinds.push(Kind::Act("wait", "x-slow"));
    }
    kinds
}

impl Kind {
    /// The last part of the topic, and the PUBLISH.
    fn publish(&self, id: &str, before: &str) -> (&'static str, Publish) {
        let gateway = "device/gateway-1";
        let scan = |what: &str| json!({"action": "scan", "target": {"x-probe:act": what}});
        let of = |id: &str, command: &Json| well_formed(&letter(id, command));
        match self {
            Self::Case(case, way) => (gateway, case.publish(*way, id)),
            Self::Retained => (gateway, Publish { retain: true, ..of(id, &scan(id)) }),
            Self::Repetition => (gateway, of("the-same", &scan("the same"))),
            Self::OtherContent => (gateway, of("the-same", &scan(before))),
            Self::Act(what, profile) => (gateway, of(id, &act(what, profile))),
            Self::Limited => ("device/limited", of(id, &scan(id))),
        }
    }
}

/// Numbers that look like chance and are the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

#[tokio::test]
async fn a_thousand_bad_messages_leave_nothing_behind_in_memory() {
    let test = "a_thousand_bad_messages_leave_nothing_behind_in_memory";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics()).await else { return };
    let mut gate = install(&scene);
    scene.bridge.run();

    // The owner of the id that is repeated.
    let (to, publish) = Kind::Repetition.publish("", "");
    scene.post(1, to, publish).await;
    let (kinds, mut chance) = (kinds(), Chance(0x0C2_0C2_0C2));
    flood(&mut scene, &kinds, &mut chance, "warm-up").await;
    let before = scene.bridge.resident_bytes();
    flood(&mut scene, &kinds, &mut chance, "flood").await;

    let asked = Instant::now();
    let command = letter("good", &act("work", "x-probe"));
    scene.send("device/gateway-1", &command).await;
    scene.answered("good", 200).await;
    let took = asked.elapsed();
    let after = scene.bridge.resident_bytes();
    eprintln!("resident: {before} bytes, then {after}; the good command took {took:?}");
    assert!(took < AT_ONCE, "{took:?}");
    assert!(after < before + GROWTH_BYTES, "grew from {before} to {after} bytes");

    for _ in 0..2 {
        gate.let_one_pass();
    }
    let answers = scene.until_idle().await;
    assert_eq!(answers.len(), 2, "those that waited at the gate: {answers:?}");
    let counters = scene.settled().await;
    for class in ["answered", "silent", "refused", "repeated", "dropped", "unread"] {
        assert!(counters[class].as_u64() > Some(20), "{class}: {counters}");
    }
    let nothing = Publish { retain: true, qos: 1, ..Publish::default() };
    scene.post(1, "device/gateway-1", nothing).await;
}

/// Publishes a seeded mix, and takes in what comes back.
async fn flood(scene: &mut Scene, kinds: &[Kind], chance: &mut Chance, name: &str) {
    let mut before = String::new();
    for number in 0..MESSAGES {
        let id = format!("{name}-{number}");
        let (to, publish) = kinds[chance.below(kinds.len())].publish(&id, &before);
        scene.post(1, to, publish).await;
        if number % AT_A_TIME == AT_A_TIME - 1 {
            scene.until_marker().await;
        }
        before = id;
    }
    // All but those at the gate.
    scene.busy_with(2).await;
    scene.until_marker().await;
}

//! Who lives in the simulated house, and the messages that producers choose from.
//!
//! Every script draws from the same messages, so that each is read once and
//! not a million times; what differs is who sends which of them, when, and how often.

use std::collections::BTreeMap;

use bytes::Bytes;
use openc2_bridge::dispatch::{
    ActuatorFace, Address, Consumer, Declared, Dispatcher, House, Inbound, Opened, OutboxId,
    Receipt, Rules, Ticket,
};
use openc2_bridge::language::{Library, Version};
use openc2_bridge::openc2::{Members, Pairs};
use serde_json::json;

/// What time it is when a script begins, in milliseconds since 1970-01-01T00:00:00Z.
pub const BEGINNING_MS: u64 = 1_700_000_000_000;

/// The consumers; a case is a slot and one of them.
pub const CONSUMERS: [&str; 2] = ["c1", "c2"];

/// Request ids of commands that stand for themselves.
const PLAIN: usize = 40;

/// Request ids there are: the others are of commands about commands.
pub const SLOTS: usize = PLAIN + ABOUT.len();

/// What is wanted of another command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    Cancel,
    Query,
}

/// Commands about others, by the slot of the other one. Some are cancelled twice.
const ABOUT: [(Wish, usize); 24] = [
    (Wish::Cancel, 0),
    (Wish::Cancel, 1),
    (Wish::Cancel, 2),
    (Wish::Cancel, 3),
    (Wish::Cancel, 4),
    (Wish::Cancel, 5),
    (Wish::Cancel, 6),
    (Wish::Cancel, 32),
    (Wish::Cancel, 33),
    (Wish::Cancel, 34),
    (Wish::Cancel, 35),
    (Wish::Cancel, 36),
    (Wish::Cancel, 37),
    (Wish::Cancel, 38),
    (Wish::Cancel, 39),
    (Wish::Cancel, 0),
    (Wish::Cancel, 1),
    (Wish::Cancel, 36),
    (Wish::Query, 0),
    (Wish::Query, 1),
    (Wish::Query, 2),
    (Wish::Query, 3),
    (Wish::Query, 33),
    (Wish::Query, 36),
];

/// A request id at a consumer: what has one outcome.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Case(u8);

impl Case {
    pub const COUNT: usize = SLOTS * CONSUMERS.len();

    /// The case with this index.
    pub fn number(index: usize) -> Self {
        Self::at(index / CONSUMERS.len(), index % CONSUMERS.len())
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Of a request id of ours, and the consumer it went to.
    pub fn of(request_id: &str, consumer: &str) -> Option<Self> {
        let slot: usize = request_id.get(3..5)?.parse().ok()?;
        let consumer = CONSUMERS.iter().position(|id| *id == consumer)?;
        (slot < SLOTS).then(|| Self::at(slot, consumer))
    }

    /// Whether an actuator carries it out that may do so twice.
    pub fn is_idempotent(self) -> bool {
        self.plan().actuator == Some("lamp")
    }

    /// Whether an actuator carries it out.
    pub fn is_carried_out(self) -> bool {
        self.plan().actuator.is_some()
    }

    /// From when on it may begin.
    pub fn start_ms(self) -> Option<u64> {
        self.plan().start_after_ms.map(|after_ms| BEGINNING_MS + after_ms)
    }

    /// Whether its actuator can say after a crash what it has done.
    pub fn can_be_asked(self) -> bool {
        self.plan().actuator == Some("safe")
    }

    /// Whether its effect is to end.
    pub fn is_to_stop(self) -> bool {
        self.plan().duration_ms.is_some()
    }

    /// When its effect is to end, at the soonest: no command came before `earliest_ms`.
    pub fn stop_ms(self, earliest_ms: u64) -> Option<u64> {
        Some(self.start_ms().unwrap_or(earliest_ms) + self.plan().duration_ms?)
    }

    /// What it wants of which other one, if it is about one.
    pub fn about(self) -> Option<(Wish, Self)> {
        let (wish, slot) = about(self.slot())?;
        Some((wish, Self::at(slot, self.index() % CONSUMERS.len())))
    }

    /// Whether its actuator can give it up. What is for every gate goes to the vault at the
    /// consumer that has one.
    pub fn can_be_given_up(self) -> bool {
        let has_vault = self.index() % CONSUMERS.len() == 1;
        self.is_carried_out() && !(has_vault && self.plan().target == "x-gate:state")
    }

    fn plan(self) -> Plan {
        Plan::of(self.slot())
    }

    fn slot(self) -> usize {
        self.index() / CONSUMERS.len()
    }

    fn at(slot: usize, consumer: usize) -> Self {
        let index = slot * CONSUMERS.len() + consumer;
        Self(u8::try_from(index).expect("there are fewer than 256"))
    }
}

/// What a producer wants to hear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wants {
    /// The final response.
    Final,
    /// One response with status 102, and no other.
    Ack,
    Nothing,
}

/// A message that can be sent.
pub struct Letter {
    /// As the quiet room has read it.
    pub opened: Opened,
    /// The cases it makes; none where it is nothing that may be answered.
    pub cases: Vec<Case>,
    pub wants: Wants,
    /// It has a request id, so that its record can be told from others.
    pub is_known: bool,
}

/// Everything that is the same in all scripts.
pub struct Pool {
    pub house: House,
    pub letters: Vec<Letter>,
}

impl Pool {
    pub fn new() -> Self {
        let house = house();
        let reader = Dispatcher::new(house.clone(), Rules::default(), Ticket(0), OutboxId(0));
        let mut letters: Vec<Letter> =
            (0..SLOTS).flat_map(|slot| letters_of(slot, &reader)).collect();
        letters.push(unreadable(&reader));
        Self { house, letters }
    }
}

/// The lamp is idempotent, the others are not; the safe can be asked after a crash what it has
/// done; all but the vault can give up what they are at. Queues are short, so that they are full
/// now and then.
fn house() -> House {
    let consumer = |id: &str, actuators: &[&str]| Consumer {
        id: id.to_owned(),
        actuators: actuators.iter().map(|name| (*name).to_owned()).collect(),
        versions: vec![Version::V1_1],
        rate_limit: None,
    };
    let gate = face("x-gate", "x-gate:state", 1, 3);
    let vault = face("x-gate", "x-gate:state", 2, 6);
    let safe = face("x-safe", "x-safe:state", 1, 3);
    let lamp = face("x-lamp", "x-lamp:level", 2, 3);
    House {
        consumers: [
            consumer(CONSUMERS[0], &["gate", "lamp"]),
            consumer(CONSUMERS[1], &["vault", "safe"]),
        ]
        .into_iter()
        .collect(),
        actuators: BTreeMap::from([
            ("gate".to_owned(), gate),
            ("vault".to_owned(), ActuatorFace { cancels: Pairs::new(), ..vault }),
            (
                "lamp".to_owned(),
                ActuatorFace { idempotent: true, stops: lamp.pairs.clone(), ..lamp },
            ),
            (
                "safe".to_owned(),
                ActuatorFace { stops: safe.pairs.clone(), probes: safe.pairs.clone(), ..safe },
            ),
        ]),
        routes: Vec::new(),
        producer: None,
        library: Library::built_in(),
    }
}

fn face(profile: &str, target: &str, concurrency: usize, queue: usize) -> ActuatorFace {
    let set = "set".parse().expect("an action");
    let pairs = BTreeMap::from([(set, vec![target.parse().expect("a target")])]);
    ActuatorFace {
        profile: profile.to_owned(),
        cancels: pairs.clone(),
        pairs,
        specifiers: Members::new(),
        idempotent: false,
        concurrency,
        queue,
        stops: Pairs::new(),
        probes: Pairs::new(),
        enforces_time: false,
    }
}

/// Whom a message is for, and what it wants.
#[derive(Clone, Copy)]
struct Plan {
    to: To,
    target: &'static str,
    /// Who carries it out; `None` where nobody does.
    actuator: Option<&'static str>,
    wants: &'static str,
    start_after_ms: Option<u64>,
    duration_ms: Option<u64>,
    is_retained: bool,
}

#[derive(Clone, Copy)]
enum To {
    /// One of [`CONSUMERS`].
    One(usize),
    /// Those with a gate: both.
    Gates,
    All,
}

impl Plan {
    fn of(slot: usize) -> Self {
        let plain = Self {
            to: To::One(0),
            target: "x-gate:state",
            actuator: Some("gate"),
            wants: "complete",
            start_after_ms: None,
            duration_ms: None,
            is_retained: false,
        };
        let lamp = Self { target: "x-lamp:level", actuator: Some("lamp"), ..plain };
        let vault = Self { to: To::One(1), actuator: Some("vault"), ..plain };
        let safe = Self { target: "x-safe:state", actuator: Some("safe"), ..vault };
        let nobody = Self { to: To::One(1), actuator: None, ..plain };
        if let Some((_, other)) = about(slot) {
            return Self { to: Self::of(other).to, ..nobody };
        }
        match (slot / 8, slot % 8) {
            (4, 0) => Self { start_after_ms: Some(4_000), ..lamp },
            (4, 1) => Self { start_after_ms: Some(2_000), ..plain },
            (4, 2) => Self { start_after_ms: Some(6_000), wants: "status", ..plain },
            (4, 3) => Self { duration_ms: Some(5_000), ..lamp },
            (4, 4) => Self { duration_ms: Some(5_000), ..safe },
            (4, 5) => Self { start_after_ms: Some(3_000), duration_ms: Some(4_000), ..safe },
            (4, 6) => Self { wants: "status", ..safe },
            (4, _) => safe,
            (_, 0) => plain,
            (_, 1) => lamp,
            (_, 2) => vault,
            (_, 3) => Self { to: To::Gates, ..plain },
            (_, 4) => Self { wants: "status", ..lamp },
            (0 | 2, 5) => Self { wants: "ack", ..plain },
            (_, 5) => Self { wants: "none", ..plain },
            (_, 6) => Self { to: To::All, wants: "status", ..plain },
            (0, _) => Self { to: To::One(0), target: FEATURES, ..nobody },
            // c2 has no lamp: 501. And what nobody can read: 400.
            (1, _) => Self { target: "x-lamp:level", ..nobody },
            (2, _) => Self { target: "", ..nobody },
            (_, _) => Self { is_retained: true, ..nobody },
        }
    }

    fn address(self) -> Address {
        match self.to {
            To::One(at) => Address::Device(CONSUMERS[at].to_owned()),
            To::Gates => Address::Profile("x-gate".to_owned()),
            To::All => Address::All,
        }
    }

    fn cases(self, slot: usize) -> Vec<Case> {
        let is_for = |consumer: usize| match self.to {
            To::One(one) => consumer == one,
            To::Gates | To::All => true,
        };
        let consumers = (0..CONSUMERS.len()).filter(|consumer| is_for(*consumer));
        consumers.filter(|_| !self.is_retained).map(|at| Case::at(slot, at)).collect()
    }
}

/// What every consumer answers itself.
const FEATURES: &str = "features";

/// What the command of a slot wants of the one of which other slot.
fn about(slot: usize) -> Option<(Wish, usize)> {
    ABOUT.get(slot.checked_sub(PLAIN)?).copied()
}

/// The message of a slot, and where it makes sense one with other content under its name.
fn letters_of(slot: usize, reader: &Dispatcher) -> Vec<Letter> {
    let plan = Plan::of(slot);
    let Plan { wants, start_after_ms, duration_ms, is_retained, .. } = plan;
    let letter = |value: usize| {
        let (action, target) = match (about(slot), plan.target) {
            (Some((Wish::Cancel, other)), _) => ("cancel", json!({"command": request_id(other)})),
            (Some((Wish::Query, other)), _) => ("query", json!({"command": request_id(other)})),
            (None, FEATURES) => ("query", json!({FEATURES: ["pairs"]})),
            (None, "") => ("set", json!({})),
            (None, name) => ("set", json!({ name: value })),
        };
        let mut args = json!({"response_requested": wants});
        if let Some(after_ms) = start_after_ms {
            args["start_time"] = (BEGINNING_MS + after_ms).into();
        }
        if let Some(duration_ms) = duration_ms {
            args["duration"] = duration_ms.into();
        }
        let message = json!({
            "headers": {"request_id": request_id(slot), "created": BEGINNING_MS, "from": producer(slot)},
            "body": {"openc2": {"request": {"action": action, "target": target, "args": args}}},
        });
        let payload = message.to_string().into_bytes().into();
        Letter {
            opened: reader.open(inbound(plan.address(), payload, is_retained)),
            cases: plan.cases(slot),
            wants: match wants {
                "ack" => Wants::Ack,
                "none" => Wants::Nothing,
                _ => Wants::Final,
            },
            is_known: !is_retained,
        }
    };
    let mut letters = vec![letter(slot)];
    if slot < 32 && slot % 8 < 3 {
        letters.push(letter(99));
    }
    letters
}

fn unreadable(reader: &Dispatcher) -> Letter {
    let payload = Bytes::from_static(b"{\"headers\": ");
    let opened = reader.open(inbound(Address::All, payload, false));
    let (cases, wants) = (Vec::new(), Wants::Nothing);
    Letter { opened, cases, wants, is_known: false }
}

/// A command about another one has the same producer.
fn producer(slot: usize) -> &'static str {
    let slot = about(slot).map_or(slot, |(_, other)| other);
    if slot.is_multiple_of(2) { "p0" } else { "p1" }
}

fn request_id(slot: usize) -> String {
    format!("{}-{slot:02}", producer(slot))
}

fn inbound(address: Address, payload: Bytes, retained: bool) -> Inbound {
    Inbound {
        receipt: Receipt(0),
        address,
        payload,
        declared: Declared {
            content_type: Some("application/openc2".to_owned()),
            msg_type: Some("req".to_owned()),
            encoding: Some("json".to_owned()),
            is_utf8: Some(true),
            has_response_topic: false,
            ..Declared::default()
        },
        retained,
        received_ms: 0,
        caller: None,
    }
}

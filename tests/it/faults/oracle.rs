//! The promise as a pure function: what was sent, done, answered and recorded, and where it was broken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What was seen of a run, from outside.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// `request_id` of every command that was sent, each once.
    pub sent: BTreeSet<String>,
    /// `request_id` of every effect, in order, from the disk.
    pub effects: Vec<String>,
    /// Every response, in order, as often as it came.
    pub answers: Vec<Answer>,
    /// `request_id` of every command in the journal, without the repetitions it knew as such.
    pub recorded: Vec<String>,
}

/// A response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    pub request_id: String,
    pub status: u64,
    pub text: String,
    /// The whole message.
    pub payload: Vec<u8>,
}

impl Answer {
    /// Reads a response off the wire.
    pub fn read(payload: &[u8]) -> Self {
        let message: Value = serde_json::from_slice(payload).expect("a response is JSON");
        let response = &message["body"]["openc2"]["response"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            request_id: text(&message["headers"]["request_id"]),
            status: response["status"].as_u64().expect("a response has a status"),
            text: text(&response["status_text"]),
            payload: payload.to_vec(),
        }
    }

    fn is_final(&self) -> bool {
        self.status != 102
    }

    fn is_in_doubt(&self) -> bool {
        self.status == 500 && self.text.contains("the outcome is unknown")
    }
}

/// What the actuator of a run was declared to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Declared {
    Idempotent,
    NotIdempotent,
}

/// What may be interrupted in a run.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub declared: Declared,
    /// Commands that can have been at work when the bridge was killed, over all kills.
    pub at_work: usize,
}

/// Where the promise was broken.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Breach {
    /// A command that was never answered.
    Unanswered(String),
    /// Answered 200, and nothing happened.
    WithoutEffect(String),
    /// Two effects, where one is all that is allowed.
    Twice(String),
    /// More commands were run again than can have been at work.
    RunAgain { commands: usize, at_work: usize },
    /// An effect or a response that nobody asked for.
    Unasked(String),
    /// Two final responses that are not the same message.
    Contradiction(String),
    /// A final response that is neither 200 nor "in doubt".
    Refused(String, u64),
    /// "In doubt", where the command should have been run again.
    NeedlessDoubt(String),
    /// More doubts than commands can have been at work.
    TooManyDoubts { commands: usize, at_work: usize },
    /// Sent and answered, and not in the journal.
    NotRecorded(String),
    /// In the journal as two commands.
    RecordedTwice(String),
}

/// Figures of a run, and its breaches.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub sent: usize,
    /// Commands with status 200.
    pub done: usize,
    /// Commands with 500 "in doubt".
    pub in_doubt: usize,
    /// Commands with more than one effect.
    pub twice: usize,
    /// Commands without a final response.
    pub lost: usize,
    pub breaches: BTreeSet<Breach>,
}

impl Verdict {
    /// Takes out the refusals with this status, where they are what is promised, and counts them.
    pub fn take_refusals(&mut self, status: u64) -> usize {
        let before = self.breaches.len();
        self.breaches
            .retain(|breach| !matches!(breach, Breach::Refused(_, with) if *with == status));
        before - self.breaches.len()
    }
}

/// Holds the evidence against the promise.
pub fn judge(evidence: &Evidence, terms: Terms) -> Verdict {
    let Evidence { sent, effects, answers, recorded } = evidence;
    let mut breaches = BTreeSet::new();

    let mut first: BTreeMap<&str, &Answer> = BTreeMap::new();
    for answer in answers.iter().filter(|answer| answer.is_final()) {
        let id = answer.request_id.as_str();
        let earlier = first.entry(id).or_insert(answer);
        if earlier.payload != answer.payload {
            breaches.insert(Breach::Contradiction(id.to_owned()));
        }
    }
    let effects = count(effects);
    let recorded = count(recorded);
    for id in first.keys().chain(effects.keys()) {
        if !sent.contains(*id) {
            breaches.insert(Breach::Unasked((*id).to_owned()));
        }
    }

    let mut verdict = Verdict { sent: sent.len(), ..Verdict::default() };
    for id in sent {
        let times = effects.get(id.as_str()).copied().unwrap_or(0);
        verdict.twice += usize::from(times > 1);
        if times > 1 && terms.declared == Declared::NotIdempotent {
            breaches.insert(Breach::Twice(id.clone()));
        }
        match recorded.get(id.as_str()) {
            None => _ = breaches.insert(Breach::NotRecorded(id.clone())),
            Some(1) => {}
            Some(_) => _ = breaches.insert(Breach::RecordedTwice(id.clone())),
        }
        let Some(answer) = first.get(id.as_str()) else {
            verdict.lost += 1;
            breaches.insert(Breach::Unanswered(id.clone()));
            continue;
        };
        if answer.status == 200 {
            verdict.done += 1;
            if times == 0 {
                breaches.insert(Breach::WithoutEffect(id.clone()));
            }
        } else if answer.is_in_doubt() {
            verdict.in_doubt += 1;
            if terms.declared == Declared::Idempotent {
                breaches.insert(Breach::NeedlessDoubt(id.clone()));
            }
        } else {
            breaches.insert(Breach::Refused(id.clone(), answer.status));
        }
    }
    let at_work = terms.at_work;
    if verdict.in_doubt > at_work {
        breaches.insert(Breach::TooManyDoubts { commands: verdict.in_doubt, at_work });
    }
    if verdict.twice > at_work {
        breaches.insert(Breach::RunAgain { commands: verdict.twice, at_work });
    }
    Verdict { breaches, ..verdict }
}

fn count(ids: &[String]) -> BTreeMap<&str, usize> {
    let mut times = BTreeMap::new();
    for id in ids {
        *times.entry(id.as_str()).or_default() += 1;
    }
    times
}

const DOUBT: &str = "in doubt: the outcome is unknown";

fn answer(request_id: &str, status: u64, text: &str) -> Answer {
    let payload = format!("{request_id} {status} {text}").into_bytes();
    Answer { request_id: request_id.to_owned(), status, text: text.to_owned(), payload }
}

/// A run as it should be: `a` was done, `b` was interrupted before its effect, `c` after it.
fn flawless() -> Evidence {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    Evidence {
        sent: ids(&["a", "b", "c"]).into_iter().collect(),
        effects: ids(&["a", "c"]),
        answers: vec![
            answer("a", 102, "begun"),
            answer("a", 200, ""),
            answer("b", 500, DOUBT),
            answer("c", 500, DOUBT),
            answer("a", 200, ""),
        ],
        recorded: ids(&["a", "b", "c"]),
    }
}

const TWO_AT_WORK: Terms = Terms { declared: Declared::NotIdempotent, at_work: 2 };

#[test]
fn a_flawless_run_is_found_flawless() {
    let verdict = judge(&flawless(), TWO_AT_WORK);
    assert_eq!(verdict.breaches, BTreeSet::new());
    let Verdict { sent, done, in_doubt, twice, lost, .. } = verdict;
    assert_eq!((sent, done, in_doubt, twice, lost), (3, 1, 2, 0, 0));
}

/// The control of the fault tests: what they look for is found where it is.
#[test]
fn every_breach_of_the_promise_is_found() {
    type Spoil = fn(&mut Evidence);
    let id = || "a".to_owned();
    #[rustfmt::skip]
    let cases: &[(&str, Spoil, Breach)] = &[
        ("no response", |it| it.answers.retain(|one| one.request_id != "a"),
            Breach::Unanswered(id())),
        ("only progress", |it| it.answers.retain(|one| one.request_id != "a" || one.status == 102),
            Breach::Unanswered(id())),
        ("200 for nothing", |it| it.effects.retain(|one| one != "a"),
            Breach::WithoutEffect(id())),
        ("a second effect", |it| it.effects.push("a".to_owned()),
            Breach::Twice(id())),
        ("a second effect after 500", |it| it.effects.push("c".to_owned()),
            Breach::Twice("c".to_owned())),
        ("an effect that nobody asked for", |it| it.effects.push("x".to_owned()),
            Breach::Unasked("x".to_owned())),
        ("a response that nobody asked for", |it| it.answers.push(answer("x", 200, "")),
            Breach::Unasked("x".to_owned())),
        ("first 200, then in doubt", |it| it.answers.push(answer("a", 500, DOUBT)),
            Breach::Contradiction(id())),
        ("one byte is different", |it| it.answers[4].payload.push(b' '),
            Breach::Contradiction(id())),
        ("500 that does not say what is unknown", |it| it.answers[2] = answer("b", 500, "oh"),
            Breach::Refused("b".to_owned(), 500)),
        ("503", |it| it.answers[2] = answer("b", 503, "later"),
            Breach::Refused("b".to_owned(), 503)),
        ("more doubts than work", |it| {
            it.sent.insert("d".to_owned());
            it.recorded.push("d".to_owned());
            it.answers.push(answer("d", 500, DOUBT));
        }, Breach::TooManyDoubts { commands: 3, at_work: 2 }),
        ("no record", |it| it.recorded.retain(|one| one != "a"),
            Breach::NotRecorded(id())),
        ("two records", |it| it.recorded.push("a".to_owned()),
            Breach::RecordedTwice(id())),
    ];
    for (case, spoil, breach) in cases {
        let mut evidence = flawless();
        spoil(&mut evidence);
        let found = judge(&evidence, TWO_AT_WORK).breaches;
        assert_eq!(found, BTreeSet::from([breach.clone()]), "{case}");
    }
}

#[test]
fn an_idempotent_actuator_runs_again_instead_of_doubting() {
    let terms = Terms { declared: Declared::Idempotent, at_work: 1 };
    let needless = |id: &str| Breach::NeedlessDoubt(id.to_owned());
    let too_many = Breach::TooManyDoubts { commands: 2, at_work: 1 };
    assert_eq!(
        judge(&flawless(), terms).breaches,
        BTreeSet::from([needless("b"), needless("c"), too_many])
    );

    let mut run_again = flawless();
    run_again.effects = ["a", "b", "c", "c"].map(str::to_owned).to_vec();
    run_again.answers = ["a", "b", "c"].map(|id| answer(id, 200, "")).to_vec();
    assert_eq!(judge(&run_again, terms).breaches, BTreeSet::new());

    run_again.effects.push("a".to_owned());
    let too_often = Breach::RunAgain { commands: 2, at_work: 1 };
    assert_eq!(judge(&run_again, terms).breaches, BTreeSet::from([too_often]));
}

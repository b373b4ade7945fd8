//! The promise as a pure function: what was sent, done, answered and recorded, and where it was broken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::load::Kind;

/// What was seen of a run, from outside.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// `request_id` of every command that was sent, each once.
    pub sent: BTreeSet<String>,
    /// What those are there to show that are not plain.
    pub kinds: BTreeMap<String, Kind>,
    /// `request_id` of every effect, in order, from the disk.
    pub effects: Vec<String>,
    /// `request_id` of every effect that was ended, as often as it was.
    pub ended: Vec<String>,
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

    /// An actuator's program that was ended at work leaves that open.
    fn says_that_nothing_was_done(&self) -> bool {
        self.status == 400 || self.text.contains("nothing was")
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
    /// Its time is over, and its effect was not ended.
    NeverEnded(String),
    /// Its response says that it was given up, and there is an effect all the same.
    GivenUpAndDone(String),
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
    let Evidence { sent, kinds, effects, ended, answers, recorded } = evidence;
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
    let ended = count(ended);
    let recorded = count(recorded);
    let kind_of = |id: &str| kinds.get(id).copied().unwrap_or_default();
    let acts = |id: &str| sent.contains(id) && kind_of(id) != Kind::Cancel;
    let is_to_end = |id: &str| sent.contains(id) && kind_of(id) == Kind::Limited;
    let unasked = (first.keys().filter(|id| !sent.contains(**id)))
        .chain(effects.keys().filter(|id| !acts(id)))
        .chain(ended.keys().filter(|id| !is_to_end(id)));
    breaches.extend(unasked.map(|id| Breach::Unasked((*id).to_owned())));

    let mut verdict = Verdict { sent: sent.len(), ..Verdict::default() };
    for id in sent {
        let kind = kind_of(id);
        // Whoever can be asked is not idempotent.
        let can_be_asked = matches!(kind, Kind::Asked | Kind::Limited | Kind::Cancelled);
        let declared = if can_be_asked { Declared::NotIdempotent } else { terms.declared };
        let times = effects.get(id.as_str()).copied().unwrap_or(0);
        verdict.twice += usize::from(times > 1);
        if times > 1 && declared == Declared::NotIdempotent {
            breaches.insert(Breach::Twice(id.clone()));
        }
        if kind == Kind::Limited && times > 0 && !ended.contains_key(id.as_str()) {
            breaches.insert(Breach::NeverEnded(id.clone()));
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
            if times == 0 && kind != Kind::Cancel {
                breaches.insert(Breach::WithoutEffect(id.clone()));
            }
        } else if answer.is_in_doubt() {
            verdict.in_doubt += 1;
            if can_be_asked || declared == Declared::Idempotent {
                breaches.insert(Breach::NeedlessDoubt(id.clone()));
            }
        } else if is_given_up(kind, answer.status) {
            if times > 0 && answer.says_that_nothing_was_done() {
                breaches.insert(Breach::GivenUpAndDone(id.clone()));
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

/// Whether a command may be answered so: its producer did not want it any more, or its time was over
/// when it came or before its turn.
fn is_given_up(kind: Kind, status: u64) -> bool {
    match kind {
        Kind::Cancelled => status == 500,
        Kind::Limited => matches!(status, 400 | 500),
        Kind::Plain | Kind::Asked | Kind::Cancel => false,
    }
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
        ..Evidence::default()
    }
}

/// The same with commands of other kinds: `l` was done and ended, `k` asked after and done, `g`
/// given up when `x` cancelled it.
fn mixed() -> Evidence {
    let mut mixed = flawless();
    for (id, kind) in
        [("g", Kind::Cancelled), ("k", Kind::Asked), ("l", Kind::Limited), ("x", Kind::Cancel)]
    {
        mixed.sent.insert(id.to_owned());
        mixed.kinds.insert(id.to_owned(), kind);
        mixed.recorded.push(id.to_owned());
        mixed.answers.push(match kind {
            Kind::Cancelled => answer(id, 500, "given up; nothing was done"),
            _ => answer(id, 200, ""),
        });
    }
    mixed.effects.extend(["k", "l"].map(str::to_owned));
    mixed.ended.push("l".to_owned());
    mixed
}

const TWO_AT_WORK: Terms = Terms { declared: Declared::NotIdempotent, at_work: 2 };

#[test]
fn a_flawless_run_is_found_flawless() {
    let verdict = judge(&flawless(), TWO_AT_WORK);
    assert_eq!(verdict.breaches, BTreeSet::new());
    let Verdict { sent, done, in_doubt, twice, lost, .. } = verdict;
    assert_eq!((sent, done, in_doubt, twice, lost), (3, 1, 2, 0, 0));

    let verdict = judge(&mixed(), TWO_AT_WORK);
    assert_eq!(verdict.breaches, BTreeSet::new());
    assert_eq!((verdict.sent, verdict.done, verdict.lost), (7, 4, 0));
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

/// The same for commands that are limited, asked after or cancelled.
#[test]
fn every_breach_of_the_promise_to_other_kinds_of_commands_is_found() {
    type Spoil = fn(&mut Evidence);
    let id = |id: &str| id.to_owned();
    let doubt = |it: &mut Evidence, id: &str| {
        it.answers.retain(|one| one.request_id != "c" && one.request_id != id);
        it.answers.extend([answer("c", 200, ""), answer(id, 500, DOUBT)]);
    };
    #[rustfmt::skip]
    let cases: &[(&str, Spoil, Breach)] = &[
        ("an effect that goes on", |it| it.ended.clear(),
            Breach::NeverEnded(id("l"))),
        ("an end of what has none", |it| it.ended.push("a".to_owned()),
            Breach::Unasked(id("a"))),
        ("an effect of a cancel", |it| it.effects.push("x".to_owned()),
            Breach::Unasked(id("x"))),
        ("done, and the answer says that it was given up", |it| it.effects.push("g".to_owned()),
            Breach::GivenUpAndDone(id("g"))),
        ("done, and the answer says that its time was over before its turn", |it| {
            it.answers.retain(|one| one.request_id != "l");
            it.answers.push(answer("l", 500, "nothing was begun"));
        }, Breach::GivenUpAndDone(id("l"))),
        ("a second effect of one that is asked after", |it| it.effects.push("k".to_owned()),
            Breach::Twice(id("k"))),
        ("no response to a cancel", |it| it.answers.retain(|one| one.request_id != "x"),
            Breach::Unanswered(id("x"))),
        ("a cancel of what nobody knows", |it| {
            it.answers.retain(|one| one.request_id != "x");
            it.answers.push(answer("x", 404, ""));
        }, Breach::Refused(id("x"), 404)),
    ];
    for (case, spoil, breach) in cases {
        let mut evidence = mixed();
        spoil(&mut evidence);
        let found = judge(&evidence, TWO_AT_WORK).breaches;
        assert_eq!(found, BTreeSet::from([breach.clone()]), "{case}");
    }
    for id in ["k", "l", "g"] {
        let mut evidence = mixed();
        doubt(&mut evidence, id);
        let found = judge(&evidence, TWO_AT_WORK).breaches;
        assert_eq!(found, BTreeSet::from([Breach::NeedlessDoubt(id.to_owned())]), "{id}");
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

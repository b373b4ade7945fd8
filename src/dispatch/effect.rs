//! What the quiet room decides, as data, and what the journal keeps of it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Errand, Finding, Receipt, Reply};
use crate::openc2::{Command, Response, Status};
use crate::wire::Fault;

/// What the daemon has to do, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make these durable, in one commit, before going on.
    Record(Vec<Record>),
    /// Tell the transport that it may forget the message.
    Acknowledge(Receipt),
    /// Hand the command to its actuator.
    Start(Box<Work>),
    /// Tell an actuator to give up a command that it works on. Its outcome follows.
    Cancel(Ticket),
    /// Publish a response. It is in the outbox already.
    Respond(Outgoing),
    /// Answer a POST.
    Reply(Box<Reply>),
    /// Write one line to the log.
    Log(Box<LogLine>),
    /// Tell whoever looks after the bridge.
    Alarm(Alarm),
}

/// What somebody should look at. Each is counted, and docs/reliability.md says what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Alarm {
    /// A command's effect goes on after its time.
    #[error("the effect of command {ticket} could not be ended: {text}")]
    EffectGoesOn {
        /// Which command.
        ticket: Ticket,
        /// What its actuator answered.
        text: String,
    },
    /// The clock is far behind what it said before.
    #[error(
        "the clock is {behind_ms} ms behind what it said before: nothing becomes new by that, and \
         what is due waits for it"
    )]
    ClockSuspect {
        /// How far, in milliseconds.
        behind_ms: u64,
    },
    /// Nobody knows what became of a command.
    #[error(
        "command {ticket} is in doubt: nobody knows what became of it. Look at the thing itself, \
         then `oc2 journal resolve {ticket}`"
    )]
    InDoubt {
        /// Which command.
        ticket: Ticket,
    },
    /// A start was missed by more than the setting allows.
    #[error("command {ticket} was to start {late_ms} ms ago; {then}")]
    StartMissed {
        /// Which command.
        ticket: Ticket,
        /// How late it is, in milliseconds.
        late_ms: u64,
        /// What is done about it.
        then: &'static str,
    },
}

/// Number of a command in the journal: given once, never again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Ticket(pub u64);

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a response in the outbox: given once, never again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct OutboxId(pub u64);

/// What makes a repeated command recognisable.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// Identity of the consumer that is addressed.
    pub consumer: String,
    /// `headers.from` of the command.
    pub producer: String,
    /// `headers.request_id`; a command without one is known by the digest of
    /// its whole message instead, written `sha256:<hex>`.
    pub request_id: String,
}

/// SHA-256 of the canonical form (RFC 8785) of a message's `body`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ContentDigest(pub [u8; 32]);

/// Something that happened to a command. The journal is the list of these.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Which command.
    pub ticket: Ticket,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// What.
    pub event: Event,
}

/// What can happen to a command, in the order in which it does.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It came, and will end in one recorded outcome.
    Accepted(Box<Accepted>),
    /// Its actuator was told to begin. Without an outcome after it, a restart
    /// finds the command in doubt.
    Started,
    /// Something was said before the end: a response with status 102.
    Progress {
        /// Goes to the outbox.
        response: Outgoing,
    },
    /// It ended.
    Outcome(Box<Concluded>),
    /// A person has found out what became of a command in doubt. It takes the
    /// place of the outcome, if there was one.
    Resolved {
        /// Status code.
        status: u16,
        /// What was found out.
        text: Option<String>,
        /// The response to publish, where its producer wants one.
        response: Option<Outgoing>,
    },
    /// The transport has taken the response over: it leaves the outbox.
    Answered {
        /// Which response.
        outbox: OutboxId,
    },
    /// One of the consumers elsewhere that it is for has answered, before its end or after.
    Heard(Box<Heard>),
    /// Who waits for its consumers elsewhere was told what there was to say; late answers are
    /// still taken.
    Overdue {
        /// Status of what was said.
        status: u16,
        /// For people.
        text: Option<String>,
    },
    /// Its producer has cancelled it while its actuator was at work, or while
    /// its effect lasts, which is to end at once.
    Cancelled,
    /// Its effect was ended, as far as its actuator could. A command with a
    /// [`Accepted::stop_ms`] that was started, and may have had an effect, gets this once.
    Stopped {
        /// Status of the actuator's answer.
        status: u16,
        /// For people.
        text: Option<String>,
    },
}

/// The last word of one consumer elsewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Heard {
    /// The consumer.
    pub from: String,
    /// Status of its response.
    pub status: u16,
    /// It came after [`Event::Overdue`], or after the end.
    pub is_late: bool,
    /// The response as JSON.
    pub response: Bytes,
}

/// The first record of a command, and all that a restart needs to go on with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// How a repetition is recognised; absent where too little could be read.
    pub key: Option<Key>,
    /// What a repetition is compared with; absent where too little could be read.
    pub digest: Option<ContentDigest>,
    /// Who is addressed; empty where no consumer was found.
    pub consumer: String,
    /// `headers.from`, where it could be read.
    pub producer: Option<String>,
    /// `headers.request_id`, where it could be read.
    pub request_id: Option<String>,
    /// `query features`, say; empty where it could not be read.
    pub summary: String,
    /// The actuator that is to carry it out; absent for what needs none.
    pub actuator: Option<String>,
    /// The address it came to.
    pub address: super::Address,
    /// Its `command_id`, where it has one that is not its `request_id`.
    pub command_id: Option<String>,
    /// When it is to start, in milliseconds since 1970-01-01T00:00:00Z; absent: at once.
    pub start_ms: Option<u64>,
    /// When its effect is to end; absent: never, or its actuator sees to it.
    pub stop_ms: Option<u64>,
    /// The message as it came.
    pub message: Bytes,
    /// It bore a signature that nobody has checked.
    pub unverified_signature: bool,
    /// It came by HTTPS: its response is kept for its caller, and not published.
    pub posted: bool,
    /// How often it was relayed on its way here.
    pub hops: u8,
    /// The command that it is about, where that went by a route.
    pub about: Option<About>,
}

/// Another command, as consumers elsewhere know it, for a command that is about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct About {
    /// What it is called there.
    pub id: String,
    /// Which of them are to be told; empty: all that the address reaches.
    pub to: Vec<String>,
}

impl Accepted {
    /// By what other commands may name it: its `command_id`, or else its
    /// `request_id` (Language v1.1, section 3.3.1). Only what an actuator is
    /// to carry out has a name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.actuator.as_ref()?;
        self.command_id.as_deref().or(self.request_id.as_deref())
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Concluded {
    /// What became of it, for the counters and for people.
    pub class: Class,
    /// Status code, also of a response that nobody asked for. Absent where there never was one (dropped).
    pub status: Option<u16>,
    /// A sentence for people.
    pub text: Option<String>,
    /// The response to publish; it goes to the outbox in the same commit.
    pub response: Option<Outgoing>,
    /// Whether the key stays known. `false` for a 503: a repetition is judged afresh.
    pub remembered: bool,
    /// Whether it has, or may have, an effect that ends at [`Accepted::stop_ms`]:
    /// [`Event::Stopped`] follows.
    pub in_effect: bool,
    /// Until when answers of further consumers elsewhere are taken, in milliseconds since
    /// 1970-01-01T00:00:00Z: [`Event::Heard`] may follow. Absent: none is.
    pub late_until_ms: Option<u64>,
}

/// Where a message went. The classes are disjoint: at any moment
/// `received + recovered = answered + silent + refused + repeated + dropped + in progress`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Class {
    /// Carried out (or tried), and the producer was told how it went.
    Answered,
    /// Ended, and the producer had asked not to be told.
    Silent,
    /// Turned away before any actuator saw it.
    Refused,
    /// A repetition of a command that is known.
    Repeated,
    /// Not for us, or nothing that may be answered.
    Dropped,
}

impl Class {
    /// The name in logs and in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Repeated => "repeated",
            Self::Dropped => "dropped",
        }
    }
}

/// A response on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Its number in the outbox.
    pub id: OutboxId,
    /// The command it answers.
    pub ticket: Ticket,
    /// The producer's own topic level; `None` where `from` is missing or is
    /// no valid topic level: it goes to the shared response topic.
    pub producer: Option<String>,
    /// The message, ready to publish, byte for byte the same every time.
    pub payload: Bytes,
}

/// A command on its way to its actuator.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What is to be done about it.
    pub errand: Errand,
    /// Its number in the journal; comes back in the [`Report`].
    pub ticket: Ticket,
    /// Name of the actuator in topics.toml.
    pub actuator: String,
    /// Identity of the consumer that was addressed.
    pub consumer: String,
    /// `headers.from` of the command.
    pub producer: String,
    /// `headers.request_id`, or what stands for it (see [`Key::request_id`]).
    pub request_id: String,
    /// `command_id`, or the `request_id` where the command has none
    /// (Language v1.1, section 3.3.1).
    pub command_id: String,
    /// The address it came to.
    pub address: super::Address,
    /// The command.
    pub command: Arc<Command>,
    /// The whole message as it came, where it bears a signature: whoever passes
    /// such a command on passes on these bytes.
    pub signed: Option<Bytes>,
    /// How often the command was relayed on its way here.
    pub hops: u8,
    /// It may have been carried out, in full or in part, before the bridge stopped.
    pub again: bool,
    /// Consumers elsewhere that it is for, where it goes by a route; empty: all that its
    /// address reaches.
    pub to: Vec<String>,
    /// What the other command is called there that it is about.
    pub about: Option<String>,
}

/// What an actuator says of a command: the only way back into the quiet room.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// Still at it.
    Progress {
        /// Which command.
        ticket: Ticket,
        /// For people.
        text: String,
    },
    /// One of the consumers elsewhere that it is for has said its last word.
    Heard {
        /// Which command.
        ticket: Ticket,
        /// The consumer.
        from: String,
        /// What it said.
        response: Response,
    },
    /// It goes on, and who waits for it is to wait no longer: what there is to say by now.
    Meanwhile {
        /// Which command.
        ticket: Ticket,
        /// What there is to say.
        outcome: Outcome,
    },
    /// Done, one way or another. Nothing follows.
    Outcome {
        /// Which command.
        ticket: Ticket,
        /// How.
        outcome: Outcome,
    },
    /// The actuator was told to end the effect of a command.
    Stopped {
        /// Which command.
        ticket: Ticket,
        /// How that went.
        outcome: Outcome,
    },
    /// The actuator was asked about a command that is in doubt.
    Probed {
        /// Which command.
        ticket: Ticket,
        /// What it found.
        finding: Finding,
    },
}

/// How the work of an actuator ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What to answer.
    pub response: Response,
    /// Why it failed, in words of the bridge alone. Absent where the
    /// response says it in words of the actuator, or quotes the command.
    pub reason: Option<String>,
}

impl Outcome {
    /// A failure of which the bridge itself speaks.
    #[must_use]
    pub fn ours(status: Status, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { response: Response::with_text(status, text.clone()), reason: Some(text) }
    }
}

/// A response as an actuator gave it.
impl From<Response> for Outcome {
    fn from(response: Response) -> Self {
        Self { response, reason: None }
    }
}

/// One line a command, when it has ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "each is the field of that name in the log")]
pub struct LogLine {
    pub ticket: Option<Ticket>,
    pub request_id: Option<String>,
    pub producer: Option<String>,
    pub consumer: String,
    pub action: Option<&'static str>,
    pub target: Option<String>,
    pub actuator: Option<String>,
    /// It bore a signature that nobody has checked.
    pub unverified_signature: bool,
    pub class: Option<Class>,
    pub status: Option<u16>,
    /// From arrival to outcome, in milliseconds.
    pub duration_ms: u64,
    /// Why, where it was not carried out.
    pub reason: Option<Reason>,
}

/// Why a message ended as it did, and whose words say so.
///
/// No word out of a message, and none of an actuator's, may stand in a log
/// for which nobody has asked for them; what the bridge says of them may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// In words of the bridge alone.
    Ours(String),
    /// With a word that somebody else wrote.
    Quoting {
        /// The whole sentence, for the response and the journal.
        text: String,
        /// What can be said without that word; nothing where all of it is foreign.
        unquoted: Option<String>,
    },
}

impl Reason {
    /// A sentence that quotes, and the same without the quotation.
    pub(super) fn quoting(unquoted: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Quoting { text: text.into(), unquoted: Some(unquoted.into()) }
    }

    /// What a response says, and what of it the bridge can say itself.
    pub(super) fn of_outcome(text: String, unquoted: Option<String>) -> Self {
        if unquoted.as_ref() == Some(&text) {
            Self::Ours(text)
        } else {
            Self::Quoting { text, unquoted }
        }
    }

    /// The whole sentence.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Ours(text) | Self::Quoting { text, .. } => text,
        }
    }

    /// What may stand in any log.
    #[must_use]
    pub fn unquoted(&self) -> Option<&str> {
        match self {
            Self::Ours(text) => Some(text),
            Self::Quoting { unquoted, .. } => unquoted.as_deref(),
        }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self::Ours(text.to_owned())
    }
}

impl From<&Fault> for Reason {
    fn from(fault: &Fault) -> Self {
        Self::quoting(fault.unquoted(), fault.to_string())
    }
}

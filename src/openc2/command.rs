//! What a producer asks for.

use std::collections::BTreeMap;

use super::{Action, Members, Target};

/// An action performed on a target (Language v1.1, section 3.3.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The task or activity to be performed.
    pub action: Action,
    /// The object of the action.
    pub target: Target,
    /// Additional information; the default where the command has none.
    pub args: Args,
    /// Who is to carry it out, where the producer cares.
    pub actuator: Option<Actuator>,
    /// The producer's name for this command: at most 36 characters, none of
    /// them white space (section 3.4.2.16). Absent: the `request_id` serves.
    pub command_id: Option<String>,
}

impl Command {
    /// A command of nothing but an action and a target.
    #[must_use]
    pub fn new(action: Action, target: Target) -> Self {
        Self { action, target, args: Args::default(), actuator: None, command_id: None }
    }
}

/// Command arguments (Language v1.1, section 3.3.1.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    /// When to begin, in milliseconds since 1970-01-01T00:00:00Z.
    pub start_time: Option<u64>,
    /// When to end, in milliseconds since 1970-01-01T00:00:00Z.
    pub stop_time: Option<u64>,
    /// How long to be in effect, in milliseconds.
    pub duration: Option<u64>,
    /// Which responses the producer wants; absent means [`ResponseType::Complete`].
    pub response_requested: Option<ResponseType>,
    /// Extended arguments by namespace identifier (section 3.1.4).
    pub extensions: BTreeMap<String, Members>,
}

/// Which responses a producer asks for (Language v1.1, section 3.4.2.15).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResponseType {
    /// No response at all.
    None,
    /// One response with status 102 when the command has been received.
    Ack,
    /// The state at once, progress as it comes, the outcome at the end.
    Status,
    /// One response with the outcome.
    #[default]
    Complete,
}

impl ResponseType {
    /// All four, in the order of the standard's table.
    pub const ALL: [Self; 4] = [Self::None, Self::Ack, Self::Status, Self::Complete];

    /// The name as it travels on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ack => "ack",
            Self::Status => "status",
            Self::Complete => "complete",
        }
    }
}

/// The profile that a command addresses, and specifiers that narrow it down
/// to certain actuators (Language v1.1, sections 3.1.4 and 3.3.1.3).
#[derive(Clone, Debug, PartialEq)]
pub struct Actuator {
    /// Namespace identifier of the profile.
    pub profile: String,
    /// What an actuator must answer to; empty means any of the profile.
    pub specifiers: Members,
}

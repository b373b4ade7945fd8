//! What the journal would say of the records that a story has made.

use std::collections::BTreeMap;

use super::*;

/// A command, as its records tell it.
struct Told {
    unfinished: Unfinished,
    ended: bool,
    due_ms: Option<u64>,
    outcome: Option<Concluded>,
}

fn told(records: &[Record]) -> BTreeMap<Ticket, Told> {
    let mut commands: BTreeMap<Ticket, Told> = BTreeMap::new();
    for Record { ticket, at_ms, event } in records {
        if let Event::Accepted(accepted) = event {
            let accepted = (**accepted).clone();
            let due_ms = accepted.actuator.as_ref().map(|_| accepted.start_ms.unwrap_or(0));
            let (ticket, accepted_ms) = (*ticket, *at_ms);
            let (started, cancelled) = (false, false);
            let unfinished = Unfinished { ticket, accepted_ms, accepted, started, cancelled };
            commands.insert(ticket, Told { unfinished, ended: false, due_ms, outcome: None });
        }
        let command = commands.get_mut(ticket).expect("accepted first");
        match event {
            Event::Started => {
                command.unfinished.started = true;
                command.due_ms = command.unfinished.accepted.stop_ms;
            }
            Event::Outcome(concluded) => {
                assert!(!command.ended, "{ticket} ends twice");
                command.ended = true;
                command.outcome = Some((**concluded).clone());
                let stop_ms = command.unfinished.accepted.stop_ms;
                command.due_ms = stop_ms.filter(|_| concluded.in_effect);
            }
            Event::Resolved { .. } => command.ended = true,
            Event::Stopped { .. } => {
                assert!(command.due_ms.is_some(), "{ticket} is stopped, and nothing was due");
                command.due_ms = None;
            }
            Event::Cancelled => {
                command.unfinished.cancelled = true;
                command.due_ms = command.due_ms.map(|at_ms| if command.ended { 0 } else { at_ms });
            }
            Event::Accepted(_)
            | Event::Progress { .. }
            | Event::Heard(_)
            | Event::Overdue { .. }
            | Event::Answered { .. } => {}
        }
    }
    commands
}

/// What a restart is given: what had begun, what waits, and effects that are yet to end.
pub(super) fn recovered(records: &[Record]) -> (Vec<Unfinished>, (u64, u64)) {
    let (mut begun, mut waiting, mut effects) = (Vec::new(), 0, 0);
    for command in told(records).into_values() {
        let has_actuator = command.unfinished.accepted.actuator.is_some();
        match (command.ended, command.unfinished.started || !has_actuator) {
            (false, true) => begun.push(command.unfinished),
            (false, false) => waiting += 1,
            (true, _) => effects += u64::from(command.due_ms.is_some()),
        }
    }
    (begun, (waiting, effects))
}

/// What is due after a place, `limit` of it.
pub(super) fn due(records: &[Record], after: Place, limit: usize) -> Vec<Due> {
    let mut due: Vec<Due> = told(records)
        .into_values()
        .filter_map(|command| {
            let Unfinished { ticket, started, accepted, .. } = command.unfinished;
            let errand = if started { Errand::Stop } else { Errand::Perform };
            Some(Due { at_ms: command.due_ms?, ticket, errand, actuator: accepted.actuator? })
        })
        .filter(|due| (due.at_ms, due.ticket) > after)
        .collect();
    due.sort_by_key(|due| (due.at_ms, due.ticket));
    due.truncate(limit);
    due
}

/// What there is of these commands.
pub(super) fn unfinished(records: &[Record], tickets: &[Ticket]) -> Vec<Unfinished> {
    let mut commands = told(records);
    let found = tickets.iter().filter_map(|ticket| commands.remove(ticket));
    let open = found.filter(|command| !command.ended || command.due_ms.is_some());
    open.map(|command| command.unfinished).collect()
}

/// The newest command with this name.
pub(super) fn named(records: &[Record], name: &Key) -> Option<Named> {
    let mut found = called(records, &name.producer, &name.request_id).into_iter();
    found.find(|named| named.command.accepted.consumer == name.consumer)
}

/// All commands of this producer with this name, the newest first.
pub(super) fn called(records: &[Record], producer: &str, name: &str) -> Vec<Named> {
    let is_it = |accepted: &Accepted| {
        accepted.name() == Some(name) && accepted.producer.as_deref() == Some(producer)
    };
    let commands = told(records).into_values().rev();
    let found = commands.filter(|command| is_it(&command.unfinished.accepted));
    found.filter_map(|command| numbered(records, command.unfinished.ticket)).collect()
}

/// The command with this number.
pub(super) fn numbered(records: &[Record], ticket: Ticket) -> Option<Named> {
    let Told { unfinished, ended, due_ms, outcome } = told(records).remove(&ticket)?;
    let response = outcome.as_ref().and_then(|outcome| outcome.response.as_ref());
    Some(Named {
        command: unfinished,
        in_effect: ended && due_ms.is_some(),
        response: response.map(|response| response.payload.clone()),
        ended: outcome.map(|outcome| (outcome.status, outcome.text)),
    })
}

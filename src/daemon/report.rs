//! One line a command in the log.

use std::time::{Duration, Instant};

use crate::dispatch::{Alarm, Class, LogLine, OutboxId, Reason, Ticket};

/// Lines of one kind in one period, where strangers decide how many there are to write.
const LINES: u32 = 10;

/// The period of [`LINES`].
const PERIOD: Duration = Duration::from_secs(10);

/// Writes the outcome of each command; what strangers can send without end
/// is written now and then.
#[derive(Debug, Default)]
pub(super) struct CommandLog {
    /// For messages that could not be read, and responses that nobody hears.
    unread: Budget,
    /// For alarms: what strangers send does not hide them.
    alarms: Budget,
    /// For commands in doubt, of which a crash leaves many at once: they hide no other alarm.
    doubts: Budget,
    passed_over: u64,
}

/// Lines that may be written in a period.
#[derive(Debug, Default)]
struct Budget {
    period_began: Option<Instant>,
    written: u32,
}

impl Budget {
    /// Takes one of them, if there is one left.
    fn take(&mut self) -> bool {
        let now = Instant::now();
        if self.period_began.is_none_or(|began| now.duration_since(began) >= PERIOD) {
            self.period_began = Some(now);
            self.written = 0;
        }
        self.written += 1;
        self.written <= LINES
    }
}

impl CommandLog {
    /// A message or command has ended.
    pub fn command(&mut self, line: &LogLine) {
        if line.ticket.is_none() && !self.unread.take() {
            self.passed_over += 1;
            return;
        }
        let LogLine { request_id, producer, consumer, action, target, actuator, .. } = line;
        tracing::info!(
            target: "oc2::command",
            ticket = line.ticket.map(|ticket| ticket.0),
            request_id,
            producer,
            consumer = Some(consumer.as_str()).filter(|id| !id.is_empty()),
            action,
            target,
            actuator,
            signature = line.unverified_signature.then_some("unverified"),
            class = line.class.map(Class::as_str),
            status = line.status,
            duration_ms = line.duration_ms,
            reason = line.reason.as_ref().and_then(Reason::unquoted),
            passed_over = Some(std::mem::take(&mut self.passed_over)).filter(|count| *count > 0),
            "command"
        );
        // The journal has it as well, where there is a ticket.
        if let Some(Reason::Quoting { text, .. }) = &line.reason {
            tracing::info!(
                target: "payload",
                ticket = line.ticket.map(|ticket| ticket.0),
                reason = text,
                "the reason in full"
            );
        }
    }

    /// A response arrived at the broker, and nobody had subscribed.
    pub fn nobody_listens(&mut self, id: OutboxId) {
        if self.unread.take() {
            tracing::warn!(response = id.0, "nobody listens on the response topics");
        } else {
            self.passed_over += 1;
        }
    }

    /// An answer came before its turn, and there is no room for it.
    pub fn loses_an_answer(&mut self, ticket: Ticket) {
        if self.unread.take() {
            tracing::warn!(ticket = ticket.0, "too many answers wait for the end: one is lost");
        } else {
            self.passed_over += 1;
        }
    }

    /// Something that whoever looks after the bridge should see.
    pub fn alarm(&mut self, alarm: &(dyn std::error::Error + 'static)) {
        if let Some(Alarm::InDoubt { ticket }) = alarm.downcast_ref() {
            if self.doubts.take() {
                tracing::warn!(target: "oc2::alarm", ticket = ticket.0, "{alarm}");
            } else {
                self.passed_over += 1;
            }
        } else if self.alarms.take() {
            tracing::error!(target: "oc2::alarm", "{alarm}");
        } else {
            self.passed_over += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_send_hides_no_alarm() {
        let mut log = CommandLog::default();
        let alarm = std::io::Error::other("the disk is full");
        for _ in 0..LINES + 5 {
            log.nobody_listens(OutboxId(1));
        }
        assert_eq!(log.passed_over, 5);
        for ticket in 1..=u64::from(LINES) + 5 {
            log.alarm(&Alarm::InDoubt { ticket: Ticket(ticket) });
        }
        assert_eq!(std::mem::replace(&mut log.passed_over, 5), 10, "nor does what is in doubt");
        for _ in 0..LINES {
            log.alarm(&alarm);
        }
        assert_eq!(log.passed_over, 5, "every alarm was written");
        log.alarm(&alarm);
        assert_eq!(log.passed_over, 6, "and has a bound of its own");
    }
}

//! What the tables make of a record, so that questions need not read them all.

use rusqlite::{OptionalExtension, params};

use super::{Sqlite, body, decode, sql};
use crate::dispatch::{Accepted, Concluded, Event, Key, OutboxId, Outgoing, Record, Ticket};
use crate::journal::body::Kind;
use crate::journal::error::JournalError;

impl Sqlite {
    /// What a record makes of the tables.
    pub(super) fn derive(&mut self, seq: u64, record: &Record) -> Result<(), JournalError> {
        self.mark.past.saw(record.at_ms);
        let (ticket, at_ms) = (sql(record.ticket.0), sql(record.at_ms));
        match &record.event {
            Event::Accepted(accepted) => self.accepted(record, accepted, None),
            Event::Started => {
                let changed = self.execute(
                    "UPDATE command SET started_ms = ifnull(started_ms, ?2), due_ms = stop_ms
                     WHERE ticket = ?1",
                    [ticket, at_ms],
                )?;
                expect_one(changed, record, "is started, but was never accepted");
                Ok(())
            }
            Event::Progress { response } => self.respond(seq, record, response),
            Event::Outcome(concluded) => self.concluded(seq, record, concluded),
            Event::Resolved { status, text, response } => {
                let changed = self.execute(
                    "UPDATE command SET status = ?3, text = ?4, class = ifnull(class, 'answered'),
                                        ended_ms = ifnull(ended_ms, ?2)
                     WHERE ticket = ?1",
                    params![ticket, at_ms, status, text],
                )?;
                expect_one(changed, record, "is resolved, but was never accepted");
                response.iter().try_for_each(|response| self.respond(seq, record, response))
            }
            Event::Answered { outbox } => self.answered(record, *outbox),
            // What was said before the end is looked for among the records, by the few who ask.
            Event::Heard(_) | Event::Overdue { .. } => Ok(()),
            // The end of its effect is due at once. That a command was cancelled at work is
            // looked for among the records as well.
            Event::Cancelled => {
                self.execute(
                    "UPDATE command SET due_ms = 0
                     WHERE ticket = ?1 AND ended_ms IS NOT NULL AND due_ms IS NOT NULL",
                    [ticket],
                )?;
                Ok(())
            }
            Event::Stopped { .. } => {
                let changed =
                    self.execute("UPDATE command SET due_ms = NULL WHERE ticket = ?1", [ticket])?;
                expect_one(changed, record, "is stopped, but was never accepted");
                Ok(())
            }
        }
    }

    /// A command comes in; one that starts at once has started then.
    pub(super) fn accepted(
        &mut self,
        record: &Record,
        accepted: &Accepted,
        started_ms: Option<u64>,
    ) -> Result<(), JournalError> {
        self.mark.past.saw(record.at_ms.max(started_ms.unwrap_or(0)));
        let due_ms = match started_ms {
            Some(_) => accepted.stop_ms,
            None => accepted.actuator.as_ref().map(|_| accepted.start_ms.unwrap_or(0)),
        };
        let ticket = sql(record.ticket.0);
        let mut has_key = false;
        if let Some(key) = &accepted.key {
            let changed = self.execute(
                "INSERT INTO key (request_id, producer, consumer, ticket) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
                params![key.request_id, key.producer, key.consumer, ticket],
            )?;
            expect_one(changed, record, "has the key of another command, which keeps it");
            has_key = changed == 1;
        }
        let changed = self.execute(
            "INSERT INTO command (ticket, consumer, producer, request_id, summary, actuator,
                                  digest, accepted_ms, started_ms, stop_ms, due_ms, name)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
            params![
                ticket,
                accepted.consumer,
                accepted.producer,
                accepted.request_id,
                accepted.summary,
                accepted.actuator,
                accepted.digest.map(|digest| digest.0),
                sql(record.at_ms),
                started_ms.map(sql),
                accepted.stop_ms.map(sql),
                due_ms.map(sql),
                accepted.name().filter(|_| !has_key || !is_named_by_key(accepted))
            ],
        )?;
        expect_one(changed, record, "is accepted a second time");
        self.mark.commands += u64::try_from(changed).unwrap_or(0);
        self.mark.ticket = self.mark.ticket.max(record.ticket.0);
        Ok(())
    }

    /// A response goes to the outbox, and is what a repetition of the command gets.
    fn respond(
        &mut self,
        seq: u64,
        record: &Record,
        response: &Outgoing,
    ) -> Result<(), JournalError> {
        let waiting = self.send(seq, record, response)?;
        self.has_response(seq, record, waiting)
    }

    fn has_response(&self, seq: u64, record: &Record, waiting: i64) -> Result<(), JournalError> {
        let changed = self.execute(
            "UPDATE command SET response = ?2, waiting = waiting + ?3 WHERE ticket = ?1",
            [sql(record.ticket.0), sql(seq), waiting],
        )?;
        expect_one(changed, record, "is answered, but was never accepted");
        Ok(())
    }

    /// Puts a response into the outbox. How many more wait there now: one, or none where its
    /// number was taken.
    fn send(
        &mut self,
        seq: u64,
        record: &Record,
        response: &Outgoing,
    ) -> Result<i64, JournalError> {
        let changed = self.execute(
            "INSERT INTO outbox (id, record) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            [sql(response.id.0), sql(seq)],
        )?;
        expect_one(changed, record, "has the outbox number of another response, which keeps it");
        self.mark.outbox = self.mark.outbox.max(response.id.0);
        Ok(i64::from(changed == 1))
    }

    fn concluded(
        &mut self,
        seq: u64,
        record: &Record,
        concluded: &Concluded,
    ) -> Result<(), JournalError> {
        let response = concluded.response.as_ref();
        let waiting = response.map_or(Ok(0), |response| self.send(seq, record, response))?;
        let changed = self.execute(
            "UPDATE command SET ended_ms = ?2, class = ?3, status = ?4, text = ?5,
               due_ms = CASE WHEN ?6 THEN stop_ms END,
               response = ifnull(?7, response), waiting = waiting + ?8
             WHERE ticket = ?1 AND ended_ms IS NULL",
            params![
                sql(record.ticket.0),
                sql(record.at_ms),
                body::class_name(concluded.class),
                concluded.status,
                concluded.text,
                concluded.in_effect,
                response.map(|_| sql(seq)),
                waiting
            ],
        )?;
        expect_one(changed, record, "ends, but was never accepted or has ended");
        if changed == 0 && response.is_some() {
            self.has_response(seq, record, waiting)?;
        }
        if !concluded.remembered {
            self.forget_key(record.ticket)?;
        }
        Ok(())
    }

    fn answered(&mut self, record: &Record, outbox: OutboxId) -> Result<(), JournalError> {
        // A second PUBACK for the same response, after a reconnect, finds nothing to do.
        if self.execute("DELETE FROM outbox WHERE id = ?1", [sql(outbox.0)])? == 0 {
            return Ok(());
        }
        self.execute(
            "UPDATE command SET waiting = waiting - 1, answered_ms =
               CASE WHEN waiting = 1 AND ended_ms IS NOT NULL THEN ?2 ELSE answered_ms END
             WHERE ticket = ?1",
            [sql(record.ticket.0), sql(record.at_ms)],
        )?;
        Ok(())
    }

    /// From now on a repetition of this command is a new one. Its name stays.
    fn forget_key(&self, ticket: Ticket) -> Result<(), JournalError> {
        if let Some(accepted) = self.take_key(ticket)?
            && is_named_by_key(&accepted)
        {
            self.execute(
                "UPDATE command SET name = ?2 WHERE ticket = ?1",
                params![sql(ticket.0), accepted.name()],
            )?;
        }
        Ok(())
    }

    /// Takes the key of a command away. The command, where it had one.
    pub(super) fn take_key(&self, ticket: Ticket) -> Result<Option<Accepted>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT body FROM record WHERE ticket = ?1 AND kind = 'accepted' ORDER BY seq LIMIT 1",
        )?;
        let body: Option<Vec<u8>> =
            statement.query_row([sql(ticket.0)], |row| row.get(0)).optional()?;
        let Some(body) = body else { return Ok(None) };
        let Event::Accepted(accepted) = decode(ticket, Kind::Accepted, &body)? else {
            return Ok(None);
        };
        let Some(Key { consumer, producer, request_id }) = &accepted.key else { return Ok(None) };
        let gone = self.execute(
            "DELETE FROM key
             WHERE request_id = ?1 AND producer = ?2 AND consumer = ?3 AND ticket = ?4",
            params![request_id, producer, consumer, sql(ticket.0)],
        )?;
        Ok((gone == 1).then_some(*accepted))
    }
}

/// Whether its key says as well how other commands name it: then it needs no entry of its own in
/// the index of names.
fn is_named_by_key(accepted: &Accepted) -> bool {
    let Accepted { key, consumer, producer, .. } = accepted;
    key.as_ref().is_some_and(|key| {
        accepted.name() == Some(&key.request_id)
            && producer.as_ref() == Some(&key.producer)
            && *consumer == key.consumer
    })
}

/// The record stands, whatever the tables make of it; but somebody has a bug.
fn expect_one(changed: usize, record: &Record, complaint: &str) {
    if changed != 1 {
        tracing::error!(ticket = record.ticket.0, "command {} {complaint}", record.ticket);
    }
}

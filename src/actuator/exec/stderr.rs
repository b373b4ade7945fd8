//! Standard error of a program: goes to the log, escaped, and only so much of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use super::escape::printable;

/// The time that the limit is for.
const WINDOW: Duration = Duration::from_mins(1);

/// Longest piece that is logged as one line, in bytes.
const LINE_BYTES: usize = 1000;

/// What the processes of one actuator may write to the log.
#[derive(Debug)]
pub(super) struct StderrLog {
    actuator: String,
    limit: usize,
    spent: Mutex<Spent>,
}

/// A process passed its limit.
#[derive(Debug)]
pub(super) struct Flood {
    /// The limit, in bytes a minute.
    pub(super) limit: usize,
}

impl StderrLog {
    /// At most `limit` bytes a minute.
    pub(super) fn new(actuator: &str, limit: usize) -> Self {
        Self { actuator: actuator.to_owned(), limit, spent: Mutex::new(Spent::new()) }
    }

    /// Follows what one process writes.
    pub(super) fn follow<R>(&self, stderr: R) -> Follower<'_, R> {
        Follower { log: self, stderr: Some(stderr), spent: Spent::new(), line: Vec::new() }
    }

    fn log(&self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        let (is_within, left_out) = {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            let left_out = spent.add(line.len());
            let is_within = spent.bytes <= self.limit;
            if !is_within {
                spent.left_out += 1;
            }
            (is_within, left_out)
        };
        let actuator = &self.actuator;
        if left_out > 0 {
            tracing::warn!(actuator, lines = left_out, "standard error was left out of the log");
        }
        if is_within {
            let text = printable(&String::from_utf8_lossy(line));
            tracing::info!(actuator, "program: {text}");
        }
    }
}

/// Logs what one process writes.
///
/// Each process has the limit to itself. The log has it for all of them:
/// beyond that lines are counted and left out.
pub(super) struct Follower<'a, R> {
    log: &'a StderrLog,
    /// Absent once it has ended.
    stderr: Option<R>,
    spent: Spent,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Follower<'_, R> {
    /// Logs until the stream ends or the process has written too much.
    /// Nothing is lost when the future is dropped.
    pub(super) async fn until_end(&mut self) -> Result<(), Flood> {
        let mut chunk = [0; LINE_BYTES];
        while let Some(stderr) = &mut self.stderr {
            // A stream that fails is a stream that has ended.
            let read = stderr.read(&mut chunk).await.unwrap_or(0);
            if read == 0 {
                self.stderr = None;
                self.end_line();
            }
            self.spent.add(read);
            if self.spent.bytes > self.log.limit {
                return Err(Flood { limit: self.log.limit });
            }
            for &byte in &chunk[..read] {
                if byte != b'\n' {
                    self.line.push(byte);
                }
                if byte == b'\n' || self.line.len() == LINE_BYTES {
                    self.end_line();
                }
            }
        }
        Ok(())
    }

    /// Logs, and returns only where the process has written too much.
    pub(super) async fn until_flood(&mut self) -> Flood {
        match self.until_end().await {
            Err(flood) => flood,
            Ok(()) => std::future::pending().await,
        }
    }

    fn end_line(&mut self) {
        self.log.log(&self.line);
        self.line.clear();
    }
}

/// What was written since a window began.
#[derive(Debug)]
struct Spent {
    since: Instant,
    bytes: usize,
    left_out: u64,
}

impl Spent {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0, left_out: 0 }
    }

    /// Counts bytes; answers how many lines the last window left out, if it is over.
    fn add(&mut self, bytes: usize) -> u64 {
        let mut left_out = 0;
        if self.since.elapsed() >= WINDOW {
            left_out = self.left_out;
            *self = Self::new();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_one_of_bytes_a_minute() {
        let mut spent = Spent::new();
        spent.add(10);
        spent.left_out = 3;
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!((spent.add(5), spent.bytes), (0, 15));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((spent.add(5), spent.bytes), (3, 5));
        assert_eq!(spent.left_out, 0);
    }

    #[tokio::test]
    async fn a_process_that_floods_is_told_from_one_that_talks() {
        let log = StderrLog::new("probe", 8);
        assert!(log.follow(&b"1234\n123"[..]).until_end().await.is_ok());
        assert!(
            log.follow(&b"1234\n123"[..]).until_end().await.is_ok(),
            "each has the limit to itself"
        );
        assert!(log.follow(&b"123456789"[..]).until_end().await.is_err());
    }
}

//! Reading the journal from another process: `oc2 journal list|show`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::error::JournalError;
use super::socket::{self, Line, Request};
use super::sqlite::Reader;
use super::store::FOUND;
use super::view::{Detail, Entry, Listing};
use crate::dispatch::Ticket;

/// Longest wait for the whole answer of a running bridge.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// Longest answer, in bytes.
const ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To [`Request::List`].
    List(Vec<Entry>),
    /// To [`Request::Show`]. Empty: there is no such command. More than one:
    /// they have the request id in common.
    Show(Vec<Detail>),
    /// To [`Request::Status`].
    Status(Value),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Only a running bridge knows that.
    #[error("no bridge is running on the journal in {}", dir.display())]
    NotRunning {
        /// Folder of the journal.
        dir: PathBuf,
    },
    /// The socket is there, but cannot be used.
    #[error("{}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bridge took too long.
    #[error("the bridge has not answered within {} s", ANSWER_TIME.as_secs())]
    TooSlow,
    /// The bridge ended or does not speak as this program does.
    #[error("the bridge broke off its answer")]
    BrokenOff,
    /// The bridge could not answer.
    #[error("the bridge says: {text}")]
    Refused {
        /// What it said.
        text: String,
    },
    /// No bridge runs, and the journal cannot be read directly.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Asks the bridge that has the journal open; where none does, reads the
/// journal itself and writes nothing.
pub async fn ask(dir: &Path, request: Request) -> Result<Answer, AskError> {
    let path = socket::path(dir);
    match UnixStream::connect(&path).await {
        Ok(stream) => match timeout(ANSWER_TIME, converse(stream, &request)).await {
            Ok(Ok(lines)) => answer(&request, lines),
            Ok(Err(source)) => Err(AskError::Unreachable { path, source }),
            Err(_) => Err(AskError::TooSlow),
        },
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            let dir = dir.to_owned();
            let reading = tokio::task::spawn_blocking(move || directly(dir, request));
            reading.await.expect("it does not panic and nobody aborts it")
        }
        Err(source) => Err(AskError::Unreachable { path, source }),
    }
}

/// Everything that comes back, as far as it can be understood.
async fn converse(mut stream: UnixStream, request: &Request) -> io::Result<Vec<Line>> {
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    stream.write_all(&text).await?;

    let mut lines = BufReader::new(stream.take(ANSWER_BYTES)).lines();
    let mut answer = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let Ok(line) = serde_json::from_str(&line) else { break };
        answer.push(line);
    }
    Ok(answer)
}

fn answer(request: &Request, mut lines: Vec<Line>) -> Result<Answer, AskError> {
    if !matches!(lines.pop(), Some(Line::End)) {
        return Err(AskError::BrokenOff);
    }
    let mut entries = Vec::new();
    let mut details = Vec::new();
    let mut status = None;
    for line in lines {
        match line {
            Line::Entry(entry) => entries.push(entry),
            Line::Detail(detail) => details.push(*detail),
            Line::Status(value) => status = Some(value),
            Line::Error(text) => return Err(AskError::Refused { text }),
            Line::End => return Err(AskError::BrokenOff),
        }
    }
    match request {
        Request::List(_) => Ok(Answer::List(entries)),
        Request::Show { .. } => Ok(Answer::Show(details)),
        Request::Status => status.map(Answer::Status).ok_or(AskError::BrokenOff),
    }
}

fn directly(dir: PathBuf, request: Request) -> Result<Answer, AskError> {
    match request {
        Request::List(listing) => Ok(Answer::List(list(&Reader::open(&dir)?, listing)?)),
        Request::Show { id } => Ok(Answer::Show(show(&Reader::open(&dir)?, id)?)),
        Request::Status => Err(AskError::NotRunning { dir }),
    }
}

fn list(journal: &Reader, mut listing: Listing) -> Result<Vec<Entry>, JournalError> {
    let limit = listing.limit.min(Listing::LIMIT_MAX);
    let mut entries = Vec::new();
    while entries.len() < limit {
        listing.limit = limit - entries.len();
        let page = journal.page(&listing)?;
        entries.extend(page.entries);
        let Some(before) = page.before else { break };
        listing.before = Some(before);
    }
    Ok(entries)
}

fn show(journal: &Reader, id: String) -> Result<Vec<Detail>, JournalError> {
    if let Ok(ticket) = id.parse()
        && let Some(detail) = journal.detail(Ticket(ticket))?
    {
        return Ok(vec![detail]);
    }
    let mut tickets = journal.find(&id)?;
    if tickets.is_empty() {
        let entries = list(journal, Listing::by_request_id(id, FOUND))?;
        tickets = entries.iter().map(|entry| Ticket(entry.ticket)).collect();
    }
    let details = tickets.into_iter().map(|ticket| journal.detail(ticket));
    details.filter_map(Result::transpose).collect()
}

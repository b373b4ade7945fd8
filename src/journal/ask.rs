//! Reading the journal from another process: what `oc2 journal` does.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::config::JournalConfig;
use super::error::JournalError;
use super::export::Exported;
use super::handle::{CHECKED, EXPORTED};
use super::now_ms;
use super::settle;
use super::socket::{self, Line, Request};
use super::sqlite::{Check, Reader, Sqlite};
use super::store::{FOUND, Recovered, Store};
use super::view::{Detail, Entry, Listing};
use crate::dispatch::{Dispatcher, Effect, House, Outcome, Rules, Ticket};

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
    /// To [`Request::Verify`].
    Check(Check),
    /// To [`Request::Export`]. Empty: there are no more.
    Exported(Vec<Exported>),
    /// To [`Request::Resolve`]: this command.
    Resolved(u64),
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
    #[error("{text}")]
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

/// Checks the whole journal: the chain of the records, what is made from them
/// and, where no bridge runs, the file beside the database.
pub async fn verify(dir: &Path) -> Result<Check, AskError> {
    let mut check = Check::default();
    let mut findings = Vec::new();
    while !check.is_over {
        match ask(dir, Request::Verify { check }).await? {
            Answer::Check(next) => check = next,
            _ => return Err(AskError::BrokenOff),
        }
        // They stay here, so that no request becomes too long.
        let room = Check::FINDINGS_KEPT.saturating_sub(findings.len());
        findings.extend(check.findings.drain(..).take(room));
    }
    check.findings = findings;
    Ok(check)
}

/// The next lines of an export. After the last there is one that ends it, and
/// after that none.
pub async fn export(dir: &Path, last: Option<&Exported>) -> Result<Vec<Exported>, AskError> {
    if let Some(Exported::End { .. }) = last {
        return Ok(Vec::new());
    }
    let after = last.map_or(0, Exported::last_seq);
    match ask(dir, Request::Export { after }).await? {
        Answer::Exported(lines) if lines.is_empty() => Ok(vec![Exported::end_after(last)]),
        Answer::Exported(lines) => Ok(lines),
        _ => Err(AskError::BrokenOff),
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
    let mut exported = Vec::new();
    let mut check = None;
    let mut resolved = None;
    let mut status = None;
    for line in lines {
        match line {
            Line::Entry(entry) => entries.push(entry),
            Line::Detail(detail) => details.push(*detail),
            Line::Check(value) => check = Some(value),
            Line::Resolved(ticket) => resolved = Some(ticket),
            Line::Exported(line) => exported.push(line),
            Line::Status(value) => status = Some(value),
            Line::Error(text) => return Err(AskError::Refused { text }),
            Line::End => return Err(AskError::BrokenOff),
        }
    }
    match request {
        Request::List(_) => Ok(Answer::List(entries)),
        Request::Show { .. } => Ok(Answer::Show(details)),
        Request::Verify { .. } => check.map(Answer::Check).ok_or(AskError::BrokenOff),
        Request::Export { .. } => Ok(Answer::Exported(exported)),
        Request::Resolve { .. } => resolved.map(Answer::Resolved).ok_or(AskError::BrokenOff),
        Request::Status => status.map(Answer::Status).ok_or(AskError::BrokenOff),
    }
}

fn directly(dir: PathBuf, request: Request) -> Result<Answer, AskError> {
    match request {
        Request::List(listing) => Ok(Answer::List(list(&Reader::open(&dir)?, listing)?)),
        Request::Show { id } => Ok(Answer::Show(show(&Reader::open(&dir)?, id)?)),
        Request::Verify { mut check } => {
            let mut reader = Reader::open(&dir)?;
            reader.check(&mut check, CHECKED)?;
            if check.is_over {
                if let Some(loss) = reader.compare(&dir)? {
                    check.found(None, None, loss.to_string());
                }
                match reader.look_at_pages() {
                    Err(error @ JournalError::Malformed { .. }) => {
                        check.found(None, None, error.to_string());
                    }
                    looked => looked?,
                }
            }
            Ok(Answer::Check(check))
        }
        Request::Export { after } => {
            Ok(Answer::Exported(Reader::open(&dir)?.export(after, EXPORTED)?))
        }
        Request::Resolve { id, truth, text } => resolve(dir, id, truth.outcome(text)),
        Request::Status => Err(AskError::NotRunning { dir }),
    }
}

/// Settles a command as the bridge would; its response leaves when that runs again.
fn resolve(dir: PathBuf, id: String, outcome: Outcome) -> Result<Answer, AskError> {
    let refused = |text: &str| AskError::Refused { text: text.to_owned() };
    let ticket = match show(&Reader::open(&dir)?, id)?[..] {
        [ref detail] => Ticket(detail.entry.ticket),
        [] => return Err(refused("the journal knows no such command")),
        _ => return Err(refused("more than one command has this request id: give its number")),
    };
    // It writes a page or two, and takes no commands: it needs no reserve.
    let config = JournalConfig { dir, reserve: 0, ..JournalConfig::default() };
    let mut store = Sqlite::open(&config)?;
    let command = match settle::in_doubt(&store, ticket, false)? {
        Ok(command) => command,
        Err(text) => return Err(refused(&text)),
    };
    let Recovered { last_ticket, last_outbox, .. } = store.recovered()?;
    let mut dispatcher =
        Dispatcher::new(House::default(), Rules::default(), last_ticket, last_outbox);
    for effect in dispatcher.resolve(&command, outcome, now_ms()) {
        if let Effect::Record(records) = effect {
            store.apply_all(records)?;
        }
    }
    store.commit()?;
    Box::new(store).close()?;
    Ok(Answer::Resolved(ticket.0))
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

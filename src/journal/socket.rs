//! The journal's door for people: a Unix socket in its folder, while the bridge runs.
//!
//! One request a connection: a line of JSON comes, lines of JSON go back, the
//! last of which is `"end"`. An answer without it was cut short.
//!
//! ```text
//! {"list":{"limit":2}}      {"entry":{…}} {"entry":{…}} "end"
//! {"show":{"id":"17"}}      {"detail":{…}} "end"
//! {"export":{"after":0}}    {"exported":{…}} {"exported":{…}} "end"
//! "status"                  {"status":{…}} "end"
//! "statsu"                  {"error":"unknown variant …"} "end"
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::error::{JournalError, with_causes};
use super::export::Exported;
use super::handle::Journal;
use super::settle::{Settlement, Truth};
use super::sqlite::Check;
use super::store::FOUND;
use super::view::{Detail, Entry, Listing};
use crate::dispatch::{Outcome, Ticket};

/// Name of the socket in the journal's folder.
const FILE: &str = "journal.sock";

/// Connections served at a time; more wait to be accepted.
const CONNECTIONS: usize = 8;

/// Longest request, in bytes.
const REQUEST_BYTES: u64 = 16 * 1024;

/// Longest time from a connection's first moment to its last.
const CONNECTION_TIME: Duration = Duration::from_secs(20);

/// Rest after a connection could not be accepted (no file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What can be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Request {
    /// Commands, newest first.
    List(Listing),
    /// All there is about a command.
    Show {
        /// Its ticket or, where no command has that, its request id.
        id: String,
    },
    /// Goes on with a check of the records.
    Verify {
        /// How far it has come.
        check: Check,
    },
    /// The records after a number.
    Export {
        /// The last that is known.
        after: u64,
    },
    /// Settles a command in doubt.
    Resolve {
        /// Its ticket, or its request id.
        id: String,
        /// What became of it.
        truth: Truth,
        /// What was found out; its producer reads it.
        text: String,
    },
    /// How the bridge is.
    Status,
}

/// A line of an answer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Entry(Entry),
    Detail(Box<Detail>),
    Check(Check),
    Resolved(u64),
    Exported(Exported),
    Status(Value),
    Error(String),
    End,
}

/// Makes the answer to [`Request::Status`]; what is in it is the daemon's affair.
pub type StatusSource = Arc<dyn Fn() -> Value + Send + Sync>;

/// The socket, listening.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// Where the socket of a journal is.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

impl Socket {
    /// Listens in the folder of a journal that this process has open; so a
    /// socket that is there already is one that a dead process left.
    pub fn bind(dir: &Path) -> Result<Self, JournalError> {
        let path = path(dir);
        let bind = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener =
            bind().map_err(|source| JournalError::Folder { path: path.clone(), source })?;
        Ok(Self { listener, path })
    }

    /// Answers until it is dropped. Drop it before the journal is closed: with
    /// it go the connections and the file.
    pub async fn serve<T: Send + 'static>(
        self,
        journal: Journal<T>,
        status: StatusSource,
        settle: mpsc::Sender<Settlement>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            if connections.len() >= CONNECTIONS {
                connections.join_next().await;
            }
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (journal, status) = (journal.clone(), Arc::clone(&status));
                    let settle = settle.clone();
                    connections.spawn(async move {
                        match timeout(CONNECTION_TIME, converse(stream, &journal, &status, &settle))
                            .await
                        {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => tracing::debug!(%error, "journal socket"),
                            Err(_) => tracing::debug!("journal socket: the client was too slow"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "journal socket: a connection was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A client finds a dead socket as good as none.
        drop(fs::remove_file(&self.path));
    }
}

async fn converse<T: Send + 'static>(
    mut stream: UnixStream,
    journal: &Journal<T>,
    status: &StatusSource,
    settle: &mpsc::Sender<Settlement>,
) -> io::Result<()> {
    let (reader, writer) = stream.split();
    let mut line = Vec::new();
    BufReader::new(reader.take(REQUEST_BYTES)).read_until(b'\n', &mut line).await?;

    let lines = match serde_json::from_slice(&line) {
        Ok(Request::Resolve { id, truth, text }) => {
            resolve(journal, settle, id, truth.outcome(text)).await
        }
        Ok(request) => answer(request, journal, status).await.map_err(|error| with_causes(&error)),
        Err(error) => Err(error.to_string()),
    };
    let mut writer = BufWriter::new(writer);
    for line in lines.unwrap_or_else(|error| vec![Line::Error(error)]) {
        say(&mut writer, &line).await?;
    }
    say(&mut writer, &Line::End).await?;
    writer.shutdown().await
}

async fn answer<T: Send + 'static>(
    request: Request,
    journal: &Journal<T>,
    status: &StatusSource,
) -> Result<Vec<Line>, JournalError> {
    match request {
        Request::List(listing) => {
            let entries = journal.list(listing).await?;
            Ok(entries.into_iter().map(Line::Entry).collect())
        }
        Request::Show { id } => {
            let mut lines = Vec::new();
            for ticket in wanted(journal, id).await? {
                let detail = journal.show(ticket).await?;
                lines.extend(detail.map(|detail| Line::Detail(Box::new(detail))));
            }
            Ok(lines)
        }
        Request::Verify { check } => Ok(vec![Line::Check(journal.check(check).await?)]),
        Request::Export { after } => {
            let lines = journal.export(after).await?;
            Ok(lines.into_iter().map(Line::Exported).collect())
        }
        Request::Resolve { .. } => unreachable!("it was taken out before"),
        Request::Status => Ok(vec![Line::Status(status())]),
    }
}

/// Has the hall settle a command, and waits until that is durable.
async fn resolve<T: Send + 'static>(
    journal: &Journal<T>,
    settle: &mpsc::Sender<Settlement>,
    id: String,
    outcome: Outcome,
) -> Result<Vec<Line>, String> {
    let ticket = match wanted(journal, id).await.map_err(|error| with_causes(&error))?[..] {
        [ticket] => ticket,
        [] => return Err("the journal knows no such command".to_owned()),
        _ => return Err("more than one command has this request id: give its number".to_owned()),
    };
    let (answer, settled) = oneshot::channel();
    let is_ending = || "the bridge is ending".to_owned();
    settle.send(Settlement { ticket, outcome, answer }).await.map_err(|_| is_ending())?;
    settled.await.map_err(|_| is_ending())??;
    journal.settled().await.map_err(|error| with_causes(&error))?;
    Ok(vec![Line::Resolved(ticket.0)])
}

/// The commands that somebody means by `id`.
async fn wanted<T: Send + 'static>(
    journal: &Journal<T>,
    id: String,
) -> Result<Vec<Ticket>, JournalError> {
    if let Ok(ticket) = id.parse().map(Ticket)
        && journal.show(ticket).await?.is_some()
    {
        return Ok(vec![ticket]);
    }
    let owners = journal.find(id.clone()).await?;
    if !owners.is_empty() {
        return Ok(owners);
    }
    let entries = journal.list(Listing::by_request_id(id, FOUND)).await?;
    Ok(entries.iter().map(|entry| Ticket(entry.ticket)).collect())
}

async fn say(writer: &mut (impl AsyncWriteExt + Unpin), line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

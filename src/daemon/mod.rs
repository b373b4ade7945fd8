//! Starts everything in order, carries effects out in order, and ends in order.
//!
//! There is no rule about the domain here: what is to happen is decided in
//! `dispatch`, and this room only does it. *Recorded before acknowledged,
//! acknowledged before started.*

mod archive;
mod clock;
mod crew;
mod events;
mod hall;
mod outbox;
mod report;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::actuator::relay::View;
use crate::config::{Settings, Topics};
use crate::dispatch::{Counters, Dispatcher, Ticket};
use crate::https;
use crate::journal::{Journal, JournalConfig, JournalError, Socket, Storage};
use crate::mqtt::door::{Door, DoorSettings, OpenError};
use archive::Files;
use clock::Clock;
use crew::{Crew, CrewError, Peers};
use hall::Hall;
use outbox::Outbox;

/// Longest time between two looks at the clock: it may have been set.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(500);

/// Reports that may wait to be heard.
const REPORTS_WAITING: usize = 1024;

/// Answers after the end that may wait to be looked at; further ones are lost, with a line
/// that says so.
const STRAYS_WAITING: usize = 1024;

/// Commands in doubt that may wait to be settled.
const SETTLEMENTS_WAITING: usize = 8;

/// Longest wait for the broker to confirm responses, and for the clean
/// disconnect, when the bridge ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// How the world outside steers a bridge.
#[derive(Debug)]
pub struct Control {
    /// Cancelled: stop taking, finish what was started, end.
    pub stop: CancellationToken,
    /// Go on with these consumers and actuators.
    pub reload: mpsc::Receiver<Topics>,
    /// Told once commands are being taken.
    pub ready: Option<oneshot::Sender<Ready>>,
}

/// Commands are being taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ready {
    /// Where they may be posted, if anywhere.
    pub https: Option<SocketAddr>,
}

/// Why a bridge could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The journal cannot be opened, or cannot write any more.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// The door to the broker cannot be set up.
    #[error("the MQTT door")]
    Door(#[from] OpenError),
    /// The door for what is posted cannot be opened.
    #[error("the HTTPS door")]
    Https(#[from] https::OpenError),
    /// An actuator cannot be set up.
    #[error(transparent)]
    Crew(#[from] CrewError),
}

/// Runs the bridge until it is told to stop, or can no longer keep its promise.
pub async fn run(
    settings: Settings,
    topics: Topics,
    control: Control,
) -> Result<Counters, DaemonError> {
    if settings.journal.storage == Storage::Memory {
        tracing::warn!(
            "the journal is in memory: when this process ends, commands under way and unsent \
             responses are lost, and repetitions are carried out again"
        );
    }
    let trust_clock = settings.time.trust_clock;
    let config = JournalConfig { trust_clock, ..settings.journal.clone() };
    let (journal, committed, recovered) = Journal::open(&config)?;
    let socket = Socket::bind(&settings.journal.dir)?;
    let (reports_in, reports) = mpsc::channel(REPORTS_WAITING);
    let (strays_in, strays) = mpsc::channel(STRAYS_WAITING);
    let crew = Crew::assemble(&settings, &topics, reports_in, strays_in)?;
    let peers = crew.peers();
    let door_settings = DoorSettings {
        // The identifier belongs to what was recorded under it.
        state_folder: settings.journal.dir.clone(),
        has_history: recovered.last_ticket > Ticket(0),
        topics: topics.command_topics(),
    };
    let (door, events) = Door::open(&settings.mqtt, &door_settings)?;
    let (counters, counted) = watch::channel(Counters::default());
    let files = Arc::new(Files {
        journal: journal.clone(),
        counters: counted.clone(),
        routes: crew.route_broker(),
    });
    let https = https::Door::open(&settings.https, settings.limits.message, files).await?;
    let (https, posts) = https.unzip();

    let mut dispatcher = Dispatcher::new(
        topics.house.clone(),
        settings.rules(),
        recovered.last_ticket,
        recovered.last_outbox,
    );
    dispatcher.remember(recovered.clock_ms, recovered.forgotten_ms);
    let (status_of_door, status_of_https) = (door.clone(), https.clone());
    let journal_status = journal.clone();
    let status = Arc::new(move || {
        serde_json::json!({
            "journal": journal_status.health(),
            "process": std::process::id(),
            "connected": status_of_door.is_up(),
            "counters": *counted.borrow(),
            "mqtt": status_of_door.statistics(),
            "peers": views(&peers.borrow()),
            "https": status_of_https.as_ref().map(https::DoorHandle::statistics),
        })
    });
    let (settle, settlements) = mpsc::channel(SETTLEMENTS_WAITING);
    let people = tokio::spawn(socket.serve(journal.clone(), status, settle));

    let hall = Hall {
        dispatcher,
        journal: journal.clone(),
        committed,
        door: door.clone(),
        events,
        https: https.clone(),
        posts,
        crew,
        reports,
        strays,
        held_back: Vec::new(),
        outbox: Outbox::new(recovered.outbox_waiting > 0),
        log: report::CommandLog::default(),
        counters,
        clock: Clock::start(),
        settlements,
        to_commit: Vec::new(),
        outstanding: 0,
        is_up: false,
    };
    // A task of the runtime's own threads: who wakes it up can go on with it, on the same thread.
    let hall = tokio::spawn(hall.run(recovered, control, settings.limits.drain));
    let ended = match AbortOnDropHandle::new(hall).await {
        Ok(ended) => ended,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    if let Some(https) = https {
        https.close(FAREWELL).await;
    }
    door.close(FAREWELL).await;
    people.abort();
    match ended {
        Ok(counters) => {
            journal.close().await?;
            Ok(counters)
        }
        Err(error) => Err(error),
    }
}

/// How each peer of a relay is doing.
fn views(peers: &Peers) -> BTreeMap<&str, View> {
    peers.iter().map(|(name, breaker)| (name.as_str(), breaker.view())).collect()
}

/// Milliseconds since 1970-01-01T00:00:00Z.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

//! Starts the house, shows it, and clears it away again.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::BoxError;
use super::broker::{BrokerError, EmbeddedBroker};
use super::gateway::papers::{Papers, PapersError};
use super::gateway::tour::{self as calls, Caller};
use super::gateway::{self, Door};
use super::house::{self, Devices};
use super::show::Show;
use super::tour::{self, Producer, STEPS};
use crate::daemon::Ready;
use crate::mqtt::peer::PeerError;

/// Longest wait for the bridge to be ready.
const BRIDGE_START: Duration = Duration::from_secs(10);
/// How long the bridges may take to end. With the two below: less than a second.
const BRIDGE_STOP: Duration = Duration::from_millis(500);
/// How long the devices may take for their goodbye.
const DEVICES_STOP: Duration = Duration::from_millis(150);
/// How long the producer may take for its goodbye.
const PRODUCER_STOP: Duration = Duration::from_millis(150);
/// Folders of former demos that may be in the way before something is wrong.
const FOLDER_ATTEMPTS: u32 = 1000;
/// MQTT and HTTPS port in the files of [`Mode::PrintConfig`], where any free one is asked for.
const USUAL_PORTS: (u16, u16) = (1883, 8443);
/// What the gateway is called, and its folder.
const GATEWAY: &str = "gateway";
/// Folder of the certificates, in that of the demo.
const CERTIFICATES: &str = "certs";
/// Where the bridges of [`Mode::PrintConfig`] have their files.
const USUAL_FOLDERS: (&str, &str) = ("/var/lib/openc2-bridge", "/var/lib/openc2-gateway");

/// What `oc2 demo` was told.
#[derive(Clone, Debug, Default)]
pub struct DemoOptions {
    /// How `oc2` was called, so that the commands to paste can be called alike.
    pub program: String,
    /// TCP port of the broker; 0 for any free one.
    pub port: u16,
    /// With a gateway, whose HTTPS door has this TCP port; 0 for any free one.
    pub https_port: Option<u16>,
    /// What to do.
    pub mode: Mode,
    /// How to print.
    pub style: Style,
}

/// What the demo is for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// Stay until somebody ends it.
    #[default]
    Stay,
    /// Send the commands of the tour, judge their answers, and end.
    Tour,
    /// Start nothing; show the two files that the bridge of the demo runs with.
    PrintConfig,
}

/// How the demo prints.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// For people.
    #[default]
    Plain,
    /// For people before a terminal.
    Colours,
    /// One JSON object a line, for machines.
    Json,
}

/// The bridge, as the demo starts it: one for the house, and one for the gateway.
pub trait Bridge: Clone + Send + 'static {
    /// Runs until `stop`. Says `ready` once it takes commands.
    fn run(
        self,
        files: Files,
        stop: CancellationToken,
        ready: oneshot::Sender<Ready>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// What the bridge is told. Nothing of it has been written to disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    /// Text of bridge.toml.
    pub bridge_toml: String,
    /// Text of topics.toml.
    pub topics_toml: String,
    /// An empty folder that only we may enter; it is removed in the end.
    pub dir: PathBuf,
}

/// How the demo went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// All that was asked for: the tour was right, or somebody ended the demo.
    Right,
    /// Somebody ended the tour before it was over.
    CutShort,
    /// So many steps of the tour were wrong.
    Wrong {
        /// At least one.
        steps: usize,
    },
}

impl Verdict {
    fn of(wrong_steps: usize) -> Self {
        if wrong_steps == 0 { Self::Right } else { Self::Wrong { steps: wrong_steps } }
    }
}

/// Why there was no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The broker did not start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A simulated device did not start.
    #[error("a simulated device did not start")]
    Device(#[from] PeerError),
    /// The gateway has no certificates.
    #[error("the gateway has no certificates")]
    Papers(#[from] PapersError),
    /// There is no place for the journal.
    #[error("no folder for the journal in {}", .dir.display())]
    Folder {
        /// Where it should have been.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A bridge ended, or was not ready in time.
    #[error("the {who} failed: {why}")]
    Bridge {
        /// Which of the two.
        who: &'static str,
        /// In its own words.
        why: BoxError,
    },
    /// The producer of the tour failed.
    #[error("the producer of the tour failed: {0}")]
    Producer(BoxError),
    /// Nobody reads what we print.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// Runs the demo until `stop`, or with [`Mode::Tour`] to the end of the tour.
///
/// When it returns, nothing of it is left: no thread, no connection, no file.
pub async fn run<B: Bridge, P: Producer, C: Caller>(
    options: DemoOptions,
    bridge: B,
    stop: CancellationToken,
    out: &mut (impl Write + Send),
) -> Result<Verdict, DemoError> {
    let mut show = Show::new(out, options.style);
    if options.mode == Mode::PrintConfig {
        print_config(&options, &mut show)?;
        return Ok(Verdict::Right);
    }

    let begin = Instant::now();
    let folder = Folder::create()?;
    let broker = EmbeddedBroker::start(options.port).await?;
    let devices = Devices::start(&broker.url()).await?;
    let mut bridges = Bridges::start(&bridge, &broker, &folder, &options)?;

    let verdict = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(match options.mode {
            Mode::Tour => Verdict::CutShort,
            Mode::Stay | Mode::PrintConfig => Verdict::Right,
        }),
        verdict = async {
            let door = bridges.wait_until_ready().await?;
            show.house(&broker.url(), &devices, begin.elapsed())?;
            if let Some(door) = &door {
                show.door(door)?;
            }
            match (options.mode, &door) {
                (Mode::Tour, None) => {
                    take_tour::<P>(&broker, &devices, &mut bridges, &mut show).await
                }
                (Mode::Tour, Some(door)) => {
                    call_at::<C>(door, &devices, &mut bridges, &mut show).await
                }
                (_, None) => {
                    show.ways_on(&options.program, &broker.url())?;
                    Err(bridges.ended().await)
                }
                (_, Some(door)) => {
                    show.ways_in(&options.program, door)?;
                    Err(bridges.ended().await)
                }
            }
        } => verdict,
    };

    // From the inside out, so that each still finds the broker it says goodbye to.
    bridges.stop().await;
    // Too slow: stopping the broker cuts them off.
    let _late = timeout(DEVICES_STOP, devices.stop()).await;
    broker.stop().await;
    verdict
}

fn print_config(
    options: &DemoOptions,
    show: &mut Show<'_, impl Write + Send>,
) -> Result<(), DemoError> {
    let or = |port: u16, usual: u16| if port == 0 { usual } else { port };
    let (mqtt, https) = USUAL_PORTS;
    let broker_url = format!("mqtt://127.0.0.1:{}", or(options.port, mqtt));
    let [house, other] = [USUAL_FOLDERS.0, USUAL_FOLDERS.1].map(Path::new);
    let log_level = log_level(options.mode);
    let house = [house::bridge_toml(&broker_url, house, log_level), house::topics_toml()];
    let gateway = options.https_port.map(|port| {
        let papers = Papers::at(&other.join(CERTIFICATES), gateway::PRODUCER);
        let port = or(port, https);
        let bridge_toml = gateway::bridge_toml(&broker_url, port, other, &papers, log_level);
        [bridge_toml, gateway::topics_toml()]
    });
    Ok(show.files(&house, gateway.as_ref())?)
}

async fn take_tour<P: Producer>(
    broker: &EmbeddedBroker,
    devices: &Devices,
    bridges: &mut Bridges,
    show: &mut Show<'_, impl Write + Send>,
) -> Result<Verdict, DemoError> {
    let begin = Instant::now();
    // The port is ours alone as long as this demo runs.
    let run = broker.port().to_string();
    let mut producer = P::connect(&broker.url()).await.map_err(DemoError::Producer)?;
    let mut wrong_steps = 0;

    for (number, step) in (1..).zip(STEPS) {
        let outcome = tokio::select! {
            biased;
            error = bridges.ended() => return Err(error),
            outcome = tour::take(step, &run, &mut producer, devices) => outcome,
        };
        let outcome = outcome.map_err(DemoError::Producer)?;
        wrong_steps += usize::from(!outcome.wrong.is_empty());
        show.step(number, step, &outcome)?;
    }
    show.summary("commands", (STEPS.len(), wrong_steps), begin.elapsed())?;

    // Too slow: stopping the broker cuts it off.
    let _late = timeout(PRODUCER_STOP, producer.close()).await;
    Ok(Verdict::of(wrong_steps))
}

/// The tour of the gateway.
async fn call_at<C: Caller>(
    door: &Door,
    devices: &Devices,
    bridges: &mut Bridges,
    show: &mut Show<'_, impl Write + Send>,
) -> Result<Verdict, DemoError> {
    let begin = Instant::now();
    let caller = C::new(door).map_err(DemoError::Producer)?;
    let mut memory = calls::Memory::default();
    let mut wrong_steps = 0;

    for (number, step) in (1..).zip(calls::STEPS) {
        let outcome = tokio::select! {
            biased;
            error = bridges.ended() => return Err(error),
            outcome = calls::take(step, &mut memory, &caller, devices) => outcome,
        };
        wrong_steps += usize::from(!outcome.wrong.is_empty());
        show.call(number, step, &outcome)?;
    }
    show.summary("requests", (calls::STEPS.len(), wrong_steps), begin.elapsed())?;
    Ok(Verdict::of(wrong_steps))
}

/// A line for each command is company while somebody tries things out, and noise in a tour.
fn log_level(mode: Mode) -> &'static str {
    match mode {
        Mode::Stay | Mode::PrintConfig => "info",
        Mode::Tour => "warn",
    }
}

/// The bridge of the house, and that of the gateway where there is one.
struct Bridges {
    house: RunningBridge,
    gateway: Option<(RunningBridge, Papers)>,
}

impl Bridges {
    fn start(
        bridge: &impl Bridge,
        broker: &EmbeddedBroker,
        folder: &Folder,
        options: &DemoOptions,
    ) -> Result<Self, DemoError> {
        let log_level = log_level(options.mode);
        let gateway = match options.https_port {
            None => None,
            Some(port) => {
                let dir = folder.0.join(GATEWAY);
                DirBuilder::new()
                    .mode(0o700)
                    .create(&dir)
                    .map_err(|source| DemoError::Folder { dir: dir.clone(), source })?;
                let certificates = folder.0.join(CERTIFICATES);
                let papers = Papers::make(&certificates, &gateway::SERVER, gateway::PRODUCER)?;
                let files = Files {
                    bridge_toml: gateway::bridge_toml(
                        &broker.url(),
                        port,
                        &dir,
                        &papers,
                        log_level,
                    ),
                    topics_toml: gateway::topics_toml(),
                    dir,
                };
                Some((RunningBridge::start(GATEWAY, bridge.clone(), files), papers))
            }
        };
        let files = Files {
            bridge_toml: house::bridge_toml(&broker.url(), &folder.0, log_level),
            topics_toml: house::topics_toml(),
            dir: folder.0.clone(),
        };
        Ok(Self { house: RunningBridge::start("bridge", bridge.clone(), files), gateway })
    }

    /// Returns the door of the gateway.
    async fn wait_until_ready(&mut self) -> Result<Option<Door>, DemoError> {
        self.house.wait_until_ready().await?;
        let Some((gateway, papers)) = &mut self.gateway else { return Ok(None) };
        match gateway.wait_until_ready().await?.https {
            Some(address) => Ok(Some(Door { address, papers: papers.clone() })),
            None => Err(gateway.failed("it has no HTTPS door".into())),
        }
    }

    /// Waits for the end of one of them, which nobody asked for.
    async fn ended(&mut self) -> DemoError {
        match &mut self.gateway {
            None => self.house.ended().await,
            Some((gateway, _)) => tokio::select! {
                error = self.house.ended() => error,
                error = gateway.ended() => error,
            },
        }
    }

    async fn stop(self) {
        let gateway = async {
            if let Some((gateway, _)) = self.gateway {
                gateway.stop().await;
            }
        };
        tokio::join!(self.house.stop(), gateway);
    }
}

/// A bridge in a task of its own.
struct RunningBridge {
    name: &'static str,
    task: JoinHandle<Result<(), BoxError>>,
    ready: Option<oneshot::Receiver<Ready>>,
    stop: CancellationToken,
}

impl RunningBridge {
    fn start(name: &'static str, bridge: impl Bridge, files: Files) -> Self {
        let stop = CancellationToken::new();
        let (is_ready, ready) = oneshot::channel();
        let task = tokio::spawn(bridge.run(files, stop.clone(), is_ready));
        Self { name, task, ready: Some(ready), stop }
    }

    async fn wait_until_ready(&mut self) -> Result<Ready, DemoError> {
        let ready = self.ready.take().expect("it is waited for once");
        match timeout(BRIDGE_START, ready).await {
            Ok(Ok(ready)) => Ok(ready),
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => {
                let reason = format!("not ready within {} s", BRIDGE_START.as_secs());
                Err(self.failed(reason.into()))
            }
        }
    }

    /// Waits for its end, which nobody asked for.
    async fn ended(&mut self) -> DemoError {
        let why = match (&mut self.task).await {
            Ok(Ok(())) => "it ended by itself".into(),
            Ok(Err(error)) => error,
            Err(error) => error.into(),
        };
        self.failed(why)
    }

    fn failed(&self, why: BoxError) -> DemoError {
        DemoError::Bridge { who: self.name, why }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        if !self.task.is_finished() {
            // Too slow: dropping it ends it.
            let _late = timeout(BRIDGE_STOP, &mut self.task).await;
        }
    }
}

impl Drop for RunningBridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A folder that is there as long as this is.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self, DemoError> {
        let parent = std::env::temp_dir();
        let process = std::process::id();
        for number in 0..FOLDER_ATTEMPTS {
            let dir = parent.join(format!("oc2-demo-{process}-{number}"));
            // Fails where anything of that name is there, so nobody can lay one out for us.
            match DirBuilder::new().mode(0o700).create(&dir) {
                Ok(()) => return Ok(Self(dir)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(DemoError::Folder { dir: parent, source }),
            }
        }
        Err(DemoError::Folder { dir: parent, source: io::ErrorKind::AlreadyExists.into() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(dir = %self.0.display(), %error, "the demo's folder stays behind");
        }
    }
}

#[cfg(test)]
mod tests;

//! A broker and a subject beside it, each a process of its own on this machine.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::PATIENCE;
use super::load::PRODUCER;
use super::process::Process;
use super::subject::Subject;

/// Mosquitto as the floor and everything else is measured with it: nothing on disk, no limits, no delays.
const MOSQUITTO_CONF: &str = "allow_anonymous true\npersistence false\nset_tcp_nodelay true\n\
                              max_inflight_messages 0\nmax_queued_messages 0\n";

/// Folder of certificates, beside bridge.toml.
const CERTIFICATES: &str = "certs";

/// How often a log is looked at for the word that its process is ready.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The `oc2` of [`Subject::Other`].
pub static OTHER: OnceLock<PathBuf> = OnceLock::new();

/// Everything ends with this value, and its folder goes.
pub struct Stage {
    /// The broker's.
    pub port: u16,
    /// Of the bridge's HTTPS door, where the subject has one.
    pub https_port: u16,
    subject: Option<Running>,
    helper: Option<Running>,
    broker: Running,
    kind: Subject,
    folder: TempDir,
}

/// Processor time that each has used since it was started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub broker: Duration,
    pub subject: Duration,
    /// The device, the program or the consumer behind the bridge.
    pub actuator: Duration,
    /// This process.
    pub load: Duration,
}

impl Stage {
    /// Starts broker and subject, with so many consumers.
    pub fn start(kind: Subject, consumers: usize) -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (port, broker) = start_broker(folder.path())?;
        let helper = match kind {
            Subject::Device => Some(start_role("device", port, folder.path())?),
            Subject::Gateway => Some(start_role("consumer", port, folder.path())?),
            _ => None,
        };
        let https_port = free_port()?;
        if kind == Subject::Gateway {
            make_certificates(folder.path())?;
        }
        fs::write(folder.path().join("bridge.toml"), kind.bridge_toml(port, https_port))?;
        fs::write(folder.path().join("topics.toml"), kind.topics_toml(consumers))?;
        if kind == Subject::Exec {
            fs::copy(stream_actuator()?, folder.path().join("stream_actuator"))
                .context("examples/stream_actuator, which `make bench` builds")?;
        }
        let mut stage = Self { port, https_port, subject: None, helper, broker, kind, folder };
        stage.start_subject()?;
        Ok(stage)
    }

    /// Ends the subject in good order and starts it again on what it has written. How long that took
    /// from the start of the process to the word that it takes commands.
    pub fn restart(&mut self) -> Result<Duration> {
        if let Some(subject) = self.subject.take() {
            subject.terminate()?;
        }
        let begun = Instant::now();
        self.start_subject()?;
        Ok(begun.elapsed())
    }

    fn start_subject(&mut self) -> Result<()> {
        let folder = self.folder.path();
        self.subject = Some(match self.kind {
            Subject::Floor => start_role("floor", self.port, folder)?,
            Subject::Other => start_bridge(OTHER.get().context("--other")?, folder)?,
            _ => start_bridge(Path::new(env!("CARGO_BIN_EXE_oc2")), folder)?,
        });
        Ok(())
    }

    /// Where the certificates are of a subject with an HTTPS door.
    pub fn certificates(&self) -> PathBuf {
        self.folder.path().join(CERTIFICATES)
    }

    /// The process that is measured.
    pub fn subject(&self) -> Process {
        self.subject.as_ref().expect("it is started").process()
    }

    /// What each has used so far.
    pub fn cpu(&self) -> Result<Cpu> {
        let actuators = match &self.helper {
            Some(helper) => vec![helper.process()],
            None => self.subject().children()?,
        };
        Ok(Cpu {
            broker: self.broker.process().cpu()?,
            subject: self.subject().cpu()?,
            actuator: actuators.into_iter().map(Process::cpu).sum::<Result<_>>()?,
            load: Process::own().cpu()?,
        })
    }

    /// Everything that subject, broker and helper have said, for whoever has to find out.
    pub fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(20).collect();
            lines.into_iter().rev().fold(format!("--- {name}\n"), |text, line| text + line + "\n")
        };
        ["bridge.log", "floor.log", "device.log", "consumer.log", "mosquitto.log"]
            .map(tail)
            .concat()
    }
}

fn start_broker(folder: &Path) -> Result<(u16, Running)> {
    let port = free_port()?;
    let conf = folder.join("mosquitto.conf");
    fs::write(&conf, format!("listener {port} 127.0.0.1\n{MOSQUITTO_CONF}"))?;
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(&conf).env("PATH", path);
    let broker = Running::start(&mut command, &folder.join("mosquitto.log"), "running")
        .context("mosquitto, which `make tools` installs")?;
    Ok((port, broker))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Certificates for the door and for the load, as a user makes them.
fn make_certificates(folder: &Path) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("broker/certs.sh");
    let made = Command::new(&script)
        .arg(folder.join(CERTIFICATES))
        .args(["localhost", PRODUCER])
        .output()
        .with_context(|| script.display().to_string())?;
    ensure!(made.status.success(), "no certificates: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// This program once more, in another role.
fn start_role(role: &str, port: u16, folder: &Path) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--role", role, "--port", &port.to_string()]);
    Running::start(&mut command, &folder.join(format!("{role}.log")), "ready: ")
}

fn start_bridge(program: &Path, folder: &Path) -> Result<Running> {
    let mut command = Command::new(program);
    // Whoever runs this may have variables for a bridge of their own. Relative paths start here.
    command.env_clear().current_dir(folder);
    command.args(["run", "--config", "bridge.toml", "--topics", "topics.toml"]);
    Running::start(&mut command, &folder.join("bridge.log"), "ready: ")
}

/// The example program, where cargo puts it beside `oc2`.
fn stream_actuator() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_oc2")).parent().context("a folder")?;
    Ok(folder.join("examples/stream_actuator"))
}

/// A process of ours; killed when dropped.
struct Running(Child);

impl Running {
    /// Starts it with its log in a file, and waits until the log says this.
    fn start(command: &mut Command, log: &Path, says: &str) -> Result<Self> {
        let file = File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let mut running = Self(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = fs::read_to_string(log)?;
            if said.contains(says) {
                return Ok(running);
            }
            if running.0.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("it does not start:\n{said}");
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn process(&self) -> Process {
        Process(self.0.id())
    }

    /// SIGTERM, and waits for its good end.
    fn terminate(mut self) -> Result<()> {
        let sent = Command::new("kill").arg(self.0.id().to_string()).status()?;
        ensure!(sent.success(), "it cannot be told to end");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "it ended with {status}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

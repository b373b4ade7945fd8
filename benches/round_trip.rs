//! How long a command takes, there and back, and what the machine alone takes of that.
//!
//! `make round-trip`. It starts a private mosquitto and the bridge, each a process of its own, on a
//! free port of this machine; the journal is on the disk that holds `target/`. Everything is sent one at a
//! time, and in turns, so that whatever else the machine does disturbs all rows alike.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use openc2_bridge::cli::timestamp;
use openc2_bridge::dispatch::Address;
use openc2_bridge::mqtt::client_id::random_client_id;
use openc2_bridge::mqtt::link::Subscription;
use openc2_bridge::mqtt::peer::{Peer, PeerMessage, PeerOptions};
use openc2_bridge::mqtt::topics::{TopicLevel, TopicPrefix};
use openc2_bridge::producer::{self, Arrival, BrokerSettings, Outgoing, Producer, TlsFiles};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Turns, and what is measured of each kind in one.
const TURNS: usize = 20;
const A_TURN: usize = 100;
/// Of each kind before anything is measured.
const WARM_UP: usize = 50;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A page of the journal, in bytes, and the pages of its log that are written round and round.
const PAGE: usize = 4096;
const PAGES: usize = 1000;

const TOPICS_TOML: &str = r#"
[[consumer]]
id = "gateway-1"
actuators = ["audit"]

[actuator.audit]
kind = "log"
profile = "x-log"
pairs = { deny = ["ipv4_net"] }
"#;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    // `cargo test --benches` asks whether it can be run at all.
    if std::env::args().any(|word| word == "--test") {
        return Ok(());
    }
    let house = House::start()?;
    let mut disk = Disk::new(house.folder.path())?;
    let mut echo = Echo::start(&house.url).await?;
    let mut commands = Commands::connect(&house.url).await?;

    let (mut syncs, mut echoes, mut queries, mut denials) = (vec![], vec![], vec![], vec![]);
    for turn in 0..=TURNS {
        let number = if turn == 0 { WARM_UP } else { A_TURN };
        for _ in 0..number {
            syncs.push(disk.sync()?);
        }
        for _ in 0..number {
            echoes.push(echo.round_trip().await?);
        }
        let features = json!({"action": "query", "target": {"features": []}});
        for _ in 0..number {
            queries.push(commands.round_trip(&features).await?);
        }
        let denial = json!({"action": "deny", "target": {"ipv4_net": "198.51.100.0/24"}});
        for _ in 0..number {
            denials.push(commands.round_trip(&denial).await?);
        }
        if turn == 0 {
            for times in [&mut syncs, &mut echoes, &mut queries, &mut denials] {
                times.clear();
            }
        }
    }

    println!("{}", machine());
    println!("{} of each, one at a time, milliseconds:\n", TURNS * A_TURN);
    println!("{:<48} {:>7} {:>7}", "", "p50", "p99");
    for (what, times) in [
        ("fdatasync of a page on the disk of the journal", &mut syncs),
        ("an echo through mosquitto, without the bridge", &mut echoes),
        ("query features: one commit", &mut queries),
        ("deny ipv4_net, actuator log: two commits", &mut denials),
    ] {
        times.sort_unstable();
        println!("{what:<48} {:>7.2} {:>7.2}", percentile(times, 50), percentile(times, 99));
    }
    commands.producer.close().await;
    Ok(())
}

/// Of times in order, in milliseconds.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

/// What this was measured on, and when.
fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let mosquitto = Command::new("mosquitto").arg("-h").output();
    let mosquitto = mosquitto.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = timestamp(producer::now_ms())[..10].to_owned();
    write!(text, ", {}, {cores} cores", model.unwrap_or("unknown processor")).expect("a String");
    write!(text, ", Linux {}", read("/proc/sys/kernel/osrelease").trim()).expect("a String");
    write!(text, ", {}", mosquitto.unwrap_or_default().lines().next().unwrap_or(""))
        .expect("a String");
    text
}

/// A broker and the bridge beside it. They end with this value, and their folder goes.
struct House {
    url: String,
    _bridge: Running,
    _broker: Running,
    folder: TempDir,
}

impl House {
    fn start() -> Result<Self> {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let url = format!("mqtt://127.0.0.1:{port}");

        let conf = folder.path().join("mosquitto.conf");
        let lines = "allow_anonymous true\npersistence false\nset_tcp_nodelay true\n";
        std::fs::write(&conf, format!("listener {port} 127.0.0.1\n{lines}"))?;
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut broker = Command::new("mosquitto");
        let broker = broker.arg("-c").arg(&conf).env("PATH", path);
        let broker = Running::start(broker, &folder.path().join("mosquitto.log"), "running")
            .context("mosquitto, which `make tools` installs")?;

        let bridge_toml = folder.path().join("bridge.toml");
        std::fs::write(&bridge_toml, format!("[mqtt]\nurl = \"{url}\"\n"))?;
        let topics_toml = folder.path().join("topics.toml");
        std::fs::write(&topics_toml, TOPICS_TOML)?;
        let mut bridge = Command::new(env!("CARGO_BIN_EXE_oc2"));
        // Whoever runs this may have variables for a bridge of their own.
        bridge.env_clear();
        let bridge =
            bridge.arg("run").arg("--config").arg(bridge_toml).arg("--topics").arg(topics_toml);
        let bridge = Running::start(bridge, &folder.path().join("bridge.log"), "ready: ")?;
        Ok(Self { url, _bridge: bridge, _broker: broker, folder })
    }
}

/// A process of ours.
struct Running(Child);

impl Running {
    /// Starts it with its log in a file, and waits until the log says this.
    fn start(command: &mut Command, log: &Path, says: &str) -> Result<Self> {
        let file = File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let mut running = Self(child);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(log)?;
            if said.contains(says) {
                return Ok(running);
            }
            if running.0.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("it does not start:\n{said}");
            }
            std::thread::yield_now();
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

/// The least that a commit costs: a page of the log written over, and fdatasync.
struct Disk {
    file: File,
    page: usize,
}

impl Disk {
    fn new(folder: &Path) -> Result<Self> {
        let file = File::create_new(folder.join("pages"))?;
        file.write_all_at(&vec![0; PAGE * PAGES], 0)?;
        file.sync_all()?;
        Ok(Self { file, page: 0 })
    }

    fn sync(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.page = (self.page + 1) % PAGES;
        let at = u64::try_from(self.page * PAGE)?;
        self.file.write_all_at(&[self.page.to_le_bytes()[0]; PAGE], at)?;
        self.file.sync_data()?;
        Ok(begun.elapsed())
    }
}

/// Two clients, one of which says what the other said: the way of a command and its response
/// through the broker, with QoS 1 as well.
struct Echo {
    caller: Peer,
    payload: Vec<u8>,
}

impl Echo {
    async fn start(url: &str) -> Result<Self> {
        let subscribed = async |topic: &str| -> Result<Peer> {
            let peer = Peer::connect(PeerOptions::new(url, random_client_id()?)).await?;
            peer.subscribe(vec![Subscription::openc2(topic.to_owned())]).await?;
            Ok(peer)
        };
        let mut wall = subscribed("there").await?;
        tokio::spawn(async move {
            while let Some(message) = wall.receive().await {
                if wall.publish(PeerMessage::new("back", message.payload)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self { caller: subscribed("back").await?, payload: vec![b'x'; 200] })
    }

    async fn round_trip(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.caller.publish(PeerMessage::new("there", self.payload.clone())).await?;
        self.caller.receive().await.context("the broker is gone")?;
        Ok(begun.elapsed())
    }
}

/// A producer.
struct Commands {
    producer: Producer,
}

impl Commands {
    const IDENTITY: &str = "round-trip";

    async fn connect(url: &str) -> Result<Self> {
        let settings = BrokerSettings {
            url: url.to_owned(),
            client_id: random_client_id()?,
            clean_start: true,
            session_expiry_secs: 0,
            username: None,
            password_file: None,
            tls: TlsFiles::default(),
            allow_plain_text: false,
        };
        let (link, events) = producer::open(&settings)?;
        let identity = TopicLevel::try_from(Self::IDENTITY.to_owned())?;
        let producer = Producer::new(link, events, identity, TopicPrefix::default());
        producer.subscribe().await?;
        Ok(Self { producer })
    }

    /// Sends a command and waits for its response, which must be 200.
    async fn round_trip(&mut self, command: &Value) -> Result<Duration> {
        let headers = self.producer.envelope();
        let message = json!({
            "headers": {
                "request_id": headers.request_id,
                "created": producer::now_ms(),
                "from": Self::IDENTITY,
            },
            "body": {"openc2": {"request": command}},
        });
        let outgoing = Outgoing::as_written(message.to_string().into(), Some(headers.request_id));
        let to = Address::Device("gateway-1".to_owned());
        let begun = Instant::now();
        let mut responses = self.producer.send(&outgoing, &to).await?;
        match responses.next(tokio::time::Instant::now() + PATIENCE).await {
            Some(Arrival::Answer(answer)) => {
                ensure!(answer.response.status.code() == 200, "{answer:?}");
                Ok(begun.elapsed())
            }
            other => bail!("{other:?}"),
        }
    }
}

//! Real brokers: mosquitto and the embedded one, private to one test, or one that runs already.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};

#[cfg(feature = "embedded-broker")]
use openc2_bridge::demo::broker::EmbeddedBroker;
use openc2_bridge::mqtt::config::BrokerUrl;
use tempfile::TempDir;

use super::tools;
use crate::source;

/// Names a broker that is running already.
const RUNNING: &str = "OC2_TEST_BROKER";
const MOSQUITTO: &str = "mosquitto";
const EMBEDDED: &str = "the embedded broker";
/// Name of the configuration in the broker's folder.
const CONFIG: &str = "mosquitto.conf";
/// A configuration of mosquitto for tests that want nothing special of it.
const OPEN: &str = "allow_anonymous true\n";

/// A broker on this machine. A private one ends with this value, the embedded one too.
pub struct Broker {
    name: &'static str,
    port: u16,
    private: Option<Private>,
    #[cfg(feature = "embedded-broker")]
    embedded: Option<EmbeddedBroker>,
}

struct Private {
    child: Child,
    folder: TempDir,
}

/// A broker for this test, or `None`, said aloud, where there is none to be had.
///
/// `OC2_TEST_BROKER=mqtt://127.0.0.1:1883` names one that is running already. With
/// `CI=1` a missing mosquitto is a failure.
pub fn broker(test: &str) -> Option<Broker> {
    if let Some(running) = running() {
        return Some(running);
    }
    private_broker(test, OPEN)
}

/// Every broker that this test is to pass on: mosquitto, and the embedded one where it is
/// compiled in; or just the one that `OC2_TEST_BROKER` names. Without mosquitto the rest, said
/// aloud, and with `CI=1` a failure.
pub async fn brokers(test: &str) -> Vec<Broker> {
    if let Some(running) = running() {
        return vec![running];
    }
    #[cfg(feature = "embedded-broker")]
    {
        let embedded = Broker::embedded().await;
        if has_mosquitto(test) {
            return vec![
                Broker::mosquitto(|folder, port| write_config(folder, port, OPEN)),
                embedded,
            ];
        }
        skipped_on(MOSQUITTO, test, "it is not installed");
        vec![embedded]
    }
    #[cfg(not(feature = "embedded-broker"))]
    private_broker(test, OPEN).into_iter().collect()
}

/// Says that a test leaves something out on one of its brokers. `scripts/test.sh` shows it, and
/// counts the test as run.
fn skipped_on(broker: &str, test: &str, why: &str) {
    tools::say(&format!("skipped on {broker}: {test}: {why}"));
}

/// The broker that `OC2_TEST_BROKER` names.
fn running() -> Option<Broker> {
    let url: BrokerUrl =
        std::env::var(RUNNING).ok()?.parse().unwrap_or_else(|error| panic!("{RUNNING}: {error}"));
    let port = if url.is_loopback() { url.port() } else { forwarder(url.socket_address()) };
    Some(Broker::new("the broker of OC2_TEST_BROKER", port))
}

/// A port on this machine that leads to a broker elsewhere.
fn forwarder(broker: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let broker = broker.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(broker).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

/// The same, and a private one writes nothing to disk before its end: that takes the disk from
/// what is tested, and holds producers back. Not to be killed.
pub fn quick_broker(test: &str) -> Option<Broker> {
    if std::env::var_os("OC2_TEST_BROKER").is_some() {
        return broker(test);
    }
    let lines = "allow_anonymous true\nautosave_on_changes false\nautosave_interval 0\n\
                 max_queued_messages 10000\nmax_inflight_messages 512\n";
    private_broker(test, lines)
}

/// A private mosquitto with these lines in its configuration, whatever `OC2_TEST_BROKER` says.
pub fn private_broker(test: &str, lines: &str) -> Option<Broker> {
    private(test, |folder, port| write_config(folder, port, lines))
}

/// A private mosquitto with the shipped configuration, but for the port.
pub fn shipped_broker(test: &str) -> Option<Broker> {
    private(test, write_shipped)
}

/// A private mosquitto as it is without a word about keeping: what it holds is on its disk only
/// when it ends in good order.
pub fn forgetful_broker(test: &str) -> Option<Broker> {
    private(test, |folder, port| {
        let store = folder.display();
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n\
             persistence_location {store}/\nlog_dest stderr\n"
        );
        std::fs::write(folder.join(CONFIG), config).unwrap();
    })
}

fn private(test: &str, write_files: impl Fn(&Path, u16)) -> Option<Broker> {
    if !has_mosquitto(test) {
        super::skip(test, "no mosquitto");
        return None;
    }
    Some(Broker::mosquitto(write_files))
}

/// Whether mosquitto is installed; with `CI=1` it must be.
fn has_mosquitto(test: &str) -> bool {
    let is_installed = tools::is_installed(MOSQUITTO);
    assert!(is_installed || !tools::is_ci(), "{test} needs mosquitto");
    is_installed
}

fn write_config(folder: &Path, port: u16, lines: &str) {
    let store = folder.display();
    let text = format!(
        "user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {store}/\n\
         autosave_interval 1\nautosave_on_changes true\nset_tcp_nodelay true\nlog_dest stderr\n{lines}"
    );
    std::fs::write(folder.join(CONFIG), text).unwrap();
}

fn write_shipped(folder: &Path, port: u16) {
    let shipped = source::root().join("broker");
    let listeners = folder.join("broker/listeners");
    std::fs::create_dir_all(&listeners).unwrap();
    std::fs::create_dir_all(folder.join("data")).unwrap();
    std::fs::copy(shipped.join("mosquitto.conf"), folder.join(CONFIG)).unwrap();
    let listener = std::fs::read_to_string(shipped.join("listeners/plain.conf")).unwrap();
    let moved = listener.replace("listener 1883 ", &format!("listener {port} "));
    assert_ne!(moved, listener, "the shipped listener is elsewhere");
    // As root, mosquitto would become a user who may not write here; and it is to say when it runs.
    let text = format!("{moved}\nuser root\nlog_type information\n");
    std::fs::write(listeners.join("used.conf"), text).unwrap();
}

/// Starts mosquitto and waits until it listens.
fn start(folder: &Path) -> Option<Child> {
    let mut child = tools::command(MOSQUITTO)
        .args(["-c", CONFIG])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let is_running = log.by_ref().map_while(Result::ok).any(|line| line.contains("running"));
    if !is_running {
        let _code = child.wait();
        return None;
    }
    // Its log must go on being read, else it stops once the pipe is full.
    std::thread::spawn(move || log.map_while(Result::ok).for_each(drop));
    Some(child)
}

impl Broker {
    fn new(name: &'static str, port: u16) -> Self {
        Self {
            name,
            port,
            private: None,
            #[cfg(feature = "embedded-broker")]
            embedded: None,
        }
    }

    fn mosquitto(write_files: impl Fn(&Path, u16)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Somebody may take the port between our looking and mosquitto's: then another one.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            write_files(folder.path(), port);
            if let Some(child) = start(folder.path()) {
                return Self {
                    private: Some(Private { child, folder }),
                    ..Self::new(MOSQUITTO, port)
                };
            }
        }
        let config = std::fs::read_to_string(folder.path().join(CONFIG)).unwrap();
        panic!("mosquitto does not start with:\n{config}");
    }

    #[cfg(feature = "embedded-broker")]
    async fn embedded() -> Self {
        let embedded = EmbeddedBroker::start(0).await.expect("the embedded broker starts");
        let port = embedded.port();
        Self { embedded: Some(embedded), ..Self::new(EMBEDDED, port) }
    }

    /// `mqtt://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Whether its PUBACK says `No matching subscribers` (0x10) where nobody listens, which a
    /// broker may leave out (MQTT v5.0, section 3.4.2.1). Says aloud what this test then leaves out.
    pub fn tells_that_nobody_listens(&self, test: &str) -> bool {
        let does = self.name != EMBEDDED;
        if !does {
            skipped_on(self.name, test, "its PUBACK never says that nobody listens");
        }
        does
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether nobody but this test uses it.
    pub fn is_private(&self) -> bool {
        self.private.is_some()
    }

    /// Waits until the broker has written this to its disk: it confirms first, and writes then.
    pub async fn has_stored(&self, text: &str) {
        let Some(private) = &self.private else { return };
        let store = private.folder.path().join("mosquitto.db");
        let is_stored = || {
            let found = std::fs::read(&store).unwrap_or_default();
            found.windows(text.len()).any(|window| window == text.as_bytes())
        };
        super::soon("stored", async {
            let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
            while !is_stored() {
                looks.tick().await;
            }
        })
        .await;
    }

    /// SIGHUP: reads its access list again. For a private one.
    pub fn reload(&self) {
        let private = self.private.as_ref().expect("it is ours to tell");
        let pid = private.child.id().to_string();
        let told = std::process::Command::new("kill").args(["-HUP", &pid]).status();
        assert!(told.expect("kill runs").success());
    }

    /// SIGKILL, and nothing in its place until [`Broker::restart`]. For a private one.
    pub fn kill(&mut self) {
        let private = self.private.as_mut().expect("it is ours to kill");
        private.child.kill().unwrap();
        private.child.wait().unwrap();
    }

    /// A start with what is on disk, after [`Broker::kill`].
    pub fn restart(&mut self) {
        let private = self.private.as_mut().expect("it is ours to start");
        private.child = start(private.folder.path()).expect("mosquitto starts again");
    }

    /// SIGKILL, and a start with what is on disk then. `false`: it is not ours to kill.
    pub fn kill_and_restart(&mut self, keeps_store: bool) -> bool {
        let Some(private) = &mut self.private else { return false };
        private.child.kill().unwrap();
        private.child.wait().unwrap();
        if !keeps_store {
            let _absent = std::fs::remove_file(private.folder.path().join("mosquitto.db"));
        }
        private.child = start(private.folder.path()).expect("mosquitto starts again");
        true
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

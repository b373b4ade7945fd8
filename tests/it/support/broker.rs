//! A real broker: mosquitto, private to one test.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A broker on this machine. A private one ends with this value.
pub struct Broker {
    port: u16,
    private: Option<Private>,
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
    if let Ok(url) = std::env::var("OC2_TEST_BROKER") {
        let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("OC2_TEST_BROKER={url}: no port"));
        return Some(Broker { port, private: None });
    }
    private_broker(test, "allow_anonymous true\n")
}

/// A private mosquitto with these lines in its configuration, whatever `OC2_TEST_BROKER` says.
pub fn private_broker(test: &str, lines: &str) -> Option<Broker> {
    if !has_mosquitto() {
        super::skip(test, "no mosquitto");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    // Somebody may take the port between our looking and mosquitto's: then another one.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        write_config(folder.path(), port, lines);
        if let Some(child) = start(folder.path()) {
            return Some(Broker { port, private: Some(Private { child, folder }) });
        }
    }
    panic!("mosquitto does not start with:\n{lines}");
}

fn has_mosquitto() -> bool {
    Command::new("mosquitto")
        .arg("-h")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok_and(|mut child| {
            let _code = child.wait();
            true
        })
}

fn write_config(folder: &Path, port: u16, lines: &str) {
    let store = folder.display();
    let text = format!(
        "user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {store}/\n\
         autosave_interval 1\nautosave_on_changes true\nset_tcp_nodelay true\nlog_dest stderr\n{lines}"
    );
    std::fs::write(folder.join("mosquitto.conf"), text).unwrap();
}

/// Starts mosquitto and waits until it listens.
fn start(folder: &Path) -> Option<Child> {
    let mut child = Command::new("mosquitto")
        .arg("-c")
        .arg(folder.join("mosquitto.conf"))
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

impl Drop for Private {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

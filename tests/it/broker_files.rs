//! The files of broker/ do what they say, with a real mosquitto.

mod compose;
mod parties;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::source;
use crate::support::tools::{self, command};

/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(10);

/// Commands sent to a consumer that is away.
const QUEUED_COMMANDS: usize = 20;

#[test]
fn what_the_shipped_broker_has_written_survives_its_being_killed() {
    let test = "what_the_shipped_broker_has_written_survives_its_being_killed";
    let Some(yard) = Yard::with(test, "plain.conf") else { return };
    let away = ["-c", "-i", "gateway", "-x", "3600", "-q", "1", "-t", "oc2/cmd/all"];

    let broker = yard.start();
    let subscribed = yard.client("mosquitto_sub", &[&away[..], &["-E"]].concat()).output().unwrap();
    assert!(subscribed.status.success(), "{}", said(&subscribed));
    let commands: Vec<_> = (1..=QUEUED_COMMANDS).map(|n| format!("command {n}.\n")).collect();
    yard.publish_lines(&["-q", "1", "-t", "oc2/cmd/all"], &commands.concat());
    // The PUBACK of the last one may leave before the file is written.
    yard.wait_until_stored(commands[QUEUED_COMMANDS - 1].trim_end());
    drop(broker);

    let _broker = yard.start();
    let count = QUEUED_COMMANDS.to_string();
    let mut back = yard.client("mosquitto_sub", &[&away[..], &["-C", &count, "-W", "10"]].concat());
    let received = back.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&received.stdout), commands.concat());
}

#[test]
fn the_shipped_rights_let_each_name_do_its_part_and_no_more() {
    let test = "the_shipped_rights_let_each_name_do_its_part_and_no_more";
    let Some(yard) = Yard::with(test, "tls.conf.off") else { return };
    yard.make_certificates();
    let _broker = yard.start();

    let cases = [
        // who       publishes to                 may
        ("operator", "oc2/cmd/all", true),
        ("operator", "oc2/cmd/ap/x-probe", true),
        ("operator", "oc2/cmd/device/gateway-1", true),
        ("operator", "oc2/cmd/device/gateway-1/deeper", false),
        ("operator", "oc2/rsp/operator", false),
        ("operator", "cmnd/tasmota_switch/POWER", false),
        ("bridge", "oc2/rsp", true),
        ("bridge", "oc2/rsp/operator", true),
        ("bridge", "cmnd/tasmota_switch/POWER", true),
        ("bridge", "shellyplus1-1/rpc", true),
        ("bridge", "zigbee2mqtt/lamp/set", true),
        ("bridge", "oc2/cmd/all", false),
        ("stranger", "oc2/cmd/all", false),
        ("stranger", "stat/stranger/RESULT", true),
        ("stranger", "stat/tasmota_switch/RESULT", false),
    ];
    for (who, topic, may) in cases {
        let arguments = ["-q", "1", "-t", topic, "-m", "x"];
        let published = yard.client_of(who, "mosquitto_pub", &arguments).output().unwrap();
        let refused = said(&published).contains("Not authorized");
        assert_eq!(!refused, may, "{who} to {topic}: {}", said(&published));
    }

    let nobody = ["--cafile", "certs/ca.crt", "-t", "oc2/cmd/all", "-m", "x"];
    let nobody = yard.client("mosquitto_pub", &nobody).output().unwrap();
    assert!(!nobody.status.success(), "without a certificate nobody comes in");
}

#[test]
fn a_producer_hears_only_the_responses_addressed_to_it() {
    let test = "a_producer_hears_only_the_responses_addressed_to_it";
    let Some(yard) = Yard::with(test, "tls.conf.off") else { return };
    yard.make_certificates();
    let _broker = yard.start();
    let kept = ["-c", "-i", "operator", "-x", "60", "-q", "1", "-t", "oc2/rsp/#"];

    let subscribed = [&kept[..], &["-E"]].concat();
    yard.client_of("operator", "mosquitto_sub", &subscribed).output().unwrap();
    for (topic, text) in [("oc2/rsp/somebody", "not yours"), ("oc2/rsp/operator", "yours")] {
        let arguments = ["-q", "1", "-t", topic, "-m", text];
        let published = yard.client_of("bridge", "mosquitto_pub", &arguments).output().unwrap();
        assert!(published.status.success(), "{}", said(&published));
    }
    let one = [&kept[..], &["-C", "1", "-W", "10"]].concat();
    let heard = yard.client_of("operator", "mosquitto_sub", &one).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&heard.stdout), "yours\n");
}

#[test]
fn the_shipped_listener_offers_no_suite_that_http_2_forbids() {
    let test = "the_shipped_listener_offers_no_suite_that_http_2_forbids";
    let Some(yard) = Yard::with(test, "tls.conf.off") else { return };
    yard.make_certificates();
    let _broker = yard.start();

    let cases: &[(&[&str], &str)] = &[
        (&["-tls1_3"], "Cipher is TLS_AES_256_GCM_SHA384"),
        (&["-tls1_3"], "Verify return code: 0 (ok)"),
        (&["-tls1_2"], "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], "Cipher is (NONE)"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"], "Cipher is (NONE)"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "Cipher is (NONE)"),
        (&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"], "Cipher is (NONE)"),
        (&["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "Cipher is (NONE)"),
    ];
    for (arguments, expected) in cases {
        let said = yard.tls(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

/// A folder with a copy of broker/, and what runs in it.
struct Yard {
    folder: TempDir,
    port: u16,
}

/// A running mosquitto, killed when dropped.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        self.0.kill().expect("it is our child");
        self.0.wait().expect("it is our child");
    }
}

impl Yard {
    /// A copy of broker/ that listens as `listener` says, on a free port; `None` where a tool is missing.
    fn with(test: &str, listener: &str) -> Option<Self> {
        for tool in ["mosquitto", "mosquitto_pub", "openssl"] {
            if !tools::has(tool, test) {
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let broker = folder.path().join("broker");
        fs::create_dir_all(broker.join("listeners")).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        let shipped = source::root().join("broker");
        for file in ["mosquitto.conf", "aclfile"] {
            fs::copy(shipped.join(file), broker.join(file)).unwrap();
        }
        let port = free_port();
        let rules = fs::read_to_string(shipped.join("listeners").join(listener)).unwrap();
        // As root, mosquitto would become a user who may not write here.
        let rules = relocated(&rules, port) + "\nuser root\n";
        fs::write(broker.join("listeners/used.conf"), rules).unwrap();
        Some(Self { folder, port })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self) -> Broker {
        let mut mosquitto = command("mosquitto");
        mosquitto.args(["-c", "broker/mosquitto.conf"]).current_dir(self.path());
        let broker = Broker(mosquitto.stderr(Stdio::null()).spawn().unwrap());
        until("mosquitto listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
        broker
    }

    /// Publishes a message for each line.
    fn publish_lines(&self, arguments: &[&str], lines: &str) {
        let mut client = self.client("mosquitto_pub", &[arguments, &["-l"]].concat());
        let mut client = client.stdin(Stdio::piped()).spawn().unwrap();
        client.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let published = client.wait_with_output().unwrap();
        assert!(published.status.success(), "{}", said(&published));
    }

    /// Waits until the broker's file holds this text.
    fn wait_until_stored(&self, text: &str) {
        let file = self.path().join("data/mosquitto.db");
        until("the broker has written it down", || {
            let stored = fs::read(&file).unwrap_or_default();
            stored.windows(text.len()).any(|window| window == text.as_bytes())
        });
    }

    /// One of mosquitto's clients, at this broker, in this folder.
    fn client(&self, program: &str, arguments: &[&str]) -> Command {
        let mut client = command(program);
        client.args(["-V", "mqttv5", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        client.args(arguments).current_dir(self.path());
        client.stdout(Stdio::piped()).stderr(Stdio::piped());
        client
    }

    /// A client that shows a certificate made by broker/certs.sh.
    fn client_of(&self, name: &str, program: &str, arguments: &[&str]) -> Command {
        let mut client = self.client(program, arguments);
        client.args(["--cafile", "certs/ca.crt"]);
        client.args([
            "--cert",
            &format!("certs/{name}.crt"),
            "--key",
            &format!("certs/{name}.key"),
        ]);
        client
    }

    fn make_certificates(&self) {
        let script = source::root().join("broker/certs.sh");
        let mut certs = Command::new(script);
        certs.args(["certs", "127.0.0.1", "bridge", "operator", "stranger"]);
        let made = certs.current_dir(self.path()).output().unwrap();
        assert!(made.status.success(), "{}", said(&made));
    }

    /// What `openssl s_client` says about a connection with these arguments.
    fn tls(&self, arguments: &[&str]) -> String {
        let mut openssl = command("openssl");
        openssl.args(["s_client", "-connect", &format!("127.0.0.1:{}", self.port)]);
        openssl.args(["-CAfile", "certs/ca.crt", "-cert", "certs/bridge.crt"]);
        openssl.args(["-key", "certs/bridge.key"]).args(arguments);
        said(&openssl.current_dir(self.path()).stdin(Stdio::null()).output().unwrap())
    }
}

/// Looks again and again, and gives up after [`PATIENCE`].
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    const PAUSE: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// The same listener on another port, and on loopback only.
fn relocated(text: &str, port: u16) -> String {
    let line = |line: &str| {
        let is_listener = line.starts_with("listener ");
        if is_listener { format!("listener {port} 127.0.0.1") } else { line.to_owned() }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn said(output: &Output) -> String {
    let Output { stdout, stderr, .. } = output;
    String::from_utf8_lossy(stdout).into_owned() + &String::from_utf8_lossy(stderr)
}

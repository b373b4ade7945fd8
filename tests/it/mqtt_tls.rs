//! TLS to a real broker, and to servers we must not talk to.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use openc2_bridge::mqtt::MqttConfig;
use openc2_bridge::mqtt::client_id::SessionFile;
use openc2_bridge::mqtt::config::{BrokerUrl, ConfigError};
use openc2_bridge::mqtt::link::{Link, LinkEvents, LinkSettings};

use crate::support::broker::private_broker;
use crate::support::papers::Papers;
use crate::support::{down, soon, tools, up};

impl Papers {
    fn config(&self, port: u16) -> MqttConfig {
        MqttConfig {
            url: format!("mqtts://localhost:{port}").parse().unwrap(),
            ca_file: Some(self.path("ca.pem")),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_millis(100),
            ..MqttConfig::default()
        }
    }

    fn open(&self, config: &MqttConfig) -> (Link, LinkEvents) {
        let session = SessionFile::open(&self.path("client-id")).unwrap();
        Link::open(LinkSettings::kept(config, &session).unwrap())
    }
}

fn server_lines(papers: &Papers, server: &str, wants_certificate: bool) -> String {
    format!(
        "allow_anonymous true\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {wants_certificate}\n",
        papers.path("ca.pem").display(),
        papers.path(&format!("{server}.pem")).display(),
        papers.path(&format!("{server}.key")).display(),
    )
}

/// Shows MQTT-B-1: TLS with our own authority and a client certificate.
#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let test = "a_client_certificate_opens_the_door";
    if !tools::has("openssl", test) {
        return;
    }
    let papers = Papers::new();
    let lines = server_lines(&papers, "server", true);
    let Some(broker) = private_broker(test, &lines) else { return };
    let config = MqttConfig {
        cert_file: Some(papers.path("client.pem")),
        key_file: Some(papers.path("client.key")),
        ..papers.config(broker.port())
    };
    let (link, mut events) = papers.open(&config);
    up(&mut events).await;
    link.close(Duration::from_secs(1)).await;

    let (_link, mut events) = papers.open(&papers.config(broker.port()));
    down(&mut events).await;
}

/// Shows MQTT-B-1: an authority that is not ours, and a name that is not the broker's.
#[tokio::test]
async fn a_broker_that_cannot_prove_who_it_is_is_refused() {
    let test = "a_broker_that_cannot_prove_who_it_is_is_refused";
    if !tools::has("openssl", test) {
        return;
    }
    let papers = Papers::new();
    let Some(broker) = private_broker(test, &server_lines(&papers, "server", false)) else {
        return;
    };
    let stranger =
        MqttConfig { ca_file: Some(papers.path("other-ca.pem")), ..papers.config(broker.port()) };
    let (_link, mut events) = papers.open(&stranger);
    let reason = down(&mut events).await;
    assert!(reason.contains("certificate"), "{reason}");

    let Some(broker) = private_broker(test, &server_lines(&papers, "elsewhere", false)) else {
        return;
    };
    let (_link, mut events) = papers.open(&papers.config(broker.port()));
    let reason = down(&mut events).await;
    assert!(reason.contains("not valid for name"), "{reason}");
}

/// Shows MQTT-B-1 and MQTT-B-2: servers with nothing better than this are refused.
#[tokio::test]
async fn old_tls_and_weak_suites_are_refused() {
    let test = "old_tls_and_weak_suites_are_refused";
    if !tools::has("openssl", test) {
        return;
    }
    let papers = Papers::new();
    #[rustfmt::skip]
    let servers = [
        ("TLS 1.0",             "-tls1 -cipher DEFAULT:@SECLEVEL=0",                       false),
        ("TLS 1.1",             "-tls1_1 -cipher DEFAULT:@SECLEVEL=0",                     false),
        ("CBC, in RFC 7540's list", "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256",           false),
        ("NULL",                "-tls1_2 -cipher ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",        false),
        ("TLS 1.2 with AEAD",   "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",           true),
        ("TLS 1.3",             "-tls1_3",                                                 true),
    ];
    for (name, arguments, is_good) in servers {
        let server = Server::start(&papers, arguments);
        let config = MqttConfig {
            // A server that speaks TLS and no MQTT: the handshake is over, and no CONNACK comes.
            connect_timeout: Duration::from_millis(500),
            ..papers.config(server.port)
        };
        let (link, mut events) = papers.open(&config);
        let reason = down(&mut events).await;
        assert_eq!(reason.contains("did not answer in time"), is_good, "{name}: {reason}");
        soon("closed", link.close(Duration::ZERO)).await;
    }
}

/// A server of openssl, for what mosquitto will not do.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(papers: &Papers, arguments: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-quiet"])
            .args(["-cert", "server.pem", "-key", "server.key"])
            .args(arguments.split_whitespace())
            .current_dir(papers.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < deadline, "openssl does not listen");
            std::thread::yield_now();
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

/// Errors name the file.
#[test]
fn files_that_are_no_good_are_named() {
    if !tools::has("openssl", "files_that_are_no_good_are_named") {
        return;
    }
    let papers = Papers::new();
    std::fs::write(papers.path("empty.pem"), "").unwrap();
    let files = |ca: &str, identity: Option<(&str, &str)>| MqttConfig {
        url: "mqtts://localhost".parse::<BrokerUrl>().unwrap(),
        ca_file: Some(papers.path(ca)),
        cert_file: identity.map(|(certificate, _)| papers.path(certificate)),
        key_file: identity.map(|(_, key)| papers.path(key)),
        ..MqttConfig::default()
    };
    #[rustfmt::skip]
    let cases = [
        (files("absent.pem", None),                                   "absent.pem"),
        (files("empty.pem", None),                                    "empty.pem: holds no certificate"),
        (files("ca.key", None),                                       "ca.key: holds no certificate"),
        (files("ca.pem", Some(("client.pem", "absent.key"))),         "absent.key"),
        (files("ca.pem", Some(("client.pem", "client.pem"))),         "client.pem"),
        (files("ca.pem", Some(("client.pem", "server.key"))),         "server.key"),
    ];
    for (config, named) in cases {
        let error = config.tls().unwrap_err();
        assert!(matches!(error, ConfigError::Tls(_)));
        assert!(error.to_string().contains(named), "{error}");
    }
    assert!(files("ca.pem", Some(("client.pem", "client.key"))).tls().unwrap().is_some());
    assert!(Path::new(&papers.path("client.key")).exists());
}

//! Who may call, and over what.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{Site, assert_openc2, port};
use crate::support::curl;
use crate::support::scene::{letter, query_features};
use crate::support::{skip, soon};

fn message() -> String {
    letter("r-1", &query_features(&json!([]))).to_string()
}

/// HTTPS-3.2.4-1: without a certificate that is trusted there is no handshake; one that no
/// identity is configured for may say nothing.
#[tokio::test]
async fn who_cannot_prove_who_it_is_gets_no_answer() {
    let test = "who_cannot_prove_who_it_is_gets_no_answer";
    let Some(site) = Site::open(test, "").await else { return };
    let reply = site.post_as("soar-1", &message(), &[]).reply();
    assert_openc2(&reply, "r-1");
    assert_eq!(reply.status, 200);

    let ca = site.papers.path("ca.pem").display().to_string();
    let url = site.url();
    // 56: nothing more came, for TLS 1.3 tells the client only then.
    let ended = curl::begin(["--cacert", &ca, "--data-binary", "{}", &url]).ended();
    assert!(matches!(ended, Err(35 | 55 | 56)), "no certificate: {ended:?}");
    let ended = site.post_as("outsider", &message(), &[]).ended();
    assert!(matches!(ended, Err(35 | 55 | 56)), "another authority: {ended:?}");
    assert_eq!(site.post_as("stranger", &message(), &[]).reply().status, 403);

    // The other way round: the client finds out that this is not whom it wants.
    let other = site.papers.path("other-ca.pem").display().to_string();
    let ended = curl::begin(["--cacert", &other, "--data-binary", "{}", &url]).ended();
    assert!(matches!(ended, Err(60)), "another authority: {ended:?}");
    // The bridge hears of the last refusal when the client already has left.
    soon("three are counted", async {
        while site.scene.bridge.status()["https"]["refused_handshakes"] != 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// HTTPS-4.1-1: the operations target takes no plain HTTP.
#[tokio::test]
async fn plain_http_is_refused_where_there_is_https() {
    let test = "plain_http_is_refused_where_there_is_https";
    let Some(site) = Site::open(test, "").await else { return };
    let mut stream = TcpStream::connect(("127.0.0.1", port(&site.scene))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Reset, or an alert and the end.
    let _reset = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

/// HTTPS-3.2.3-1: what openssl can and cannot agree on with us.
#[tokio::test]
async fn only_tls_1_2_and_1_3_with_good_suites_are_spoken() {
    let test = "only_tls_1_2_and_1_3_with_good_suites_are_spoken";
    let Some(site) = Site::open(test, "").await else { return };
    let connect = format!("127.0.0.1:{}", port(&site.scene));
    #[rustfmt::skip]
    let cases = [
        ("-tls1 -cipher DEFAULT:@SECLEVEL=0",                     false),
        ("-tls1_1 -cipher DEFAULT:@SECLEVEL=0",                   false),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256",             false),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0",    false),
        ("-tls1_2 -cipher AES128-GCM-SHA256",                     false),
        ("-tls1_2 -cipher ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0",      false),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256",         true),
        ("-tls1_3",                                               true),
    ];
    for (arguments, is_good) in cases {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &connect, "-cert", "soar-1.pem", "-key", "soar-1.key"])
            .args(["-CAfile", "ca.pem"])
            .args(arguments.split_whitespace())
            .current_dir(site.papers.folder())
            .stdin(Stdio::null())
            .output()
            .expect("openssl runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let agreed = said.contains("Verification: OK") && !said.contains("Cipher is (NONE)");
        assert_eq!(agreed, is_good, "{arguments}: {said}");
        if is_good {
            assert!(!said.contains("Early data was accepted"), "{said}");
            // A bound on 0-RTT other than 0 would be an offer of it.
            let offers =
                said.lines().filter_map(|line| line.trim().strip_prefix("Max Early Data: "));
            assert!(offers.clone().all(|bytes| bytes == "0"), "{said}");
        }
    }
}

/// HTTPS-3.2.3-1: sslyze finds TLS 1.2 and 1.3 with forward secrecy, no early data and no
/// renegotiation.
#[tokio::test]
async fn sslyze_finds_nothing_to_complain_about() {
    const SCRIPT: &str = r"
import sys
from pathlib import Path
from sslyze import (Scanner, ServerScanRequest, ServerNetworkLocation, ServerNetworkConfiguration,
                    ClientAuthenticationCredentials, ScanCommand)
port, cert, key = sys.argv[1:]
location = ServerNetworkLocation('localhost', int(port), ip_address='127.0.0.1')
network = ServerNetworkConfiguration(tls_server_name_indication='localhost',
    tls_client_auth_credentials=ClientAuthenticationCredentials(Path(cert), Path(key)))
commands = {ScanCommand.SSL_2_0_CIPHER_SUITES, ScanCommand.SSL_3_0_CIPHER_SUITES,
    ScanCommand.TLS_1_0_CIPHER_SUITES, ScanCommand.TLS_1_1_CIPHER_SUITES,
    ScanCommand.TLS_1_2_CIPHER_SUITES, ScanCommand.TLS_1_3_CIPHER_SUITES,
    ScanCommand.TLS_1_3_EARLY_DATA, ScanCommand.SESSION_RENEGOTIATION, ScanCommand.TLS_COMPRESSION}
scanner = Scanner()
scanner.queue_scans([ServerScanRequest(location, network, commands)])
(result,) = scanner.get_results()
found = result.scan_result
assert found is not None, result.connectivity_error_trace
suites = lambda it: [one.cipher_suite.name for one in it.result.accepted_cipher_suites]
for old in (found.ssl_2_0_cipher_suites, found.ssl_3_0_cipher_suites,
            found.tls_1_0_cipher_suites, found.tls_1_1_cipher_suites):
    assert suites(old) == [], suites(old)
new = suites(found.tls_1_2_cipher_suites) + suites(found.tls_1_3_cipher_suites)
assert suites(found.tls_1_2_cipher_suites) and suites(found.tls_1_3_cipher_suites), new
for suite in new:
    assert 'GCM' in suite or 'CHACHA20' in suite, suite
for suite in suites(found.tls_1_2_cipher_suites):
    assert suite.startswith('TLS_ECDHE_'), suite
assert not found.tls_1_3_early_data.result.supports_early_data
assert not found.session_renegotiation.result.is_vulnerable_to_client_renegotiation_dos
assert not found.tls_compression.result.supports_compression
print(len(new))
";
    let test = "sslyze_finds_nothing_to_complain_about";
    let Some(python) = std::env::var_os("OC2_TEST_PYTHON") else {
        skip(test, "OC2_TEST_PYTHON is not set");
        return;
    };
    let Some(site) = Site::open(test, "").await else { return };
    let path = |name: &str| site.papers.path(name).display().to_string();
    let port = port(&site.scene).to_string();
    let output = Command::new(python)
        .args(["-c", SCRIPT, &port, &path("soar-1.pem"), &path("soar-1.key")])
        .stdin(Stdio::null())
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A new certificate is shown to the next connection; an open one stays as it is.
#[tokio::test]
async fn new_certificates_are_taken_up_without_cutting_a_connection() {
    let test = "new_certificates_are_taken_up_without_cutting_a_connection";
    let Some(site) = Site::open(test, "").await else { return };
    let number = || {
        let connect = format!("127.0.0.1:{}", port(&site.scene));
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &connect, "-cert", "soar-1.pem", "-key", "soar-1.key"])
            .current_dir(site.papers.folder())
            .stdin(Stdio::null())
            .output()
            .expect("openssl runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let begin = said.find("-----BEGIN").unwrap_or_else(|| panic!("{said}"));
        said[begin..said.find("-----END").expect("an end")].to_owned()
    };
    let before = number();
    let body = message();
    let mut open = Open::connect(&site);
    assert!(open.asks(&body).starts_with("HTTP/1.1 200"));

    site.papers.signed("renewed", "ca", "subjectAltName=DNS:localhost,IP:127.0.0.1", "60");
    for end in ["key", "pem"] {
        let (from, to) = (format!("renewed.{end}"), format!("server.{end}"));
        fs::rename(site.papers.path(&from), site.papers.path(&to)).unwrap();
    }
    soon("the new certificate", async {
        while number() == before {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(open.asks(&body).starts_with("HTTP/1.1 200"), "the open connection stays");

    let renewed = number();
    fs::write(site.papers.path("server.pem"), "no certificate").unwrap();
    soon("the refusal", async {
        while !site.scene.bridge.log().contains("new certificates are refused") {
            assert_eq!(number(), renewed, "a bad file changes nothing");
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(number(), renewed);
}

/// A connection that stays open, held by openssl.
struct Open {
    child: std::process::Child,
}

impl Open {
    fn connect(site: &Site) -> Self {
        let connect = format!("127.0.0.1:{}", port(&site.scene));
        let child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &connect])
            .args(["-cert", "soar-1.pem", "-key", "soar-1.key", "-CAfile", "ca.pem"])
            .current_dir(site.papers.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        Self { child }
    }

    /// Posts on this connection, and returns the response.
    fn asks(&mut self, body: &str) -> String {
        let request = format!(
            "POST /.well-known/openc2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            super::OPENC2,
            body.len()
        );
        self.child.stdin.as_mut().expect("piped").write_all(request.as_bytes()).unwrap();
        let stdout = self.child.stdout.as_mut().expect("piped");
        let mut text = String::new();
        let mut byte = [0];
        let mut wanted = None;
        loop {
            stdout.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
            if wanted.is_none() && text.ends_with("\r\n\r\n") {
                let length = text.to_ascii_lowercase();
                let length = length.split("content-length: ").nth(1).expect("a length");
                let length = length.lines().next().and_then(|it| it.parse::<usize>().ok());
                wanted = Some(text.len() + length.expect("a number"));
            }
            if wanted == Some(text.len()) {
                return text;
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

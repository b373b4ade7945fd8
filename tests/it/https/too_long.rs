//! Bodies that are longer than a message may be.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::{OPENC2, Site, port};
use crate::support::curl::has_curl;
use crate::support::probe;
use crate::support::scene::Scene;

/// Much longer than a message, which has at most 256 KiB, and within what is taken of a body that
/// nobody looks at.
const LONG: usize = 5_000_000;

/// More than a machine keeps for a connection that nobody reads.
const ENDLESS: usize = 256 * 1024 * 1024;

/// Who sends far too much is told so, in either version of HTTP, and is not cut off before: curl
/// would have lost the answer then.
#[tokio::test]
async fn who_sends_too_much_gets_the_answer() {
    let test = "who_sends_too_much_gets_the_answer";
    let Some(site) = Site::open(test, "").await else { return };
    let file = site.papers.path("long.json");
    fs::write(&file, "x".repeat(LONG)).unwrap();
    let body = format!("@{}", file.display());
    let right = format!("Content-Type: {OPENC2}");
    let chunked = "Transfer-Encoding: chunked";
    #[rustfmt::skip]
    let cases: [(&str, &[&str], u16); 6] = [
        // version      headers                              status
        ("--http2",     &[&right],                           413),
        ("--http2",     &["Content-Type: text/plain"],       415),
        ("--http1.1",   &[&right, "Expect:"],                413),
        ("--http1.1",   &[&right, "Expect:", chunked],       413),
        ("--http1.1",   &["Content-Type: text/plain", "Expect:"], 415),
        // It waits for a 100 that never comes.
        ("--http1.1",   &[&right],                           413),
    ];
    for (version, headers, status) in cases {
        for _ in 0..5 {
            let mut arguments = vec![version, "--data-binary", &body];
            arguments.extend(headers.iter().flat_map(|header| ["-H", *header]));
            let reply = site.ask("soar-1", "/.well-known/openc2", &arguments);
            assert_eq!(reply.status, status, "{version} {headers:?}: {reply:?}");
            assert_eq!(reply.json()["status"], status, "{version} {headers:?}: {reply:?}");
        }
    }
}

/// Nobody is listened to for ever: who goes on after the answer is cut off.
#[tokio::test]
async fn who_never_ends_is_cut_off() {
    let test = "who_never_ends_is_cut_off";
    if !has_curl(test) {
        return;
    }
    let settings = "[https]\nlisten = \"127.0.0.1:0\"\ntesting = true\n";
    let Some(mut scene) = Scene::prepare(test, "gateway-1", settings, &super::topics()).await
    else {
        return;
    };
    let _nobody_waits = probe::install(&scene);
    scene.bridge.run();
    let mut stream = TcpStream::connect(("127.0.0.1", port(&scene))).unwrap();
    let head = format!(
        "POST /.well-known/openc2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {OPENC2}\r\n\
         Content-Length: 1000000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 413", "it comes at once");
    let piece = vec![b'x'; 1024 * 1024];
    let pieces = (0..ENDLESS / piece.len()).take_while(|_| stream.write_all(&piece).is_ok());
    let sent = pieces.count() * piece.len();
    assert!(sent < ENDLESS, "it may send {sent} bytes and more");
}

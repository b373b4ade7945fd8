//! `kind = "https"`: a consumer behind HTTPS carries out what comes by MQTT.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::{Value as Json, json};

use super::{OPENC2, Site};
use crate::support::bridge::Bridge;
use crate::support::papers::Papers;
use crate::support::probe::{acts, install};
use crate::support::scene::{Scene, letter};
use crate::support::{PATIENCE, soon, tools};

/// A consumer of one actuator for each of these tables' rests.
fn topics(actuators: &[(&str, String)]) -> String {
    let names: Vec<_> = actuators.iter().map(|(name, _)| format!("{name:?}")).collect();
    let mut topics = format!("[[consumer]]\nid = \"edge-1\"\nactuators = [{}]\n", names.join(", "));
    for (name, rest) in actuators {
        let table = format!(
            "[actuator.{name}]\nkind = \"https\"\nprofile = \"x-{name}\"\n\
             pairs = {{ set = [\"x-probe:act\"], deny = [\"uri\"] }}\n{rest}\n"
        );
        topics += &table;
    }
    topics
}

fn url(port: u16) -> String {
    format!("url = \"http://127.0.0.1:{port}/\"")
}

/// `deny uri`, carried out by the actuator of this name.
fn deny(name: &str) -> Json {
    json!({"action": "deny", "target": {"uri": "http://a.example"}, "actuator": {format!("x-{name}"): {}}})
}

/// A peer that answers each request with the next of its answers.
struct Peer {
    port: u16,
    requests: mpsc::Receiver<String>,
}

impl Peer {
    /// In an answer `ID` stands for the request id; an empty one hangs up.
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Vec<_> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let (heard, requests) = mpsc::channel();
        // Ends with its last answer, or with the test.
        std::thread::spawn(move || answer_each(&listener, &answers, &heard));
        Self { port, requests }
    }
}

/// Answers one request after the other.
fn answer_each(listener: &TcpListener, answers: &[String], heard: &mpsc::Sender<String>) {
    for answer in answers {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read(&stream);
        let id = request.split("\"request_id\":\"").nth(1).unwrap_or_default();
        let id = id.split('"').next().unwrap_or_default();
        let answer = answer.replace("ID", id);
        // Whoever asked may have gone, and so may the test.
        let _written = stream.write_all(answer.as_bytes());
        let _told = heard.send(request);
    }
}

/// A request of HTTP/1.1, head and body.
fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let length = text.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).expect("a length");
    let length: usize = length.lines().next().and_then(|it| it.parse().ok()).expect("a number");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        // `ID` grows to the id of these tests, which has as many letters.
        body.len()
    )
}

fn response(status: u16, request_id: &str) -> String {
    let body = json!({
        "headers": {"request_id": request_id, "from": "edr-1"},
        "body": {"openc2": {"response": {"status": status, "status_text": "so it is", "results": {"x-edr": {"n": 7}}}}},
    });
    answer(&format!("{status} X"), &format!("Content-Type: {OPENC2}\r\n"), &body.to_string())
}

/// HTTPS-3.2.1-3, HTTPS-3.2.2-1, HTTPS-3.2.4-1, HTTPS-3.3.1-1: from MQTT to a bridge behind HTTPS
/// and back, with certificates on both sides.
#[tokio::test]
async fn a_command_by_mqtt_is_carried_out_by_a_consumer_behind_https() {
    let test = "a_command_by_mqtt_is_carried_out_by_a_consumer_behind_https";
    let Some(mut far) = Site::prepare(test, "").await else { return };
    let _gate = install(&far.scene);
    far.scene.bridge.run();
    let path = |name: &str| far.papers.path(name).display().to_string();
    let rest = format!(
        "url = \"https://localhost:{}/\"\nca-file = {:?}\ncert-file = {:?}\nkey-file = {:?}\nfrom = \"soar-1\"",
        super::port(&far.scene),
        path("ca.pem"),
        path("soar-1.pem"),
        path("soar-1.key"),
    );
    let topics = topics(&[("wall", rest)]);
    let Some(mut near) = Scene::open(test, "edge-1", "", &topics).await else { return };

    let command = json!({"action": "set", "target": {"x-probe:act": {"do": "work"}}, "actuator": {"x-wall": {}}});
    near.send("device/edge-1", &letter("r-1", &command)).await;
    let answer = near.answered("r-1", 200).await;
    assert_eq!(
        (answer.from(), answer.results()),
        (Some("edge-1"), &json!({"x-probe": {"did": "work"}}))
    );
    assert_eq!(acts(&far.scene, "work"), 1);
    let entry = &far.scene.journal()[0];
    assert_eq!((&entry["producer"], &entry["request_id"]), (&json!("soar-1"), &json!("r-1")));

    // What the far side refuses is passed on as it is, and the connection is used again.
    near.send("device/edge-1", &letter("r-2", &deny("wall"))).await;
    assert_eq!(near.answered("r-2", 501).await.from(), Some("edge-1"));
    assert_eq!(far.scene.bridge.status()["https"]["connections"], 1);
    assert_eq!(near.bridge.status()["peers"]["wall"]["breaker"], "closed");
}

/// HTTPS-3.3.3-1, HTTPS-3.4-1, HTTPS-3.2.1-2: what a producer says, on the wire.
#[tokio::test]
async fn what_is_posted_is_as_the_standard_wants_it() {
    let test = "what_is_posted_is_as_the_standard_wants_it";
    let peer = Peer::start(&[&response(200, "ID"), &response(200, "ID")]);
    let topics = topics(&[("edr", url(peer.port))]);
    let Some(mut scene) = Scene::open(test, "edge-1", "", &topics).await else { return };
    let mut command = deny("edr");
    command["args"] = json!({"response_requested": "status"});
    scene.send("device/edge-1", &letter("r1", &command)).await;
    scene.answered("r1", 102).await;
    scene.answered("r1", 200).await;

    let request = peer.requests.recv_timeout(PATIENCE).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /.well-known/openc2 HTTP/1.1\r\n"), "{head}");
    for header in [
        format!("content-type: {OPENC2}"),
        format!("accept: {OPENC2}"),
        "cache-control: no-cache".to_owned(),
        "x-request-id: r1".to_owned(),
        "x-oc2b-hops: 1".to_owned(),
        format!("host: 127.0.0.1:{}", peer.port),
    ] {
        assert!(head.lines().any(|line| line.eq_ignore_ascii_case(&header)), "{header}: {head}");
    }
    let date = head.lines().find_map(|line| line.strip_prefix("date: ")).expect("a date");
    assert!(date.len() == 29 && date.ends_with(" GMT") && &date[3..5] == ", ", "{date}");
    let message: Json = serde_json::from_str(body).unwrap();
    let headers = &message["headers"];
    assert_eq!((&headers["request_id"], &headers["from"]), (&json!("r1"), &json!("edge-1")));
    assert!(headers["created"].is_u64());
    let request = &message["body"]["openc2"]["request"];
    assert_eq!(request["args"]["response_requested"], "complete", "the bridge wants the outcome");

    // A signed message goes on byte for byte, whatever it says.
    let mut signed = letter("r2", &command);
    signed["signature"] = json!("e30..c2ln");
    scene.send("device/edge-1", &signed).await;
    scene.answered("r2", 102).await;
    scene.answered("r2", 200).await;
    let request = peer.requests.recv_timeout(PATIENCE).unwrap();
    assert_eq!(request.split_once("\r\n\r\n").unwrap().1, signed.to_string());
}

/// What the peer says, what becomes of it, and how often it was asked.
#[tokio::test]
async fn each_answer_of_a_peer_has_its_outcome_and_only_what_is_safe_is_tried_again() {
    let test = "each_answer_of_a_peer_has_its_outcome_and_only_what_is_safe_is_tried_again";
    let later = |status: &str| answer(status, "Retry-After: 0\r\n", "later");
    let good = response(200, "ID");
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<String>, u64, &str)> = vec![
        // the peer                answers                                                        status, text
        ("does it",              vec![good.clone()],                                                200, "so it is"),
        ("refuses",              vec![response(404, "ID")],                                         404, "so it is"),
        ("is busy first",        vec![later("503 X"), good.clone()],                                200, "so it is"),
        ("is asked too often",   vec![later("429 X"), later("429 X"), good.clone()],                200, "so it is"),
        ("stands behind others", vec![later("502 X"), later("504 X"), good.clone()],                200, "so it is"),
        ("is busy for long",     vec![answer("503 X", "Retry-After: 3600\r\n", "")],                503, "cannot do it now (HTTP 503)"),
        ("is behind a dead end", vec![answer("504 X", "Retry-After: 3600\r\n", "")],                500, "the outcome is unknown"),
        ("says no OpenC2",       vec![answer("404 X", "", "not here")],                             500, "HTTP 404 without an OpenC2 response"),
        ("has a web page",       vec![answer("200 X", "Content-Type: text/html\r\n", "<p>")],       500, "HTTP 200 without an OpenC2 response"),
        ("redirects",            vec![answer("307 X", "Location: http://127.0.0.1:1/\r\n", "")],    500, "redirects (HTTP 307), which is not followed"),
        ("hangs up",             vec![String::new()],                                               500, "the outcome is unknown"),
        ("breaks off",           vec![good[..good.len() - 9].to_owned()],                           500, "the outcome is unknown"),
        ("talks nonsense",       vec![answer("200 X", &format!("Content-Type: {OPENC2}\r\n"), "{")],500, "cannot be read"),
        ("means another",        vec![response(200, "no")],                                         500, "another request_id"),
        ("never ends",           vec![response(102, "ID")],                                         500, "the outcome is unknown"),
    ];
    let peers: Vec<_> = cases
        .iter()
        .map(|(_, answers, ..)| {
            Peer::start(&answers.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect();
    let names: Vec<_> = (0..cases.len()).map(|n| format!("p{n}")).collect();
    let actuators: Vec<_> =
        names.iter().zip(&peers).map(|(name, peer)| (name.as_str(), url(peer.port))).collect();
    let Some(mut scene) = Scene::open(test, "edge-1", "", &topics(&actuators)).await else {
        return;
    };

    for (n, (case, answers, status, text)) in cases.iter().enumerate() {
        let (name, peer, id) = (&names[n], &peers[n], &format!("{n:02}"));
        scene.send("device/edge-1", &letter(id, &deny(name))).await;
        let answer = scene.answer().await;
        assert_eq!(
            (answer.request_id(), answer.status()),
            (Some(id.as_str()), *status),
            "{case}: {answer:?}"
        );
        assert!(answer.text().contains(text), "{case}: {answer:?}");
        let results =
            if answer.text() == "so it is" { json!({"x-edr": {"n": 7}}) } else { Json::Null };
        assert_eq!(answer.results(), &results, "{case}: passed on as it is");
        assert_eq!(peer.requests.try_iter().count(), answers.len(), "{case}");
    }
}

/// A peer that is not there: tried until the time is up, then left alone, which everybody can see.
#[tokio::test]
async fn a_peer_that_is_not_there_is_left_alone_after_a_while_and_found_again() {
    let test = "a_peer_that_is_not_there_is_left_alone_after_a_while_and_found_again";
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let topics = topics(&[("edr", format!("{}\ntimeout = \"10s\"", url(port)))]);
    let Some(mut scene) = Scene::open(test, "edge-1", "", &topics).await else { return };
    scene.send("device/edge-1", &letter("r-1", &deny("edr"))).await;
    let answer = scene.answered("r-1", 503).await;
    assert!(answer.text().contains("nothing was begun"), "{answer:?}");

    scene.send("device/edge-1", &letter("r-2", &deny("edr"))).await;
    let at_once = scene.answered("r-2", 503).await;
    assert!(at_once.text().contains("left alone"), "it is told at once: {at_once:?}");
    let peer = &scene.bridge.status()["peers"]["edr"];
    // Half open, where looking took longer than the peer's rest.
    assert_ne!(peer["breaker"], "closed", "{peer}");
    assert_eq!(peer["failures"], 6, "{peer}");

    let server = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (heard, _requests) = mpsc::channel();
    std::thread::spawn(move || answer_each(&server, &[response(200, "ID")], &heard));
    let rested = async {
        while scene.bridge.status()["peers"]["edr"]["breaker"] == "open" {
            tokio::task::yield_now().await;
        }
    };
    // Longer than the peer's rest.
    tokio::time::timeout(4 * PATIENCE, rested).await.expect("it is tried again");
    scene.send("device/edge-1", &letter("r3", &deny("edr"))).await;
    scene.answered("r3", 200).await;
    assert_eq!(scene.bridge.status()["peers"]["edr"]["failures"], 0);
}

/// A command has all of its time: that a peer is left alone by those that come does not end it.
#[tokio::test]
async fn a_command_under_way_outlasts_the_restart_of_its_peer() {
    let test = "a_command_under_way_outlasts_the_restart_of_its_peer";
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rest = format!("{}\ntimeout = \"1m\"\nconcurrency = 2", url(port));
    let Some(mut scene) = Scene::open(test, "edge-1", "", &topics(&[("edr", rest)])).await else {
        return;
    };
    scene.send("device/edge-1", &letter("r1", &deny("edr"))).await;
    // Its own attempts have opened the breaker.
    soon("it is left alone", async {
        while scene.bridge.status()["peers"]["edr"]["breaker"] != "open" {
            tokio::task::yield_now().await;
        }
    })
    .await;
    scene.send("device/edge-1", &letter("r2", &deny("edr"))).await;
    let at_once = scene.answered("r2", 503).await;
    assert!(at_once.text().contains("left alone"), "{at_once:?}");

    let server = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (heard, _requests) = mpsc::channel();
    let answers = [response(200, "ID"), response(200, "ID")];
    std::thread::spawn(move || answer_each(&server, &answers, &heard));
    scene.answered("r1", 200).await;
    // And it has found the peer for all others.
    scene.send("device/edge-1", &letter("r3", &deny("edr"))).await;
    scene.answered("r3", 200).await;
    assert_eq!(scene.bridge.status()["peers"]["edr"]["breaker"], "closed");
}

/// A peer that never answers keeps its own commands waiting, and nobody else's.
#[tokio::test]
async fn a_stalled_peer_disturbs_no_other() {
    const STALLED: usize = 50;
    const OTHERS: usize = 200;
    let test = "a_stalled_peer_disturbs_no_other";
    // Connections are made, since the system makes them; nobody reads.
    let stalled = TcpListener::bind("127.0.0.1:0").unwrap();
    let rest = format!(
        "{}\nconcurrency = 4\nqueue = 100\ntimeout = \"1m\"",
        url(stalled.local_addr().unwrap().port())
    );
    let topics = topics(&[("edr", rest)])
        + "[[consumer]]\nid = \"lively\"\nactuators = [\"eye\"]\n[actuator.eye]\nkind = \"log\"\nprofile = \"x-eye\"\nqueue = 500\n";
    let Some(mut scene) = Scene::open(test, "lively", "", &topics).await else { return };
    for n in 0..STALLED {
        scene.send("device/edge-1", &letter(&format!("stalled-{n}"), &deny("edr"))).await;
    }
    scene.busy_with(STALLED as u64).await;
    for n in 0..OTHERS {
        scene.send("device/lively", &letter(&format!("r-{n}"), &deny("eye"))).await;
    }
    for n in 0..OTHERS {
        scene.answered(&format!("r-{n}"), 200).await;
    }
    assert_eq!(scene.bridge.counters()["in_progress"], STALLED, "the stalled ones still wait");
    scene.others_sent(0);
}

/// Two bridges that point at one another: a command goes no further than the first hop.
#[tokio::test]
async fn a_loop_of_two_bridges_ends_at_the_second() {
    let test = "a_loop_of_two_bridges_ends_at_the_second";
    let ports =
        [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let door = |port: u16| format!("[https]\nlisten = \"127.0.0.1:{port}\"\ntesting = true\n");
    let pointed_at = |port: u16| topics(&[("loop", url(port))]);
    let Some(mut first) = Scene::open(test, "edge-1", &door(ports[0]), &pointed_at(ports[1])).await
    else {
        return;
    };
    let Some(second) = Scene::open(test, "edge-1", &door(ports[1]), &pointed_at(ports[0])).await
    else {
        return;
    };
    first.send("device/edge-1", &letter("r-1", &deny("loop"))).await;
    let answer = first.answered("r-1", 403).await;
    assert!(answer.text().contains("one hop"), "{answer:?}");
    assert_eq!((first.journal().len(), second.journal().len()), (1, 1));
}

/// HTTPS-3.2.3-1, HTTPS-3.2.4-1: servers that are not what they should be get no command.
#[tokio::test]
async fn eight_kinds_of_bad_server_are_refused() {
    let test = "eight_kinds_of_bad_server_are_refused";
    if !tools::has("openssl", test) {
        return;
    }
    let papers = Papers::new();
    papers.signed("expired", "ca", "subjectAltName=DNS:localhost", "-1");
    papers.signed(
        "misused",
        "ca",
        "subjectAltName=DNS:localhost\nextendedKeyUsage=clientAuth",
        "30",
    );
    papers.signed("unknown", "other-ca", "subjectAltName=DNS:localhost", "30");
    papers.authority("self-signed");
    fs::copy(papers.path("ca.pem"), papers.path("replaced.pem")).unwrap();
    #[rustfmt::skip]
    let cases = [
        // name            certificate    further words            authority        told
        ("good",          "server",      "-tls1_3",               "ca",            "the outcome is unknown"),
        ("expired",       "expired",     "-tls1_3",               "ca",            "Expired"),
        ("elsewhere",     "elsewhere",   "-tls1_3",               "ca",            "not valid for name"),
        ("self-signed",   "self-signed", "-tls1_3",               "ca",            "certificate"),
        ("unknown",       "unknown",     "-tls1_3",               "ca",            "UnknownIssuer"),
        ("misused",       "misused",     "-tls1_3",               "ca",            "certificate"),
        ("old",           "server",      "-tls1_1 -cipher DEFAULT:@SECLEVEL=0", "ca", "no connection"),
        ("replaced",      "server",      "-tls1_2",               "replaced",      "the outcome is unknown"),
    ];
    let servers: Vec<_> =
        cases.iter().map(|(_, name, words, ..)| Server::start(&papers, name, words)).collect();
    // It speaks HTTP and no TLS.
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in plain.incoming().flatten() {
            // Whoever asked may have gone.
            let _written = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let mut actuators: Vec<_> = cases
        .iter()
        .zip(&servers)
        .map(|((name, _, _, authority, _), server)| (*name, tls(&papers, server.port, authority)))
        .collect();
    actuators.push(("plain", tls(&papers, plain_port, "ca")));
    let Some(mut scene) = Scene::open(test, "edge-1", "", &topics(&actuators)).await else {
        return;
    };

    let mut told: Vec<_> = cases.iter().map(|(name, .., text)| (*name, *text)).collect();
    told.push(("plain", "no connection"));
    for (name, text) in told {
        scene.send("device/edge-1", &letter(name, &deny(name))).await;
        let answer = scene.answer().await;
        assert!(answer.text().contains(text), "{name}: {answer:?}");
        // openssl has no page for a POST: it hangs up once the command has come.
        let status = if text == "the outcome is unknown" { 500 } else { 503 };
        assert_eq!(answer.status(), status, "{name}: {answer:?}");
    }

    // Revoked by replacement: the authority is another from now on.
    fs::copy(papers.path("other-ca.pem"), papers.path("replaced.pem")).unwrap();
    let mut n = 0;
    soon("the new authority", async {
        loop {
            n += 1;
            let id = format!("again-{n}");
            scene.send("device/edge-1", &letter(&id, &deny("replaced"))).await;
            if scene.answer().await.text().contains("UnknownIssuer") {
                break;
            }
        }
    })
    .await;
}

fn tls(papers: &Papers, port: u16, authority: &str) -> String {
    let file = papers.path(&format!("{authority}.pem"));
    let file = file.display();
    format!("url = \"https://localhost:{port}/\"\nca-file = \"{file}\"\ntimeout = \"2s\"")
}

/// A server of openssl that has a web page.
pub(super) struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub fn start(papers: &Papers, certificate: &str, words: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("openssl")
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www", "-quiet"])
            .args(["-cert", &format!("{certificate}.pem"), "-key", &format!("{certificate}.key")])
            .args(words.split_whitespace())
            .current_dir(papers.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "openssl does not listen");
            std::thread::yield_now();
        }
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

/// What `oc2 check` says of an address that is none.
#[test]
fn an_address_that_is_no_peers_is_a_mistake_in_the_file() {
    let bridge = Bridge::prepare("mqtt://127.0.0.1:1", "", "");
    for (rest, told) in [
        (
            "url = \"http://169.254.169.254/\"",
            "actuator.edr.url: \"http://169.254.169.254/\": plain HTTP goes to this machine only",
        ),
        (
            "url = \"https://edr.example/\"\ncert-file = \"c\"",
            "actuator.edr: cert-file and key-file need one another",
        ),
        ("url = \"https://edr.example/\"\nca-file = \"gone\"", "gone: "),
        ("url = \"https://edr.example/\"\ncafile = \"gone\"", "did you mean `ca-file`?"),
        ("ca-file = \"gone\"", "missing field `url`"),
    ] {
        bridge.write_topics(&topics(&[("edr", rest.to_owned())]));
        let config = bridge.path("bridge.toml").display().to_string();
        let file = bridge.path("topics.toml").display().to_string();
        let output = bridge.oc2(&["check", "--config", &config, "--topics", &file]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(78), "{rest}: {said}");
        assert!(said.contains(told), "{rest}: {said}");
    }
}

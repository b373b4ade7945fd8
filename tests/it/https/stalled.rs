//! A peer that takes connections and never answers leaves everybody else as they were.

use std::sync::Arc;
use std::time::Duration;

use openc2_bridge::https::{Peer, PeerConfig, PeerUrl};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{OPENC2, port};
use crate::support::scene::Scene;
use crate::support::{PATIENCE, soon, tools::say};

/// Commands to the peer that stalls: some of them in its hands, and the others behind those.
const STALLED: usize = 50;
const CONCURRENCY: usize = 8;

/// Commands that may wait for each: more than ever come together.
const QUEUE: usize = 1000;

/// Commands a second to everybody else, half of them to another peer.
const RATE: u32 = 500;

/// A machine that carries its load has a p99 below this, in milliseconds. The bridge of the tests is
/// built without optimization: where others are at work here as well, the rate is halved, down to
/// the least.
const CARRIED: f64 = 100.0;
const LEAST_RATE: u32 = 125;

/// Of so many windows each counts as much as the others: what else the machine has to do makes
/// one of them slow, and seldom most. Those without the stalled peer are before and after it.
const WINDOW: Duration = Duration::from_secs(1);
const WINDOWS: usize = 4;

/// What others do to the machine for longer than that, they do not do all the time: where a round
/// shows too much, another follows, and the windows of all of them count.
const SLOW: [&str; 5] = ["slow-1", "slow-2", "slow-3", "slow-4", "slow-5"];

/// The bound: their p99 less than doubles.
const MOST: f64 = 2.0;

/// Plain HTTP, and no disk: their own times would hide what is looked for.
const BRIDGE: &str = "[https]\nlisten = \"127.0.0.1:0\"\ntesting = true\n";

/// Commands that the other peer has in its hands at any time: so many that it would be seen if some
/// of its hands were taken from it. It takes as long for each as that needs, at any rate.
const AT_WORK: u64 = 3;

/// As long as a command of the load is waited for. What has no good answer by then counts as that.
const GIVEN_UP: Duration = Duration::from_secs(2);

/// What a command says so that the peer never answers it.
const NEVER: &str = "http://never.example/";

/// A consumer behind HTTP that answers after as many milliseconds as the command's URI ends in, but
/// never what says [`NEVER`].
struct Consumer {
    port: u16,
    /// Requests that it has, and never answers. Once nobody listens any more it hangs up.
    held: watch::Receiver<usize>,
}

impl Consumer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (holds, held) = watch::channel(0);
        let holds = Arc::new(holds);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let holds = Arc::clone(&holds);
                tokio::spawn(async move {
                    tokio::select! {
                        // Whoever asked may have gone.
                        _gone = answer(stream, &holds) => {}
                        () = holds.closed() => {}
                    }
                });
            }
        });
        Self { port, held }
    }
}

/// Answers what comes on a connection.
async fn answer(mut stream: TcpStream, holds: &watch::Sender<usize>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).await?;
        let message: serde_json::Value = serde_json::from_slice(&body)?;
        let uri = message["body"]["openc2"]["request"]["target"]["uri"].as_str().expect("a URI");
        if uri == NEVER {
            holds.send_modify(|number| *number += 1);
            std::future::pending::<()>().await;
        }
        let work = uri.rsplit('/').next().and_then(|it| it.parse().ok()).expect("a number");
        sleep(Duration::from_millis(work)).await;
        let response = json!({
            "headers": {"request_id": message["headers"]["request_id"], "from": "far"},
            "body": {"openc2": {"response": {"status": 200}}},
        });
        let response = response.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {OPENC2}\r\nContent-Length: {}\r\n\r\n",
            response.len()
        );
        writer.write_all([head, response].concat().as_bytes()).await?;
    }
}

/// An actuator for each of these, and one that needs no peer.
fn topics(consumers: &[(&str, &Consumer)]) -> String {
    let names: Vec<_> = consumers.iter().map(|(name, _)| *name).chain(["notes"]).collect();
    let mut topics = format!(
        "[[consumer]]\nid = \"edge-1\"\nactuators = {names:?}\n\
         [actuator.notes]\nkind = \"log\"\nprofile = \"x-notes\"\npairs = {{ deny = [\"uri\"] }}\n\
         concurrency = {CONCURRENCY}\nqueue = {QUEUE}\n"
    );
    for (name, consumer) in consumers {
        let table = format!(
            "[actuator.{name}]\nkind = \"https\"\nprofile = \"x-{name}\"\n\
             pairs = {{ deny = [\"uri\"] }}\nurl = \"http://127.0.0.1:{}/\"\n\
             timeout = \"5m\"\nconcurrency = {CONCURRENCY}\nqueue = {QUEUE}\n",
            consumer.port
        );
        topics += &table;
    }
    topics
}

/// A producer with a connection of its own.
struct Caller(Peer);

impl Caller {
    fn new(scene: &Scene) -> Arc<Self> {
        let url = format!("http://127.0.0.1:{}/", port(scene));
        let peer = Peer::new(PeerConfig {
            url: PeerUrl::try_from(url).unwrap(),
            ca_file: None,
            cert_file: None,
            key_file: None,
        });
        Arc::new(Self(peer.unwrap()))
    }

    /// Posts `deny uri` for the actuator of this name; the HTTP status, where there was one.
    async fn post(&self, request_id: String, name: &str, uri: &str) -> Option<u16> {
        let profile = format!("x-{name}");
        let message = json!({
            "headers": {"request_id": request_id},
            "body": {"openc2": {"request": {
                "action": "deny", "target": {"uri": uri}, "actuator": {profile: {}},
            }}},
        });
        let message = message.to_string().into();
        let answer = self.0.post_preferring(Some(&request_id), "wait=60", message).await;
        answer.ok().map(|answer| answer.status)
    }
}

/// Commands at this rate, by these actuators in turn: from when each was to be sent to its
/// answer, in order of length.
async fn load(
    caller: &Arc<Caller>,
    name: &str,
    actuators: &[&'static str],
    (rate, commands): (u32, usize),
) -> Vec<Duration> {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    // Open loop: what was held up is made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let uri = format!("http://a.example/{}", AT_WORK * 2_000 / u64::from(rate));
    let mut under_way = JoinSet::new();
    for number in 0..commands {
        let due = ticks.tick().await;
        let (caller, actuator) = (Arc::clone(caller), actuators[number % actuators.len()]);
        let (request_id, uri) = (format!("{name}-{number}"), uri.clone());
        under_way.spawn(async move {
            let posted = caller.post(request_id, actuator, &uri);
            match timeout(GIVEN_UP, posted).await {
                Ok(Some(200)) => due.elapsed(),
                _ => GIVEN_UP,
            }
        });
    }
    let mut took = under_way.join_all().await;
    took.sort_unstable();
    took
}

/// So many windows of the load; the p99 of each, in milliseconds.
async fn windows(caller: &Arc<Caller>, name: &str, rate: u32) -> Vec<f64> {
    let commands = usize::try_from(WINDOW.as_secs() * u64::from(rate)).expect("not that many");
    let mut found = Vec::new();
    for number in 0..WINDOWS {
        let name = format!("{name}-{rate}-{number}");
        found.push(p99(&load(caller, &name, &["quick", "notes"], (rate, commands)).await));
    }
    found
}

fn p99(sorted: &[Duration]) -> f64 {
    sorted[(sorted.len() * 99).div_ceil(100) - 1].as_secs_f64() * 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Posts what the peer behind this actuator will never answer, and waits until it has its hands
/// full with it, and the others stand behind that.
async fn stall(scene: &Scene, actuator: &'static str, peer: &mut Consumer) -> JoinSet<Option<u16>> {
    let caller = Caller::new(scene);
    let mut stalled = JoinSet::new();
    for number in 0..STALLED {
        let (caller, request_id) = (Arc::clone(&caller), format!("{actuator}-{number}"));
        stalled.spawn(async move { caller.post(request_id, actuator, NEVER).await });
    }
    soon("the peer has its hands full", peer.held.wait_for(|held| *held == CONCURRENCY))
        .await
        .expect("it is there");
    soon("all of them are recorded", async {
        while scene.bridge.counters()["in_progress"] != STALLED {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stalled
}

/// 50 commands to a peer that stalls while 500 a second pass through others: their p99 less than
/// doubles. Through the same peer they would not be answered at all: that is what would be seen
/// if all of them shared a pool or a queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_never_answers_slows_nobody_else_down() {
    let test = "a_peer_that_never_answers_slows_nobody_else_down";
    let quick = Consumer::start().await;
    let mut slow = Vec::new();
    for _ in SLOW {
        slow.push(Consumer::start().await);
    }
    let mut shared = Consumer::start().await;
    let others = [("shared", &shared), ("quick", &quick)];
    let topics = topics(&SLOW.into_iter().zip(&slow).chain(others).collect::<Vec<_>>());
    let Some(mut scene) = Scene::prepare(test, "edge-1", BRIDGE, &topics).await else { return };
    scene.bridge.set("OC2_JOURNAL_STORAGE", "memory");
    scene.bridge.run();
    let caller = Caller::new(&scene);
    let mut rate = RATE;
    windows(&caller, "warm", rate).await;

    let (mut without, mut with) = (Vec::new(), Vec::new());
    for (mut peer, actuator) in slow.into_iter().zip(SLOW) {
        let name = format!("before-{actuator}");
        let mut before = windows(&caller, &name, rate).await;
        while median(before.clone()) >= CARRIED && rate > LEAST_RATE {
            rate /= 2;
            (without, with) = (Vec::new(), Vec::new());
            before = windows(&caller, &name, rate).await;
        }
        without.extend(before);
        let stalled = stall(&scene, actuator, &mut peer).await;
        with.extend(windows(&caller, &format!("beside-{actuator}"), rate).await);
        assert_eq!(*peer.held.borrow(), CONCURRENCY, "all the time");
        drop(peer);
        let ended = timeout(PATIENCE, stalled.join_all()).await.expect("it hung up");
        assert!(ended.iter().all(|status| matches!(status, Some(500 | 503))), "{ended:?}");
        without.extend(windows(&caller, &format!("after-{actuator}"), rate).await);
        if median(with.clone()) < MOST * median(without.clone()) {
            break;
        }
    }
    let (most, least) = (median(with.clone()), median(without.clone()));
    say(&format!(
        "p99 of {rate} commands a second: {least:.1} ms, and {most:.1} ms while {STALLED} others are \
         stalled (before and after {without:.1?}, meanwhile {with:.1?})"
    ));
    assert!(least < GIVEN_UP.as_secs_f64() * 1000.0, "this machine carries no load at all");
    assert!(most < MOST * least, "{:.2} times", most / least);

    // And what they would be like if they were not kept apart.
    let _stalled = stall(&scene, "shared", &mut shared).await;
    let together = load(&caller, "together", &["shared"], (rate, 20)).await;
    assert!(together.iter().all(|took| *took == GIVEN_UP), "{together:?}");
}

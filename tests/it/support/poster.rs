//! A producer that posts its commands, each again until it is answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use openc2_bridge::producer::now_ms;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};

/// What a message is in HTTP (Transfer via HTTPS v1.1, section 3.3.1).
const OPENC2: &str = "application/openc2+json;version=1.0";

/// Between two posts of the same command.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Posts at a fixed rate, from its start on. Ends with [`Poster::stop`].
pub struct Poster {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    book: Arc<Mutex<Posted>>,
}

/// What was posted and heard.
#[derive(Clone, Debug, Default)]
pub struct Posted {
    /// `request_id` of every command.
    pub sent: Vec<String>,
    /// The message that each was answered with.
    pub heard: Vec<Vec<u8>>,
    /// How often a post had no answer, and was made again.
    pub again: usize,
}

impl Poster {
    /// Posts commands for this consumer to a door for tests (plain HTTP) at this port.
    pub fn start(port: u16, consumer: &str, every: Duration) -> Self {
        let (stop, stopped) = watch::channel(false);
        let book = Arc::default();
        let task = tokio::spawn(keep_posting(
            port,
            consumer.to_owned(),
            every,
            stopped,
            Arc::clone(&book),
        ));
        Self { stop, task, book }
    }

    /// Posts nothing new, and waits until all is answered.
    pub async fn stop(self) -> Posted {
        self.stop.send_replace(true);
        self.task.await.expect("it does not panic");
        std::mem::take(&mut *self.book.lock().unwrap())
    }
}

async fn keep_posting(
    port: u16,
    consumer: String,
    every: Duration,
    stopped: watch::Receiver<bool>,
    book: Arc<Mutex<Posted>>,
) {
    let mut ticks = interval(every);
    let mut posts = JoinSet::new();
    for number in 0.. {
        ticks.tick().await;
        if *stopped.borrow() {
            break;
        }
        let id = format!("posted-{consumer}-{number:06}");
        let message = json!({
            "headers": {
                "request_id": id, "created": now_ms(), "from": "poster", "to": [consumer],
            },
            "body": {"openc2": {"request": {
                "action": "set", "target": {"x-witness:mark": number},
            }}},
        });
        book.lock().unwrap().sent.push(id);
        posts.spawn(insist(port, message.to_string(), Arc::clone(&book)));
    }
    while let Some(post) = posts.join_next().await {
        post.expect("it does not panic");
    }
}

/// Posts a message again and again, until there is an answer to it.
async fn insist(port: u16, message: String, book: Arc<Mutex<Posted>>) {
    loop {
        if let Some(answer) = post(port, &message).await {
            return book.lock().unwrap().heard.push(answer);
        }
        book.lock().unwrap().again += 1;
        sleep(AGAIN_AFTER).await;
    }
}

/// The message that the answer is; `None` where there is no answer, or one of the door alone.
async fn post(port: u16, message: &str) -> Option<Vec<u8>> {
    const HEAD_ENDS: &[u8] = b"\r\n\r\n";
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!(
        "POST /.well-known/openc2 HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: {OPENC2}\r\n\
         Accept: {OPENC2}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{message}",
        message.len()
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let head = answer.windows(HEAD_ENDS.len()).position(|window| window == HEAD_ENDS)?;
    let body = answer.split_off(head + HEAD_ENDS.len());
    let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    // A bridge that ends while it answers leaves a part.
    let is_whole = length.trim().parse() == Ok(body.len());
    (is_whole && head.contains("content-type: application/openc2+json")).then_some(body)
}

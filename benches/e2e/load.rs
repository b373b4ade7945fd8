//! The load: one producer with one connection, on the same MQTT library as the floor.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use openc2_bridge::producer::now_ms;
use rumqttc::{
    AsyncClient, Broker, Event, EventLoop, Incoming, MqttOptions, NetworkOptions, PublishOptions,
    PublishProperties, QoS,
};
use tokio::time::timeout;

use super::PATIENCE;

/// Its identity, and so the level of its response topic.
pub const PRODUCER: &str = "load";

/// What stands before the request id in a response.
const REQUEST_ID: &[u8] = br#""request_id":""#;

/// Publications on their way at the same time.
const IN_FLIGHT: u16 = 300;

/// Where commands go, and what they are.
#[derive(Clone, Debug)]
pub struct Target {
    /// Command topics, which take turns.
    pub topics: Vec<String>,
    /// What stands in `body.openc2.request`.
    pub command: &'static str,
    /// Every response is the same and names no command, as the floor's: each counts for the oldest
    /// command that has none.
    pub is_echo: bool,
}

/// A producer on a broker.
pub struct Load {
    client: AsyncClient,
    event_loop: EventLoop,
    target: Target,
    options: PublishOptions,
    /// Number of the next command; the first is 1.
    next: u64,
}

/// What was measured of one stream of commands.
#[derive(Debug, Default)]
pub struct Measured {
    /// From the first command to the last response.
    pub took: Duration,
    /// From sending to the response; in an open loop from when it was due. In order of size.
    pub latencies: Vec<Duration>,
    /// Answered with 503, as what is more than the bridge can do is to be. Not among the latencies.
    pub refused: usize,
    /// How late a command of an open loop was handed to the MQTT library at most.
    pub late: Duration,
}

impl Measured {
    /// Responses a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// Microseconds that this share of the responses did not pass.
    pub fn percentile_us(&self, percent: usize) -> f64 {
        self.latencies[(self.latencies.len() - 1) * percent / 100].as_secs_f64() * 1e6
    }
}

/// A stream of commands under way.
struct Stream {
    /// Number of its first command.
    first: u64,
    /// When each command was sent, or due.
    begun: Vec<Instant>,
    /// Whether each has its response.
    is_answered: Vec<bool>,
    /// The oldest that had none when somebody looked.
    oldest: usize,
    /// As in [`Target`].
    is_echo: bool,
    latencies: Vec<Duration>,
    /// Answered with 503; `None`: there is no reason to, and it is an error.
    refused: Option<usize>,
}

/// A connection to the broker by this name, with what makes it fast; so many requests may wait for it.
pub fn connection(name: &str, port: u16, waiting: usize) -> (AsyncClient, EventLoop) {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let mut options = MqttOptions::new(name, Broker::tcp("127.0.0.1", port));
    options
        .set_network_options(network)
        .set_clean_start(true)
        .set_keep_alive(60)
        .set_receive_maximum(Some(u16::MAX))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT)
        .set_max_request_batch(128)
        .set_read_batch_size(128);
    AsyncClient::builder(options).capacity(waiting).build()
}

impl Load {
    /// Connects, and listens on its own response topic.
    pub async fn connect(port: u16, target: Target) -> Result<Self> {
        let (client, event_loop) = connection(PRODUCER, port, 1 << 20);
        client.subscribe(format!("oc2/rsp/{PRODUCER}"), QoS::AtLeastOnce).await?;
        let properties = PublishProperties {
            payload_format_indicator: Some(1),
            content_type: Some("application/openc2".to_owned()),
            user_properties: vec![
                ("msgType".to_owned(), "req".to_owned()),
                ("encoding".to_owned(), "json".to_owned()),
            ],
            ..PublishProperties::default()
        };
        let options = PublishOptions::new(QoS::AtLeastOnce).properties(properties);
        let mut load = Self { client, event_loop, target, options, next: 1 };
        timeout(PATIENCE, load.subscribed()).await.context("no SUBACK")??;
        Ok(load)
    }

    async fn subscribed(&mut self) -> Result<()> {
        loop {
            if let Event::Incoming(Incoming::SubAck(_)) = self.event_loop.poll().await? {
                return Ok(());
            }
        }
    }

    /// So many commands, `window` of them outstanding at any time.
    pub async fn closed_loop(&mut self, window: usize, commands: usize) -> Result<Measured> {
        let mut stream = Stream::new(self.next, commands, self.target.is_echo);
        let begun = Instant::now();
        for _ in 0..window.min(commands) {
            stream.begun.push(Instant::now());
            self.next = send(&self.client, &self.target, &self.options, self.next)?;
        }
        let patience = PATIENCE + Duration::from_millis(20) * u32::try_from(commands)?;
        let all = async {
            while stream.latencies.len() < commands {
                let event = self.event_loop.poll().await?;
                let Event::Incoming(Incoming::Publish(response)) = event else { continue };
                stream.take(&response.payload)?;
                if stream.begun.len() < commands {
                    stream.begun.push(Instant::now());
                    self.next = send(&self.client, &self.target, &self.options, self.next)?;
                }
            }
            anyhow::Ok(())
        };
        timeout(patience, all).await.context("not every command was answered")??;
        Ok(stream.measured(begun.elapsed()))
    }

    /// So many commands, so many a second, whatever comes back. What the sender is late with counts as
    /// latency: each command is measured from when it was due.
    pub async fn open_loop(&mut self, per_second: f64, commands: usize) -> Result<Measured> {
        let stream = Stream::new(self.next, commands, self.target.is_echo);
        let mut stream = Stream { refused: Some(0), ..stream };
        let begun = Instant::now();
        let due = (0..commands).map(|n| begun + Duration::from_secs_f64(n as f64 / per_second));
        stream.begun = due.collect();
        // A thread of its own: a runtime's timers are no finer than a millisecond.
        let (client, target, options) =
            (self.client.clone(), self.target.clone(), self.options.clone());
        let (first, due) = (self.next, stream.begun.clone());
        let sender = std::thread::spawn(move || {
            let mut next = first;
            let mut late = Duration::ZERO;
            for due in due {
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    std::thread::sleep(early);
                }
                next = send(&client, &target, &options, next)?;
                late = late.max(due.elapsed());
            }
            anyhow::Ok((next, late))
        });
        let patience = PATIENCE * 3 + Duration::from_secs_f64(commands as f64 / per_second) * 5;
        let all = async {
            while stream.latencies.len() + stream.refused.unwrap_or_default() < commands {
                let event = self.event_loop.poll().await?;
                if let Event::Incoming(Incoming::Publish(response)) = event {
                    stream.take(&response.payload)?;
                }
            }
            anyhow::Ok(())
        };
        timeout(patience, all).await.context("not every command was answered")??;
        let took = begun.elapsed();
        let (next, late) = sender.join().expect("the sender does not panic")?;
        self.next = next;
        Ok(Measured { late, ..stream.measured(took) })
    }
}

/// Hands one command to the library; the number of the one after it.
fn send(
    client: &AsyncClient,
    target: &Target,
    options: &PublishOptions,
    number: u64,
) -> Result<u64> {
    let Target { topics, command, .. } = target;
    let topic = &topics[usize::try_from(number)? % topics.len()];
    let created = now_ms();
    let id = request_id(number);
    let message = format!(
        r#"{{"headers":{{"request_id":"{id}","created":{created},"from":"{PRODUCER}"}},"body":{{"openc2":{{"request":{command}}}}}}}"#
    );
    client.try_publish(topic.as_str(), message, options.clone())?;
    Ok(number + 1)
}

impl Stream {
    fn new(first: u64, commands: usize, is_echo: bool) -> Self {
        Self {
            first,
            begun: Vec::with_capacity(commands),
            is_answered: vec![false; commands],
            oldest: 0,
            is_echo,
            latencies: Vec::with_capacity(commands),
            refused: None,
        }
    }

    /// Takes a response in: it must be a good one, or a refusal where these may be, to a command
    /// that has none yet.
    fn take(&mut self, response: &[u8]) -> Result<()> {
        let now = Instant::now();
        let said = || String::from_utf8_lossy(response);
        let is_refusal = self.refused.is_some() && find(response, br#""status":503"#).is_some();
        let is_good = is_refusal || find(response, br#""status":200"#).is_some();
        ensure!(is_good, "a response is {}", said());
        let at = if self.is_echo {
            self.oldest
        } else {
            let number = number(response)
                .with_context(|| format!("a response that names no command: {}", said()))?;
            usize::try_from(number.wrapping_sub(self.first))?
        };
        match self.is_answered.get_mut(at) {
            Some(is_answered @ false) if at < self.begun.len() => *is_answered = true,
            _ => bail!("a response to no command that has none: {}", said()),
        }
        while self.is_answered.get(self.oldest) == Some(&true) {
            self.oldest += 1;
        }
        match &mut self.refused {
            Some(refused) if is_refusal => *refused += 1,
            _ => self.latencies.push(now.saturating_duration_since(self.begun[at])),
        }
        Ok(())
    }

    fn measured(mut self, took: Duration) -> Measured {
        self.latencies.sort_unstable();
        let refused = self.refused.unwrap_or_default();
        Measured { took, latencies: self.latencies, refused, late: Duration::ZERO }
    }
}

/// The request id of the command with this number.
pub fn request_id(number: u64) -> String {
    // Keys of a journal are not in the order of time: neither are these.
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    format!("{spread:08x}-{number:016}")
}

/// The number of the command whose request id is in a response, whole and as it was sent.
fn number(response: &[u8]) -> Option<u64> {
    let rest = &response[find(response, REQUEST_ID)? + REQUEST_ID.len()..];
    let end = rest.iter().position(|byte| *byte == b'"')?;
    let id = std::str::from_utf8(&rest[..end]).ok()?;
    let number = id.rsplit('-').next()?.parse().ok()?;
    (id == request_id(number)).then_some(number)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

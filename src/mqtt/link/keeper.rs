//! The task that owns a connection.
//!
//! It never drops a `poll()` future of the library while there is hope for the
//! connection, never waits for anybody while connected, and does nothing but
//! move packets: what it takes in it hands on, or keeps within the bounds below.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, DisconnectReasonCode, Event, EventLoop, Incoming,
    Publish, StateError, SubAck, SubscribeNoticeError, UnsubAck, UnsubscribeNoticeError,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::backoff::{Backoff, jittered};
use super::deliveries::{self, Deliveries, Mark};
use super::subscriptions::{Subscriptions, Verdict};
use super::{
    DISCONNECT_TIMEOUT, Delivery, Limits, LinkEvent, LinkSettings, Order, Properties, Session,
    Status, Subscription, options,
};
use crate::dispatch::Receipt;
use crate::mqtt::reason::{Reason, explain};

/// Filters in one SUBSCRIBE or UNSUBSCRIBE, so that it stays a small packet.
const FILTERS_PER_PACKET: usize = 64;

/// Acknowledgements taken over in one go.
const RECEIPTS: usize = 64;

/// Deliveries with `QoS` 0 that may wait for the owner; further ones are dropped and counted.
/// (Those with `QoS` 1 and 2 are bounded by the Receive Maximum.)
const QOS0_WAITING: usize = 256;

/// A connection that lasted this long was a good one: the waits begin at the shortest again.
const STABLE: Duration = Duration::from_secs(10);

/// So many connections in a row that did not last are worth an alarm.
const SHORT_LIVED: u32 = 3;

/// A filter nobody subscribes to. Its UNSUBSCRIBE is the packet that winds up the
/// library's ping timer where there is nothing to subscribe to.
const NOTHING: &str = "openc2-bridge/nothing";

/// The task's ends of the channels.
pub(super) struct Channels {
    pub status: watch::Sender<Status>,
    pub orders: mpsc::Receiver<Order>,
    pub receipts: mpsc::Receiver<Receipt>,
    pub events: mpsc::Sender<LinkEvent>,
}

/// What the task knows.
pub(super) struct Keeper {
    settings: LinkSettings,
    client: AsyncClient,
    channels: Channels,
    subscriptions: Subscriptions,
    deliveries: Deliveries,
    /// Events for which the channel has no room.
    waiting: VecDeque<LinkEvent>,
    /// SUBACK and UNSUBACK that are due.
    answers: JoinSet<Answer>,
    /// When to ask again for what was refused.
    ask_again_at: Option<Instant>,
    ask_again: Backoff,
    reconnect: Backoff,
    /// Connections in a row that came about and did not last.
    short_lived: u32,
    connected_at: Option<Instant>,
    heard_at: Instant,
    /// How long the broker may be silent; absent where it asked for no pings.
    longest_silence: Option<Duration>,
    /// The broker should have a session of ours.
    has_session: bool,
    /// `Up` has been said of this connection.
    has_announced: bool,
    has_owner: bool,
    closing: Option<Closing>,
}

struct Closing {
    done: Option<oneshot::Sender<()>>,
    deadline: Instant,
}

/// What became of a SUBSCRIBE or UNSUBSCRIBE, and on which connection.
enum Answer {
    Subscribed(u32, Vec<Subscription>, Result<SubAck, SubscribeNoticeError>),
    Unsubscribed(u32, Vec<String>, Result<UnsubAck, UnsubscribeNoticeError>),
}

/// Why the library's `poll()` is not waited for any longer.
enum Step {
    Polled(Box<Result<Event, ConnectionError>>),
    Abandoned(String),
    Ended,
}

/// What to do about a connection that is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Connect again.
    Ordinary,
    /// Another client has our identifier: connect again, much later.
    TakenOver,
    /// Something the broker will not take is being published again and again.
    TooLarge,
}

impl Keeper {
    pub(super) fn new(settings: LinkSettings, client: AsyncClient, channels: Channels) -> Self {
        Self {
            subscriptions: Subscriptions::new(settings.subscriptions.clone()),
            deliveries: Deliveries::default(),
            waiting: VecDeque::new(),
            answers: JoinSet::new(),
            ask_again_at: None,
            ask_again: Backoff::new(settings.backoff),
            reconnect: Backoff::new(settings.backoff),
            short_lived: 0,
            connected_at: None,
            heard_at: Instant::now(),
            longest_silence: None,
            has_session: matches!(settings.session, Session::Kept { is_known: true, .. }),
            has_announced: false,
            has_owner: true,
            closing: None,
            settings,
            client,
            channels,
        }
    }

    /// Keeps the connection up until it is told to close it.
    pub(super) async fn run(mut self, mut event_loop: EventLoop) {
        loop {
            let flow = match self.step(&mut event_loop).await {
                Step::Ended => ControlFlow::Break(()),
                Step::Polled(outcome) => match *outcome {
                    Ok(event) => self.take(event, &mut event_loop),
                    Err(_) if self.closing.is_some() => ControlFlow::Break(()),
                    Err(error) => self.lost(&explain(&error), cause(&error), &mut event_loop).await,
                },
                Step::Abandoned(reason) => {
                    // The library's way out of a poll() that is stuck on the network.
                    event_loop.clean();
                    self.lost(&reason, Cause::Ordinary, &mut event_loop).await
                }
            };
            if flow.is_break() {
                break;
            }
        }
        // Dropping the event loop closes the connection and fails what still waits.
        drop(event_loop);
        self.channels.status.send_modify(|status| {
            status.limits = None;
            status.is_up = false;
            status.has_ended = true;
        });
        if let Some(done) = self.closing.and_then(|closing| closing.done) {
            let _gone = done.send(());
        }
    }

    /// Polls the library once, and attends to everything else meanwhile.
    async fn step(&mut self, event_loop: &mut EventLoop) -> Step {
        let mut poll = pin!(event_loop.poll());
        loop {
            let silent_at = self.silent_at();
            tokio::select! {
                outcome = &mut poll => return Step::Polled(Box::new(outcome)),
                flow = self.attend() => if flow.is_break() { return Step::Ended },
                () = until(silent_at) => {
                    return Step::Abandoned("the broker has fallen silent".to_owned());
                }
            }
            if self.deliveries.len() > deliveries::hard_limit(self.settings.receive_maximum) {
                return Step::Abandoned(Reason::RECEIVE_MAXIMUM_EXCEEDED.to_string());
            }
        }
    }

    fn silent_at(&self) -> Option<Instant> {
        self.connected_at.and(self.longest_silence).map(|silence| self.heard_at + silence)
    }

    /// Attends to one thing that is not the network. Safe to drop at any time.
    async fn attend(&mut self) -> ControlFlow<()> {
        let mut batch = Vec::new();
        let has_handles = !self.channels.receipts.is_closed();
        tokio::select! {
            _ = self.channels.receipts.recv_many(&mut batch, RECEIPTS), if has_handles => {
                self.acknowledge(batch);
            }
            order = self.channels.orders.recv(), if self.closing.is_none() => {
                return self.obey(order);
            }
            is_open = has_place(&self.channels.events), if !self.waiting.is_empty() => {
                self.hand_on(is_open);
            }
            Some(answer) = self.answers.join_next() => {
                match answer {
                    Ok(answer) => self.hear(answer),
                    // Nothing here cancels a task, so this is a panic: pass it on.
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                }
            }
            () = until(self.ask_again_at) => {
                self.ask_again_at = None;
                let missing = self.subscriptions.missing();
                self.subscribe(&missing);
            }
            () = until(self.closing.as_ref().map(|closing| closing.deadline)) => {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn generation(&self) -> u32 {
        self.channels.status.borrow().generation
    }

    fn is_connected(&self) -> bool {
        self.connected_at.is_some()
    }

    /// Hands an event on, or lets it wait.
    fn tell(&mut self, event: LinkEvent) {
        if !self.has_owner {
            return;
        }
        let event = if self.waiting.is_empty() {
            match self.channels.events.try_send(event) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(event)) => event,
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.has_owner = false;
                    return;
                }
            }
        } else {
            event
        };
        // Who has not read the last one yet needs only the new one.
        if matches!(
            (self.waiting.back(), &event),
            (Some(LinkEvent::Down { .. }), LinkEvent::Down { .. })
        ) {
            self.waiting.pop_back();
        }
        self.waiting.push_back(event);
    }

    /// Hands on what waits, as far as there is room.
    fn hand_on(&mut self, is_open: bool) {
        if !is_open {
            self.has_owner = false;
            self.waiting.clear();
        }
        while let Some(event) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) =
                self.channels.events.try_send(event)
            {
                self.waiting.push_front(event);
                break;
            }
        }
    }

    fn acknowledge(&mut self, receipts: Vec<Receipt>) {
        for receipt in receipts {
            if !self.deliveries.acknowledge(receipt) {
                self.channels
                    .status
                    .send_modify(|status| status.statistics.late_acknowledgements += 1);
            }
        }
        while let Some(packet) = self.deliveries.next_packet() {
            if self.client.try_manual_ack(packet).is_err() {
                // The library's lane holds more than can be outstanding.
                tracing::error!("an acknowledgement found no room; the broker delivers again");
            }
        }
    }

    /// Does what a handle asks for; `None` when the last handle is gone.
    fn obey(&mut self, order: Option<Order>) -> ControlFlow<()> {
        match order {
            Some(Order::Subscribe(subscriptions, reply)) => {
                let new = self.subscriptions.want(subscriptions, reply);
                if self.is_connected() {
                    self.subscribe(&new);
                }
                ControlFlow::Continue(())
            }
            Some(Order::Unsubscribe(filters, reply)) => {
                self.subscriptions.drop(filters.clone(), reply);
                if self.is_connected() {
                    self.unsubscribe(&filters);
                }
                ControlFlow::Continue(())
            }
            Some(Order::Close { is_drained, done }) => self.close(is_drained, Some(done)),
            None => self.close(false, None),
        }
    }

    fn close(&mut self, is_drained: bool, done: Option<oneshot::Sender<()>>) -> ControlFlow<()> {
        self.closing = Some(Closing { done, deadline: Instant::now() + DISCONNECT_TIMEOUT });
        if !self.is_connected() {
            return ControlFlow::Break(());
        }
        // What was acknowledged before we were told to close still leaves.
        let mut receipts = Vec::new();
        while let Ok(receipt) = self.channels.receipts.try_recv() {
            receipts.push(receipt);
        }
        self.acknowledge(receipts);
        let asked = if is_drained {
            // Leaves after the acknowledgements that are on their way.
            self.client.try_disconnect_with_timeout(DISCONNECT_TIMEOUT)
        } else {
            self.client.try_disconnect_now()
        };
        match asked {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn subscribe(&mut self, subscriptions: &[Subscription]) {
        for some in subscriptions.chunks(FILTERS_PER_PACKET) {
            let filters = some.iter().map(options::to_filter);
            let Ok(notice) = self.client.try_subscribe_many_tracked(filters) else {
                self.ask_again_at = Some(Instant::now() + self.ask_again.next());
                return;
            };
            let (generation, some) = (self.generation(), some.to_vec());
            self.answers.spawn(async move {
                Answer::Subscribed(generation, some, notice.wait_async().await)
            });
        }
    }

    fn unsubscribe(&mut self, filters: &[String]) {
        for some in filters.chunks(FILTERS_PER_PACKET) {
            // Without room for it now, the next connection ends them.
            let Ok(notice) = self.client.try_unsubscribe_many_tracked(some) else { return };
            let (generation, some) = (self.generation(), some.to_vec());
            self.answers.spawn(async move {
                Answer::Unsubscribed(generation, some, notice.wait_async().await)
            });
        }
    }

    /// Takes in what the broker said to a SUBSCRIBE or UNSUBSCRIBE.
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Subscribed(generation, asked, Ok(suback))
                if generation == self.generation() =>
            {
                let said = suback.properties.and_then(|properties| properties.reason_string);
                let verdicts: Vec<_> = asked
                    .iter()
                    .zip(&suback.return_codes)
                    .map(|(one, code)| Verdict {
                        filter: one.filter.clone(),
                        asked_qos: one.qos,
                        reason: Reason::from(code),
                        said: said.clone(),
                    })
                    .collect();
                let complaints = self.subscriptions.judge(&verdicts);
                self.refused(&complaints);
                self.announce();
            }
            Answer::Unsubscribed(generation, filters, Ok(unsuback))
                if generation == self.generation() =>
            {
                for (filter, code) in filters.iter().zip(&unsuback.reasons) {
                    let reason = Reason::from(*code);
                    if reason.is_failure() && filter != NOTHING {
                        tracing::warn!(filter, %reason, "the broker does not end a subscription");
                    }
                }
                self.subscriptions.ended(&filters);
            }
            // Of a connection that is gone: the next one asks again.
            Answer::Subscribed(..) | Answer::Unsubscribed(..) => {}
        }
    }

    fn refused(&mut self, complaints: &[String]) {
        if complaints.is_empty() {
            return;
        }
        let count = u64::try_from(complaints.len()).expect("a length fits");
        let wait = self.ask_again.next();
        self.ask_again_at = Some(Instant::now() + wait);
        self.channels.status.send_modify(|status| {
            status.statistics.subscriptions_refused += count;
            status.is_up = false;
        });
        for complaint in complaints {
            tracing::error!(alarm = "subscription refused", ?wait, "{complaint}");
        }
        self.tell(LinkEvent::Down {
            reason: format!("subscription refused: {}", complaints.join("; ")),
        });
        self.has_announced = false;
    }

    /// Says `Up` once every subscription is granted.
    fn announce(&mut self) {
        if self.has_announced || !self.subscriptions.missing().is_empty() {
            return;
        }
        self.has_announced = true;
        self.ask_again.reset();
        let mut session_present = false;
        self.channels.status.send_modify(|status| {
            status.is_up = true;
            session_present = status.session_present;
        });
        self.tell(LinkEvent::Up { session_present });
    }

    /// Takes an event of the library in.
    fn take(&mut self, event: Event, event_loop: &mut EventLoop) -> ControlFlow<()> {
        let Event::Incoming(packet) = event else { return ControlFlow::Continue(()) };
        self.heard_at = Instant::now();
        match packet {
            Incoming::ConnAck(connack) => self.connected(&connack, event_loop),
            Incoming::Publish(publish) => self.deliver(publish),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn connected(&mut self, connack: &ConnAck, event_loop: &mut EventLoop) {
        let said = connack.properties.as_ref();
        let configured = self.settings.keep_alive.secs();
        let (keep_alive, longest_silence) = match said.and_then(|said| said.server_keep_alive) {
            // The broker wants no pings; the library has switched its timer off.
            Some(0) => (configured, None),
            Some(secs) => (secs, Some(options::longest_silence(secs))),
            None => (configured, Some(options::longest_silence(configured))),
        };
        // The library pings after the whole of this time. Its timer is running on the value
        // that CONNECT announced, and is wound up with this one by the next packet.
        event_loop.options.set_keep_alive(options::ping_after_secs(keep_alive));
        options::forget_store(&mut event_loop.options);

        let session_present = connack.session_present;
        let is_lost = self.has_session && !session_present;
        let packet_bytes = said.and_then(|said| said.max_packet_size);
        let limits = Limits {
            packet_bytes: packet_bytes.map_or(usize::MAX, |size| {
                usize::try_from(size).expect("a u32 fits on the machines we build for")
            }),
            qos: said.and_then(|said| said.max_qos).unwrap_or(2),
        };
        self.longest_silence = longest_silence;
        self.connected_at = Some(Instant::now());
        self.has_announced = false;
        self.ask_again_at = None;
        self.channels.status.send_modify(|status| {
            status.generation = status.generation.wrapping_add(1);
            status.limits = Some(limits);
            status.session_present = session_present;
            status.statistics.connected += 1;
            status.statistics.sessions_lost += u64::from(is_lost);
        });
        tracing::info!(
            url = %self.settings.url,
            client_id = self.settings.client_id,
            session_present,
            keep_alive,
            receive_maximum = said.and_then(|said| said.receive_max),
            maximum_packet_size = packet_bytes,
            "connected"
        );
        if is_lost {
            tracing::error!(
                alarm = "session lost",
                "the broker has forgotten our session, and the commands that were queued in it"
            );
        }
        if let Session::Kept { expiry_secs, .. } = self.settings.session {
            self.has_session = true;
            let granted = said.and_then(|said| said.session_expiry_interval);
            if granted.is_some_and(|granted| granted < expiry_secs) {
                tracing::warn!(
                    asked = expiry_secs,
                    granted,
                    "the broker keeps our session for less time than asked, in seconds"
                );
            }
        }

        self.subscriptions.begin_connection(session_present);
        let (missing, unwanted) = (self.subscriptions.missing(), self.subscriptions.unwanted());
        self.subscribe(&missing);
        self.unsubscribe(&unwanted);
        if missing.is_empty() && unwanted.is_empty() {
            self.unsubscribe(&[NOTHING.to_owned()]);
        }
        self.announce();
    }

    fn deliver(&mut self, publish: Publish) {
        let qos = publish.qos as u8;
        let has_no_room = qos == 0 && self.waiting.len() >= QOS0_WAITING;
        let mut dropped = 0;
        self.channels.status.send_modify(|status| {
            status.statistics.received += 1;
            status.statistics.qos0_dropped += u64::from(has_no_room);
            dropped = status.statistics.qos0_dropped;
        });
        if has_no_room {
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "messages with QoS 0 come faster than they are handled");
            }
            return;
        }
        let mark = Mark::new(self.generation(), qos, publish.pkid);
        if qos > 0 {
            self.deliveries.add(mark);
        }
        self.tell(LinkEvent::Message(Delivery {
            receipt: mark.receipt(),
            // The library has checked that it is UTF-8.
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            qos,
            retained: publish.retain,
            dup: publish.dup,
            properties: Properties::from_packet(publish.properties),
        }));
    }

    /// The connection is gone, or did not come about. Waits until it is time for the next.
    async fn lost(
        &mut self,
        reason: &str,
        cause: Cause,
        event_loop: &mut EventLoop,
    ) -> ControlFlow<()> {
        let lasted = self.connected_at.take().map(|since| since.elapsed());
        self.deliveries.forget();
        self.ask_again_at = None;
        self.channels.status.send_modify(|status| {
            status.generation = status.generation.wrapping_add(1);
            status.limits = None;
            status.is_up = false;
            status.statistics.failed += 1;
            status.statistics.takeovers += u64::from(cause == Cause::TakenOver);
        });
        event_loop.options.set_keep_alive(self.settings.keep_alive.secs());
        if cause == Cause::TooLarge {
            // Everything unconfirmed fails with `SessionReset`; whoever tries again is told.
            event_loop.reset_session_state();
            options::resume_without_memory(&mut event_loop.options, &self.settings);
        }
        self.weigh(lasted);
        let wait = match cause {
            Cause::TakenOver => {
                tracing::error!(
                    alarm = "session taken over",
                    client_id = self.settings.client_id,
                    "another client uses our client identifier"
                );
                jittered(self.settings.takeover_pause)
            }
            Cause::Ordinary | Cause::TooLarge => self.reconnect.next(),
        };
        tracing::warn!(url = %self.settings.url, ?wait, "not connected: {reason}");
        self.tell(LinkEvent::Down { reason: reason.to_owned() });
        self.pause(wait).await
    }

    /// Begins the waits anew after a connection that lasted. One that did not is, again and
    /// again, what a second client with our identifier looks like at a broker that gives no reason
    /// (mosquitto 2.0.11 does not): the waits that grow keep us from fighting.
    fn weigh(&mut self, lasted: Option<Duration>) {
        let Some(lasted) = lasted else { return };
        if lasted >= STABLE {
            self.reconnect.reset();
            self.short_lived = 0;
            return;
        }
        self.short_lived = self.short_lived.saturating_add(1);
        if self.short_lived == SHORT_LIVED {
            tracing::error!(
                alarm = "connections do not last",
                client_id = self.settings.client_id,
                "does another client use our client identifier?"
            );
        }
    }

    async fn pause(&mut self, wait: Duration) -> ControlFlow<()> {
        let due = Instant::now() + wait;
        let most = usize::from(self.settings.receive_maximum.get());
        loop {
            // An owner who has not read the deliveries of the last connection gets no
            // further ones: this bounds what waits over many connections.
            let is_full = self.waiting.len() > most;
            tokio::select! {
                flow = self.attend() => if flow.is_break() { return flow },
                () = tokio::time::sleep_until(due), if !is_full => return ControlFlow::Continue(()),
            }
        }
    }
}

fn cause(error: &ConnectionError) -> Cause {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => Cause::TakenOver,
        ConnectionError::MqttState(
            StateError::OutgoingPacketTooLarge { .. }
            | StateError::Deserialization(rumqttc::Error::OutgoingPacketTooLarge { .. }),
        ) => Cause::TooLarge,
        _ => Cause::Ordinary,
    }
}

/// Waits for room in the channel; `false` when nobody reads it any more.
///
/// Nobody else writes to it, so the room is still there afterwards.
async fn has_place(events: &mpsc::Sender<LinkEvent>) -> bool {
    events.reserve().await.is_ok()
}

/// Sleeps until then; for ever where there is no then.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

//! The task that owns a connection.
//!
//! It never drops a `poll()` future of the library while there is hope for the
//! connection, never waits for anybody while connected, and does nothing but
//! move packets: what it takes in it hands on, or keeps within the bounds below.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnAck, ConnectionError, Event, EventLoop, Incoming, Publish, UnsubAckReason,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::deliveries::{self, Deliveries, Mark};
use super::outlet::Outlet;
use super::reconnect::{Cause, Reconnect};
use super::requests::{Answer, Requests};
use super::socket::Socket;
use super::subscriptions::{Subscriptions, Verdict};
use super::{
    DISCONNECT_TIMEOUT, Delivery, LinkEvent, LinkSettings, Order, Properties, Session, Statistics,
    Status, options, until,
};
use crate::dispatch::Receipt;
use crate::mqtt::reason::{Reason, explain};

/// Acknowledgements taken over in one go.
const RECEIPTS: usize = 64;

/// A filter nobody subscribes to. Its UNSUBSCRIBE is the packet that winds up the
/// library's ping timer where there is nothing to subscribe to.
const NOTHING: &str = "openc2-bridge/nothing";

/// The task's ends of the channels, and its socket.
pub(super) struct Channels {
    pub status: watch::Sender<Status>,
    pub orders: mpsc::Receiver<Order>,
    pub receipts: mpsc::Receiver<Receipt>,
    pub events: mpsc::Sender<LinkEvent>,
    pub socket: Socket,
}

/// What the task knows.
pub(super) struct Keeper {
    settings: LinkSettings,
    client: AsyncClient,
    channels: Channels,
    subscriptions: Subscriptions,
    deliveries: Deliveries,
    outlet: Outlet,
    requests: Requests,
    reconnect: Reconnect,
    connected_at: Option<Instant>,
    heard_at: Instant,
    /// How long the broker may be silent; absent where it asked for no pings.
    longest_silence: Option<Duration>,
    /// The broker should have a session of ours.
    has_session: bool,
    /// `Up` has been said of this connection.
    has_announced: bool,
    closing: Option<Closing>,
}

struct Closing {
    done: Option<oneshot::Sender<()>>,
    deadline: Instant,
}

/// Why the library's `poll()` is not waited for any longer.
enum Step {
    Polled(Box<Result<Event, ConnectionError>>),
    Abandoned(String),
    Ended,
}

impl Keeper {
    pub(super) fn new(settings: LinkSettings, client: AsyncClient, channels: Channels) -> Self {
        Self {
            subscriptions: Subscriptions::new(settings.subscriptions.clone()),
            deliveries: Deliveries::default(),
            outlet: Outlet::new(channels.events.clone()),
            requests: Requests::new(client.clone(), &settings),
            reconnect: Reconnect::new(&settings),
            connected_at: None,
            heard_at: Instant::now(),
            longest_silence: None,
            has_session: matches!(settings.session, Session::Kept { is_known: true, .. }),
            has_announced: false,
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
                    Ok(event) => self.take_all(event, &mut event_loop),
                    Err(_) if self.closing.is_some() => ControlFlow::Break(()),
                    Err(error) => {
                        self.lost(&explain(&error), Cause::of(&error), &mut event_loop).await
                    }
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
        self.channels.socket.end(DISCONNECT_TIMEOUT).await;
        self.channels.status.send_modify(|status| {
            status.limits = None;
            status.is_up = false;
            status.has_ended = true;
        });
        if let Some(done) = self.closing.and_then(|closing| closing.done) {
            let _gone = done.send(());
        }
    }

    /// The broker has gone over what we said we would hold.
    fn holds_too_much(&self) -> bool {
        let LinkSettings { receive_maximum, maximum_packet_size, .. } = self.settings;
        self.deliveries.bytes() > deliveries::most_bytes(receive_maximum, maximum_packet_size)
    }

    /// Polls the library once, and attends to everything else meanwhile.
    async fn step(&mut self, event_loop: &mut EventLoop) -> Step {
        if self.holds_too_much() {
            return Step::Abandoned(Reason::RECEIVE_MAXIMUM_EXCEEDED.to_string());
        }
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
            () = self.outlet.has_place(), if self.outlet.waiting() > 0 => self.outlet.hand_on(),
            answer = self.requests.next() => if let Some(answer) = answer {
                self.hear(answer);
            } else {
                let missing = self.subscriptions.missing();
                self.requests.subscribe(self.generation(), &missing);
            },
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

    /// Counts, and wakes nobody: whoever waits for the status waits for something else in it.
    fn count(&self, change: impl FnOnce(&mut Statistics)) {
        self.channels.status.send_if_modified(|status| {
            change(&mut status.statistics);
            false
        });
    }

    fn acknowledge(&mut self, receipts: Vec<Receipt>) {
        for receipt in receipts {
            if !self.deliveries.acknowledge(receipt) {
                self.count(|statistics| statistics.late_acknowledgements += 1);
            }
        }
        while let Some(packet) = self.deliveries.next_packet() {
            if self.client.try_manual_ack(packet).is_err() {
                // The library's lane holds more than can be outstanding.
                tracing::error!("an acknowledgement found no room; the broker delivers again");
            }
        }
    }

    /// Takes over every acknowledgement that has been given by now.
    fn acknowledge_all(&mut self) {
        let mut receipts = Vec::new();
        while let Ok(receipt) = self.channels.receipts.try_recv() {
            receipts.push(receipt);
        }
        self.acknowledge(receipts);
    }

    /// Does what a handle asks for; `None` when the last handle is gone.
    fn obey(&mut self, order: Option<Order>) -> ControlFlow<()> {
        match order {
            Some(Order::Subscribe(subscriptions, reply)) => {
                let new = self.subscriptions.want(subscriptions, reply);
                if self.is_connected() {
                    self.requests.subscribe(self.generation(), &new);
                }
                ControlFlow::Continue(())
            }
            Some(Order::Unsubscribe(filters, reply)) => {
                self.subscriptions.drop(filters.clone(), reply);
                if self.is_connected() {
                    self.requests.unsubscribe(self.generation(), &filters);
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
        self.acknowledge_all();
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

    /// Takes in what the broker said to a SUBSCRIBE or UNSUBSCRIBE. What it said on a
    /// connection that is gone is of no use: the next one asks again.
    fn hear(&mut self, answer: Answer) {
        match answer {
            Answer::Subscribed(generation, asked, Ok(suback)) => {
                if generation == self.generation() {
                    let complaints = self.subscriptions.judge(&Verdict::all(&asked, &suback));
                    self.refused(&complaints);
                    self.announce();
                }
            }
            Answer::Unsubscribed(generation, filters, Ok(unsuback)) => {
                if generation == self.generation() {
                    complain(&filters, &unsuback.reasons);
                    self.subscriptions.ended(&filters);
                }
            }
            Answer::Subscribed(_, _, Err(_)) | Answer::Unsubscribed(_, _, Err(_)) => {}
        }
    }

    fn refused(&mut self, complaints: &[String]) {
        if complaints.is_empty() {
            return;
        }
        self.requests.ask_again();
        self.has_announced = false;
        let count = u64::try_from(complaints.len()).expect("a length fits");
        self.channels.status.send_modify(|status| {
            status.statistics.subscriptions_refused += count;
            status.is_up = false;
        });
        for complaint in complaints {
            let purpose = self.settings.purpose;
            tracing::error!(alarm = "subscription refused", purpose, "{complaint}");
        }
        let reason = format!("subscription refused: {}", complaints.join("; "));
        self.outlet.tell(LinkEvent::Down { reason, is_refusal: true });
    }

    /// Says `Up` once every subscription is granted.
    fn announce(&mut self) {
        if self.has_announced || !self.subscriptions.missing().is_empty() {
            return;
        }
        self.has_announced = true;
        self.requests.succeeded();
        let mut session_present = false;
        self.channels.status.send_modify(|status| {
            status.is_up = true;
            session_present = status.session_present;
        });
        self.outlet.tell(LinkEvent::Up { session_present });
    }

    /// Takes an event of the library in, and all that have come with it.
    fn take_all(&mut self, event: Event, event_loop: &mut EventLoop) -> ControlFlow<()> {
        self.take(event, event_loop)?;
        while !self.holds_too_much()
            && let Some(event) = event_loop.state.events.pop_front()
        {
            self.take(event, event_loop)?;
        }
        ControlFlow::Continue(())
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
        let keep_alive = options::keep_alive_secs(connack, self.settings.keep_alive);
        // The library pings after the whole of this time. Its timer is running on the value
        // that CONNECT announced, and is wound up with this one by the next packet.
        if let Some(secs) = keep_alive {
            event_loop.options.set_keep_alive(options::ping_after_secs(secs));
        }
        options::forget_store(&mut event_loop.options);

        let session_present = connack.session_present;
        let is_lost = self.has_session && !session_present;
        self.longest_silence = keep_alive.map(options::longest_silence);
        self.connected_at = Some(Instant::now());
        self.has_announced = false;
        self.requests.begin_connection();
        self.channels.status.send_modify(|status| {
            status.generation = status.generation.wrapping_add(1);
            status.limits = Some(options::limits(connack, self.settings.session));
            status.session_present = session_present;
            status.statistics.connected += 1;
            status.statistics.sessions_lost += u64::from(is_lost);
        });
        tracing::info!(
            purpose = self.settings.purpose,
            url = %self.settings.url,
            client_id = self.settings.client_id,
            session_present,
            keep_alive,
            receive_maximum = said.and_then(|said| said.receive_max),
            maximum_packet_size = said.and_then(|said| said.max_packet_size),
            "connected"
        );
        if is_lost {
            tracing::error!(
                alarm = "session lost",
                purpose = self.settings.purpose,
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
        let (missing, mut unwanted) = (self.subscriptions.missing(), self.subscriptions.unwanted());
        if missing.is_empty() && unwanted.is_empty() {
            unwanted.push(NOTHING.to_owned());
        }
        self.requests.subscribe(self.generation(), &missing);
        self.requests.unsubscribe(self.generation(), &unwanted);
        self.announce();
    }

    fn deliver(&mut self, publish: Publish) {
        let qos = publish.qos as u8;
        let has_no_room = qos == 0 && !self.outlet.has_room_for_qos0();
        let mut dropped = 0;
        self.count(|statistics| {
            statistics.received += 1;
            statistics.qos0_dropped += u64::from(has_no_room);
            dropped = statistics.qos0_dropped;
        });
        if has_no_room {
            if dropped.is_power_of_two() {
                tracing::warn!(dropped, "messages with QoS 0 come faster than they are handled");
            }
            return;
        }
        let mark = Mark::new(self.generation(), qos, publish.pkid);
        if qos > 0 {
            self.deliveries.add(mark, publish.topic.len() + publish.payload.len());
        }
        self.outlet.tell(LinkEvent::Message(Delivery {
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
        self.channels.socket.forget();
        self.deliveries.forget();
        // Only now: these are all too late, and there is room for those of the next connection.
        self.acknowledge_all();
        self.requests.begin_connection();
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
        let wait = self.reconnect.wait(cause, lasted);
        let LinkSettings { purpose, url, .. } = &self.settings;
        tracing::warn!(purpose, %url, ?wait, "not connected: {reason}");
        let is_refusal = cause == Cause::Refused;
        self.outlet.tell(LinkEvent::Down { reason: reason.to_owned(), is_refusal });
        self.pause(wait).await
    }

    async fn pause(&mut self, wait: Duration) -> ControlFlow<()> {
        let due = Instant::now() + wait;
        let most = usize::from(self.settings.receive_maximum.get());
        loop {
            // An owner who has not read the deliveries of the last connection gets no
            // further ones: this bounds what waits over many connections.
            let is_full = self.outlet.waiting() > most;
            tokio::select! {
                flow = self.attend() => if flow.is_break() { return flow },
                () = tokio::time::sleep_until(due), if !is_full => return ControlFlow::Continue(()),
            }
        }
    }
}

/// Says which subscriptions the broker does not end.
fn complain(filters: &[String], codes: &[UnsubAckReason]) {
    for (filter, code) in filters.iter().zip(codes) {
        let reason = Reason::from(*code);
        if reason.is_failure() && filter != NOTHING {
            tracing::warn!(filter, %reason, "the broker does not end a subscription");
        }
    }
}

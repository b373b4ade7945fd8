//! SUBSCRIBE and UNSUBSCRIBE packets on their way.

use rumqttc::{AsyncClient, SubAck, SubscribeNoticeError, UnsubAck, UnsubscribeNoticeError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::{LinkSettings, Subscription, options, until};

/// Filters in one packet, so that it stays a small one.
const FILTERS_PER_PACKET: usize = 64;

/// What the broker said, to which filters, and on which connection.
pub(super) enum Answer {
    Subscribed(u32, Vec<Subscription>, Result<SubAck, SubscribeNoticeError>),
    Unsubscribed(u32, Vec<String>, Result<UnsubAck, UnsubscribeNoticeError>),
}

/// The packets whose answers are due, and when to ask again for what was refused.
pub(super) struct Requests {
    client: AsyncClient,
    due: JoinSet<Answer>,
    again_at: Option<Instant>,
    backoff: Backoff,
}

impl Requests {
    pub(super) fn new(client: AsyncClient, settings: &LinkSettings) -> Self {
        let backoff = Backoff::new(settings.backoff);
        Self { client, due: JoinSet::new(), again_at: None, backoff }
    }

    pub(super) fn subscribe(&mut self, generation: u32, subscriptions: &[Subscription]) {
        for some in subscriptions.chunks(FILTERS_PER_PACKET) {
            let filters = some.iter().map(options::to_filter);
            let Ok(notice) = self.client.try_subscribe_many_tracked(filters) else {
                self.ask_again();
                return;
            };
            let some = some.to_vec();
            self.due.spawn(async move {
                Answer::Subscribed(generation, some, notice.wait_async().await)
            });
        }
    }

    pub(super) fn unsubscribe(&mut self, generation: u32, filters: &[String]) {
        for some in filters.chunks(FILTERS_PER_PACKET) {
            // Without room for it now, the next connection ends them.
            let Ok(notice) = self.client.try_unsubscribe_many_tracked(some) else { return };
            let some = some.to_vec();
            self.due.spawn(async move {
                Answer::Unsubscribed(generation, some, notice.wait_async().await)
            });
        }
    }

    /// The next answer; `None` when it is time to ask again for what was refused.
    pub(super) async fn next(&mut self) -> Option<Answer> {
        tokio::select! {
            Some(answer) = self.due.join_next() => match answer {
                Ok(answer) => Some(answer),
                // Nothing here cancels a task, so this is a panic: pass it on.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            () = until(self.again_at) => {
                self.again_at = None;
                None
            }
        }
    }

    /// Lets [`Requests::next`] say when it is time to ask again; later each time.
    pub(super) fn ask_again(&mut self) {
        self.again_at = Some(Instant::now() + self.backoff.next());
    }

    /// All that was asked for is there.
    pub(super) fn succeeded(&mut self) {
        self.backoff.reset();
    }

    /// A new connection asks for everything anyway.
    pub(super) fn begin_connection(&mut self) {
        self.again_at = None;
    }
}

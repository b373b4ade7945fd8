//! Progress, at a bearable pace.

use std::time::Duration;

use tokio::time::Instant;

use crate::actuator::Progress;

/// Between two things said of a command; what comes sooner is left out.
const PACE: Duration = Duration::from_secs(1);

/// Passes on what a program says of one command before its end.
#[derive(Debug)]
pub(super) struct Teller {
    progress: Progress,
    last: Option<Instant>,
}

impl Teller {
    pub(super) fn new(progress: Progress) -> Self {
        Self { progress, last: None }
    }

    /// Says it, unless something was said less than [`PACE`] ago.
    pub(super) fn say(&mut self, text: String) {
        if self.last.is_none_or(|last| last.elapsed() >= PACE) {
            self.last = Some(Instant::now());
            self.progress.say(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::dispatch::{Report, Ticket};

    #[tokio::test(start_paused = true)]
    async fn a_program_is_heard_once_a_second() {
        let (reports, mut heard) = mpsc::channel(8);
        let mut teller = Teller::new(Progress {
            ticket: Ticket(7),
            reports,
            cancelled: CancellationToken::new(),
        });
        for text in ["0 %", "1 %"] {
            teller.say(text.to_owned());
        }
        tokio::time::advance(PACE).await;
        for text in ["50 %", "51 %"] {
            teller.say(text.to_owned());
        }
        drop(teller);

        for text in ["0 %", "50 %"] {
            let said = Report::Progress { ticket: Ticket(7), text: text.to_owned() };
            assert_eq!(heard.recv().await, Some(said));
        }
        assert_eq!(heard.recv().await, None);
    }
}

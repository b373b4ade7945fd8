//! Who sends the commands: over MQTT, or over HTTPS to a gateway.

use anyhow::Result;

use super::load::{Load, Measured};
use super::poster::Poster;
use super::stage::Stage;
use super::subject::Subject;

/// The producer of a subject.
pub enum Producer {
    Mqtt(Box<Load>),
    Https(Poster),
}

impl Producer {
    /// The right one for this subject, with so many consumers to address.
    pub async fn connect(stage: &Stage, subject: Subject, consumers: usize) -> Result<Self> {
        let target = subject.target(consumers);
        Ok(match subject {
            Subject::Gateway => Self::Https(Poster::new(stage, target.command)?),
            _ => Self::Mqtt(Box::new(Load::connect(stage.port, target).await?)),
        })
    }

    /// So many commands, `window` of them outstanding at any time.
    pub async fn closed_loop(&mut self, window: usize, commands: usize) -> Result<Measured> {
        match self {
            Self::Mqtt(load) => load.closed_loop(window, commands).await,
            Self::Https(poster) => poster.closed_loop(window, commands).await,
        }
    }
}

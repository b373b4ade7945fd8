//! The bridge with nothing to do.

use std::time::Duration;

use anyhow::Result;

use super::report::{Idle, Sizes};
use super::stage::Stage;
use super::subject::Subject;

/// How long it is watched, in a full benchmark and in a smoke test.
pub const WATCHED: Duration = Duration::from_secs(20);
const GLANCED_AT: Duration = Duration::from_millis(200);

/// Connected, subscribed, and without a command.
pub async fn measure(sizes: Sizes) -> Result<Idle> {
    let stage = Stage::start(Subject::Durable, 1)?;
    let watched = if sizes.is_smoke { GLANCED_AT } else { WATCHED };
    let subject = stage.subject();
    // What the start leaves behind is not idleness.
    tokio::time::sleep(watched / 10).await;
    let (cpu, sleeps) = (subject.cpu()?, subject.sleeps()?);
    tokio::time::sleep(watched).await;
    let (cpu, sleeps) = (subject.cpu()?.saturating_sub(cpu), subject.sleeps()? - sleeps);
    Ok(Idle {
        cpu_percent: cpu.as_secs_f64() / watched.as_secs_f64() * 100.0,
        wake_ups_per_second: sleeps as f64 / watched.as_secs_f64(),
    })
}

//! The open loop: so many commands a second are sent, whatever comes back.

use anyhow::{Context, Result};

use super::load::Load;
use super::report::{Offered, Sizes};
use super::stage::Stage;
use super::subject::Subject;

/// Shares of what the bridge can do at most, in percent.
const LOADS: [u32; 12] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];

/// How long each load lasts, in seconds of a full benchmark.
const SECONDS: f64 = 4.0;

/// Latency at each share of `capacity`, in commands a second.
pub async fn measure(capacity: f64, sizes: Sizes) -> Result<Vec<Offered>> {
    let subject = Subject::Durable;
    let stage = Stage::start(subject, 1)?;
    let mut load = Load::connect(stage.port, subject.target(1)).await?;
    load.closed_loop(64, sizes.warm_up).await.with_context(|| stage.logs())?;
    let mut rows = Vec::new();
    let loads = if sizes.is_smoke { &LOADS[9..] } else { &LOADS };
    for percent in loads.iter().copied() {
        let per_second = capacity * f64::from(percent) / 100.0;
        let commands = ((per_second * SECONDS) as usize).min(5 * sizes.commands);
        let measured = load.open_loop(per_second, commands).await.with_context(|| stage.logs())?;
        rows.push(Offered {
            percent,
            due_per_second: per_second,
            sender_late_us: Some(measured.late.as_secs_f64() * 1e6),
            answered_per_second: measured.rate(),
            refused: measured.refused,
            p50_us: measured.percentile_us(50),
            p99_us: measured.percentile_us(99),
            max_us: measured.percentile_us(100),
        });
        eprintln!(
            "offered {percent:>3} %: {:>6.0} µs p50, {:>7.0} µs p99, {} refused",
            rows.last().map_or(0.0, |row| row.p50_us),
            rows.last().map_or(0.0, |row| row.p99_us),
            measured.refused,
        );
    }
    Ok(rows)
}

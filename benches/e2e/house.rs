//! The bridge with a long memory, and with many consumers.

use anyhow::{Context, Result};

use super::closed;
use super::producer::Producer;
use super::report::{MIB, OverConsumers, OverJournal, Sizes};
use super::stage::Stage;
use super::subject::Subject;

/// Records that a command leaves: accepted, started, outcome, answered.
const RECORDS_A_COMMAND: usize = 4;

/// Records in the journal, and consumers in topics.toml.
const RECORDS: [usize; 3] = [0, 10_000, 1_000_000];
const CONSUMERS: [usize; 3] = [1, 100, 10_000];

/// How often the numbers of consumers are measured, in turns; a smoke test does it once.
const TURNS: usize = 3;

/// Start and work on a journal with so many records, which were written by as many real commands.
pub async fn over_journal(sizes: Sizes) -> Result<Vec<OverJournal>> {
    let subject = Subject::Durable;
    let mut stage = Stage::start(subject, 1)?;
    let mut producer = Producer::connect(&stage, subject, 1).await?;
    let mut rows = Vec::new();
    let mut written = 0;
    for records in RECORDS.map(|records| if sizes.is_smoke { records / 1000 } else { records }) {
        let commands = records.saturating_sub(written) / RECORDS_A_COMMAND;
        producer.closed_loop(256, commands).await.with_context(|| stage.logs())?;
        written += RECORDS_A_COMMAND * commands;
        let start_up = stage.restart()?;
        let started_bytes = stage.subject().peak_memory_bytes()?;
        // An empty journal stays as it is: its row is the first of the closed loops.
        let row = if records == 0 {
            None
        } else {
            let row = closed::one(&stage, &mut producer, subject, 256, sizes).await;
            written += RECORDS_A_COMMAND * (sizes.warm_up + sizes.commands);
            Some(row.with_context(|| stage.logs())?)
        };
        rows.push(OverJournal {
            records,
            start_up_ms: start_up.as_secs_f64() * 1e3,
            memory_at_start_mib: started_bytes as f64 / MIB,
            peak_memory_mib: row.as_ref().map(|row| row.peak_memory_mib),
            commands_per_second: row.map(|row| row.commands_per_second),
        });
        eprintln!("journal {records}: {:?}", rows.last());
    }
    Ok(rows)
}

/// Rate at 64 outstanding with so many consumers, each of which is addressed in turn: medians over the
/// turns.
pub async fn over_consumers(sizes: Sizes) -> Result<Vec<OverConsumers>> {
    // By number of consumers; in each the turns.
    let mut rows: [Vec<OverConsumers>; CONSUMERS.len()] = Default::default();
    for turn in 1..=TURNS.min(sizes.rounds) {
        let mut fewest = None;
        for (turns, consumers) in rows.iter_mut().zip(CONSUMERS) {
            let consumers = if sizes.is_smoke { consumers.min(100) } else { consumers };
            let mut row = with_consumers(consumers, sizes).await?;
            let fewest = *fewest.get_or_insert(row.commands_per_second);
            row.to_fewest = row.commands_per_second / fewest;
            eprintln!("turn {turn}: {row:?}");
            turns.push(row);
        }
    }
    Ok(rows.iter().map(|turns| OverConsumers::median(turns)).collect())
}

/// One measurement.
async fn with_consumers(consumers: usize, sizes: Sizes) -> Result<OverConsumers> {
    let subject = Subject::Durable;
    let mut stage = Stage::start(subject, consumers)?;
    let start_up = stage.restart()?;
    let mut producer = Producer::connect(&stage, subject, consumers).await?;
    let row = closed::one(&stage, &mut producer, subject, 64, sizes).await;
    let row = row.with_context(|| stage.logs())?;
    Ok(OverConsumers {
        consumers,
        commands_per_second: row.commands_per_second,
        to_fewest: 1.0,
        p50_us: row.p50_us,
        cpu_us: row.cpu_us.subject,
        peak_memory_mib: row.peak_memory_mib,
        start_up_ms: start_up.as_secs_f64() * 1e3,
        rounds: Vec::new(),
    })
}

//! The closed loop: so many commands outstanding at any time, subject after subject, round after round.

use anyhow::{Context, Result};

use super::disk;
use super::producer::Producer;
use super::report::{Closed, Disk, MIB, Sizes, median};
use super::stage::{Cpu, Stage};
use super::subject::Subject;

/// Pages synced in each round.
const SYNCS: usize = 500;

/// What the disk takes, and a row for each subject and window: medians over the rounds.
pub async fn measure(
    subjects: &[Subject],
    windows: &[usize],
    sizes: Sizes,
) -> Result<(Disk, Vec<Closed>)> {
    let mut syncs = Vec::new();
    // By subject and window; in each the rounds.
    let mut rows = vec![Vec::new(); subjects.len() * windows.len()];
    for round in 1..=sizes.rounds {
        syncs.push(disk::syncs(SYNCS.min(sizes.commands))?);
        // The floor of this round.
        let mut floor: Vec<Closed> = Vec::new();
        for (at, subject) in subjects.iter().enumerate() {
            let mut its_own = take_turn(*subject, windows, sizes).await?;
            if floor.is_empty() {
                floor.clone_from(&its_own);
            }
            for (row, floor) in its_own.iter_mut().zip(&floor) {
                row.compare(floor);
                eprintln!(
                    "round {round}: {:<8} W {:<4} {:>6.0}/s  {:>5.2} of the floor  {:>6.0} µs p50  {:>5.1} µs CPU",
                    row.subject,
                    row.window,
                    row.commands_per_second,
                    row.to_floor,
                    row.p50_us,
                    row.cpu_us.subject
                );
            }
            for (window, row) in its_own.into_iter().enumerate() {
                rows[at * windows.len() + window].push(row);
            }
        }
    }
    let at = |percent: usize| {
        median(
            syncs.iter().map(|times| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6),
        )
    };
    let disk = Disk { fdatasync_p50_us: at(50), fdatasync_p99_us: at(99) };
    Ok((disk, rows.iter().map(|rounds| Closed::median(rounds)).collect()))
}

/// One subject in one round: a row for each window.
async fn take_turn(subject: Subject, windows: &[usize], sizes: Sizes) -> Result<Vec<Closed>> {
    let stage = Stage::start(subject, 1)?;
    let mut producer = Producer::connect(&stage, subject, 1).await?;
    let mut rows = Vec::new();
    for window in windows {
        let row = one(&stage, &mut producer, subject, *window, sizes).await;
        rows.push(row.with_context(|| stage.logs())?);
    }
    Ok(rows)
}

/// One measurement.
pub async fn one(
    stage: &Stage,
    producer: &mut Producer,
    subject: Subject,
    window: usize,
    sizes: Sizes,
) -> Result<Closed> {
    producer.closed_loop(window, sizes.warm_up).await?;
    let before = stage.cpu()?;
    let measured = producer.closed_loop(window, sizes.commands).await?;
    let used = stage.cpu()?.since(before);
    let each = |cpu: std::time::Duration| cpu.as_secs_f64() * 1e6 / sizes.commands as f64;
    Ok(Closed {
        subject: subject.name().to_owned(),
        window,
        commands_per_second: measured.rate(),
        p50_us: measured.percentile_us(50),
        p99_us: measured.percentile_us(99),
        max_us: measured.percentile_us(100),
        cpu_us: super::report::CpuEach {
            subject: each(used.subject),
            actuator: each(used.actuator),
            broker: each(used.broker),
            load: each(used.load),
        },
        peak_memory_mib: stage.subject().peak_memory_bytes()? as f64 / MIB,
        ..Closed::default()
    })
}

impl Cpu {
    fn since(self, before: Self) -> Self {
        Self {
            broker: self.broker.saturating_sub(before.broker),
            subject: self.subject.saturating_sub(before.subject),
            actuator: self.actuator.saturating_sub(before.actuator),
            load: self.load.saturating_sub(before.load),
        }
    }
}

//! What a command costs, measured from outside: the bridge as users run it, beside the cheapest
//! thing that could do its job.
//!
//! `make bench` runs all of it; docs/performance.md says what is measured and what came out. Each
//! subject is a process of its own with a mosquitto of its own, started anew for each round, and all
//! take turns, so that whatever else the machine does disturbs all of them alike. `make bench-smoke`
//! runs all of it once, for a moment: it fails on errors and not on speed.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people, of counts and times that are small"
)]

mod chart;
mod closed;
mod consumer;
mod device;
mod disk;
mod floor;
mod house;
mod idle;
mod load;
mod offered;
mod poster;
mod process;
mod producer;
mod publish;
mod report;
mod stage;
mod subject;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use report::{Report, Sizes};
use subject::Subject;

/// Longest wait for anything but the commands themselves.
const PATIENCE: Duration = Duration::from_mins(1);

/// Outstanding commands of the closed loops.
const WINDOWS: [usize; 3] = [1, 64, 256];

#[derive(Debug, Parser)]
struct Args {
    /// Everything once and for a moment, in any profile; nothing is written
    #[arg(long)]
    smoke: bool,
    /// Rounds of the closed loops
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Commands of one measurement
    #[arg(long, default_value_t = 20_000)]
    commands: usize,
    /// Only with so many commands outstanding; nothing is written
    #[arg(long, value_delimiter = ',')]
    windows: Vec<usize>,
    /// Only these subjects beside the floor, and only closed loops; nothing is written
    #[arg(long, value_delimiter = ',')]
    only: Vec<Subject>,
    /// Another `oc2` to take turns with, as a subject more; nothing is written
    #[arg(long, value_name = "FILE")]
    other: Option<PathBuf>,
    /// The `oc2` with default features, for its size
    #[arg(long, value_name = "FILE")]
    full_binary: Option<PathBuf>,
    /// The `oc2` without any feature, for its size
    #[arg(long, value_name = "FILE")]
    bare_binary: Option<PathBuf>,
    /// Write tables and charts anew from docs/performance/bench.json, and measure nothing
    #[arg(long)]
    publish: bool,
    /// What cargo says when it wants figures
    #[arg(long, hide = true)]
    bench: bool,
    /// Another part of the benchmark, in a process of its own
    #[arg(long, hide = true)]
    role: Option<Role>,
    #[arg(long, hide = true, default_value_t = 0)]
    port: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    Floor,
    Device,
    Consumer,
}

impl Args {
    /// Whether everything is measured.
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.other.is_none() && self.windows.is_empty()
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.role {
        Some(Role::Floor) => return floor::run(args.port),
        Some(Role::Device) => return device::run(args.port),
        Some(Role::Consumer) => return consumer::run(args.port),
        None => {}
    }
    if args.publish {
        return publish::all(&Report::stored()?.context("there is no bench.json")?);
    }
    if args.smoke {
        let sizes = Sizes { rounds: 1, commands: 100, warm_up: 10, is_smoke: true };
        measure(&args, sizes)?;
        return Report::stored()?.map_or(Ok(()), |report| publish::is_in_step(&report));
    }
    if !args.bench {
        // `cargo test --benches` asks whether it can be run at all.
        return Ok(());
    }
    let Args { rounds, commands, .. } = args;
    let sizes = Sizes { rounds, commands, warm_up: commands / 10, is_smoke: false };
    let report = measure(&args, sizes)?;
    if args.is_whole() {
        report.store()?;
        // As it is stored, with as many digits: the documents can be made from that again.
        publish::all(&Report::stored()?.context("it was just stored")?)?;
    }
    println!("{}", table::all(&report));
    Ok(())
}

/// All of it, in the order of the report.
#[tokio::main(flavor = "current_thread")]
async fn measure(args: &Args, sizes: Sizes) -> Result<Report> {
    let mut report = Report::begin(sizes);
    let is_in = |subject: &Subject| {
        args.only.is_empty() || *subject == Subject::Floor || args.only.contains(subject)
    };
    let mut subjects: Vec<_> = Subject::ALL.into_iter().filter(is_in).collect();
    if let Some(other) = &args.other {
        subjects.push(Subject::Other);
        stage::OTHER.set(std::path::absolute(other)?).expect("set once");
    }
    let windows = if args.windows.is_empty() { &WINDOWS } else { args.windows.as_slice() };
    let (disk, closed) = closed::measure(&subjects, windows, sizes).await?;
    report.disk = disk;
    report.closed = closed;
    if args.is_whole() {
        let capacity = report.capacity();
        report.offered = offered::measure(capacity, sizes).await?;
        report.journal = house::over_journal(sizes).await?;
        report.consumers = house::over_consumers(sizes).await?;
        report.idle = idle::measure(sizes).await?;
        report.binary_mib =
            report::binaries(args.full_binary.as_deref(), args.bare_binary.as_deref())?;
    }
    Ok(report)
}

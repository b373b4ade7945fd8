//! What came out, as it is kept in docs/performance/bench.json.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use openc2_bridge::cli::timestamp;
use openc2_bridge::producer::now_ms;
use serde::{Deserialize, Serialize};

pub const MIB: f64 = 1024.0 * 1024.0;

/// How much is measured.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Sizes {
    pub rounds: usize,
    /// Of one measurement, after the warm-up.
    pub commands: usize,
    pub warm_up: usize,
    /// Everything is shorter and smaller: it shows that it works, and no figure.
    #[serde(skip)]
    pub is_smoke: bool,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Report {
    pub date: String,
    pub machine: String,
    pub cores: usize,
    pub sizes: Sizes,
    pub disk: Disk,
    pub closed: Vec<Closed>,
    pub offered: Vec<Offered>,
    pub journal: Vec<OverJournal>,
    pub consumers: Vec<OverConsumers>,
    pub idle: Idle,
    pub binary_mib: Binary,
}

/// A page written and synced on the disk of the journals.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Disk {
    pub fdatasync_p50_us: f64,
    pub fdatasync_p99_us: f64,
}

/// A subject with so many commands outstanding.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Closed {
    pub subject: String,
    pub window: usize,
    pub commands_per_second: f64,
    /// Its rate over that of the floor in the same round.
    pub to_floor: f64,
    pub p50_us: f64,
    /// Its p50 beyond that of the floor in the same round.
    pub p50_beyond_floor_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    pub cpu_us: CpuEach,
    /// The subject's processor time over that of the floor in the same round.
    pub cpu_to_floor: f64,
    pub peak_memory_mib: f64,
    /// Commands a second in each round.
    pub rounds: Vec<f64>,
}

/// Processor time a command, in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct CpuEach {
    pub subject: f64,
    pub actuator: f64,
    pub broker: f64,
    pub load: f64,
}

impl CpuEach {
    /// Of all processes together.
    pub fn all(&self) -> f64 {
        self.subject + self.actuator + self.broker + self.load
    }
}

/// The bridge under an offered load.
#[derive(Debug, Deserialize, Serialize)]
pub struct Offered {
    /// Of what it can do at 256 outstanding.
    pub percent: u32,
    pub due_per_second: f64,
    /// How late a command was handed to the MQTT library at most. It counts as latency.
    pub sender_late_us: Option<f64>,
    pub answered_per_second: f64,
    /// Commands of these seconds that were answered with 503: there was no room.
    pub refused: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// The bridge on a journal with so many records.
#[derive(Debug, Deserialize, Serialize)]
pub struct OverJournal {
    pub records: usize,
    pub start_up_ms: f64,
    pub memory_at_start_mib: f64,
    /// After the commands that followed, 256 outstanding; with no record there were none.
    pub peak_memory_mib: Option<f64>,
    pub commands_per_second: Option<f64>,
}

/// The bridge with so many consumers, 64 commands outstanding.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OverConsumers {
    pub consumers: usize,
    pub commands_per_second: f64,
    /// Its rate over that with the fewest consumers in the same turn.
    pub to_fewest: f64,
    pub p50_us: f64,
    pub cpu_us: f64,
    pub peak_memory_mib: f64,
    pub start_up_ms: f64,
    /// Commands a second in each turn.
    pub rounds: Vec<f64>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Idle {
    /// Of one core.
    pub cpu_percent: f64,
    pub wake_ups_per_second: f64,
}

/// Size of `oc2`, in MiB.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Binary {
    /// With the embedded broker and internationalized names.
    pub default_features: Option<f64>,
    /// The one that is measured: `make bench` builds it without default features but with `idn`.
    pub measured: f64,
    /// Without default features, and without `idn`.
    pub no_features: Option<f64>,
}

/// Sizes of the program that was measured, of the one with default features, and of the one without any.
pub fn binaries(full: Option<&Path>, bare: Option<&Path>) -> Result<Binary> {
    let mib = |path: &Path| Ok::<_, std::io::Error>(fs::metadata(path)?.len() as f64 / MIB);
    Ok(Binary {
        default_features: full.map(mib).transpose()?,
        measured: mib(Path::new(env!("CARGO_BIN_EXE_oc2")))?,
        no_features: bare.map(mib).transpose()?,
    })
}

impl Report {
    /// Nothing measured yet, here and today.
    pub fn begin(sizes: Sizes) -> Self {
        let date = timestamp(now_ms())[..10].to_owned();
        Self { date, machine: machine(), cores: cores(), sizes, ..Self::default() }
    }

    /// The one in the repository, if there is one.
    pub fn stored() -> Result<Option<Self>> {
        let path = folder().join("bench.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).map(Some).with_context(|| path.display().to_string())
    }

    /// Makes it the one in the repository.
    pub fn store(&self) -> Result<()> {
        fs::create_dir_all(folder())?;
        let mut value = serde_json::to_value(self)?;
        round(&mut value);
        let text = serde_json::to_string_pretty(&value)? + "\n";
        Ok(fs::write(folder().join("bench.json"), text)?)
    }

    /// The row of a subject.
    pub fn row(&self, subject: &str, window: usize) -> Option<&Closed> {
        self.closed.iter().find(|row| row.subject == subject && row.window == window)
    }

    /// What the bridge can do at most, in commands a second.
    pub fn capacity(&self) -> f64 {
        self.row("durable", 256).map_or(1.0, |row| row.commands_per_second)
    }
}

/// Where the figures and charts are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance")
}

/// Two digits after the point: what follows is noise.
fn round(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|_| number.is_f64()) {
                *value = ((float * 100.0).round() / 100.0).into();
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(round),
        serde_json::Value::Object(members) => members.values_mut().for_each(round),
        _ => {}
    }
}

impl Closed {
    /// Sets it beside the floor of the same round.
    pub fn compare(&mut self, floor: &Self) {
        self.to_floor = self.commands_per_second / floor.commands_per_second;
        self.p50_beyond_floor_us = self.p50_us - floor.p50_us;
        self.cpu_to_floor = self.cpu_us.subject / floor.cpu_us.subject;
    }

    /// The median of each figure.
    pub fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure));
        Self {
            subject: rounds[0].subject.clone(),
            window: rounds[0].window,
            commands_per_second: of(|row| row.commands_per_second),
            to_floor: of(|row| row.to_floor),
            p50_us: of(|row| row.p50_us),
            p50_beyond_floor_us: of(|row| row.p50_beyond_floor_us),
            p99_us: of(|row| row.p99_us),
            max_us: of(|row| row.max_us),
            cpu_us: CpuEach {
                subject: of(|row| row.cpu_us.subject),
                actuator: of(|row| row.cpu_us.actuator),
                broker: of(|row| row.cpu_us.broker),
                load: of(|row| row.cpu_us.load),
            },
            cpu_to_floor: of(|row| row.cpu_to_floor),
            peak_memory_mib: of(|row| row.peak_memory_mib),
            rounds: rounds.iter().map(|row| row.commands_per_second).collect(),
        }
    }
}

impl OverConsumers {
    /// The median of each figure.
    pub fn median(turns: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(turns.iter().map(figure));
        Self {
            consumers: turns[0].consumers,
            commands_per_second: of(|row| row.commands_per_second),
            to_fewest: of(|row| row.to_fewest),
            p50_us: of(|row| row.p50_us),
            cpu_us: of(|row| row.cpu_us),
            peak_memory_mib: of(|row| row.peak_memory_mib),
            start_up_ms: of(|row| row.start_up_ms),
            rounds: turns.iter().map(|row| row.commands_per_second).collect(),
        }
    }
}

/// The one in the middle; of an even number the upper of the two.
pub fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What this is measured on.
fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let model = model.unwrap_or("unknown processor").trim();
    let cores = cores();
    let kernel = read("/proc/sys/kernel/osrelease");
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mosquitto = Command::new("mosquitto").arg("-h").env("PATH", path).output();
    let mosquitto = mosquitto.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let mosquitto = mosquitto.unwrap_or_default();
    let mosquitto = mosquitto.lines().next().unwrap_or("mosquitto");
    format!("{model}, {cores} cores, Linux {}, {mosquitto}", kernel.trim())
}

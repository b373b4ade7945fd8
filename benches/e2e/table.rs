//! A report as tables, in Markdown.

use std::fmt::Write as _;

use super::report::{Closed, Report};
use super::{WINDOWS, idle};

/// What the rate of `durable` is to be, of the floor's.
const DURABLE_SHARE: f64 = 0.80;

/// A block of text for the documents, and its name in their markers.
pub type Block = (&'static str, String);

/// Every block that a document may show.
pub fn blocks(report: &Report) -> Vec<Block> {
    vec![
        ("machine", machine(report)),
        ("summary", summary(report)),
        ("closed", closed(report)),
        ("goals", goals(report)),
        ("offered", offered(report)),
        ("journal", journal(report)),
        ("consumers", consumers(report)),
        ("idle", idle(report)),
        ("processor", processor(report)),
        ("commits", commits(report)),
    ]
}

/// All of it, to be read in a terminal.
pub fn all(report: &Report) -> String {
    blocks(report).into_iter().map(|(_, text)| text + "\n").collect()
}

fn machine(report: &Report) -> String {
    let Report { date, machine, sizes, disk, .. } = report;
    format!(
        "Measured on {date} with `make bench`: {machine}. {} commands after {} to warm up; of the closed loops {} rounds and their medians. \
         A page written and synced (fdatasync) took {:.0} µs in the median and {:.0} µs at p99.\n",
        sizes.commands, sizes.warm_up, sizes.rounds, disk.fdatasync_p50_us, disk.fdatasync_p99_us
    )
}

/// One row a subject.
fn summary(report: &Report) -> String {
    let mut text = "\
| | one at a time: p50, p99 | 64 outstanding | 256 outstanding | CPU a command | peak memory |
| --- | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    let mut subjects: Vec<_> = report.closed.iter().map(|row| row.subject.as_str()).collect();
    subjects.dedup();
    for subject in subjects {
        let [one, some, many] = WINDOWS.map(|window| report.row(subject, window));
        let (Some(one), Some(some), Some(many)) = (one, some, many) else { continue };
        let rate = |row: &Closed| format!("{:.0}/s ({:.2})", row.commands_per_second, row.to_floor);
        writeln!(
            text,
            "| {subject} | {} ms, {} ms | {} | {} | {:.0} µs | {:.1} MiB |",
            ms(one.p50_us),
            ms(one.p99_us),
            rate(some),
            rate(many),
            many.cpu_us.subject,
            many.peak_memory_mib
        )
        .expect("a String");
    }
    text + "\n![Commands a second, there and back](docs/performance/throughput.svg)\n"
}

fn closed(report: &Report) -> String {
    let mut text = "\
| | W | commands/s | least–most | of floor | p50 ms | p99 ms | max ms | CPU µs: subject | actuator | broker | load | peak MiB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for row in &report.closed {
        let Closed { subject, window, commands_per_second, to_floor, cpu_us, .. } = row;
        writeln!(
            text,
            "| {subject} | {window} | {commands_per_second:.0} | {} | {to_floor:.2} | {} | {} | {} | {:.1} | {} | {:.1} | {:.1} | {:.1} |",
            spread(&row.rounds),
            ms(row.p50_us),
            ms(row.p99_us),
            ms(row.max_us),
            cpu_us.subject,
            if cpu_us.actuator > 0.0 { format!("{:.1}", cpu_us.actuator) } else { String::new() },
            cpu_us.broker,
            cpu_us.load,
            row.peak_memory_mib
        )
        .expect("a String");
    }
    text + "\n![Commands a second, there and back](performance/throughput.svg)\n"
}

/// What was to be reached, and whether it was.
fn goals(report: &Report) -> String {
    let mut text = "| | wanted | measured | |\n| --- | ---: | ---: | --- |\n".to_owned();
    let mut goal = |what: &str, wanted: String, measured: String, is_met: bool| {
        let verdict = if is_met { "met" } else { "**missed**" };
        writeln!(text, "| {what} | {wanted} | {measured} | {verdict} |").expect("a String");
    };
    for (subject, share, beyond_us, words) in [
        (
            "durable",
            DURABLE_SHARE,
            2.0 * report.disk.fdatasync_p50_us + 150.0,
            "two fdatasync and 150 µs",
        ),
        ("memory", 0.90, 60.0, "60 µs"),
    ] {
        for window in &WINDOWS[1..] {
            let Some(row) = report.row(subject, *window) else { continue };
            goal(
                &format!("{subject}, W = {window}: rate, of the floor's"),
                format!("≥ {share:.2}"),
                format!("{:.2}", row.to_floor),
                row.to_floor >= share,
            );
        }
        let Some(row) = report.row(subject, 1) else { continue };
        goal(
            &format!("{subject}, W = 1: p50 beyond the floor's, at most {words}"),
            format!("≤ {beyond_us:.0} µs"),
            format!("{:.0} µs", row.p50_beyond_floor_us),
            row.p50_beyond_floor_us <= beyond_us,
        );
    }
    if let Some(row) = report.row("durable", 256) {
        goal(
            "durable, W = 256: CPU of the bridge, of the echo's",
            "≤ 2.5".to_owned(),
            format!("{:.1}", row.cpu_to_floor),
            row.cpu_to_floor <= 2.5,
        );
        goal(
            "durable, W = 256: peak memory",
            "< 24 MiB".to_owned(),
            format!("{:.1} MiB", row.peak_memory_mib),
            row.peak_memory_mib < 24.0,
        );
    }
    for (row, within_ms) in report.journal.iter().filter_map(|row| match row.records {
        0 => Some((row, 100.0)),
        1_000_000 => Some((row, 3000.0)),
        _ => None,
    }) {
        goal(
            &format!("start-up with {} records", row.records),
            format!("< {within_ms:.0} ms"),
            format!("{:.0} ms", row.start_up_ms),
            row.start_up_ms < within_ms,
        );
        if let Some(peak_mib) = row.peak_memory_mib {
            goal(
                &format!("peak memory with {} records, at W = 256", row.records),
                "< 24 MiB".to_owned(),
                format!("{peak_mib:.1} MiB"),
                peak_mib < 24.0,
            );
        }
    }
    if let Some(many) = report.consumers.last() {
        let share = many.to_fewest;
        goal(
            &format!("{} consumers: rate at W = 64, of that with one", many.consumers),
            "≥ 0.90".to_owned(),
            format!("{share:.2}"),
            share >= 0.9,
        );
    }
    let idle = report.idle.cpu_percent;
    goal("idle", "< 0.2 % of a core".to_owned(), format!("{idle:.2} %"), idle < 0.2);
    text
}

fn offered(report: &Report) -> String {
    let mut text = "\
One run at each load, on the same journal.

| offered | commands/s | answered/s | refused with 503 | p50 ms | p99 ms | max ms | sender late, at most, ms |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for row in &report.offered {
        writeln!(
            text,
            "| {} % | {:.0} | {:.0} | {} | {} | {} | {} | {} |",
            row.percent,
            row.due_per_second,
            row.answered_per_second,
            row.refused,
            ms(row.p50_us),
            ms(row.p99_us),
            ms(row.max_us),
            row.sender_late_us.map(ms).unwrap_or_default()
        )
        .expect("a String");
    }
    text + "\n![Latency over offered load](performance/latency.svg)\n"
}

fn journal(report: &Report) -> String {
    let mut text = "\
One run each, on the same journal.

| records | start-up | memory at start | peak memory at W = 256 | commands/s at W = 256 |
| ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    for row in &report.journal {
        let peak = row.peak_memory_mib.map(|mib| format!("{mib:.1} MiB")).unwrap_or_default();
        let rate = row.commands_per_second.map(|rate| format!("{rate:.0}")).unwrap_or_default();
        writeln!(
            text,
            "| {} | {:.0} ms | {:.1} MiB | {peak} | {rate} |",
            row.records, row.start_up_ms, row.memory_at_start_mib
        )
        .expect("a String");
    }
    text
}

fn consumers(report: &Report) -> String {
    let turns = report.consumers.first().map_or(0, |row| row.rounds.len());
    let runs = match turns {
        1 => "One run each.".to_owned(),
        _ => format!("Medians of {turns} runs each, in turns; the share is that of the same turn."),
    };
    let mut text = format!(
        "\
{runs}

| consumers | commands/s at W = 64 | least–most | of that with one | p50 ms | CPU µs a command | peak memory | start-up |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"
    );
    for row in &report.consumers {
        writeln!(
            text,
            "| {} | {:.0} | {} | {:.2} | {} | {:.1} | {:.1} MiB | {:.0} ms |",
            row.consumers,
            row.commands_per_second,
            spread(&row.rounds),
            row.to_fewest,
            ms(row.p50_us),
            row.cpu_us,
            row.peak_memory_mib,
            row.start_up_ms
        )
        .expect("a String");
    }
    text
}

fn idle(report: &Report) -> String {
    let Report { idle: measured, binary_mib: binary, .. } = report;
    let mut text = format!(
        "Idle, watched once for {} seconds, the bridge takes {:.2} % of a core and wakes up {:.1} times a second.\n\n\
         The binary that is measured on this page has the features of the one in the Dockerfile, no default ones but `idn`: \
         {:.1} MiB",
        idle::WATCHED.as_secs(),
        measured.cpu_percent,
        measured.wake_ups_per_second,
        binary.measured
    );
    if let Some(full) = binary.default_features {
        write!(text, ". With default features (the embedded broker) it has {full:.1} MiB")
            .expect("a String");
    }
    if let Some(bare) = binary.no_features {
        write!(text, ". Without any feature it has {bare:.1} MiB").expect("a String");
    }
    text + ".\n"
}

/// What the processor time of all processes would allow, and what the goal would leave the bridge.
fn processor(report: &Report) -> String {
    let mut text = "\
| | W | CPU µs a command, all processes | at best, commands/s | reached | processor time unused |
| --- | ---: | ---: | ---: | ---: | ---: |
"
    .to_owned();
    // Of all cores, in a second.
    let there_is_us = report.cores as f64 * 1e6;
    let unused = |row: &Closed| 1.0 - row.commands_per_second * row.cpu_us.all() / there_is_us;
    for subject in ["floor", "durable"] {
        for row in WINDOWS[1..].iter().filter_map(|window| report.row(subject, *window)) {
            writeln!(
                text,
                "| {subject} | {} | {:.1} | {:.0} | {:.0} | {:.0} % |",
                row.window,
                row.cpu_us.all(),
                there_is_us / row.cpu_us.all(),
                row.commands_per_second,
                unused(row) * 100.0
            )
            .expect("a String");
        }
    }
    for window in &WINDOWS[1..] {
        let rows = (report.row("floor", *window), report.row("durable", *window));
        let (Some(floor), Some(durable)) = rows else { continue };
        let each_us = there_is_us / (DURABLE_SHARE * floor.commands_per_second);
        let others_us = durable.cpu_us.all() - durable.cpu_us.subject;
        let left_us = |used: f64| (each_us * used - others_us).max(0.0);
        writeln!(
            text,
            "\nFor {DURABLE_SHARE:.2} of the floor's rate at W = {window} the bridge would have {:.0} µs a command if no \
             core ever waited, and {:.0} µs if as much stayed unused as now; it takes {:.0} µs.",
            left_us(1.0),
            left_us(1.0 - unused(durable)),
            durable.cpu_us.subject
        )
        .expect("a String");
    }
    text
}

/// Where the time of a single command goes: the disk, and the rest.
fn commits(report: &Report) -> String {
    let (Some(durable), Some(memory)) = (report.row("durable", 1), report.row("memory", 1)) else {
        return String::new();
    };
    let sync_us = report.disk.fdatasync_p50_us;
    format!(
        "One at a time, p50 is {:.0} µs beyond the floor's. There are two commits, each with an fdatasync of {sync_us:.0} µs, \
         which is {:.0} µs, and the way of the table above, on which one thread wakes up another again and again. \
         Without the commits (`memory`) {:.0} µs beyond the floor remain.\n",
        durable.p50_beyond_floor_us,
        2.0 * sync_us,
        memory.p50_beyond_floor_us
    )
}

/// The lowest and the highest of the rounds.
fn spread(rounds: &[f64]) -> String {
    let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rounds.iter().copied().fold(0.0, f64::max);
    if rounds.is_empty() { String::new() } else { format!("{least:.0}–{most:.0}") }
}

/// Milliseconds with as many digits as mean something.
fn ms(us: f64) -> String {
    if us < 9995.0 { format!("{:.2}", us / 1e3) } else { format!("{:.0}", us / 1e3) }
}

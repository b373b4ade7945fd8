//! What a process takes of the machine, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// A process by its number, and the programs that it has started.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// Processor time of all its threads that there are, to the nanosecond.
    pub fn cpu(self) -> Result<Duration> {
        self.threads("schedstat", |text| text.split(' ').next()?.parse().ok())
            .map(Duration::from_nanos)
    }

    /// Times that one of its threads went to sleep of its own will: it woke up as often.
    pub fn sleeps(self) -> Result<u64> {
        self.threads("status", |text| field(text, "voluntary_ctxt_switches:"))
    }

    /// The most memory that it has had at once, in bytes.
    pub fn peak_memory_bytes(self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let kib = field(&status, "VmHWM:").context("VmHWM in /proc")?;
        Ok(kib * 1024)
    }

    /// What it has started and is still there.
    pub fn children(self) -> Result<Vec<Self>> {
        let mut children = Vec::new();
        for process in fs::read_dir("/proc")? {
            let Some(id) = process?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // It may have ended meanwhile.
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            if field(&status, "PPid:") == Some(self.0.into()) {
                children.push(Self(id));
            }
        }
        Ok(children)
    }

    /// The sum over its threads of a number in one of their files.
    fn threads(self, file: &str, number: impl Fn(&str) -> Option<u64>) -> Result<u64> {
        let mut sum = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            // It may have ended meanwhile.
            let Ok(text) = fs::read_to_string(thread?.path().join(file)) else { continue };
            sum += number(&text).with_context(|| format!("{file} in /proc"))?;
        }
        Ok(sum)
    }
}

/// A number in a file of lines with names.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

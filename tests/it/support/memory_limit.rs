//! A control group with a memory limit (Linux, version 1 or 2 of the groups), where one may be made.

use std::fs;
use std::path::{Path, PathBuf};

/// Where version 1 and version 2 have their groups, and what the limit is called there.
const KINDS: [(&str, &str); 2] =
    [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];

/// Who is in it has so much memory and no more. Goes away when it is dropped and empty.
pub struct MemoryLimit(PathBuf);

impl MemoryLimit {
    /// A group with this limit in bytes; `None` where the system does not let us make one.
    pub fn new(bytes: u64) -> Option<Self> {
        KINDS.iter().find_map(|(root, limit)| {
            let group = Path::new(root).join(format!("oc2-test-{}", std::process::id()));
            fs::create_dir(&group).ok()?;
            let group = Self(group);
            fs::write(group.0.join(limit), bytes.to_string()).ok()?;
            Some(group)
        })
    }

    /// Whether this process is in it, so that the kernel enforces the limit.
    pub fn holds(&self, pid: u32) -> bool {
        let pids = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        pids.lines().any(|line| line == pid.to_string())
    }

    /// What a shell does to enter it.
    pub fn enter(&self) -> String {
        format!("echo $$ >'{}'", self.0.join("cgroup.procs").display())
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // Whoever was in it may take a moment to be gone; an empty group does no harm.
        let _busy = fs::remove_dir(&self.0);
    }
}

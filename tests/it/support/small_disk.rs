//! A small disk in memory that only those see who are led there: a tmpfs in a mount namespace.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use super::tools::{self, say};

/// Mounts at its first argument what is as large as its second one says, and keeps it until its input ends.
const KEEP: &str =
    "mkdir -p \"$0\" && mount -t tmpfs -o size=\"$1\" tmpfs \"$0\" && echo mounted && read -r _";

/// A disk, and who keeps it mounted. It is gone with this value.
pub struct SmallDisk {
    keeper: Child,
    _open: ChildStdin,
    /// Where it is for those who are led there.
    folder: PathBuf,
}

impl SmallDisk {
    /// A disk of so many bytes at this folder; `None`, said aloud, for who may not mount.
    pub fn new(test: &str, folder: &Path, bytes: u64) -> Option<Self> {
        let mut keeper = tools::command("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", KEEP])
            .arg(folder)
            .arg(bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let open = keeper.stdin.take().expect("piped");
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().expect("piped")).read_line(&mut said).expect("a pipe");
        let disk = Self { keeper, _open: open, folder: folder.to_owned() };
        if said.trim() == "mounted" {
            return Some(disk);
        }
        assert!(!(tools::is_ci() && is_root()), "{test}: no mount namespace, and we are root");
        say(&format!("skipped: {test}: it may not mount a disk of its own"));
        None
    }

    /// The program and its arguments that lead others there.
    pub fn lead(&self) -> [String; 3] {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.keeper.id());
        ["nsenter".to_owned(), namespace, "--".to_owned()]
    }

    /// The way there from outside.
    pub fn path(&self) -> PathBuf {
        let inside = self.folder.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{}/root", self.keeper.id())).join(inside)
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        const AT_A_TIME: [u8; 4096] = [0; 4096];
        let mut filler = fs::File::create(self.filler()).expect("a file has room");
        while filler.write_all(&AT_A_TIME).is_ok() {}
    }

    /// Gives it free.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("it was full");
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It may have ended already; either way nothing stays behind.
        let _ended = self.keeper.kill();
        let _reaped = self.keeper.wait();
    }
}

/// Whether we may do everything.
fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

//! The least that a commit costs: a page of a log written over, and fdatasync.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::Result;
use tempfile::TempDir;

/// A page of the journal, in bytes, and the pages that are written round and round.
const PAGE: usize = 4096;
const PAGES: usize = 1000;

/// Times of so many, on the disk that holds the journals.
pub fn syncs(number: usize) -> Result<Vec<Duration>> {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
    let file = File::create_new(folder.path().join("pages"))?;
    file.write_all_at(&vec![0; PAGE * PAGES], 0)?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(number);
    for n in 0..number {
        let page = n % PAGES;
        let begun = Instant::now();
        file.write_all_at(&[page.to_le_bytes()[0]; PAGE], u64::try_from(page * PAGE)?)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

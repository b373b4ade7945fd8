//! What a journal knows of time: its high-water mark, and what is forgotten.

/// Times that only grow, unless somebody says that the clock is right. In
/// milliseconds since 1970-01-01T00:00:00Z; 0 while there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_field_names, reason = "the last part of each is its unit")]
pub(super) struct Past {
    /// Latest time in a record: a clock that is behind it has been set back.
    pub(super) clock_ms: u64,
    /// Latest time at which a command was accepted that is forgotten now.
    pub(super) forgotten_ms: u64,
    /// When somebody last said that the clock is right, although it was behind.
    pub(super) trusted_ms: u64,
}

impl Past {
    /// Something is recorded at this time.
    pub(super) fn saw(&mut self, at_ms: u64) {
        self.clock_ms = self.clock_ms.max(at_ms);
    }

    /// A command that was accepted then is forgotten from now on.
    pub(super) fn forget(&mut self, accepted_ms: u64) {
        self.forgotten_ms = self.forgotten_ms.max(self.believed(accepted_ms));
    }

    /// Everything is forgotten that may have been accepted up to now. The clock
    /// may be behind, so the latest time in a record counts as well.
    pub(super) fn forget_all(&mut self, now_ms: u64) {
        self.saw(now_ms);
        self.forgotten_ms = self.forgotten_ms.max(self.clock_ms);
    }

    /// The clock is right, somebody says, and what was recorded at a later
    /// time was recorded before now, under a clock that was wrong. By how much
    /// that was later; nothing changes where it was not.
    pub(super) fn trust(&mut self, now_ms: u64) -> Option<u64> {
        let latest_ms = self.clock_ms.max(self.forgotten_ms);
        let ahead_ms = latest_ms.checked_sub(now_ms).filter(|ahead_ms| *ahead_ms > 0)?;
        self.clock_ms = self.clock_ms.min(now_ms);
        self.forgotten_ms = self.forgotten_ms.min(now_ms);
        self.trusted_ms = now_ms;
        Some(ahead_ms)
    }

    /// When something happened that was recorded at this time. Records later
    /// than the high-water mark are of a clock that was wrong: they were written before the clock
    /// was trusted.
    pub(super) fn believed(self, at_ms: u64) -> u64 {
        if at_ms > self.clock_ms { self.trusted_ms } else { at_ms }
    }
}

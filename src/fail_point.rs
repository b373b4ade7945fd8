//! Named places at which a test can have the process end, as a crash would.
//!
//! Without the cargo feature `fail-points` there is nothing here that does
//! anything. With it, the environment variable `OC2_FAIL_POINT` holds the name
//! of a place and, after a colon, how many times it is passed before the
//! process ends there: `before-commit:3`. The process aborts. No destructor
//! runs and no buffer is flushed, as with SIGKILL.
//!
//! The crate `fail` does more: it returns errors, sleeps and counts by rules
//! of its own language. It cannot end the process, which is all that is wanted here.

/// Every place, in the order in which a command and its response come by.
pub const PLACES: [&str; 24] = [
    "before-recover",
    "after-recover",
    "before-recall",
    "before-append",
    "after-append",
    "before-commit",
    "after-commit",
    "before-acknowledge",
    "after-acknowledge",
    "before-start",
    "after-start",
    "before-perform",
    "after-perform",
    "before-cancel",
    "after-cancel",
    "before-hear",
    "before-append-outcome",
    "before-reply",
    "after-reply",
    "before-respond",
    "before-publish",
    "after-publish",
    "before-leaving-outbox",
    "after-leaving-outbox",
];

/// Comes by a place, which is one of [`PLACES`].
#[cfg(not(feature = "fail-points"))]
#[inline]
pub fn pass(_place: &'static str) {}

/// Comes by a place, which is one of [`PLACES`].
#[cfg(feature = "fail-points")]
pub fn pass(place: &'static str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: LazyLock<Option<(String, AtomicU32)>> = LazyLock::new(|| {
        let setting = std::env::var("OC2_FAIL_POINT").ok()?;
        let (place, passes) = setting.split_once(':').unwrap_or((&setting, "0"));
        assert!(PLACES.contains(&place), "OC2_FAIL_POINT={setting}: there is no such place");
        let passes = passes.parse().unwrap_or_else(|_| panic!("OC2_FAIL_POINT={setting}"));
        Some((place.to_owned(), AtomicU32::new(passes)))
    });
    debug_assert!(PLACES.contains(&place), "{place} is not in the list");
    if let Some((wanted, passes)) = &*WANTED
        && wanted == place
        && passes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_err()
    {
        // Past the log, which may have yet to be written: whoever looks knows where it ended.
        eprintln!("ended at the fail point {place}.");
        std::process::abort();
    }
}

/// Whether the one mistake that can be made on purpose is to be made: the
/// broker is told to forget a command before its record is durable. It is
/// `OC2_ACKNOWLEDGE_EARLY` in the environment, and shows that the tests of the
/// promise can fail.
#[must_use]
pub fn acknowledges_early() -> bool {
    #[cfg(feature = "fail-points")]
    {
        use std::sync::LazyLock;
        static IS_SET: LazyLock<bool> =
            LazyLock::new(|| std::env::var_os("OC2_ACKNOWLEDGE_EARLY").is_some());
        *IS_SET
    }
    #[cfg(not(feature = "fail-points"))]
    false
}

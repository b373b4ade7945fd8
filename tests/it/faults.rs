//! The promise, with a real bridge, a real broker and a real program, while one of them is killed, cut off
//! or out of room.
//!
//! Each test prints a line with its figures. What was sent, done and answered is judged by
//! [`oracle`], whose own tests show that it can say no.

mod all_at_once;
mod bridge_killed;
mod broker_killed;
mod damage;
#[cfg(feature = "fail-points")]
mod fail_points;
mod journal_full;
mod limits;
mod link_cut;
mod oracle;
mod outbox;
mod overload;
mod refused;
mod replays;
mod scene;
mod stopped;

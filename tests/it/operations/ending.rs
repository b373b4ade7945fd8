//! How the bridge ends, and what it leaves for the next start.

use super::{Desk, PULL, Started, oc2};

const INTERRUPTED: i32 = 130;

#[test]
fn a_stop_lets_a_started_command_finish_and_takes_no_other() {
    let test = "a_stop_lets_a_started_command_finish_and_takes_no_other";
    let Some(mut desk) = Desk::open(test, "") else { return };
    let pulling = desk.start(PULL);
    desk.begun();
    desk.bridge.signal("TERM");
    desk.bridge.wait_for("stopping in_progress=1");

    let late = "send deny ipv4_net 192.0.2.1 --device gateway-2 --response-requested none";
    assert_eq!(desk.oc2(late).code, Some(0), "the broker keeps it");
    desk.finish(200);
    let said = pulling.ended();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(desk.bridge.ended().code(), Some(0));
    let before = desk.oc2("journal list --json").json();
    assert_eq!(before.len(), 1, "the one that was finished: {before:?}");

    desk.bridge.run();
    // Perhaps before the line that says "ready".
    desk.bridge.log_line("oc2::command", "target=ipv4_net");
    let after = desk.oc2("journal list --json").json();
    assert_eq!(after.len(), 2, "and the one that the broker had kept: {after:?}");
}

#[test]
fn what_is_not_finished_by_the_deadline_is_in_doubt_and_said_to_be() {
    let test = "what_is_not_finished_by_the_deadline_is_in_doubt_and_said_to_be";
    let Some(mut desk) = Desk::open(test, "[limits]\ndrain = \"100ms\"\n") else { return };
    let pulling = desk.start(PULL);
    desk.begun();
    assert_eq!(desk.bridge.terminate().code(), Some(0));
    let started = desk.oc2("journal list --state started --json").json();
    assert_eq!(started.len(), 1, "{started:?}");

    desk.bridge.run();
    let said = pulling.ended();
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("500") && said.out.contains("outcome is unknown"), "{said:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let test = "a_second_signal_ends_it_at_once";
    let Some(mut desk) = Desk::open(test, "") else { return };
    let _pulling = desk.start(PULL);
    desk.begun();
    desk.bridge.signal("INT");
    desk.bridge.wait_for("stopping in_progress=1");
    desk.bridge.signal("TERM");
    assert_eq!(desk.bridge.ended().code(), Some(INTERRUPTED));
}

#[test]
fn ctrl_c_ends_a_bridge_that_has_nothing_to_do() {
    let test = "ctrl_c_ends_a_bridge_that_has_nothing_to_do";
    let Some(mut desk) = Desk::open(test, "") else { return };
    desk.bridge.signal("INT");
    desk.bridge.wait_for("stopped counters=");
    assert_eq!(desk.bridge.ended().code(), Some(0));
}

#[test]
fn a_second_bridge_on_the_same_journal_is_refused() {
    let test = "a_second_bridge_on_the_same_journal_is_refused";
    let Some(desk) = Desk::open(test, "") else { return };
    let mut second = oc2();
    second.arg("run").current_dir(desk.bridge.dir());
    let said = Started::new(second).ended();
    assert_eq!(said.code, Some(74), "{said:?}");
    let refusal = format!("is in use by process {}", desk.bridge.pid());
    assert_eq!(said.err.matches(&refusal).count(), 1, "said once: {}", said.err);
    assert_eq!(desk.oc2("query features --device gateway-1").code, Some(0), "the first goes on");
}

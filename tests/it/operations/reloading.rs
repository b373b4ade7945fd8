//! SIGHUP: topics.toml while the bridge runs.

use super::{Desk, PULL};

/// Commands to a consumer until it answers with this exit code: the broker is told of the change
/// after the log is.
fn until_exit(desk: &Desk, consumer: &str, code: i32) {
    for _ in 0..100 {
        let said = desk.oc2(&format!("query features --device {consumer} --wait 2s"));
        if said.code == Some(code) {
            return;
        }
    }
    panic!("{consumer} never answers with {code}");
}

/// Looks into the journal until it has so many commands.
fn until_recorded(desk: &Desk, commands: usize) {
    for _ in 0..500 {
        if desk.oc2("journal list --json").json().len() == commands {
            return;
        }
    }
    panic!("never: {commands} commands in the journal");
}

#[test]
fn a_good_file_takes_over_and_a_command_in_flight_ends_as_it_would_have() {
    let test = "a_good_file_takes_over_and_a_command_in_flight_ends_as_it_would_have";
    let Some(mut desk) = Desk::open(test, "") else { return };
    let pulling = desk.start(PULL);
    desk.begun();
    let waiting = desk.start(PULL);
    until_recorded(&desk, 2);

    desk.bridge.write_topics(
        "[[consumer]]\nid = \"gateway-3\"\nactuators = [\"eye\"]\n\
         [actuator.eye]\nkind = \"log\"\nprofile = \"x-eye\"\n",
    );
    desk.bridge.signal("HUP");
    desk.bridge.wait_for("topics.toml was read again");
    until_exit(&desk, "gateway-3", 0);
    // 2: the broker says that nobody has subscribed.
    until_exit(&desk, "gateway-2", 2);

    desk.finish(200);
    let said = pulling.ended();
    assert_eq!(said.code, Some(0), "its actuator is in no file any more, and yet: {said:?}");
    desk.begun();
    desk.finish(200);
    let said = waiting.ended();
    assert_eq!(said.code, Some(0), "the one that waited behind it as well: {said:?}");
    assert!(desk.bridge.terminate().success());
}

/// Schemas are read again with topics.toml, and decide from then on.
#[test]
fn schemas_are_read_again_and_a_bad_one_is_refused_with_its_file_and_type() {
    let test = "schemas_are_read_again_and_a_bad_one_is_refused_with_its_file_and_type";
    let eye = include_str!("../../../schemas/slpf-1.0.jadn")
        .replace("slpf", "x-eye")
        .replace("[1024, \"x-eye\"", "[2100, \"x-eye\"");
    let settings = "[schemas]\ndir = \"{dir}\"\n";
    let Some(mut desk) = Desk::open_with(test, settings, &[("eye.jadn", &eye)]) else { return };
    let deny = "send deny ipv4_net 192.0.2.1 --device gateway-2 --arg x-eye.direction=up --json";
    let said = desk.oc2(deny);
    assert!(said.out.contains("/args/x-eye/direction"), "{said:?}");

    let file = desk.bridge.path("eye.jadn");
    std::fs::write(&file, eye.replace("\"Direction\", [\"[0\"]", "\"Directoin\", [\"[0\"]"))
        .unwrap();
    desk.bridge.signal("HUP");
    let mistake = format!("{}:30:12: Args.direction: no type", file.display());
    desk.bridge.wait_for(&mistake);
    desk.bridge.wait_for("is refused; the old one stays");
    let said = desk.oc2(deny);
    assert!(said.out.contains("/args/x-eye/direction"), "the old one stays: {said:?}");

    std::fs::write(&file, eye.replace("\"egress\"", "\"up\"")).unwrap();
    desk.bridge.signal("HUP");
    desk.bridge.wait_for("topics.toml was read again");
    let said = desk.oc2(deny);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn a_bad_file_is_refused_with_its_places_and_the_old_one_stays() {
    let test = "a_bad_file_is_refused_with_its_places_and_the_old_one_stays";
    let Some(mut desk) = Desk::open(test, "") else { return };
    let file = desk.bridge.path("topics.toml").display().to_string();
    let cases = [
        (
            "[[consumer]]\nid = \"gateway-3\"\nactuatrs = []\n",
            "3:1: unknown key `consumer[0].actuatrs`",
        ),
        ("[[consumer]\n", "1:"),
        ("", " there is no consumer"),
        // More than there can be of: it would be found when the actuator is made.
        (
            "[[consumer]]\nid = \"gateway-3\"\nactuators = [\"eye\"]\n[actuator.eye]\nkind = \"exec\"\n\
             profile = \"x-eye\"\ncommand = [\"/bin/true\"]\nconcurrency = 4000000000\n",
            "8:1: actuator.eye.concurrency: ",
        ),
    ];
    for (topics, mistake) in cases {
        desk.bridge.write_topics(topics);
        desk.bridge.signal("HUP");
        desk.bridge.wait_for(&format!("{file}:{mistake}"));
        desk.bridge.wait_for("the new file is refused; the old one stays");
    }
    assert_eq!(desk.oc2("query features --device gateway-2").code, Some(0));
    assert_eq!(desk.oc2("query features --device gateway-3").code, Some(2));
}

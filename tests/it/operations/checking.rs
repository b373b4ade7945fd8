//! `oc2 check`, and which of file, environment and flag counts.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::{Said, Started, make_certs, oc2};
use crate::support::{broker, skip};

/// `oc2 check` on these two files.
fn check(bridge_toml: &str, topics_toml: &str, flags: &[&str]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bridge.toml"), bridge_toml).unwrap();
    std::fs::write(folder.path().join("topics.toml"), topics_toml).unwrap();
    let mut command = oc2();
    command.arg("check").args(flags).current_dir(folder.path());
    Started::new(command).ended()
}

const GOOD: &str = "\
[[consumer]]
id = \"gateway-1\"
actuators = [\"eye\"]

[actuator.eye]
kind = \"log\"
profile = \"x-eye\"
";

#[test]
fn every_mistake_is_told_with_its_place_and_the_nearest_key() {
    #[rustfmt::skip]
    let cases = [
        // bridge.toml                          topics.toml                                  told
        ("[mqtt]\n\nkep-alive = 60\n",          GOOD.to_owned(),                             "bridge.toml:3:1: unknown key `mqtt.kep-alive`; did you mean `keep-alive`?"),
        ("[mqtt]\nurl = \"http://a\"\n",        GOOD.to_owned(),                             "bridge.toml:2:1: mqtt.url: \"http://a\": the scheme is neither mqtt nor mqtts; expected mqtt://host:port or mqtts://host:port"),
        ("[mqtt]\nurl = \"mqtt://192.0.2.1\"\n",GOOD.to_owned(),                             "bridge.toml:1:2: mqtt://192.0.2.1:1883: unencrypted to another machine; use mqtts://, or for tests allow-plain-text"),
        ("[journal]\nkeep-age = \"1h\"\n",      GOOD.to_owned(),                             "bridge.toml:2:1: journal.keep-age is 1h, shorter than mqtt.session-expiry, 1d: the broker may deliver again what the journal has forgotten"),
        ("[log]\n  level = \"inof\"\n",         GOOD.to_owned(),                             "bridge.toml:2:3: log.level: \"inof\" is no level: off, error, warn, info, debug, trace, or target=level"),
        ("",                                    GOOD.replace("actuators", "actuatrs"),       "topics.toml:3:1: unknown key `consumer[0].actuatrs`; did you mean `actuators`?"),
        ("",                                    GOOD.replace("[\"eye\"]", "[\"eyes\"]"),     "topics.toml:3:1: consumer[0].actuators: there is no [actuator.eyes]; did you mean `eye`?"),
        ("",                                    GOOD.replace("log\"", "exec\"\ncommand = [\"gone\"]"), "topics.toml:7:1: actuator.eye: "),
        ("",                                    GOOD.replace("log\"", "log\"\nconcurrency = 9223372036854775807"), "topics.toml:7:1: actuator.eye.concurrency: 9223372036854775807 commands; allowed are 1 to 10000"),
        ("",                                    GOOD.replace("log\"", "log\"\nqueue = 0"), "topics.toml:7:1: actuator.eye.queue: 0 commands; allowed are 1 to 10000"),
        ("[limits]\nmessage = 0\n",             GOOD.to_owned(),                             "bridge.toml:2:1: limits.message: it is 0, and every message is longer"),
        ("[limits]\nmessage = 2000000\n",       GOOD.to_owned(),                             "bridge.toml:2:1: limits.message: it is 2000000, and mqtt.maximum-packet-size only 1048576: "),
        ("[limits]\ndepth = 129\n",             GOOD.to_owned(),                             "bridge.toml:2:1: limits.depth: it is 129; allowed are 1 to 128"),
        ("",                                    GOOD.replace("\"log\"", "\"lgo\""),          "topics.toml:6:1: actuator.eye.kind: "),
    ];
    for (bridge_toml, topics_toml, told) in cases {
        let said = check(bridge_toml, &topics_toml, &[]);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.out.lines().any(|line| line.starts_with(told)), "{told}\n{}", said.out);
    }

    // A mistake in a schema is told, and nothing that may be true once it is mended.
    let folder = tempfile::tempdir().unwrap();
    let schemas = format!("[schemas]\ndir = {:?}\n", folder.path());
    let file = folder.path().join("x-eye.jadn");
    let eye =
        std::fs::read_to_string(crate::source::root().join("schemas/x-iot-1.0.jadn")).unwrap();
    let eye = eye.replace("x-iot", "x-eye").replace("2048, \"x-eye", "2100, \"x-eye");
    let broken = eye.replace("\"Light\", \"Map\", [\"{1\"]", "\"Light\", \"Map\", [\"{x\"]");
    let topics = GOOD.replace(
        "log\"",
        "exec\"\ncommand = [\"/bin/true\"]\nallow-root = true\nspecifiers = { room = 5 }",
    );
    let narrowed = format!("{topics}pairs = {{ set = [\"x-eye:lid\"], stop = [\"devise\"] }}\n");
    for (schema, topics, told) in [
        (eye.clone(), topics.clone(), vec!["topics.toml:9:1: actuator.eye.specifiers: "]),
        (broken.clone(), topics.clone(), vec!["x-eye.jadn:34:4: Light: "]),
        (
            eye.replace("\"Results\", \"Map\"", "\"Result\", \"Map\""),
            topics,
            vec![
                "x-eye.jadn: exports names \"Results\", and no such type is defined",
                "x-eye.jadn:46:4: Result: no message can have this type",
            ],
        ),
        (
            broken.clone(),
            narrowed,
            vec![
                "topics.toml:11:",
                "topics.toml:3:1: consumer[0].actuators: [actuator.eye] has a",
                "x-eye.jadn:34:4: Light: ",
            ],
        ),
    ] {
        std::fs::write(&file, schema).unwrap();
        let said = check(&schemas, &topics, &[]);
        let mut lines: Vec<_> = said
            .out
            .lines()
            .map(|line| line.strip_prefix(&format!("{}/", folder.path().display())).unwrap_or(line))
            .collect();
        lines.sort_unstable();
        lines.dedup_by_key(|line| line.split(": ").take(2).collect::<String>());
        assert_eq!(lines.len(), told.len(), "{}", said.out);
        assert!(
            lines.iter().zip(&told).all(|(line, told)| line.starts_with(told)),
            "{told:?}: {lines:?}"
        );
    }

    // What is wrong elsewhere in bridge.toml hides nothing of the schemas.
    let said = check(&format!("{schemas}[limits]\ndepth = 0\n"), GOOD, &[]);
    assert!(
        said.out.contains("limits.depth: ") && said.out.contains(":34:4: Light: "),
        "{}",
        said.out
    );

    let said = check("[mqtt]\nkep-alive = 60\n", &GOOD.replace("id =", "di ="), &["--json"]);
    let lines = said.json();
    assert_eq!((&lines[0]["file"], &lines[0]["line"]), (&"bridge.toml".into(), &2.into()));
    assert_eq!((&lines[0]["column"], &lines[0]["nearest"]), (&1.into(), &"keep-alive".into()));
    assert_eq!(lines[1]["file"], "topics.toml", "both files are read, whatever is in the first");
}

#[test]
fn each_mistake_of_a_program_is_told_at_its_own_key() {
    let topics_toml = GOOD.replace(
        "log\"",
        "exec\"\n\
         command = [\"/gone\"]\n\
         timeout = \"25h\"\n\
         env = { HOME = \"/\" }\n\
         run-as = { user = \"no-such-user\" }\n\
         config = { level = 1 }",
    );
    let said = check("", &topics_toml, &[]);
    assert_eq!(said.code, Some(78), "{said:?}");
    for (line, told) in [
        (7, "\"/gone\" cannot be looked at"),
        (8, "timeout is 90000s"),
        (9, "env: \"HOME\" is not for the bridge to set"),
        (10, "run-as: there is no user \"no-such-user\" here"),
        (11, "config is handed over in \"hello\""),
    ] {
        let told = format!("topics.toml:{line}:1: actuator.eye: {told}");
        assert!(said.out.lines().any(|line| line.starts_with(&told)), "{told}\n{}", said.out);
    }
}

#[test]
fn the_files_that_the_settings_name_are_opened_and_every_one_that_will_not_do_is_told() {
    let test = "the_files_that_the_settings_name_are_opened_and_every_one_that_will_not_do_is_told";
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    if !make_certs(&path("certs")) {
        skip(test, "no openssl");
        return;
    }
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    let pem =
        |what: &str, text: &str| format!("-----BEGIN {what}-----\n{text}\n-----END {what}-----\n");
    write("empty", "");
    write("password", "sesame\n");
    write("no-base64", &pem("CERTIFICATE", "not base64!"));
    write("no-certificate", &pem("CERTIFICATE", "aGVsbG8="));
    write("no-key", &pem("PRIVATE KEY", "aGVsbG8="));
    write("topics.toml", GOOD);
    let check = |variables: &[(&str, &str)], [password, ca, cert, key]: [&str; 4]| {
        let settings = format!(
            "[mqtt]\nurl = \"mqtts://localhost\"\nusername = \"b\"\npassword-file = \"{password}\"\n\
             ca-file = \"{ca}\"\ncert-file = \"{cert}\"\nkey-file = \"{key}\"\n"
        );
        write("bridge.toml", &settings);
        let mut command = oc2();
        command.arg("check").current_dir(folder.path()).envs(variables.iter().copied());
        Started::new(command).ended()
    };

    let [ca, cert, key] = ["certs/ca.crt", "certs/bridge.crt", "certs/bridge.key"];
    let good = check(&[], ["password", ca, cert, key]);
    assert_eq!(good.code, Some(0), "{good:?}");

    #[rustfmt::skip]
    let cases: [([&str; 4], &[&str]); 6] = [
        // password-file, ca-file, cert-file, key-file                told, in this order
        (["gone", "gone", "gone", "gone"],                          &["4:1: mqtt.password-file: ./gone: No such file",
                                                                      "5:1: mqtt.ca-file: ./gone: I/O error: No such file",
                                                                      "6:1: mqtt.cert-file: ./gone: I/O error: No such file",
                                                                      "7:1: mqtt.key-file: ./gone: I/O error: No such file"]),
        (["certs", "empty", "empty", "empty"],                      &["4:1: mqtt.password-file: ./certs: Is a directory",
                                                                      "5:1: mqtt.ca-file: ./empty: holds no certificate",
                                                                      "6:1: mqtt.cert-file: ./empty: holds no certificate",
                                                                      "7:1: mqtt.key-file: ./empty: holds no private key"]),
        (["password", "no-base64", "no-base64", "no-key"],          &["5:1: mqtt.ca-file: ./no-base64: base64",
                                                                      "6:1: mqtt.cert-file: ./no-base64: base64",
                                                                      "7:1: mqtt.key-file: ./no-key: "]),
        (["password", "no-certificate", cert, key],                 &["5:1: mqtt.ca-file: ./no-certificate: "]),
        (["password", ca, "no-certificate", key],                   &["6:1: mqtt.cert-file: ./no-certificate with ./certs/bridge.key: "]),
        (["password", ca, cert, "certs/ca.key"],                    &["6:1: mqtt.cert-file: ./certs/bridge.crt with ./certs/ca.key: "]),
    ];
    for (files, told) in cases {
        let said = check(&[], files);
        assert_eq!(said.code, Some(78), "{files:?}: {said:?}");
        let lines: Vec<_> = said.out.lines().collect();
        assert_eq!(lines.len(), told.len(), "{files:?}: {lines:#?}");
        for (line, told) in lines.iter().zip(told) {
            assert!(line.starts_with(&format!("bridge.toml:{told}")), "{told}\n{line}");
        }
    }

    let said = check(&[("OC2_MQTT_CA_FILE", "away")], ["password", ca, cert, key]);
    assert!(said.out.starts_with("OC2_MQTT_CA_FILE: mqtt.ca-file: away: "), "{said:?}");
}

#[test]
fn with_the_broker_it_says_what_is_granted_and_what_refused() {
    let test = "with_the_broker_it_says_what_is_granted_and_what_refused";
    let folder = tempfile::tempdir().unwrap();
    let rights = folder.path().join("rights");
    std::fs::write(&rights, "topic read oc2/cmd/#\ntopic write oc2/rsp/+\n").unwrap();
    let lines = format!("allow_anonymous true\nacl_file {}\n", rights.display());
    let Some(broker) = broker::private_broker(test, &lines) else { return };
    let bridge_toml = format!("[mqtt]\nurl = \"mqtt://127.0.0.1:{}\"\n", broker.port());

    let said = check(&bridge_toml, GOOD, &["--broker"]);
    assert_eq!(said.code, Some(69), "{said:?}");
    for line in [
        "ok       encryption: none: for tests only",
        "ok       session: kept for 1d after a disconnect",
        "ok       subscribe to oc2/cmd/device/gateway-1: granted, QoS 2",
        "ok       publish on oc2/rsp/oc2-check: taken; nobody listens there now",
    ] {
        assert!(said.out.lines().any(|told| told == line), "{line}\n{}", said.out);
    }
    let refused = said.out.lines().filter(|line| line.starts_with("REFUSED"));
    let refused: Vec<_> = refused.collect();
    assert_eq!(refused.len(), 1, "{}", said.out);
    assert!(refused[0].starts_with("REFUSED  publish on oc2/rsp: "), "{refused:?}");
    assert!(refused[0].contains("Not authorized"), "{refused:?}");

    let gone = check("[mqtt]\nurl = \"mqtt://127.0.0.1:1\"\n", GOOD, &["--broker", "--json"]);
    assert_eq!(gone.code, Some(69));
    assert_eq!(gone.json()[0]["ok"], false, "{gone:?}");
}

#[test]
fn a_flag_stands_over_the_environment_and_that_over_the_file() {
    let [file, variable, flag] = ["mqtt://127.0.0.1:1", "mqtt://127.0.0.1:2", "mqtt://127.0.0.1:3"];
    let cases = [
        (None, None, file),
        (Some(variable), None, variable),
        (None, Some(flag), flag),
        (Some(variable), Some(flag), flag),
    ];
    for (variable, flag, counts) in cases {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("bridge.toml", &format!("[mqtt]\nurl = \"{file}\"\n"));
        write("topics.toml", GOOD);
        let mut command = oc2();
        command.arg("run").current_dir(folder.path());
        command.envs(variable.map(|url| ("OC2_MQTT_URL", url)));
        command.args(flag.map(|url| format!("--broker={url}")));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let starting = log.find(|line| line.contains("starting"));
        child.kill().unwrap();
        child.wait().unwrap();
        let starting = starting.expect("a line that says so");
        assert!(starting.contains(&format!("broker={counts} ")), "{counts}: {starting}");
    }
}

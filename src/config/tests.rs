//! The mistakes that people make, and what they are told.

use super::*;
use crate::language::Library;

fn settings(text: &str) -> Result<Settings, Vec<String>> {
    settings_in(text, &[])
}

fn settings_in(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Settings::parse(Path::new("bridge.toml"), text, environment).map_err(told)
}

fn topics(text: &str) -> Result<Topics, Vec<String>> {
    Topics::parse(Path::new("topics.toml"), text, &Library::built_in()).map_err(told)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where a function of this form is wanted"
)]
fn told(mistakes: Vec<Mistake>) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_file_is_all_defaults() {
    let settings = settings("").unwrap();
    assert_eq!(settings.limits, LimitsConfig::default());
    assert!(settings.mqtt.accept_without_properties);
}

#[test]
fn the_broker_may_send_what_one_commit_records_unless_it_is_said() {
    let cases = [
        ("", 256),
        ("[journal]\nbatch-records = 4096", 4096),
        ("[journal]\nbatch-records = 1", 1),
        ("[mqtt]\nreceive-maximum = 7\n[journal]\nbatch-records = 100", 7),
    ];
    for (text, most) in cases {
        let receive_maximum = settings(text).unwrap().mqtt.receive_maximum.unwrap();
        assert_eq!(receive_maximum.get(), most, "{text}");
    }
}

/// What is pasted into a file that has it already.
#[test]
fn a_key_that_stands_there_twice_is_named() {
    #[rustfmt::skip]
    let cases = [
        ("[https]\ntesting = false\n[mqtt]\n[https]\n",        "bridge.toml:4:2: duplicate key `https`"),
        ("[https]\ntesting = true\nlisten = \"\"\ntesting = true", "bridge.toml:4:1: duplicate key `testing`"),
        ("[https.identities]\n\"DNS:a\" = \"a\"\n\"DNS:a\" = \"b\"", "bridge.toml:3:1: duplicate key `\"DNS:a\"`"),
        ("mqtt = { url = \"\", url = \"\" }",                  "bridge.toml:1:20: duplicate key `url`"),
    ];
    for (text, told) in cases {
        let mistakes = settings(text).unwrap_err();
        let [mistake] = mistakes.as_slice() else { panic!("{text}: {mistakes:?}") };
        assert_eq!(*mistake, format!("{told}: the file has it already"), "{text}");
    }
}

#[test]
fn one_mistake_hides_no_other() {
    type Variables = &'static [(&'static str, &'static str)];
    let cases: [(&str, Variables, &[&str]); 5] = [
        ("[limits]\ndepth = 0\nmessage = \"1 MiB\"", &[], &["limits.message: ", "limits.depth: "]),
        (
            "[mqtt]\nkeep-alive = 1\n[limits]\ndepth = 0\nmessage = 0",
            &[],
            &["mqtt.keep-alive: ", "limits.message: ", "limits.depth: "],
        ),
        (
            "[mqtt]\npassword-file = \"x\"\ncert-file = \"a\"",
            &[],
            &["need one another", "needs username"],
        ),
        (
            "",
            &[("OC2_LOG_LEVEL", "loud"), ("OC2_LIMITS_DEPTH", "200")],
            &["OC2_LOG_LEVEL: ", "OC2_LIMITS_DEPTH: "],
        ),
        // The key that is wrong is not taken for what it is by default.
        ("[mqtt]\nmaximum-packet-size = \"all\"\n[limits]\nmessage = 2000000", &[], &["mqtt.max"]),
    ];
    for (text, environment, expected) in cases {
        let told = settings_in(text, environment).unwrap_err();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}, not {expected}");
        }
    }
}

#[test]
fn a_mistake_is_told_with_its_place_and_the_nearest_key() {
    #[rustfmt::skip]
    let cases = [
        ("[mqtt]\nkep-alive = 60\n",        "bridge.toml:2:1: unknown key `mqtt.kep-alive`; did you mean `keep-alive`?"),
        ("[mqtt]\nkeep-alive = 301\n",      "bridge.toml:2:1: mqtt.keep-alive: "),
        ("[mqtt]\nkeep-alive = 0\n",        "bridge.toml:2:1: mqtt.keep-alive: "),
        ("\n[mqt]\nurl = \"x\"\n",          "bridge.toml:2:2: unknown key `mqt`; did you mean `mqtt`?"),
        ("[limits]\ndrain = 10\n",          "bridge.toml:2:1: limits.drain: "),
        ("[limits]\ndrain = \"10 years\"\n","bridge.toml:2:1: limits.drain: "),
        ("[trust]\nsignatures = \"no\"\n",  "bridge.toml:2:1: trust.signatures: "),
        ("[schemas]\nlower-case-hex = 1\n",  "bridge.toml:2:1: schemas.lower-case-hex: "),
        ("[limits\n",                       "bridge.toml:1:"),
    ];
    for (text, told) in cases {
        let mistakes = settings(text).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].starts_with(told), "{text:?}: {mistakes:?}");
    }
}

#[test]
fn what_a_value_must_be_is_told_in_words_of_toml() {
    let cases = [
        ("mqtt = 3", "mqtt: invalid type: integer `3`, expected a table"),
        ("[mqtt]\nreceive-maximum = 70000", "expected a whole number from 1 to 65535"),
        ("[limits]\ndepth = \"x\"", "expected a whole number, 0 or more"),
        ("[limits]\ndepth = []", "limits.depth: invalid type: array, expected a whole number"),
    ];
    for (text, told) in cases {
        let mistakes = settings(text).unwrap_err();
        assert!(mistakes[0].contains(told), "{text:?}: {mistakes:?}");
    }
}

#[test]
fn every_mistake_is_found_in_one_run() {
    let text =
        "[mqtt]\nkep-alive = 60\nusernam = \"a\"\n[limits]\ndepth = \"x\"\ndrain = 5\n[lgo]\n";
    let mistakes = settings(text).unwrap_err();
    for told in ["kep-alive", "usernam", "limits.depth", "limits.drain", "`lgo`"] {
        assert!(mistakes.iter().any(|mistake| mistake.contains(told)), "{told}: {mistakes:?}");
    }
    assert_eq!(mistakes.len(), 5, "{mistakes:?}");
}

#[test]
fn the_environment_stands_over_the_file() {
    let text = "[mqtt]\nkeep-alive = 60\n[limits]\ndepth = 8\n";
    let variables = [("OC2_LIMITS_DEPTH", "16"), ("OC2_LIMITS_DRAIN", "3s"), ("OC2_BROKER", "x")];
    let settings = settings_in(text, &variables).unwrap();
    assert_eq!(settings.limits.depth, 16);
    assert_eq!(settings.limits.drain, Duration::from_secs(3));

    let mistakes = settings_in(text, &[("OC2_LIMITS_DEPHT", "16")]).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].starts_with("OC2_LIMITS_DEPHT: unknown key"), "{mistakes:?}");
}

const GOOD: &str = r#"
[[consumer]]
id = "gateway-1"
actuators = ["trial", "plug-1"]
rate-limit = 600

[actuator.trial]
kind = "log"
profile = "x-log"
pairs = { deny = ["ipv4_net"] }

[actuator.plug-1]
kind = "device"
profile = "x-iot"
map = "tasmota"
vars = { topic = "tasmota_switch", relay = 1 }

[[device]]
id = "plug-2"
ap = ["x-iot"]
map = "tasmota"
vars = { topic = "tasmota_other", relay = 1 }
"#;

#[test]
fn consumers_have_the_actuators_that_the_file_gives_them() {
    let topics = topics(GOOD).unwrap();
    assert_eq!(topics.prefix.as_str(), "oc2");
    let ids: Vec<_> = topics.house.consumers.iter().map(|consumer| &consumer.id).collect();
    assert_eq!(ids, ["gateway-1", "plug-2"]);
    assert_eq!(topics.house.actuators["trial"].pairs.len(), 1);
    assert_eq!(topics.house.consumers[1].actuators, ["plug-2"]);
    assert_eq!(topics.house.actuators["plug-2"].profile, "x-iot");
}

#[test]
fn mistakes_in_topics_are_told_with_their_place() {
    #[rustfmt::skip]
    let cases = [
        // change                                                       told
        (("\"trial\", \"plug-1\"", "\"trail\", \"plug-1\""),            "topics.toml:4:1: consumer[0].actuators: there is no [actuator.trail]; did you mean `trial`?"),
        (("rate-limit = 600", "rate-limit = 0"),                        "topics.toml:5:1: consumer[0].rate-limit: "),
        (("id = \"gateway-1\"", "id = \"gateway/1\""),                  "topics.toml:3:1: consumer[0].id: "),
        (("id = \"plug-2\"", "id = \"gateway-1\""),                     "topics.toml:19:1: device[0].id: there are two consumers"),
        (("kind = \"log\"", "specifiers = { asset_id = 30 }\nkind = \"log\""), "topics.toml:8:16: actuator.trial.specifiers.asset_id: expected a text, such as \"30\""),
        (("kind = \"log\"", "kind = \"lgo\""),                          "topics.toml:8:1: actuator.trial.kind: "),
        (("deny = [", "dney = ["),                                      "topics.toml:10:11: actuator.trial: pairs: \"dney\" is none of the twenty actions of OpenC2; did you mean `deny`?"),
        (("[\"ipv4_net\"]", "[\"ipv4net\"]"),                           "topics.toml:10:19: actuator.trial: pairs.deny: "),
        (("id = \"gateway-1\"", "id = \"g\"\nversions = [\"1.1\", \"1.2\"]"), "topics.toml:4:20: consumer[0].versions[1]: expected a version of the language: 1.0 or 1.1"),
        (("id = \"gateway-1\"", "id = \"g\"\nversions = [\"1.1\", \"1.1\"]"), "topics.toml:4:20: consumer[0].versions[1]: \"1.1\" stands there twice"),
        (("id = \"gateway-1\"", "id = \"g\"\nversions = []"),    "topics.toml:4:1: consumer[0].versions: a consumer speaks at least one version"),
        (("profile = \"x-log\"\n", ""),                                 "topics.toml:7:11: actuator.trial: missing field `profile`"),
        (("kind = \"log\"", "kind = \"log\"\nspeed = 5"),               "topics.toml:9:1: unknown key `actuator.trial.speed`"),
        (("profile = \"x-log\"\n", "profle = \"x-log\"\n"),            "topics.toml:9:1: unknown key `actuator.trial.profle`; did you mean `profile`?"),
        (("kind = \"log\"", "kid = \"log\""),                           "topics.toml:8:1: unknown key `actuator.trial.kid`; did you mean `kind`?"),
        (("kind = \"log\"", "kind = \"log\"\nidempotnt = true"),         "topics.toml:9:1: unknown key `actuator.trial.idempotnt`; did you mean `idempotent`?"),
        (("switch\", relay = 1", "switch\", relai = 1"),               "topics.toml:16:36: unknown key `actuator.plug-1.vars.relai`: the map \"tasmota\" has "),
        (("ap = [\"x-iot\"]", "app = [\"x-iot\"]"),                     "topics.toml:20:1: unknown key `device[0].app`; did you mean `ap`?"),
        (("topic = \"tasmota_switch\"", "topic = \"a/#/b\""),             "topics.toml:16:1: actuator.plug-1.vars: actuator plug-1: not what the map \"tasmota\" needs: v.topic is \"a/#/b\": no part of a topic"),
        (("topic = \"tasmota_switch\", ", ""),                           "topics.toml:16:1: actuator.plug-1.vars: actuator plug-1: not what the map \"tasmota\" needs: "),
        (("vars = { topic = \"tasmota_switch\"", "specifiers = { asset_id = 30 }\nvars = { topic = \"tasmota_switch\""), "topics.toml:16:1: actuator.plug-1.specifiers: "),
        (("map = \"tasmota\"\nvars = { topic = \"tasmota_s", "map = \"tasmotta\"\nvars = { topic = \"tasmota_s"), "topics.toml:15:1: actuator.plug-1.map: "),
    ];
    for ((from, to), told) in cases {
        assert!(GOOD.contains(from), "{from:?} is in the file");
        let mistakes = topics(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(told)), "{to:?}: {mistakes:?}");
    }
}

/// The pairs of an actuator are those that its profile has, and a map is
/// bound by both.
#[test]
fn an_actuator_has_the_pairs_of_its_profile_or_some_of_them() {
    let wall = |pairs: &str| {
        let text = format!(
            "[[consumer]]\nid = \"g\"\nactuators = [\"wall\"]\n\
             [actuator.wall]\nkind = \"log\"\nprofile = \"slpf\"\n{pairs}"
        );
        topics(&text).map(|topics| topics.house.actuators["wall"].pairs.clone())
    };
    let library = Library::built_in();
    let slpf = library.profile("slpf").unwrap();
    assert_eq!(&wall("").unwrap(), slpf.pairs());
    assert_eq!(wall("pairs = { delete = [\"slpf:rule_number\"] }").unwrap().len(), 1);
    #[rustfmt::skip]
    let cases = [
        ("pairs = { deny = [\"ipv4_net\", \"ipv4_nte\"] }", "topics.toml:7:31: actuator.wall: pairs.deny: expected one of the eighteen targets of OpenC2, or nsid:name for a target of a profile; did you mean `ipv4_net`?"),
        ("pairs = { deny = [\"file\"] }",                   "topics.toml:7:19: actuator.wall: pairs.deny: the profile slpf has no deny file"),
        ("pairs = { delete = [\"slpf:rule\"] }",            "topics.toml:7:21: actuator.wall: pairs.delete: the profile slpf has no delete slpf:rule; did you mean `slpf:rule_number`?"),
        ("pairs = { scan = [\"device\"] }",                 "topics.toml:7:19: actuator.wall: pairs.scan: the profile slpf has no scan device"),
        ("pairs = { deny = [] }",                           "topics.toml:7:1: actuator.wall: pairs names no target"),
    ];
    for (pairs, told) in cases {
        assert_eq!(wall(pairs).unwrap_err()[0], told, "{pairs}");
    }
}

/// What the maps can do, their profile has.
#[test]
fn the_profile_x_iot_has_every_pair_of_every_map_that_is_built_in() {
    let library = Library::built_in();
    for (name, map) in crate::actuator::device::built_in_maps() {
        let profile = library.profile(&map.profile).unwrap();
        for command in &map.commands {
            let target = command.on.target.parse().unwrap();
            for action in &command.on.action.0 {
                let action = action.parse().unwrap();
                let targets = profile.pairs().get(&action);
                let has = targets.is_some_and(|targets| targets.contains(&target));
                assert!(has, "{name}: {action} {target}");
            }
        }
    }
}

#[test]
fn schemas_of_a_folder_stand_over_those_that_are_built_in() {
    let dir = tempfile::tempdir().unwrap();
    let schemas = SchemasConfig { dir: Some(dir.path().to_owned()), ..SchemasConfig::default() };
    let slpf = include_str!("../../schemas/slpf-1.0.jadn");
    let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let complaint = |schemas: &SchemasConfig| told(schemas.load().unwrap_err());

    put("README.md", "not read");
    assert!(schemas.load().unwrap().profile("x-heat").is_none());
    // One that replaces, one that is added.
    put("slpf.jadn", &slpf.replace("[10, \"file\", \"\"]", "[19, \"uri\", \"\"]"));
    put(
        "heat.jadn",
        &slpf.replace("slpf", "x-heat").replace("1024, \"x-heat\"", "2050, \"x-heat\""),
    );
    let library = schemas.load().unwrap();
    let update = &library.profile("slpf").unwrap().pairs();
    let (_, update) = update.iter().find(|(action, _)| action.as_str() == "update").unwrap();
    assert_eq!(update[0].to_string(), "uri");
    assert!(library.profile("x-heat").is_some());
    assert!(library.profile("x-iot").is_some());
    assert_ne!(library, Library::built_in());

    // Each mistake with its file.
    put("heat.jadn", &slpf.replace("\"Rule-ID\", [], \"The rule", "\"Rule-Id\", [], \"The rule"));
    put("bad.jadn", "{}");
    put("iot.jadn", &slpf.replace("slpf", "x-same"));
    let file = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(
        complaint(&schemas),
        [
            format!(
                "{}: a header is missing: meta (JADN v1.0 CSD01) or info (JADN v1.0 CS01)",
                file("bad.jadn")
            ),
            format!(
                "{}:24:12: Target.rule_number: no type \"Rule-Id\" is defined; did you mean `Rule-ID`?",
                file("heat.jadn")
            ),
            format!(
                "{}:20:12: Actuator.x-same: the number 1024 is that of \"slpf\" as well",
                file("iot.jadn")
            ),
        ]
    );
    // One that cannot be read hides nothing of the others, and the nearest name is told.
    put(
        "bad.jadn",
        &slpf.replace("\"Results\", \"Map\"", "\"Result\", \"Map\"").replace("slpf", "x-bad"),
    );
    std::os::unix::fs::symlink("/nowhere/at/all", dir.path().join("a.jadn")).unwrap();
    let mistakes = schemas.load().unwrap_err();
    assert!(mistakes[0].to_string().starts_with(&format!("{}: cannot be read", file("a.jadn"))));
    let misnamed = mistakes.iter().find(|it| it.text.starts_with("Result: no message")).unwrap();
    assert!(misnamed.to_string().ends_with("; did you mean Results?"), "{mistakes:?}");
    assert!(
        mistakes.iter().any(|it| it.text.starts_with("Target.rule_number: no type \"Rule-Id\""))
    );
    put(
        "bad.jadn",
        &slpf.replace("\"Args\", \"Map\"", "\"Agrs\", \"Map\"").replace("slpf", "x-bad"),
    );
    let mistakes = schemas.load().unwrap_err();
    let misnamed = mistakes.iter().find(|it| it.text.starts_with("Agrs: no message")).unwrap();
    assert_eq!(misnamed.nearest.as_deref(), Some("Args"), "{mistakes:?}");

    let gone = SchemasConfig { dir: Some(dir.path().join("gone")), ..SchemasConfig::default() };
    assert!(complaint(&gone)[0].contains("cannot be read"), "{:?}", complaint(&gone));
}

/// L11-3.4-2, L11-3.1.5-1: capitals alone, where the setting wants it.
#[test]
fn hexadecimal_digits_in_lower_case_are_a_setting() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display();
    let verdict = |table: &str, md5: &str| {
        let library = settings(&format!("[schemas]\n{table}")).unwrap().schemas.load().unwrap();
        let message = serde_json::json!({ "body": { "openc2": { "request": {
            "action": "scan", "target": { "file": { "hashes": { "md5": md5 } } },
        } } } });
        let message = message.to_string();
        let limits = crate::wire::Limits::default();
        let read = crate::wire::read_any(message.as_bytes(), limits, &library);
        read.map(drop).map_err(|unreadable| unreadable.fault.to_string())
    };
    let (lower, upper) = ("0313fd399b143fc40cd52a1679018305", "0313FD399B143FC40CD52A1679018305");
    let refused = "expected Hashes.md5, upper-case hexadecimal digits: a digit is in lower case";
    for (table, is_read) in [
        (String::new(), true),
        ("lower-case-hex = \"accept\"".to_owned(), true),
        ("lower-case-hex = \"refuse\"".to_owned(), false),
        (format!("dir = \"{dir}\"\nlower-case-hex = \"accept\""), true),
        (format!("dir = \"{dir}\"\nlower-case-hex = \"refuse\""), false),
    ] {
        assert_eq!(verdict(&table, upper), Ok(()), "{table}");
        match verdict(&table, lower) {
            Ok(()) => assert!(is_read, "{table}"),
            Err(fault) => assert!(!is_read && fault.starts_with(refused), "{table}: {fault}"),
        }
    }
}

#[test]
fn a_relative_path_starts_from_the_folder_of_its_file() {
    let at = |file: &str| {
        let text = "[journal]\ndir = \"store\"\n[mqtt]\nca-file = \"/etc/ca.crt\"\n";
        let settings = Settings::parse(Path::new(file), text, []).unwrap();
        (settings.journal.dir, settings.mqtt.ca_file.unwrap())
    };
    let absolute = PathBuf::from("/etc/ca.crt");
    assert_eq!(at("/etc/oc2/bridge.toml"), ("/etc/oc2/store".into(), absolute.clone()));
    assert_eq!(at("bridge.toml"), ("./store".into(), absolute));
}

/// The two files that come with the project.
#[test]
fn the_samples_are_in_order() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = std::iter::empty();
    let text = read_file(&here.join("bridge.toml")).unwrap();
    let settings = Settings::parse(&here.join("bridge.toml"), &text, environment).map_err(told);
    assert!(settings.is_ok(), "{settings:?}");
    let topics = Topics::load(&here.join("topics.toml"), &Library::built_in()).map_err(told);
    assert!(topics.is_ok(), "{topics:?}");
    // "The values below are the defaults", says the file of itself.
    let written = Settings::parse(Path::new("bridge.toml"), &text, []).map_err(told).unwrap();
    let defaults = Settings::parse(Path::new("bridge.toml"), "", []).map_err(told).unwrap();
    assert_eq!(format!("{written:#?}"), format!("{defaults:#?}"));
}

/// The keys that a table may have: serde lists them when it meets another.
fn keys_of<T: serde::de::DeserializeOwned>(table: &str) -> Vec<String> {
    let text = format!("{table}\nno-such-key = 1\n");
    let Err(error) = toml::from_str::<T>(&text) else { panic!("any key is taken") };
    let keys: Vec<_> = source::known_keys(error.message()).map(str::to_owned).collect();
    assert!(!keys.is_empty(), "{error}");
    keys
}

#[test]
fn the_manual_has_every_key_of_every_table_and_no_other() {
    use crate::actuator::CommonConfig;
    use crate::actuator::device::DeviceConfig;
    use crate::actuator::exec::{ExecConfig, ExecLimits, RunAs};
    use crate::actuator::relay::RelayConfig;
    use crate::actuator::route::{BrokerConfig, RouteTable};
    use crate::dispatch::Match;
    use crate::https::Operators;
    use topics::{ConsumerConfig, ShortDevice};

    let manual = include_str!("../../docs/configuration.md");
    let of_kind = |mut keys: Vec<String>| {
        keys.retain(|key| !CommonConfig::KEYS.contains(&key.as_str()));
        keys
    };
    let tables = [
        ("[mqtt]", keys_of::<MqttConfig>("")),
        ("[https]", keys_of::<HttpsConfig>("")),
        ("https: operators", keys_of::<Operators>("")),
        ("[journal]", keys_of::<JournalConfig>("")),
        ("[limits]", keys_of::<LimitsConfig>("")),
        ("[time]", keys_of::<TimeConfig>("")),
        ("[schemas]", keys_of::<SchemasConfig>("")),
        ("[trust]", keys_of::<TrustConfig>("")),
        ("[log]", keys_of::<LogConfig>("")),
        ("The top of the file", Topics::KEYS.map(str::to_owned).to_vec()),
        ("[[consumer]]", keys_of::<ConsumerConfig>("")),
        ("[actuator.NAME]", keys_of::<CommonConfig>("")),
        ("kind = \"exec\"", of_kind(keys_of::<ExecConfig>(""))),
        ("exec: limits", keys_of::<ExecLimits>("")),
        ("exec: run-as", keys_of::<RunAs>("")),
        ("kind = \"device\"", of_kind(keys_of::<DeviceConfig>(""))),
        ("kind = \"https\"", of_kind(keys_of::<RelayConfig>(""))),
        ("kind = \"mqtt\"", of_kind(keys_of::<BrokerConfig>(""))),
        ("[[device]]", keys_of::<ShortDevice>("")),
        ("[[route]]", keys_of::<RouteTable>("")),
        ("route: match", keys_of::<Match>("")),
    ];
    for (heading, mut keys) in tables {
        let section = manual.split("\n## ").find(|it| it.lines().next().unwrap().contains(heading));
        let section = section.unwrap_or_else(|| panic!("docs/configuration.md lacks {heading}"));
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut told: Vec<_> = rows.map(str::to_owned).collect();
        told.sort();
        keys.sort();
        assert_eq!(told, keys, "{heading}");
    }
}

/// HTTPS-4.1-1: plain HTTP is for this machine, and never beside HTTPS.
#[test]
fn the_door_for_posts_is_https_with_everything_it_needs_or_testing_or_none() {
    let tls =
        "listen = \"192.0.2.1:443\"\ncert-file = \"c\"\nkey-file = \"k\"\nclient-ca-file = \"a\"\n";
    let known = "[https.identities]\n\"URI:urn:x\" = \"soar-1\"\n";
    let with_tls = |more: &str, known: &str| format!("{tls}{more}{known}");
    #[rustfmt::skip]
    let cases: [(String, &[&str]); 15] = [
        // [https]                                                  told
        (String::new(),                                             &[]),
        (with_tls("", known),                                       &[]),
        ("listen = \"[::1]:80\"\ntesting = true\n".to_owned(),      &[]),
        ("testing = true\n".to_owned(),                             &["bridge.toml:1:2: https.listen: listen is missing"]),
        ("listen = \"192.0.2.1:80\"\ntesting = true\n".to_owned(),  &["bridge.toml:2:1: https.listen: testing is plain HTTP"]),
        (with_tls("testing = true\n", ""),                          &["https.cert-file: cert-file is for HTTPS", "https.key-file: ", "https.client-ca-file: ", "only on a loopback address"]),
        (format!("listen = \"[::1]:443\"\n{known}"),                &["https.cert-file: cert-file is missing", "https.key-file: ", "https.client-ca-file: "]),
        (with_tls("", ""),                                          &["[https.identities] is empty"]),
        (with_tls("", "[https.identities]\n\"soar-1\" = \"\"\n"),    &["begins with none of URI:, DNS: and EMAIL:", "is empty"]),
        (with_tls("max-wait = \"0s\"\n", known),                    &["allowed are 1s to 1h"]),
        (with_tls("max-waiting-per-producer = 1025\n", known),      &["https.max-waiting-per-producer: max-waiting-per-producer is 1025; allowed are 1 to 1024 requests"]),
        (with_tls("max-waiting-per-producer = 0\n", known),         &["https.max-waiting-per-producer"]),
        (with_tls("keep-for = \"25h\"\n", known),                   &["https.keep-for: keep-for is 25h; allowed is up to 1d"]),
        (with_tls("", &format!("{known}[https.operators]\nidentities = [\"x\"]\n")), &["no certificate stands for \"x\""]),
        (with_tls("max_wait = \"1s\"\n", known),                    &["unknown key `https.max_wait`; did you mean `max-wait`?"]),
    ];
    for (table, told) in cases {
        let mistakes = settings(&format!("[https]\n{table}")).err().unwrap_or_default();
        assert_eq!(mistakes.len(), told.len(), "{table}: {mistakes:?}");
        for told in told {
            assert!(mistakes.iter().any(|mistake| mistake.contains(told)), "{told}: {mistakes:?}");
        }
    }
}

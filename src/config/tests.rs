//! The mistakes that people make, and what they are told.

use super::*;

fn settings(text: &str) -> Result<Settings, Vec<String>> {
    settings_in(text, &[])
}

fn settings_in(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Settings::parse(Path::new("bridge.toml"), text, environment).map_err(told)
}

fn topics(text: &str) -> Result<Topics, Vec<String>> {
    Topics::parse(Path::new("topics.toml"), text).map_err(told)
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
        ("[limits\n",                       "bridge.toml:1:"),
    ];
    for (text, told) in cases {
        let mistakes = settings(text).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].starts_with(told), "{text:?}: {mistakes:?}");
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
        (("kind = \"log\"", "kind = \"lgo\""),                          "topics.toml:8:1: actuator.trial.kind: "),
        (("deny = [", "dney = ["),                                      "topics.toml:10:1: actuator.trial: pairs: \"dney\" is none of the twenty"),
        (("[\"ipv4_net\"]", "[\"ipv4net\"]"),                           "topics.toml:10:1: actuator.trial: pairs.deny: "),
        (("profile = \"x-log\"\n", ""),                                 "topics.toml:7:11: actuator.trial: missing field `profile`"),
        (("kind = \"log\"", "kind = \"log\"\nspeed = 5"),               "topics.toml:9:1: unknown key `actuator.trial.speed`"),
        (("profile = \"x-log\"\n", "profle = \"x-log\"\n"),            "topics.toml:9:1: unknown key `actuator.trial.profle`; did you mean `profile`?"),
        (("kind = \"log\"", "kid = \"log\""),                           "topics.toml:8:1: unknown key `actuator.trial.kid`; did you mean `kind`?"),
        (("kind = \"log\"", "kind = \"log\"\nidempotnt = true"),         "topics.toml:9:1: unknown key `actuator.trial.idempotnt`; did you mean `idempotent`?"),
        (("switch\", relay = 1", "switch\", relai = 1"),               "topics.toml:16:36: unknown key `actuator.plug-1.vars.relai`: the map \"tasmota\" has "),
        (("ap = [\"x-iot\"]", "app = [\"x-iot\"]"),                     "topics.toml:20:1: unknown key `device[0].app`; did you mean `ap`?"),
        (("map = \"tasmota\"\nvars = { topic = \"tasmota_s", "map = \"tasmotta\"\nvars = { topic = \"tasmota_s"), "topics.toml:15:1: actuator.plug-1.map: "),
    ];
    for ((from, to), told) in cases {
        assert!(GOOD.contains(from), "{from:?} is in the file");
        let mistakes = topics(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(told)), "{to:?}: {mistakes:?}");
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
    let topics = Topics::load(&here.join("topics.toml")).map_err(told);
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
    use topics::{ConsumerConfig, ShortDevice};

    let manual = include_str!("../../docs/configuration.md");
    let of_kind = |mut keys: Vec<String>| {
        keys.retain(|key| !CommonConfig::KEYS.contains(&key.as_str()));
        keys
    };
    let tables = [
        ("[mqtt]", keys_of::<MqttConfig>("")),
        ("[https]", keys_of::<HttpsConfig>("")),
        ("[journal]", keys_of::<JournalConfig>("")),
        ("[limits]", keys_of::<LimitsConfig>("")),
        ("[time]", keys_of::<TimeConfig>("")),
        ("[trust]", keys_of::<TrustConfig>("")),
        ("[log]", keys_of::<LogConfig>("")),
        ("The top of the file", Topics::KEYS.map(str::to_owned).to_vec()),
        ("[[consumer]]", keys_of::<ConsumerConfig>("")),
        ("[actuator.NAME]", keys_of::<CommonConfig>("")),
        ("kind = \"exec\"", of_kind(keys_of::<ExecConfig>(""))),
        ("exec: limits", keys_of::<ExecLimits>("")),
        ("exec: run-as", keys_of::<RunAs>("")),
        ("kind = \"device\"", of_kind(keys_of::<DeviceConfig>(""))),
        ("[[device]]", keys_of::<ShortDevice>("")),
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
    let cases: [(String, &[&str]); 11] = [
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

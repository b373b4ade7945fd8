//! The programs under examples/ do what their first lines say.

use super::*;
use crate::actuator::Perform;
use crate::actuator::exec::Mode;

/// A copy of an example, in a directory of which we know who can write to it.
fn example(name: &str) -> Fixture {
    let fixture = Fixture { dir: TempDir::new().unwrap() };
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/actuators").join(name);
    write_program(&fixture.path("program"), &fs::read_to_string(source).unwrap());
    fixture
}

async fn response(exec: &Exec, id: u64, command: Value) -> Value {
    exec.carry_out(request(id, command), unheard()).await.unwrap()
}

fn query(properties: &[&str]) -> Value {
    json!({"action": "query", "target": {"properties": properties}})
}

#[tokio::test]
async fn uptime_answers_what_it_is_asked() {
    let fixture = example("uptime.sh");
    let exec = fixture.exec();

    let all = response(&exec, 7, query(&["uptime", "load", "memory", "disk"])).await;
    assert_eq!(all["status"], 200);
    let results = &all["results"]["x-probe"];
    assert!(results["uptime"].is_u64(), "{all}");
    assert_eq!(results["load"].as_array().unwrap().len(), 3, "{all}");
    assert!(results["memory"]["total_kib"].as_u64() > results["memory"]["available_kib"].as_u64());
    assert!(results["disk"]["size_kib"].as_u64() >= results["disk"]["used_kib"].as_u64());

    let one = response(&exec, 8, query(&["load"])).await;
    assert_eq!(one["results"]["x-probe"].as_object().unwrap().len(), 1, "{one}");
}

#[tokio::test]
async fn uptime_refuses_what_it_cannot_read() {
    let fixture = example("uptime.sh");
    let exec = fixture.exec();
    let hidden = r#""command":{"action":"query","target":{"properties":["load"]}}"#;

    for names in [&["uptimes"][..], &["load", "$(id)"], &["a]b"], &["lo\u{61}d\n"], &["é"], &[""]]
    {
        let refused = response(&exec, 7, query(names)).await;
        assert_eq!(refused["status"], 404, "{names:?}");
        assert!(refused.get("results").is_none(), "{names:?}");
    }
    let others = [
        json!({"action": "query", "target": {"features": []}}),
        json!({"action": "set", "target": {"properties": ["load"]}}),
        json!({"action": "set", "target": {"x-probe:text": hidden}}),
        json!({"target": {"properties": ["load"]}, "action": "query"}),
        json!({"action": "set", "target": {}, "args": {"x": {"command": query(&["load"])}}}),
        json!({}),
    ];
    for command in others {
        assert_eq!(ask(&exec, 7, command.clone()).await.0, 501, "{command}");
    }

    let mut disguised = request(7, json!({"action": "set", "target": {"x-probe:level": 3}}));
    disguised.source.producer = format!("{hidden},");
    assert_eq!(told(exec.carry_out(disguised, unheard()).await).0, 501);
}

#[tokio::test]
async fn the_program_that_the_manual_begins_with_works() {
    let manual = include_str!("../../../../docs/actuators.md");
    let (_, rest) = manual.split_once("```sh\n").unwrap();
    let (program, _) = rest.split_once("```").unwrap();
    let [works, fails] = ["true", "false"].map(|service| {
        let fixture = Fixture::new("");
        let program = program.replace("systemctl restart dnsmasq", service);
        write_program(&fixture.path("program"), &program);
        fixture
    });
    let restart = json!({"action": "restart", "target": {"device": {"hostname": "a"}}});
    let stop = json!({"action": "stop", "target": {"device": {"hostname": "a"}}});
    assert_eq!(ask(&works.exec(), 7, restart.clone()).await, (200, String::new()));
    assert_eq!(ask(&fails.exec(), 7, restart).await.0, 503);
    assert_eq!(ask(&works.exec(), 7, stop).await.0, 501);
}

#[tokio::test]
async fn the_block_list_is_kept_in_both_modes() {
    if !Path::new("/usr/bin/python3").exists() {
        assert!(std::env::var_os("CI").is_none(), "python3 is missing: apt-get install python3");
        eprintln!("left out: there is no /usr/bin/python3");
        return;
    }
    let fixture = example("blocklist.py");
    let list = fixture.path("list");
    let deny = |kind: &str, value: &str| json!({"action": "deny", "target": {kind: value}});
    let allow = |kind: &str, value: &str| json!({"action": "allow", "target": {kind: value}});
    #[rustfmt::skip]
    let story = [
        // command                                              status  the file after it
        (deny("ipv4_net", "203.0.113.7/24"),                      200, "ipv4_net 203.0.113.0/24\n"),
        (deny("ipv4_net", "203.0.113.0/24"),                      200, "ipv4_net 203.0.113.0/24\n"),
        (deny("domain_name", "Bad.Example."),                     200, "domain_name bad.example\nipv4_net 203.0.113.0/24\n"),
        (deny("ipv6_net", "2001:DB8::/32"),                       200, "domain_name bad.example\nipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (allow("domain_name", "bad.example"),                     200, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (allow("domain_name", "bad.example"),                     200, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (deny("ipv4_net", "203.0.113.0/33"),                      400, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (deny("domain_name", "a b\nipv4_net 0.0.0.0/0"),          400, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (json!({"action": "deny", "target": {"ipv4_net": 5}}),    400, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (deny("ipv6_net", "fe80::%a\nb/64"),                      400, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (deny("mac_addr", "00:00:5e:00:53:01"),                   501, "ipv4_net 203.0.113.0/24\nipv6_net 2001:db8::/32\n"),
        (allow("ipv6_net", "2001:db8::/32"),                      200, "ipv4_net 203.0.113.0/24\n"),
    ];

    for mode in [Mode::Stream, Mode::Oneshot] {
        let mut config = ExecConfig { mode, ..fixture.config() };
        config.command.push(list.to_str().unwrap().to_owned());
        let exec = exec(config);
        fs::remove_file(&list).ok();
        for (id, (command, status, file)) in (1..).zip(&story) {
            let answer = response(&exec, id, command.clone()).await;
            assert_eq!(answer["status"], *status, "{mode:?} {command}");
            assert_eq!(fixture.read("list"), *file, "{mode:?} {command}");
        }
        let entries = json!({"action": "query", "target": {"x-blocklist:entries": {}}});
        let answer = response(&exec, 99, entries).await;
        let expected = json!({
            "ipv4_net": {"count": 1, "entries": ["203.0.113.0/24"]},
            "ipv6_net": {"count": 0, "entries": []},
            "domain_name": {"count": 0, "entries": []},
        });
        assert_eq!(answer["results"]["x-blocklist"], expected, "{mode:?}");
        exec.close().await;
    }
}

#[tokio::test]
async fn the_block_list_undoes_a_command_and_knows_whether_it_was_carried_out() {
    const DENIED: &str = "domain_name bad.example\n";
    if !Path::new("/usr/bin/python3").exists() {
        assert!(std::env::var_os("CI").is_none(), "python3 is missing: apt-get install python3");
        eprintln!("left out: there is no /usr/bin/python3");
        return;
    }
    let fixture = example("blocklist.py");
    let mut config = fixture.config();
    config.command.push(fixture.path("list").to_str().unwrap().to_owned());
    let exec = exec(config);
    let deny = || json!({"action": "deny", "target": {"domain_name": "bad.example"}});
    #[rustfmt::skip]
    let story = [
        // errand              status  the file after it
        (Errand::Probe,        404,    ""),
        (Errand::Perform,      200,    DENIED),
        (Errand::Probe,        200,    DENIED),
        (Errand::Stop,         200,    ""),
        (Errand::Stop,         200,    ""),
    ];
    for (errand, status, file) in story {
        let request = Request { errand, ..request(7, deny()) };
        let answer = exec.carry_out(request, unheard()).await.unwrap();
        assert_eq!(answer["status"], status, "{errand:?}");
        assert_eq!(fixture.read("list"), file, "{errand:?}");
    }
}

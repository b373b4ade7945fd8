//! What a program finds around it: always the same, whatever the command says.

use std::os::unix::fs::PermissionsExt;

use nix::unistd::{User, geteuid};
use tokio::io::AsyncWriteExt;

use super::*;
use crate::actuator::exec::RunAs;
use crate::actuator::exec::lines::Lines;
use crate::actuator::exec::process::Streams;

/// Everything a producer could try to have run or read.
const PAYLOADS: [&str; 9] = [
    "; touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "\"; touch pwned; \"",
    "x\ntouch pwned\n",
    "--help",
    "-rf",
    "../../etc/passwd",
    "\u{0}\u{1b}[2J\u{202e}",
];

#[tokio::test]
async fn the_surroundings_are_clean_and_do_not_depend_on_the_command() {
    // Left open on purpose, without the flag that closes it in children.
    let _leak = nix::unistd::dup(fs::File::open("/dev/null").unwrap()).unwrap();
    let fixture = Fixture::new(&format!(
        r#"
        cat > got
        {{
            env | grep -v -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SHLVL= | sort
            echo "arguments $# $*"
            echo "name $0"
            echo "directory $(pwd)"
            echo "umask $(umask)"
            echo "core $(ulimit -c)"
            read -r pid name state parent group session rest < /proc/$$/stat
            [ "$pid $pid" = "$group $session" ] && echo "own session and group"
            [ "$parent" = "{parent}" ] && echo "our child"
            grep NoNewPrivs /proc/self/status
            ignored=$(sed -n 's/^SigIgn:[[:space:]]*/0x/p' /proc/self/status)
            echo "ignores SIGPIPE $((ignored >> 12 & 1))"
            grep SigBlk /proc/self/status
            ls /proc/self/fd | tr '\n' ' '
        }} > found
        {RESPONSE}
        "#,
        parent = std::process::id(),
    ));
    let expected = format!(
        "LANG=C.UTF-8\nOPENC2_ACTUATOR=probe\nOPENC2_MODE=oneshot\nOPENC2_SITE=north\n\
         PATH=/usr/bin:/bin\n\
         arguments 2 -v a b\nname {program}\ndirectory {directory}\numask 0077\ncore 0\n\
         own session and group\nour child\nNoNewPrivs:\t1\nignores SIGPIPE 0\n\
         SigBlk:\t0000000000000000\n0 1 2 3 ",
        program = fixture.path("program").display(),
        directory = fixture.dir.path().display(),
    );
    let mut config = fixture.config();
    config.command.extend(["-v", "a b"].map(str::to_owned));
    config.env.insert("OPENC2_SITE".to_owned(), "north".to_owned());
    let exec = exec(config);

    for payload in PAYLOADS {
        let command = json!({
            "action": "set",
            "target": {format!("x-probe:{payload}"): payload},
            "args": {"x-probe": {payload: payload}},
        });
        let mut request = request(7, command);
        request.source.producer = payload.to_owned();
        request.source.request_id = payload.to_owned();
        let answer = exec.carry_out(request.clone(), unheard()).await;
        assert_eq!(told(answer), (200, String::new()), "{payload:?}");

        assert_eq!(fixture.read("found"), expected, "{payload:?}");
        let got = fixture.read("got").into_bytes();
        assert_eq!(got, request.line(AT_ONCE), "{payload:?}");
        assert_eq!(got.iter().position(|&byte| byte == b'\n'), Some(got.len() - 1), "{payload:?}");
        assert!(!fixture.path("pwned").exists(), "{payload:?}");
    }
}

#[tokio::test]
async fn resource_limits_are_set() {
    let fixture = Fixture::new(&format!(
        r#"echo "$(ulimit -t) $(ulimit -v) $(ulimit -n) $(ulimit -f)" > found; {RESPONSE}"#
    ));
    let mut config = fixture.config();
    config.limits.cpu = Some(Duration::from_millis(4500));
    config.limits.memory_bytes = Some((256 << 20).try_into().unwrap());
    config.limits.open_files = Some(32.try_into().unwrap());
    config.limits.file_bytes = Some((1 << 20).try_into().unwrap());
    assert_eq!(ask_7(&exec(config)).await, (200, String::new()));
    // Seconds, KiB, files, blocks of 512 bytes.
    assert_eq!(fixture.read("found"), "5 262144 32 2048\n");
}

#[tokio::test]
async fn a_program_without_a_directory_gets_a_private_one_that_goes_with_it() {
    let fixture = Fixture::new("");
    let (program, found) = (fixture.path("program"), fixture.path("found"));
    let look = format!("{{ pwd; stat -c %a .; }} >> {}; echo > litter", found.display());
    write_program(&program, &format!("#!/bin/sh\n{look}; {RESPONSE}"));
    let exec = exec(ExecConfig { work_dir: None, ..fixture.config() });
    for _ in 0..2 {
        assert_eq!(ask_7(&exec).await, (200, String::new()));
    }
    let found = fixture.read("found");
    let found: Vec<&str> = found.lines().collect();
    let directory = found[0];
    assert_eq!(found, [directory, "700", directory, "700"]);
    assert!(Path::new(directory).join("litter").exists());
    drop(exec);
    assert!(!Path::new(directory).exists());
}

#[tokio::test]
async fn a_program_runs_as_whom_it_is_told_to() {
    if !geteuid().is_root() {
        eprintln!("left out: only root can become somebody else");
        return;
    }
    let fixture = Fixture::new("");
    fs::set_permissions(fixture.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let who = "$(id -u) $(id -g) $(id -G) $(stat -c %u .)";
    let can = r"$(grep CapEff /proc/self/status | tr -d '\t')";
    let says =
        format!(r#"echo "{{\"type\":\"progress\",\"id\":\"7\",\"status_text\":\"{who} {can}\"}}""#);
    write_program(&fixture.path("program"), &format!("#!/bin/sh\n{says}\n{RESPONSE}"));
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let config = ExecConfig {
        work_dir: None,
        allow_root: false,
        run_as: Some(RunAs { user: "nobody".to_owned(), group: None }),
        ..fixture.config()
    };

    let (reports, mut heard) = mpsc::channel(1);
    let progress = Progress { reports, ..unheard() };
    let answer = exec(config).carry_out(request(7, json!({})), progress).await;

    assert_eq!(told(answer), (200, String::new()));
    let (user, group) = (nobody.uid, nobody.gid);
    let text = format!("{user} {group} {group} {user} CapEff:0000000000000000");
    assert_eq!(heard.recv().await, Some(Report::Progress { ticket: Ticket(7), text }));
}

#[tokio::test]
async fn a_program_outlives_the_thread_that_asked_for_it() {
    let fixture = Fixture::new("read -r line; echo \"$line\"");
    let exec = fixture.exec();
    let runtime = tokio::runtime::Handle::current();
    let start = move || runtime.block_on(exec.setting.launch.start()).unwrap();
    let (_process, Streams { mut stdin, stdout, .. }) =
        tokio::task::spawn_blocking(|| std::thread::spawn(start).join().unwrap()).await.unwrap();

    stdin.write_all(b"still there\n").await.unwrap();
    let line = Lines::new(stdout, 100).next().await.unwrap();
    assert_eq!(line.as_deref(), Some(&b"still there"[..]));
}

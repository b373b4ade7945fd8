//! One process for all commands.

use tokio::join;

use super::*;
use crate::actuator::Perform;
use crate::actuator::exec::Mode;

/// Says that it is ready and then does for each line what `cases` says, in
/// the syntax of `case`: `$line` is the line, `$id` the id in it. Leaves
/// what it was told in `told`.
fn program(cases: &str) -> String {
    format!(
        r#"
        answer() {{
            echo "{{\"type\":\"response\",\"id\":\"$1\",\"response\":{{\"status\":200}}}}"
        }}
        read -r hello
        echo "$hello" >> told
        echo '{{"type":"ready","v":1,"pairs":{{}},"profiles":["x-probe"]}}'
        while read -r line; do
            echo "$line" >> told
            id=${{line#*'"id":"'}}
            id=${{id%%'"'*}}
            case $line in
                {cases}
                *'"type":"ping"'*) echo '{{"type":"pong"}}';;
                *'"type":"command"'*) answer "$id";;
            esac
        done
        "#
    )
}

fn stream(fixture: &Fixture) -> ExecConfig {
    ExecConfig { mode: Mode::Stream, ..fixture.config() }
}

/// Has a command carried out of which only the action matters.
async fn act(exec: &Exec, id: u64, action: &str) -> (u64, String) {
    ask(exec, id, json!({"action": action})).await
}

#[tokio::test]
async fn one_process_takes_all_commands_and_ends_with_the_actuator() {
    let fixture = Fixture::new(&program(""));
    let mut config = stream(&fixture);
    config.config.insert("level".to_owned(), json!(3));
    let exec = exec(config);
    for id in 1..=20 {
        assert_eq!(act(&exec, id, "set").await, (200, String::new()));
    }
    exec.close().await;
    fixture.assert_nothing_left("closed").await;
    assert_eq!(fixture.starts(), 1);
    let told = fixture.read("told");
    let hello = r#"{"v":1,"type":"hello","actuator":"probe","config":{"level":3}}"#;
    assert_eq!(told.lines().next(), Some(hello));
    assert_eq!(told.lines().count(), 21);
    assert_eq!(act(&exec, 21, "set").await.0, 503, "it is closed");
}

#[tokio::test]
async fn commands_are_told_apart_by_their_ids() {
    let fixture =
        Fixture::new(&program(r#"*first*) kept=$id;; *second*) answer "$id"; answer "$kept";;"#));
    let exec = exec(stream(&fixture));
    let (first, second) = join!(act(&exec, 1, "first"), act(&exec, 2, "second"));
    assert_eq!((first.0, second.0), (200, 200));
    assert_eq!(fixture.starts(), 1);
}

#[tokio::test]
async fn a_crash_leaves_its_commands_in_doubt_and_the_program_is_started_again() {
    let fixture = Fixture::new(&program(r#"*kept*) ;; *crash*) echo "no disk" >&2; exit 3;;"#));
    let exec = exec(stream(&fixture));
    let (kept, crash) = join!(act(&exec, 1, "kept"), act(&exec, 2, "crash"));
    for (status, text) in [kept, crash] {
        assert_eq!(status, 500, "{text}");
        assert!(text.contains("ended (exit code 3) before it answered"), "{text}");
        assert!(text.contains("the outcome is unknown"), "{text}");
    }
    assert_eq!(act(&exec, 3, "set").await, (200, String::new()));
    assert_eq!(fixture.starts(), 2);
    let told = fixture.read("told");
    assert_eq!(told.matches("crash").count(), 1, "never sent again: {told}");
    exec.close().await;
    fixture.assert_nothing_left("crashed").await;
}

#[tokio::test]
async fn a_response_before_a_crash_counts() {
    let fixture = Fixture::new(&program(r#"*last*) answer "$id"; exit 1;;"#));
    let exec = exec(stream(&fixture));
    for starts in 1..=5 {
        assert_eq!(act(&exec, 1, "last").await, (200, String::new()));
        eventually("it is up again", || fixture.starts() > starts).await;
    }
}

#[tokio::test]
async fn whatever_a_program_says_wrongly_ends_it_and_its_commands() {
    let two_lines = r"echo '{' '}'";
    let twice = r#"answer "$id"; answer "$id""#;
    let cases = [
        ("echo OK", "no message"),
        (two_lines, "no message"),
        (r"printf '\377\n'", "not UTF-8"),
        (r#"answer "0$id""#, "that it does not have"),
        (r#"echo '{"type":"ready","v":1}'"#, "out of turn"),
        ("exec >&-; sleep 60", "closed its standard input or output"),
        ("exec <&-; kill -KILL $$", "killed by SIGKILL"),
        ("yes >&2", "in a minute to standard error"),
        ("tr '\\0' x < /dev/zero", "more than 1000 bytes in a line"),
        ("sleep 60 & exit 1", "exit code 1"),
    ];
    for (script, text) in cases {
        let fixture = Fixture::new(&program(&format!("*wrong*) {script};;")));
        let exec = exec(with_small_limits(stream(&fixture)));
        let (status, said) = act(&exec, 1, "wrong").await;
        assert_eq!(status, 500, "{script}");
        assert!(said.contains(text), "{script}: {said}");
        assert_eq!(act(&exec, 2, "set").await, (200, String::new()), "{script}");
        exec.close().await;
        fixture.assert_nothing_left(script).await;
    }
    let fixture = Fixture::new(&program(&format!("*twice*) {twice};; *kept*) ;;")));
    let exec = exec(stream(&fixture));
    let (kept, first) = join!(act(&exec, 1, "kept"), act(&exec, 2, "twice"));
    assert_eq!(first, (200, String::new()));
    assert!(kept.1.contains("that it does not have"), "{kept:?}");
}

#[tokio::test]
async fn commands_wait_for_a_program_that_is_slow_to_be_ready() {
    let fixture = Fixture::new(&format!("sleep 0.2; {}", program("")));
    let exec = exec(stream(&fixture));
    let (first, second) = join!(act(&exec, 1, "set"), act(&exec, 2, "set"));
    assert_eq!((first.0, second.0), (200, 200));
    assert_eq!(fixture.starts(), 1);
}

#[tokio::test]
async fn commands_wait_no_longer_than_they_may() {
    let fixture = Fixture::new("sleep 60");
    let mut config = stream(&fixture);
    config.timeout = Duration::from_millis(100);
    let exec = exec(config);
    let (status, text) = act(&exec, 1, "set").await;
    assert_eq!(status, 503);
    assert!(text.contains("not begun"), "{text}");
    exec.close().await;
    fixture.assert_nothing_left("never ready").await;
}

#[tokio::test]
async fn five_failures_in_a_row_open_the_circuit_and_a_success_closes_it() {
    let failures = [
        "exit 1",
        "sleep 60",
        "echo hello; sleep 60",
        r#"echo '{"type":"ready","v":2}'; sleep 60"#,
        r#"echo '{"type":"pong"}'; sleep 60"#,
    ];
    for failure in failures {
        let fixture = Fixture::new(&format!("[ -e mended ] || {{ {failure}; }}; {}", program("")));
        let mut config = stream(&fixture);
        config.timeout = Duration::from_secs(20);
        let patience = Patience { ready_within: Duration::from_millis(100), ..IMPATIENT };
        let exec = Exec::with_patience("probe", config, patience).unwrap();

        let (status, text) = act(&exec, 1, "set").await;
        assert_eq!(status, 503, "{failure}: {text}");
        assert!(text.contains("has failed 5 times in a row"), "{failure}: {text}");
        assert!(fixture.starts() >= 5, "{failure}");
        assert_eq!(fixture.read("told"), "", "{failure}: nothing was begun");

        fs::write(fixture.path("mended"), "").unwrap();
        let mut id = 1;
        let deadline = Instant::now() + AT_ONCE;
        loop {
            id += 1;
            match act(&exec, id, "set").await.0 {
                200 => break,
                status => assert_eq!(status, 503, "{failure}"),
            }
            assert!(Instant::now() < deadline, "{failure}: it is mended");
            tokio::task::yield_now().await;
        }
        exec.close().await;
        fixture.assert_nothing_left(failure).await;
    }
}

#[tokio::test]
async fn a_program_that_crashes_on_every_command_opens_the_circuit_too() {
    let fixture = Fixture::new(&program("*crash*) exit 1;;"));
    let exec = exec(stream(&fixture));
    for id in 1..=5 {
        assert_eq!(act(&exec, id, "crash").await.0, 500);
    }
    let (status, text) = act(&exec, 6, "crash").await;
    // It is tried again from time to time, and may just have come up.
    assert!(status == 503 || status == 500 && text.contains("exit code 1"), "{status} {text}");
}

#[tokio::test]
async fn an_idle_program_is_pinged() {
    let quick = Patience { ping_after: Duration::from_millis(20), ..IMPATIENT };
    let fixture = Fixture::new(&program(""));
    let exec = Exec::with_patience("probe", stream(&fixture), quick).unwrap();
    exec.start();
    eventually("three pings", || fixture.read("told").matches("ping").count() >= 3).await;
    assert_eq!(fixture.starts(), 1);
    assert_eq!(act(&exec, 1, "set").await, (200, String::new()));
    exec.close().await;
    fixture.assert_nothing_left("pinged").await;

    let deaf = Fixture::new(&program("*ping*) ;;"));
    let exec = Exec::with_patience("probe", stream(&deaf), quick).unwrap();
    exec.start();
    eventually("another start", || deaf.starts() >= 2).await;
    exec.close().await;
    deaf.assert_nothing_left("deaf").await;
}

#[tokio::test]
async fn a_command_out_of_time_is_cancelled_and_the_program_goes_on() {
    let fixture = Fixture::new(&program(r#"*cancel*) answer "$id";; *slow*) ;;"#));
    let mut config = stream(&fixture);
    config.timeout = Duration::from_millis(200);
    let exec = exec(config);
    let (status, text) = act(&exec, 1, "slow").await;
    assert_eq!(status, 500);
    assert!(text.contains("timeout") && text.contains("outcome is unknown"), "{text}");
    assert!(fixture.read("told").contains(r#"{"v":1,"type":"cancel","id":"1"}"#));
    assert_eq!(act(&exec, 2, "set").await, (200, String::new()));
    assert_eq!(fixture.starts(), 1);
}

#[tokio::test]
async fn a_program_that_ignores_a_cancel_is_killed() {
    let chatty = r#"while :; do echo '{"type":"progress","id":"1","status_text":"x"}'; done"#;
    let cases = [
        "*cancel*) trap '' TERM; sleep 60;; *slow*) ;;".to_owned(),
        "*slow*) sleep 60;;".to_owned(),
        format!("*slow*) {chatty};;"),
    ];
    for cases in cases {
        let fixture = Fixture::new(&program(&cases));
        let mut config = stream(&fixture);
        config.timeout = Duration::from_millis(200);
        let exec = exec(config);
        let (status, text) = act(&exec, 1, "slow").await;
        assert_eq!(status, 500, "{cases}: {text}");
        assert!(text.contains("timeout") && text.contains("outcome is unknown"), "{cases}: {text}");
        eventually("another start", || fixture.starts() == 2).await;
        exec.close().await;
        fixture.assert_nothing_left(&cases).await;
    }
}

/// Has a command carried out that its producer cancels once this file is there.
async fn act_and_cancel(exec: &Exec, fixture: &Fixture, begun: &str) -> (u64, String) {
    let unwanted = CancellationToken::new();
    let progress = Progress { cancelled: unwanted.clone(), ..unheard() };
    let cancel = async {
        eventually(begun, || fixture.path(begun).exists()).await;
        unwanted.cancel();
    };
    let command = request(1, json!({"action": "slow"}));
    told(join!(exec.carry_out(command, progress), cancel).0)
}

#[tokio::test]
async fn what_a_program_says_to_the_cancel_of_a_producer_is_its_answer() {
    let fixture = Fixture::new(&program(r#"*cancel*) answer "$id";; *slow*) echo > begun;;"#));
    let exec = exec(stream(&fixture));
    assert_eq!(act_and_cancel(&exec, &fixture, "begun").await, (200, String::new()));
    assert!(fixture.read("told").contains(r#"{"v":1,"type":"cancel","id":"1"}"#));
    assert_eq!(act(&exec, 2, "set").await, (200, String::new()));
    assert_eq!(fixture.starts(), 1);
}

#[tokio::test]
async fn a_program_that_ignores_the_cancel_of_a_producer_is_ended() {
    let fixture =
        Fixture::new(&program("*cancel*) trap '' TERM; sleep 60;; *slow*) echo > begun;;"));
    let exec = exec(stream(&fixture));
    let (status, text) = act_and_cancel(&exec, &fixture, "begun").await;
    assert_eq!(status, 500);
    assert!(text.starts_with("cancelled by its producer"), "{text}");
    eventually("another start", || fixture.starts() == 2).await;
    exec.close().await;
    fixture.assert_nothing_left("cancelled").await;
}

#[tokio::test]
async fn a_command_that_is_cancelled_before_the_program_is_ready_is_not_handed_over() {
    let fixture = Fixture::new("echo > begun; read -r hello; exec sleep 60");
    let exec = exec(stream(&fixture));
    let (status, text) = act_and_cancel(&exec, &fixture, "begun").await;
    assert_eq!(status, 500);
    assert!(text.contains("nothing was begun"), "{text}");
}

#[tokio::test]
async fn closing_answers_for_what_is_in_flight() {
    let fixture = Fixture::new(&program("*slow*) trap '' TERM; echo > begun;;"));
    let exec = exec(stream(&fixture));
    let close = async {
        eventually("it has begun", || fixture.path("begun").exists()).await;
        exec.close().await;
    };
    let ((status, text), ()) = join!(act(&exec, 1, "slow"), close);
    assert_eq!(status, 500);
    assert!(text.contains("the outcome is unknown"), "{text}");
    fixture.assert_nothing_left("closed in flight").await;
}

#[tokio::test]
async fn an_actuator_that_is_dropped_takes_its_program_with_it() {
    let fixture = Fixture::new(&program(""));
    let exec = exec(stream(&fixture));
    assert_eq!(act(&exec, 1, "set").await, (200, String::new()));
    drop(exec);
    fixture.assert_nothing_left("dropped").await;
}

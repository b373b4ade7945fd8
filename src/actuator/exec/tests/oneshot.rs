//! A process for each command: the table of faults.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn whatever_a_program_does_becomes_a_status_and_nothing_is_left_of_it() {
    let not_utf8 = r"printf '\377\n'";
    let half = r#"printf '{"type":"response","id":"7","resp'"#;
    let whole = r#"printf '{"type":"response","id":"7","response":{"status":200}}'"#;
    let other = r#"echo '{"type":"response","id":"8","response":{"status":200}}'"#;
    let progress = r#"echo '{"type":"progress","id":"7","status_text":"half"}'"#;
    let flood = r#"while :; do echo '{"type":"progress","id":"7","status_text":"x"}'; done"#;
    let long = r#"printf '{"type":"response","id":"7","response":"%02000d"}\n' 0"#;
    let long_progress = r#"printf '{"type":"progress","id":"7","status_text":"%0600d"}\n' 0"#;
    let hidden = "setsid sh -c 'echo > held; exec sleep 1' & while [ ! -e held ]; do :; done";

    #[rustfmt::skip]
    let cases = [
        // what it does                       script                              status  and says
        ("answers",                           format!("read -r l; {RESPONSE}"),     200, ""),
        ("answers without reading",           RESPONSE.to_owned(),                  200, ""),
        ("closes its input and answers",      format!("exec <&-; {RESPONSE}"),      200, ""),
        ("answers without a line feed",       whole.to_owned(),                     200, ""),
        ("says how far it is and answers",    format!("{progress}; {RESPONSE}"),    200, ""),
        ("talks on standard error",           format!("echo hm >&2; {RESPONSE}"),   200, ""),
        ("leaves a child that holds stdout",  format!("sleep 60 & {RESPONSE}"),     200, ""),
        ("hides one in another session",      format!("{hidden}; {RESPONSE}"),      200, ""),
        ("hides one, and no line feed",       format!("{hidden}; {whole}"),         200, ""),

        ("sleeps past its deadline",          "sleep 60".to_owned(),                500, "timeout: no response within 700ms; the outcome is unknown"),
        ("answers and sleeps",                format!("{RESPONSE}; sleep 60"),      500, "the outcome is unknown"),
        ("ignores TERM",                      "trap '' TERM; sleep 60".to_owned(),  500, "the outcome is unknown"),
        ("closes its output and sleeps",      "exec >&-; sleep 60".to_owned(),      500, "the outcome is unknown"),
        ("floods with progress",              flood.to_owned(),                     500, "the outcome is unknown"),

        ("exits with 64",                     "exit 64".to_owned(),                 400, "exit code 64"),
        ("exits with 69",                     "exit 69".to_owned(),                 503, "exit code 69"),
        ("exits with 78",                     "exit 78".to_owned(),                 501, "exit code 78"),
        ("exits with 78 after progress",      format!("{progress}; exit 78"),       501, "exit code 78"),
        ("exits with 1",                      "exit 1".to_owned(),                  500, "exit code 1"),
        ("exits with 64 after an answer",     format!("{RESPONSE}; exit 64"),       500, "answered and then failed (exit code 64)"),
        ("exits with 1 after an answer",      format!("{RESPONSE}; exit 1"),        500, "answered and then failed (exit code 1)"),
        ("crashes",                           "kill -SEGV $$".to_owned(),           500, "killed by SIGSEGV"),
        ("exits without an answer",           "exit 0".to_owned(),                  500, "without a response"),

        ("answers half a line",               half.to_owned(),                      500, "no message"),
        ("answers what is not UTF-8",         not_utf8.to_owned(),                  500, "not UTF-8"),
        ("answers what is not JSON",          "echo OK".to_owned(),                 500, "no message"),
        ("prints an empty line",              format!("echo; {RESPONSE}"),          500, "no message"),
        ("answers twice",                     format!("{RESPONSE}; {RESPONSE}"),    500, "answered twice"),
        ("answers another command",           other.to_owned(),                     500, "that it does not have"),
        ("says it is ready",                  r#"echo '{"type":"ready","v":1}'"#.to_owned(), 500, "out of turn"),

        ("answers more than it may",          long.to_owned(),                      500, "more than 1000 bytes"),
        ("says more than it may",             long_progress.to_owned(),             500, "more than 500 bytes in a line of progress"),
        ("floods standard output",            "tr '\\0' x < /dev/zero".to_owned(),  500, "more than 1000 bytes in a line"),
        ("floods it with lines",              "yes".to_owned(),                     500, "no message"),
        ("floods standard error",             "yes >&2".to_owned(),                 500, "more than 4096 bytes in a minute to standard error"),
    ];
    let mut running = JoinSet::new();
    for (story, script, status, text) in cases {
        running.spawn(async move {
            let fixture = Fixture::new(&script);
            let mut config = with_small_limits(fixture.config());
            if text.contains("unknown") {
                config.timeout = Duration::from_millis(700);
            }

            let (answered, said) = ask_7(&exec(config)).await;

            assert_eq!(answered, status, "a program that {story}: {said}");
            assert!(said.contains(text), "a program that {story}: {said}");
            fixture.assert_nothing_left(story).await;
        });
    }
    running.join_all().await;
}

#[tokio::test]
async fn a_command_larger_than_a_pipe_may_be_left_unread() {
    let fixture = Fixture::new(RESPONSE);
    let command = json!({"action": "set", "target": {"x-probe:text": "x".repeat(1 << 20)}});
    assert_eq!(ask(&fixture.exec(), 7, command).await, (200, String::new()));
}

#[tokio::test]
async fn a_program_may_answer_while_it_still_reads() {
    let fixture = Fixture::new(&format!("{RESPONSE}; cat > got"));
    let request = request(7, json!({"text": "x".repeat(1 << 20)}));
    let exec = fixture.exec();
    assert_eq!(told(exec.carry_out(request.clone(), unheard()).await).0, 200);
    assert_eq!(fixture.read("got").into_bytes(), request.line(AT_ONCE));
}

#[tokio::test]
async fn at_its_deadline_a_program_is_asked_before_it_is_killed() {
    let fixture = Fixture::new("trap 'echo yes > asked; exit 0' TERM; sleep 60 & wait");
    let mut config = fixture.config();
    config.timeout = Duration::from_millis(300);
    assert_eq!(ask_7(&exec(config)).await.0, 500);
    assert_eq!(fixture.read("asked"), "yes\n");
    fixture.assert_nothing_left("asked to end").await;
}

#[tokio::test]
async fn progress_is_passed_on() {
    let fixture = Fixture::new(&format!(
        r#"echo '{{"type":"progress","id":"7","status_text":"40 %"}}'; {RESPONSE}"#
    ));
    let (reports, mut heard) = mpsc::channel(8);
    let progress = Progress { reports, ..unheard() };
    let answer = fixture.exec().carry_out(request(7, json!({})), progress).await;
    assert_eq!(told(answer).0, 200);
    let said = Report::Progress { ticket: Ticket(7), text: "40 %".to_owned() };
    assert_eq!(heard.recv().await, Some(said));
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn an_aborted_command_takes_its_processes_with_it() {
    let fixture = Fixture::new("sleep 60 & echo > begun; sleep 60");
    let exec = fixture.exec();
    tokio::select! {
        _ = ask_7(&exec) => panic!("it sleeps"),
        () = eventually("it has begun", || fixture.path("begun").exists()) => {}
    }
    fixture.assert_nothing_left("aborted").await;
}

#[tokio::test]
async fn a_program_that_went_away_is_a_status_as_well() {
    let fixture = Fixture::new(RESPONSE);
    let exec = fixture.exec();
    fs::remove_file(fixture.path("program")).unwrap();
    let (status, text) = ask_7(&exec).await;
    assert_eq!(status, 500);
    assert!(text.contains("could not be started: No such file"), "{text}");
}

#[tokio::test]
async fn commands_run_side_by_side_without_mixing_their_answers() {
    let fixture = Fixture::new(
        r#"read -r line; id=${line#*'"id":"'}; id=${id%%'"'*}
        echo "{\"type\":\"response\",\"id\":\"$id\",\"response\":{\"status\":200,\"status_text\":\"$id\"}}""#,
    );
    let exec = Arc::new(fixture.exec());
    let mut running = JoinSet::new();
    for id in 0..8_u64 {
        let exec = Arc::clone(&exec);
        running.spawn(async move {
            let answer = exec.carry_out(request(id, json!({})), unheard()).await.unwrap();
            assert_eq!(answer["status_text"], id.to_string());
        });
    }
    running.join_all().await;
    fixture.assert_nothing_left("side by side").await;
}

//! From a command to a response: what a program answers, judged.

use super::*;
use crate::actuator::Perform;
use crate::actuator::runner::tests::work;
use crate::openc2::{Response, Status};

async fn perform(script: &str) -> Response {
    let fixture = Fixture::new(script);
    fixture.exec().perform(work(7), unheard()).await.response
}

#[tokio::test]
async fn a_response_is_passed_on_only_where_it_is_one() {
    #[rustfmt::skip]
    let cases = [
        // response                                           status  text
        (r#"{"status":200}"#,                                 200, None),
        (r#"{"status":404,"status_text":"no such property"}"#, 404, Some("no such property")),
        (r#"{"status":503}"#,                                 503, None),
        (r#"{"status":102}"#,                                 500, Some("lied: its response says that it goes on")),
        (r#"{"status":299}"#,                                 500, Some("lied: its response is none")),
        (r#"{"status":"200"}"#,                               500, Some("lied: its response is none")),
        (r#"{"results":{}}"#,                                 500, Some("lied: its response is none")),
        (r"{}",                                               500, Some("lied: its response is none")),
        (r"[]",                                               500, Some("lied: its response is none")),
    ];
    for (response, status, text) in cases {
        let line = format!(r#"{{"type":"response","id":"7","response":{response}}}"#);
        let answer = perform(&format!("echo '{line}'")).await;
        assert_eq!(answer.status.code(), status, "{response}");
        let said = answer.status_text.as_deref().unwrap_or_default();
        assert!(said.contains(text.unwrap_or_default()), "{response}: {said}");
        assert_eq!(said.is_empty(), text.is_none(), "{response}: {said}");
    }
}

#[tokio::test]
async fn results_of_a_profile_are_passed_on() {
    let response = r#"{"status":200,"results":{"x-probe":{"load":0.5}}}"#;
    let line = format!(r#"{{"type":"response","id":"7","response":{response}}}"#);
    let answer = perform(&format!("echo '{line}'")).await;
    assert_eq!(answer.status, Status::Ok);
    let results = answer.results.unwrap();
    assert_eq!(results.extensions["x-probe"], json!({"load": 0.5}));
}

#[tokio::test]
async fn the_program_reads_the_command_as_it_stands_in_a_message() {
    let fixture = Fixture::new(&format!("cat > got; {RESPONSE}"));
    fixture.exec().perform(work(7), unheard()).await;
    let expected = r#"{"v":1,"type":"command","id":"7","deadline_ms":5000,"source":{"producer":"soc-1","topic":"all","consumer":"gateway-1","request_id":"7","command_id":"7"},"command":{"action":"query","target":{"properties":["load"]}}}"#;
    assert_eq!(fixture.read("got"), format!("{expected}\n"));
}

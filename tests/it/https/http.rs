//! The HTTP around a message: what is asked of it, and what is said where it is wrong.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::{OPENC2, assert_openc2, port, topics};
use crate::support::curl::{self, Reply, has_curl};
use crate::support::probe;
use crate::support::scene::{Scene, letter, query_features};

/// The testing target: plain HTTP on this machine.
async fn testing(test: &str, further: &str) -> Option<Scene> {
    if !has_curl(test) {
        return None;
    }
    let settings = format!("{further}\n[https]\nlisten = \"127.0.0.1:0\"\ntesting = true\n");
    let mut scene = Scene::prepare(test, "gateway-1", &settings, &topics()).await?;
    let _nobody_waits = probe::install(&scene);
    scene.bridge.run();
    Some(scene)
}

fn url(scene: &Scene, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", port(scene))
}

fn assert_problem(reply: &Reply, status: u16, case: &str) {
    assert_eq!(reply.status, status, "{case}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{case}");
    assert_eq!(reply.json()["status"], status, "{case}: {reply:?}");
    assert!(reply.json()["detail"].as_str().is_some_and(|it| !it.is_empty()), "{case}: {reply:?}");
}

/// HTTPS-3.2.1-1, HTTPS-3.2.1-3, HTTPS-3.2.2-1, HTTPS-3.4-1: a POST to the one path is
/// answered, with Date and Cache-Control; any other method gets 405 with Allow.
#[tokio::test]
async fn commands_are_posted_to_the_well_known_path_and_to_no_other() {
    let test = "commands_are_posted_to_the_well_known_path_and_to_no_other";
    let Some(scene) = testing(test, "").await else { return };
    let message = letter("r-1", &query_features(&json!([])));
    let body = message.to_string();
    let content_type = format!("Content-Type: {OPENC2}");
    let path = "/.well-known/openc2";
    let post = |path: &str| {
        curl::begin(["-H", &content_type, "--data-binary", &body, &url(&scene, path)]).reply()
    };

    let reply = post(path);
    assert_openc2(&reply, "r-1");
    assert_eq!((reply.version.as_str(), reply.status), ("HTTP/1.1", 200));
    let date = reply.header("date").expect("a date");
    // IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT.
    assert!(date.len() == 29 && date.ends_with(" GMT") && &date[3..5] == ", ", "{date}");

    for other in ["/", "/.well-known/openc2/", "/.well-known/OpenC2", "/v1/events"] {
        assert_problem(&post(other), 404, other);
    }
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        let reply = match method {
            "HEAD" => curl::begin(["--head", &url(&scene, path)]).reply(),
            _ => curl::begin(["-X", method, &url(&scene, path)]).reply(),
        };
        assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{method}");
    }
}

/// HTTPS-3.3.1-1: media types are compared as such; another type gets 415.
#[tokio::test]
async fn what_is_wrong_with_the_request_is_a_problem_and_no_response() {
    let test = "what_is_wrong_with_the_request_is_a_problem_and_no_response";
    let Some(scene) = testing(test, "[limits]\nmessage = 1000").await else { return };
    let body = letter("r-1", &query_features(&json!([]))).to_string();
    let long = "x".repeat(1001);
    #[rustfmt::skip]
    let cases: [(&str, &[&str], &str, u16); 17] = [
        // what                       headers                                                        body    status
        ("as the standard has it",    &["Content-Type: application/openc2+json;version=1.0"],        &body,  200),
        ("written in another way",    &["content-type: Application/OpenC2+JSON; Version=\"1.0\""],   &body,  200),
        ("any response will do",      &["Content-Type: application/openc2+json;version=1.0", "Accept: text/html, */*;q=0.1"], &body, 200),
        ("no type",                   &["Content-Type:"],                                            &body,  415),
        ("plain JSON",                &["Content-Type: application/json"],                           &body,  415),
        ("CBOR",                      &["Content-Type: application/openc2+cbor;version=1.0"],        &body,  415),
        ("another version",           &["Content-Type: application/openc2+json;version=2.0"],        &body,  415),
        ("a broken type",             &["Content-Type: application/openc2+json;version=\"1.0"],      &body,  415),
        ("compressed",                &["Content-Type: application/openc2+json;version=1.0", "Content-Encoding: gzip"], &body, 415),
        ("another response",          &["Content-Type: application/openc2+json;version=1.0", "Accept: application/json"], &body, 406),
        ("our response not",          &["Content-Type: application/openc2+json;version=1.0", "Accept: application/openc2+json;q=0, */*"], &body, 406),
        ("too long, and said",        &["Content-Type: application/openc2+json;version=1.0"],        &long,  413),
        ("too long, in chunks",       &["Content-Type: application/openc2+json;version=1.0", "Transfer-Encoding: chunked"], &long, 413),
        ("an id without characters",  &["Content-Type: application/openc2+json;version=1.0", "X-Request-ID;"], &body, 400),
        ("two ids",                   &["Content-Type: application/openc2+json;version=1.0", "X-Request-ID: a", "X-Request-ID: b"], &body, 400),
        ("two types",                 &["Content-Type: application/openc2+json;version=1.0", "Content-Type: text/plain"], &body, 400),
        ("an id of other letters",    &["Content-Type: application/openc2+json;version=1.0", "X-Request-ID: \u{e4}"], &body, 400),
    ];
    for (case, headers, body, status) in cases {
        let mut arguments = vec!["--data-binary", body];
        arguments.extend(headers.iter().flat_map(|header| ["-H", *header]));
        let url = url(&scene, "/.well-known/openc2");
        arguments.push(&url);
        let reply = curl::begin(arguments).reply();
        if status == 200 {
            assert_openc2(&reply, "r-1");
        } else {
            assert_problem(&reply, status, case);
        }
    }
    let https = &scene.bridge.status()["https"];
    assert_eq!((&https["posts"], &https["problems"]), (&json!(3), &json!(14)), "{https}");
}

/// What is too long is refused before its body has come.
#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_not_waited_for() {
    let test = "a_body_that_says_it_is_too_long_is_not_waited_for";
    let Some(scene) = testing(test, "").await else { return };
    let mut stream = TcpStream::connect(("127.0.0.1", port(&scene))).unwrap();
    let head = format!(
        "POST /.well-known/openc2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: {OPENC2}\r\n\
         Content-Length: 1000000000\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 413");
}

/// HTTPS-3.3.3-2: the identifier comes back; X-Request-ID becomes the `request_id` where the
/// command has none.
#[tokio::test]
async fn the_identifier_of_a_command_comes_back_wherever_it_stood() {
    let test = "the_identifier_of_a_command_comes_back_wherever_it_stood";
    let Some(scene) = testing(test, "").await else { return };
    let content_type = format!("Content-Type: {OPENC2}");
    // X-Request-ID, headers.request_id, the response's request_id
    let cases = [
        (Some("x-1"), None, Some("x-1")),
        (None, Some("r-2"), Some("r-2")),
        (Some("x-3"), Some("r-3"), Some("r-3")),
        (None, None, None),
    ];
    for (header, member, returned) in cases {
        let mut message = letter("", &query_features(&json!([])));
        match member {
            Some(member) => message["headers"]["request_id"] = json!(member),
            None => drop(message["headers"].as_object_mut().unwrap().remove("request_id")),
        }
        let body = message.to_string();
        let mut arguments = vec!["-H".to_owned(), content_type.clone()];
        if let Some(header) = header {
            arguments.extend(["-H".to_owned(), format!("X-Request-ID: {header}")]);
        }
        arguments.extend(["--data-binary".to_owned(), body, url(&scene, "/.well-known/openc2")]);
        let reply = curl::begin(arguments).reply();
        assert_eq!(reply.header("x-request-id"), header, "{reply:?}");
        match returned {
            Some(returned) => {
                assert_openc2(&reply, returned);
                assert_eq!(reply.status, 200);
            }
            None => assert_eq!((reply.status, &reply.response()["status"]), (400, &json!(400))),
        }
    }
}

/// HTTPS-3.2.1-2: one message in a body, no more and no less.
#[tokio::test]
async fn a_body_holds_one_message() {
    let test = "a_body_holds_one_message";
    let Some(scene) = testing(test, "").await else { return };
    let one = letter("r-1", &query_features(&json!([]))).to_string();
    for body in ["", &format!("{one}{one}"), &format!("[{one},{one}]")] {
        let content_type = format!("Content-Type: {OPENC2}");
        let url = url(&scene, "/.well-known/openc2");
        let reply = curl::begin([
            "-H",
            &content_type,
            "-H",
            "X-Request-ID: x",
            "--data-binary",
            body,
            &url,
        ])
        .reply();
        assert_openc2(&reply, if body.starts_with('{') { "r-1" } else { "x" });
        assert_eq!(reply.status, 400, "{body}");
    }
}

//! HEAD: the head of an answer, and nothing after it.

use super::Site;
use crate::support::curl;

/// The answer to HEAD has no body in either version of HTTP, on any path, and the length that
/// it would have. (Over HTTP/2 a body there breaks the protocol, and curl gives up.)
#[tokio::test]
async fn the_answer_to_head_is_a_head_alone() {
    let test = "the_answer_to_head_is_a_head_alone";
    let Some(site) = Site::open(test, "").await else { return };
    let none = "/v1/commands/00000000-0000-4000-8000-000000000000";
    #[rustfmt::skip]
    let paths = [
        // path                   status  Allow
        ("/.well-known/openc2",     405,  Some("POST")),
        ("/v1/commands",            405,  Some("GET")),
        (none,                      405,  Some("GET, DELETE")),
        ("/v1/consumers",           405,  Some("GET")),
        ("/v1/openapi.json",        405,  Some("GET")),
        ("/nothing",                404,  None),
    ];
    for (version, spoken) in [("--http2", "HTTP/2"), ("--http1.1", "HTTP/1.1")] {
        for (path, status, allow) in paths {
            let mut arguments = site.as_producer("soar-1");
            arguments.extend([version.to_owned(), "--head".to_owned()]);
            arguments.push(site.url().replace("/.well-known/openc2", path));
            let reply = curl::begin(arguments).reply();
            assert_eq!((reply.version.as_str(), reply.status), (spoken, status), "{path}");
            assert_eq!((reply.header("allow"), reply.body.as_str()), (allow, ""), "{path}");
            let length = reply.header("content-length").expect("a length");
            assert!(length.parse::<u64>().is_ok_and(|bytes| bytes > 0), "{path}: {length}");
        }
        // The connection is as good as before.
        let reply = site.ask("soar-1", "/v1/openapi.json", &[version]);
        assert_eq!((reply.version.as_str(), reply.status), (spoken, 200));
    }
}

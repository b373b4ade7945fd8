//! `/v1/openapi.json`: what the door says it is, held against what it does.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value as Json, json};

use super::route::{Crowd, topics};
use super::{Site, port};
use crate::support::scene::{letter, query_features};
use crate::support::skip;

/// Leaves out the one thing that `OpenAPI` cannot say: a 200 may have a body or none.
const HOOKS: &str = r#"
import schemathesis

@schemathesis.hook
def filter_case(ctx, case):
    try:
        return case.body["body"]["openc2"]["request"]["args"]["response_requested"] != "none"
    except (AttributeError, IndexError, KeyError, TypeError):
        return True
"#;

/// Requests that are made up for each operation.
const EXAMPLES: usize = 25;

/// What they are made of, where `OC2_TEST_SEED` says no other: one and the same, so that a
/// failure is there again.
const SEED: &str = "20";

/// What schemathesis is to know. 501 and 503 are what OpenC2 calls them, and no failures; of
/// what may be posted, the file says only what every consumer would read.
fn settings(site: &Site, port: u16) -> String {
    let path = |name: &str| json!(site.papers.path(name));
    format!(
        r#"
seed = {seed}
color = false
base-url = "https://localhost:{port}"
tls-verify = {ca}
request-cert = {cert}
request-cert-key = {key}
request-timeout = 20.0
continue-on-failure = true
# It would like to know more of what each consumer takes.
warnings = false
hooks = {hooks}

[generation]
# Anybody may add headers of his own.
allow-extra-parameters = false
max-examples = {EXAMPLES}
database = "none"

[phases.stateful]
generation.max-examples = 8

[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx"]
# What is not there may be nobody's, and what was taken back is there for good.
use_after_free.enabled = false
ensure_resource_availability.enabled = false

[[operations]]
include-method = "POST"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "501", "503"]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-method = "DELETE"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "501", "503"]
checks.positive_data_acceptance.enabled = false
"#,
        seed = std::env::var("OC2_TEST_SEED").unwrap_or_else(|_| SEED.to_owned()),
        ca = path("ca.pem"),
        cert = path("soar-1.pem"),
        key = path("soar-1.key"),
        hooks = path("hooks.py"),
    )
}

/// schemathesis, told to try the door by this description.
fn schemathesis(python: &std::ffi::OsStr, site: &Site, description: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(site.papers.path("schemathesis.toml"))
        .arg("run")
        .arg(description)
        .current_dir(site.papers.folder())
        .stdin(Stdio::null());
    command
}

/// The file is read by a foreign reader of `OpenAPI` 3.1, which makes requests up by it, right ones
/// and wrong ones, follows its links, and holds the answers against it. And it finds what is not
/// as the file says.
#[tokio::test]
async fn the_door_is_as_its_description_says() {
    let test = "the_door_is_as_its_description_says";
    let Some(python) = std::env::var_os("OC2_TEST_PYTHON") else {
        skip(test, "OC2_TEST_PYTHON is not set");
        return;
    };
    let routes = topics(&["match = { device = \"fw-*\" }\nwait = \"1s\""]);
    let site = Site::prepare_with(test, "max-wait = \"1h\"\nkeep-for = \"0s\"\n", &routes).await;
    let Some(mut site) = site else { return };
    let mut crowd = Crowd::gather(&site).await;
    site.scene.bridge.run();
    let port = port(&site.scene);
    std::fs::write(site.papers.path("hooks.py"), HOOKS).unwrap();
    std::fs::write(site.papers.path("schemathesis.toml"), settings(&site, port)).unwrap();

    let reply = site.get("soar-1", "/v1/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(site.get("stranger", "/v1/openapi.json").status, 403);
    assert_eq!(site.get("soar-1", "/v1/openapi.json?x=1").status, 400);
    let refused = site.ask("soar-1", "/v1/openapi.json", &["-X", "POST"]);
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET")));

    // Some commands to ask after: of one consumer here, and of several elsewhere.
    let here = letter("r-1", &query_features(&json!(["versions"])));
    assert_eq!(site.post(&here).reply().status, 200);
    let elsewhere = super::route::to(&["fw-1", "fw-2"], "r-2", "x-wall");
    let waiting = site.post(&elsewhere);
    let heard = crowd.each_hears(&["fw-1", "fw-2"]).await;
    crowd.answers(&heard, "fw-1", 200).await;
    crowd.answers(&heard, "fw-2", 500).await;
    assert_eq!(waiting.reply().status, 200);

    let description = site.papers.path("openapi.json");
    std::fs::write(&description, &reply.body).unwrap();
    let tried = schemathesis(&python, &site, &description).output().expect("python runs");
    let said = String::from_utf8_lossy(&tried.stdout);
    assert!(tried.status.success(), "{said}\n{}", String::from_utf8_lossy(&tried.stderr));
    assert!(said.contains("Tested: 7"), "every operation: {said}");

    // A description that is wrong is found out: one that promises what is not there.
    let mut wrong: Json = reply.json();
    wrong["components"]["schemas"]["Consumers"]["required"] = json!(["consumers", "promised"]);
    std::fs::write(&description, wrong.to_string()).unwrap();
    let tried = schemathesis(&python, &site, &description)
        .args(["--include-path", "/v1/consumers", "--phases", "coverage"])
        .output()
        .expect("python runs");
    let said = String::from_utf8_lossy(&tried.stdout);
    assert_eq!(tried.status.code(), Some(1), "{said}");
    assert!(said.contains("promised"), "{said}");
    assert_eq!(site.get("soar-1", "/v1/consumers").status, 200, "the bridge is as well as before");
}

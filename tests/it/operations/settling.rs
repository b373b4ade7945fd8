//! A person finds out what became of a command in doubt, and says so to the running bridge.

use std::time::Duration;

use serde_json::Value as Json;

use crate::support::probe::{act, acts, actuator, install};
use crate::support::scene::{Scene, letter};
use crate::support::soon;

/// Between two looks at what the program has written.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The command in doubt, by its request id.
const ID: &str = "r-1";

#[tokio::test]
async fn what_a_person_says_of_a_command_in_doubt_is_its_second_answer_and_stays() {
    let test = "what_a_person_says_of_a_command_in_doubt_is_its_second_answer_and_stays";
    let consumer = "[[consumer]]\nid = \"gateway-1\"\nactuators = [\"probe\"]\n";
    let topics = format!("{consumer}{}", actuator("probe", "x-probe", ""));
    let Some(mut scene) = Scene::prepare(test, "gateway-1", "", &topics).await else { return };
    let _gate = install(&scene);
    scene.bridge.run();

    let command = letter(ID, &act("hang", "x-probe"));
    scene.send("device/gateway-1", &command).await;
    scene.busy_with(1).await;
    let has_acted = async {
        while acts(&scene, "hang") == 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    };
    soon("its act", has_acted).await;
    assert!(!resolve(&scene, "done", "too early").0, "its actuator is at work");
    scene.bridge.kill();
    scene.bridge.run();
    let answer = scene.answered(ID, 500).await;
    assert!(answer.text().starts_with("in doubt"), "{}", answer.text());
    let listed = journal(&scene, &["list", "--state", "in-doubt"]);
    assert_eq!(listed[0]["request_id"], ID);

    let (is_settled, said) = resolve(&scene, "done", "the valve is closed, I looked");
    assert!(is_settled, "{said}");
    assert_eq!(scene.answered(ID, 200).await.text(), "the valve is closed, I looked");
    assert!(journal(&scene, &["list", "--state", "in-doubt"]).is_empty());
    let kinds: Vec<Json> = journal(&scene, &["show", ID])[0]["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["kind"].clone())
        .collect();
    assert!(kinds.contains(&"resolved".into()), "{kinds:?}");

    let (is_settled, said) = resolve(&scene, "failed", "no, it is open");
    assert!(!is_settled && said.contains("it ended with 200"), "{said}");
    scene.send("device/gateway-1", &command).await;
    assert_eq!(scene.answered(ID, 200).await.text(), "the valve is closed, I looked");
    scene.bridge.kill();
    scene.bridge.run();
    scene.send("device/gateway-1", &command).await;
    scene.answered(ID, 200).await;
    assert_eq!(acts(&scene, "hang"), 1);
}

/// Whether it was taken, and what was said of it.
fn resolve(scene: &Scene, truth: &str, text: &str) -> (bool, String) {
    let output = scene.bridge.oc2(&["journal", "resolve", ID, "--as", truth, "--text", text]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn journal(scene: &Scene, arguments: &[&str]) -> Vec<Json> {
    let output = scene.bridge.oc2(&[&["journal", "--json"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

//! What the standard spells in one way, and its own examples in another.

use serde_json::json;

use super::topics;
use crate::support::probe;
use crate::support::scene::{Scene, letter};

/// L11-3.4-2 and L11-3.1.5-1: hashes are hexadecimal digits in capitals; in lower case they
/// are read, unless `lower-case-hex` says that they are not.
#[tokio::test]
async fn hashes_in_lower_case_are_read_unless_the_setting_refuses_them() {
    let test = "hashes_in_lower_case_are_read_unless_the_setting_refuses_them";
    // What is read is for nobody here, which is another answer than that it is wrong.
    #[rustfmt::skip]
    let settings = [
        // [schemas]                                 in capitals  in lower case
        ("",                                         501,         501),
        ("[schemas]\nlower-case-hex = \"accept\"\n", 501,         501),
        ("[schemas]\nlower-case-hex = \"refuse\"\n", 501,         400),
    ];
    for (bridge_toml, capitals, lower_case) in settings {
        let scene = Scene::prepare(test, "gateway-1", bridge_toml, &topics()).await;
        let Some(mut scene) = scene else { return };
        let _gate = probe::install(&scene);
        scene.bridge.run();
        let md5 = "0313FD399B143FC40CD52A1679018305";
        for (id, digits, status) in
            [("capitals", md5.to_owned(), capitals), ("lower-case", md5.to_lowercase(), lower_case)]
        {
            let command =
                json!({"action": "scan", "target": {"file": {"hashes": {"md5": digits}}}});
            scene.send("device/gateway-1", &letter(id, &command)).await;
            let answer = scene.answered(id, status).await;
            let place = "/body/openc2/request/target/file/hashes/md5";
            let is_explained = answer.text().contains(place);
            assert_eq!(is_explained, status == 400, "{bridge_toml}: {}", answer.text());
        }
        scene.settled().await;
    }
}

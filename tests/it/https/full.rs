//! The journal can take nothing more.

use super::Site;
use crate::support::probe::{act, acts, install};
use crate::support::scene::letter;

/// Largest file of the bridge, in the shell's blocks: the journal's log comes to its end after some
/// commands.
const BLOCKS: u32 = 1000;

/// More commands than could be recorded within that.
const TOO_MANY: usize = 1000;

#[tokio::test]
async fn whoever_posts_to_a_full_journal_is_told_to_come_again_and_is_then_served_once() {
    let test = "whoever_posts_to_a_full_journal_is_told_to_come_again_and_is_then_served_once";
    let Some(mut site) = Site::prepare(test, "").await else { return };
    let _gate = install(&site.scene);
    site.scene.bridge.limit_files(Some(BLOCKS));
    site.scene.bridge.run();

    let mut number = 0;
    let refused = loop {
        assert!(number < TOO_MANY, "{number} commands, and the journal is not full");
        let reply = site.post(&letter(&format!("n{number}"), &act("work", "x-wall"))).reply();
        if reply.status != 200 {
            break reply;
        }
        number += 1;
    };
    assert_eq!(
        (refused.status, refused.header("retry-after").is_some()),
        (503, true),
        "{refused:?}"
    );
    assert!(refused.body.contains("the same request again finds"), "{refused:?}");
    assert_eq!(site.scene.bridge.ended().code(), Some(74));

    site.scene.bridge.limit_files(None);
    site.scene.bridge.run();
    let again = site.post(&letter(&format!("n{number}"), &act("work", "x-wall"))).reply();
    let settled = [200, 500].contains(&again.status);
    assert!(settled, "carried out, or in doubt where it had begun: {again:?}");
    assert!(acts(&site.scene, "work") <= number + 1, "nothing is carried out twice");
}

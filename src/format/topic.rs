//! Levels of MQTT topics.

use super::Flaw;

/// Longest topic level, in bytes. MQTT allows 65,535 for a whole topic name;
/// nobody who means well is near it.
const LEVEL_BYTES: usize = 128;

/// One level of a topic name that messages are published to (MQTT v5.0,
/// section 4.7): an identity that breaks this cannot have a topic of its own.
pub fn topic_level(text: &str) -> Result<(), Flaw> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > LEVEL_BYTES {
        return Err("longer than 128 bytes");
    }
    if text.contains(['/', '+', '#']) {
        return Err("it holds one of / + #");
    }
    if text.contains(|it: char| it.is_control() || ('\u{fdd0}'..='\u{fdef}').contains(&it)) {
        return Err("it holds a control character or a noncharacter");
    }
    if text.chars().any(|it| u32::from(it) & 0xfffe == 0xfffe) {
        return Err("it holds a noncharacter");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::assert_verdicts;

    /// MQTT v5.0, sections 1.5.4 and 4.7.
    #[test]
    fn a_level_is_one_level_and_no_wildcard() {
        let long = "a".repeat(129);
        assert_verdicts(
            topic_level,
            &["a", "Producer1@example.com", "plug 1", "$x", "gerät", &long[1..]],
            &["", "a/b", "+", "#", "a#", "a\0", "a\nb", "\u{85}", "\u{ffff}", "\u{fdd0}", &long],
        );
    }
}

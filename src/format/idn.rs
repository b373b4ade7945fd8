//! Internationalized host names.

#[cfg(feature = "idn")]
use icu_properties::{CodePointMapData, props::GeneralCategory};
#[cfg(feature = "idn")]
use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};

use super::Flaw;
use super::host::hostname;

/// An internationalized host name: labels as A-labels, U-labels or plain
/// letters, digits and hyphens (RFC 5890, section 2.3.2.3).
///
/// The library follows UTS #46, which also reads what IDNA 2008 only lets
/// user interfaces map. So each label must come back from a round trip as it was, and
/// the letters that IDNA 2008 has (RFC 5892, section 3) and the contextual rules for single
/// characters (appendix A) are ours: UTS #46 reads symbols as well.
#[cfg(feature = "idn")]
pub fn idn_hostname(text: &str) -> Result<(), Flaw> {
    let uts46 = Uts46::new();
    let ascii = uts46
        .to_ascii(text.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| "a label is none that IDNA allows, or too long")?;
    hostname(&ascii)?;
    for label in text.split('.') {
        if label.is_ascii() && !label.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("xn--")) {
            continue;
        }
        let (unicode, verdict) =
            uts46.to_unicode(label.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
        if verdict.is_err() || (!label.is_ascii() && unicode != label) {
            return Err("a label is not in the one form that IDNA 2008 allows");
        }
        if !unicode.chars().all(is_permitted) {
            return Err("a character is none that IDNA 2008 allows in names");
        }
        context(&unicode)?;
    }
    Ok(())
}

/// The same without the tables of Unicode (feature `idn`): labels in ASCII alone, and
/// no A-labels, which nobody here could check.
#[cfg(not(feature = "idn"))]
pub fn idn_hostname(text: &str) -> Result<(), Flaw> {
    let is_a_label = |label: &str| label.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("xn--"));
    if !text.is_ascii() || text.split('.').any(is_a_label) {
        return Err("this build cannot check internationalized names");
    }
    hostname(text)
}

/// Whether IDNA 2008 has a character in names: PVALID, or with a contextual rule (RFC 5892, section
/// 3). What is not stable, ignorable or unassigned has been refused: UTS #46 maps it or has it not.
#[cfg(feature = "idn")]
fn is_permitted(it: char) -> bool {
    use GeneralCategory::{
        DecimalNumber, LowercaseLetter, ModifierLetter, NonspacingMark, OtherLetter, SpacingMark,
        UppercaseLetter,
    };
    match it {
        // Exceptions (section 2.6), those of a contextual rule, LDH and JoinControl.
        '-' | '\u{b7}' | '\u{375}' | '\u{5f3}' | '\u{5f4}' | '\u{6fd}' | '\u{6fe}' | '\u{f0b}'
        | '\u{200c}' | '\u{200d}' | '\u{3007}' | '\u{30fb}' => true,
        // Exceptions as well, Old Hangul Jamo (section 2.9), and blocks that are ignored (section 2.4).
        '\u{640}'
        | '\u{7fa}'
        | '\u{302e}'
        | '\u{302f}'
        | '\u{3031}'..='\u{3035}'
        | '\u{303b}'
        | '\u{1100}'..='\u{11ff}'
        | '\u{a960}'..='\u{a97c}'
        | '\u{d7b0}'..='\u{d7fb}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{1d100}'..='\u{1d24f}' => false,
        // LetterDigits (section 2.1).
        other => matches!(
            CodePointMapData::<GeneralCategory>::new().get(other),
            LowercaseLetter
                | UppercaseLetter
                | OtherLetter
                | DecimalNumber
                | ModifierLetter
                | NonspacingMark
                | SpacingMark
        ),
    }
}

/// The rules CONTEXTO of RFC 5892, appendix A.3 to A.9.
#[cfg(feature = "idn")]
fn context(label: &str) -> Result<(), Flaw> {
    const FLAW: Flaw = "a character stands where its script does not allow it";
    let chars: Vec<char> = label.chars().collect();
    let has = |wanted: fn(char) -> bool| chars.iter().copied().any(wanted);
    for (at, &it) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1).copied();
        let is_allowed = match it {
            '\u{b7}' => before == Some('l') && after == Some('l'),
            '\u{375}' => after
                .is_some_and(|it| matches!(it, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}')),
            '\u{5f3}' | '\u{5f4}' => before.is_some_and(|it| matches!(it, '\u{591}'..='\u{5f4}')),
            '\u{30fb}' => has(|it| {
                matches!(it, '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}'
                    | '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3134f}')
            }),
            '\u{660}'..='\u{669}' => !has(|it| matches!(it, '\u{6f0}'..='\u{6f9}')),
            '\u{6f0}'..='\u{6f9}' => !has(|it| matches!(it, '\u{660}'..='\u{669}')),
            _ => true,
        };
        if !is_allowed {
            return Err(FLAW);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::assert_verdicts;
    use super::*;

    #[cfg(feature = "idn")]
    #[test]
    fn an_internationalized_host_name_follows_idna_2008() {
        assert_verdicts(
            idn_hostname,
            &[
                "example.com",
                "b\u{fc}cher.example",
                "xn--bcher-kva.example",
                "EXAMPLE.com",
                "\u{5bf6}\u{5cf6}.jp",
                "l\u{b7}l.cat",
                "\u{375}\u{3b1}.gr",
                "\u{30a2}\u{30fb}\u{30a2}.jp",
                "fa\u{df}.de",
                "\u{3b2}\u{3cc}\u{3bb}\u{3bf}\u{3c2}.gr",
                "\u{3007}.jp",
                "\u{928}\u{940}.in",
                "\u{6fd}\u{627}.pk",
            ],
            &[
                "",
                "a..b",
                "ex_ample.com",
                "-a.com",
                "a\u{b7}l.cat",
                "B\u{fc}cher.example",
                "\u{ff45}xample.com",
                "xn--a.com",
                "1.2.3.4",
                "a\u{200d}b.com",
                "\u{375}a.gr",
                "example.com.",
                "\u{30fb}.jp",
                // Symbols, which UTS #46 reads: a snow man, a heart, and two of their A-labels.
                "\u{2603}.net",
                "\u{1f4a9}.la",
                "\u{2665}.com",
                "xn--n3h.net",
                "xn--ls8h.la",
                "a\u{20dd}.com",
                "\u{1100}.kr",
                "\u{302e}\u{3042}.jp",
            ],
        );
    }

    #[cfg(not(feature = "idn"))]
    #[test]
    fn a_build_without_the_tables_takes_plain_names_alone() {
        assert_verdicts(
            idn_hostname,
            &["example.com", "EXAMPLE.com"],
            &["b\u{fc}cher.example", "xn--bcher-kva.example", "a.XN--bcher-kva", "a..b", "-a.com"],
        );
    }
}

//! Internationalized host names.

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
/// the contextual rules for single characters (RFC 5892, appendix A) are ours.
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

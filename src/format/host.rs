//! Host names: plain and internationalized.

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::Flaw;

/// Longest name, in characters (RFC 1034, section 3.1: 255 octets on the wire).
const NAME_CHARS: usize = 253;
/// Longest label, in characters (RFC 1034, section 3.1).
const LABEL_CHARS: usize = 63;

/// An Internet host name (RFC 1034, section 3.5; RFC 1123, section 2.1).
///
/// A dotted quad is an address, never a name (RFC 1123). There is no dot at
/// the end: the grammar of RFC 1034 has none.
pub fn hostname(text: &str) -> Result<(), Flaw> {
    if text.len() > NAME_CHARS {
        return Err("longer than 253 characters");
    }
    for label in text.split('.') {
        if label.is_empty() {
            return Err("a label is empty");
        }
        if label.len() > LABEL_CHARS {
            return Err("a label is longer than 63 characters");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err("a label holds something else than letters, digits and hyphens");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err("a label begins or ends with a hyphen");
        }
    }
    if text.parse::<std::net::Ipv4Addr>().is_ok() {
        return Err("it is an address, not a name");
    }
    Ok(())
}

/// An internationalized host name: labels as A-labels, U-labels or plain
/// letters, digits and hyphens (RFC 5890, section 2.3.2.3).
///
/// The library follows UTS #46, which also reads what IDNA 2008 only lets
/// user interfaces map. So each label must come back from a round trip as it was, and
/// the contextual rules for single characters (RFC 5892, appendix A) are ours.
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

/// The rules CONTEXTO of RFC 5892, appendix A.3 to A.9.
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

    #[test]
    fn a_host_name_is_labels_of_letters_digits_and_hyphens() {
        let longest_label = "a".repeat(63);
        let longest = [longest_label.as_str(); 4].join(".")[..253].to_owned();
        assert_verdicts(
            hostname,
            &[
                "example.com",
                "EXAMPLE",
                "3com.com",
                "a-b.c",
                "1.2.3",
                "x--y",
                "xn--bcher-kva.example",
                &longest_label,
                &longest,
            ],
            &[
                "",
                ".",
                "a..b",
                "example.com.",
                "-a.com",
                "a-.com",
                "ex_ample.com",
                "a b",
                "1.2.3.4",
                "b\u{fc}cher.example",
                &format!("{longest_label}a"),
                &format!("{longest}a"),
            ],
        );
    }

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
}

//! Plain host names.

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
}

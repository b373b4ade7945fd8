//! Mail addresses: plain and internationalized.

use super::Flaw;
use super::host::hostname;
use super::idn::idn_hostname;

/// Longest address, in octets (RFC 5321, section 4.5.3.1.3, without the angle brackets).
const ADDRESS_BYTES: usize = 254;
/// Longest local part, in octets (RFC 5321, section 4.5.3.1.1).
const LOCAL_BYTES: usize = 64;

/// A mail address: the `addr-spec` of RFC 5322, section 3.4.1.
///
/// Without comments, folding white space and the obsolete forms, which belong
/// to the text of mails and not to an address that travels alone.
pub fn email(text: &str) -> Result<(), Flaw> {
    if !text.is_ascii() {
        return Err("it holds something else than ASCII");
    }
    addr_spec(text, hostname)
}

/// An internationalized mail address (RFC 6531, section 3.3): the same, with
/// other characters than ASCII on both sides.
pub fn idn_email(text: &str) -> Result<(), Flaw> {
    addr_spec(text, idn_hostname)
}

fn addr_spec(text: &str, domain_name: fn(&str) -> Result<(), Flaw>) -> Result<(), Flaw> {
    if text.len() > ADDRESS_BYTES {
        return Err("longer than 254 octets");
    }
    // A domain never holds an `@`, a quoted local part may.
    let (local, domain) = text.rsplit_once('@').ok_or("there is no @ in it")?;
    if local.len() > LOCAL_BYTES {
        return Err("the part before the @ is longer than 64 octets");
    }
    match local.strip_prefix('"') {
        Some(quoted) => quoted_string(quoted)?,
        None => dot_atom(local)?,
    }
    match domain.strip_prefix('[') {
        Some(literal) => domain_literal(literal),
        None => domain_name(domain).map_err(|_| "the part after the @ is no host name"),
    }
}

fn dot_atom(local: &str) -> Result<(), Flaw> {
    for atom in local.split('.') {
        if atom.is_empty() {
            return Err("nothing stands before a dot, after one, or before the @");
        }
        if !atom.chars().all(is_atext) {
            return Err("a character before the @ needs quotation marks");
        }
    }
    Ok(())
}

fn is_atext(it: char) -> bool {
    it.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(it) || is_beyond_ascii(it)
}

/// `UTF8-non-ascii` of RFC 6531, without what nobody can see.
fn is_beyond_ascii(it: char) -> bool {
    !it.is_ascii() && !it.is_control() && !it.is_whitespace()
}

/// What follows the opening quotation mark (RFC 5322, section 3.2.4).
fn quoted_string(rest: &str) -> Result<(), Flaw> {
    let inner = rest.strip_suffix('"').ok_or("a quotation mark is missing before the @")?;
    let mut chars = inner.chars();
    while let Some(it) = chars.next() {
        let is_good = match it {
            '\\' => chars.next().is_some_and(|it| matches!(it, ' '..='~') || is_beyond_ascii(it)),
            '"' => false,
            _ => matches!(it, ' '..='~') || is_beyond_ascii(it),
        };
        if !is_good {
            return Err("a character between the quotation marks needs a backslash");
        }
    }
    Ok(())
}

/// What follows the opening bracket (RFC 5322, section 3.4.1).
fn domain_literal(rest: &str) -> Result<(), Flaw> {
    match rest.strip_suffix(']') {
        Some(inner) if inner.bytes().all(|it| matches!(it, 33..=90 | 94..=126)) => Ok(()),
        _ => Err("the part in brackets after the @ is no domain literal"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_verdicts;
    use super::*;

    #[test]
    fn a_mail_address_is_an_addr_spec() {
        let long = "a".repeat(64);
        assert_verdicts(
            email,
            &[
                "a@example.com",
                "A@X.org",
                "o'neill+tag@example.com",
                "a.b@localhost",
                "\"a b\"@example.com",
                "\"a@b\"@example.com",
                r#""a\"b"@example.com"#,
                "\"\"@x.org",
                "a@[192.0.2.1]",
                "a@[IPv6:2001:db8::1]",
                &format!("{long}@x.org"),
            ],
            &[
                "",
                "a",
                "@x.org",
                "a@",
                "a@b@c",
                ".a@x.org",
                "a.@x.org",
                "a..b@x.org",
                "a b@x.org",
                "Name <a@x.org>",
                "a@x..org",
                "a@-x.org",
                "a@under_score.org",
                "\u{e9}@x.org",
                "\"a@x.org",
                "\"a\"b\"@x.org",
                r#""a\"@x.org"#,
                "a@[192.0.2.1",
                "a@[a b]",
                "(comment)a@x.org",
                &format!("{long}a@x.org"),
            ],
        );
    }

    #[cfg(feature = "idn")]
    #[test]
    fn an_internationalized_mail_address_may_leave_ascii_on_both_sides() {
        assert_verdicts(
            idn_email,
            &["\u{e9}@x.org", "a@b\u{fc}cher.example", "\u{7528}\u{6237}@\u{4f8b}.jp", "a@x.org"],
            &["\u{e9}", "\u{a0}@x.org", "a@B\u{fc}cher.example", "\u{7f}@x.org", "a@x_y.org"],
        );
    }
}

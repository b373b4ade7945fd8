//! Resource identifiers, in their absolute form with a scheme.

use super::Flaw;
use super::address::ipv6_addr;

/// A Uniform Resource Identifier (RFC 3986, section 3). A reference without a
/// scheme is none.
pub fn uri(text: &str) -> Result<(), Flaw> {
    if !text.is_ascii() {
        return Err("it holds something else than ASCII");
    }
    iri(text)
}

/// An Internationalized Resource Identifier (RFC 3987, section 2.2).
pub fn iri(text: &str) -> Result<(), Flaw> {
    let (scheme, rest) = text.split_once(':').ok_or("there is no scheme and colon at its head")?;
    let mut letters = scheme.chars();
    if !letters.next().is_some_and(|it| it.is_ascii_alphabetic())
        || !letters.all(|it| it.is_ascii_alphanumeric() || "+-.".contains(it))
    {
        return Err("there is no scheme and colon at its head");
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match hierarchy.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            authority(host)?;
            path
        }
        None => hierarchy,
    };
    component(path, ":@/")?;
    component(fragment, ":@/?")?;
    // Private characters stand in queries and nowhere else (RFC 3987, section 2.2).
    query.split(is_private).try_for_each(|piece| component(piece, ":@/?"))
}

fn authority(text: &str) -> Result<(), Flaw> {
    let (user, rest) = text.rsplit_once('@').unwrap_or(("", text));
    component(user, ":")?;
    let port = if let Some(rest) = rest.strip_prefix('[') {
        let (literal, port) = rest.split_once(']').ok_or("a bracket is not closed")?;
        ip_literal(literal)?;
        port
    } else {
        let (name, port) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
        component(name, "")?;
        port
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => Ok(()),
        _ => Err("what follows the host is no port"),
    }
}

/// What stands between the brackets (RFC 3986, section 3.2.2).
fn ip_literal(text: &str) -> Result<(), Flaw> {
    const FLAW: Flaw = "what stands in brackets is no IPv6 address";
    let Some(future) = text.strip_prefix(['v', 'V']) else {
        return ipv6_addr(text).map(drop).map_err(|_| FLAW);
    };
    match future.split_once('.') {
        Some((version, rest))
            if !version.is_empty()
                && version.bytes().all(|it| it.is_ascii_hexdigit())
                && !rest.is_empty()
                && rest.is_ascii()
                && !rest.contains('%') =>
        {
            component(rest, ":")
        }
        _ => Err(FLAW),
    }
}

/// `unreserved`, percent-encoded, `sub-delims`, and the characters in `also`.
fn component(text: &str, also: &str) -> Result<(), Flaw> {
    let mut chars = text.chars();
    while let Some(it) = chars.next() {
        let is_good = match it {
            '%' => (0..2).all(|_| chars.next().is_some_and(|it| it.is_ascii_hexdigit())),
            _ if it.is_ascii_alphanumeric() => true,
            _ => "-._~!$&'()*+,;=".contains(it) || also.contains(it) || is_ucschar(it),
        };
        if !is_good {
            return Err("a character may not stand there, or a percent sign lacks its two digits");
        }
    }
    Ok(())
}

/// `ucschar` of RFC 3987, section 2.2.
fn is_ucschar(it: char) -> bool {
    match it {
        '\u{a0}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{ffef}' => true,
        // Planes 1 to 14, each without its last two code points; plane 14 from E1000 on.
        '\u{10000}'..='\u{dffff}' | '\u{e1000}'..='\u{efffd}' => u32::from(it) & 0xffff < 0xfffe,
        _ => false,
    }
}

/// `iprivate` of RFC 3987, section 2.2.
fn is_private(it: char) -> bool {
    matches!(it, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{ffffd}' | '\u{100000}'..='\u{10fffd}')
}

#[cfg(test)]
mod tests {
    use super::super::assert_verdicts;
    use super::*;

    #[test]
    fn a_uri_has_a_scheme_and_only_its_own_characters() {
        assert_verdicts(
            uri,
            &[
                "http://www.example.com",
                "https://u:p@example.com:8443/a/b;c?d=e&f#g",
                "urn:isbn:1",
                "mailto:a@x.org",
                "a:",
                "a:/x",
                "ftp://[2001:db8::1]:21/",
                "http://[v1.fe:1]/",
                "http://1.2.3.4/%7Ea",
                "http://example.com:99999/",
                "http://example.com:/",
                "file:///etc/hosts",
                "x+y-z.1:a",
            ],
            &[
                "",
                "example.com",
                "//a/b",
                "/x",
                "1a:b",
                ":a",
                "http://a b/",
                "http://a/{x}",
                "http://a/%zz",
                "http://a/%4",
                "http://[::1",
                "http://[::1]x/",
                "http://[::1]80/",
                "http://[1.2.3.4]/",
                "http://a:8x/",
                "http://a/#b#c",
                "http://b\u{fc}cher.example/",
                "http://a/\"",
                "http://a\\b/",
                "http://[v.x]/",
                "http://[fe80::1%25eth0]/",
            ],
        );
    }

    #[test]
    fn an_iri_may_hold_other_letters_too() {
        assert_verdicts(
            iri,
            &[
                "http://b\u{fc}cher.example/\u{e9}?\u{fc}#\u{4f8b}",
                "urn:\u{3b1}",
                "http://a/?\u{e000}",
                "http://a/\u{1f600}",
            ],
            &[
                "b\u{fc}cher",
                "\u{e9}:a",
                "http://a/\u{e000}",
                "http://a/\u{7f}",
                "http://a/\u{fffe}",
            ],
        );
    }
}

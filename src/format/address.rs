//! Addresses: IPv4, IPv6, ranges of both, and EUI.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Flaw;

/// An IPv4 address as a dotted quad (RFC 2673, section 3.2).
pub fn ipv4_addr(text: &str) -> Result<Ipv4Addr, Flaw> {
    text.parse().map_err(|_| "not four decimal numbers from 0 to 255, with dots between them")
}

/// An IPv6 address as text (RFC 4291, section 2.2), without a zone.
///
/// Every spelling of RFC 4291 is read; the one spelling of RFC 5952 is what
/// [`Ipv6Addr`] writes.
pub fn ipv6_addr(text: &str) -> Result<Ipv6Addr, Flaw> {
    text.parse().map_err(|_| "not eight groups of hexadecimal digits, or `::` for some of them")
}

/// An IPv4 address range: an address and, where it is not a single host, its
/// prefix length (RFC 4632, section 3.1). Host bits may be set.
pub fn ipv4_net(text: &str) -> Result<(Ipv4Addr, Option<u8>), Flaw> {
    let (addr, prefix) = split_prefix(text, 32)?;
    Ok((ipv4_addr(addr)?, prefix))
}

/// An IPv6 address range: an address and, where it is not a single host, its
/// prefix length (RFC 4291, section 2.3). Host bits may be set.
pub fn ipv6_net(text: &str) -> Result<(Ipv6Addr, Option<u8>), Flaw> {
    let (addr, prefix) = split_prefix(text, 128)?;
    Ok((ipv6_addr(addr)?, prefix))
}

fn split_prefix(text: &str, longest: u8) -> Result<(&str, Option<u8>), Flaw> {
    let Some((addr, digits)) = text.split_once('/') else { return Ok((text, None)) };
    // `parse` alone would take "+8" and "08".
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    match digits.parse() {
        Ok(prefix) if is_plain && prefix <= longest => Ok((addr, Some(prefix))),
        _ => Err("the prefix length is no number from 0 to the bits of the address"),
    }
}

/// An EUI-48 or EUI-64: six or eight octets in hexadecimal, with colons
/// between them, in either case (IEEE guidelines for EUI; Language v1.1, section 3.1.5).
pub fn eui(text: &str) -> Result<(), Flaw> {
    let mut octets = 0;
    for octet in text.split(':') {
        if octet.len() != 2 || !octet.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("an octet is not two hexadecimal digits");
        }
        octets += 1;
    }
    match octets {
        6 | 8 => Ok(()),
        _ => Err("not six octets and not eight"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::assert_verdicts;
    use super::*;

    #[test]
    fn an_ipv4_address_is_a_dotted_quad() {
        assert_verdicts(
            ipv4_addr,
            &["0.0.0.0", "192.168.17.1", "255.255.255.255"],
            &["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", " 1.2.3.4", "1.2.3.4/8", "::1"],
        );
    }

    #[test]
    fn an_ipv4_range_is_an_address_and_perhaps_a_prefix() {
        assert_verdicts(
            ipv4_net,
            &["10.0.0.0/8", "127.0.0.1/8", "1.2.3.4", "0.0.0.0/0", "1.2.3.4/32"],
            &[
                "1.2.3.4/33",
                "1.2.3.4/",
                "1.2.3.4/+8",
                "1.2.3.4/08",
                "1.2.3.4/-1",
                "1.2.3.4/8/8",
                "/8",
            ],
        );
    }

    #[test]
    fn an_ipv6_range_is_an_address_and_perhaps_a_prefix() {
        assert_verdicts(
            ipv6_net,
            &[
                "::",
                "::/0",
                "::1/128",
                "2001:DB8::A/64",
                "::ffff:1.2.3.4",
                "3ffe:1900:4545:3:200:f8ff:fe21:67cf/64",
            ],
            &[
                "",
                "2001::85a3::8a2e:370:7334",
                "::1/129",
                "fe80::1%eth0",
                "1:2:3:4:5:6:7",
                "12345::",
                "::/",
            ],
        );
    }

    /// RFC 5952, section 4: shortest form, lower case, leftmost longest run of zeros.
    #[test]
    fn ipv6_text_is_written_by_rfc_5952() {
        let cases = [
            ("2001:0DB8:0:0:0:0:0:0001", "2001:db8::1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("::ffff:c000:0280", "::ffff:192.0.2.128"),
            ("0:0:0:0:0:0:0:0", "::"),
        ];
        for (read, written) in cases {
            assert_eq!(ipv6_addr(read).unwrap().to_string(), written);
        }
    }

    #[test]
    fn an_eui_has_six_or_eight_octets() {
        assert_verdicts(
            eui,
            &["8c:85:90:72:31:af", "8C:85:90:72:31:AF", "00:11:22:33:44:55:66:77"],
            &[
                "",
                "8c-85-90-72-31-af",
                "8c:85:90:72:31",
                "8c:85:90:72:31:af:00",
                "8c:85:90:72:31:a",
                "8c:85:90:72:31:ag",
                "8c859072:31:af",
            ],
        );
    }
}

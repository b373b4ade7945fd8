//! The semantic constraints that a schema can name.

use crate::format::{self, Flaw};

/// A constraint on text.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextFormat {
    pub name: &'static str,
    pub check: fn(&str) -> Result<(), Flaw>,
}

/// How octets are written as text (JADN v1.0 CS01, section 4.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum OctetForm {
    /// RFC 4648, section 5, without padding.
    Base64Url,
    /// RFC 4648, section 8, and in lower case as well.
    Hex,
    /// RFC 4648, section 8, which has capitals.
    UpperHex,
    /// IEEE EUI-48 or EUI-64.
    Eui,
    Ipv4,
    Ipv6,
    /// Language 1.0 CSD07: either of the two.
    Ip,
}

/// A range of addresses: an Array of the address and the length of its prefix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NetForm {
    Ipv4,
    Ipv6,
}

const TEXT: [TextFormat; 9] = [
    TextFormat { name: "hostname", check: format::hostname },
    TextFormat { name: "idn-hostname", check: format::idn_hostname },
    TextFormat { name: "email", check: format::email },
    TextFormat { name: "idn-email", check: format::idn_email },
    TextFormat { name: "uri", check: format::uri },
    TextFormat { name: "iri", check: format::iri },
    TextFormat { name: "ipv4", check: |text| format::ipv4_addr(text).map(drop) },
    TextFormat { name: "ipv6", check: |text| format::ipv6_addr(text).map(drop) },
    TextFormat { name: "eui", check: format::eui },
];

const NETS: [TextFormat; 2] = [
    TextFormat { name: "ipv4-net", check: |text| format::ipv4_net(text).map(drop) },
    TextFormat { name: "ipv6-net", check: |text| format::ipv6_net(text).map(drop) },
];

impl TextFormat {
    /// The constraint of that name on a String.
    pub fn named(name: &str) -> Option<Self> {
        TEXT.into_iter().chain(NETS).find(|format| format.name == name)
    }
}

impl OctetForm {
    /// The form of that name of a Binary.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "x" | "hex" => Self::Hex,
            "eui" => Self::Eui,
            "ipv4-addr" => Self::Ipv4,
            "ipv6-addr" => Self::Ipv6,
            "ip-addr" => Self::Ip,
            _ => return None,
        })
    }

    /// How many octets a text stands for.
    pub fn octets_of(self, text: &str) -> Result<usize, Flaw> {
        match self {
            Self::Hex => format::hex(text),
            Self::UpperHex => format::upper_hex(text),
            Self::Eui => format::eui(text).map(|()| text.len().div_ceil(3)),
            Self::Ipv4 => format::ipv4_addr(text).map(|_| 4),
            Self::Ipv6 => format::ipv6_addr(text).map(|_| 16),
            // Base64url is what CSD07 says of every Binary (section 3.1.5); people write
            // addresses, which no base64url looks like.
            Self::Ip if text.contains(':') => format::ipv6_addr(text).map(|_| 16),
            Self::Ip if text.contains('.') => format::ipv4_addr(text).map(|_| 4),
            Self::Ip | Self::Base64Url => format::base64url(text),
        }
    }

    /// The octets that a text stands for.
    pub fn octets_in(self, text: &str) -> Result<Vec<u8>, Flaw> {
        match self {
            Self::Base64Url => format::base64url_octets(text),
            Self::Hex | Self::UpperHex => format::hex_octets(text),
            Self::Eui => {
                format::eui(text).and_then(|()| format::hex_octets(&text.replace(':', "")))
            }
            Self::Ipv4 => format::ipv4_addr(text).map(|it| it.octets().to_vec()),
            Self::Ipv6 => format::ipv6_addr(text).map(|it| it.octets().to_vec()),
            Self::Ip if text.contains(':') => Self::Ipv6.octets_in(text),
            Self::Ip => Self::Ipv4.octets_in(text),
        }
    }

    /// The text that stands for octets, in the one spelling that is sent: capitals
    /// for hexadecimal digits, and for IPv6 RFC 5952.
    pub fn text_of(self, octets: &[u8]) -> String {
        let four = <[u8; 4]>::try_from(octets).map(std::net::Ipv4Addr::from);
        let sixteen = <[u8; 16]>::try_from(octets).map(std::net::Ipv6Addr::from);
        match (self, four, sixteen) {
            (Self::Ipv4 | Self::Ip, Ok(addr), _) => addr.to_string(),
            (Self::Ipv6 | Self::Ip, _, Ok(addr)) => addr.to_string(),
            (Self::Hex | Self::UpperHex, ..) => format::to_hex(octets, ""),
            (Self::Eui, ..) => format::to_hex(octets, ":"),
            _ => format::to_base64url(octets),
        }
    }

    /// Whether so many octets can be what the form is for.
    pub fn takes(self, octets: usize) -> Result<(), Flaw> {
        match (self, octets) {
            (Self::Base64Url | Self::Hex | Self::UpperHex, _)
            | (Self::Eui, 6 | 8)
            | (Self::Ipv4 | Self::Ip, 4)
            | (Self::Ipv6 | Self::Ip, 16) => Ok(()),
            (Self::Eui, _) => Err("not six octets and not eight"),
            (Self::Ipv4, _) => Err("not the four octets of an IPv4 address"),
            (Self::Ipv6, _) => Err("not the sixteen octets of an IPv6 address"),
            (Self::Ip, _) => Err("not the octets of an IP address"),
        }
    }
}

impl NetForm {
    /// The form of that name of an Array.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ipv4-net" => Some(Self::Ipv4),
            "ipv6-net" => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// Checks a range that is written as text.
    pub fn check(self, text: &str) -> Result<(), Flaw> {
        match self {
            Self::Ipv4 => format::ipv4_net(text).map(drop),
            Self::Ipv6 => format::ipv6_net(text).map(drop),
        }
    }

    /// The octets of the address, and the length of the prefix where there is one.
    pub fn octets_in(self, text: &str) -> Result<(Vec<u8>, Option<u8>), Flaw> {
        match self {
            Self::Ipv4 => {
                format::ipv4_net(text).map(|(addr, prefix)| (addr.octets().to_vec(), prefix))
            }
            Self::Ipv6 => {
                format::ipv6_net(text).map(|(addr, prefix)| (addr.octets().to_vec(), prefix))
            }
        }
    }

    /// Checks the address of a range that is written as octets and a number.
    pub fn check_octets(self, octets: usize) -> Result<(), Flaw> {
        match self {
            Self::Ipv4 => OctetForm::Ipv4.takes(octets),
            Self::Ipv6 => OctetForm::Ipv6.takes(octets),
        }
    }

    /// Longest prefix, in bits.
    pub fn longest(self) -> i64 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

/// The range of integers that a format names: `i8`, `i16`, `i32`, `i64`, and
/// `u1` to `u64` (JADN v1.0 CS01, section 3.2.1.5).
pub(super) fn integer_range(name: &str) -> Option<(i128, i128)> {
    let (sign, bits) = name.split_at_checked(1)?;
    let is_plain = bits.bytes().all(|byte| byte.is_ascii_digit()) && !bits.starts_with('0');
    let bits: u32 = bits.parse().ok().filter(|bits| is_plain && (1..=64).contains(bits))?;
    match (sign, bits) {
        ("u", bits) => Some((0, (1 << bits) - 1)),
        ("i", 8 | 16 | 32 | 64) => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
        _ => None,
    }
}

/// The greatest number that a format of floats has, and without its sign the least:
/// `f16` and `f32` (JADN v1.0 CS01, section 4.4; IEEE 754, binary16 and binary32).
pub(super) fn greatest_float(name: &str) -> Option<f64> {
    match name {
        "f16" => Some(65_504.0),
        "f32" => Some(f32::MAX.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that only the tables of Unicode can tell for one.
    const INTERNATIONAL: &str =
        if cfg!(feature = "idn") { "bücher.example" } else { "buecher.example" };

    /// Shows JADN-2.1.2-1: email, hostname, uri and eui are formats that a type can name.
    #[test]
    fn the_formats_of_the_standard_have_a_check() {
        let cases = [
            ("hostname", "a.example", "a..example"),
            ("idn-hostname", INTERNATIONAL, "-a.example"),
            ("email", "a@b.example", "a"),
            ("idn-email", "ü@b.example", "ü"),
            ("uri", "https://a.example/x", "//a.example/x"),
            ("iri", "https://a.example/ü", "/ü"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "::1", ":::1"),
            ("eui", "01:23:45:67:89:AB", "01:23:45"),
            ("ipv4-net", "10.0.0.0/8", "10.0.0.0/33"),
            ("ipv6-net", "2001:db8::/32", "2001:db8::/129"),
        ];
        for (name, good, bad) in cases {
            let format = TextFormat::named(name).unwrap();
            assert_eq!((format.check)(good), Ok(()), "{name}");
            assert!((format.check)(bad).is_err(), "{name}");
        }
    }

    #[test]
    fn octets_are_counted_and_not_characters() {
        let cases = [
            (OctetForm::Base64Url, "AQID", Ok(3)),
            (OctetForm::Hex, "0A0B", Ok(2)),
            (OctetForm::Eui, "01:23:45:67:89:ab", Ok(6)),
            (OctetForm::Eui, "01:23:45:67:89:ab:cd:ef", Ok(8)),
            (OctetForm::Ip, "::1", Ok(16)),
            (OctetForm::Ip, "10.0.0.1", Ok(4)),
            (OctetForm::Ip, "CgAAAQ", Ok(4)),
        ];
        for (form, text, octets) in cases {
            assert_eq!(form.octets_of(text), octets, "{text}");
            assert_eq!(form.takes(octets.unwrap()), Ok(()), "{text}");
        }
        assert!(OctetForm::Ipv4.octets_of("::1").is_err());
        assert!(OctetForm::Eui.takes(7).is_err());
    }

    #[test]
    fn a_format_of_integers_is_a_range() {
        let cases = [
            ("i8", Some((-128, 127))),
            ("u1", Some((0, 1))),
            ("u16", Some((0, 65_535))),
            ("i64", Some((i64::MIN.into(), i64::MAX.into()))),
            ("u64", Some((0, u64::MAX.into()))),
            ("i7", None),
            ("u0", None),
            ("u65", None),
            ("u+8", None),
            ("u08", None),
            ("x", None),
            ("", None),
        ];
        for (name, range) in cases {
            assert_eq!(integer_range(name), range, "{name:?}");
        }
    }
}

//! The canonical form of a valid message (RFC 8785), straight from the tape.

use std::cmp::Ordering;
use std::fmt::Write;

use serde_json::Value;

use super::table::{MembersKind, Shape};
use super::tape::View;

impl View<'_> {
    /// Writes the value as canonical JSON (RFC 8785), text as the message has it.
    pub fn write_canonical(&self, out: &mut String) {
        match self.shape() {
            Shape::Boolean => out.push_str(if self.mark().number == 0 { "false" } else { "true" }),
            Shape::Null => out.push_str("null"),
            Shape::Integer { .. } | Shape::Enumerated { by_id: true, .. } => {
                integer(self.integer(), out);
            }
            Shape::Number { .. } => number(self.number(), out),
            Shape::Text { .. }
            | Shape::WideInteger { .. }
            | Shape::Octets { .. }
            | Shape::Net { .. }
            | Shape::Enumerated { .. } => text(&self.text(), out),
            Shape::List { .. } => {
                let mut before = '[';
                for element in self.children() {
                    out.push(before);
                    element.write_canonical(out);
                    before = ',';
                }
                out.push_str(if before == '[' { "[]" } else { "]" });
            }
            Shape::Members { kind: MembersKind::Array, .. } | Shape::Any | Shape::Never => {
                value(&self.to_json(), out);
            }
            Shape::Choice { .. } | Shape::Members { .. } | Shape::Mapping { .. } => {
                let mut members: Vec<_> = self.entries().collect();
                members.sort_unstable_by(|(a, _), (b, _)| by_name(a, b));
                object(&members, |(name, _)| name, |(_, it), out| it.write_canonical(out), out);
            }
        }
    }
}

/// Writes a value as canonical JSON.
fn value(it: &Value, out: &mut String) {
    match it {
        Value::Null => out.push_str("null"),
        Value::Bool(it) => out.push_str(if *it { "true" } else { "false" }),
        Value::Number(it) => match it.as_i64() {
            Some(it) => integer(it, out),
            None => number(it.as_f64().unwrap_or_default(), out),
        },
        Value::String(it) => text(it, out),
        Value::Array(elements) => {
            let mut before = '[';
            for element in elements {
                out.push(before);
                value(element, out);
                before = ',';
            }
            out.push_str(if before == '[' { "[]" } else { "]" });
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by(|(a, _), (b, _)| by_name(a, b));
            object(&members, |(name, _)| name, |(_, it), out| value(it, out), out);
        }
    }
}

fn object<M>(
    members: &[M],
    name: impl Fn(&M) -> &str,
    write: impl Fn(&M, &mut String),
    out: &mut String,
) {
    out.push('{');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        text(name(member), out);
        out.push(':');
        write(member, out);
    }
    out.push('}');
}

/// By UTF-16 code units (RFC 8785, section 3.2.3).
fn by_name(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// With the escapes that RFC 8785, section 3.2.2.2, has, and no others.
fn text(it: &str, out: &mut String) {
    out.push('"');
    let mut rest = it;
    while let Some(at) = rest.bytes().position(|it| it < 0x20 || it == b'"' || it == b'\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x09 => out.push_str("\\t"),
            0x0a => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            0x0d => out.push_str("\\r"),
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

fn integer(it: i64, out: &mut String) {
    let _ = write!(out, "{it}");
}

/// As ECMAScript writes a number (RFC 8785, section 3.2.2.3), set as ECMA-262,
/// section 6.1.6.1.20, sets it.
///
/// The digits are those of `serde_json`, which are the fewest that mean the number,
/// and of two that are as near the even one, as ECMA-262 has it. Those of the
/// standard library are not always the even ones.
fn number(it: f64, out: &mut String) {
    if it == 0.0 {
        out.push('0');
        return;
    }
    if it < 0.0 {
        out.push('-');
    }
    let written = Value::from(it.abs()).to_string();
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = i32::try_from(all.len() - digits.len()).unwrap_or_default();
    let digits = digits.trim_end_matches('0');
    // The point stands behind so many digits.
    let point = exponent.parse::<i32>().unwrap_or_default()
        + i32::try_from(whole.len()).unwrap_or_default()
        - leading;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    let count = i32::try_from(digits.len()).unwrap_or_default();
    let _ = match point {
        1..=21 if count <= point => write!(out, "{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            write!(out, "{whole}.{fraction}")
        }
        -5..=0 => write!(out, "0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            write!(out, "{first}{dot}{rest}e{:+}", point - 1)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn canonical(it: &Value) -> String {
        let mut out = String::new();
        value(it, &mut out);
        out
    }

    #[test]
    fn numbers_are_set_as_ecmascript_sets_them() {
        let mut random = fastrand::Rng::with_seed(7);
        let made = std::iter::repeat_with(|| f64::from_bits(random.u64(..))).take(20_000);
        let powers = (-330..310).map(|exponent| format!("1e{exponent}").parse().unwrap());
        let listed = [0.0, -0.0, 1.5, -0.001, 123_456.789, 1e20, 1e21, 1.25e-6, 1.25e-7, 0.1 + 0.2];
        for it in made.chain(powers).chain(listed).filter(|it| it.is_finite()) {
            let expected = serde_json_canonicalizer::to_string(&it).unwrap();
            assert_eq!(canonical(&json!(it)), expected, "{it:e}");
        }
    }

    #[test]
    fn names_stand_in_the_order_of_utf_16_and_text_has_the_escapes_of_the_standard() {
        let it = json!({
            "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7,
            "a": "\u{0}\u{1f}\u{7f}\"\\/\u{8}\u{c}\n\t\u{1f600}", "A": [[], {}, [null, true, false]]
        });
        assert_eq!(canonical(&it), serde_json_canonicalizer::to_string(&it).unwrap());
    }
}

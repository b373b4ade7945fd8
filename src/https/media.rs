//! Media types, compared as such and not as text (RFC 9110, section 8.3.1).

/// What an `OpenC2` message is in HTTP (Transfer via HTTPS v1.1, section 3.3.1).
pub(super) const OPENC2: &str = "application/openc2+json;version=1.0";

const TYPE: &str = "application";
const SUBTYPE: &str = "openc2+json";
const VERSION: &str = "1.0";

/// A media type or media range: its two names in lower case, and its parameters.
struct Media {
    name: String,
    parameters: Vec<(String, String)>,
}

/// Whether a Content-Type says that the body is an `OpenC2` message in JSON.
///
/// Names are compared without regard to case, and a value may be quoted. A
/// type without `version` is taken for ours: some peers leave it out.
pub(super) fn is_openc2(content_type: &str) -> bool {
    read(content_type)
        .is_some_and(|media| media.name == format!("{TYPE}/{SUBTYPE}") && media.has_our_version())
}

/// Whether an Accept admits an `OpenC2` message in JSON (RFC 9110, section 12.5.1).
pub(super) fn admits_openc2(accept: &str) -> bool {
    // The most specific range that fits says whether it is wanted.
    split(accept, ',')
        .filter_map(read)
        .filter_map(|media| {
            let precision = match media.name.split_once('/')? {
                (TYPE, SUBTYPE) if media.has_our_version() => 2,
                (TYPE, "*") => 1,
                ("*", "*") => 0,
                _ => return None,
            };
            let weight = media.parameter("q").map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
            Some((precision, weight > 0.0))
        })
        .max_by_key(|(precision, _)| *precision)
        .is_some_and(|(_, is_wanted)| is_wanted)
}

impl Media {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn has_our_version(&self) -> bool {
        self.parameter("version").is_none_or(|version| version == VERSION)
    }
}

fn read(text: &str) -> Option<Media> {
    let mut parts = split(text, ';');
    let name = parts.next()?.trim().to_ascii_lowercase();
    let parameters = parts
        .filter(|part| !part.trim().is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_ascii_lowercase(), unquoted(value.trim())?))
        })
        .collect::<Option<_>>()?;
    Some(Media { name, parameters })
}

/// Splits where the separator stands outside of quotation marks.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    text.split(move |c| {
        let was_escaped = is_escaped;
        is_escaped = is_quoted && c == '\\' && !was_escaped;
        if c == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        c == separator && !is_quoted
    })
}

/// A token, or what a quoted string means; `None` for a broken one.
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        let is_token = !value.is_empty() && !value.contains(['"', ' ', '\t']);
        return is_token.then(|| value.to_owned());
    };
    let inside = rest.strip_suffix('"')?;
    let mut text = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_is_compared_as_a_media_type() {
        let cases = [
            (OPENC2, true),
            ("application/openc2+json; version=1.0", true),
            ("Application/OpenC2+JSON ;VERSION=\"1.0\"", true),
            ("application/openc2+json;charset=utf-8;version=1.0", true),
            ("application/openc2+json; version=\"1\\.0\" ;", true),
            ("application/openc2+json", true),
            ("application/openc2+json;version=1.1", false),
            ("application/openc2+json;version=\"1.0", false),
            ("application/openc2+json;version", false),
            ("application/openc2", false),
            ("application/openc2+cbor;version=1.0", false),
            ("application/json", false),
            ("text/plain;a=\"application/openc2+json\"", false),
            ("", false),
        ];
        for (text, is_ours) in cases {
            assert_eq!(is_openc2(text), is_ours, "{text}");
        }
    }

    #[test]
    fn the_most_precise_range_of_an_accept_decides() {
        let cases = [
            (OPENC2, true),
            ("*/*", true),
            ("text/html, application/*;q=0.1", true),
            ("application/json, application/openc2+json", true),
            ("application/openc2+json;version=1.0;q=0, */*", false),
            ("application/*;q=0, */*", false),
            ("application/openc2+json;version=2.0", false),
            ("application/json", false),
            ("text/plain;a=\",*/*,\"", false),
            ("", false),
        ];
        for (text, is_admitted) in cases {
            assert_eq!(admits_openc2(text), is_admitted, "{text}");
        }
    }
}

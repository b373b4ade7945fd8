//! The part of a URL behind the question mark, and what may stand in one (RFC 3986).

use std::fmt::Write as _;

use hyper::StatusCode;

use super::problem::Problem;

/// Most parameters of one request.
const MOST: usize = 16;

/// The parameters of a request, each at most once, and each to be taken by name.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the question mark.
    pub fn read(text: Option<&str>) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for parameter in text.unwrap_or_default().split('&').filter(|it| !it.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
                return Err(bad("a parameter cannot be read".to_owned()));
            };
            if parameters.len() >= MOST || parameters.iter().any(|(known, _)| *known == name) {
                return Err(bad(format!("{name} stands there twice, or behind too many others")));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The same of one that is a number.
    pub fn take_number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let wrong = || bad(format!("{name} is a number, and not {text:?}"));
        number(&text).map(Some).ok_or_else(wrong)
    }

    /// Nothing is left that nobody has asked for.
    pub fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            Some((name, _)) => Err(bad(format!("there is no parameter {name:?} here"))),
            None => Ok(()),
        }
    }
}

/// A number as it is written in requests: digits, and no sign.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn bad(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// A text without its percent signs.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(16 * digit(high)? + digit(low)?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// A text as it may stand in a URL.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String does not fail");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_once_each() {
        let mut query =
            Query::read(Some("state=pending&request_id=a%20b%2Fc&limit=7&wait")).unwrap();
        assert_eq!(query.take("request_id").as_deref(), Some("a b/c"));
        assert_eq!(query.take("state").as_deref(), Some("pending"));
        assert_eq!(query.take("state"), None);
        assert_eq!(query.take_number("limit"), Ok(Some(7)));
        assert!(query.take_number::<u64>("wait").is_err());
        assert!(query.end().is_ok());
        assert!(Query::read(Some("x=1")).unwrap().end().is_err());
        for bad in ["a=1&a=2", "a=%", "a=%zz", "a=%ff"] {
            assert!(Query::read(Some(bad)).is_err(), "{bad}");
        }
        let whole = "a b/\u{e9}&=%+";
        assert_eq!(decoded(&encoded(whole)).as_deref(), Some(whole));
    }
}

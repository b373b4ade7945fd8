//! Patterns of ECMAScript, written for the library that matches them.
//!
//! JADN has the Pattern grammar of ECMAScript (v1.0 CS01, section 3.2.1.6; ECMA-262, section
//! 22.2.1, with annex B.1.2, which lets punctuation stand for itself). Characters are those of
//! Unicode, as with the flag `u`. Every character goes over as its number, so that nothing
//! means more than it did. What cannot be said without looking back at the text, and what only
//! other dialects have, is refused by name.

use std::iter::Peekable;
use std::str::Chars;

/// White space and ends of lines (ECMA-262, sections 12.2 and 12.3).
const SPACE: &str = "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}";
const DIGIT: &str = "0-9";
const WORD: &str = "0-9A-Za-z_";
/// Any character but the ends of lines.
const DOT: &str = "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]";
const ANY: &str = "[\\x{0}-\\x{10ffff}]";
const NONE: &str = "[^\\x{0}-\\x{10ffff}]";

/// The pattern in the library's dialect.
///
/// # Errors
///
/// What ECMAScript does not have, or the library cannot do.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut it = Translator { chars: pattern.chars().peekable(), out: String::new(), groups: 0 };
    it.pattern()?;
    Ok(it.out)
}

struct Translator<'p> {
    chars: Peekable<Chars<'p>>,
    out: String,
    /// Groups that are open.
    groups: usize,
}

/// One character of a class, or several.
enum Atom {
    One(char),
    /// The inside of a class of its own.
    Many(String),
}

impl Translator<'_> {
    fn pattern(&mut self) -> Result<(), String> {
        // Whether a quantifier may follow: there is something to repeat.
        let mut is_atom = false;
        while let Some(char) = self.chars.next() {
            is_atom = match char {
                '^' | '$' | '|' => {
                    self.out.push(char);
                    false
                }
                '(' => {
                    self.group()?;
                    false
                }
                ')' => {
                    self.groups =
                        self.groups.checked_sub(1).ok_or("a group ends that never began")?;
                    self.out.push(')');
                    true
                }
                '*' | '+' | '?' => {
                    self.quantifier(&char.to_string(), is_atom)?;
                    false
                }
                '{' => {
                    let counts = self.counts()?;
                    if let Some(counts) = &counts {
                        self.quantifier(counts, is_atom)?;
                    } else {
                        self.literal('{');
                    }
                    counts.is_none()
                }
                '.' => {
                    self.out.push_str(DOT);
                    true
                }
                '[' => {
                    self.class()?;
                    true
                }
                '\\' => self.escape()?,
                other => {
                    self.literal(other);
                    true
                }
            };
        }
        if self.groups > 0 { Err("a group does not end".to_owned()) } else { Ok(()) }
    }

    fn literal(&mut self, char: char) {
        self.out.push_str(&number(char));
    }

    fn group(&mut self) -> Result<(), String> {
        self.groups += 1;
        self.out.push_str("(?:");
        if !self.takes('?') {
            return Ok(());
        }
        let refused = |what: &str| Err(format!("{what} cannot be matched here"));
        match self.chars.next() {
            Some(':') => Ok(()),
            Some('=') => refused("the look-ahead (?=…)"),
            Some('!') => refused("the look-ahead (?!…)"),
            Some('<') if self.takes('=') => refused("the look-behind (?<=…)"),
            Some('<') if self.takes('!') => refused("the look-behind (?<!…)"),
            Some('<') => {
                let mut name = String::new();
                loop {
                    match self.chars.next() {
                        Some('>') if !name.is_empty() => return Ok(()),
                        Some(char) if char.is_alphanumeric() || matches!(char, '_' | '$') => {
                            name.push(char);
                        }
                        _ => return Err("the name of a group is none".to_owned()),
                    }
                }
            }
            Some(other) => Err(format!("ECMAScript has no group that begins with (?{other}")),
            None => Err("a group does not end".to_owned()),
        }
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.chars.next_if_eq(&wanted).is_some()
    }

    fn quantifier(&mut self, written: &str, is_atom: bool) -> Result<(), String> {
        if !is_atom {
            return Err(format!("there is nothing that {written} could repeat"));
        }
        self.out.push_str(written);
        if self.takes('?') {
            self.out.push('?');
        }
        Ok(())
    }

    /// `{2}`, `{2,}` and `{2,3}`; any other brace stands for itself.
    fn counts(&mut self) -> Result<Option<String>, String> {
        let mut rest = self.chars.clone();
        let mut inside = String::new();
        loop {
            match rest.next() {
                Some('}') => break,
                Some(char) if char.is_ascii_digit() || char == ',' => inside.push(char),
                _ => return Ok(None),
            }
        }
        let (least, most) = inside.split_once(',').map_or((&*inside, None), |(a, b)| (a, Some(b)));
        if least.is_empty() || most.is_some_and(|it| it.contains(',')) {
            return Ok(None);
        }
        let count = |text: &str| {
            text.parse::<u32>()
                .map_err(|_| format!("{{{inside}}} is more than can be counted here"))
        };
        let from = count(least)?;
        let written = match most {
            None => format!("{{{from}}}"),
            Some("") => format!("{{{from},}}"),
            Some(most) => {
                let to = count(most)?;
                if from > to {
                    return Err(format!("{{{inside}}} has its numbers in the wrong order"));
                }
                format!("{{{from},{to}}}")
            }
        };
        self.chars = rest;
        Ok(Some(written))
    }

    /// What stands behind a backslash, outside of a class. Says whether it can be repeated.
    fn escape(&mut self) -> Result<bool, String> {
        match self.chars.peek() {
            Some('b') => {
                self.chars.next();
                self.out.push_str("(?-u:\\b)");
                return Ok(false);
            }
            Some('B') => {
                self.chars.next();
                self.out.push_str("(?-u:\\B)");
                return Ok(false);
            }
            Some(digit @ '1'..='9') => {
                return Err(format!("the back reference \\{digit} cannot be matched here"));
            }
            Some('k') => return Err("the back reference \\k cannot be matched here".to_owned()),
            _ => {}
        }
        match self.atom()? {
            Atom::One(char) => self.literal(char),
            Atom::Many(class) => self.out.extend(["[", &class, "]"]),
        }
        Ok(true)
    }

    fn class(&mut self) -> Result<(), String> {
        let is_negated = self.takes('^');
        let mut inside = String::new();
        while let Some(from) = self.class_atom()? {
            let mut ahead = self.chars.clone();
            let is_range = ahead.next() == Some('-') && !matches!(ahead.peek(), Some(']') | None);
            if !is_range {
                inside.push_str(&from.inside());
                continue;
            }
            self.chars.next();
            let to = self.class_atom()?.ok_or("a class does not end")?;
            match (from, to) {
                (Atom::One(from), Atom::One(to)) if from > to => {
                    return Err(format!("the range {from}-{to} is in the wrong order"));
                }
                (Atom::One(from), Atom::One(to)) => {
                    inside.extend([&number(from), "-", &number(to)]);
                }
                // No range: the hyphen stands for itself (annex B.1.2).
                (from, to) => {
                    inside.extend([from.inside(), number('-'), to.inside()]);
                }
            }
        }
        match (inside.is_empty(), is_negated) {
            (true, true) => self.out.push_str(ANY),
            (true, false) => self.out.push_str(NONE),
            (false, true) => self.out.extend(["[^", &inside, "]"]),
            (false, false) => self.out.extend(["[", &inside, "]"]),
        }
        Ok(())
    }

    /// `None` at the end of the class.
    fn class_atom(&mut self) -> Result<Option<Atom>, String> {
        Ok(Some(match self.chars.next().ok_or("a class does not end")? {
            ']' => return Ok(None),
            '\\' if self.takes('b') => Atom::One('\u{8}'),
            '\\' => self.atom()?,
            char => Atom::One(char),
        }))
    }

    /// What stands behind a backslash, the same in a class and outside of it.
    fn atom(&mut self) -> Result<Atom, String> {
        let class = |inside: &str| Ok(Atom::Many(inside.to_owned()));
        let but = |inside: &str| Ok(Atom::Many(format!("[^{inside}]")));
        let one = |char| Ok(Atom::One(char));
        match self.chars.next().ok_or("a backslash stands at the end")? {
            'd' => class(DIGIT),
            'D' => but(DIGIT),
            'w' => class(WORD),
            'W' => but(WORD),
            's' => class(SPACE),
            'S' => but(SPACE),
            't' => one('\t'),
            'n' => one('\n'),
            'v' => one('\u{b}'),
            'f' => one('\u{c}'),
            'r' => one('\r'),
            '0' if !self.chars.peek().is_some_and(char::is_ascii_digit) => one('\0'),
            '0' => Err("ECMAScript has no \\0 before a digit".to_owned()),
            'c' => match self.chars.next() {
                Some(letter) if letter.is_ascii_alphabetic() => {
                    one(char::from(u8::try_from(letter).unwrap_or_default() & 0x1f))
                }
                _ => Err("behind \\c stands no letter".to_owned()),
            },
            'x' => self
                .hex("x", 2)
                .and_then(|it| char::from_u32(it).map_or_else(|| surrogate(it), one)),
            'u' => self.unicode().and_then(one),
            mark @ ('p' | 'P') => self.property(mark),
            other if other.is_ascii_alphanumeric() => Err(format!("ECMAScript has no \\{other}")),
            other => one(other),
        }
    }

    fn hex(&mut self, mark: &str, digits: usize) -> Result<u32, String> {
        let mut value = 0;
        for _ in 0..digits {
            let digit = self.chars.next().and_then(|it| it.to_digit(16));
            let reason = || format!("behind \\{mark} stand no {digits} hexadecimal digits");
            value = value * 16 + digit.ok_or_else(reason)?;
        }
        Ok(value)
    }

    /// `\u0041`, `\ud83d\ude00` and `\u{1f600}`.
    fn unicode(&mut self) -> Result<char, String> {
        if self.takes('{') {
            let mut value: u32 = 0;
            let mut is_empty = true;
            while let Some(char) = self.chars.next_if(|it| *it != '}') {
                let digit = char.to_digit(16).ok_or("\\u{…} holds no hexadecimal number")?;
                value = value.saturating_mul(16).saturating_add(digit);
                is_empty = false;
            }
            if !self.takes('}') || is_empty {
                return Err("\\u{…} holds no hexadecimal number".to_owned());
            }
            return char::from_u32(value)
                .ok_or_else(|| format!("\\u{{{value:x}}} is no character"));
        }
        let first = self.hex("u", 4)?;
        if let Some(char) = char::from_u32(first) {
            return Ok(char);
        }
        let mut ahead = self.chars.clone();
        if ahead.next() == Some('\\') && ahead.next() == Some('u') {
            self.chars = ahead;
            let second = self.hex("u", 4)?;
            let pair = [first, second].map(|it| u16::try_from(it).unwrap_or_default());
            if let Some(Ok(char)) = char::decode_utf16(pair).next() {
                return Ok(char);
            }
        }
        surrogate(first)
    }

    /// `\p{…}`, with the names of Unicode.
    fn property(&mut self, mark: char) -> Result<Atom, String> {
        if !self.takes('{') {
            return Err(format!("behind \\{mark} stands no name in braces"));
        }
        let mut name = String::new();
        loop {
            match self.chars.next() {
                Some('}') if !name.is_empty() => break,
                Some(char) if char.is_ascii_alphanumeric() || matches!(char, '_' | '=') => {
                    name.push(char);
                }
                _ => return Err(format!("\\{mark}{{…}} holds no name of a property")),
            }
        }
        let written = format!("\\{mark}{{{name}}}");
        let is_script = |name: &str| {
            !name.contains('=') && regex_syntax::parse(&format!("\\p{{Script={name}}}")).is_ok()
        };
        if is_script(&name) {
            return Err(format!("a script is named \\{mark}{{Script={name}}}"));
        }
        if regex_syntax::parse(&written).is_err() {
            return Err(format!("the property {written} is not known here"));
        }
        Ok(Atom::Many(written))
    }
}

impl Atom {
    fn inside(self) -> String {
        match self {
            Self::One(char) => number(char),
            Self::Many(class) => class,
        }
    }
}

fn number(char: char) -> String {
    format!("\\x{{{:x}}}", u32::from(char))
}

fn surrogate<T>(half: u32) -> Result<T, String> {
    Err(format!("\\u{half:04x} is half of a character, which no text has"))
}

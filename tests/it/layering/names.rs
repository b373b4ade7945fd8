//! What a file names: rooms, libraries, and words that have no place in the quiet room.

use std::collections::BTreeSet;

use super::NOISE;
use crate::source::{self, Kind, Token};

/// Something that source names and that this test has an opinion on.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Named {
    /// A room of this crate.
    Room(String),
    /// The whole crate (`use crate::*`, `use crate as x`): every room at once.
    Everything,
    /// A library that this crate depends on.
    Library(String),
    /// One of [`NOISE`].
    Noise(String),
    /// `#[path = …]`: a module that is not where its name says.
    PathAttribute,
}

/// All that a file names and this test has an opinion on, with its line.
///
/// Tests may use any library: each room reads its own settings from TOML there.
pub(super) fn named(
    text: &str,
    file_depth: usize,
    libraries: &BTreeSet<String>,
) -> Vec<(usize, Named)> {
    let tokens: Vec<_> =
        source::tokens(text).into_iter().filter(|token| token.kind != Kind::Doc).collect();
    let none = BTreeSet::new();
    let mut walk = Walk { tokens: &tokens, found: Vec::new() };
    // For each inline module we are in: how many braces were open inside it, and its name.
    let mut modules = Vec::new();
    let mut braces = 0_usize;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            braces += 1;
            if at >= 2 && tokens[at - 2].is("mod") {
                modules.push((braces, tokens[at - 1].text));
            }
        } else if token.is("}") {
            if modules.last().is_some_and(|(inside, _)| *inside == braces) {
                modules.pop();
            }
            braces = braces.saturating_sub(1);
        }
        at = if walk.path_start(at) {
            walk.path(at, file_depth + modules.len())
        } else {
            let in_tests = modules.iter().any(|(_, name)| *name == "tests");
            walk.word(at, if in_tests { &none } else { libraries });
            at + 1
        };
    }
    walk.found
}

struct Walk<'a> {
    tokens: &'a [Token<'a>],
    found: Vec<(usize, Named)>,
}

impl Walk<'_> {
    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    fn after(&self, at: usize, text: &str) -> bool {
        at > 0 && self.is(at - 1, text)
    }

    fn note(&mut self, at: usize, named: Named) {
        self.found.push((self.tokens[at].line, named));
    }

    /// A path that begins at this crate, at its root or at a place relative to here.
    fn path_start(&self, at: usize) -> bool {
        let in_visibility = self.after(at, "(") && at > 1 && self.is(at - 2, "pub");
        if self.after(at, "::") || in_visibility {
            return false;
        }
        let at_root = ["crate", "openc2_bridge"].iter().any(|word| self.is(at, word));
        let relative = ["super", "self"].iter().any(|word| self.is(at, word));
        let imported = self.after(at, "use");
        (at_root || relative) && (self.is(at + 1, "::") || imported)
    }

    /// Follows a path or a tree of them; `depth` modules below the root. Returns where it ends.
    fn path(&mut self, at: usize, depth: usize) -> usize {
        let Some(token) = self.tokens.get(at).copied() else { return at };
        let depth = match token.text {
            "crate" | "openc2_bridge" => 0,
            "super" => depth.saturating_sub(1),
            "self" => depth,
            "{" => return self.group(at, depth),
            "*" => {
                if depth == 0 {
                    self.note(at, Named::Everything);
                }
                return at + 1;
            }
            name => {
                if depth == 0 {
                    self.note(at, Named::Room(name.to_owned()));
                }
                return at + 1;
            }
        };
        if self.is(at + 1, "::") {
            return self.path(at + 2, depth);
        }
        if depth == 0 {
            self.note(at, Named::Everything);
        }
        at + 1
    }

    /// Follows each path between these braces.
    fn group(&mut self, open: usize, depth: usize) -> usize {
        let mut at = self.path(open + 1, depth);
        let mut braces = 1_usize;
        while at < self.tokens.len() {
            match self.tokens[at].text {
                "{" => braces += 1,
                "}" => braces -= 1,
                "," if braces == 1 && !self.is(at + 1, "}") => {
                    at = self.path(at + 1, depth);
                    continue;
                }
                _ => {}
            }
            at += 1;
            if braces == 0 {
                break;
            }
        }
        at
    }

    /// A library, noise, or nothing of interest.
    fn word(&mut self, at: usize, libraries: &BTreeSet<String>) {
        let token = self.tokens[at];
        if token.is("path") && self.after(at, "[") && self.is(at + 1, "=") {
            self.note(at, Named::PathAttribute);
        }
        if token.is("self") && self.after(at, "crate") {
            self.note(at, Named::Everything);
        }
        if token.kind != Kind::Word {
            return;
        }
        let imported =
            self.after(at, "use") || (self.after(at, "crate") && self.is(at - 2, "extern"));
        let begins_path = !self.after(at, "::") && self.is(at + 1, "::");
        let absolute = self.after(at, "::") && (at < 2 || self.tokens[at - 2].kind != Kind::Word);
        if (imported || begins_path || absolute) && libraries.contains(token.text) {
            self.note(at, Named::Library(token.text.to_owned()));
        }
        if NOISE.contains(&token.text) {
            self.note(at, Named::Noise(token.text.to_owned()));
        }
    }
}

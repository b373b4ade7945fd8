//! The journal as a file of lines, for those who keep it or check it elsewhere.
//!
//! One line of JSON a record, in order; a line for each gap that pruning or an
//! accepted loss has left; and at the end one that says where it ends.
//!
//! ```text
//! {"record":{"seq":1,"ticket":1,"at_ms":…,"kind":"accepted","body":"…","link":"<hex>"}}
//! {"gap":{"first":2,"last":9,"link":"<hex>"}}
//! {"end":{"seq":9,"link":"<hex>"}}
//! ```
//!
//! `body` is the body of the row; where that is no UTF-8, there is `body_hex` in
//! its place. Each `link` is that of [`chain`](super::chain), so whoever has the
//! last one from elsewhere can tell that the whole file is as it was.

use std::collections::BTreeSet;
use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};

use super::body::{self, Kind, as_hex, from_hex};
use super::chain::{BEGINNING, Link, Row};
use super::sqlite::Check;

/// Longest line of a file, in bytes: a record with the longest message, escaped.
const LINE_BYTES: u64 = 64 * 1024 * 1024;

/// A line of an export.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Exported {
    /// A record.
    Record {
        /// Its place among all records.
        seq: u64,
        /// The command; 0 where it is not one's.
        ticket: u64,
        /// When, in milliseconds since 1970-01-01T00:00:00Z.
        at_ms: u64,
        /// What happened.
        kind: String,
        /// The rest, if it is text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// The rest, if it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body_hex: Option<String>,
        /// Its link, as hex.
        link: String,
    },
    /// Records that are gone.
    Gap {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// The link of the last, as hex.
        link: String,
    },
    /// Nothing follows.
    End {
        /// The last record there ever was.
        seq: u64,
        /// Its link, as hex.
        link: String,
    },
}

impl Exported {
    pub(super) fn record(row: &Row<'_>, link: &[u8]) -> Self {
        let text = str::from_utf8(row.body).ok();
        Self::Record {
            seq: row.seq,
            ticket: row.ticket,
            at_ms: row.at_ms,
            kind: row.kind.to_owned(),
            body: text.map(str::to_owned),
            body_hex: text.is_none().then(|| as_hex(row.body)),
            link: as_hex(link),
        }
    }

    /// The last record that this line covers.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        match self {
            Self::Record { seq, .. } | Self::End { seq, .. } => *seq,
            Self::Gap { last, .. } => *last,
        }
    }

    /// The line that ends an export after this one; of an empty journal, without one.
    pub(super) fn end_after(last: Option<&Self>) -> Self {
        let (seq, link) = match last {
            Some(
                Self::Record { seq, link, .. }
                | Self::Gap { last: seq, link, .. }
                | Self::End { seq, link },
            ) => (*seq, link.clone()),
            None => (0, as_hex(&BEGINNING)),
        };
        Self::End { seq, link }
    }
}

/// Follows the chain through an exported file.
///
/// # Errors
///
/// Only where it cannot be read; whatever is wrong with it is in the findings.
pub fn verify_file(mut file: impl BufRead) -> io::Result<Check> {
    let mut check = Check::default();
    let mut accepted = BTreeSet::new();
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        if io::Read::take(&mut file, LINE_BYTES).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        if check.is_over {
            check.found(None, None, format!("line {number}: something follows the end"));
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(exported) => {
                if let Err(what) = follow(&mut check, &exported, &mut accepted) {
                    check.found(None, None, format!("line {number}: {what}"));
                }
            }
            Err(error) => check.found(None, None, format!("line {number}: {error}")),
        }
    }
    if !check.is_over {
        check.found(None, None, "the file ends before its end: lines are missing");
        check.is_over = true;
    }
    check.accept(&accepted);
    Ok(check)
}

fn follow(check: &mut Check, line: &Exported, accepted: &mut BTreeSet<u64>) -> Result<(), String> {
    let link_of = |text: &str| -> Result<Link, String> {
        let digest = from_hex(text).and_then(|bytes| bytes.try_into().ok());
        digest.ok_or_else(|| "its link is no digest".to_owned())
    };
    match line {
        Exported::Record { seq, ticket, at_ms, kind, body, body_hex, link } => {
            let body = match (body, body_hex) {
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(hex)) => from_hex(hex).ok_or("its body is no hex")?,
                _ => return Err("it has no body, or two".to_owned()),
            };
            if Kind::from_str(kind) == Some(Kind::Loss) {
                accepted.extend(body::breaks(&body));
                check.losses += 1;
            }
            let row = Row { seq: *seq, ticket: *ticket, at_ms: *at_ms, kind, body: &body };
            check.chain(&row, Some(link_of(link)?), false);
            check.commands += u64::from(Kind::from_str(kind) == Some(Kind::Accepted));
        }
        Exported::Gap { first, last, link } => check.gap(*first, *last, Some(link_of(link)?))?,
        Exported::End { seq, link } => {
            if *seq != check.last_seq() || check.head().as_ref() != Some(link) {
                let (last, seq) = (check.last_seq(), *seq);
                check.found(
                    None,
                    None,
                    format!(
                        "the file says that it ends with record {seq}, and it does with {last}"
                    ),
                );
            }
            check.is_over = true;
        }
    }
    Ok(())
}

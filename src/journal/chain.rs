//! The hash chain over the records.
//!
//! Each record carries a link: the SHA-256 of the link before it and of
//! itself, in this form, which is never changed:
//!
//! ```text
//! link of the record before    32 bytes; zeros before the first
//! seq, ticket, at_ms           8 bytes each, big endian
//! length of kind               1 byte
//! kind, body                   as they are
//! ```
//!
//! Where records are gone because they were old enough, the link of the last
//! of them stays behind, so that the chain can be followed over the gap.

use crate::trust::digest_of_parts;

/// What stands for everything up to a record.
pub(super) type Link = [u8; 32];

/// Before the first record.
pub(super) const BEGINNING: Link = [0; 32];

/// A record as it stands in its row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) seq: u64,
    pub(super) ticket: u64,
    pub(super) at_ms: u64,
    pub(super) kind: &'a str,
    pub(super) body: &'a [u8],
}

/// The link of a record that follows `previous`.
pub(super) fn link(previous: &Link, row: &Row<'_>) -> Link {
    let kind_len = u8::try_from(row.kind.len()).unwrap_or(u8::MAX);
    digest_of_parts([
        previous.as_slice(),
        &row.seq.to_be_bytes(),
        &row.ticket.to_be_bytes(),
        &row.at_ms.to_be_bytes(),
        &[kind_len],
        row.kind.as_bytes(),
        row.body,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::body::as_hex;

    const ROW: Row<'static> =
        Row { seq: 1, ticket: 2, at_ms: 1_795_458_523_123, kind: "started", body: b"{}" };

    /// Computed with another program (Python's hashlib). It may not change.
    #[test]
    fn the_link_of_a_record_is_the_same_for_ever() {
        assert_eq!(
            as_hex(&link(&BEGINNING, &ROW)),
            "11a7171f61040b1db644ade0e46caede660e16cf33ae3173737739081d60c3b9"
        );
    }

    #[test]
    fn every_part_of_a_record_is_in_its_link() {
        let other = [
            Row { seq: 2, ..ROW },
            Row { ticket: 1, ..ROW },
            Row { at_ms: 0, ..ROW },
            Row { kind: "starte", body: b"d{}", ..ROW },
            Row { body: b"{ }", ..ROW },
        ];
        let first = link(&BEGINNING, &ROW);
        for row in other {
            assert_ne!(link(&BEGINNING, &row), first, "{row:?}");
        }
        assert_ne!(link(&first, &ROW), first);
    }
}

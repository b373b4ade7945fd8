//! The public name of a command: a UUID that is told to others.

use super::{Ticket, Work};
use crate::trust;

/// Bytes of a UUID.
const BYTES: usize = 16;

/// Bytes of it that the number of the command is hidden in; the rest is a digest.
const NUMBER: usize = 6;

/// The name of a command, by which it is asked after, and under which it is passed on.
///
/// In the form of a version 4 UUID (RFC 9562, section 5.4), and the same whenever the
/// command is taken up again: part of it is a digest of what makes the command this one,
/// and the rest its number in the journal, masked by that digest. So it is found by its
/// name without an index, and nobody meets another's command by counting.
#[must_use]
pub fn command_id(ticket: Ticket, producer: &str, request_id: &str) -> String {
    let whole = format!("{ticket}\n{producer}\n{request_id}");
    let digest = trust::digest_of_bytes(whole.as_bytes());
    let mut bytes = [0; BYTES];
    bytes[NUMBER..].copy_from_slice(&digest[..BYTES - NUMBER]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = ticket.0.to_be_bytes();
    bytes[..NUMBER].copy_from_slice(&number[8 - NUMBER..]);
    mask(&mut bytes);
    let hex = super::open::hex(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The number of the command that may have this name: whether it has is seen when its
/// name is made anew.
#[must_use]
pub fn ticket_in(id: &str) -> Option<Ticket> {
    let digits: String = id.split('-').collect();
    if id.len() != 36 || digits.len() != 2 * BYTES || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    mask(&mut bytes);
    let number = bytes[..NUMBER].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some(Ticket(number))
}

/// Hides the number in a name, and shows it again.
fn mask(bytes: &mut [u8; BYTES]) {
    let pad = trust::digest_of_bytes(&bytes[NUMBER..]);
    bytes[..NUMBER].iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
}

impl Work {
    /// The `request_id` under which a command is passed on: its own, since two producers
    /// may have used the same one, and the same whenever it is taken up again.
    #[must_use]
    pub fn passed_on_as(&self) -> String {
        command_id(self.ticket, &self.producer, &self.request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_uuid_that_leads_to_its_command() {
        for number in [1, 2, 255, 1 << 20, (1 << 48) - 1] {
            let id = command_id(Ticket(number), "soar-1", "r-1");
            let form: String =
                id.chars().map(|it| if it.is_ascii_hexdigit() { 'x' } else { it }).collect();
            assert_eq!(form, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
            assert!(id[14..].starts_with('4') && "89ab".contains(&id[19..20]), "{id}");
            assert_eq!(ticket_in(&id), Some(Ticket(number)));
            assert_ne!(id, command_id(Ticket(number), "soar-2", "r-1"));
        }
        for none in ["", "1", "x", "zzzzzzzz-zzzz-4zzz-8zzz-zzzzzzzzzzzz", &"é".repeat(18)] {
            assert_eq!(ticket_in(none), None, "{none:?}");
        }
    }
}

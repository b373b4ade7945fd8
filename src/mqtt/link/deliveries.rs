//! Deliveries that wait for their acknowledgement.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use rumqttc::{ManualAck, PubAck, PubRec};

use crate::dispatch::Receipt;
use crate::mqtt::config::MaximumPacketSize;

/// Deliveries that can be unacknowledged: a broker has no more Packet Identifiers.
pub(super) const MOST: usize = u16::MAX as usize;

/// Bytes that may be held before the connection is given up: what a broker may
/// send us by our Receive Maximum and our Maximum Packet Size.
///
/// Counted in bytes and not in packets: mosquitto 2.0 sends all that it has
/// queued when it takes a session up again, whatever the Receive Maximum says.
/// To leave it for that would bring the same packets again, without end.
pub(super) fn most_bytes(receive_maximum: NonZeroU16, packet: MaximumPacketSize) -> usize {
    usize::from(receive_maximum.get())
        .saturating_mul(usize::try_from(packet.bytes()).unwrap_or(usize::MAX))
}

/// What a receipt says: which packet of which connection.
///
/// As a number: 31 bits of the generation from bit 32, `QoS` from bit 16, Packet
/// Identifier from bit 0. Bit 63 is never set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    generation: u32,
    qos: u8,
    packet: u16,
}

impl Mark {
    pub(super) fn new(generation: u32, qos: u8, packet: u16) -> Self {
        Self { generation: generation & (u32::MAX >> 1), qos, packet }
    }

    pub(super) fn receipt(self) -> Receipt {
        let generation = u64::from(self.generation) << 32;
        Receipt(generation | u64::from(self.qos) << 16 | u64::from(self.packet))
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the fields out of their bits")]
    fn read(Receipt(number): Receipt) -> Self {
        Self::new((number >> 32) as u32, (number >> 16) as u8, number as u16)
    }

    fn to_packet(self) -> ManualAck {
        match self.qos {
            1 => ManualAck::PubAck(PubAck::new(self.packet, None)),
            _ => ManualAck::PubRec(PubRec::new(self.packet, None)),
        }
    }
}

/// A delivery with `QoS` 0 has nothing to acknowledge.
pub(super) fn needs_no_acknowledgement(receipt: Receipt) -> bool {
    Mark::read(receipt).qos == 0
}

/// The unacknowledged deliveries of one connection, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    due: VecDeque<Due>,
    /// Of all that are due.
    bytes: usize,
}

#[derive(Debug)]
struct Due {
    mark: Mark,
    bytes: usize,
    is_acknowledged: bool,
}

impl Deliveries {
    /// A delivery with `QoS` 1 or 2 came, of so many bytes.
    pub(super) fn add(&mut self, mark: Mark, bytes: usize) {
        self.due.push_back(Due { mark, bytes, is_acknowledged: false });
        self.bytes += bytes;
    }

    /// Bytes of the deliveries that are not acknowledged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The connection is gone: the broker delivers these again, and
    /// acknowledgements of them are of no use any more.
    pub(super) fn forget(&mut self) {
        self.due.clear();
        self.bytes = 0;
    }

    /// Marks one as acknowledged. `false`: it is not of this connection.
    pub(super) fn acknowledge(&mut self, receipt: Receipt) -> bool {
        let mark = Mark::read(receipt);
        match self.due.iter_mut().find(|due| due.mark == mark) {
            Some(due) => {
                due.is_acknowledged = true;
                true
            }
            None => false,
        }
    }

    /// The next acknowledgement that may leave: in the order of arrival
    /// (MQTT v5.0, section 4.6).
    pub(super) fn next_packet(&mut self) -> Option<ManualAck> {
        let due = self.due.pop_front_if(|due| due.is_acknowledged)?;
        self.bytes -= due.bytes;
        Some(due.mark.to_packet())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(deliveries: &mut Deliveries) -> Vec<u16> {
        std::iter::from_fn(|| deliveries.next_packet())
            .map(|ack| match ack {
                ManualAck::PubAck(ack) => ack.pkid,
                ManualAck::PubRec(ack) => ack.pkid,
            })
            .collect()
    }

    #[test]
    fn a_receipt_keeps_its_parts() {
        let mark = Mark::new(u32::MAX, 2, u16::MAX);
        assert_eq!(Mark::read(mark.receipt()), mark);
        assert_eq!(mark.receipt().0 >> 63, 0);
        assert!(needs_no_acknowledgement(Mark::new(7, 0, 0).receipt()));
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_arrival() {
        let mut deliveries = Deliveries::default();
        let marks = [(1, 11), (2, 12), (1, 13)].map(|(qos, packet)| Mark::new(5, qos, packet));
        for mark in marks {
            deliveries.add(mark, 1);
        }
        assert!(deliveries.acknowledge(marks[2].receipt()));
        assert!(packets(&mut deliveries).is_empty());
        assert!(deliveries.acknowledge(marks[0].receipt()));
        assert_eq!(packets(&mut deliveries), [11]);
        assert!(deliveries.acknowledge(marks[1].receipt()));
        assert_eq!(packets(&mut deliveries), [12, 13]);
    }

    /// Trap 2: the same Packet Identifier on a new connection is another delivery.
    #[test]
    fn an_acknowledgement_of_an_older_connection_does_nothing() {
        let mut deliveries = Deliveries::default();
        let old = Mark::new(1, 1, 9);
        deliveries.add(old, 1);
        deliveries.forget();
        deliveries.add(Mark::new(3, 1, 9), 1);
        assert!(!deliveries.acknowledge(old.receipt()));
        assert!(packets(&mut deliveries).is_empty());
    }
}

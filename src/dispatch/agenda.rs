//! What is to happen at a certain time: the next part of it. The journal has it all.

use std::collections::BTreeMap;

use super::{Due, Errand, Place, Ticket};

/// The next things that are due, as many as memory is for.
///
/// A million commands may wait for their time. Here are those that come
/// first, up to a place in time; what lies beyond it is in the journal only,
/// and is asked for when it comes near.
#[derive(Debug)]
pub(super) struct Agenda {
    entries: BTreeMap<Place, Entry>,
    /// Nothing up to here is missing. Means nothing unless there is more.
    until: Place,
    /// The journal has entries beyond that place.
    has_more: bool,
    /// What failed and is tried again. Of this the journal knows nothing.
    again: BTreeMap<Place, Entry>,
}

/// What is to happen to a command.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub errand: Errand,
    pub actuator: String,
    /// How often it was tried before.
    pub tries: u32,
}

impl Agenda {
    /// Entries in memory, at most.
    const MOST: usize = 4096;

    /// Below this many the journal is asked for more.
    const REFILL_AT: usize = Self::MOST / 4;

    /// Knows nothing yet; the journal may have something.
    pub fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            until: (0, Ticket(0)),
            has_more: true,
            again: BTreeMap::new(),
        }
    }

    /// Notes what the journal has been told of as well.
    pub fn insert(&mut self, due: Due) {
        let place = (due.at_ms, due.ticket);
        if self.has_more && place > self.until {
            return;
        }
        self.keep(due);
        if self.entries.len() > Self::MOST {
            self.entries.pop_last();
            self.has_more = true;
            if let Some((last, _)) = self.entries.last_key_value() {
                self.until = *last;
            }
        }
    }

    fn keep(&mut self, due: Due) {
        let Due { at_ms, ticket, errand, actuator } = due;
        self.entries.insert((at_ms, ticket), Entry { errand, actuator, tries: 0 });
    }

    /// Notes that something is to be tried again.
    pub fn insert_again(&mut self, at_ms: u64, ticket: Ticket, entry: Entry) {
        self.again.insert((at_ms, ticket), entry);
    }

    /// Takes something back, wherever it stands.
    pub fn remove(&mut self, place: Place) {
        self.entries.remove(&place);
        self.again.retain(|(_, ticket), _| *ticket != place.1);
    }

    /// After which place the journal should be asked for more, if it should.
    pub fn wants(&self) -> Option<Place> {
        (self.has_more && self.entries.len() < Self::REFILL_AT).then_some(self.until)
    }

    /// What the journal had after that place, in order; nothing means that
    /// there is no more. Those for which `is_known` holds are passed over.
    pub fn page(&mut self, page: Vec<Due>, is_known: impl Fn(&Due) -> bool) {
        match page.last() {
            Some(last) => self.until = (last.at_ms, last.ticket),
            None => self.has_more = false,
        }
        for due in page {
            if !is_known(&due) {
                self.keep(due);
            }
        }
    }

    /// When something is due next, in milliseconds since 1970-01-01T00:00:00Z.
    pub fn next_ms(&self) -> Option<u64> {
        let first = |entries: &BTreeMap<Place, Entry>| Some(entries.first_key_value()?.0.0);
        first(&self.entries).into_iter().chain(first(&self.again)).min()
    }

    /// Takes the first that is due by now.
    pub fn pop(&mut self, now_ms: u64) -> Option<(Place, Entry)> {
        [&mut self.entries, &mut self.again].into_iter().find_map(|entries| {
            let first = entries.first_entry()?;
            (first.key().0 <= now_ms).then(|| first.remove_entry())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(at_ms: u64, ticket: u64) -> Due {
        let actuator = "wall".to_owned();
        Due { at_ms, ticket: Ticket(ticket), errand: Errand::Perform, actuator }
    }

    /// An agenda, and all that the journal has.
    struct Both {
        agenda: Agenda,
        journal: Vec<Due>,
        popped: Vec<Place>,
    }

    impl Both {
        fn insert(&mut self, due: Due) {
            self.journal.push(due.clone());
            self.agenda.insert(due);
            self.refill();
        }

        fn refill(&mut self) {
            while let Some(after) = self.agenda.wants() {
                let popped = &self.popped;
                let mut page: Vec<Due> = self
                    .journal
                    .iter()
                    .filter(|due| (due.at_ms, due.ticket) > after)
                    .filter(|due| !popped.contains(&(due.at_ms, due.ticket)))
                    .cloned()
                    .collect();
                page.sort_by_key(|due| (due.at_ms, due.ticket));
                page.truncate(500);
                self.agenda.page(page, |_| false);
            }
        }

        fn pop_until(&mut self, now_ms: u64) {
            while let Some((place, _)) = self.agenda.pop(now_ms) {
                self.popped.push(place);
                self.refill();
            }
        }
    }

    #[test]
    fn however_many_wait_all_come_in_order_and_few_are_in_memory() {
        let mut both = Both { agenda: Agenda::new(), journal: Vec::new(), popped: Vec::new() };
        // Neither in order nor at different times.
        let all = (1..=3 * Agenda::MOST as u64).map(|ticket| due(1 + ticket * 7919 % 1000, ticket));
        let (early, late): (Vec<Due>, Vec<Due>) = all.partition(|due| due.ticket.0 % 3 > 0);
        for due in early {
            both.insert(due);
            assert!(both.agenda.entries.len() <= Agenda::MOST);
        }
        both.pop_until(500);
        let so_far = both.popped.len();
        assert_eq!(both.agenda.next_ms(), Some(501));
        for due in late.iter().filter(|due| due.at_ms > 500).cloned() {
            both.insert(due);
            assert!(both.agenda.entries.len() <= Agenda::MOST);
        }
        both.pop_until(u64::MAX);

        let mut expected: Vec<Place> =
            both.journal.iter().map(|due| (due.at_ms, due.ticket)).collect();
        expected.sort();
        assert_eq!(both.popped.len(), expected.len());
        assert!(both.popped[..so_far].iter().all(|(at_ms, _)| *at_ms <= 500));
        assert_eq!(both.popped, expected);
        assert_eq!(both.agenda.next_ms(), None);
    }

    #[test]
    fn what_is_taken_back_does_not_come() {
        let mut agenda = Agenda::new();
        agenda.page(Vec::new(), |_| false);
        for at_ms in [10, 20] {
            agenda.insert(due(at_ms, at_ms));
        }
        let entry = Entry { errand: Errand::Stop, actuator: "wall".to_owned(), tries: 1 };
        agenda.insert_again(30, Ticket(20), entry);
        agenda.remove((20, Ticket(20)));
        assert_eq!(agenda.pop(100).map(|(place, _)| place), Some((10, Ticket(10))));
        assert_eq!(agenda.pop(100), None);
    }
}

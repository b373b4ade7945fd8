//! What knows of most keys that they are not in the journal.
//!
//! Every command is looked up by its key before anything else, and nearly every
//! key is new. A Bloom filter in memory says so, and spares these commands the
//! way to the writer and back. It may take a new key for a known one, which
//! then is looked up for nothing; it never takes a known key for a new one.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard};

use crate::dispatch::{Event, Key, Record};

/// Bits of the filter for each key that it is to take: of new keys, one in thirty is looked up
/// when it has taken them all, and far fewer before.
const BITS_A_KEY: u64 = 8;

/// Largest filter: 2 MiB.
const MOST_WORDS: u64 = 1 << 18;

/// Bits that a key sets, all in one word.
const BITS: u32 = 4;

/// Least number of keys after which a new filter takes the place of the old one. It is as many as
/// the journal had commands when it was begun, if those were more: what the journal forgets leaves
/// only so, and so the filter grows with the journal.
const RENEW_AFTER: u64 = 65_536;

/// With more commands in the journal than this it is not made anew: most keys
/// would look like known ones.
const MOST: u64 = 4_000_000;

/// Shared by the writer and by whoever asks and appends.
#[derive(Debug)]
pub(super) struct KeyFilter {
    hasher: RandomState,
    layers: Mutex<Layers>,
    /// Stands for [`RENEW_AFTER`].
    renew_after: u64,
}

#[derive(Debug)]
struct Layers {
    /// Has every key of the journal.
    whole: Option<Words>,
    /// Has every key that came since it was begun; the writer adds those from before.
    growing: Option<Words>,
    /// Keys that came since `whole` is whole.
    taken: u64,
    /// Requests that were sent to the writer, and those that it has taken.
    sent: u64,
    arrived: u64,
    /// Of those sent, how many when `growing` was begun: it may lack their keys.
    sent_before: u64,
}

#[derive(Debug)]
struct Words {
    /// A power of two of them.
    words: Box<[u64]>,
    /// Keys that it may take once it is whole.
    room: u64,
}

impl KeyFilter {
    /// One for a journal of so many commands.
    pub(super) fn of(commands: u64) -> Self {
        Self::renewed_after(RENEW_AFTER, commands)
    }

    /// One that is made anew after so many keys at least.
    pub(super) fn renewed_after(keys: u64, commands: u64) -> Self {
        let layers = Layers {
            whole: None,
            growing: Some(Words::new(commands, keys)),
            taken: 0,
            sent: 0,
            arrived: 0,
            sent_before: 0,
        };
        Self { hasher: RandomState::new(), layers: Mutex::new(layers), renew_after: keys }
    }

    /// Takes the keys of a request that is about to be sent to the writer.
    pub(super) fn send<'a>(&self, records: impl IntoIterator<Item = &'a Record>) {
        let mut layers = self.layers();
        layers.sent += 1;
        keys_of(records).for_each(|key| layers.take(self.hasher.hash_one(key)));
    }

    /// The same request has arrived, and is about to be applied.
    pub(super) fn arrive<'a>(&self, records: impl IntoIterator<Item = &'a Record>) {
        let mut layers = self.layers();
        layers.arrived += 1;
        if layers.growing.is_some() {
            keys_of(records).for_each(|key| layers.take(self.hasher.hash_one(key)));
        }
    }

    /// Takes keys of the store.
    pub(super) fn fill(&self, keys: &[Key]) {
        let mut layers = self.layers();
        for key in keys {
            layers.take(self.hasher.hash_one(key));
        }
    }

    /// Whether this key is certainly not in the journal, nor on its way there.
    pub(super) fn lacks(&self, key: &Key) -> bool {
        let hash = self.hasher.hash_one(key);
        self.layers().whole.as_ref().is_some_and(|words| !words.may_have(hash))
    }

    /// Whether a filter is being filled.
    pub(super) fn is_growing(&self) -> bool {
        self.layers().growing.is_some()
    }

    /// Begins a new filter, where the old one has taken enough and the journal has so many commands.
    pub(super) fn renew(&self, commands: u64) {
        let mut layers = self.layers();
        let room = layers.whole.as_ref().map_or(0, |words| words.room);
        if layers.growing.is_none() && layers.taken >= room && commands <= MOST {
            layers.growing = Some(Words::new(commands, self.renew_after));
            layers.sent_before = layers.sent;
        }
    }

    /// Every key of the store is in the filter that was begun: it takes over, unless there are
    /// requests on their way that it has not seen. Whether it has.
    pub(super) fn complete(&self) -> bool {
        let mut layers = self.layers();
        let is_whole = layers.arrived >= layers.sent_before;
        if is_whole {
            layers.whole = layers.growing.take();
            layers.taken = 0;
        }
        is_whole
    }

    fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().expect("nobody panics with it")
    }
}

/// The keys that commands come in with.
fn keys_of<'a>(records: impl IntoIterator<Item = &'a Record>) -> impl Iterator<Item = &'a Key> {
    records.into_iter().filter_map(|record| match &record.event {
        Event::Accepted(accepted) => accepted.key.as_ref(),
        _ => None,
    })
}

impl Layers {
    fn take(&mut self, hash: u64) {
        let Self { whole, growing, taken, .. } = self;
        *taken += 1;
        whole.iter_mut().chain(growing).for_each(|words| words.set(hash));
    }
}

impl Words {
    /// For a journal of so many commands, and as many more, or `least` more.
    fn new(commands: u64, least: u64) -> Self {
        let room = commands.max(least);
        let bits = commands.saturating_add(room).saturating_mul(BITS_A_KEY);
        let words = (bits / u64::from(u64::BITS)).clamp(1, MOST_WORDS).next_power_of_two();
        Self { words: vec![0; index(words)].into(), room }
    }

    fn set(&mut self, hash: u64) {
        let (word, bits) = self.place(hash);
        self.words[word] |= bits;
    }

    fn may_have(&self, hash: u64) -> bool {
        let (word, bits) = self.place(hash);
        self.words[word] & bits == bits
    }

    /// A word, and the bits in it: the hash's low digits say which word, four others each which bit.
    fn place(&self, hash: u64) -> (usize, u64) {
        let word = index(hash & (self.words.len() as u64 - 1));
        let bits = (0..BITS).fold(0, |bits, at| bits | 1 << (hash >> (40 + 6 * at) & 63));
        (word, bits)
    }
}

/// A number of words.
fn index(words: u64) -> usize {
    usize::try_from(words).expect("there are no more than fit into memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::accepted;

    fn keys(numbers: std::ops::Range<u64>) -> Vec<Key> {
        keys_of(&numbers.map(accepted).collect::<Vec<_>>()).cloned().collect()
    }

    fn lacking(filter: &KeyFilter, numbers: std::ops::Range<u64>) -> usize {
        keys(numbers).iter().filter(|key| filter.lacks(key)).count()
    }

    #[test]
    fn it_never_lacks_what_it_took_and_lacks_nearly_everything_else() {
        let filter = KeyFilter::of(50_000);
        filter.fill(&keys(0..50_000));
        assert_eq!(lacking(&filter, 50_000..51_000), 0, "nothing is certain while it is filled");
        assert!(filter.complete());
        filter.send(&(50_000..100_000).map(accepted).collect::<Vec<_>>());
        assert_eq!(lacking(&filter, 0..100_000), 0);
        let lacking = lacking(&filter, 100_000..200_000);
        assert!(lacking > 95_000, "{lacking} of 100000");
    }

    #[test]
    fn it_is_as_large_as_the_journal_needs() {
        let sizes = [(0, 64 << 10), (65_536, 128 << 10), (250_000, 512 << 10), (MOST, 2 << 20)];
        for (commands, bytes) in sizes {
            let words = Words::new(commands, RENEW_AFTER);
            assert_eq!(size_of_val(&*words.words), bytes, "{commands} commands");
        }
    }

    #[test]
    fn a_new_one_takes_over_when_it_has_what_the_journal_has() {
        let filter = KeyFilter::renewed_after(100, 0);
        assert!(filter.complete());
        filter.fill(&keys(0..99));
        filter.renew(99);
        assert!(!filter.is_growing(), "it has not taken enough");
        let on_its_way = [accepted(99)];
        filter.send(&on_its_way);
        filter.renew(MOST + 1);
        assert!(!filter.is_growing(), "there is too much in the journal");
        filter.renew(100);
        assert!(filter.is_growing());

        // The first half has been forgotten, and something new comes meanwhile.
        filter.send(&[accepted(100)]);
        assert_eq!(lacking(&filter, 0..101), 0, "the old one counts until then");
        filter.fill(&keys(50..99));
        assert!(!filter.complete(), "a request from before it has not arrived yet");
        filter.arrive(&on_its_way);
        assert!(filter.complete());
        assert_eq!(lacking(&filter, 50..101), 0);
        assert_eq!(lacking(&filter, 0..50), 50);
    }
}

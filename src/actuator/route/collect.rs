//! Who has answered a command, and whether that is enough.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::str::FromStr;

use crate::dispatch::{Address, Outcome, Said, Tally};
use crate::openc2::Response;

/// Most responses to one command that are kept; whoever answers after that is not counted.
const MOST: usize = 1_000;

/// How many of several consumers have to answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum Collect {
    /// One.
    First,
    /// So many; or all that are expected, where those are fewer.
    Quorum(NonZeroUsize),
    /// Everybody who is expected.
    #[default]
    All,
}

impl FromStr for Collect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("quorum:").map(str::parse)) {
            ("first", _) => Ok(Self::First),
            ("all", _) => Ok(Self::All),
            (_, Some(Ok(number))) => Ok(Self::Quorum(number)),
            _ => Err(format!("{text:?} is none of first, quorum:N and all; N is 1 or more")),
        }
    }
}

impl TryFrom<String> for Collect {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The responses to one command.
#[derive(Debug)]
pub(super) struct Collection {
    collect: Collect,
    expected: BTreeSet<String>,
    /// Others than those that are expected may answer as well.
    is_for_all: bool,
    said: Vec<Said>,
    /// What comes now is late.
    time_is_over: bool,
}

impl Collection {
    /// Of a command for consumers that it names.
    pub fn of(collect: Collect, named: Vec<String>) -> Self {
        let expected = named.into_iter().collect();
        Self { collect, expected, is_for_all: false, said: Vec::new(), time_is_over: false }
    }

    /// Of a command for whoever listens; these are known to.
    pub fn of_whoever(collect: Collect, expected: BTreeSet<String>) -> Self {
        Self { collect, expected, is_for_all: true, said: Vec::new(), time_is_over: false }
    }

    /// The consumer of a command that is for one alone.
    pub fn only(&self) -> Option<&str> {
        match (self.is_for_all, self.expected.len(), self.expected.first()) {
            (false, 1, Some(only)) => Some(only),
            _ => None,
        }
    }

    /// A consumer has said its last word. Only the first one counts, and only of
    /// those that were asked; whether it does.
    pub fn note(&mut self, from: Option<String>, response: Response) -> bool {
        // Where one was asked, a response without a name is its own.
        let Some(from) = from.or_else(|| self.only().map(str::to_owned)) else { return false };
        let is_asked = self.is_for_all || self.expected.contains(&from);
        let counts = is_asked && !self.has_said(&from) && self.said.len() < MOST;
        if counts {
            self.said.push(Said { from, response, is_late: self.time_is_over });
        }
        counts
    }

    /// Whoever answers from now on is late.
    pub fn time_is_over(&mut self) {
        self.time_is_over = true;
    }

    /// The last word that counts, where there may be others.
    pub fn newest_of_several(&self) -> Option<&Said> {
        self.said.last().filter(|_| self.only().is_none())
    }

    /// Whether nobody else needs to be waited for.
    pub fn is_satisfied(&self) -> bool {
        let enough = match self.collect {
            Collect::First => 1,
            Collect::Quorum(number) => number.get(),
            Collect::All => usize::MAX,
        };
        self.said.len() >= enough || (!self.expected.is_empty() && self.has_all_known())
    }

    /// Whether somebody has answered, and everybody who is known of.
    pub fn has_all_known(&self) -> bool {
        self.has_some() && self.expected.iter().all(|id| self.has_said(id))
    }

    /// Whether somebody has answered.
    pub fn has_some(&self) -> bool {
        !self.said.is_empty()
    }

    /// Where to publish what is not answered yet: the topic of each consumer that is
    /// named, or the one where all of them listen.
    pub fn unanswered(&self, address: &Address) -> Vec<Address> {
        if self.is_for_all {
            return vec![address.clone()];
        }
        let silent = self.expected.iter().filter(|id| !self.has_said(id));
        silent.cloned().map(Address::Device).collect()
    }

    /// The response of the one consumer, or one for all of them.
    pub fn outcome(&self) -> Outcome {
        match (self.only(), self.said.first()) {
            (Some(_), Some(said)) => said.response.clone().into(),
            _ => self.tally(false).sum_up().into(),
        }
    }

    /// What there is to say of several while others may still answer.
    pub fn so_far(&self) -> Outcome {
        self.tally(true).sum_up().into()
    }

    fn tally(&self, is_open: bool) -> Tally<'_> {
        let unexpected = self.said.iter().filter(|it| !self.expected.contains(&it.from)).count();
        Tally { expected: self.expected.len() + unexpected, said: &self.said, is_open }
    }

    fn has_said(&self, id: &str) -> bool {
        self.said.iter().any(|it| it.from == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openc2::Status;

    /// What has been said, and whether it is enough.
    #[test]
    fn enough_is_what_the_mode_says() {
        let collect = |text: &str| text.parse::<Collect>().unwrap();
        #[rustfmt::skip]
        let cases = [
            // mode        expected             answers                enough
            ("first",     vec!["a", "b", "c"], vec![],                false),
            ("first",     vec!["a", "b", "c"], vec!["b"],             true),
            ("quorum:2",  vec!["a", "b", "c"], vec!["b"],             false),
            ("quorum:2",  vec!["a", "b", "c"], vec!["b", "b"],        false),
            ("quorum:2",  vec!["a", "b", "c"], vec!["b", "stranger"], false),
            ("quorum:2",  vec!["a", "b", "c"], vec!["b", "c"],        true),
            ("quorum:5",  vec!["a", "b"],      vec!["b", "a"],        true),
            ("all",       vec!["a", "b", "c"], vec!["b", "c"],        false),
            ("all",       vec!["a", "b", "c"], vec!["b", "c", "a"],   true),
        ];
        for (mode, expected, answers, enough) in cases {
            let named = expected.iter().map(|&id| id.to_owned()).collect();
            let mut collection = Collection::of(collect(mode), named);
            for from in &answers {
                collection.note(Some((*from).to_owned()), Response::new(Status::Ok));
            }
            assert_eq!(collection.is_satisfied(), enough, "{mode} {expected:?} {answers:?}");
        }
        for text in ["", "quorum", "quorum:0", "quorum:-1", "quorum:x", "last", "All"] {
            assert!(text.parse::<Collect>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn whoever_listens_is_counted_and_nobody_known_is_nobody_to_wait_for() {
        let mut collection = Collection::of_whoever(Collect::All, BTreeSet::new());
        assert!(!collection.has_all_known());
        collection.note(Some("a".to_owned()), Response::new(Status::Ok));
        assert!(!collection.is_satisfied(), "others may be there");
        assert!(collection.has_all_known());
        assert_eq!(
            collection.outcome().response.status_text.as_deref(),
            Some("1 of 1 answered in time")
        );
        assert_eq!(collection.unanswered(&Address::All), [Address::All]);

        let mut collection = Collection::of_whoever(Collect::All, BTreeSet::from(["a".to_owned()]));
        collection.note(Some("b".to_owned()), Response::new(Status::Ok));
        assert!(!collection.is_satisfied());
        let text = collection.so_far().response.status_text.unwrap();
        assert!(text.starts_with("1 of 2 answered in time; "), "{text}");
        collection.time_is_over();
        collection.note(Some("a".to_owned()), Response::new(Status::NotFound));
        let text = collection.outcome().response.status_text.unwrap();
        assert_eq!(text, "2 of 2 answered, 1 late, 1 failed");
    }

    #[test]
    fn the_response_of_the_only_consumer_is_passed_on_as_it_is() {
        let mut collection = Collection::of(Collect::All, vec!["a".to_owned()]);
        let said = Response::with_text(Status::NotFound, "not here");
        collection.note(None, said.clone());
        assert_eq!(collection.outcome(), Outcome::from(said));
        assert!(collection.unanswered(&Address::All).is_empty());
    }
}

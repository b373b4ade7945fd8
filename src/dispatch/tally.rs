//! One response for what several consumers have said.

use serde_json::{Value, json};

use super::post::SUMMARY;
use crate::language::Language;
use crate::openc2::{Members, Response, Results, Status};
use crate::wire;

/// The end of the text where others may still answer.
const GOES_ON: &str = "; what was begun goes on, and the same request again brings what is new";

/// What one of several consumers has said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The consumer.
    pub from: String,
    /// Its last word.
    pub response: Response,
    /// It came when the time was over.
    pub is_late: bool,
}

/// What several consumers have said to one command.
#[derive(Clone, Copy, Debug)]
pub struct Tally<'a> {
    /// How many are to answer.
    pub expected: usize,
    /// Who has answered, and what.
    pub said: &'a [Said],
    /// Others may still answer.
    pub is_open: bool,
}

impl Tally<'_> {
    /// One response for several: the status that all agree on; else 200 where any
    /// succeeded; else 102 where any goes on; else the highest. What each said stands
    /// in the results.
    #[must_use]
    pub fn sum_up(self) -> Response {
        let Response { status, status_text, .. } = self.in_short();
        let responses: Vec<Value> = self
            .said
            .iter()
            .map(|Said { from, response, is_late }| {
                let mut entry = Members::new();
                entry.insert("from".to_owned(), from.as_str().into());
                if let Value::Object(members) = wire::response_to_json(response) {
                    entry.extend(members);
                }
                if *is_late {
                    entry.insert("late".to_owned(), true.into());
                }
                entry.into()
            })
            .collect();
        let (expected, answered) = (self.expected, self.said.len());
        let summary = json!({"expected": expected, "answered": answered, "responses": responses});
        let extensions = Members::from_iter([(SUMMARY.to_owned(), summary)]);
        let results = Results { extensions, ..Results::default() };
        Response { status, status_text, results: Some(results) }
    }

    /// The same without what each said.
    #[must_use]
    pub fn in_short(self) -> Response {
        let Self { expected, said, is_open } = self;
        let answered = said.len();
        let late = said.iter().filter(|it| it.is_late).count();
        let statuses = || said.iter().map(|it| it.response.status);
        let failed = statuses().filter(|status| status.code() >= 400).count();
        let status = match statuses().max() {
            None => Status::ServiceUnavailable,
            Some(highest) if statuses().all(|status| status == highest) => highest,
            Some(_) if statuses().any(Status::is_success) => Status::Ok,
            Some(_) if statuses().any(|status| status == Status::Processing) => Status::Processing,
            Some(highest) => highest,
        };
        let times = if late == 0 { " in time".to_owned() } else { format!(", {late} late") };
        let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        let rest = if is_open { GOES_ON } else { "" };
        let text = format!("{answered} of {expected} answered{times}{failures}{rest}");
        Response::with_text(status, text)
    }
}

/// A sum that was read.
pub(super) struct Sum {
    pub expected: usize,
    pub said: Vec<Said>,
    pub is_open: bool,
}

/// What was summed up here, taken apart; `None` where it was not.
pub(super) fn taken_apart(sum: &Response, language: &Language) -> Option<Sum> {
    let summary = sum.results.as_ref()?.extensions.get(SUMMARY)?;
    let expected = usize::try_from(summary["expected"].as_u64()?).ok()?;
    let said = summary["responses"].as_array()?.iter().map(|entry| {
        let mut entry = entry.as_object()?.clone();
        let from = entry.shift_remove("from")?.as_str()?.to_owned();
        let is_late = entry.shift_remove("late").is_some();
        let response = wire::response_by(&entry.into(), language).ok()?;
        Some(Said { from, response, is_late })
    });
    let is_open = sum.status_text.as_ref().is_some_and(|text| text.ends_with(GOES_ON));
    Some(Sum { expected, said: said.collect::<Option<_>>()?, is_open })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Version;

    fn said(from: &str, status: Status, is_late: bool) -> Said {
        Said { from: from.to_owned(), response: Response::new(status), is_late }
    }

    #[test]
    fn the_text_says_how_many_answered_in_time_how_many_late_and_how_many_failed() {
        let (good, bad) = (Status::Ok, Status::InternalError);
        #[rustfmt::skip]
        let cases = [
            // said                                                expected, open  status  text
            (vec![],                                                    2,  true,  503, "0 of 2 answered in time; what"),
            (vec![said("a", good, false)],                              2,  true,  200, "1 of 2 answered in time; what"),
            (vec![said("a", bad, false), said("b", good, false)],       2,  false, 200, "2 of 2 answered in time, 1 failed"),
            (vec![said("a", bad, false), said("b", good, true)],        2,  false, 200, "2 of 2 answered, 1 late, 1 failed"),
            (vec![said("a", good, true), said("b", good, true)],        3,  true,  200, "2 of 3 answered, 2 late; what"),
            (vec![said("a", bad, false), said("b", Status::NotFound, false)], 2, false, 500, "2 of 2 answered in time, 2 failed"),
            (vec![said("a", bad, false), said("b", Status::Processing, false)], 2, false, 102, "2 of 2 answered in time, 1 failed"),
        ];
        for (said, expected, is_open, status, text) in cases {
            let tally = Tally { expected, said: &said, is_open };
            let response = tally.sum_up();
            let found = response.status_text.clone().unwrap();
            assert!(found.starts_with(text), "{found}: {text}");
            assert_eq!((response.status.code(), found == text), (status, !is_open), "{found}");

            let sum = taken_apart(&response, Language::core(Version::V1_1)).unwrap();
            assert_eq!((sum.expected, sum.is_open), (expected, is_open));
            assert_eq!(sum.said, said, "it can be taken apart again");
        }
    }
}

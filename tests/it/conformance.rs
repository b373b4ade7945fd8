//! Which test shows which requirement of the standards.
//!
//! `docs/conformance.toml` holds the requirements, and `docs/conformance.md` is
//! made from it. What stands in `shown-by` is derived: the tests that name the
//! requirement's id in their doc comment. `OC2_BLESS=1` writes both files anew.

mod page;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;

use crate::source;
use page::page;
use shown::{Shown, shown_in, tests_that_name_requirements};

const TABLE: &str = "docs/conformance.toml";
const PAGE: &str = "docs/conformance.md";

/// The whole table, as the file holds it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    documents: BTreeMap<String, String>,
    requirement: Vec<Requirement>,
}

/// One row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Requirement {
    id: String,
    level: Level,
    role: String,
    /// Section of the document.
    at: String,
    text: String,
    /// Tests that name the id, `file::function`.
    #[serde(default)]
    shown_by: Vec<String>,
    /// What the tests in `shown_by` leave open.
    partly: Option<String>,
    /// Why there is no test yet.
    not_yet: Option<String>,
    /// Why we do otherwise; not for a MUST.
    declined: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "UPPERCASE")]
enum Level {
    Must,
    Should,
    May,
    Expected,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Expected => "EXPECTED",
        }
    }
}

#[test]
fn every_requirement_is_shown_by_a_test_or_says_why_not() {
    let tests = tests_that_name_requirements();
    let path = source::root().join(TABLE);
    let mut text = fs::read_to_string(&path).unwrap();
    let bless = std::env::var_os("OC2_BLESS").is_some();
    if bless {
        text = with_tests_filled_in(&text, &tests);
        fs::write(&path, &text).unwrap();
    }

    let table: Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{TABLE}: {error}"));
    let mut complaints = complaints(&table, &tests);
    let page = page(&table);
    let page_path = source::root().join(PAGE);
    if bless {
        fs::write(&page_path, &page).unwrap();
    } else if fs::read_to_string(&page_path).unwrap_or_default() != page {
        complaints.push(format!("{PAGE} is not what {TABLE} says"));
    }
    assert!(
        complaints.is_empty(),
        "\n{}\n(`OC2_BLESS=1 cargo test --test it conformance` writes what can be derived)",
        complaints.join("\n")
    );
}

/// What is wrong with the table, one sentence each.
fn complaints(table: &Table, tests: &[Shown]) -> Vec<String> {
    let known: BTreeSet<_> = table.requirement.iter().map(|row| row.id.as_str()).collect();
    let pinned: BTreeSet<_> = IDS.iter().copied().collect();
    let mut complaints = Vec::new();
    for id in pinned.difference(&known) {
        complaints.push(format!("{id} is missing from {TABLE}"));
    }
    for id in known.difference(&pinned) {
        complaints.push(format!("{id} is new: add it to IDS in tests/it/conformance.rs"));
    }
    if known.len() != table.requirement.len() {
        complaints.push(format!("an id stands twice in {TABLE}"));
    }
    for row in &table.requirement {
        complaints.extend(row_complaint(row, tests).map(|what| format!("{}: {what}", row.id)));
    }
    for Shown { test, ids } in tests {
        let strangers = ids.iter().filter(|id| !known.contains(id.as_str()));
        complaints
            .extend(strangers.map(|id| format!("{test} names {id}, which is no requirement")));
    }
    complaints
}

fn row_complaint(row: &Requirement, tests: &[Shown]) -> Option<String> {
    let derived = shown_by(&row.id, tests);
    let reasons = [&row.not_yet, &row.declined];
    let given = reasons.iter().filter(|reason| reason.is_some()).count();
    if row.shown_by != derived {
        return Some(format!(
            "shown-by is {:?}, the tests that name it are {derived:?}",
            row.shown_by
        ));
    }
    if row.partly.is_some() && derived.is_empty() {
        return Some("partly is for what a test shows in part".to_owned());
    }
    if row.declined.is_some() && row.level == Level::Must {
        return Some("a MUST cannot be declined".to_owned());
    }
    match (derived.is_empty(), given) {
        (true, 0) => Some("no test names it: give shown-by, not-yet or declined".to_owned()),
        (true, 1) | (false, 0) => None,
        (true, _) => Some("not-yet or declined, not both".to_owned()),
        (false, _) => Some("a test names it: not-yet and declined do not fit".to_owned()),
    }
}

fn shown_by(id: &str, tests: &[Shown]) -> Vec<String> {
    let naming = tests.iter().filter(|shown| shown.ids.iter().any(|named| named == id));
    naming.map(|shown| shown.test.clone()).collect()
}

/// The same file with every `shown-by` as the tests say it, and without the
/// `not-yet` of a requirement that is shown by now. Comments stay.
fn with_tests_filled_in(text: &str, tests: &[Shown]) -> String {
    let mut filled = String::new();
    for block in text.split_inclusive("\n\n") {
        let row = block.strip_suffix("\n\n").unwrap_or(block.trim_end_matches('\n'));
        let end = &block[row.len()..];
        let Some(id) = row.lines().find_map(|line| line.strip_prefix("id = \"")) else {
            filled.push_str(block);
            continue;
        };
        let derived = shown_by(id.trim_end_matches('"'), tests);
        let mut in_shown_by = false;
        let mut kept = Vec::new();
        for line in row.lines() {
            in_shown_by |= line.starts_with("shown-by = ");
            let is_stale = !derived.is_empty() && line.starts_with("not-yet = ");
            if !in_shown_by && !is_stale {
                kept.push(line.to_owned());
            }
            in_shown_by &= !line.ends_with(']');
        }
        match &derived[..] {
            [] => {}
            [one] => kept.push(format!("shown-by = [\"{one}\"]")),
            several => {
                kept.push("shown-by = [".to_owned());
                kept.extend(several.iter().map(|test| format!("    \"{test}\",")));
                kept.push("]".to_owned());
            }
        }
        filled.push_str(&kept.join("\n"));
        filled.push_str(end);
    }
    filled
}

#[test]
fn only_tests_count_and_only_by_their_doc_comment() {
    let source = r#"
        /// The session is kept: MQTT-3.1-1, and MQTT-B-1.
        #[test]
        fn kept() {}

        /// Waits. (L11-3.3.1.4-2)
        #[tokio::test(start_paused = true)]
        #[expect(lint, reason = "a [bracket]")]
        async fn waits() {}

        /// MQTT-3.1-2, but this is no test.
        fn helper() {}

        // MQTT-3.1-3
        #[test]
        fn a_plain_comment_is_not_enough() {}

        /// MQTT-3.1-4
        const OF_SOMETHING_ELSE: u8 = 1;
        #[test]
        fn another() { let text = "/// MQTT-3.1-1"; }

        /// MQTT 5 itself says so in MQTT-3.3.1-1.
        #[test]
        fn names_a_statement_of_mqtt_5() {}
    "#;
    let shown: Vec<_> =
        shown_in("tests/it/x.rs", source).into_iter().map(|s| (s.test, s.ids.join(" "))).collect();
    let expected =
        [("tests/it/x.rs::kept", "MQTT-3.1-1 MQTT-B-1"), ("tests/it/x.rs::waits", "L11-3.3.1.4-2")];
    assert_eq!(shown, expected.map(|(test, ids)| (test.to_owned(), ids.to_owned())));
}

const SAMPLE: &str = r#"# A comment.

[documents]
MQTT = "A document"

[[requirement]]
id = "MQTT-3.1-1"
level = "MUST"
role = "both"
at = "3.1"
text = "One."
not-yet = "soon"

# ---- another section

[[requirement]]
id = "MQTT-3.1-2"
level = "SHOULD"
role = "both"
at = "3.1"
text = "Two."
shown-by = [
    "tests/it/a.rs::gone",
    "tests/it/a.rs::renamed",
]
declined = "no"
"#;

fn sample_test(name: &str, ids: &[&str]) -> Shown {
    Shown { test: name.to_owned(), ids: ids.iter().map(|&id| id.to_owned()).collect() }
}

#[test]
fn blessing_keeps_comments_and_reasons_and_nothing_stale() {
    let tests = [sample_test("tests/it/a.rs::one", &["MQTT-3.1-1"])];
    let blessed = with_tests_filled_in(SAMPLE, &tests);
    let expected =
        SAMPLE.replace("not-yet = \"soon\"", "shown-by = [\"tests/it/a.rs::one\"]").replace(
            "shown-by = [\n    \"tests/it/a.rs::gone\",\n    \"tests/it/a.rs::renamed\",\n]\n",
            "",
        );
    assert_eq!(blessed, expected);
    assert_eq!(with_tests_filled_in(&blessed, &tests), blessed, "twice is as good as once");
}

#[test]
fn what_is_wrong_with_a_row_is_said() {
    let one = || sample_test("tests/it/a.rs::one", &["MQTT-3.1-1"]);
    let two = || sample_test("tests/it/a.rs::two", &["MQTT-3.1-2", "MQTT-3.9-9"]);
    let no_reason = SAMPLE.replace("not-yet = \"soon\"\n", "");
    let declined = SAMPLE.replace("not-yet = \"soon\"", "declined = \"no\"");
    #[rustfmt::skip]
    let cases = [
        (SAMPLE,     vec![],      "MQTT-3.1-2: shown-by is [\"tests/it/a.rs::gone\", \"tests/it/a.rs::renamed\"], the tests that name it are []"),
        (SAMPLE,     vec![one()], "MQTT-3.1-1: shown-by is [], the tests that name it are [\"tests/it/a.rs::one\"]"),
        (SAMPLE,     vec![two()], "tests/it/a.rs::two names MQTT-3.9-9, which is no requirement"),
        (SAMPLE,     vec![],      "MQTT-3.1-3 is missing from docs/conformance.toml"),
        (&no_reason, vec![],      "MQTT-3.1-1: no test names it: give shown-by, not-yet or declined"),
        (&declined,  vec![],      "MQTT-3.1-1: a MUST cannot be declined"),
    ];
    for (text, tests, complaint) in cases {
        let found = complaints(&toml::from_str(text).unwrap(), &tests);
        assert!(found.iter().any(|one| one == complaint), "{complaint}\nnot in {found:#?}");
    }
}

/// Every id there has ever been; a requirement does not go away by being deleted.
#[rustfmt::skip]
const IDS: &[&str] = &[
    "MQTT-3.1-1", "MQTT-3.1-2", "MQTT-3.1-3", "MQTT-3.1-4", "MQTT-2.10-1", "MQTT-3.2-1",
    "MQTT-3.2-2", "MQTT-3.2-3", "MQTT-3.2-4", "MQTT-3.2-5", "MQTT-3.2-6", "MQTT-3.2-7",
    "MQTT-3.2-8", "MQTT-3.2-9", "MQTT-3.2-10", "MQTT-3.2-11", "MQTT-2.4-1", "MQTT-2.5-1",
    "MQTT-3.3-1", "MQTT-3.3-2", "MQTT-3.3-3", "MQTT-3.3-4", "MQTT-3.3-5", "MQTT-3.4-1",
    "MQTT-3.5-1", "MQTT-B-1", "MQTT-B-2", "MQTT-B-3",
    "L11-3.2-1", "L11-3.2-2", "L11-3.2-3", "L11-3.2-4", "L11-3.3.1-1", "L11-3.3.1-2",
    "L11-3.3.1.1-1", "L11-3.3.1.2-1", "L11-3.1.4-1", "L11-3.3.1.4-1", "L11-3.3.1.4-2",
    "L11-3.3.1.4-3", "L11-3.3.1.4-4", "L11-3.3.1.4-5", "L11-3.3.2-1", "L11-3.3.2.2-1",
    "L11-3.4-1", "L11-3.4-2", "L11-3.4.1.5-1", "L11-3.4.1.5-2", "L11-3.4.2-1", "L11-4.1-1",
    "L11-4.1-2", "L11-4.1-3", "L11-4.1-4", "L11-4.1-5", "L11-4.1-6", "L11-5.4-2",
    "L11-3.1.5-1", "L11-3.3.4-1", "L11-3.3.4-2",
    "L10-3.3.1.1-1", "L10-3.3.1.2-1", "L10-3.3.1.4-1", "L10-3.4.1.9-1", "L10-3.3.2-1",
    "L10-4-1", "L10-B-1", "L10-3.3.4-1",
    "HTTPS-3.2.1-1", "HTTPS-3.2.1-2", "HTTPS-3.2.1-3", "HTTPS-3.2.2-1", "HTTPS-3.2.3-1",
    "HTTPS-3.2.4-1", "HTTPS-3.3.1-1", "HTTPS-3.3.3-1", "HTTPS-3.3.3-2", "HTTPS-3.4-1",
    "HTTPS-4.2-1", "HTTPS-4.1-1",
    "JADN-2.1-1", "JADN-2.1.2-1", "JADN-2.1.3-1", "JADN-2.1.4-1", "JADN-2.2-1", "JADN-3-1",
    "JADN-3.2-1", "JADN-4.1-1", "JADN-4.1.2-1",
];

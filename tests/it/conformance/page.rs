//! The table of requirements, for readers.

use std::fmt::Write as _;

use super::{Requirement, Table};

/// `docs/conformance.md`.
pub(super) fn page(table: &Table) -> String {
    let mut page = String::from(
        "# Conformance\n\n\
         Made from docs/conformance.toml by the test in tests/it/conformance.rs; do not edit.\n\
         A requirement counts as shown when a test names its id, and that test asserts on what\n\
         crosses the wire. The texts are ours; the documents decide.\n\n\
         | document | requirements | shown | in part | not yet | declined |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let documents = documents_in_order(table);
    for document in &documents {
        let rows: Vec<_> = rows_of(table, document).collect();
        let count = |test: fn(&&&Requirement) -> bool| rows.iter().filter(test).count();
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            table.documents[*document],
            rows.len(),
            count(|row| !row.shown_by.is_empty() && row.partly.is_none()),
            count(|row| row.partly.is_some()),
            count(|row| row.not_yet.is_some()),
            count(|row| row.declined.is_some()),
        )
        .expect("writing to a string");
    }
    for document in &documents {
        write!(page, "\n## {}\n", table.documents[*document]).expect("writing to a string");
        for row in rows_of(table, document) {
            page.push_str(&entry(row));
        }
    }
    page
}

fn entry(row: &Requirement) -> String {
    let Requirement { id, role, at, text, .. } = row;
    let level = row.level.as_str();
    let mut entry = format!("\n**{id}** ({level}, {role}, section {at}): {text}\n\n");
    for test in &row.shown_by {
        writeln!(entry, "- shown by `{test}`").expect("writing to a string");
    }
    for (what, reason) in
        [("in part", &row.partly), ("not yet", &row.not_yet), ("declined", &row.declined)]
    {
        if let Some(reason) = reason {
            writeln!(entry, "- {what}: {reason}").expect("writing to a string");
        }
    }
    entry
}

/// The documents in the order in which their requirements stand.
fn documents_in_order(table: &Table) -> Vec<&str> {
    let mut documents = Vec::new();
    for row in &table.requirement {
        let document = document_of(row);
        if !documents.contains(&document) {
            documents.push(document);
        }
    }
    documents
}

fn rows_of<'a>(table: &'a Table, document: &'a str) -> impl Iterator<Item = &'a Requirement> {
    table.requirement.iter().filter(move |row| document_of(row) == document)
}

fn document_of(row: &Requirement) -> &str {
    row.id.split('-').next().expect("an id has a first part")
}

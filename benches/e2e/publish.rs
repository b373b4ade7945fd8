//! Puts the figures where they are shown: charts beside bench.json, tables into the documents.
//!
//! A document holds a block between `<!-- bench: NAME -->` and `<!-- bench: end -->`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::report::{Report, folder};
use super::{chart, table};

/// Documents with blocks.
const DOCUMENTS: [&str; 2] = ["README.md", "docs/performance.md"];

const END: &str = "<!-- bench: end -->";

/// Writes charts and tables.
pub fn all(report: &Report) -> Result<()> {
    for (name, svg) in chart::all(report)? {
        fs::write(folder().join(name), svg)?;
    }
    for document in DOCUMENTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        fs::write(&path, with_blocks(&fs::read_to_string(&path)?, report, document)?)?;
    }
    Ok(())
}

/// An error where a document or a chart does not show what bench.json says.
pub fn is_in_step(report: &Report) -> Result<()> {
    const HINT: &str = "`cargo bench --bench e2e -- --publish` writes it anew";
    for (name, svg) in chart::all(report)? {
        let found = fs::read_to_string(folder().join(name)).unwrap_or_default();
        ensure!(found == svg, "docs/performance/{name} is not what bench.json says: {HINT}");
    }
    for document in DOCUMENTS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document))?;
        let wanted = with_blocks(&text, report, document)?;
        ensure!(text == wanted, "{document} is not what bench.json says: {HINT}");
    }
    Ok(())
}

/// A document with what this report says in its blocks.
fn with_blocks(text: &str, report: &Report, document: &str) -> Result<String> {
    let blocks = table::blocks(report);
    let mut parts = text.split("<!-- bench: ");
    let mut written = parts.next().unwrap_or_default().to_owned();
    while let Some(part) = parts.next() {
        let name = part.split(" -->").next().unwrap_or_default();
        let (_, block) = blocks
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("{document}: there is no block {name:?}"))?;
        let rest = parts
            .next()
            .and_then(|end| end.strip_prefix("end -->"))
            .with_context(|| format!("{document}: block {name} has no end"))?;
        written.extend(["<!-- bench: ", name, " -->\n", block, END, rest]);
    }
    Ok(written)
}

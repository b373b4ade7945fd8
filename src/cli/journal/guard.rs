//! `oc2 journal verify | export | accept-loss`: is it all there, and what if not.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::failure;
use crate::cli::output::{Screen, escape_line};
use crate::cli::{Exit, Failure, runtime, tell, units};
use crate::journal::{self, Check};

/// What `oc2 journal verify` is to look at.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub struct VerifyArgs {
    /// A file that `oc2 journal export` wrote, instead of the journal itself
    pub file: Option<PathBuf>,
}

/// Why a loss is accepted.
#[derive(Clone, Debug, Eq, PartialEq, clap::Args)]
pub struct AcceptLossArgs {
    /// Who accepts it and why; it stays in the journal
    #[arg(long, value_name = "WORDS")]
    pub text: String,
}

/// Says whether everything is as it was written: 0, or 1 where it is not.
pub fn verify(dir: &Path, args: &VerifyArgs, as_json: bool) -> Result<Exit, Failure> {
    let check = match &args.file {
        None => runtime()?.block_on(journal::verify(dir)).map_err(failure)?,
        Some(file) => {
            let unreadable =
                |error| Failure::say(Exit::Io, format_args!("{}: {error}", file.display()));
            let opened = File::open(file).map_err(unreadable)?;
            journal::verify_file(BufReader::new(opened)).map_err(unreadable)?
        }
    };
    let mut screen = Screen::stdout();
    if as_json {
        screen.json(&verdict(&check))?;
    } else {
        for line in report(&check) {
            screen.line(&line)?;
        }
        if check.wrong > 0 && args.file.is_none() {
            for line in NEXT_STEP {
                screen.line(line)?;
            }
        }
    }
    Ok(if check.wrong == 0 { Exit::Success } else { Exit::NotOk })
}

/// What to do about a journal that is not what was written.
const NEXT_STEP: [&str; 2] = [
    "next: look for the files that belong here and put them back; ask the producers of what is \
     missing",
    "where nothing else is left: stop the bridge, `oc2 journal accept-loss --text WORDS` goes on \
     with what is there",
];

fn verdict(check: &Check) -> Value {
    json!({
        "records": check.records, "gone": check.gone, "commands": check.commands,
        "losses": check.losses, "last_seq": check.last_seq(), "link": check.head(),
        "wrong": check.wrong, "findings": check.findings,
    })
}

fn report(check: &Check) -> Vec<String> {
    let mut lines: Vec<_> =
        check.findings.iter().map(|finding| escape_line(&finding.what)).collect();
    let unsaid = check.wrong.saturating_sub(check.findings.len() as u64);
    if unsaid > 0 {
        lines.push(format!("… and {unsaid} more"));
    }
    let Check { records, gone, commands, losses, wrong, .. } = check;
    let losses = match losses {
        0 => String::new(),
        1 => ", one accepted loss".to_owned(),
        losses => format!(", {losses} accepted losses"),
    };
    let is = if *wrong == 0 {
        "everything is as it was written".to_owned()
    } else {
        format!("{wrong} wrong")
    };
    lines.push(format!("{is}: {records} records of {commands} commands, {gone} gone{losses}"));
    let link = check.head().unwrap_or_default();
    lines.push(format!("the chain ends with record {}: {link}", check.last_seq()));
    lines
}

/// Writes the whole journal to standard output.
pub fn export(dir: &Path) -> Result<Exit, Failure> {
    let mut screen = Screen::stdout();
    let runtime = runtime()?;
    let mut last = None;
    loop {
        let lines = runtime.block_on(journal::export(dir, last.as_ref())).map_err(failure)?;
        for line in &lines {
            screen.json(&serde_json::to_value(line).expect("plain fields become JSON"))?;
        }
        match lines.into_iter().next_back() {
            Some(line) => last = Some(line),
            None => return Ok(Exit::Success),
        }
    }
}

/// Goes on with what is left.
pub fn accept_loss(dir: &Path, args: &AcceptLossArgs, as_json: bool) -> Result<Exit, Failure> {
    let accepted =
        journal::accept_loss(dir, &args.text).map_err(|error| Failure::new(Exit::Io, error))?;
    let Some(accepted) = accepted else {
        tell("nothing is missing; nothing was written");
        return Ok(Exit::Success);
    };
    let mut screen = Screen::stdout();
    if as_json {
        screen.json(&serde_json::to_value(&accepted).expect("plain fields become JSON"))?;
        return Ok(Exit::Success);
    }
    if accepted.gone > 0 {
        screen.line(&format!("{} records are gone from the end", accepted.gone))?;
    }
    if let Some((first, last)) = accepted.commands_gone {
        screen.line(&format!("of commands {first} to {last} nothing is left"))?;
    }
    for (first, last) in &accepted.missing {
        screen.line(&format!("records {first} to {last} are missing"))?;
    }
    for seq in &accepted.breaks {
        screen.line(&format!("record {seq} is not the one that was written"))?;
    }
    if let Some(what) = &accepted.head {
        screen.line(what)?;
    }
    screen.line(&format!("accepted, as record {} of the journal", accepted.seq))?;
    if let Some(forgotten_ms) = accepted.forgotten_ms {
        let until = units::timestamp(forgotten_ms);
        screen.line(&format!(
            "what was created up to {until} and is not in the journal is refused from now on, since \
             it may have been carried out before"
        ))?;
        screen.line("ask producers to send what they miss anew, with a new `created`")?;
    }
    Ok(Exit::Success)
}

//! A process for each command.

use std::convert::Infallible;
use std::process::ExitStatus;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::ChildStdin;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fault::{Fault, Lie, Output};
use super::lines::Lines;
use super::message::{self, FromProgram, Request};
use super::process::{Process, Streams, log_end};
use super::setting::{DRAIN_WITHIN, Setting};
use super::teller::Teller;

/// Starts a process, hands it the command, and hears it out: until it has
/// exited, what it left behind has been killed, and it is reaped.
pub(super) async fn carry_out(
    setting: &Setting,
    request: &Request,
    teller: Teller,
    cancelled: &CancellationToken,
) -> Result<Value, Fault> {
    let (mut process, Streams { stdin, stdout, stderr }) =
        setting.launch.start().await.map_err(Fault::NotStarted)?;
    let mut lines = Lines::new(stdout, setting.launch.limits.line_bytes());
    let mut stderr = setting.stderr.follow(stderr);
    let mut hearing = Hearing { setting, request, teller, response: None };

    let conversation = async {
        tokio::select! {
            never = feed(stdin, request.line(setting.timeout)) => match never {},
            flood = stderr.until_flood() => Err(flood.into()),
            ended = until_exit(&mut process, &mut lines, &mut hearing) => ended,
            () = cancelled.cancelled() => Err(Fault::Cancelled),
        }
    };
    match timeout(setting.timeout, conversation).await {
        Ok(Ok(())) => {}
        // It is asked first: it may want to tidy up.
        Ok(Err(Fault::Cancelled)) => {
            log_end(&setting.name, process.end(setting.patience.kill_grace).await);
            return Err(Fault::Cancelled);
        }
        Ok(Err(fault)) => {
            log_end(&setting.name, process.kill().await);
            return Err(fault);
        }
        Err(_) => {
            // What it still says on standard error is logged; its response comes too late.
            let ended = tokio::select! {
                ended = process.end(setting.patience.kill_grace) => Some(ended),
                _flood = stderr.until_flood() => None,
            };
            let ended = if let Some(ended) = ended { ended } else { process.kill().await };
            log_end(&setting.name, ended);
            return Err(Fault::TimedOut { after: setting.timeout });
        }
    }

    let status = process.kill().await.map_err(Fault::Unheard)?;
    // What it printed is in the pipes by now. They have an end, unless a
    // descendant has left the group and holds them open: that is not waited for.
    let rest = async {
        let (heard, written) = tokio::join!(hear_out(&mut lines, &mut hearing), stderr.until_end());
        heard.and(written.map_err(Fault::from))
    };
    if let Ok(rest) = timeout(DRAIN_WITHIN, rest).await {
        rest?;
    } else if let Some(line) = lines.rest() {
        hearing.hear(&line)?;
    }
    hearing.verdict(status)
}

/// Writes the command, closes the pipe, and never returns: a program need not
/// read its command, and one that exits early breaks the pipe.
async fn feed(mut stdin: ChildStdin, line: Vec<u8>) -> Infallible {
    let _broken = stdin.write_all(&line).await;
    drop(stdin);
    std::future::pending().await
}

async fn until_exit<R: AsyncRead + Unpin>(
    process: &mut Process,
    lines: &mut Lines<R>,
    hearing: &mut Hearing<'_>,
) -> Result<(), Fault> {
    tokio::select! {
        biased;
        heard = hear_out(lines, hearing) => heard?,
        () = process.exited() => return Ok(()),
    }
    process.exited().await;
    Ok(())
}

async fn hear_out<R: AsyncRead + Unpin>(
    lines: &mut Lines<R>,
    hearing: &mut Hearing<'_>,
) -> Result<(), Fault> {
    while let Some(line) = lines.next().await? {
        hearing.hear(&line)?;
    }
    Ok(())
}

/// What a process has said so far.
struct Hearing<'a> {
    setting: &'a Setting,
    request: &'a Request,
    teller: Teller,
    response: Option<Value>,
}

impl Hearing<'_> {
    fn hear(&mut self, line: &[u8]) -> Result<(), Fault> {
        match message::read(line)? {
            FromProgram::Progress { id, .. } | FromProgram::Response { id, .. }
                if id != self.request.id =>
            {
                Err(Lie::WrongId.into())
            }
            FromProgram::Progress { status_text, .. } => {
                self.setting.check_length(line, Output::Progress)?;
                self.teller.say(status_text);
                Ok(())
            }
            FromProgram::Response { response, .. } => {
                self.setting.check_length(line, Output::Response)?;
                match self.response.replace(response) {
                    None => Ok(()),
                    Some(_) => Err(Lie::SecondResponse.into()),
                }
            }
            FromProgram::Ready { .. } | FromProgram::Pong => Err(Lie::OutOfTurn.into()),
        }
    }

    fn verdict(self, status: ExitStatus) -> Result<Value, Fault> {
        match (self.response, status.success()) {
            (Some(response), true) => Ok(response),
            (Some(_), false) => Err(Fault::FailedAfterResponse(status)),
            (None, true) => Err(Fault::NoResponse),
            (None, false) => Err(Fault::Exit(status)),
        }
    }
}

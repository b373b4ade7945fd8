//! The `oc2` command.

use std::process::ExitCode;

use clap::Parser;
use openc2_bridge::cli::{self, Cli, Exit};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(wrong) => {
            // Nothing is left to do where even this cannot be printed.
            let _unprintable = wrong.print();
            let exit = if wrong.use_stderr() { Exit::Usage } else { Exit::Success };
            return exit.code().into();
        }
    };
    match cli::run(cli) {
        Ok(exit) => exit.code().into(),
        Err(failure) => {
            if !failure.is_closed_pipe() {
                eprintln!("oc2: {failure}");
            }
            failure.exit.code().into()
        }
    }
}

//! The command line: one command, one file.

mod check;
mod explain;
mod healthcheck;
mod serve;
mod store;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use crate::failure::Failure;
pub use serve::Arguments;

/// The version and the commit, like `0.1.0 (0123456789ab)`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("TOLLGATE_COMMIT"),
    ")"
);

/// How long the process waits at its end for somebody who reads why.
const COMPLAINT_MAX: Duration = Duration::from_secs(1);

/// Enforces API keys, scopes and quotas in front of internal APIs.
///
/// Everything is declared by Terraform and read from the store; the flags say which store, and which of its proxies
/// this one is. Every flag is also an environment variable.
#[derive(Debug, Parser)]
#[command(name = "tollgate-proxy", version = VERSION)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve requests until SIGTERM or SIGINT.
    Serve(Box<Arguments>),
    /// Read the store as `serve` would with the same settings, tell what would be left out, and end: 0 where nothing
    /// is.
    Check(Box<Arguments>),
    /// Tell what a proxy would do with a request and everything that decides it, as the store stands, and end: 0 where
    /// it would be sent on, 1 where it would be refused, more where that can't be told. No request is sent, and no
    /// quota is charged.
    Explain(Box<explain::Arguments>),
    /// Ask a running proxy how it is, and end: 0 where it is well. For a container's health check.
    Healthcheck(healthcheck::Arguments),
}

impl Command {
    fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Serve(arguments) => serve::run(*arguments)?,
            Self::Check(arguments) => check::run(*arguments)?,
            Self::Healthcheck(arguments) => healthcheck::run(&arguments)?,
            Self::Explain(arguments) => {
                let is_allowed = explain::run(*arguments)?;
                return Ok(ExitCode::from(u8::from(!is_allowed)));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs what is over soon.
fn in_one_thread<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::Configuration(format!("the system gives no event queue: {error}"))
        })?;
    Ok(runtime.block_on(work))
}

/// Does what the command line says.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let result = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli.command.run(),
        Err(error) => misunderstood(&error).map(|()| ExitCode::SUCCESS),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            complain(format!("tollgate-proxy: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version are asked for; anything else is a mistake, and is told in one line.
fn misunderstood(error: &clap::Error) -> Result<(), Failure> {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // Nobody reads it where it can't be written.
        let _ = error.print();
        return Ok(());
    }
    let text = error.to_string();
    let line = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing"
        }
        _ => text.lines().next().unwrap_or_default(),
    };
    let line = line.strip_prefix("error: ").unwrap_or(line);
    Err(Failure::Configuration(format!(
        "{line}; see tollgate-proxy --help"
    )))
}

/// Tells why the process ends. Where nobody reads that, it ends all the same.
fn complain(line: String) {
    let (done, wait) = mpsc::sync_channel(1);
    let write = move || {
        // There is nowhere else to complain to.
        let _ = writeln!(std::io::stderr(), "{line}");
        let _ = done.try_send(());
    };
    if std::thread::Builder::new().spawn(write).is_ok() {
        let _ = wait.recv_timeout(COMPLAINT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_unknown_flag_is_told_in_one_line() {
        let error = Cli::try_parse_from(["tollgate-proxy", "serve", "--port", "80"]).unwrap_err();
        let failure = misunderstood(&error).unwrap_err();

        assert_eq!(failure.exit_code(), 78);
        assert_eq!(
            failure.to_string(),
            "unexpected argument '--port' found; see tollgate-proxy --help"
        );
    }

    #[test]
    fn help_is_no_mistake() {
        let error = Cli::try_parse_from(["tollgate-proxy", "--version"]).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::DisplayVersion);
        assert!(error.to_string().contains(VERSION));
    }
}

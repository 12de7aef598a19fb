//! Why a run could not go on.

use std::fmt;
use std::path::PathBuf;

/// Why a run could not go on, with what a person needs to go on.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A program that must be installed is missing.
    #[error("{program} is missing: {remedy}")]
    Missing {
        /// Which program.
        program: String,
        /// How to get it.
        remedy: String,
    },
    /// A program ended otherwise than it should.
    #[error("`{command}` {outcome}\n{output}")]
    Command {
        /// What was run.
        command: String,
        /// How it ended.
        outcome: String,
        /// What it printed.
        output: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s\n{output}")]
    TooLate {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
        /// What is known about it.
        output: String,
    },
    /// A file can't be used.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system refused something.
    #[error("{action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A request got no answer.
    #[error("{method} {url} got no answer: {cause}")]
    NoAnswer {
        /// The method.
        method: String,
        /// Where it was sent.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// The process was told to end.
    #[error("interrupted")]
    Interrupted,
    /// An answer was not the expected one.
    #[error("{what}: expected {expected}, got {got}")]
    Unexpected {
        /// What was asked for.
        what: String,
        /// What should have come.
        expected: String,
        /// What came.
        got: String,
    },
}

/// As it is displayed: a test that unwraps it shows a program's output line by line.
impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl Failure {
    /// A failure to read or write `path`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// A failure of the system itself.
    pub fn system(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { action, source }
    }
}

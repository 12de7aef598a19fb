//! Why the process ends before anybody asked it to.

/// Why the process ends; the text says what, where, and what would be right.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What it was told is wrong.
    #[error("{0}")]
    Configuration(String),
    /// The store could not be used at the very first contact.
    #[error("{0}")]
    Store(String),
    /// The store holds what is no good.
    #[error("{0}")]
    Documents(String),
    /// A proxy that was asked is not well.
    #[error("{0}")]
    Unhealthy(String),
}

impl Failure {
    /// The process's exit code, as `sysexits.h` numbers them.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 78,
            Self::Store(_) => 69,
            Self::Documents(_) => 65,
            // The only one that a container scheduler takes for unhealthy.
            Self::Unhealthy(_) => 1,
        }
    }
}

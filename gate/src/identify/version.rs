//! The tokens of one key.

use tollgate_store::document::KeyVersion;
use tollgate_store::token::Verifier;

#[cfg(test)]
thread_local! {
    /// How many tokens were compared in this thread.
    pub(super) static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// One token of a key.
#[derive(Debug)]
pub(super) struct Version {
    sha256: Verifier,
    /// Seldom given, and so out of the way.
    expires_at: Option<Box<jiff::Timestamp>>,
}

impl Version {
    fn new(version: &KeyVersion) -> Self {
        let expires_at = version.expires_at.as_ref();
        Self {
            sha256: version.sha256,
            expires_at: expires_at.map(|end| Box::new(end.at())),
        }
    }

    /// From when on it opens nothing any more.
    pub(super) fn expires_at(&self) -> Option<jiff::Timestamp> {
        self.expires_at.as_deref().copied()
    }
}

/// The tokens of a key; the newest, which most requests bear, lies beside what else they need.
#[derive(Debug)]
pub(super) struct Versions {
    newest: Version,
    older: Box<[Version]>,
}

impl Versions {
    /// Of no versions, one that no token fits: the empty text is none.
    pub(super) fn new(versions: &[KeyVersion]) -> Self {
        let mut newest_first = versions.iter().rev().map(Version::new);
        let none = || Version {
            sha256: Verifier::of(""),
            expires_at: None,
        };
        Self {
            newest: newest_first.next().unwrap_or_else(none),
            older: newest_first.collect(),
        }
    }

    /// The newest one that fits. Every one is compared, whichever fits.
    pub(super) fn fit(&self, presented: &Verifier) -> Option<&Version> {
        let fitting = |version: &Version| {
            #[cfg(test)]
            COMPARED.set(COMPARED.get() + 1);
            version.sha256.matches(presented)
        };
        let newest = fitting(&self.newest).then_some(&self.newest);
        self.older.iter().fold(newest, |found, version| {
            let fits = fitting(version);
            found.or(fits.then_some(version))
        })
    }

    /// The one that opens for longest.
    pub(super) fn longest(&self) -> &Version {
        let end = |version: &&Version| version.expires_at().unwrap_or(jiff::Timestamp::MAX);
        let older = self.older.iter().max_by_key(end);
        older
            .filter(|older| end(older) > end(&&self.newest))
            .unwrap_or(&self.newest)
    }
}

//! Whether a token is in anything that terraform wrote, printed or logged.
//!
//! Every run logs all that terraform and the provider have to say, and what it prints is kept too. The tokens that the
//! store holds are read after every run, as one that is replaced or removed later must not be found either.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tollgate_store::Secret;

use crate::{Failure, Place};

/// Set to have every run traced and searched.
const VARIABLE: &str = "TOLLGATE_TEST_TRACE";
const FOLDERS_MAX: u32 = 16;
/// How our own tokens start.
const OWN: &str = "tg_";

/// Watches the runs in one folder.
#[derive(Debug)]
pub(crate) struct Leaks {
    place: Place,
    runs: AtomicU32,
    tokens: Mutex<Tokens>,
}

/// What was kept at any time, and where.
#[derive(Debug, Default)]
struct Tokens(BTreeMap<String, Vec<Secret>>);

impl Leaks {
    /// Where the environment asks for it.
    pub(crate) fn wanted(place: &Place) -> Option<Self> {
        std::env::var_os(VARIABLE).map(|_| Self::in_place(place))
    }

    /// Watches for the tokens of that place.
    pub(crate) fn in_place(place: &Place) -> Self {
        Self {
            place: place.clone(),
            runs: AtomicU32::new(0),
            tokens: Mutex::default(),
        }
    }

    /// Has a run log everything, into a file that is told by the run's number and verb.
    pub(crate) fn trace(&self, command: &mut Command, folder: &Path, arguments: &[&str]) {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let verb = arguments.first().unwrap_or(&"terraform");
        let log = folder.join(format!("trace-{number}-{verb}.log"));
        command.env("TF_LOG", "trace").env("TF_LOG_PATH", log);
    }

    /// Keeps what a run printed.
    pub(crate) fn keep(&self, folder: &Path, verb: &str, printed: &str) -> Result<(), Failure> {
        let number = self.runs.load(Ordering::Relaxed);
        let path = folder.join(format!("printed-{number}-{verb}.txt"));
        std::fs::write(&path, printed).map_err(Failure::file(path))
    }

    /// Learns the tokens that the store holds now.
    pub(crate) fn learn(&self, namespace: Option<&str>) -> Result<(), Failure> {
        let kept = self.place.tokens(namespace)?;
        let mut tokens = self.lock();
        for (secret_id, text) in kept {
            tokens.add(secret_id, &text);
        }
        Ok(())
    }

    /// The first file that holds a token, and where that token was kept. A configuration may hold one: its author
    /// wrote it.
    pub(crate) fn search(&self, folder: &Path) -> Option<(PathBuf, String)> {
        let tokens = self.lock();
        let mut files = Vec::new();
        list(folder, FOLDERS_MAX, &mut files);
        files
            .into_iter()
            .filter(|file| file.extension().is_none_or(|extension| extension != "tf"))
            .find_map(|file| {
                let bytes = std::fs::read(&file).ok()?;
                let found = tokens.found_in(&bytes)?;
                Some((file, found))
            })
    }

    fn lock(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    /// A place holds a token, or a page of them.
    fn add(&mut self, secret_id: String, kept: &Secret) {
        let page: Option<BTreeMap<String, String>> = serde_json::from_str(kept.expose()).ok();
        let tokens = match page {
            Some(page) => page.into_values().map(Secret::new).collect(),
            None => vec![kept.clone()],
        };
        let known = self.0.entry(secret_id).or_default();
        for token in tokens {
            if !known.iter().any(|known| known.expose() == token.expose()) {
                known.push(token);
            }
        }
    }

    /// Where a token was kept that the bytes hold, with or without what surrounds its secret part.
    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        let all = || {
            let places = self.0.iter();
            places.flat_map(|(place, tokens)| tokens.iter().map(move |token| (place, token)))
        };
        let secrets: HashSet<&[u8]> = all().filter_map(|(_, token)| secret_part(token)).collect();
        let lengths: HashSet<usize> = secrets.iter().map(|secret| secret.len()).collect();
        let words = bytes.split(|byte| !byte.is_ascii_alphanumeric());
        let mut windows =
            words.flat_map(|word| lengths.iter().flat_map(move |length| word.windows(*length)));
        let own = windows.find(|window| secrets.contains(window));
        let text = String::from_utf8_lossy(bytes);
        let holds = |token: &Secret| match secret_part(token) {
            Some(secret) => own == Some(secret),
            None => !token.expose().is_empty() && text.contains(token.expose()),
        };
        all()
            .find(|(_, token)| holds(token))
            .map(|(place, _)| place.clone())
    }
}

/// What makes one of our own tokens secret: letters and digits behind the last underscore.
fn secret_part(token: &Secret) -> Option<&[u8]> {
    let own = token.expose().strip_prefix(OWN)?;
    let secret = own.rsplit('_').next()?;
    (!secret.is_empty()).then_some(secret.as_bytes())
}

fn list(folder: &Path, depth: u32, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if !path.is_dir() {
            files.push(path);
        } else if depth > 0 {
            list(&path, depth - 1, files);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "tg_live_0123456789ab_abcdefghijabcdefghijabcdefghijabcdefghijabc123456";
    const FOREIGN: &str = "an-old_token/of another+gateway";

    /// Leaks that know both tokens, a page of which holds one.
    fn leaks(folder: &Path) -> Leaks {
        let store = folder.join("store");
        for (name, text) in [
            ("tokens/set.1.0", format!(r#"{{"acme": "{TOKEN}"}}"#)),
            ("token/other", FOREIGN.to_owned()),
        ] {
            let path = store.join("prod").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let leaks = Leaks::in_place(&Place::Directory(store.clone()));
        leaks.learn(None).unwrap();
        std::fs::remove_dir_all(store).unwrap();
        leaks
    }

    #[test]
    fn a_token_is_found_wherever_it_is_planted() {
        let secret = TOKEN.rsplit('_').next().unwrap();
        for (planted, place) in [
            (TOKEN.to_owned(), "prod/tokens/set.1.0"),
            (format!("Bearer {secret}!"), "prod/tokens/set.1.0"),
            (format!("before{secret}after"), "prod/tokens/set.1.0"),
            (format!("({FOREIGN})"), "prod/token/other"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let leaks = leaks(folder.path());
            assert_eq!(leaks.search(folder.path()), None);
            let file = folder.path().join("deep/er/trace.log");
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, format!("a line\n{planted}\n")).unwrap();

            let (found, kept) = leaks.search(folder.path()).unwrap();

            assert_eq!(found, file);
            assert!(kept.ends_with(place), "{kept}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let leaks = leaks(folder.path());
        let public = "tg_live_0123456789ab abcdefghij an-old_token";
        std::fs::write(folder.path().join("terraform.tfstate"), public).unwrap();

        assert_eq!(leaks.search(folder.path()), None);
    }
}

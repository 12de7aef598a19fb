//! How long and with how many keys is measured.

use tollgate_acceptance::Failure;

use super::work::Work;

/// The medians of fewer rounds differ from run to run.
const ROUNDS_DEFAULT: u32 = 11;
const SECONDS_DEFAULT: u32 = 1;
const KEYS_DEFAULT: [u32; 3] = [1_000, 100_000, 1_000_000];
const ROUNDS_MAX: u32 = 1_000;
const SECONDS_MAX: u32 = 60;
const KEYS_MAX: u32 = 1_000_000;
/// The word for a run without the peers.
const ALONE: &str = "alone";

/// How long and with how many keys is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How often each proxy is measured.
    pub(crate) rounds: u32,
    /// How long each time.
    pub(crate) seconds: u32,
    /// With how many keys, one table each.
    pub(crate) keys: Vec<u32>,
    /// What is measured.
    pub(crate) works: Vec<Work>,
    /// Whether Tollgate is measured alone.
    pub(crate) is_alone: bool,
}

impl Settings {
    /// Whether everything is measured: of less, nothing is written down.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_alone && self.works == Work::ALL && self.keys == KEYS_DEFAULT
    }

    /// From words like `rounds=3`; an empty value is as good as none.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut settings = Self {
            rounds: ROUNDS_DEFAULT,
            seconds: SECONDS_DEFAULT,
            keys: KEYS_DEFAULT.to_vec(),
            works: Work::ALL.to_vec(),
            is_alone: false,
        };
        for word in words {
            if word == ALONE {
                settings.is_alone = true;
                continue;
            }
            match word.split_once('=') {
                Some((_, "")) => {}
                Some(("rounds", text)) => settings.rounds = number(text, ROUNDS_MAX)?,
                Some(("seconds", text)) => settings.seconds = number(text, SECONDS_MAX)?,
                Some(("keys", text)) => {
                    let counts = text.split(',').map(|text| number(text, KEYS_MAX));
                    settings.keys = counts.collect::<Result<_, _>>()?;
                }
                Some(("works", text)) => {
                    settings.works = text.split(',').map(work).collect::<Result<_, _>>()?;
                }
                _ => return Err(unknown(&word, "rounds=, seconds=, keys=, works= or alone")),
            }
        }
        Ok(settings)
    }
}

fn work(text: &str) -> Result<Work, Failure> {
    let found = Work::ALL.into_iter().find(|work| work.word() == text);
    let words = Work::ALL.map(Work::word).join(", ");
    found.ok_or_else(|| unknown(text, &words))
}

fn number(text: &str, most: u32) -> Result<u32, Failure> {
    let number = text.parse().ok();
    let within = number.filter(|number| (1..=most).contains(number));
    within.ok_or_else(|| unknown(text, &format!("1 to {most}")))
}

fn unknown(text: &str, expected: &str) -> Failure {
    Failure::Unexpected {
        what: "a setting of the benchmark".to_owned(),
        expected: expected.to_owned(),
        got: format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Settings, Failure> {
        Settings::parse(words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let settings = parse(&["rounds=", "keys=10,20", ALONE]).unwrap();

        assert_eq!(settings.rounds, ROUNDS_DEFAULT);
        assert_eq!(settings.keys, [10, 20]);
        assert!(settings.is_alone);
        assert!(!settings.is_whole());
        assert!(parse(&["rounds=3"]).unwrap().is_whole());
        assert!(!parse(&["works=tls"]).unwrap().is_whole());
        for wrong in ["rounds=0", "seconds=x", "keys=1,,2", "fast"] {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }
}

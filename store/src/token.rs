//! Tokens: `tg_<environment>_<id>_<secret><checksum>`.
//!
//! The id (12 base62 characters) is public. The secret is 32 bytes from the system's random source as 43 base62
//! characters. The checksum (CRC-32 of everything before it, 6 base62 characters) turns a mistyped or invented token
//! away before any lookup. The store keeps only the SHA-256 of the whole text.

use std::fmt;

use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::key_id::{KEY_ID_CHARS, base62_digit};
use crate::{Environment, KeyId, Secret, in_place};

/// The most characters a token of our own may have.
pub const TOKEN_CHARS_MAX: usize =
    3 + crate::name::ENVIRONMENT_CHARS_MAX + 1 + KEY_ID_CHARS + 1 + SECRET_CHARS + CHECKSUM_CHARS;
/// The fewest characters of a token that was made elsewhere: a shorter one could be guessed.
pub const IMPORTED_CHARS_MIN: usize = 20;
/// The most characters of a token that was made elsewhere.
pub const IMPORTED_CHARS_MAX: usize = 512;
const SECRET_BYTES: usize = 32;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;

/// The system's random source failed.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed: {0}")]
pub struct NoRandomness(String);

/// Makes a new token for the key `id`.
pub fn generate(environment: &Environment, id: KeyId) -> Result<Secret, NoRandomness> {
    let mut bytes = Zeroizing::new([0_u8; SECRET_BYTES]);
    SysRng
        .try_fill_bytes(bytes.as_mut())
        .map_err(|error| NoRandomness(error.to_string()))?;
    let mut text = String::with_capacity(TOKEN_CHARS_MAX);
    text.push_str("tg_");
    text.push_str(environment.as_str());
    text.push('_');
    text.push_str(id.as_str());
    text.push('_');
    push_base62(&mut text, bytes.as_mut());
    let checksum = crc32fast::hash(text.as_bytes());
    push_checksum(&mut text, checksum);
    Ok(Secret::new(text))
}

/// The id inside a token whose shape and checksum are right; `None` for anything else. Nothing is allocated.
#[must_use]
pub fn key_id(token: &str) -> Option<KeyId> {
    let (body, checksum) = token.split_at_checked(token.len().checked_sub(CHECKSUM_CHARS)?)?;
    if token.len() > TOKEN_CHARS_MAX
        || checksum_value(checksum)? != crc32fast::hash(body.as_bytes())
    {
        return None;
    }
    // From the end, where every part has its length.
    let (head, secret) = body.split_at_checked(body.len().checked_sub(SECRET_CHARS)?)?;
    let head = head.strip_prefix("tg_")?.strip_suffix('_')?;
    let (environment, id) = head.split_at_checked(head.len().checked_sub(KEY_ID_CHARS)?)?;
    let environment = environment.strip_suffix('_')?;
    if [environment, secret].iter().any(|part| part.contains('_')) {
        return None;
    }
    KeyId::parse(id).ok()
}

/// Checks a token that was made elsewhere: a request must be able to bear it, and nobody to guess it. The error does
/// not show it.
pub fn check_imported(token: &str) -> Result<(), String> {
    let is_visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible && (IMPORTED_CHARS_MIN..=IMPORTED_CHARS_MAX).contains(&token.len()) {
        return Ok(());
    }
    let what = if is_visible {
        format!("this one has {}", token.len())
    } else {
        "this one holds others".to_owned()
    };
    Err(format!(
        "a token must have {IMPORTED_CHARS_MIN} to {IMPORTED_CHARS_MAX} visible ASCII characters without spaces: {what}"
    ))
}

/// The SHA-256 of a token's whole text: what the store keeps and a proxy compares, in constant time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct Verifier([u8; 32]);

impl Verifier {
    /// The verifier of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads a verifier; the error says how one is written, and does not show the text: it could be a token.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(bad_verifier());
        }
        // Looked at in the end: a choice at each digit would take longer than reading all of them.
        let mut all = 0;
        for (slot, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (digit_value(*high), digit_value(*low));
            all |= high | low;
            *slot = high << 4 | low;
        }
        if all & NO_DIGIT != 0 {
            return Err(bad_verifier());
        }
        Ok(Self(bytes))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The first 8 bytes as 16 hexadecimal digits: enough to tell tokens apart, no help to guess one.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hexadecimal(self.0.get(..8).unwrap_or_default())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Verifier({}…)", self.fingerprint())
    }
}

impl From<Verifier> for String {
    fn from(verifier: Verifier) -> Self {
        hexadecimal(&verifier.0)
    }
}

impl<'de> Deserialize<'de> for Verifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        in_place::read(deserializer, Self::parse)
    }
}

/// What is no hexadecimal digit in lower case has this value; no digit's has any of its bits.
const NO_DIGIT: u8 = 0xf0;

fn digit_value(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        _ => NO_DIGIT,
    }
}

fn bad_verifier() -> String {
    "a hash must be a SHA-256 in 64 lower-case hexadecimal digits".to_owned()
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Appends `bytes`, read as one number, in base62, and leaves them zero.
fn push_base62(text: &mut String, bytes: &mut [u8]) {
    for _ in 0..SECRET_CHARS {
        let remainder = bytes.iter_mut().fold(0_u32, |carry, byte| {
            let value = carry << 8 | u32::from(*byte);
            // A quotient below 256, since the carry is below 62.
            *byte = u8::try_from(value / 62).unwrap_or_default();
            value % 62
        });
        text.push(char::from(base62_digit(u64::from(remainder))));
    }
}

fn push_checksum(text: &mut String, checksum: u32) {
    for power in (0..CHECKSUM_CHARS).rev() {
        let place = 62_u64.pow(u32::try_from(power).unwrap_or_default());
        text.push(char::from(base62_digit(u64::from(checksum) / place)));
    }
}

fn checksum_value(text: &str) -> Option<u32> {
    let number = text.bytes().try_fold(0_u64, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        Some(sum * 62 + u64::from(digit))
    })?;
    u32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> KeyId {
        KeyId::parse("0aB1cD2eF3gH").unwrap()
    }

    #[test]
    fn a_token_shows_its_environment_and_id_and_nothing_else_is_readable() {
        let token = generate(&Environment::default(), id()).unwrap();

        assert!(token.expose().starts_with("tg_live_0aB1cD2eF3gH_"));
        assert_eq!(token.expose().len(), 3 + 4 + 1 + 12 + 1 + 43 + 6);
        assert_eq!(key_id(token.expose()), Some(id()));
    }

    #[test]
    fn two_tokens_of_one_key_differ() {
        let first = generate(&Environment::default(), id()).unwrap();
        let second = generate(&Environment::default(), id()).unwrap();

        assert_ne!(first.expose(), second.expose());
        assert!(!Verifier::of(first.expose()).matches(&Verifier::of(second.expose())));
    }

    #[test]
    fn one_changed_character_fails_the_checksum() {
        let token = generate(&Environment::default(), id()).unwrap();
        for index in 0..token.expose().len() {
            let mut bytes = token.expose().as_bytes().to_vec();
            bytes[index] = if bytes[index] == b'x' { b'y' } else { b'x' };
            assert_eq!(
                key_id(std::str::from_utf8(&bytes).unwrap()),
                None,
                "character {index}"
            );
        }
    }

    #[test]
    fn a_verifier_survives_json_and_a_bad_one_is_refused() {
        let verifier = Verifier::of("abc");
        let json = serde_json::to_string(&verifier).unwrap();

        assert_eq!(
            json,
            "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""
        );
        assert_eq!(serde_json::from_str::<Verifier>(&json).unwrap(), verifier);
        assert!(serde_json::from_str::<Verifier>("\"BA7816\"").is_err());
        assert!(serde_json::from_str::<Verifier>("7").is_err());
    }

    #[test]
    fn a_hash_with_one_wrong_character_anywhere_is_refused() {
        let good = String::from(Verifier::of("abc"));
        for place in 0..good.len() {
            for wrong in ["A", "g", "/", ":", "`", " ", "\u{7f}"] {
                let mut text = good.clone();
                text.replace_range(place..=place, wrong);
                assert!(Verifier::parse(&text).is_err(), "{text:?}");
            }
        }
        assert!(Verifier::parse(&good[1..]).is_err());
        assert!(Verifier::parse(&format!("{good}0")).is_err());
    }

    #[test]
    fn a_token_from_elsewhere_is_long_enough_and_one_word() {
        for token in [
            "x".repeat(20),
            "~!@#$%^&*()_+{}|:\"<>?".to_owned(),
            "x".repeat(512),
        ] {
            assert_eq!(check_imported(&token), Ok(()), "{token}");
        }
        for (token, what) in [
            ("x".repeat(19), "this one has 19"),
            ("x".repeat(513), "this one has 513"),
            ("x".repeat(19) + " x", "this one holds others"),
            ("x".repeat(19) + "\n", "this one holds others"),
            ("ä".repeat(20), "this one holds others"),
        ] {
            let error = check_imported(&token).unwrap_err();
            assert!(error.ends_with(what), "{error}");
            assert!(!error.contains(&token), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,120}") {
            let _ = key_id(&text);
        }

        #[test]
        fn the_checksum_reads_back(checksum: u32) {
            let mut text = String::new();
            push_checksum(&mut text, checksum);
            prop_assert_eq!(checksum_value(&text), Some(checksum));
        }
    }
}

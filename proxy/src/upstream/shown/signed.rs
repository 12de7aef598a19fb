//! Tokens that were signed lately: the same caller gets the same one for part of its life.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use http::HeaderValue;

use super::identity::Caller;
use crate::thread;

/// The most tokens that each thread keeps for one upstream.
const TOKENS_MAX: usize = 1_024;

/// Tokens by callers, by the thread that signed them.
#[derive(Debug)]
pub(super) struct Signed {
    hashes: RandomState,
    kept: [Mutex<HashMap<u64, Token>>; thread::PLACES],
}

/// A token, and everything that it says beside its times.
#[derive(Debug)]
struct Token {
    kid: String,
    subject: String,
    principal: Option<String>,
    key: Option<String>,
    key_id: Option<String>,
    scopes: String,
    issued: i64,
    value: HeaderValue,
}

impl Default for Signed {
    fn default() -> Self {
        Self {
            hashes: RandomState::new(),
            kept: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl Signed {
    /// The token of a caller by the key `kid`, at a time and with a life, both in seconds: what was signed before as long
    /// as half of its life is left, or else what `sign` makes.
    pub(super) fn find_or(
        &self,
        caller: &Caller<'_>,
        (kid, (now, life)): (&str, (i64, i64)),
        sign: impl FnOnce() -> Option<HeaderValue>,
    ) -> Option<HeaderValue> {
        let Some(kept) = self.kept.get(thread::place()) else {
            return sign();
        };
        let hash = self.hashes.hash_one((
            kid,
            &caller.subject,
            caller.principal,
            caller.key,
            &caller.scopes,
        ));
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |token: &Token| token.issued <= now && (now - token.issued) * 2 < life;
        let found = kept.get(&hash).filter(|token| is_fresh(token));
        if let Some(token) = found.filter(|token| token.says(kid, caller)) {
            return Some(token.value.clone());
        }
        let value = sign()?;
        if kept.len() >= TOKENS_MAX {
            kept.retain(|_, token| is_fresh(token));
            if kept.len() >= TOKENS_MAX {
                kept.clear();
            }
        }
        kept.insert(hash, Token::new(kid, caller, (now, value.clone())));
        Some(value)
    }
}

impl Token {
    fn new(kid: &str, caller: &Caller<'_>, (issued, value): (i64, HeaderValue)) -> Self {
        let Caller {
            subject,
            principal,
            key,
            key_id,
            // No token says it but by the subject.
            token: _,
            scopes,
        } = caller;
        Self {
            kid: kid.to_owned(),
            subject: subject.clone(),
            principal: principal.map(str::to_owned),
            key: key.map(str::to_owned),
            key_id: key_id.clone(),
            scopes: scopes.clone(),
            issued,
            value,
        }
    }

    /// Two callers may have one hash.
    fn says(&self, by: &str, caller: &Caller<'_>) -> bool {
        let Caller {
            subject,
            principal,
            key,
            key_id,
            // No token says it but by the subject.
            token: _,
            scopes,
        } = caller;
        self.kid == by
            && self.subject == *subject
            && self.principal.as_deref() == *principal
            && self.key.as_deref() == *key
            && self.key_id == *key_id
            && self.scopes == *scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller<'a>(label: &'a str, scopes: &str) -> Caller<'a> {
        Caller {
            subject: label.to_owned(),
            principal: Some(label),
            key: None,
            key_id: None,
            token: None,
            scopes: scopes.to_owned(),
        }
    }

    fn token(signed: &Signed, caller: &Caller<'_>, kid: &str, now: i64) -> String {
        let text = format!("{}-{}-{kid}-{now}", caller.subject, caller.scopes);
        let sign = || HeaderValue::from_str(&text).ok();
        let value = signed.find_or(caller, (kid, (now, 60)), sign).unwrap();
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_token_is_used_for_half_of_its_life_and_never_for_another_caller() {
        let signed = Signed::default();
        let acme = caller("acme", "read");
        assert_eq!(token(&signed, &acme, "k", 100), "acme-read-k-100");
        assert_eq!(token(&signed, &acme, "k", 129), "acme-read-k-100");
        assert_eq!(
            token(&signed, &caller("zoo", "read"), "k", 110),
            "zoo-read-k-110"
        );
        let more = caller("acme", "read write");
        assert_eq!(token(&signed, &more, "k", 110), "acme-read write-k-110");
        assert_eq!(token(&signed, &acme, "new", 110), "acme-read-new-110");
        assert_eq!(token(&signed, &acme, "k", 130), "acme-read-k-130");
        // A clock that was set back.
        assert_eq!(token(&signed, &acme, "k", 90), "acme-read-k-90");
    }

    #[test]
    fn not_any_number_of_tokens_is_kept() {
        let signed = Signed::default();
        for number in 0..3 * TOKENS_MAX {
            let label = format!("c{number}");
            token(&signed, &caller(&label, ""), "k", 100);
        }
        let kept = signed.kept[thread::place()].lock().unwrap();

        assert!(kept.len() <= TOKENS_MAX);
    }
}

//! What a token claims, once its signature is known to be good (RFC 7519, section 4.1; RFC 9068, section 4).

use std::sync::Arc;

use serde_json::{Map, Value};

use super::TokenFault;

/// The longest subject that is told apart.
const SUBJECT_CHARS_MAX: usize = 255;
/// Numbers beyond are not times that anybody means, and not exact any more.
const SECONDS_MAX: f64 = 9_007_199_254_740_992.0;

/// The claims of a token.
pub(super) struct Claims<'t>(pub(super) &'t Arc<Map<String, Value>>);

impl Claims<'_> {
    /// A claim by its name; where none is called so, by the way to it.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(name) {
            return Some(value);
        }
        let (first, rest) = name.split_once('.')?;
        let mut value = self.0.get(first)?;
        for step in rest.split('.') {
            value = value.as_object()?.get(step)?;
        }
        Some(value)
    }

    /// A claim by its name alone.
    pub(super) fn own(&self, name: &str) -> Option<&'_ Value> {
        self.0.get(name)
    }

    /// A claim that must be a text, if there is one.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, TokenFault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(TokenFault::Claim),
        }
    }

    /// Whom the token is about.
    pub(super) fn subject(&self, claim: &str) -> Result<&str, TokenFault> {
        let subject = self.text(claim)?.ok_or(TokenFault::ClaimMissing)?;
        let is_plain = !subject.is_empty()
            && subject.chars().count() <= SUBJECT_CHARS_MAX
            && !subject.chars().any(char::is_control);
        is_plain.then_some(subject).ok_or(TokenFault::Claim)
    }

    /// The texts of a claim: a list, or one text with spaces between them (RFC 8693, section 4.2).
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, TokenFault> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(text.split(' ').filter(|it| !it.is_empty()).collect()),
            Some(Value::Array(_)) => self.list(name),
            Some(_) => Err(TokenFault::Claim),
        }
    }

    /// Whom the token is made out to: a list, or one text.
    pub(super) fn audiences(&self) -> Result<Vec<&str>, TokenFault> {
        match self.0.get("aud") {
            None => Err(TokenFault::ClaimMissing),
            Some(Value::String(audience)) => Ok(vec![audience]),
            Some(_) => self.list("aud"),
        }
    }

    /// Checks when the token is good, with clocks that may differ by `skew` seconds.
    pub(super) fn check_times(&self, now: i64, skew: i64) -> Result<(), TokenFault> {
        let expires = self.time("exp")?;
        let (not_before, _) = (self.time("nbf")?, self.time("iat")?);
        if expires.is_some_and(|end| now.saturating_sub(skew) > end) {
            return Err(TokenFault::Expired);
        }
        if not_before.is_some_and(|start| now.saturating_add(skew) < start) {
            return Err(TokenFault::NotYetValid);
        }
        Ok(())
    }

    /// A number of seconds since 1970 (RFC 7519, section 2); a text that looks like one is none.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, TokenFault> {
        let Some(value) = self.0.get(name) else {
            return Ok(None);
        };
        if let Some(seconds) = value.as_i64() {
            return Ok(Some(seconds));
        }
        let seconds = value.as_f64().ok_or(TokenFault::Claim)?;
        if seconds.abs() > SECONDS_MAX {
            return Err(TokenFault::Claim);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is within the bounds of both"
        )]
        let seconds = seconds.floor() as i64;
        Ok(Some(seconds))
    }

    fn list(&self, name: &str) -> Result<Vec<&str>, TokenFault> {
        let list = self.get(name).and_then(Value::as_array);
        let texts = list.ok_or(TokenFault::Claim)?.iter().map(Value::as_str);
        texts.collect::<Option<_>>().ok_or(TokenFault::Claim)
    }
}

//! Who bears a token: by its signature, by what is remembered of it, or by what its issuer says of it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::claims::Claims;
use super::jws::{self, Jws};
use super::memory::Verified;
use super::{
    Bearer, IssuerNumber, IssuerRule, Issuers, JsonWebKeys, Scheme, TokenDigest, TokenFault,
    possession,
};
use crate::identify::Presented;
use crate::{CredentialFault, Now, Refusal};

/// What tokens of keys begin with.
const OURS: &str = "tg_";

impl Issuers {
    /// Whether a text may be a token of one of them.
    pub(in crate::identify) fn may_be_of_one(&self, token: &str) -> bool {
        !self.rules.is_empty() && (jws::has_form(token) || self.asked_about(token).is_some())
    }

    /// Who bears a token, if it is good now.
    pub(in crate::identify) fn verify(
        &self,
        sent: (&str, Scheme),
        presented: &Presented<'_>,
        now: Now,
    ) -> Result<Bearer<'_>, Refusal> {
        let (token, _) = sent;
        let has_form = jws::has_form(token);
        // What has the form of a signed token by chance alone is its issuer's to read.
        match self.asked_about(token) {
            Some((number, rule)) if !has_form || !jws::has_head(token) => {
                return answered(rule, number, sent, (presented, now));
            }
            None if !has_form => return Err(CredentialFault::Malformed.into()),
            _ => {}
        }
        let digest = TokenDigest::of(token.as_bytes());
        if let Some(memory) = presented.memory
            && let Some(verified) = memory.verified(&digest)
        {
            let (number, rule) = self.issuer_of(&verified.claims)?;
            let keys = keys_of(rule, number, presented);
            if keys.is_ok_and(|keys| keys.digest() == verified.keys) {
                let faulty = |fault| faulty(number, fault);
                rule.check_head(&verified.head).map_err(faulty)?;
                let claims = Claims(&verified.claims);
                let checked = rule.check_claims(&claims, now.wall.as_second());
                return bearer((rule, number), (&claims, sent), (presented, now), checked);
            }
        }
        let read = Jws::read(token).map_err(nobodys)?;
        let (number, rule) = self.issuer_of(&read.claims)?;
        if rule.is_asked_about_all() {
            return answered(rule, number, sent, (presented, now));
        }
        let faulty = |fault| faulty(number, fault);
        rule.check_head(&read.head).map_err(faulty)?;
        let keys = keys_of(rule, number, presented)?;
        keys.verify(&read).map_err(faulty)?;
        // What it says counts from here on.
        let verified = Arc::new(Verified {
            keys: keys.digest(),
            head: read.head,
            claims: read.claims,
        });
        let claims = Claims(&verified.claims);
        let checked = rule.check_claims(&claims, now.wall.as_second());
        let bearer = bearer((rule, number), (&claims, sent), (presented, now), checked)?;
        if let Some(memory) = presented.memory {
            memory.remember(digest, Arc::clone(&verified), token.len());
        }
        Ok(bearer)
    }

    /// The issuer that a token of no form is of, by what it begins with.
    fn asked_about(&self, token: &str) -> Option<(IssuerNumber, &IssuerRule)> {
        // One of ours that was mistyped is nobody else's to see.
        if token.starts_with(OURS) {
            return None;
        }
        let mut asked = self.asked.iter();
        let (_, place) = asked.find(|(prefix, _)| token.starts_with(prefix.as_str()))?;
        let number = IssuerNumber(*place);
        Some((number, self.get(number)?))
    }

    /// The issuer that a token says it is of, if it is one whose tokens count.
    pub(super) fn issuer_of(
        &self,
        claims: &Map<String, Value>,
    ) -> Result<(IssuerNumber, &IssuerRule), Refusal> {
        let issuer = claims.get("iss").and_then(Value::as_str);
        let place = issuer.and_then(|issuer| self.by_url.get(issuer).copied());
        let unknown = || nobodys(TokenFault::Issuer);
        let number = IssuerNumber(place.ok_or_else(unknown)?);
        let rule = self.get(number).ok_or_else(unknown)?;
        if !rule.issuer.enabled {
            return Err(faulty(number, TokenFault::IssuerDisabled));
        }
        Ok((number, rule))
    }
}

pub(super) fn nobodys(fault: TokenFault) -> Refusal {
    let issuer = None;
    CredentialFault::Token { issuer, fault }.into()
}

pub(super) fn faulty(issuer: IssuerNumber, fault: TokenFault) -> Refusal {
    let issuer = Some(issuer);
    CredentialFault::Token { issuer, fault }.into()
}

fn keys_of(
    rule: &IssuerRule,
    issuer: IssuerNumber,
    presented: &Presented<'_>,
) -> Result<Arc<JsonWebKeys>, Refusal> {
    let inline = rule.inline.as_ref().map(Arc::clone);
    let keys = inline.or_else(|| presented.keys.keys(&rule.name));
    keys.ok_or(Refusal::IssuerUnready { issuer })
}

/// Who bears a token, by what its issuer said when it was asked.
fn answered<'s>(
    rule: &'s IssuerRule,
    number: IssuerNumber,
    sent: (&str, Scheme),
    (presented, now): (&Presented<'_>, Now),
) -> Result<Bearer<'s>, Refusal> {
    let faulty = |fault| faulty(number, fault);
    if !rule.issuer.enabled {
        return Err(faulty(TokenFault::IssuerDisabled));
    }
    let (token, _) = sent;
    if token.len() > jws::TOKEN_BYTES_MAX {
        return Err(faulty(TokenFault::TooLong));
    }
    let digest = TokenDigest::of(token.as_bytes());
    let answer = presented.keys.introspection(&rule.name, &digest);
    let answer = answer.ok_or(Refusal::TokenUnasked { issuer: number })?;
    let claims = answer.claims.as_ref().map(Claims);
    let claims = claims.ok_or_else(|| faulty(TokenFault::Inactive))?;
    let checked = rule.check_answer(&claims, now.wall.as_second());
    bearer((rule, number), (&claims, sent), (presented, now), checked)
}

/// Who bears a token that is known to be its issuer's, `checked` by whom it is for, and when.
pub(super) fn bearer<'s>(
    (rule, number): (&'s IssuerRule, IssuerNumber),
    (claims, sent): (&Claims<'_>, (&str, Scheme)),
    (presented, now): (&Presented<'_>, Now),
    checked: Result<(), TokenFault>,
) -> Result<Bearer<'s>, Refusal> {
    let faulty = |fault| {
        if let Some(trail) = presented.trail {
            trail.note(rule, claims, fault);
        }
        faulty(number, fault)
    };
    checked.map_err(faulty)?;
    let bearer = known(rule, claims).map_err(faulty)?;
    let own = possession::check(rule, claims, sent, presented, now);
    own.map_err(|stop| stop.refusal(faulty))?;
    Ok(bearer)
}

fn known<'s>(rule: &'s IssuerRule, claims: &Claims<'_>) -> Result<Bearer<'s>, TokenFault> {
    let subject = rule.subject(claims)?;
    let held = rule.access(claims)?;
    let has_conditions = !held.access().conditional.is_empty();
    Ok(Bearer {
        subject: format!("{} {subject}", rule.name).into(),
        claims: has_conditions.then(|| Arc::clone(claims.0)),
        held,
        issuer: rule,
    })
}

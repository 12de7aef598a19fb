//! Callers whose token is told of and not shown: for who wonders what it would open.

use std::sync::Arc;

use tollgate_store::Name;

use super::claims::Claims;
use super::verify::{bearer, faulty, nobodys};
use super::{Bearer, IssuerNumber, IssuerRule, Issuers, Scheme, TokenFault, json, jws};
use crate::identify::Presented;
use crate::{Now, Refusal};

impl Issuers {
    /// Who bears a token of that issuer with those claims, a JSON object. What a token must say of its issuer and its end
    /// may be left out.
    pub(in crate::identify) fn claimed(
        &self,
        (issuer, claims): (&Name, &str),
        presented: &Presented<'_>,
        now: Now,
    ) -> Result<Bearer<'_>, Refusal> {
        let place = self.all().iter().position(|rule| rule.name == *issuer);
        let number = IssuerNumber(place.ok_or_else(|| nobodys(TokenFault::Issuer))?);
        let rule = self
            .get(number)
            .ok_or_else(|| nobodys(TokenFault::Issuer))?;
        let faulty = |fault| faulty(number, fault);
        if !rule.issuer.enabled {
            return Err(faulty(TokenFault::IssuerDisabled));
        }
        let claims = json::object(claims.as_bytes()).map_err(|_| faulty(TokenFault::Malformed))?;
        let claims = Arc::new(claims);
        let claims = Claims(&claims);
        let checked = rule.check_answer(&claims, now.wall.as_second());
        let told = (&claims, ("", Scheme::Bearer));
        bearer((rule, number), told, (presented, now), checked)
    }

    /// The issuer that a token says it is of, whether or not it is.
    pub(in crate::identify) fn named_by(&self, token: &str) -> Option<&IssuerRule> {
        let read = jws::Jws::read(token).ok()?;
        self.issuer_of(&read.claims).ok().map(|(_, rule)| rule)
    }

    /// Whether a token says that it is of one of them, whatever else it says and whether or not it is.
    pub(in crate::identify) fn is_named_in(&self, token: &str) -> bool {
        let claims = jws::claims(token);
        let claims = claims.as_ref().and_then(|claims| claims.get("iss"));
        let issuer = claims.and_then(serde_json::Value::as_str);
        issuer.is_some_and(|issuer| self.by_url.contains_key(issuer))
    }
}

//! Whose token it is that is refused, for who wonders.

use std::sync::OnceLock;

use tollgate_store::{Audience, Name};

use super::TokenFault;
use super::claims::Claims;
use super::issuer::IssuerRule;

/// Takes down whose token it is that is refused, once that is known: by its signature, or by what its issuer said of it.
/// Of one that may be anybody's, it holds nothing.
#[derive(Debug, Default)]
pub struct TokenTrail(OnceLock<Traced>);

/// Whose token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The issuer.
    pub issuer: Name,
    /// Whom it is about, where it says so as it must.
    pub subject: Option<String>,
    /// What it says that is wrong, where that is one claim: `its exp is 2026-01-01T00:00:00Z`.
    pub says: Option<String>,
}

impl TokenTrail {
    /// Whose token was refused; `None` where none was, or nobody knows whose.
    #[must_use]
    pub fn traced(&self) -> Option<&Traced> {
        self.0.get()
    }

    /// Takes down a token of `rule` that `fault` is wrong with. What came first stays.
    pub(super) fn note(&self, rule: &IssuerRule, claims: &Claims<'_>, fault: TokenFault) {
        self.0.get_or_init(|| Traced {
            issuer: rule.name.clone(),
            subject: rule.subject(claims).ok().map(str::to_owned),
            says: says(rule, claims, fault),
        });
    }

    /// The same of a token that is good itself.
    pub(in crate::identify) fn note_good(&self, (issuer, subject): (&Name, &str)) {
        self.0.get_or_init(|| Traced {
            issuer: issuer.clone(),
            subject: Some(subject.to_owned()),
            says: None,
        });
    }
}

fn says(rule: &IssuerRule, claims: &Claims<'_>, fault: TokenFault) -> Option<String> {
    let time = |name: &str| {
        let second = claims.time(name).ok()??;
        let at = jiff::Timestamp::from_second(second).ok()?;
        Some(format!("its {name} is {at}"))
    };
    match fault {
        TokenFault::Expired => time("exp"),
        TokenFault::NotYetValid => time("nbf"),
        TokenFault::Audience => {
            let said = claims.audiences().ok()?;
            let taken: Vec<_> = rule.issuer.audiences.iter().map(Audience::as_str).collect();
            Some(format!("its aud is {said:?}, and {taken:?} would do"))
        }
        _ => None,
    }
}

//! What decides requests that bear a token of one issuer.

use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::Issuer;
use tollgate_store::{ClaimName, ClockSkew, Identifier, Name};

use super::TokenFault;
use super::claims::Claims;
use super::jws::Head;
use super::keys::JsonWebKeys;
use crate::identify::access::{Access, QuotaRule, ScopeRule};
use crate::identify::conditional::{GivenScopes, RoleRule};

const SCOPE_CLAIM: &str = "scope";
const SUBJECT_CLAIM: &str = "sub";
/// What a token's type is where nothing is declared (RFC 9068, section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";
/// What a token without a type is.
const UNTYPED: &str = "jwt";
const CLOCK_SKEW_S: i64 = 30;

/// Scopes by what tokens call them.
pub(crate) type ScopesByName = HashMap<String, Arc<ScopeRule>>;

/// Roles by what tokens call them.
pub(crate) type RolesByName = HashMap<String, Arc<RoleRule>>;

/// The subjects of one claim, and what each may do as the principal that it is.
pub(crate) type Subjects = HashMap<String, Arc<Access>>;

/// What decides requests that bear a token of one issuer.
#[derive(Debug)]
pub struct IssuerRule {
    /// The document's name.
    pub name: Name,
    /// What it declares.
    pub issuer: Issuer,
    /// Its keys, where they stand in its document.
    pub(crate) inline: Option<Arc<JsonWebKeys>>,
    pub(crate) scopes: Arc<ScopesByName>,
    pub(crate) roles: Arc<RolesByName>,
    pub(crate) quotas: Box<[Arc<QuotaRule>]>,
    /// By the claim that tells them.
    pub(crate) subjects: Vec<(String, Subjects)>,
    /// Every principal by its name, where a claim of its tokens names it.
    pub(crate) principals: Subjects,
}

/// What may be done by a token.
#[derive(Debug)]
pub(crate) enum Held<'s> {
    /// What its principal may do.
    Declared(&'s Access),
    /// What the token says.
    Made(Box<Access>),
}

impl Held<'_> {
    pub(crate) fn access(&self) -> &Access {
        match self {
            Self::Declared(access) => access,
            Self::Made(access) => access,
        }
    }
}

/// Which claim tells whom a token of `issuer` is about.
pub(crate) fn subject_claim(issuer: &Issuer) -> &str {
    let claim = issuer.subject_claim.as_ref();
    claim.map_or(SUBJECT_CLAIM, ClaimName::as_str)
}

impl IssuerRule {
    /// Whether its keys must be fetched.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.inline.is_none() && !self.is_asked_about_all()
    }

    /// Whether it is asked about each of its tokens, since it has no keys to verify one by.
    pub(super) fn is_asked_about_all(&self) -> bool {
        let issuer = &self.issuer;
        issuer.introspection.is_some() && issuer.jwks.is_none() && issuer.jwks_url.is_none()
    }

    /// What its tokens begin with that it is asked about; `None`: it is asked about none.
    pub(super) fn opaque_prefix(&self) -> Option<&str> {
        let asked = self.issuer.introspection.as_deref()?;
        Some(asked.token_prefix.as_ref().map_or("", Identifier::as_str))
    }

    /// What its tokens' heads must say.
    pub(super) fn check_head(&self, head: &Head) -> Result<(), TokenFault> {
        if !self.issuer.takes(head.algorithm) {
            return Err(TokenFault::Algorithm);
        }
        let kind = head.kind.as_deref().unwrap_or(UNTYPED);
        let is_taken = if let Some(types) = &self.issuer.token_types {
            types.iter().any(|declared| declared.is(kind))
        } else {
            let kind = kind.to_ascii_lowercase();
            kind.strip_prefix("application/").unwrap_or(&kind) == ACCESS_TOKEN
        };
        is_taken.then_some(()).ok_or(TokenFault::Type)
    }

    /// What its tokens must claim: for whom they are, and when.
    pub(super) fn check_claims(&self, claims: &Claims<'_>, now: i64) -> Result<(), TokenFault> {
        claims.own("exp").ok_or(TokenFault::ClaimMissing)?;
        self.check_times(claims, now)?;
        self.check_audience(claims)
    }

    /// What it must say of a token that it is asked about. It knows by itself when that ends, and for whom it is, and
    /// need say neither.
    pub(super) fn check_answer(&self, claims: &Claims<'_>, now: i64) -> Result<(), TokenFault> {
        if let Some(issuer) = claims.text("iss")?
            && issuer != self.issuer.url.as_str()
        {
            return Err(TokenFault::Issuer);
        }
        self.check_times(claims, now)?;
        let asked = self.issuer.introspection.as_deref();
        if claims.own("aud").is_none() && asked.is_some_and(|asked| asked.any_audience) {
            return Ok(());
        }
        self.check_audience(claims)
    }

    fn check_times(&self, claims: &Claims<'_>, now: i64) -> Result<(), TokenFault> {
        let skew = self.issuer.clock_skew.as_ref().map(ClockSkew::length);
        let skew = skew.map_or(Some(CLOCK_SKEW_S), |skew| {
            i64::try_from(skew.as_secs()).ok()
        });
        claims.check_times(now, skew.unwrap_or(CLOCK_SKEW_S))
    }

    fn check_audience(&self, claims: &Claims<'_>) -> Result<(), TokenFault> {
        let audiences = claims.audiences()?;
        let mut ours = self.issuer.audiences.iter();
        let is_ours = ours.any(|ours| audiences.contains(&ours.as_str()));
        is_ours.then_some(()).ok_or(TokenFault::Audience)
    }

    /// Whom a token is about.
    pub(super) fn subject<'c>(&self, claims: &'c Claims<'_>) -> Result<&'c str, TokenFault> {
        claims.subject(subject_claim(&self.issuer))
    }

    /// What may be done by a token with those claims.
    pub(super) fn access(&self, claims: &Claims<'_>) -> Result<Held<'_>, TokenFault> {
        let Some(access) = self.principal(claims)? else {
            if !self.issuer.any_subject {
                return Err(TokenFault::Subject);
            }
            let claimed = self.claimed(claims)?;
            return Ok(Held::Made(Box::new(Access {
                principal: None,
                scopes: claimed.always,
                conditional: claimed.conditional,
                quotas: self.quotas.clone(),
            })));
        };
        if access.principal.as_ref().is_some_and(|it| !it.enabled) {
            return Err(TokenFault::PrincipalDisabled);
        }
        if !self.issuer.narrow {
            return Ok(Held::Declared(access));
        }
        let own = (&access.scopes, &*access.conditional);
        let narrowed = GivenScopes::common(own, &self.claimed(claims)?);
        Ok(Held::Made(Box::new(Access {
            principal: access.principal.clone(),
            scopes: narrowed.always,
            conditional: narrowed.conditional,
            quotas: access.quotas.clone(),
        })))
    }

    /// What the one principal may do that a token is about, if it is about any.
    fn principal(&self, claims: &Claims<'_>) -> Result<Option<&Access>, TokenFault> {
        let mut found: Option<&Arc<Access>> = None;
        let named = self.issuer.principal_claim.as_ref();
        let named = named.map(|claim| (claim.as_str(), &self.principals));
        let told = self.subjects.iter();
        let told = told.map(|(claim, subjects)| (claim.as_str(), subjects));
        for (claim, subjects) in told.chain(named) {
            // A claim that is no text tells of nobody.
            let Some(value) = claims.get(claim).and_then(serde_json::Value::as_str) else {
                continue;
            };
            let Some(access) = subjects.get(value) else {
                continue;
            };
            let name =
                |access: &Arc<Access>| access.principal.as_ref().map(|it| Arc::clone(&it.name));
            if found.is_some_and(|found| name(found) != name(access)) {
                return Err(TokenFault::Subjects);
            }
            found = Some(access);
        }
        Ok(found.map(Arc::as_ref))
    }

    /// What a token's scopes and roles stand for. What stands for nothing is passed over.
    fn claimed(&self, claims: &Claims<'_>) -> Result<GivenScopes, TokenFault> {
        let scope_claim = self.issuer.scope_claim.as_ref();
        let scopes = claims.texts(scope_claim.map_or(SCOPE_CLAIM, ClaimName::as_str))?;
        let roles = match &self.issuer.roles_claim {
            Some(claim) => claims.texts(claim.as_str())?,
            None => Vec::new(),
        };
        let scopes = scopes.iter().filter_map(|name| self.scopes.get(*name));
        let roles = roles.iter().filter_map(|name| self.roles.get(*name));
        Ok(GivenScopes::gather(scopes.cloned(), roles.map(Arc::as_ref)))
    }
}

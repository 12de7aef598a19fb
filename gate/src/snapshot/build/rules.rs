//! What keys name, resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::HeaderName;
use tollgate_store::Name;
use tollgate_store::document::{Claim, Kind, Principal, Quota, Role, Scope, Subject};

use super::documents::Documents;
use super::{issuers, subjects};
use crate::condition::{ConditionLanguage, ConditionalRole};
use crate::identify::{
    Access, GivenScopes, HeldScopes, PrincipalRule, QuotaRule, RoleRule, ScopeRule,
};

/// Quotas by their names.
type Quotas = BTreeMap<Arc<Name>, Arc<QuotaRule>>;

/// What keys name, resolved: every one of it is good.
pub(super) struct Rules<'e> {
    pub(super) scopes: BTreeMap<&'e Name, Arc<ScopeRule>>,
    quotas: BTreeMap<&'e Name, Arc<QuotaRule>>,
    /// The quotas of principals that are exceptions, by quota and principal.
    exceptions: BTreeMap<(&'e Name, &'e Name), Arc<QuotaRule>>,
    pub(super) roles: BTreeMap<&'e Name, Arc<RoleRule>>,
    pub(super) principals: BTreeMap<&'e Name, Standing<'e>>,
}

/// A principal, and what it may do.
pub(super) struct Standing<'e> {
    /// By what callers without a key are it.
    pub(super) subjects: &'e [Subject],
    rule: Arc<PrincipalRule>,
    scopes: GivenScopes,
    quotas: Quotas,
}

impl<'e> Rules<'e> {
    /// Resolves what stands below keys. A role that names what is missing is left out, and so is a principal: without
    /// a scope it would open less than its author meant, without a quota it would be unlimited.
    pub(super) fn new(documents: &mut Documents<'e>, language: &dyn ConditionLanguage) -> Self {
        let quotas = quotas(&documents.quotas);
        let mut rules = Self {
            scopes: scopes(&documents.scopes),
            exceptions: exceptions(&documents.quotas, &quotas),
            quotas,
            roles: BTreeMap::new(),
            principals: BTreeMap::new(),
        };
        for (name, role) in std::mem::take(&mut documents.roles) {
            match rules.role((name, role), language, documents) {
                Ok(role) => drop(rules.roles.insert(name, Arc::new(role))),
                Err(says) => documents.leave_out(Kind::Role, name.as_str(), &says),
            }
        }
        issuers::leave_out(documents, &rules);
        subjects::leave_out(documents);
        for (name, principal) in std::mem::take(&mut documents.principals) {
            match rules.standing(name, principal, documents) {
                Ok(standing) => drop(rules.principals.insert(name, standing)),
                Err(says) => documents.leave_out(Kind::Principal, name.as_str(), &says),
            }
        }
        rules
    }

    fn role(
        &self,
        (name, role): (&Name, &Role),
        language: &dyn ConditionLanguage,
        documents: &Documents<'_>,
    ) -> Result<RoleRule, String> {
        Ok(RoleRule {
            scopes: self.named_scopes(Some(&role.scopes), documents)?,
            conditional: ConditionalRole::read(name, role, language)?,
        })
    }

    fn standing(
        &self,
        name: &Name,
        principal: &'e Principal,
        documents: &Documents<'_>,
    ) -> Result<Standing<'e>, String> {
        let allowed = principal.allowed_cidrs.as_ref();
        let rule = PrincipalRule {
            name: Arc::new(name.clone()),
            enabled: principal.enabled,
            allowed: allowed.map(|blocks| blocks.iter().cloned().collect()),
            priority: principal.priority,
        };
        Ok(Standing {
            rule: Arc::new(rule),
            subjects: principal.subjects.as_deref().unwrap_or_default(),
            scopes: GivenScopes::gather([], self.named_roles(principal.roles.as_ref(), documents)?),
            quotas: self.named_quotas(principal.quotas.as_ref(), Some(name), documents)?,
        })
    }

    /// What a key with that claim may do; the error says what is wrong with it: `names scope "x", which …`.
    pub(super) fn access(
        &self,
        claim: &Claim<'_>,
        documents: &Documents<'_>,
    ) -> Result<Access, String> {
        claim
            .check()
            .map_err(|problem| format!("says too little or too much: {}", problem.message))?;
        let scopes = self.named_scopes(claim.scopes, documents)?;
        let mut quotas = self.named_quotas(claim.quotas, claim.principal, documents)?;
        let Some(name) = claim.principal else {
            let roles = self.named_roles(claim.roles, documents)?;
            let given = GivenScopes::gather(scopes.iter().cloned(), roles);
            return Ok(access(None, given, &quotas));
        };
        let principal = self.principal(name, documents)?;
        let own = (&principal.scopes.always, &*principal.scopes.conditional);
        let given = if claim.scopes.is_some() {
            GivenScopes::common(own, &scopes.into())
        } else {
            principal.scopes.clone()
        };
        quotas.extend(principal.quotas.clone());
        let rule = Arc::clone(&principal.rule);
        Ok(access(Some(rule), given, &quotas))
    }

    /// Whether everything exists that a set says for all its keys. What it lacks, its keys may add.
    pub(super) fn check_names(
        &self,
        claim: &Claim<'_>,
        documents: &Documents<'_>,
    ) -> Result<(), String> {
        if let Some(name) = claim.principal {
            self.principal(name, documents)?;
        }
        self.named_scopes(claim.scopes, documents)?;
        drop(self.named_roles(claim.roles, documents)?);
        self.named_quotas(claim.quotas, None, documents)?;
        Ok(())
    }

    /// The headers that the conditions of roles look at, each once.
    pub(super) fn conditions_headers(&self) -> Box<[HeaderName]> {
        let roles = self.roles.values();
        let conditions = roles.filter_map(|role| role.conditional.as_ref());
        let mut headers: Vec<_> = conditions
            .flat_map(|role| role.condition.headers())
            .cloned()
            .collect();
        headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        headers.dedup();
        headers.into()
    }

    /// The named quotas; the error says what is missing: `names quota "x", which …`.
    pub(super) fn all_quotas(
        &self,
        names: Option<&BTreeSet<Name>>,
        documents: &Documents<'_>,
    ) -> Result<Box<[Arc<QuotaRule>]>, String> {
        let quotas = self.named_quotas(names, None, documents)?;
        Ok(quotas.into_values().collect())
    }

    /// Those of the named quotas that there are.
    pub(super) fn quotas_of(&self, names: Option<&BTreeSet<Name>>) -> Box<[Arc<QuotaRule>]> {
        let names = names.into_iter().flatten();
        names
            .filter_map(|name| self.quotas.get(name))
            .cloned()
            .collect()
    }

    fn principal(&self, name: &Name, documents: &Documents<'_>) -> Result<&Standing<'e>, String> {
        let standing = self.principals.get(name);
        standing.ok_or_else(|| format!("names {}", documents.missing(Kind::Principal, name)))
    }

    fn named_scopes(
        &self,
        names: Option<&BTreeSet<Name>>,
        documents: &Documents<'_>,
    ) -> Result<HeldScopes, String> {
        // In the order of their names, which is that of their numbers.
        let rules = named((Kind::Scope, names), &self.scopes, documents)?;
        Ok(rules.into_iter().cloned().collect())
    }

    /// What `principal` is counted by: exactly for it, or else what everybody is.
    fn named_quotas(
        &self,
        names: Option<&BTreeSet<Name>>,
        principal: Option<&Name>,
        documents: &Documents<'_>,
    ) -> Result<Quotas, String> {
        let rules = named((Kind::Quota, names), &self.quotas, documents)?;
        let by_name = |rule: &Arc<QuotaRule>| {
            let exception = principal.and_then(|principal| {
                let place = (rule.name.as_ref(), principal);
                self.exceptions.get(&place)
            });
            let rule = exception.unwrap_or(rule);
            (Arc::clone(&rule.name), Arc::clone(rule))
        };
        Ok(rules.into_iter().map(by_name).collect())
    }

    fn named_roles(
        &self,
        names: Option<&BTreeSet<Name>>,
        documents: &Documents<'_>,
    ) -> Result<impl Iterator<Item = &RoleRule>, String> {
        let roles = named((Kind::Role, names), &self.roles, documents)?;
        Ok(roles.into_iter().map(Arc::as_ref))
    }
}

/// What is named, in the order of the names; the first that is missing is the error.
fn named<'r, R>(
    (kind, names): (Kind, Option<&BTreeSet<Name>>),
    rules: &'r BTreeMap<&Name, R>,
    documents: &Documents<'_>,
) -> Result<Vec<&'r R>, String> {
    let rule = |name: &Name| {
        let missing = || format!("names {}", documents.missing(kind, name));
        rules.get(name).ok_or_else(missing)
    };
    names.into_iter().flatten().map(rule).collect()
}

fn access(principal: Option<Arc<PrincipalRule>>, given: GivenScopes, quotas: &Quotas) -> Access {
    Access {
        principal,
        scopes: given.always,
        conditional: given.conditional,
        quotas: quotas.values().cloned().collect(),
    }
}

fn scopes<'e>(documents: &BTreeMap<&'e Name, &Scope>) -> BTreeMap<&'e Name, Arc<ScopeRule>> {
    let numbered = documents.keys().copied().zip(0..);
    numbered
        .map(|(name, number)| {
            let rule = ScopeRule {
                number,
                name: name.clone(),
            };
            (name, Arc::new(rule))
        })
        .collect()
}

fn quotas<'e>(documents: &BTreeMap<&'e Name, &Quota>) -> BTreeMap<&'e Name, Arc<QuotaRule>> {
    let rule = |(name, quota): (&&'e Name, &&Quota)| {
        let rule = QuotaRule::new(&Arc::new(Name::clone(name)), quota);
        (*name, Arc::new(rule))
    };
    documents.iter().map(rule).collect()
}

fn exceptions<'e>(
    documents: &BTreeMap<&'e Name, &'e Quota>,
    rules: &BTreeMap<&'e Name, Arc<QuotaRule>>,
) -> BTreeMap<(&'e Name, &'e Name), Arc<QuotaRule>> {
    let mut exceptions = BTreeMap::new();
    for ((name, quota), rule) in documents.iter().zip(rules.values()) {
        for (principal, exception) in QuotaRule::exceptions(&rule.name, quota) {
            exceptions.insert((*name, principal), Arc::new(exception));
        }
    }
    exceptions
}

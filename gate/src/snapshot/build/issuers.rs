//! Issuers to rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::{Claim, Issuer, Kind, Subject, TokenSubject};
use tollgate_store::{Identifier, Name};

use super::documents::Documents;
use super::rules::Rules;
use crate::identify::{IssuerRule, Issuers, JsonWebKeys, Subjects, subject_claim};

/// Leaves out each issuer that names what is missing, whose keys can't be used, or that can't be told from another.
pub(super) fn leave_out(documents: &mut Documents<'_>, rules: &Rules<'_>) {
    let mut owners: BTreeMap<&str, Vec<&Name>> = BTreeMap::new();
    for (name, issuer) in &documents.issuers {
        owners.entry(issuer.url.as_str()).or_default().push(name);
    }
    let mut asked: BTreeMap<&str, Vec<&Name>> = BTreeMap::new();
    for (name, issuer) in &documents.issuers {
        let prefix = issuer.introspection.as_deref();
        let prefix = prefix.map(|it| it.token_prefix.as_ref().map_or("", Identifier::as_str));
        if let Some(prefix) = prefix {
            asked.entry(prefix).or_default().push(name);
        }
    }
    let other = |owners: &[&Name], name: &Name| {
        let mut owners = owners.iter();
        owners.find(|it| **it != name).map(ToString::to_string)
    };
    for (name, issuer) in documents.issuers.clone() {
        let twins = owners.get(issuer.url.as_str());
        let twin = twins.and_then(|twins| other(twins, name));
        let rival = asked.values().find(|names| names.contains(&name));
        let rival = rival.and_then(|names| other(names, name));
        let says = match (twin, rival) {
            (Some(twin), _) => Err(format!(
                "has the url of issuer {twin:?}: it must be one issuer's"
            )),
            (None, Some(rival)) => Err(format!(
                "is asked about the same tokens as issuer {rival:?}: their token_prefix must differ"
            )),
            (None, None) => check(issuer, documents, rules),
        };
        if let Err(says) = says {
            documents.issuers.remove(name);
            documents.leave_out(Kind::Issuer, name.as_str(), &says);
        }
    }
}

fn check(issuer: &Issuer, documents: &Documents<'_>, rules: &Rules<'_>) -> Result<(), String> {
    let names = |map: &Option<BTreeMap<String, Name>>| -> Option<BTreeSet<Name>> {
        Some(map.as_ref()?.values().cloned().collect())
    };
    let (scopes, roles) = (names(&issuer.scopes), names(&issuer.roles));
    let claim = Claim {
        principal: None,
        scopes: scopes.as_ref(),
        roles: roles.as_ref(),
        quotas: issuer.quotas.as_ref(),
    };
    rules.check_names(&claim, documents)?;
    inline(issuer).map(drop)
}

fn inline(issuer: &Issuer) -> Result<Option<Arc<JsonWebKeys>>, String> {
    let keys = issuer.jwks.as_ref();
    let keys = keys.map(|keys| JsonWebKeys::parse(keys.as_str().as_bytes()));
    let keys = keys
        .transpose()
        .map_err(|why| format!("has a jwks of no use: {why}"))?;
    Ok(keys.map(Arc::new))
}

/// The claim that tells of a subject.
pub(super) fn claim<'d>(issuer: &'d Issuer, subject: &'d TokenSubject) -> &'d str {
    let claim = subject.claim.as_ref();
    claim.map_or_else(|| subject_claim(issuer), |claim| claim.as_str())
}

/// The rules of the issuers that are left.
pub(super) fn rules(documents: &Documents<'_>, rules: &Rules<'_>) -> Issuers {
    let same_scopes = same(&rules.scopes);
    let same_roles = same(&rules.roles);
    let rule = |(name, issuer): (&&Name, &&Issuer)| IssuerRule {
        name: Name::clone(name),
        issuer: Issuer::clone(issuer),
        // It was read before, and was good.
        inline: inline(issuer).ok().flatten(),
        scopes: mapped(issuer.scopes.as_ref(), (&rules.scopes, &same_scopes)),
        roles: mapped(issuer.roles.as_ref(), (&rules.roles, &same_roles)),
        quotas: rules.quotas_of(issuer.quotas.as_ref()),
        subjects: subjects(name, issuer, documents, rules),
        principals: named(issuer, documents, rules),
    };
    Issuers::new(documents.issuers.iter().map(rule).collect())
}

/// What each principal may do by a token that names it.
fn named(issuer: &Issuer, documents: &Documents<'_>, rules: &Rules<'_>) -> Subjects {
    if issuer.principal_claim.is_none() {
        return Subjects::new();
    }
    let access = |name: &Name| {
        let claim = Claim {
            principal: Some(name),
            scopes: None,
            roles: None,
            quotas: issuer.quotas.as_ref(),
        };
        let access = rules.access(&claim, documents).ok()?;
        Some((name.to_string(), Arc::new(access)))
    };
    let names = rules.principals.keys();
    names.filter_map(|name| access(name)).collect()
}

/// Rules by what tokens call them.
type ByWord<R> = HashMap<String, Arc<R>>;

/// What tokens call by the names of the documents.
fn same<R>(rules: &BTreeMap<&Name, Arc<R>>) -> Arc<ByWord<R>> {
    let entry = |(name, rule): (&&Name, &Arc<R>)| (name.to_string(), Arc::clone(rule));
    Arc::new(rules.iter().map(entry).collect())
}

fn mapped<R>(
    map: Option<&BTreeMap<String, Name>>,
    (rules, same): (&BTreeMap<&Name, Arc<R>>, &Arc<ByWord<R>>),
) -> Arc<ByWord<R>> {
    let Some(map) = map else {
        return Arc::clone(same);
    };
    let entry = |(said, name): (&String, &Name)| Some((said.clone(), Arc::clone(rules.get(name)?)));
    Arc::new(map.iter().filter_map(entry).collect())
}

/// Who is a principal by a token of `name`, by the claims that tell.
fn subjects(
    name: &Name,
    issuer: &Issuer,
    documents: &Documents<'_>,
    rules: &Rules<'_>,
) -> Vec<(String, Subjects)> {
    let mut claims: BTreeMap<&str, Subjects> = BTreeMap::new();
    for (principal, standing) in &rules.principals {
        let mut own = standing
            .subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Token(subject) if subject.issuer == *name => Some(subject),
                _ => None,
            })
            .peekable();
        if own.peek().is_none() {
            continue;
        }
        let claimed = Claim {
            principal: Some(principal),
            scopes: None,
            roles: None,
            quotas: issuer.quotas.as_ref(),
        };
        // All that it names was found before.
        let Ok(access) = rules.access(&claimed, documents) else {
            continue;
        };
        let access = Arc::new(access);
        for subject in own {
            let subjects = claims.entry(claim(issuer, subject)).or_default();
            subjects.insert(subject.value.to_string(), Arc::clone(&access));
        }
    }
    let owned = |(claim, subjects): (&str, Subjects)| (claim.to_owned(), subjects);
    claims.into_iter().map(owned).collect()
}

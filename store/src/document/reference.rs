//! What a document says about other documents.

use std::collections::{BTreeMap, BTreeSet};

use super::{Claim, Document, DocumentKey, KeySetPart, Kind, Spec, Subject};
use crate::{Name, Step};

/// The place of a document where it names another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The way from the document's `spec` to the name; to the whole set, where it stands in one.
    pub path: Vec<Step>,
    /// The document that is named.
    pub document: DocumentKey,
}

impl Document {
    /// Every place where it names another document, in the order of its fields.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        match self.spec() {
            Spec::Scope(_) | Spec::Quota(_) | Spec::Proxy(_) => Vec::new(),
            Spec::Upstream(upstream) => {
                let credential = upstream.credential.as_deref();
                let exchange = credential.and_then(|shown| shown.token_exchange.as_ref());
                let issuers = exchange.and_then(|exchange| exchange.issuers.as_ref());
                let path = ["credential", "token_exchange", "issuers"];
                let path = path.map(|step| Step::Field(step.to_owned()));
                each(&path, Kind::Issuer, issuers).collect()
            }
            Spec::Role(role) => each(&field("scopes"), Kind::Scope, Some(&role.scopes)).collect(),
            Spec::Principal(principal) => {
                let roles = each(&field("roles"), Kind::Role, principal.roles.as_ref());
                let quotas = each(&field("quotas"), Kind::Quota, principal.quotas.as_ref());
                let subjects = principal.subjects.iter().flatten().enumerate();
                let issuers = subjects.filter_map(|(place, subject)| {
                    let Subject::Token(subject) = subject else {
                        return None;
                    };
                    let path = [
                        Step::Field("subjects".to_owned()),
                        Step::Index(place),
                        Step::Field("issuer".to_owned()),
                    ];
                    Some(one(&path, Kind::Issuer, &subject.issuer))
                });
                roles.chain(quotas).chain(issuers).collect()
            }
            Spec::Issuer(issuer) => {
                let mapped = |field_name, kind, map: Option<&BTreeMap<String, Name>>| {
                    let names = map.into_iter().flat_map(BTreeMap::values);
                    let path = field(field_name);
                    names.map(|name| one(&path, kind, name)).collect::<Vec<_>>()
                };
                let scopes = mapped("scopes", Kind::Scope, issuer.scopes.as_ref());
                let roles = mapped("roles", Kind::Role, issuer.roles.as_ref());
                let quotas = each(&field("quotas"), Kind::Quota, issuer.quotas.as_ref());
                scopes.into_iter().chain(roles).chain(quotas).collect()
            }
            Spec::Key(key) => claimed(&[], &key.claim()),
            Spec::KeySet(set) => claimed(&[], &set.claim()),
            Spec::KeySetPart(part) => of_part(part),
            Spec::Route(route) => {
                let proxy = one(&field("proxy"), Kind::Proxy, &route.proxy);
                let upstream = one(&field("upstream"), Kind::Upstream, &route.upstream);
                let quotas = route.anonymous_quotas.as_ref();
                let quotas = each(&field("anonymous_quotas"), Kind::Quota, quotas);
                [proxy, upstream].into_iter().chain(quotas).collect()
            }
        }
    }
}

fn of_part(part: &KeySetPart) -> Vec<Reference> {
    let of_key = |(name, key): (&Name, &super::SetKey)| {
        let place = [
            Step::Field("keys".to_owned()),
            Step::Field(name.as_str().to_owned()),
        ];
        claimed(&place, &key.own_claim())
    };
    part.keys.iter().flat_map(of_key).collect()
}

fn claimed(place: &[Step], claim: &Claim<'_>) -> Vec<Reference> {
    let Claim {
        principal,
        scopes,
        roles,
        quotas,
    } = *claim;
    let at = |name: &str| [place, &field(name)].concat();
    let principal = principal.map(|name| one(&at("principal"), Kind::Principal, name));
    principal
        .into_iter()
        .chain(each(&at("scopes"), Kind::Scope, scopes))
        .chain(each(&at("roles"), Kind::Role, roles))
        .chain(each(&at("quotas"), Kind::Quota, quotas))
        .collect()
}

fn each<'d>(
    path: &[Step],
    kind: Kind,
    names: Option<&'d BTreeSet<Name>>,
) -> impl Iterator<Item = Reference> + use<'d> {
    let path = path.to_vec();
    let names = names.into_iter().flatten();
    names.map(move |name| one(&path, kind, name))
}

fn one(path: &[Step], kind: Kind, name: &Name) -> Reference {
    Reference {
        path: path.to_vec(),
        document: DocumentKey {
            kind,
            name: name.clone(),
        },
    }
}

fn field(name: &str) -> [Step; 1] {
    [Step::Field(name.to_owned())]
}

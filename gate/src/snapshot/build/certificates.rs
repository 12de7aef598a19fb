//! Whose certificates are taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate_store::Name;
use tollgate_store::document::Subject;

use super::rules::Rules;
use crate::identify::{Access, CertificateRule, Certificates};

/// Every certificate of the principals that are left, each of which has its subjects for itself.
pub(super) fn rules(rules: &Rules<'_>, principals: &BTreeMap<Name, Arc<Access>>) -> Certificates {
    let known = rules.principals.iter().flat_map(|(name, standing)| {
        let access = principals.get(*name);
        let certificates = standing
            .subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Certificate(subject) => Some(subject),
                Subject::Token(_) => None,
            });
        certificates.filter_map(move |subject| {
            Some(CertificateRule {
                subject: Arc::new(subject.clone()),
                access: Arc::clone(access?),
            })
        })
    });
    Certificates::new(known)
}

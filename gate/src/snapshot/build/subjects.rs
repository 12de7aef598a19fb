//! Which principals can be told from each other.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use tollgate_store::Name;
use tollgate_store::document::{CertificateSubject, Kind, Subject};

use super::documents::Documents;
use super::issuers::claim;

/// What must be one principal's: a claim of one issuer that says something, or something that a certificate says.
#[derive(PartialEq, Eq, Hash)]
enum Place<'d> {
    Token(&'d Name, &'d str, &'d str),
    Certificate(&'d CertificateSubject),
}

/// Leaves out each principal with a subject that is another's too, or of an issuer that is missing: whose credential it
/// is would be a guess.
pub(super) fn leave_out(documents: &mut Documents<'_>) {
    let mut owners: HashMap<Place<'_>, &Name> = HashMap::new();
    let mut bad: BTreeMap<&Name, String> = BTreeMap::new();
    for (name, principal) in &documents.principals {
        for subject in principal.subjects.iter().flatten() {
            let place = match place(subject, documents) {
                Ok(place) => place,
                Err(says) => {
                    bad.entry(name).or_insert(says);
                    continue;
                }
            };
            let what = place.words();
            let owner = *owners.entry(place).or_insert(name);
            if owner == *name {
                continue;
            }
            for (one, other) in [(owner, *name), (*name, owner)] {
                let other = other.as_str();
                bad.entry(one).or_insert_with(|| {
                    format!("has the subject {what}, which principal {other:?} has too: it must be one principal's")
                });
            }
        }
    }
    for (name, says) in bad {
        documents.principals.remove(name);
        documents.leave_out(Kind::Principal, name.as_str(), &says);
    }
}

fn place<'d>(subject: &'d Subject, documents: &Documents<'d>) -> Result<Place<'d>, String> {
    let subject = match subject {
        Subject::Certificate(subject) => return Ok(Place::Certificate(subject)),
        Subject::Token(subject) => subject,
    };
    let Some(issuer) = documents.issuers.get(&subject.issuer) else {
        let missing = documents.missing(Kind::Issuer, &subject.issuer);
        return Err(format!("names {missing}"));
    };
    let claim = claim(issuer, subject);
    Ok(Place::Token(&subject.issuer, claim, subject.value.as_str()))
}

impl Place<'_> {
    fn words(&self) -> String {
        match self {
            Self::Token(issuer, _, value) => format!("{value:?} of issuer {:?}", issuer.as_str()),
            Self::Certificate(subject) => {
                let (field, value) = subject.field();
                format!("{field} {value:?}")
            }
        }
    }
}

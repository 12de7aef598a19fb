//! Keys of sets, as if each stood by itself.

use std::collections::BTreeMap;

use tollgate_store::Name;
use tollgate_store::document::{KeySet, KeySetPart, Kind, PartName};

use super::documents::Documents;
use super::keys::Candidate;
use super::rules::Rules;
use crate::identify::Credential;

/// The keys of every good set, from the parts of its generation.
///
/// Parts of other generations are on their way in or out and say nothing. A part that is missing costs its keys only.
pub(super) fn candidates<'e>(
    documents: &mut Documents<'e>,
    rules: &Rules<'_>,
) -> Vec<Candidate<'e>> {
    leave_out_sets(documents, rules);
    let parts = std::mem::take(&mut documents.parts);
    leave_out_strays(documents, &parts);
    let mut candidates = Vec::new();
    for (name, set) in documents.key_sets.clone() {
        for number in 1..=set.parts {
            let place = PartName {
                set: name.clone(),
                generation: set.generation,
                number,
            };
            if let Some(part) = parts.get(&place) {
                candidates.extend(of_part((name, set), part));
            } else if !documents.is_bad(Kind::KeySetPart, &place.to_string()) {
                let says = format!("does not exist, though its set has {} parts", set.parts);
                documents.leave_out(Kind::KeySetPart, place.to_string(), &says);
            }
        }
    }
    candidates
}

/// Leaves out each set that names what is missing, and so all its keys.
fn leave_out_sets(documents: &mut Documents<'_>, rules: &Rules<'_>) {
    for (name, set) in documents.key_sets.clone() {
        if let Err(says) = rules.check_names(&set.claim(), documents) {
            documents.key_sets.remove(name);
            documents.leave_out(Kind::KeySet, name.as_str(), &says);
        }
    }
}

/// Names the parts that no good set has.
fn leave_out_strays(documents: &mut Documents<'_>, parts: &BTreeMap<PartName, &KeySetPart>) {
    for place in parts.keys() {
        let says = match documents.key_sets.get(&place.set) {
            None => {
                let set = documents.missing(Kind::KeySet, &place.set);
                format!("is a part of {set}")
            }
            Some(set) if place.generation == set.generation && place.number > set.parts => {
                format!("is beyond the {} parts of its set", set.parts)
            }
            Some(_) => continue,
        };
        documents.leave_out(Kind::KeySetPart, place.to_string(), &says);
    }
}

fn of_part<'e>(
    (name, set): (&'e Name, &'e KeySet),
    part: &'e KeySetPart,
) -> impl Iterator<Item = Candidate<'e>> {
    part.keys.iter().map(move |(key, declared)| Candidate {
        name: format!("{name}/{key}").into(),
        claim: declared.claim(set),
        credential: Credential {
            id: set.key_id(name, key),
            is_in_set: true,
            enabled: set.enabled && declared.enabled,
            not_before: declared.not_before.as_ref(),
            expires_at: declared.expires_at.as_ref(),
            allowed_cidrs: declared.allowed_cidrs.as_ref(),
            versions: &declared.versions,
        },
    })
}

//! Keys of sets, as if each stood by itself.

use std::collections::BTreeMap;

use tollgate_store::document::{KeySetPart, Kind, PartName};

use super::candidate::Candidate;
use super::documents::Documents;
use super::rules::Rules;

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
    let keys = parts.values().map(|part| part.keys.len());
    let mut candidates = Vec::with_capacity(keys.sum());
    for (name, set) in documents.key_sets.clone() {
        for number in 1..=set.parts {
            let place = PartName {
                set: name.clone(),
                generation: set.generation,
                number,
            };
            if let Some(part) = parts.get(&place) {
                let keys = part.keys.iter();
                candidates.extend(keys.map(|(key, it)| Candidate::in_set((name, set), key, it)));
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

//! Names each document that is left out, once.

use std::collections::BTreeMap;

use tollgate_gate::Rejected;
use tollgate_store::document::DocumentId;

/// The most that one snapshot has logged; all of them are on the admin page.
const LINES_MAX: usize = 100;

/// What the last snapshot left out.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    reasons: BTreeMap<DocumentId, String>,
}

impl Rejections {
    /// Takes what a snapshot leaves out, and logs what is new.
    pub(super) fn report(&mut self, rejected: &[Rejected]) {
        let (begun, ended) = self.changes(rejected);
        for Rejected { id, reason } in begun.iter().take(LINES_MAX) {
            let (kind, name) = (&id.kind, &id.name);
            tracing::warn!(kind, name, reason, "a document is left out");
        }
        if let Some(count) = begun
            .len()
            .checked_sub(LINES_MAX)
            .filter(|count| *count > 0)
        {
            tracing::warn!(
                count,
                "more documents are left out: see /documents on the admin listener"
            );
        }
        for id in ended.iter().take(LINES_MAX) {
            let (kind, name) = (&id.kind, &id.name);
            tracing::info!(kind, name, "a document is no longer left out");
        }
    }

    fn changes(&mut self, rejected: &[Rejected]) -> (Vec<Rejected>, Vec<DocumentId>) {
        let reasons: BTreeMap<_, _> = rejected
            .iter()
            .map(|rejected| (rejected.id.clone(), rejected.reason.clone()))
            .collect();
        let begun = rejected
            .iter()
            .filter(|rejected| self.reasons.get(&rejected.id) != Some(&rejected.reason))
            .cloned()
            .collect();
        let ended = self.reasons.keys().filter(|id| !reasons.contains_key(id));
        let ended = ended.cloned().collect();
        self.reasons = reasons;
        (begun, ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(name: &str, reason: &str) -> Rejected {
        let id = DocumentId {
            kind: "key".to_owned(),
            name: name.to_owned(),
        };
        Rejected {
            id,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn a_document_is_named_when_it_becomes_bad_or_bad_in_another_way() {
        let mut rejections = Rejections::default();
        let (a, b) = (rejected("a", "x"), rejected("b", "x"));

        assert_eq!(
            rejections.changes(&[a.clone(), b.clone()]),
            (vec![a.clone(), b.clone()], vec![])
        );
        assert_eq!(
            rejections.changes(&[a.clone(), b.clone()]),
            (vec![], vec![])
        );
        let other = rejected("b", "y");
        assert_eq!(
            rejections.changes(std::slice::from_ref(&other)),
            (vec![other], vec![a.id])
        );
    }
}

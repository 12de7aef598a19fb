//! Tells what is hardly meant, once.

use std::collections::BTreeSet;

use tollgate_gate::Advice;

/// The most that one snapshot has logged; `tollgate-proxy check` lists all of them.
const LINES_MAX: usize = 20;

/// What there was to say of the last snapshot.
#[derive(Debug, Default)]
pub(super) struct Advices(BTreeSet<Advice>);

impl Advices {
    /// Takes what there is to say of a snapshot, and logs what is new.
    pub(super) fn report(&mut self, advice: Vec<Advice>) {
        let new = self.news(advice);
        for Advice { id, says } in new.iter().take(LINES_MAX) {
            let (kind, name) = (&id.kind, &id.name);
            tracing::warn!(kind, name, says, "a document is hardly meant so");
        }
        if new.len() > LINES_MAX {
            let count = new.len() - LINES_MAX;
            tracing::warn!(
                count,
                "more is hardly meant so: tollgate-proxy check lists it"
            );
        }
    }

    fn news(&mut self, advice: Vec<Advice>) -> Vec<Advice> {
        let advice: BTreeSet<_> = advice.into_iter().collect();
        let new = advice.difference(&self.0).cloned().collect();
        self.0 = advice;
        new
    }
}

#[cfg(test)]
mod tests {
    use tollgate_store::document::DocumentId;

    use super::*;

    #[test]
    fn what_was_said_is_said_again_only_after_it_was_mended() {
        let mut advices = Advices::default();
        let advice = Advice {
            id: DocumentId {
                kind: "quota".to_owned(),
                name: "free".to_owned(),
            },
            says: "allows too little".to_owned(),
        };
        let said = std::slice::from_ref(&advice);
        assert_eq!(advices.news(said.to_vec()), said);
        assert_eq!(advices.news(said.to_vec()), []);
        assert_eq!(advices.news(vec![]), []);
        assert_eq!(advices.news(said.to_vec()), said);
    }
}

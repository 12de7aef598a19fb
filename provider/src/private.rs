//! What Terraform keeps for the provider beside a resource's state, unseen by its user.

use serde::{Deserialize, Serialize};
use tollgate_store::document::{Document, Owner, Revision};

/// What the provider knows about the document behind a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Private {
    /// The write that made the document; a change or removal names the write that it is based on. `None` after a
    /// create or removal that ended half-way: the store has to be asked what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<Revision>,
    /// As whose the document is this state's; `None` where it was made as nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Whether the next apply has something to do that no change of the configuration asks for. It is told by a read,
    /// and not by each plan, as Terraform plans again within an apply and must find the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) due: bool,
    /// Whether nothing is known, not even whose the document is. Terraform keeps the state but not what is beside it
    /// when the provider's process ends within an update: the document is still this state's, changed or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lost: bool,
}

impl Private {
    /// About a document that stands as that write made it.
    pub(crate) fn settled(document: &Document, revision: Revision) -> Self {
        Self {
            revision: Some(revision),
            ..Self::unsettled(document.owner())
        }
    }

    /// About a document that a write as that owner may or may not have left.
    pub(crate) fn unsettled(owner: Option<&Owner>) -> Self {
        Self {
            owner: owner.map(|owner| owner.id().to_owned()),
            ..Self::default()
        }
    }

    /// The same without a revision.
    pub(crate) fn forget_revision(&self) -> Self {
        Self {
            revision: None,
            ..self.clone()
        }
    }

    /// Whether a create or removal ended half-way.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.revision.is_none()
    }

    /// Whether nothing is known: what Terraform keeps of the object may be older than the last change of it.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether the document that stands is somebody else's: another create took the name, or took it over. A document
    /// without an owner was written by hand, and is anybody's.
    pub(crate) fn is_foreign(&self, document: &Document) -> bool {
        let owner = document.owner().map(Owner::id);
        !self.lost && owner.is_some() && owner != self.owner.as_deref()
    }

    /// The owner to write as, who is remembered by now.
    pub(crate) fn owner(&self) -> Option<Owner> {
        self.owner.clone().map(Owner::proven)
    }

    /// The bytes for Terraform.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Texts and flags in an object: JSON can hold both.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads Terraform's bytes; where there are none, or none that can be read, all is lost.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Self {
            lost: true,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_reads_back_and_damage_means_that_all_is_lost() {
        let known = Private {
            revision: Some(Revision::from_text("0123456789abcdef")),
            owner: Some("fedcba9876543210".to_owned()),
            due: true,
            lost: false,
        };

        assert_eq!(Private::from_bytes(&known.to_bytes()), known);
        let nothing = Private::default();
        assert_eq!(Private::from_bytes(&nothing.to_bytes()), nothing);
        let lost = Private::from_bytes(b"");
        assert!(lost.lost && lost.is_unsettled());
        assert_eq!(Private::from_bytes(b"{]"), lost);
        assert_eq!(Private::from_bytes(&lost.to_bytes()), lost);
    }

    #[test]
    fn what_the_first_version_wrote_is_read() {
        let settled = Private::from_bytes(br#"{"revision":"0123456789abcdef"}"#);
        let unsettled = Private::from_bytes(br#""unsettled""#);

        assert_eq!(
            settled.revision,
            Some(Revision::from_text("0123456789abcdef"))
        );
        assert!(unsettled.is_unsettled());
    }
}

//! What Terraform keeps for the provider beside a resource's state, unseen by its user.

use serde::{Deserialize, Serialize};
use tollgate_store::document::Revision;

/// What the provider knows about the document behind a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Private {
    /// It stood in the store as this write made it; a change or removal names the write that it is based on.
    Revision(Revision),
    /// A create or a removal ended half-way, so that the store has to be asked what became of it.
    Unsettled,
}

impl Private {
    /// The bytes for Terraform.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // A text or a text in an object: JSON can hold both.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads Terraform's bytes; what can't be read says nothing about the store.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or(Self::Unsettled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_data_reads_back_and_damage_means_that_nothing_is_known() {
        let revision = Private::Revision(Revision::from_text("0123456789abcdef"));

        assert_eq!(revision.to_bytes(), br#"{"revision":"0123456789abcdef"}"#);
        assert_eq!(Private::from_bytes(&revision.to_bytes()), revision);
        assert_eq!(
            Private::from_bytes(&Private::Unsettled.to_bytes()),
            Private::Unsettled
        );
        assert_eq!(Private::from_bytes(b"{]"), Private::Unsettled);
        assert_eq!(Private::from_bytes(b""), Private::Unsettled);
    }
}

//! What tells series apart. No label can take a client's words.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use hashbrown::HashSet;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use smol_str::SmolStr;
use tollgate_store::Name;

/// The most routes, upstreams and quotas that have series of their own; those that come later share `other`.
pub(super) const NAMES_MAX: usize = 1_000;

/// What stands for all names beyond.
const OTHER: SmolStr = SmolStr::new_static("other");

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) class: &'static str,
    pub(super) reason: &'static str,
    pub(super) route: Option<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct UpstreamLabels {
    pub(super) upstream: Label,
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RefusedLabels {
    pub(super) upstream: Label,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct TargetLabels {
    pub(super) upstream: String,
    pub(super) target: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct PollLabels {
    pub(super) result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabels {
    pub(super) kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RejectedLabels {
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EndLabels {
    pub(super) kind: &'static str,
    pub(super) place: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QuotaLabels {
    pub(super) quota: Label,
    pub(super) mode: &'static str,
}

/// A name as the value of a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Label(SmolStr);

impl From<&Name> for Label {
    fn from(name: &Name) -> Self {
        Self(name.as_str().into())
    }
}

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// The names that were counted: documents come and go, and what was counted once stays.
#[derive(Debug, Default)]
pub(super) struct Names(RwLock<HashSet<Name>>);

impl Names {
    pub(super) fn label(&self, name: &Name) -> Label {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(name) {
            return name.into();
        }
        drop(seen);
        let mut seen = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= NAMES_MAX {
            return Label(OTHER);
        }
        seen.insert(name.clone());
        name.into()
    }
}

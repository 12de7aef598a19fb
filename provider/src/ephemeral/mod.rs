//! The ephemeral resources: one file and one line each. What they read is in no plan and no state.

mod key;

use std::collections::BTreeMap;

use crate::source::{Source, SourceType};

/// Every ephemeral resource by its name in HCL.
pub(crate) fn all() -> BTreeMap<String, SourceType> {
    let sources: [Box<dyn Source>; 1] = [Box::new(key::Key)];
    sources
        .into_iter()
        .map(SourceType::new)
        .map(|kind| (kind.type_name(), kind))
        .collect()
}

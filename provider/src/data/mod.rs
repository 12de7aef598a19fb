//! The data sources: one file and one line each.

mod decision;
mod iam_policy;
pub(crate) mod inventory;
mod key;
mod keys;

use std::collections::BTreeMap;

pub(crate) use key::{called, no_such_key};

use crate::source::{Source, SourceType};

/// Every data source by its name in HCL.
pub(crate) fn all() -> BTreeMap<String, SourceType> {
    let sources: [Box<dyn Source>; 4] = [
        Box::new(decision::Decision::default()),
        Box::new(iam_policy::IamPolicy),
        Box::new(key::Key::new()),
        Box::new(keys::Keys::new()),
    ];
    sources
        .into_iter()
        .map(SourceType::new)
        .map(|kind| (kind.type_name(), kind))
        .collect()
}

//! Which scope a request would need.

use tollgate_store::Name;

use super::Grants;
use crate::{Snapshot, Target};

/// The most scopes of one path that are looked through: who is refused must not cost more than who is let through.
const SCOPES_LOOKED_AT_MAX: usize = 100;

impl Grants {
    /// The number of the first scope that allows the request, by its most specific path.
    fn needed(&self, target: &Target) -> Option<u32> {
        self.0.find(target.path(), |tables| {
            if tables.len() > SCOPES_LOOKED_AT_MAX {
                return None;
            }
            let fitting = tables
                .iter()
                .filter(|(_, table)| table.find(target).is_some());
            fitting.map(|(number, _)| *number).min()
        })
    }
}

impl Snapshot {
    /// A scope that allows the request, for who holds none: the first by name of the most specific path that has any.
    /// `None` where none does, or where too many would have to be looked at.
    #[must_use]
    pub fn scope_needed(&self, target: &Target) -> Option<&Name> {
        let number = usize::try_from(self.grants.needed(target)?).ok()?;
        self.scopes.get(number)
    }
}

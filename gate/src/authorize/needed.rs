//! Which scope a request would need.

use tollgate_store::Name;

use super::Grants;
use crate::identify::ScopeSet;
use crate::{Snapshot, Target};

impl Grants {
    /// The number of the first scope that allows the request, by its most specific path.
    fn needed(&self, target: &Target) -> Option<u32> {
        self.0.find(target.path(), |table| {
            table.fitting(target).filter_map(ScopeSet::first).min()
        })
    }
}

impl Snapshot {
    /// A scope that allows the request, for who holds none: the first by name of the most specific path that has any.
    /// `None` where none does.
    #[must_use]
    pub fn scope_needed(&self, target: &Target) -> Option<&Name> {
        let number = usize::try_from(self.grants.needed(target)?).ok()?;
        self.scopes.get(number)
    }
}

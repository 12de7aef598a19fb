//! Which scope a request would need.

use std::collections::BTreeSet;

use tollgate_store::Name;
use tollgate_store::document::Scope;

use super::Grants;
use crate::identify::{Proof, ScopeSet};
use crate::{Principal, Snapshot, Target};

/// What a grant of every method counts for: the methods that are ever let through.
const METHODS_COUNT: usize = 7;

/// How much a scope allows, to compare scopes by: the methods of all of its grants.
pub(crate) fn breadth(scope: &Scope) -> usize {
    let methods = scope.grants.iter().map(|grant| grant.methods.as_ref());
    let counts = methods.map(|methods| methods.map_or(METHODS_COUNT, BTreeSet::len));
    counts.sum()
}

impl Grants {
    /// The numbers of the scopes that allow the request, by its most specific path that has any.
    fn allowing(&self, target: &Target) -> Vec<u32> {
        let found = self.0.find(target.path(), |table| {
            let numbers = table.fitting(target).flat_map(ScopeSet::numbers);
            let numbers: Vec<_> = numbers.collect();
            (!numbers.is_empty()).then_some(numbers)
        });
        found.unwrap_or_default()
    }
}

impl Snapshot {
    /// What to ask for that allows the request, for who holds no scope that does: the narrowest scope of the most specific
    /// path that has any, and of several the first by name. Who bears a token of an issuer is told what that issuer calls
    /// it. `None` where nothing would do, or nothing that the caller can ask for.
    #[must_use]
    pub fn scope_needed(&self, principal: &Principal<'_>, target: &Target) -> Option<&str> {
        let allowing = self.grants.allowing(target);
        let Proof::Bearer(bearer) = principal.proof() else {
            return self.narrowest(&allowing);
        };
        let rule = self
            .issuers
            .all()
            .iter()
            .find(|it| it.name == *bearer.issuer())?;
        if principal.name().is_some() && !rule.issuer.narrow {
            // What the token says adds nothing.
            return None;
        }
        let Some(declared) = &rule.issuer.scopes else {
            return self.narrowest(&allowing);
        };
        let named = declared.iter().filter_map(|(said, name)| {
            let number = self.scopes.binary_search(name).ok()?;
            let number = u32::try_from(number).ok()?;
            let fits = allowing.contains(&number) && is_token(said);
            fits.then(|| (self.breadth(number), said.as_str()))
        });
        named.min().map(|(_, said)| said)
    }

    fn narrowest(&self, numbers: &[u32]) -> Option<&str> {
        let numbers = numbers.iter().copied();
        let number = numbers.min_by_key(|number| (self.breadth(*number), *number))?;
        let name = self.scopes.get(usize::try_from(number).ok()?);
        name.map(Name::as_str)
    }

    fn breadth(&self, number: u32) -> usize {
        let place = usize::try_from(number).ok();
        let breadth = place.and_then(|place| self.breadths.get(place));
        breadth.copied().unwrap_or(usize::MAX)
    }
}

/// Whether a text can be asked for as a scope (RFC 6749, section 3.3).
fn is_token(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    !text.is_empty() && text.bytes().all(is_fit)
}

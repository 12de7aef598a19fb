//! What it takes to be let in by a server of counters: a password, and whom its certificate is signed by.

use std::collections::BTreeMap;

use tollgate_store::document::Counters;
use tollgate_store::{Authorities, MaterialReference, SecretPlace};
use zeroize::Zeroizing;

use super::connection::CounterFault;
use crate::tls::Vault;

/// The most that a place with a password may hold.
const PASSWORD_BYTES_MAX: u64 = 4 * 1_024;
/// The most that a place with authorities may hold.
const AUTHORITIES_BYTES_MAX: u64 = 1_024 * 1_024;

/// Where the counters are, and what it takes to get in.
#[derive(Debug, Clone)]
pub(super) struct Material {
    pub(super) declared: Counters,
    pub(super) vault: Vault,
}

/// The password that stands in a place, on one line.
pub(super) fn password(
    place: &SecretPlace,
    vault: &Vault,
) -> Result<Zeroizing<String>, CounterFault> {
    let fault = |reason: &str| CounterFault::Material {
        place: place.to_string(),
        reason: reason.to_owned(),
    };
    let bytes = read(place.reference(), vault, PASSWORD_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| fault("is no text"))?;
    let word = text.trim_end_matches(['\r', '\n']);
    if word.is_empty() || word.contains(['\r', '\n']) {
        return Err(fault("must hold a password on one line"));
    }
    Ok(Zeroizing::new(word.to_owned()))
}

/// The authorities as PEM.
pub(super) fn authorities(ca: &Authorities, vault: &Vault) -> Result<Vec<u8>, CounterFault> {
    let Some(reference) = ca.reference() else {
        return Ok(ca.as_str().as_bytes().to_vec());
    };
    let bytes = read(reference, vault, AUTHORITIES_BYTES_MAX)?;
    Ok(bytes.to_vec())
}

/// What can't be used of what is declared, by its place, and why; something older may be used in its stead.
pub(super) fn faults(declared: &Counters, vault: &Vault) -> BTreeMap<String, String> {
    let word = declared.password.as_ref();
    let word = word.and_then(|place| password(place, vault).err());
    let trust = declared.ca.as_ref();
    let trust = trust.and_then(|ca| authorities(ca, vault).err());
    let found = word
        .into_iter()
        .chain(trust)
        .filter_map(|fault| match fault {
            CounterFault::Material { place, reason } => Some((place, reason)),
            _ => None,
        });
    let unread = declared.places().filter_map(|place| {
        let fault = vault.fault(place)?;
        Some((place.to_string(), fault.to_string()))
    });
    found.chain(unread).collect()
}

fn read(
    reference: &MaterialReference,
    vault: &Vault,
    bytes_max: u64,
) -> Result<Zeroizing<Vec<u8>>, CounterFault> {
    let bytes = vault.read(reference, bytes_max);
    bytes.map_err(|fault| CounterFault::Material {
        place: reference.to_string(),
        reason: fault.to_string(),
    })
}

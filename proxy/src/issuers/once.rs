//! What a command asks an issuer, once.

use std::sync::Arc;

use tollgate_gate::{Introspection, IssuerRule, JsonWebKeys};
use tollgate_store::Secret;

use super::fetch;
use super::introspect::Asker;
use crate::clock::Clock;
use crate::tls::Vault;
use crate::upstream::{Security, SystemTrust};

/// The keys that an issuer publishes now; `vault` holds what the issuer's places are read from. The error says what is
/// wrong.
pub(crate) async fn keys_of(rule: &IssuerRule, vault: &Vault) -> Result<JsonWebKeys, String> {
    let tls = fetch::trusted(&security(rule, vault)).await?;
    let declared = &rule.issuer;
    let keys = fetch::keys(&declared.url, declared.jwks_url.as_ref(), &tls).await;
    keys.map(|(keys, _)| keys)
        .map_err(|fault| fault.to_string())
}

/// What an issuer says of a token now, likewise.
pub(crate) async fn answer_of(
    rule: &IssuerRule,
    token: &Secret,
    vault: &Vault,
) -> Result<Introspection, String> {
    let declared = rule.issuer.introspection.as_deref();
    let declared = declared.ok_or("it is asked about no token")?;
    let facts = (Clock::start(), Arc::default());
    let asker = Asker::new(&rule.name, declared, (security(rule, vault), vault), facts);
    let asked = asker.fetch(token).await;
    asked.map_err(|(_, cause)| cause)
}

fn security(rule: &IssuerRule, vault: &Vault) -> Arc<Security> {
    let material = (&SystemTrust::default(), vault);
    Arc::new(Security::of_authorities(rule.issuer.ca.as_ref(), material))
}

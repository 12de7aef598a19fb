//! Where the processes of a deployment count together.

use serde::{Deserialize, Serialize};

use crate::{
    Authorities, CounterPrefix, CounterTimeout, CounterUrl, Identifier, MaterialReference, Problem,
    SecretPlace,
};

/// Where the processes of a deployment count together: a Redis or a Valkey, of version 7 or newer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Its address, or that of any node of a cluster.
    pub url: CounterUrl,
    /// Whether it is a cluster.
    #[serde(default)]
    pub cluster: bool,
    /// Who the proxy is there; the default user where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<Identifier>,
    /// The file or the secret with the password; none is told where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretPlace>,
    /// The authorities that its certificate must be signed by, in place of those that the proxy's system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authorities>,
    /// How long a request waits for it, 1 ms to 1 s: 20 ms where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<CounterTimeout>,
    /// What its keys begin with: the namespace's and the proxy's names where left out. Deployments with the same one
    /// count together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<CounterPrefix>,
}

impl Counters {
    /// Where the proxy reads what it takes to be let in.
    pub fn places(&self) -> impl Iterator<Item = &MaterialReference> {
        let password = self.password.as_ref().map(SecretPlace::reference);
        let ca = self.ca.as_ref().and_then(Authorities::reference);
        password.into_iter().chain(ca)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.username.is_some() && self.password.is_none() {
            let message = "is missing: a username goes with a password";
            return Err(Problem::field("password", message));
        }
        if self.password.is_some() && !self.url.is_private() {
            let message =
                "must be rediss, or on loopback: a password must not be sent in the clear";
            return Err(Problem::field("url", message));
        }
        if self.ca.is_some() && !self.url.is_tls() {
            let message = "needs a url with rediss: there is no certificate in the clear";
            return Err(Problem::field("ca", message));
        }
        Ok(())
    }
}

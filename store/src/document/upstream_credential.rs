//! What a proxy shows an upstream, in place of its clients.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::check_set;
use crate::{FieldName, Identifier, Problem, SecretPlace, ServiceUrl};

/// The most scopes that a proxy asks an authorization server for.
pub const OAUTH_SCOPES_MAX: usize = 32;

/// What a proxy shows an upstream: one of these. The secret itself is in a file of each proxy, and in no document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamCredential {
    /// A header with a secret value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderCredential>,
    /// A name and a password (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicCredential>,
    /// A token that the proxy asks an authorization server for (RFC 6749, section 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2_client_credentials: Option<ClientCredentials>,
}

/// A header with a secret value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderCredential {
    /// Which.
    pub name: FieldName,
    /// The file with all of its value, like `Bearer …`.
    pub value: SecretPlace,
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicCredential {
    /// The name, which has no colon.
    pub username: Identifier,
    /// The file with the password.
    pub password: SecretPlace,
}

/// Who the proxy is to an authorization server, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// Where tokens are handed out.
    pub token_url: ServiceUrl,
    /// Who the proxy is there.
    pub client_id: Identifier,
    /// The file with the secret that goes with it.
    pub client_secret: SecretPlace,
    /// The scopes to ask for, 1 to 32; what the server gives by itself where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Identifier>>,
    /// Whom the token is for, where the server must be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Identifier>,
}

impl UpstreamCredential {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let (header, basic) = (self.header.as_ref(), self.basic.as_ref());
        let client = self.oauth2_client_credentials.as_ref();
        match (header, basic, client) {
            (Some(_), None, None) => Ok(()),
            (None, Some(basic), None) => {
                if basic.username.as_str().contains(':') {
                    let problem = Problem::field("username", "must not hold a colon");
                    return Err(problem.under("basic"));
                }
                Ok(())
            }
            (None, None, Some(client)) => {
                let scopes = check_set("scopes", client.scopes.as_ref(), OAUTH_SCOPES_MAX);
                scopes.map_err(|problem| problem.under("oauth2_client_credentials"))
            }
            _ => Err(Problem::whole(
                "must be exactly one of header, basic and oauth2_client_credentials",
            )),
        }
    }
}

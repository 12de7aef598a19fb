//! What a proxy shows an upstream, in place of its clients.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::AwsSigV4;
use super::check::check_set;
use crate::{FieldName, Identifier, Problem, SecretPlace, ServiceUrl};

/// The most scopes that a proxy asks an authorization server for.
pub const OAUTH_SCOPES_MAX: usize = 32;

/// What a proxy shows an upstream: one of these. The secret itself is in a file of each proxy or in AWS
/// Secrets Manager, and in no document.
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
    pub oauth2_client_credentials: Option<OAuthClient>,
    /// A token that the proxy gets from an authorization server for the caller's own (RFC 8693).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<OAuthClient>,
    /// A signature of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_sigv4: Option<AwsSigV4>,
}

/// A header with a secret value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderCredential {
    /// Which.
    pub name: FieldName,
    /// The place of all of its value, like `Bearer …`.
    pub value: SecretPlace,
}

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BasicCredential {
    /// The name, which has no colon.
    pub username: Identifier,
    /// The place of the password.
    pub password: SecretPlace,
}

/// Who the proxy is to an authorization server, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthClient {
    /// Where tokens are handed out.
    pub token_url: ServiceUrl,
    /// Who the proxy is there.
    pub client_id: Identifier,
    /// The place of the secret that goes with it.
    pub client_secret: SecretPlace,
    /// The scopes to ask for, 1 to 32; what the server gives by itself where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<BTreeSet<Identifier>>,
    /// Whom the token is for, where the server must be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Identifier>,
}

impl UpstreamCredential {
    /// Where its secret is, where it has one.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretPlace> {
        let header = self.header.as_ref().map(|header| &header.value);
        let basic = self.basic.as_ref().map(|basic| &basic.password);
        let client = self.oauth2_client_credentials.as_ref();
        let client = client.or(self.token_exchange.as_ref());
        let client = client.map(|client| &client.client_secret);
        header.or(basic).or(client)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let Self {
            header,
            basic,
            oauth2_client_credentials,
            token_exchange,
            aws_sigv4,
        } = self;
        let clients = [
            ("oauth2_client_credentials", oauth2_client_credentials),
            ("token_exchange", token_exchange),
        ];
        let is_given = [header.is_some(), basic.is_some(), aws_sigv4.is_some()];
        let is_given = is_given
            .into_iter()
            .chain(clients.map(|(_, client)| client.is_some()));
        if is_given.filter(|is_given| *is_given).count() != 1 {
            return Err(Problem::whole(
                "must be exactly one of header, basic, oauth2_client_credentials, token_exchange and aws_sigv4",
            ));
        }
        if basic
            .iter()
            .any(|basic| basic.username.as_str().contains(':'))
        {
            let problem = Problem::field("username", "must not hold a colon");
            return Err(problem.under("basic"));
        }
        for (field, client) in clients {
            let scopes = client.as_ref().and_then(|client| client.scopes.as_ref());
            let scopes = check_set("scopes", scopes, OAUTH_SCOPES_MAX);
            scopes.map_err(|problem| problem.under(field))?;
        }
        let signature = aws_sigv4.as_ref().map_or(Ok(()), AwsSigV4::check);
        signature.map_err(|problem| problem.under("aws_sigv4"))
    }
}

//! What a proxy shows an upstream, in place of its clients.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::AwsSigV4;
use super::check::check_set;
use crate::{
    Authorities, FieldName, Identifier, MaterialReference, Name, Problem, SecretPlace, ServiceUrl,
    TargetUrl,
};

/// The most scopes that a proxy asks an authorization server for.
pub const OAUTH_SCOPES_MAX: usize = 32;
/// The most issuers whose tokens one upstream may have exchanged.
pub const EXCHANGED_ISSUERS_MAX: usize = 16;

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
    pub token_exchange: Option<TokenExchange>,
    /// A signature of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_sigv4: Option<AwsSigV4>,
    /// Whether it may be shown without TLS to another machine, where anybody on the way can take it; not where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<bool>,
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
    /// Who may sign for the server's certificate; whom the proxy's system trusts where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authorities>,
}

/// Whose tokens the proxy has exchanged, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// Where tokens are exchanged.
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
    /// Who may sign for the server's certificate; whom the proxy's system trusts where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Authorities>,
    /// The issuers whose tokens are exchanged, 1 to 16; those of every issuer where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuers: Option<BTreeSet<Name>>,
}

impl TokenExchange {
    /// Who the proxy is to the server, and what it asks for.
    #[must_use]
    pub fn client(&self) -> OAuthClient {
        OAuthClient {
            token_url: self.token_url.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            scopes: self.scopes.clone(),
            audience: self.audience.clone(),
            ca: self.ca.clone(),
        }
    }

    /// Whether tokens of that issuer are exchanged.
    #[must_use]
    pub fn takes(&self, issuer: &Name) -> bool {
        let issuers = self.issuers.as_ref();
        issuers.is_none_or(|issuers| issuers.contains(issuer))
    }
}

impl UpstreamCredential {
    /// Where its secret is, where it has one.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretPlace> {
        let header = self.header.as_ref().map(|header| &header.value);
        let basic = self.basic.as_ref().map(|basic| &basic.password);
        let client = self.oauth2_client_credentials.as_ref();
        let client = client.map(|client| &client.client_secret);
        let exchange = self.token_exchange.as_ref();
        let exchange = exchange.map(|exchange| &exchange.client_secret);
        header.or(basic).or(client).or(exchange)
    }

    /// Where the authorities are that sign for its authorization server, where it has one and they are not in the document.
    #[must_use]
    pub fn authorities(&self) -> Option<&MaterialReference> {
        let client = self.oauth2_client_credentials.as_ref();
        let client = client.and_then(|client| client.ca.as_ref());
        let exchange = self.token_exchange.as_ref();
        let exchange = exchange.and_then(|exchange| exchange.ca.as_ref());
        client.or(exchange).and_then(Authorities::reference)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let Self {
            header,
            basic,
            oauth2_client_credentials,
            token_exchange,
            aws_sigv4,
            plaintext: _,
        } = self;
        let is_given = [
            header.is_some(),
            basic.is_some(),
            oauth2_client_credentials.is_some(),
            token_exchange.is_some(),
            aws_sigv4.is_some(),
        ];
        let is_given = is_given.into_iter();
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
        let client = oauth2_client_credentials.as_ref();
        let scopes = client.and_then(|client| client.scopes.as_ref());
        let scopes = check_set("scopes", scopes, OAUTH_SCOPES_MAX);
        scopes.map_err(|problem| problem.under("oauth2_client_credentials"))?;
        let exchange = token_exchange.as_ref().map_or(Ok(()), TokenExchange::check);
        exchange.map_err(|problem| problem.under("token_exchange"))?;
        let signature = aws_sigv4.as_ref().map_or(Ok(()), AwsSigV4::check);
        signature.map_err(|problem| problem.under("aws_sigv4"))
    }

    /// Whether nobody on the way to `targets` hears it, unless that is declared. A signature is good for one request,
    /// and is no secret.
    pub(super) fn check_way(&self, targets: &[TargetUrl]) -> Result<(), Problem> {
        if self.aws_sigv4.is_some() || self.plaintext == Some(true) {
            return Ok(());
        }
        let mut targets = targets.iter();
        let heard = targets.find(|target| !target.encrypted() && !target.is_loopback());
        heard.map_or(Ok(()), |target| {
            Err(Problem::whole(format!(
                "target {:?} must be https, so that nobody on the way can take what it is shown (or http, for 127.0.0.1 \
                 and localhost alone); where the way is safe, declare plaintext = true",
                target.as_str()
            )))
        })
    }
}

impl TokenExchange {
    fn check(&self) -> Result<(), Problem> {
        check_set("scopes", self.scopes.as_ref(), OAUTH_SCOPES_MAX)?;
        check_set("issuers", self.issuers.as_ref(), EXCHANGED_ISSUERS_MAX)
    }
}

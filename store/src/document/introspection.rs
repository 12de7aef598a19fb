//! How an issuer is asked about tokens that only it can read.

use serde::{Deserialize, Serialize};

use super::check::check_number;
use crate::{AnswerLife, AnswerTimeout, Identifier, Problem, SecretPlace, ServiceUrl};

/// The most calls a second that one proxy may be told to make.
pub const INTROSPECTION_CALLS_MAX: u32 = 10_000;

/// How an issuer is asked about a token (RFC 7662).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Where it is asked.
    pub url: ServiceUrl,
    /// Who the proxy is there.
    pub client_id: Identifier,
    /// The file with the secret that goes with it.
    pub client_secret: SecretPlace,
    /// How the proxy shows that secret: `client_secret_basic` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<ClientAuthentication>,
    /// What its tokens begin with; any where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_prefix: Option<Identifier>,
    /// Whether an answer that names no audience counts.
    #[serde(default)]
    pub any_audience: bool,
    /// How long an answer counts at most: 1 s to 60 s; 60 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<AnswerLife>,
    /// How long an answer may take, 10 ms to 5 s: 2 s where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<AnswerTimeout>,
    /// How many calls a second each proxy makes at most, 1 to 10,000: 50 where left out. Half of them are kept for
    /// tokens that were good when last asked about; one client's unknown ones get a tenth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_second: Option<u32>,
}

/// How a client shows its secret (RFC 6749, section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// In `Authorization: Basic`.
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
}

impl ClientAuthentication {
    /// Reads a name; the error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "client_secret_basic" => Ok(Self::ClientSecretBasic),
            "client_secret_post" => Ok(Self::ClientSecretPost),
            _ => Err(format!(
                "{text:?} is no way to show a secret: use \"client_secret_basic\" or \"client_secret_post\""
            )),
        }
    }
}

impl Introspection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let calls = self.calls_per_second.unwrap_or(1);
        check_number("calls_per_second", calls, INTROSPECTION_CALLS_MAX)
    }
}

//! How requests to services of AWS are signed.

use serde::{Deserialize, Serialize};

use super::check::check_number;
use crate::{AwsWord, Problem};

/// The most of a body that may be held to be signed: 16 MiB.
pub const SIGNED_BODY_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// How much is held where nothing is said: 1 MiB.
pub const SIGNED_BODY_BYTES: u32 = 1024 * 1024;

/// A signature of each request (AWS Signature Version 4), by the credentials that the proxy itself has in AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSigV4 {
    /// The service's name in signatures, like `execute-api`.
    pub service: AwsWord,
    /// Where it is, like `eu-west-1`.
    pub region: AwsWord,
    /// Whether bodies are signed: [`AwsPayload::Signed`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<AwsPayload>,
    /// The most bytes of a body that is signed, up to [`SIGNED_BODY_BYTES_MAX`]: [`SIGNED_BODY_BYTES`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes_max: Option<u32>,
}

/// Whether bodies are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwsPayload {
    /// They are: each is read whole before its request is sent.
    #[default]
    Signed,
    /// They are not (`UNSIGNED-PAYLOAD`), which few services take, and none without TLS.
    Unsigned,
}

impl AwsSigV4 {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let most = self.body_bytes_max;
        if self.payload == Some(AwsPayload::Unsigned) && most.is_some() {
            let message = "bodies that are not signed are not held: leave it out";
            return Err(Problem::field("body_bytes_max", message));
        }
        let most = most.unwrap_or(SIGNED_BODY_BYTES);
        check_number("body_bytes_max", most, SIGNED_BODY_BYTES_MAX)
    }
}

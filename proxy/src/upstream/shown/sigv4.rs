//! Requests that are signed for a service of AWS (AWS Signature Version 4).
//!
//! A signature covers where a request goes, so that it is made for each try, once the target is known. Of the headers it
//! covers those that say what is meant: the host, the type of the body, and what begins with `x-amz-`.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, Request};
use jiff::Timestamp;
use tokio::time::Instant;
use tollgate_store::document::{AwsPayload, AwsSigV4, SIGNED_BODY_BYTES};

use super::aws_identity::AwsIdentity;
use crate::upstream::request_body::RequestBody;

/// How the headers begin that tell a service of AWS what is meant. A client that wrote one would have it done by the
/// proxy's right: another object copied, another action taken.
pub(super) const PREFIX: &str = "x-amz-";
/// What a signature is made of.
pub(super) const NAMES: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-security-token"),
    HeaderName::from_static("x-amz-content-sha256"),
];

/// Signs requests to one upstream.
#[derive(Debug)]
pub(in crate::upstream) struct SigV4 {
    service: String,
    region: String,
    /// How much of a body is held to be signed; `None` where bodies are not signed.
    body_bytes_max: Option<usize>,
    settings: SigningSettings,
    identity: AwsIdentity,
}

/// Signs the tries of one request.
#[derive(Debug, Clone)]
pub(in crate::upstream) struct Signing {
    signer: Arc<SigV4>,
    /// When the request came, by both clocks: it may be a while until it is sent.
    came: (Timestamp, Instant),
}

/// A request can't be signed: there are no credentials, or it holds what no signature covers.
#[derive(Debug)]
pub(in crate::upstream) struct Unsigned;

impl SigV4 {
    pub(super) fn new(declared: &AwsSigV4, identity: &AwsIdentity) -> Self {
        let is_signed = declared.payload.unwrap_or_default() == AwsPayload::Signed;
        let most = declared.body_bytes_max.unwrap_or(SIGNED_BODY_BYTES);
        Self {
            service: declared.service.to_string(),
            region: declared.region.to_string(),
            body_bytes_max: usize::try_from(most).ok().filter(|_| is_signed),
            settings: settings(declared.service.as_str()),
            identity: identity.clone(),
        }
    }

    /// How much of a body is held to be signed; `None` where bodies are not signed.
    pub(in crate::upstream) fn body_bytes_max(&self) -> Option<usize> {
        self.body_bytes_max
    }

    /// What signs the tries of a request that came then.
    pub(in crate::upstream) fn signing(self: &Arc<Self>, now: Timestamp) -> Signing {
        Signing {
            signer: Arc::clone(self),
            came: (now, Instant::now()),
        }
    }

    /// Waits until there are credentials; whether there are.
    pub(super) async fn is_ready(&self) -> bool {
        self.identity.ready().is_some() || Box::pin(self.identity.found()).await.is_some()
    }

    pub(super) async fn renew(&self) {
        self.identity.renew().await;
    }

    fn sign(
        &self,
        request: &mut Request<RequestBody>,
        (scheme, host): (&str, &str),
        now: SystemTime,
    ) -> Option<()> {
        let found = self.identity.ready()?;
        let identity = found.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(now)
            .settings(self.settings.clone());
        let params = SigningParams::from(params.build().ok()?);
        for name in NAMES {
            request.headers_mut().remove(name);
        }
        let path = request.uri().path_and_query()?;
        let uri = format!("{scheme}://{host}{path}");
        let is_covered =
            |name: &HeaderName| *name == CONTENT_TYPE || name.as_str().starts_with(PREFIX);
        let covered = request
            .headers()
            .iter()
            .filter(|(name, _)| is_covered(name));
        let mut headers = vec![("host", host)];
        for (name, value) in covered {
            headers.push((name.as_str(), value.to_str().ok()?));
        }
        let body = match (self.body_bytes_max, request.body().whole()) {
            (None, _) => SignableBody::UnsignedPayload,
            (Some(_), whole) => SignableBody::Bytes(whole?),
        };
        let method = request.method().as_str();
        let signable = SignableRequest::new(method, uri, headers.into_iter(), body).ok()?;
        let (instructions, _) = sign(signable, &params).ok()?.into_parts();
        instructions.apply_to_request_http1x(request);
        Some(())
    }
}

impl Signing {
    /// Signs a request as it is sent to a target.
    pub(in crate::upstream) fn sign(
        &self,
        request: &mut Request<RequestBody>,
        target: (&str, &str),
    ) -> Result<(), Unsigned> {
        let (wall, came) = self.came;
        let now = SystemTime::from(wall) + came.elapsed();
        self.signer.sign(request, target, now).ok_or(Unsigned)
    }
}

/// S3 takes paths as they are; all others encode them once more.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if service == "s3" || service.starts_with("s3-") || service == "s3express" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    settings
}

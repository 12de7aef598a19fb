//! How TLS is spoken at one address.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tollgate_store::document::TlsVersion;

use super::material::{Certificate, Revocations};
use super::resolver::Resolver;
use super::shelf::{Digest, Stamped};
use super::verifier::PlainNames;

const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
const TLS12_ON: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
const TLS13_ON: [&SupportedProtocolVersion; 1] = [&TLS13];

/// What TLS at one address is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) certificates: Vec<Stamped<Certificate>>,
    /// Who signs clients; `None` asks them for nothing.
    pub(super) authorities: Option<Stamped<Arc<RootCertStore>>>,
    pub(super) revocations: Option<Stamped<Revocations>>,
    /// Whether a client may have no certificate.
    pub(super) is_optional: bool,
    pub(super) min_version: TlsVersion,
}

/// Who is let in: clients that others were let in by are asked to come back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    is_encrypted: bool,
    authorities: Option<Digest>,
    revocations: Option<Digest>,
    is_optional: bool,
}

/// TLS at one address.
#[derive(Debug)]
pub(super) struct Server {
    parts: Parts,
    /// Clients that come back within hours need no certificate shown. Its keys are this address's alone.
    ticketer: Arc<dyn ProducesTickets>,
    config: Arc<ServerConfig>,
}

impl Server {
    pub(super) fn new(parts: Parts, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let ticketer = Ticketer::new().map_err(|error| error.to_string())?;
        Self::with_ticketer(parts, ticketer, provider)
    }

    /// The same of other parts, if they are others. Sessions go on.
    pub(super) fn renewed(
        self,
        parts: Parts,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        if self.parts.are_those_of(&parts) {
            return Ok(self);
        }
        Self::with_ticketer(parts, self.ticketer, provider)
    }

    fn with_ticketer(
        parts: Parts,
        ticketer: Arc<dyn ProducesTickets>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let config = Arc::new(config(&parts, &ticketer, provider)?);
        Ok(Self {
            parts,
            ticketer,
            config,
        })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    pub(super) fn trust(&self) -> Trust {
        Trust {
            is_encrypted: true,
            authorities: digest(self.parts.authorities.as_ref()),
            revocations: digest(self.parts.revocations.as_ref()),
            is_optional: self.parts.is_optional,
        }
    }

    pub(super) fn certificates(&self) -> Vec<Stamped<Certificate>> {
        self.parts.certificates.clone()
    }
}

impl Parts {
    fn are_those_of(&self, other: &Self) -> bool {
        let Self {
            certificates,
            authorities,
            revocations,
            is_optional,
            min_version,
        } = self;
        let digests = |parts: &[Stamped<Certificate>]| -> Vec<_> {
            parts.iter().map(|part| part.digest).collect()
        };
        digests(certificates) == digests(&other.certificates)
            && digest(authorities.as_ref()) == digest(other.authorities.as_ref())
            && digest(revocations.as_ref()) == digest(other.revocations.as_ref())
            && *is_optional == other.is_optional
            && *min_version == other.min_version
    }
}

fn digest<T>(part: Option<&Stamped<T>>) -> Option<Digest> {
    part.map(|part| part.digest)
}

fn config(
    parts: &Parts,
    ticketer: &Arc<dyn ProducesTickets>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, String> {
    let versions: &[_] = match parts.min_version {
        TlsVersion::Tls12 => &TLS12_ON,
        TlsVersion::Tls13 => &TLS13_ON,
    };
    let certificates = parts.certificates.iter();
    let certificates: Vec<_> = certificates.map(|part| part.value.clone()).collect();
    let resolver = Resolver::new(&certificates).ok_or("there is no certificate")?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(verifier(parts, provider)?)
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    // Other processes of the deployment don't share it anyway.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    if parts.authorities.is_some() {
        // A session that goes on would not see that the client's certificate ended or was revoked.
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = Arc::clone(ticketer);
    }
    Ok(config)
}

fn verifier(
    parts: &Parts,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let Some(authorities) = &parts.authorities else {
        return Ok(WebPkiClientVerifier::no_client_auth());
    };
    let roots = Arc::clone(&authorities.value);
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
    if let Some(revocations) = &parts.revocations {
        builder = builder
            .with_crls(revocations.value.lists.iter().cloned())
            .enforce_revocation_expiration();
    }
    if parts.is_optional {
        builder = builder.allow_unauthenticated();
    }
    let verifier = builder
        .build()
        .map_err(|error| format!("clients could not be verified: {error}"))?;
    Ok(Arc::new(PlainNames(verifier)))
}

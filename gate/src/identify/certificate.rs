//! Callers that show a client's certificate, which TLS has verified.

use std::sync::Arc;

use hashbrown::HashMap;
use tollgate_store::document::CertificateSubject;

use super::access::Access;
use crate::CredentialFault;

/// What a certificate that was verified says of its holder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    subjects: Box<[CertificateSubject]>,
}

impl ClientCertificate {
    /// A certificate that says those things: its names and its public key.
    pub fn new(subjects: impl IntoIterator<Item = CertificateSubject>) -> Self {
        Self {
            subjects: subjects.into_iter().collect(),
        }
    }

    /// What it says.
    #[must_use]
    pub fn subjects(&self) -> &[CertificateSubject] {
        &self.subjects
    }
}

/// What decides requests of who shows a certificate that says one thing.
#[derive(Debug)]
pub(crate) struct CertificateRule {
    /// Shared with every count.
    pub(crate) subject: Arc<CertificateSubject>,
    pub(crate) access: Arc<Access>,
}

/// Every principal's certificates, by what they say.
#[derive(Debug, Default)]
pub(crate) struct Certificates(HashMap<CertificateSubject, CertificateRule>);

impl Certificates {
    /// `rules` have a subject of their own each.
    pub(crate) fn new(rules: impl IntoIterator<Item = CertificateRule>) -> Self {
        let keyed = |rule: CertificateRule| (CertificateSubject::clone(&rule.subject), rule);
        Self(rules.into_iter().map(keyed).collect())
    }

    /// Whose a certificate is, if it is anybody's; never two principals'.
    pub(super) fn find(
        &self,
        certificate: &ClientCertificate,
    ) -> Result<&CertificateRule, CredentialFault> {
        // Where nobody is known by one, it says no more than that there is no credential.
        if self.0.is_empty() {
            return Err(CredentialFault::Missing);
        }
        let name = |rule: &CertificateRule| {
            let principal = rule.access.principal.as_ref();
            principal.map(|principal| Arc::clone(&principal.name))
        };
        let mut found: Option<&CertificateRule> = None;
        for rule in certificate
            .subjects
            .iter()
            .filter_map(|subject| self.0.get(subject))
        {
            if found.is_some_and(|found| name(found) != name(rule)) {
                return Err(CredentialFault::CertificateAmbiguous);
            }
            found.get_or_insert(rule);
        }
        let rule = found.ok_or(CredentialFault::CertificateUnknown)?;
        let is_off = |principal: &Arc<super::PrincipalRule>| !principal.enabled;
        if rule.access.principal.as_ref().is_some_and(is_off) {
            return Err(CredentialFault::CertificatePrincipalDisabled);
        }
        Ok(rule)
    }
}

//! `tollgate_decision`: what a proxy would answer, decided by the proxies' own engine.

mod checks;
mod conditions;
mod schema;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use tollgate_conditions::Cedar;
use tollgate_gate::{
    Caller, ClientCertificate, Decision as Decided, Question as Asked, Rejected, Snapshot,
};
use tollgate_store::document::{CertificateSubject, Entry, Kind};
use tollgate_store::{
    CertificateHost, CertificateName, CertificateUri, KeyId, Name, PublicKeySha256, Timestamp,
};

use super::inventory;
use crate::diagnostic::{Diagnostic, Path};
use crate::resource::Fields;
use crate::schema::Schema;
use crate::source::{Answer, Source, question};
use crate::store::Store;
use crate::value::Value;
use crate::{clock, lock};
use schema::{decision, request};

/// Of how many deployments' snapshots are kept: a configuration that asks about more has them made anew.
const SNAPSHOTS_MAX: usize = 64;
/// The ways to say who asks.
const CALLERS: [&str; 5] = ["key", "key_id", "principal", "claims", "certificate"];

/// The simulation of a request.
#[derive(Debug, Default)]
pub(super) struct Decision {
    snapshots: Mutex<Snapshots>,
}

/// The snapshots of what the store last held: a `check` block may ask hundreds of questions about the same content.
#[derive(Debug, Default)]
struct Snapshots {
    entries: Vec<Entry>,
    made: BTreeMap<Name, Arc<(Snapshot, Vec<Rejected>)>>,
}

#[derive(Deserialize)]
struct Question {
    proxy: Name,
    method: String,
    host: String,
    path: String,
    key: Option<String>,
    key_id: Option<KeyId>,
    principal: Option<Name>,
    certificate: Option<Certificate>,
    issuer: Option<Name>,
    claims: Option<String>,
    address: IpAddr,
    headers: Option<BTreeMap<String, String>>,
    at: Option<Timestamp>,
    requests: u32,
}

/// What the certificate says that the client shows.
#[derive(Deserialize)]
struct Certificate {
    san_uri: Option<CertificateUri>,
    san_dns: Option<CertificateHost>,
    subject: Option<CertificateName>,
    public_key_sha256: Option<PublicKeySha256>,
}

#[async_trait]
impl Source for Decision {
    fn name(&self) -> &'static str {
        "decision"
    }

    fn schema(&self) -> Schema {
        Schema {
            description: "What the proxies of a deployment would do with a request, decided by the engine that they run \
                          on what the store holds: for `check` blocks and `terraform test`. Nothing is sent, and no \
                          quota is charged. Give it a `depends_on` with what must be written before it asks.",
            attributes: request().into_iter().chain(decision()).collect(),
        }
    }

    fn check(&self, config: &Value) -> Vec<Diagnostic> {
        let is_given =
            |name: &&&str| !matches!(config.attribute(name), Value::Null | Value::Unknown);
        let given: Vec<_> = CALLERS.iter().filter(is_given).copied().collect();
        let [first, second, ..] = given.as_slice() else {
            let is_missing = |name| matches!(config.attribute(name), Value::Null);
            return match (is_missing("issuer"), is_missing("claims")) {
                (true, false) => vec![Diagnostic::invalid(
                    Path::attribute("issuer"),
                    "Whose token has these claims is not said: give the name of a tollgate_issuer",
                )],
                (false, true) => vec![Diagnostic::invalid(
                    Path::attribute("claims"),
                    "What the issuer's token says is not said: give its claims, like jsonencode({ sub = \"alice\" })",
                )],
                _ => Vec::new(),
            };
        };
        let message = format!(
            "Both {first} and {second} are given, but a request comes from one caller: give one of key, key_id, \
             principal, claims and certificate, or none of them for a caller without a credential"
        );
        vec![Diagnostic::invalid(Path::attribute(second), &message)]
    }

    async fn answer(&self, store: &Store, config: Fields) -> Result<Answer, Diagnostic> {
        let question: Question = question(config)?;
        let entries = inventory::entries(store).await?;
        let warnings = question.misnamed(&entries, &store.backend.place());
        let made = lock(&self.snapshots).of(entries, &question.proxy);
        let (snapshot, rejected) = &*made;
        let certificate = question.certificate.as_ref().map(Certificate::shown);
        let headers = question.headers.as_ref().map(conditions::read);
        let asked = Asked {
            headers: headers.as_ref(),
            ..question.asked(certificate.as_ref())
        };
        Ok(Answer {
            attributes: told(snapshot.simulate(&asked, rejected)),
            warnings,
        })
    }
}

impl Question {
    /// Names of the question that nothing has. Who asks about them is refused, which a test may ask for, or a typing
    /// mistake may hide.
    fn misnamed(&self, entries: &[Entry], place: &str) -> Vec<Diagnostic> {
        let is_there = |kind: Kind, name: &str| {
            let mut ids = entries.iter().map(|entry| &entry.id);
            ids.any(|id| id.kind == kind.as_str() && id.name == name)
        };
        let mut missing = Vec::new();
        if !is_there(Kind::Proxy, self.proxy.as_str()) {
            missing.push(("proxy", Kind::Proxy, self.proxy.to_string()));
        }
        if let Some(principal) = &self.principal
            && !is_there(Kind::Principal, principal.as_str())
        {
            missing.push(("principal", Kind::Principal, principal.to_string()));
        }
        if let Some(issuer) = &self.issuer
            && !is_there(Kind::Issuer, issuer.as_str())
        {
            missing.push(("issuer", Kind::Issuer, issuer.to_string()));
        }
        if (self.key.is_some() || self.key_id.is_some()) && !self.knows_its_key(entries) {
            let (attribute, name) = match (&self.key, self.key_id) {
                (None, Some(id)) => ("key_id", id.to_string()),
                (key, _) => ("key", key.clone().unwrap_or_default()),
            };
            missing.push((attribute, Kind::Key, name));
        }
        let missing = missing.into_iter();
        let told =
            missing.map(|(attribute, kind, name)| not_there(attribute, kind, (&name, place)));
        told.collect()
    }

    fn knows_its_key(&self, entries: &[Entry]) -> bool {
        let (keys, _) = inventory::keys(entries);
        keys.iter().any(|found| match (&self.key, self.key_id) {
            (Some(name), _) => found.label() == *name,
            (None, id) => found.key().map(|key| key.id) == id,
        })
    }

    fn asked<'a>(&'a self, certificate: Option<&'a ClientCertificate>) -> Asked<'a> {
        if let (Some(issuer), Some(claims)) = (&self.issuer, &self.claims) {
            return self.asked_by(Caller::Claims(issuer, claims));
        }
        self.asked_by(match (&self.key, self.key_id, &self.principal) {
            (Some(key), _, _) => Caller::KeyName(key),
            (None, Some(id), _) => Caller::KeyId(id),
            (None, None, Some(principal)) => Caller::Principal(principal),
            (None, None, None) => certificate.map_or(Caller::Nobody, Caller::Certificate),
        })
    }

    fn asked_by<'a>(&'a self, caller: Caller<'a>) -> Asked<'a> {
        Asked {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            caller,
            address: self.address,
            headers: None,
            at: self.at.as_ref().map_or_else(clock::now, Timestamp::at),
            requests: self.requests,
        }
    }
}

impl Certificate {
    fn shown(&self) -> ClientCertificate {
        let said = [
            self.san_uri.clone().map(CertificateSubject::Uri),
            self.san_dns.clone().map(CertificateSubject::Host),
            self.subject.clone().map(CertificateSubject::Name),
            self.public_key_sha256
                .clone()
                .map(CertificateSubject::PublicKey),
        ];
        ClientCertificate::new(said.into_iter().flatten())
    }
}

impl Snapshots {
    /// The snapshot of that content for the proxies `proxy`.
    fn of(&mut self, entries: Vec<Entry>, proxy: &Name) -> Arc<(Snapshot, Vec<Rejected>)> {
        if self.entries != entries || self.made.len() >= SNAPSHOTS_MAX {
            self.entries = entries;
            self.made.clear();
        }
        let entries = &self.entries;
        let made = self
            .made
            .entry(proxy.clone())
            .or_insert_with(|| Arc::new(Snapshot::build(entries, proxy, &Cedar)));
        Arc::clone(made)
    }
}

fn told(decided: Decided) -> Fields {
    let Decided {
        allowed,
        code,
        reason,
        key,
        // The reason names both.
        issuer: _,
        subject: _,
        principal,
        scope,
        conditions,
        route,
        upstream,
        quotas,
        quota,
        limit,
        retry_after_seconds,
    } = decided;
    let conditions: Vec<_> = conditions.iter().map(conditions::told).collect();
    let answers = [
        ("allowed", json!(allowed)),
        ("code", json!(code)),
        ("reason", json!(reason)),
        ("key_name", json!(key)),
        ("principal_name", json!(principal)),
        ("scope", json!(scope)),
        ("conditions", json!(conditions)),
        ("route", json!(route)),
        ("upstream", json!(upstream)),
        ("quotas", json!(quotas)),
        ("quota", json!(quota)),
        ("limit", json!(limit)),
        ("retry_after_seconds", json!(retry_after_seconds)),
    ];
    let named = answers.map(|(name, answer)| (name.to_owned(), answer));
    named.into_iter().collect()
}

fn not_there(attribute: &str, kind: Kind, (name, place): (&str, &str)) -> Diagnostic {
    let message = format!(
        "{place} holds no {kind} {name:?}, or none that proxies can read: the decision is about one that is not there. \
         Check how it is written; where something of this configuration makes it, add a `depends_on`"
    );
    let summary = format!("There is no {kind} {name:?}");
    Diagnostic::warning(summary, message).at(Path::attribute(attribute))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate_store::document::{Document, DocumentKey};

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn scope(path: &str) -> Entry {
        let key = DocumentKey {
            kind: Kind::Scope,
            name: name("a"),
        };
        let spec = json!({"grants": [{"path": path}]});
        Entry {
            id: key.clone().into(),
            revision: None,
            document: Document::parse(&key, spec),
        }
    }

    #[test]
    fn a_snapshot_is_made_once_for_the_same_content_and_proxy() {
        let mut snapshots = Snapshots::default();

        let first = snapshots.of(vec![scope("/a")], &name("edge"));
        let same = snapshots.of(vec![scope("/a")], &name("edge"));
        let other_proxy = snapshots.of(vec![scope("/a")], &name("inner"));
        let back = snapshots.of(vec![scope("/a")], &name("edge"));
        let other_content = snapshots.of(vec![scope("/b")], &name("edge"));

        assert!(Arc::ptr_eq(&first, &same) && Arc::ptr_eq(&first, &back));
        assert!(!Arc::ptr_eq(&first, &other_proxy) && !Arc::ptr_eq(&first, &other_content));
    }

    #[test]
    fn the_snapshots_that_are_kept_are_bounded() {
        let mut snapshots = Snapshots::default();

        for number in 0..SNAPSHOTS_MAX * 2 {
            snapshots.of(Vec::new(), &name(&format!("p{number}")));
        }

        assert!(snapshots.made.len() <= SNAPSHOTS_MAX);
    }
}

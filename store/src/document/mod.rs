//! Documents: what Terraform writes, the store keeps and every proxy reads.
//!
//! A document is a versioned envelope in JSON: `kind`, `name`, `schema`, `spec`, its `owner`, and the `revision` of the
//! write that made it. Its parts are validated types, so that whoever holds a [`Document`] never checks again. Documents grant
//! and never deny: leaving a bad one out can only narrow access.

mod check;
mod claim;
mod counters;
mod envelope;
mod introspection;
mod issuer;
mod key;
mod key_set;
mod kind;
mod listen;
mod owner;
mod principal;
mod proxy;
mod quota;
mod reference;
mod resource_metadata;
mod role;
mod route;
mod scope;
mod subject;
mod throttle;
mod upstream;
mod upstream_credential;
mod upstream_identity;
mod upstream_retries;
mod upstream_sigv4;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use check::{METADATA_CHARS_MAX, METADATA_ENTRIES_MAX};
pub use claim::{Claim, KEY_QUOTAS_MAX, KEY_ROLES_MAX, KEY_SCOPES_MAX};
pub use counters::Counters;
pub use envelope::{DocumentId, Entry, Revision, SCHEMA};
pub use introspection::{ClientAuthentication, INTROSPECTION_CALLS_MAX, Introspection};
pub use issuer::{
    ALGORITHMS_MAX, AUDIENCES_MAX, CLAIM_MAP_MAX, ISSUER_QUOTAS_MAX, Issuer, SignatureAlgorithm,
    TOKEN_TYPES_MAX,
};
pub use key::{
    KEY_CIDRS_MAX, KEY_VERSIONS_MAX, Key, KeyVersion, ROTATION_TRIGGER_CHARS_MAX, Rotation,
};
pub use key_set::{
    KEY_SET_NAME_CHARS_MAX, KEY_SET_PAGES_MAX, KEY_SET_PARTS_MAX, KeySet, KeySetPart,
    PART_KEYS_MAX, PartName, SetKey,
};
pub use kind::{DocumentKey, Kind};
pub use listen::{
    CERTIFICATES_MAX, ClientCertificates, Listen, ListenTls, PROXY_PROTOCOL_MAX, TlsVersion,
};
pub use owner::{Origin, Owner};
pub use principal::{
    PRINCIPAL_CIDRS_MAX, PRINCIPAL_QUOTAS_MAX, PRINCIPAL_ROLES_MAX, PRINCIPAL_SUBJECTS_MAX,
    Principal, PrincipalKind,
};
pub use proxy::{FLEET_SIZE_MAX, Fleet, LISTEN_MAX, Proxy, RateLimitHeaders, TRUSTED_PROXIES_MAX};
pub use quota::{
    Across, BURST_MAX, CONCURRENT_MAX, Each, LIMITS_MAX, Limit, OVERRIDES_MAX, OnCounterFailure,
    Override, Quota, REQUESTS_MAX, Window,
};
pub use reference::Reference;
pub use resource_metadata::{AUTHORIZATION_SERVERS_MAX, ResourceMetadata, SCOPES_SUPPORTED_MAX};
pub use role::{ROLE_SCOPES_MAX, Role};
pub use route::{COST_MAX, CredentialKind, ROUTE_QUOTAS_MAX, Route, UPGRADES_MAX};
pub use scope::{GRANTS_MAX, Grant, MATCHERS_MAX, Scope};
pub use subject::{CertificateSubject, Subject, TokenSubject};
pub use throttle::{
    Priority, THROTTLE_LIMIT_BOUNDS, THROTTLE_LIMIT_MAX, THROTTLE_LIMIT_MIN, THROTTLE_PERCENTILE,
    THROTTLE_PERCENTILE_BOUNDS, Throttle,
};
pub use upstream::{
    Balance, CHECK_STATUS_BOUNDS, CHECKS_MAX, CONNECTIONS_MAX, Health, Protocol, TARGET_WEIGHT_MAX,
    TARGETS_MAX, Timeouts, Upstream, UpstreamTls,
};

pub use upstream_credential::{
    BasicCredential, EXCHANGED_ISSUERS_MAX, HeaderCredential, OAUTH_SCOPES_MAX, OAuthClient,
    TokenExchange, UpstreamCredential,
};
pub use upstream_identity::{IdentityJwt, UpstreamIdentity};
pub use upstream_retries::{ATTEMPTS_MAX, RETRY_CAUSES_MAX, Retries, RetryCause};
pub use upstream_sigv4::{AwsPayload, AwsSigV4, SIGNED_BODY_BYTES, SIGNED_BODY_BYTES_MAX};

use crate::{Name, Problem};

/// What a document declares, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spec {
    /// See [`Scope`].
    Scope(Scope),
    /// See [`Quota`].
    Quota(Quota),
    /// See [`Role`].
    Role(Role),
    /// See [`Principal`].
    Principal(Principal),
    /// See [`Issuer`].
    Issuer(Issuer),
    /// See [`Key`].
    Key(Key),
    /// See [`KeySet`].
    KeySet(KeySet),
    /// See [`KeySetPart`].
    KeySetPart(KeySetPart),
    /// See [`Upstream`].
    Upstream(Upstream),
    /// See [`Route`].
    Route(Route),
    /// See [`Proxy`].
    Proxy(Proxy),
}

/// One kind's `spec`: a struct whose fields are validated types, and the checks that concern several of them.
pub trait Declaration: Serialize + DeserializeOwned + Into<Spec> {
    /// Its kind.
    const KIND: Kind;

    /// Checks what one field's type can't: counts, and fields that depend on each other.
    fn check(&self) -> Result<(), Problem>;

    /// Checks what a name of this kind must be beyond being a name.
    fn check_name(_name: &Name) -> Result<(), Problem> {
        Ok(())
    }

    /// Reads a `spec`: unknown fields, bad values and contradictions are a problem at their place.
    fn parse(spec: serde_json::Value) -> Result<Self, Problem> {
        // Most have no fault, and its place is what costs most to keep track of.
        let declaration = match Self::deserialize(&spec) {
            Ok(declaration) => declaration,
            Err(_) => serde_path_to_error::deserialize(spec)?,
        };
        declaration.check()?;
        Ok(declaration)
    }
}

/// A named, valid declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    name: Name,
    owner: Option<Owner>,
    spec: Spec,
}

impl Document {
    /// Names a declaration, if it is valid.
    pub fn new<D: Declaration>(name: Name, declaration: D) -> Result<Self, Problem> {
        D::check_name(&name)?;
        declaration.check()?;
        Ok(Self {
            name,
            owner: None,
            spec: declaration.into(),
        })
    }

    /// Reads a `spec` of the given kind.
    pub fn parse(key: &DocumentKey, spec: serde_json::Value) -> Result<Self, Problem> {
        match key.kind {
            Kind::Scope => Self::read::<Scope>(key, spec),
            Kind::Quota => Self::read::<Quota>(key, spec),
            Kind::Role => Self::read::<Role>(key, spec),
            Kind::Principal => Self::read::<Principal>(key, spec),
            Kind::Issuer => Self::read::<Issuer>(key, spec),
            Kind::Key => Self::read::<Key>(key, spec),
            Kind::KeySet => Self::read::<KeySet>(key, spec),
            Kind::KeySetPart => Self::read::<KeySetPart>(key, spec),
            Kind::Upstream => Self::read::<Upstream>(key, spec),
            Kind::Route => Self::read::<Route>(key, spec),
            Kind::Proxy => Self::read::<Proxy>(key, spec),
        }
    }

    fn read<D: Declaration>(key: &DocumentKey, spec: serde_json::Value) -> Result<Self, Problem> {
        D::check_name(&key.name)?;
        Ok(Self {
            name: key.name.clone(),
            owner: None,
            spec: D::parse(spec)?.into(),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The same document, as somebody's or, with `None`, as nobody's.
    #[must_use]
    pub fn owned(self, owner: Option<Owner>) -> Self {
        Self { owner, ..self }
    }

    /// Whose it is; nobody's, where a person wrote it by hand.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// What it declares.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.spec {
            Spec::Scope(_) => Kind::Scope,
            Spec::Quota(_) => Kind::Quota,
            Spec::Role(_) => Kind::Role,
            Spec::Principal(_) => Kind::Principal,
            Spec::Issuer(_) => Kind::Issuer,
            Spec::Key(_) => Kind::Key,
            Spec::KeySet(_) => Kind::KeySet,
            Spec::KeySetPart(_) => Kind::KeySetPart,
            Spec::Upstream(_) => Kind::Upstream,
            Spec::Route(_) => Kind::Route,
            Spec::Proxy(_) => Kind::Proxy,
        }
    }

    /// What it is found by.
    #[must_use]
    pub fn key(&self) -> DocumentKey {
        DocumentKey {
            kind: self.kind(),
            name: self.name.clone(),
        }
    }
}

impl Serialize for Spec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scope(scope) => scope.serialize(serializer),
            Self::Quota(quota) => quota.serialize(serializer),
            Self::Role(role) => role.serialize(serializer),
            Self::Principal(principal) => principal.serialize(serializer),
            Self::Issuer(issuer) => issuer.serialize(serializer),
            Self::Key(key) => key.serialize(serializer),
            Self::KeySet(set) => set.serialize(serializer),
            Self::KeySetPart(part) => part.serialize(serializer),
            Self::Upstream(upstream) => upstream.serialize(serializer),
            Self::Route(route) => route.serialize(serializer),
            Self::Proxy(proxy) => proxy.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests;

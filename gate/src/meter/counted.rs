//! Whom a quota counts.

use std::borrow::Cow;
use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use aws_lc_rs::digest;
use hashbrown::DefaultHashBuilder;
use tollgate_store::document::{CertificateSubject, Each};
use tollgate_store::{KeyId, Name};

use crate::identify::{Proof, QuotaRule};
use crate::{Grant, Principal};

/// The bits of an IPv6 address that tell one subscriber from another: a /64.
const SUBSCRIBER_BITS: u128 = !(u64::MAX as u128);

/// How many bytes of a hash tell two subjects of issuers apart.
const BEARER_BYTES: usize = 16;

/// What a count belongs to: a quota and one of its subjects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Counted<'a> {
    quota: Cow<'a, Arc<Name>>,
    subject: Subject<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject<'a> {
    /// A key; one that stands alone is its own principal.
    Key(KeyId),
    /// A principal. No key that stands alone is one, whatever its name.
    Principal(Cow<'a, Arc<Name>>),
    /// Whom an issuer's tokens are about, where that is no principal's subject.
    Bearer(Cow<'a, Arc<str>>),
    /// What a client's certificate says.
    Certificate(Cow<'a, Arc<CertificateSubject>>),
    /// All who have none share one.
    Address(Option<IpAddr>),
    Route(Cow<'a, Name>),
    Proxy,
}

impl<'a> Counted<'a> {
    pub(super) fn new(rule: &'a QuotaRule, grant: &Grant<'a>, address: Option<IpAddr>) -> Self {
        let subject = match rule.each {
            Each::Principal => Subject::principal(grant.principal(), address),
            Each::Key => Subject::credential(grant.principal(), address),
            Each::Address => Subject::Address(address.map(subscriber)),
            Each::Route => Subject::Route(Cow::Borrowed(grant.route())),
            Each::Proxy => Subject::Proxy,
        };
        Self {
            quota: Cow::Borrowed(&rule.name),
            subject,
        }
    }

    pub(super) fn hash(&self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(self)
    }

    /// Whether it is of a client's address, of which a stranger may have any number.
    pub(super) fn is_of_address(&self) -> bool {
        matches!(self.subject, Subject::Address(_))
    }

    /// What it is called in a store that a fleet shares: first what its place there follows from, which is the same for
    /// a principal and its keys, so that one request is mostly counted in one place.
    pub(super) fn place(&self, grant: &Grant<'_>) -> (String, String) {
        let subject = self.subject.to_string();
        let tag = match &self.subject {
            Subject::Key(_) | Subject::Certificate(_) => {
                Subject::principal(grant.principal(), None).to_string()
            }
            _ => subject.clone(),
        };
        (tag, format!("{}|{subject}", self.quota))
    }

    /// What it is called there.
    pub(super) fn key(&self) -> String {
        format!("{}|{}", self.quota, self.subject)
    }

    pub(super) fn to_static(&self) -> Counted<'static> {
        Counted {
            quota: Cow::Owned(Arc::clone(&self.quota)),
            subject: match &self.subject {
                Subject::Key(id) => Subject::Key(*id),
                Subject::Principal(name) => Subject::Principal(Cow::Owned(Arc::clone(name))),
                Subject::Bearer(subject) => Subject::Bearer(Cow::Owned(Arc::clone(subject))),
                Subject::Certificate(subject) => {
                    Subject::Certificate(Cow::Owned(Arc::clone(subject)))
                }
                Subject::Address(address) => Subject::Address(*address),
                Subject::Route(name) => Subject::Route(Cow::Owned(Name::clone(name))),
                Subject::Proxy => Subject::Proxy,
            },
        }
    }
}

impl<'a> Subject<'a> {
    fn principal(principal: &'a Principal<'a>, address: Option<IpAddr>) -> Self {
        match &principal.access().principal {
            Some(rule) => Self::Principal(Cow::Borrowed(&rule.name)),
            None => Self::credential(principal, address),
        }
    }

    /// What proved who asks; where nothing did, the address.
    fn credential(principal: &'a Principal<'a>, address: Option<IpAddr>) -> Self {
        match principal.proof() {
            Proof::Key(key) => Self::Key(key.id()),
            Proof::Bearer(bearer) => Self::Bearer(Cow::Borrowed(bearer.counted_as())),
            Proof::Certificate(rule) => Self::Certificate(Cow::Borrowed(&rule.subject)),
            Proof::Nothing(..) => Self::Address(address.map(subscriber)),
        }
    }
}

impl fmt::Display for Subject<'_> {
    /// No name holds a `|`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(formatter, "k|{id}"),
            Self::Principal(name) => write!(formatter, "p|{name}"),
            Self::Bearer(subject) => {
                // Others' words, of any length, and perhaps somebody's address.
                formatter.write_str("b|")?;
                write_digest(formatter, subject)
            }
            Self::Certificate(subject) => {
                let (field, value) = subject.field();
                write!(formatter, "c|{field}|")?;
                write_digest(formatter, value)
            }
            Self::Address(Some(address)) => write!(formatter, "a|{address}"),
            Self::Address(None) => formatter.write_str("a|"),
            Self::Route(name) => write!(formatter, "r|{name}"),
            Self::Proxy => formatter.write_str("d|"),
        }
    }
}

/// The beginning of a text's digest.
fn write_digest(formatter: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut short = digest.as_ref().iter().take(BEARER_BYTES);
    short.try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

/// Who an address stands for: itself, or the /64 that it is in, which one subscriber has at least.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & SUBSCRIBER_BITS).into(),
        address @ IpAddr::V4(_) => address,
    }
}

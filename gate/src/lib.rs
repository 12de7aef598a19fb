//! The engine: documents become a [`Snapshot`], and each request is decided against it.
//!
//! A request walks one straight line, and each step's result is the next one's proof: [`Target::parse`] reads it once,
//! [`Snapshot::identify`] finds its [`Principal`], [`Snapshot::authorize`] mints a [`Grant`], [`Meter::admit`] charges
//! its quotas and mints an [`Admission`]. Nothing here opens a socket, reads a clock or logs.

mod authorize;
mod condition;
pub mod credential;
mod identify;
mod meter;
mod own_page;
mod refusal;
mod simulate;
mod snapshot;
mod target;
mod text;
mod throttle;

use std::time::Duration;

pub use authorize::Grant;
pub use condition::{
    CONDITIONAL_ROLES_MAX, Circumstances, Condition, ConditionLanguage, Facts, NoConditions,
};
pub use identify::{
    ClientCertificate, GivenAnswer, GivenKeys, ISSUER_KEYS_MAX, Introspection, IssuerKeys,
    IssuerNumber, IssuerRule, JsonWebKeys, NoKeys, PROOFS_MAX, Presented, Principal, Sent,
    TokenDigest, TokenFault, TokenMemory, TokenTrail, Traced, token_of,
};
pub use meter::{
    Admission, Answer, Arrival, Asked, Count, Demand, Found, GiveBack, Inquiry, Known, Late,
    Measure, Meter, Policy, Rate, Returned, SUBJECTS_MAX, Standing, UnderWay,
};
pub use own_page::OwnPage;
pub use refusal::{CallerKind, CredentialFault, Malformed, OverQuota, Refusal};
pub use simulate::{
    Caller, ConditionFinding, Decision, Documents, Explanation, Finding, Question,
    SIMULATED_REQUESTS_MAX,
};
pub use snapshot::{Advice, Rejected, Snapshot, UpstreamRule, advise};
pub use target::{PATH_BYTES_MAX, Target};
pub use throttle::{Granted, Outcome, Throttle, ThrottleRule, ThrottleState, Ticket, Verdict};

/// When a request is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day: keys start and expire by it.
    pub wall: jiff::Timestamp,
    /// The time since any fixed start, which no change of the system's clock moves: quotas count by it.
    pub monotonic: Duration,
}

//! What can be declared, and where it is kept.
//!
//! [`document`] holds the documents: JSON parsed once into types that cannot hold a bad value. [`backend`] holds the
//! places that keep them. A token and its verifier are two things in two places: [`token`] makes the one and derives
//! the other.

mod authorities;
mod aws_word;
pub mod backend;
mod certificate;
mod condition;
mod counter_url;
pub mod document;
mod duration;
mod field_name;
mod in_place;
mod issuer;
mod key_id;
mod listen;
mod material;
mod name;
mod network;
mod page_path;
mod path;
mod per;
mod problem;
mod secret;
mod secret_place;
mod server;
mod service_url;
mod time_zone;
mod timestamp;
pub mod token;
mod upgrade;

pub use authorities::Authorities;
pub use aws_word::AwsWord;
pub use certificate::{
    CERTIFICATE_NAME_BYTES_MAX, CERTIFICATE_URI_BYTES_MAX, CertificateHost, CertificateName,
    CertificateUri, PublicKeySha256,
};
pub use condition::{CONDITION_BYTES_MAX, CONDITION_DEPTH_MAX, Condition};
pub use counter_url::{CounterPrefix, CounterUrl};
pub use duration::{
    AnswerLife, AnswerTimeout, CheckInterval, CounterTimeout, Overlap, Period, RotationPeriod,
    ThrottleWait, Timeout, duration_within,
};
pub use field_name::{FieldName, Identifier, IdentityFieldName};
pub use issuer::{Audience, ClaimName, ClaimValue, ClockSkew, InlineKeys, TokenType};
pub use key_id::KeyId;
pub use listen::{ListenAddress, ListenPlace, ProxySender};
pub use material::{MaterialPlace, MaterialReference};
pub use name::{Description, Environment, Name, Namespace};
pub use network::{Cidr, HostPattern, Method, TargetUrl, is_host, is_link_local};
pub use page_path::PagePath;
pub use path::{PathPattern, Segment};
pub use per::{CalendarUnit, Per, Span};
pub use problem::{Problem, Step};
pub use secret::Secret;
pub use secret_place::SecretPlace;
pub use server::{CheckPath, ServerName};
pub use service_url::ServiceUrl;
pub use time_zone::TimeZone;
pub use timestamp::Timestamp;
pub use upgrade::UpgradeProtocol;

/// Declares a validated text: it keeps the text as its author wrote it, reads from and writes to JSON as a string,
/// and cannot be made other than through `parse`.
macro_rules! text {
    ($type:ident) => {
        impl $type {
            /// The text as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.text)
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.text)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::in_place::read(deserializer, Self::parse)
            }
        }
    };
}
pub(crate) use text;

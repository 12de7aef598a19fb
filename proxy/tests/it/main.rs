//! The built binary between a client and an upstream, on loopback, over a store in a folder.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test"
)]

mod agreed_protocols;
mod ailing_targets;
mod anonymous;
mod answers;
mod balance;
mod body_limits;
mod changed_upstreams;
mod client_certificates;
mod commands;
mod conditions;
mod connections;
mod corpora;
mod counters;
mod decisions;
mod explain;
mod floods;
mod forwarding;
mod http2;
mod http2_conformance;
mod idle_connections;
mod introspection;
mod issuers;
mod lifecycle;
mod logs;
mod long_bodies;
mod names;
mod open_files;
#[cfg(target_os = "linux")]
mod operators;
mod principals;
mod proxy_protocol;
mod quotas;
mod rate_limit_fields;
mod readiness;
mod reasons;
mod replacement;
mod retries;
mod shown;
mod sigv4;
mod soak;
mod streaming;
mod support;
mod throttle;
mod tls;
mod tls_listeners;
mod token_exchange;
mod unix_sockets;
mod unread_streams;
mod upgrades;
mod upstream_secrets;
mod upstreams;
mod watching;
mod wire;

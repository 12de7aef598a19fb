//! The proxy: it polls the store, keeps the last good snapshot, and decides and forwards every request by it.
//!
//! A request walks a straight line, [`Gateway`]'s `handle`. Around it: [`watch`] brings snapshots, [`listeners`] and
//! [`connection`] bring requests, [`upstream`] carries them on, [`record`] writes down what became of them, and
//! [`admin`] shows how all of it is.

pub mod access_log;
mod address_text;
pub mod addresses;
pub mod admin;
pub mod caller;
pub mod clock;
pub mod command;
pub mod conduit;
pub mod config;
pub mod connection;
pub mod counters;
pub mod cut;
pub mod failure;
pub mod filter;
pub mod fleet;
mod gateway;
pub mod generation;
pub mod greeting;
pub mod headers;
mod hexadecimal;
mod idle;
pub mod issuers;
pub mod listeners;
pub mod metrics;
pub mod open_files;
pub mod operational_log;
#[cfg(test)]
mod outputs;
pub mod pace;
pub mod panics;
pub mod peer;
pub mod problem;
pub mod proxy_protocol;
pub mod rate_limit;
pub mod record;
pub mod refusal;
pub mod response_body;
mod seldom;
pub mod serve;
mod service;
pub mod status;
mod thread;
pub mod tls;
pub mod tunnel;
pub mod upgrade;
pub mod upstream;
pub mod watch;
pub mod well_known;
pub mod workers;

pub use gateway::Gateway;
pub use refusal::Refusal;

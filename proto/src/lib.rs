//! Generated bindings of Terraform's plugin protocol 6 and of the services that go-plugin expects beside it.
//!
//! This crate holds no logic. The protocol files in `proto/` are our own, written from the wire's facts:
//! names, field numbers and types.

#![allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub)]

/// Terraform's plugin protocol, version 6.11.
pub mod tfplugin6 {
    tonic::include_proto!("tfplugin6");
}

/// The services of go-plugin: broker, controller and standard streams.
pub mod plugin {
    tonic::include_proto!("plugin");
}

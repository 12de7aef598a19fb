//! What a question is held to before it is asked.

use std::net::IpAddr;

use http::Uri;
use tollgate_gate::Target;

pub(super) fn check_host(text: &str) -> Result<(), String> {
    let uri = Uri::from_static("/");
    Target::parse(&http::Method::GET, Some(text), &uri)
        .map(drop)
        .map_err(|_| {
            format!(
                "{text:?} is not a host: write one like \"api.example.com\", with or without a port"
            )
        })
}

/// A variable that is empty by mistake would make every refusal the right one.
pub(super) fn check_key(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(
            "it is empty: give a key's name, or null for a request without a credential".to_owned(),
        );
    }
    Ok(())
}

/// Whoever gives a token by mistake must not find it in a message.
pub(super) fn check_claims(text: &str) -> Result<(), String> {
    let claims: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(text).ok();
    claims.map(drop).ok_or_else(|| {
        "these are no claims: give a JSON object, like jsonencode({ sub = \"alice\" }), and never a token".to_owned()
    })
}

/// Only its form: a path that a proxy refuses may be what is asked about.
pub(super) fn check_path(text: &str) -> Result<(), String> {
    if text.starts_with('/') {
        return Ok(());
    }
    Err(format!(
        "{text:?} is not a path: it must begin with `/`, like \"/v1/orders/1\""
    ))
}

pub(super) fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an address: write one like \"192.0.2.1\" or \"2001:db8::1\"")
    })
}

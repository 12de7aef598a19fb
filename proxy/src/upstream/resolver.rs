//! How a target's name becomes addresses.
//!
//! A name can be made to lead anywhere after it was declared: what a target may not be, its name may not lead to.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tollgate_store::is_link_local;
use tower_service::Service;

type Addresses = std::vec::IntoIter<SocketAddr>;
type Resolving = Pin<Box<dyn Future<Output = io::Result<Addresses>> + Send>>;

/// The system's resolver without link-local addresses.
#[derive(Debug, Clone)]
pub(super) struct Resolver(GaiResolver);

impl Resolver {
    pub(super) fn new() -> Self {
        Self(GaiResolver::new())
    }
}

impl Service<Name> for Resolver {
    type Response = Addresses;
    type Error = io::Error;
    type Future = Resolving;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Resolving {
        let resolving = self.0.call(name);
        Box::pin(async move { allowed(resolving.await?) })
    }
}

fn allowed(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Addresses> {
    let allowed: Vec<_> = addresses
        .filter(|address| !is_link_local(address.ip()))
        .collect();
    if allowed.is_empty() {
        return Err(io::Error::other(
            "the name leads to no address, or only to link-local ones, where a cloud's metadata service answers",
        ));
    }
    Ok(allowed.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(addresses: &[&str]) -> Vec<String> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap());
        let kept = allowed(addresses).into_iter().flatten();
        kept.map(|address| address.to_string()).collect()
    }

    #[test]
    fn a_name_never_leads_to_a_metadata_service() {
        for address in [
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
        ] {
            assert!(kept(&[address]).is_empty(), "{address}");
            assert_eq!(kept(&["10.0.0.1:80", address]), ["10.0.0.1:80"]);
        }
    }
}

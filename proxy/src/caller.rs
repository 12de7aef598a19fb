//! Who is at the other end of a connection, as far as the connection itself tells.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use tollgate_gate::ClientCertificate;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Its address; `None` by a Unix socket.
    pub address: Option<IpAddr>,
    /// How what it says is encrypted; `None`: in the clear.
    pub tls: Option<Tls>,
    /// Its address as a header says it, which is the same for each request.
    text: Option<HeaderValue>,
}

/// How a connection is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Its version, like `1.3`.
    pub version: &'static str,
    /// SHA-256 of the client's certificate in hexadecimal digits, where it has shown one that is good.
    pub certificate: Option<Arc<str>>,
    /// What that certificate says of its holder.
    pub client: Option<Arc<ClientCertificate>>,
}

impl Caller {
    /// Who has that address, and speaks by that encryption.
    #[must_use]
    pub fn new(address: Option<IpAddr>, tls: Option<Tls>) -> Self {
        let text = address.map(|address| address.to_canonical().to_string());
        let text = text.and_then(|text| HeaderValue::try_from(text).ok());
        Self { address, tls, text }
    }

    /// Its address as a header says it, without a port; that of IPv4 by an IPv6 socket as one of IPv4.
    #[must_use]
    pub fn address_value(&self) -> Option<&HeaderValue> {
        self.text.as_ref()
    }

    /// What the client's certificate says, where it has shown one that is good.
    #[must_use]
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.tls.as_ref()?.client.as_deref()
    }
}

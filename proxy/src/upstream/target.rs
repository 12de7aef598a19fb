//! A target: where it is, how it is spoken to, and the connections to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use http_body::Body as _;
use rustls::pki_types::ServerName;
use tollgate_gate::Target;
use tollgate_store::document::{self, Protocol};
use tollgate_store::{ServerName as DeclaredName, TargetUrl};

use super::address::{Addresses, Resolve};
use super::connect::{self, ConnectFault, Manner};
use super::connection::{Connection, Origin};
use super::pool::Pool;
use super::request_body::RequestBody;
use super::security::Security;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A target.
#[derive(Debug)]
pub(super) struct Place {
    authority: Authority,
    host: HeaderValue,
    addresses: Addresses,
    protocol: Option<Protocol>,
    /// TLS, and whom the certificate must be made out to.
    security: Option<(Arc<Security>, ServerName<'static>)>,
    /// Whether the last connection was one that many requests share.
    shares: AtomicBool,
    connect_timeout: Duration,
    pub(super) pool: Pool,
}

impl Place {
    /// A target of an upstream. Its URL was checked when it was read: it always is a place.
    pub(super) fn new(
        url: &TargetUrl,
        upstream: &document::Upstream,
        security: Option<&Arc<Security>>,
        resolver: Arc<dyn Resolve>,
    ) -> Option<Self> {
        let default_port = if url.encrypted() { 443 } else { 80 };
        let authority = if url.port() == default_port {
            Authority::try_from(url.host())
        } else {
            Authority::try_from(format!("{}:{}", url.host(), url.port()))
        };
        let authority = authority.ok()?;
        let timeouts = upstream.timeouts.as_ref();
        let connect = timeouts.and_then(|timeouts| timeouts.connect.as_ref());
        let declared = upstream
            .tls
            .as_ref()
            .and_then(|tls| tls.server_name.as_ref());
        let security = match security.filter(|_| url.encrypted()) {
            Some(security) => Some((Arc::clone(security), server_name(url, declared)?)),
            None => None,
        };
        Some(Self {
            host: HeaderValue::from_str(authority.as_str()).ok()?,
            authority,
            addresses: Addresses::new(url.host(), url.port(), resolver),
            protocol: upstream.protocol,
            security,
            // Nobody knows yet.
            shares: AtomicBool::new(true),
            connect_timeout: connect.map_or(CONNECT_TIMEOUT, |timeout| timeout.length()),
            pool: Pool::new(),
        })
    }

    /// Makes a connection. Where it may be one that many requests share, others of this thread wait for it and get a
    /// share of it, rather than each making one: the result may then be as old as any of the pool.
    pub(super) async fn connect(&self) -> Result<Connection, ConnectFault> {
        let limit = self.connect_timeout;
        let connect = async {
            if !self.may_share() {
                return self.open().await;
            }
            let turn = self.pool.turn().await;
            if let Some(connection) = self.pool.take() {
                return Ok(connection);
            }
            if !self.may_share() {
                drop(turn);
                return self.open().await;
            }
            self.open().await
        };
        tokio::time::timeout(limit, connect)
            .await
            .unwrap_or(Err(ConnectFault::TooLate(limit)))
    }

    /// Makes a connection of HTTP/1.1 that carries one request, and may turn into something else by it.
    pub(super) async fn connect_for_upgrade(&self) -> Result<Connection, ConnectFault> {
        let limit = self.connect_timeout;
        let connect = async {
            let epoch = self.pool.epoch();
            let manner = self.manner(Some(Protocol::Http11))?;
            let (stream, address, _) = connect::open(&self.addresses, &manner, limit).await?;
            connect::begin_for_upgrade(stream, Origin { address, epoch }).await
        };
        tokio::time::timeout(limit, connect)
            .await
            .unwrap_or(Err(ConnectFault::TooLate(limit)))
    }

    async fn open(&self) -> Result<Connection, ConnectFault> {
        // First, so that what is made with what was replaced meanwhile is of the past.
        let epoch = self.pool.epoch();
        let manner = self.manner(self.protocol)?;
        let (stream, address, protocol) =
            connect::open(&self.addresses, &manner, self.connect_timeout).await?;
        let origin = Origin { address, epoch };
        let connection = connect::begin(stream, protocol, origin).await?;
        if let Connection::Http2(connection, _) = &connection {
            self.pool.share(connection);
        }
        let shares = protocol == Protocol::Http2;
        self.shares.store(shares, Ordering::Relaxed);
        Ok(connection)
    }

    fn manner(&self, protocol: Option<Protocol>) -> Result<Manner, ConnectFault> {
        let tls = match &self.security {
            None => None,
            Some((security, name)) => {
                let configs = security.configs()?;
                let config = match protocol {
                    Some(Protocol::Http11) => &configs.http11,
                    _ => &configs.any,
                };
                Some((Arc::clone(config), name.clone()))
            }
        };
        Ok(Manner { tls, protocol })
    }

    /// Whether a new connection may turn out to be one that many requests share.
    fn may_share(&self) -> bool {
        match self.protocol {
            Some(protocol) => protocol == Protocol::Http2,
            None => self.security.is_some() && self.shares.load(Ordering::Relaxed),
        }
    }

    /// Makes a request one for this target by `protocol`; `None` for what can't be asked for.
    pub(super) fn address(
        &self,
        request: &mut Request<RequestBody>,
        target: &Target,
        protocol: Protocol,
    ) -> Option<()> {
        let is_long = request.body().size_hint().exact().is_none();
        match protocol {
            Protocol::Http11 => {
                *request.uri_mut() = target.path_and_query().clone().into();
                *request.version_mut() = Version::HTTP_11;
                request.headers_mut().insert(HOST, self.host.clone());
                if is_long {
                    // Where nothing says so, hyper takes a GET for one without a body.
                    let chunked = HeaderValue::from_static("chunked");
                    request.headers_mut().insert(TRANSFER_ENCODING, chunked);
                }
            }
            Protocol::Http2 => {
                *request.uri_mut() = self.uri(target)?;
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(HOST);
                request.headers_mut().remove(TRANSFER_ENCODING);
            }
        }
        Some(())
    }

    fn uri(&self, target: &Target) -> Option<Uri> {
        let is_encrypted = self.security.is_some();
        let scheme = if is_encrypted {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target.path_and_query().clone());
        Uri::from_parts(parts).ok()
    }

    /// Lets go of connections that are not needed, or lead where the target's name no longer does.
    pub(super) fn sweep(&self) {
        let addresses = &self.addresses;
        self.pool.sweep(|origin| addresses.lead_to(origin.address));
    }

    /// Asks where the name leads, where that is due.
    pub(super) async fn renew(&self) {
        self.addresses.renew().await;
    }
}

fn server_name(url: &TargetUrl, declared: Option<&DeclaredName>) -> Option<ServerName<'static>> {
    let name = declared.map_or(url.host(), DeclaredName::as_str);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(bare.to_owned()).ok(),
    }
}

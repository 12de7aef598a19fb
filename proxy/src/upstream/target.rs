//! A target: where it is, how it is spoken to, and the connections to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version};
use rustls::pki_types::ServerName;
use tollgate_store::document::{self, Protocol};
use tollgate_store::{ServerName as DeclaredName, TargetUrl, Timeout};

use super::address::{Addresses, Resolve};
use super::balance;
use super::connect::{self, ConnectFault, Manner, Stream};
use super::connection::{Connection, Origin};
use super::connections::{Connections, Found, Room};
use super::http1::Http1;
use super::pool::Pool;
use super::request_body::RequestBody;
use super::security::Security;
use super::shown::{Signing, Unsigned};
use super::tally::Tally;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The weight of a target that gets as many requests as any.
pub(super) const FULL_WEIGHT: u32 = 1_000;

/// A target.
#[derive(Debug)]
pub(super) struct Place {
    authority: Authority,
    host: HeaderValue,
    addresses: Arc<Addresses>,
    protocol: Option<Protocol>,
    /// TLS, and whom the certificate must be made out to.
    security: Option<(Arc<Security>, ServerName<'static>)>,
    connect_timeout: Duration,
    pub(super) pool: Arc<Pool>,
    connections: Arc<Connections>,
    /// How many requests it gets in proportion to others.
    share: u32,
    pub(super) tally: Arc<Tally>,
    seed: u64,
    url: TargetUrl,
}

impl Place {
    /// A target of an upstream. Its URL was checked when it was read: it always is a place. What `kept`, the same target
    /// by an earlier document, counts and knows goes on; its connections, where they would be made in the same way now.
    pub(super) fn new(
        url: &TargetUrl,
        upstream: &document::Upstream,
        security: Option<&Arc<Security>>,
        resolver: Arc<dyn Resolve>,
        kept: Option<&Self>,
    ) -> Option<Self> {
        let authority = authority(url)?;
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
        let addresses = || Arc::new(Addresses::new(url.host(), url.port(), resolver));
        let connections = kept.map_or_else(Arc::default, |kept| Arc::clone(&kept.connections));
        connections.limit_to(upstream.connections_max);
        let protocol = upstream.protocol;
        let alike = kept.filter(|kept| kept.is_reached_by(protocol, security.as_ref()));
        Some(Self {
            host: HeaderValue::from_str(authority.as_str()).ok()?,
            authority,
            addresses: kept.map_or_else(addresses, |kept| Arc::clone(&kept.addresses)),
            protocol,
            security,
            connect_timeout: connect.map_or(CONNECT_TIMEOUT, Timeout::length),
            pool: alike.map_or_else(Arc::default, |alike| Arc::clone(&alike.pool)),
            connections,
            share: upstream.weight(url),
            tally: kept.map_or_else(Arc::default, |kept| Arc::clone(&kept.tally)),
            seed: balance::seed(url.as_str()),
            url: url.clone(),
        })
    }

    /// Whether its connections are made like that.
    fn is_reached_by(
        &self,
        protocol: Option<Protocol>,
        security: Option<&(Arc<Security>, ServerName<'static>)>,
    ) -> bool {
        let is_secured_alike = match (&self.security, security) {
            (None, None) => true,
            (Some((own, own_name)), Some((other, other_name))) => {
                Arc::ptr_eq(own, other) && own_name == other_name
            }
            _ => false,
        };
        self.protocol == protocol && is_secured_alike
    }

    /// How many connections there are to it.
    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether a request would get a connection without waiting for others.
    pub(super) fn has_room(&self) -> bool {
        self.connections.have_room(&self.pool)
    }

    /// Keeps a connection that can carry another request.
    pub(super) fn keep(&self, connection: Box<Http1>) {
        self.pool.put(connection);
        if self.connections.are_limited() {
            self.pool.tell_one();
        }
    }

    /// How many requests it gets in proportion to others, as declared.
    pub(super) fn share(&self) -> u32 {
        self.share
    }

    /// Its number for [`Balance::Hash`](document::Balance::Hash), the same in every proxy.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Where it is, as its author wrote it.
    pub(super) fn url(&self) -> &TargetUrl {
        &self.url
    }

    /// Makes a connection, and says that it is new. Where it may be one that many requests share, others of this thread
    /// wait for it and get a share of it, rather than each making one; where no more may be made, they wait for one that
    /// is free.
    pub(super) async fn connect(&self) -> Result<(Connection, bool), ConnectFault> {
        let limit = self.connect_timeout;
        let room = match self.connections.find(&self.pool, limit).await? {
            Found::Lent(connection) => return Ok((connection, false)),
            Found::Room(room) => room,
        };
        let connect = async {
            if !self.may_share() {
                return self.open(room).await;
            }
            let turn = self.pool.turn().await;
            if let Some(connection) = self.pool.take() {
                return Ok((connection, false));
            }
            if !self.may_share() {
                drop(turn);
            }
            self.open(room).await
        };
        tokio::time::timeout(limit, connect)
            .await
            .unwrap_or(Err(ConnectFault::TooLate(limit)))
    }

    /// Makes a connection of HTTP/1.1 for a request that may turn it into something else.
    pub(super) async fn connect_for_upgrade(&self) -> Result<Connection, ConnectFault> {
        let limit = self.connect_timeout;
        let room = self.connections.room(&self.pool, limit).await?;
        let connect = async {
            let (stream, _, origin) = self.stream(Some(Protocol::Http11)).await?;
            connect::begin(stream, Protocol::Http11, (origin, Some(room))).await
        };
        tokio::time::timeout(limit, connect)
            .await
            .unwrap_or(Err(ConnectFault::TooLate(limit)))
    }

    /// Makes a connection that is shared with nobody. It takes as long as it takes: bound it.
    pub(super) async fn connect_alone(&self) -> Result<Connection, ConnectFault> {
        let (stream, protocol, origin) = self.stream(self.protocol).await?;
        connect::begin(stream, protocol, (origin, None)).await
    }

    async fn stream(
        &self,
        protocol: Option<Protocol>,
    ) -> Result<(Stream, Protocol, Origin), ConnectFault> {
        // First, so that what is made with what was replaced meanwhile is of the past.
        let epoch = self.pool.epoch();
        let manner = self.manner(protocol)?;
        let limit = self.connect_timeout;
        let (stream, address, protocol) = connect::open(&self.addresses, &manner, limit).await?;
        Ok((stream, protocol, Origin { address, epoch }))
    }

    async fn open(&self, room: Room) -> Result<(Connection, bool), ConnectFault> {
        let (stream, protocol, origin) = self.stream(self.protocol).await?;
        let connection = connect::begin(stream, protocol, (origin, Some(room))).await?;
        if let Connection::Http2(connection, _) = &connection {
            self.pool.share(connection);
        }
        self.pool.note_shares(protocol == Protocol::Http2);
        Ok((connection, true))
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
    pub(super) fn may_share(&self) -> bool {
        match self.protocol {
            Some(protocol) => protocol == Protocol::Http2,
            None => self.security.is_some() && self.pool.shares(),
        }
    }

    /// Makes a request one for this target by `protocol`; `None` for what can't be asked for.
    pub(super) fn address(
        &self,
        request: &mut Request<RequestBody>,
        path: &PathAndQuery,
        protocol: Protocol,
    ) -> Option<()> {
        match protocol {
            Protocol::Http11 => {
                *request.uri_mut() = path.clone().into();
                *request.version_mut() = Version::HTTP_11;
                request.headers_mut().insert(HOST, self.host.clone());
            }
            Protocol::Http2 => {
                *request.uri_mut() = self.uri(path)?;
                *request.version_mut() = Version::HTTP_2;
                request.headers_mut().remove(HOST);
            }
        }
        Some(())
    }

    /// Signs a request that was made one for this target, where requests are signed.
    pub(super) fn sign(
        &self,
        request: &mut Request<RequestBody>,
        signing: Option<&Signing>,
    ) -> Result<(), Unsigned> {
        let scheme = if self.security.is_some() {
            "https"
        } else {
            "http"
        };
        let target = (scheme, self.authority.as_str());
        signing.map_or(Ok(()), |signing| signing.sign(request, target))
    }

    fn uri(&self, path: &PathAndQuery) -> Option<Uri> {
        let is_encrypted = self.security.is_some();
        let scheme = if is_encrypted {
            Scheme::HTTPS
        } else {
            Scheme::HTTP
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(scheme);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path.clone());
        Uri::from_parts(parts).ok()
    }

    /// Lets go of connections that are not needed, or lead where the target's name no longer does.
    pub(super) fn sweep(&self) {
        let addresses = &self.addresses;
        self.pool.sweep(|origin| addresses.lead_to(origin.address));
    }

    /// Whether it was long ago that somebody asked where the name leads.
    pub(super) fn is_renewal_due(&self) -> bool {
        self.addresses.is_renewal_due()
    }

    /// Asks where the name leads, where that is due.
    pub(super) async fn renew(&self) {
        self.addresses.renew().await;
    }
}

fn authority(url: &TargetUrl) -> Option<Authority> {
    let default_port = if url.encrypted() { 443 } else { 80 };
    let authority = if url.port() == default_port {
        Authority::try_from(url.host())
    } else {
        Authority::try_from(format!("{}:{}", url.host(), url.port()))
    };
    authority.ok()
}

pub(super) fn server_name(
    url: &TargetUrl,
    declared: Option<&DeclaredName>,
) -> Option<ServerName<'static>> {
    let name = declared.map_or(url.host(), DeclaredName::as_str);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(bare.to_owned()).ok(),
    }
}

#[cfg(test)]
pub(super) mod tests;

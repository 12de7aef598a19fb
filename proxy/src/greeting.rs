//! What a connection begins with, before its first request.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tollgate_store::ProxySender;

use crate::addresses::Visit;
use crate::caller::{Caller, Tls};
use crate::connection::{self, Handler, Protocol, Stream};
use crate::cut::Cut;
use crate::hexadecimal::hexadecimal;
use crate::listeners::{Door, Welcome};
use crate::proxy_protocol::{self, Source, Step};
use crate::tls::{Trust, client_certificate};

/// The longest that the header of the PROXY protocol may take.
const HEADER_MAX: Duration = Duration::from_secs(5);
/// The longest that a client may take to agree on TLS.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How clients are spoken to at an address.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// Who tells by the PROXY protocol whose connections they pass on; `None`: nobody does.
    pub senders: Option<BTreeSet<ProxySender>>,
    /// By TLS; `None`: in the clear.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who is let in by it.
    pub trust: Trust,
}

/// Serves a connection until it ends.
pub(crate) async fn serve<H: Handler>(
    (mut stream, peer): (impl Stream, Option<IpAddr>),
    welcome: &Welcome,
    door: &Door<H>,
) {
    let front = welcome.front();
    let address = match &front.senders {
        None => peer,
        Some(senders) => {
            let introduced = tokio::select! {
                introduced = introduce(&mut stream, peer, senders) => introduced,
                () = door.cutting.cancelled() => return,
            };
            match introduced {
                Ok(address) => address,
                Err(cut) => return turn_away(peer, cut, door),
            }
        }
    };
    let _visit = match enter(address, door) {
        Ok(visit) => visit,
        Err(cut) => return turn_away(address, cut, door),
    };
    let ending = welcome.ending(door);
    let handler = Arc::clone(&door.handler);
    let Some(config) = &front.tls else {
        let session = (handler, Caller::new(address, None));
        let how = (Protocol::Either, door.cuts.clone());
        // Boxed, here and below: otherwise each connection would have room for one of either kind.
        return Box::pin(connection::serve(stream, session, how, ending)).await;
    };
    // Boxed, as it is large and most of it is over soon.
    let shaken = tokio::select! {
        shaken = Box::pin(shake_hands(stream, config)) => shaken,
        () = ending.cutting.cancelled() => return,
    };
    match shaken {
        Ok(stream) => {
            let (_, encryption) = stream.get_ref();
            let how = (protocol(encryption), door.cuts.clone());
            let caller = Caller::new(address, Some(tls(encryption)));
            let session = (handler, caller);
            Box::pin(connection::serve(stream, session, how, ending)).await;
        }
        Err(cut) => turn_away(address, cut, door),
    }
}

/// Counts a connection by its address, if it has one.
fn enter<H: Handler>(address: Option<IpAddr>, door: &Door<H>) -> Result<Option<Visit>, Cut> {
    let Some(address) = address else {
        return Ok(None);
    };
    let is_trusted = || door.handler.is_trusted(address);
    let visit = door.addresses.enter(address, is_trusted);
    visit.map(Some).ok_or(Cut::AddressLimit)
}

fn turn_away<H>(address: Option<IpAddr>, cut: Cut, door: &Door<H>) {
    door.cuts.count(cut);
    tracing::debug!(
        ?address,
        reason = cut.code(),
        "a connection was turned away"
    );
}

/// Finds out whose connection somebody passes on, in time.
async fn introduce(
    stream: &mut impl Stream,
    peer: Option<IpAddr>,
    senders: &BTreeSet<ProxySender>,
) -> Result<Option<IpAddr>, Cut> {
    if !senders.iter().any(|sender| sender.is(peer)) {
        return Err(Cut::ProxyProtocolNetwork);
    }
    let header = tokio::time::timeout(HEADER_MAX, header(stream)).await;
    match header.map_err(|_| Cut::ProxyProtocolTimeout)? {
        Ok(Source::Client(address)) => Ok(Some(address)),
        Ok(Source::Sender) => Ok(peer),
        Err(problem) => {
            tracing::debug!(
                ?peer,
                problem,
                "there is no good header of the PROXY protocol"
            );
            Err(Cut::ProxyProtocol)
        }
    }
}

async fn header(stream: &mut impl Stream) -> Result<Source, String> {
    let mut header = Vec::new();
    loop {
        match proxy_protocol::parse(&header).map_err(|fault| fault.to_string())? {
            Step::Done(source) => return Ok(source),
            Step::More(more) => {
                let begun = header.len();
                header.resize(begun + more, 0);
                let rest = header.get_mut(begun..).unwrap_or_default();
                let read = stream.read_exact(rest).await;
                read.map_err(|error| error.to_string())?;
            }
        }
    }
}

/// Agrees on TLS, in time.
async fn shake_hands<S: Stream>(
    stream: S,
    config: &Arc<ServerConfig>,
) -> Result<TlsStream<S>, Cut> {
    let accepting = TlsAcceptor::from(Arc::clone(config)).accept(stream);
    match tokio::time::timeout(HANDSHAKE_MAX, accepting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS was not agreed on");
            Err(cause(&error))
        }
        Err(_) => Err(Cut::TlsHandshakeTimeout),
    }
}

fn cause(error: &std::io::Error) -> Cut {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Cut::ClientCertificate
        }
        _ => Cut::TlsHandshake,
    }
}

fn tls(session: &ServerConnection) -> Tls {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        _ => "1.2",
    };
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    Tls {
        version,
        certificate: certificate
            .map(|certificate| hexadecimal(&Sha256::digest(certificate)).into()),
        client: certificate.and_then(client_certificate::read).map(Arc::new),
    }
}

/// What was agreed on (ALPN, RFC 7301). Who asked for nothing may have meant either.
fn protocol(session: &ServerConnection) -> Protocol {
    match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        Some(_) => Protocol::Http1,
        None => Protocol::Either,
    }
}

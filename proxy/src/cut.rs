//! Connections of clients, and requests on them, that the proxy ends by itself, and why.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Why a client's connection, or one of its requests, is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cut {
    /// It came from nobody who may tell of clients by the PROXY protocol, on an address where they do.
    ProxyProtocolNetwork,
    /// It did not begin with a header of the PROXY protocol.
    ProxyProtocol,
    /// That header did not come in time.
    ProxyProtocolTimeout,
    /// TLS could not be agreed on.
    TlsHandshake,
    /// TLS was not agreed on in time.
    TlsHandshakeTimeout,
    /// The client has no certificate, or none that is taken.
    ClientCertificate,
    /// Too many connections of one address.
    AddressLimit,
    /// Nothing was asked for too long.
    Idle,
    /// The head of a request did not come in time.
    HeadTimeout,
    /// The client did not read what it was sent.
    WriteTimeout,
    /// The client did not read one of the answers that it was sent by HTTP/2: only that one is ended.
    StreamWriteTimeout,
    /// More answers of the proxy's own by HTTP/2 are not read than may be: one of a client that has many is ended.
    StreamsWaiting,
    /// Frames of HTTP/2 that only keep the proxy busy.
    FrameFlood,
    /// More requests of HTTP/2 taken back, empty bodies or parts of a head than anybody needs.
    Http2Flood,
    /// What came was no HTTP/2.
    Http2Protocol,
    /// The client speaks another HTTP than it agreed on with TLS.
    OtherProtocol,
}

impl Cut {
    /// The reason as one stable word, for metrics and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ProxyProtocolNetwork => "proxy_protocol_network",
            Self::ProxyProtocol => "proxy_protocol",
            Self::ProxyProtocolTimeout => "proxy_protocol_timeout",
            Self::TlsHandshake => "tls_handshake",
            Self::TlsHandshakeTimeout => "tls_handshake_timeout",
            Self::ClientCertificate => "client_certificate",
            Self::AddressLimit => "address_limit",
            Self::Idle => "idle",
            Self::HeadTimeout => "head_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::StreamWriteTimeout => "stream_write_timeout",
            Self::StreamsWaiting => "streams_waiting",
            Self::FrameFlood => "frame_flood",
            Self::Http2Flood => "http2_flood",
            Self::Http2Protocol => "http2_protocol",
            Self::OtherProtocol => "other_protocol",
        }
    }
}

/// How many connections were ended.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Family<Labels, Counter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Labels {
    reason: &'static str,
}

impl Cuts {
    /// Counts one.
    pub fn count(&self, cut: Cut) {
        let reason = cut.code();
        self.0.get_or_create(&Labels { reason }).inc();
    }

    pub(crate) fn family(&self) -> Family<Labels, Counter> {
        self.0.clone()
    }
}

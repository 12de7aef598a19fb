//! The kinds of work that are measured.

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// As many requests as pass, on connections that stay open.
    Saturated,
    /// 2,000 requests a second.
    Paced,
    /// As many as pass, by TLS 1.3.
    Tls,
    /// As many new connections by TLS 1.3 as pass.
    Handshakes,
    /// As many requests as pass, by HTTP/2 and TLS.
    Http2,
    /// As many answers of 1 MiB as pass.
    Large,
}

impl Work {
    /// All of them, in the order in which they are measured.
    pub(crate) const ALL: [Self; 6] = [
        Self::Saturated,
        Self::Paced,
        Self::Tls,
        Self::Handshakes,
        Self::Http2,
        Self::Large,
    ];

    /// What it is called on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Saturated => "saturated",
            Self::Paced => "paced",
            Self::Tls => "tls",
            Self::Handshakes => "handshakes",
            Self::Http2 => "http2",
            Self::Large => "large",
        }
    }

    /// The head of its table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Saturated => "as many requests as pass",
            Self::Paced => "2,000 requests a second",
            Self::Tls => "TLS 1.3, connections that stay open",
            Self::Handshakes => "TLS 1.3, a full handshake each",
            Self::Http2 => "HTTP/2 over TLS, 8 connections with 32 requests each",
            Self::Large => "answers of 1 MiB",
        }
    }

    /// Whether a proxy takes part; with more keys than the peers' tables hold, Tollgate alone does.
    pub(crate) fn concerns(self, name: &str) -> bool {
        let peers: &[&str] = match self {
            Self::Saturated => &[
                "nginx-lua",
                "nginx-map",
                "haproxy",
                "nginx-pass",
                "haproxy-pass",
                "bare hyper",
            ],
            Self::Paced => &["nginx-lua", "nginx-map", "haproxy", "bare hyper", "direct"],
            Self::Tls | Self::Handshakes | Self::Http2 => &["nginx-pass", "haproxy-pass"],
            Self::Large => &["nginx-large", "haproxy-large"],
        };
        name == "tollgate" || peers.contains(&name)
    }

    /// Whether it is measured with every number of keys, or the first alone.
    pub(crate) fn is_of_keys(self) -> bool {
        self == Self::Saturated
    }
}

//! Why an upstream gave no answer.

use std::error::Error;
use std::io;

use super::connect::ConnectFault;
use super::http1;
use super::shown::Unsigned;
use crate::refusal::UpstreamFault;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendFault {
    #[error(transparent)]
    Connect(#[from] ConnectFault),
    #[error(transparent)]
    Http1(#[from] http1::Fault),
    #[error(transparent)]
    Http2(#[from] hyper::Error),
    #[error("the answer can be read in two ways")]
    Ambiguous,
    #[error("no such request can be sent")]
    Unsendable,
    #[error(
        "the request can't be signed: there are no credentials, or it holds what no signature covers"
    )]
    Unsigned,
    #[error("no answer in time")]
    TooLate,
}

impl From<Unsigned> for SendFault {
    fn from(_: Unsigned) -> Self {
        Self::Unsigned
    }
}

impl SendFault {
    /// Whether there was not even a connection.
    pub(super) fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_))
    }

    /// Whether it is no failure of the target's: it carries what it may, or was not asked.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self, Self::Unsigned | Self::Connect(ConnectFault::Full(_)))
    }

    /// Whether the connection was cut before an answer came.
    pub(super) fn is_cut(&self) -> bool {
        match self {
            Self::Http1(fault) => fault.is_cut(),
            Self::Http2(error) => is_cut(error),
            _ => false,
        }
    }

    /// Whether the other side says that it has not even looked at the request (RFC 9113, section 8.7).
    pub(super) fn is_unprocessed(&self) -> bool {
        let Self::Http2(error) = self else {
            return false;
        };
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<h2::Error>());
        cause.is_some_and(|cause| {
            let is_refused = cause.reason() == Some(h2::Reason::REFUSED_STREAM);
            cause.is_remote() && (is_refused && cause.is_reset() || cause.is_go_away())
        })
    }

    /// What it is called.
    pub(super) fn kind(&self) -> UpstreamFault {
        match self {
            Self::Connect(fault) => connect_kind(fault),
            Self::Http1(fault) if fault.is_tls() => UpstreamFault::Tls,
            Self::Http2(error) if is_tls(error) => UpstreamFault::Tls,
            _ if self.is_cut() => UpstreamFault::Reset,
            Self::TooLate => UpstreamFault::ResponseTimeout,
            Self::Unsigned => UpstreamFault::Credential,
            Self::Http1(_) | Self::Http2(_) | Self::Ambiguous | Self::Unsendable => {
                UpstreamFault::Protocol
            }
        }
    }
}

fn connect_kind(fault: &ConnectFault) -> UpstreamFault {
    match fault {
        ConnectFault::Refused(error) if error.kind() == io::ErrorKind::TimedOut => {
            UpstreamFault::ConnectTimeout
        }
        ConnectFault::Name(_) | ConnectFault::Refused(_) => UpstreamFault::Connect,
        ConnectFault::TooLate(_) => UpstreamFault::ConnectTimeout,
        ConnectFault::Full(_) => UpstreamFault::Connections,
        ConnectFault::Tls(_) | ConnectFault::Material(_) => UpstreamFault::Tls,
        ConnectFault::Handshake(error) if is_tls(error) => UpstreamFault::Tls,
        ConnectFault::Handshake(error) if is_cut(error) => UpstreamFault::Reset,
        ConnectFault::Protocol(_) | ConnectFault::Handshake(_) => UpstreamFault::Protocol,
    }
}

/// Whether a connection ended, rather than carried what is no HTTP.
fn is_cut(error: &hyper::Error) -> bool {
    if is_tls(error) {
        return false;
    }
    if error.is_incomplete_message() || error.is_closed() {
        return true;
    }
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    if error.is_canceled() {
        // Nothing was sent: the connection had ended, or carried what nobody had asked for.
        let deeper = cause.and_then(|cause| cause.downcast_ref::<hyper::Error>());
        return deeper.is_none_or(is_cut);
    }
    while let Some(error) = cause {
        if error.is::<io::Error>() {
            return true;
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_io() || error.is_remote();
        }
        cause = error.source();
    }
    false
}

/// Whether TLS ended the connection: in TLS 1.3 the other side refuses a client's certificate only after the handshake
/// (RFC 8446, section 4.4.2.4).
fn is_tls(error: &hyper::Error) -> bool {
    // A client's body that breaks off is none of the upstream's.
    if error.is_user() {
        return false;
    }
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        let h2 = error.downcast_ref::<h2::Error>();
        // HTTP/2 keeps only the kind of what TLS says, which a socket never has.
        if let Some(io) = error
            .downcast_ref::<io::Error>()
            .or(h2.and_then(h2::Error::get_io))
        {
            return io.kind() == io::ErrorKind::InvalidData;
        }
        cause = error.source();
    }
    false
}

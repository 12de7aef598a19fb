//! Sends newcomers away from a listener that is about to close.

use tokio::net::TcpListener;

/// Takes no new connection any more; those whose handshake has begun still get through.
///
/// Linux drops the first packet of a connection (SYN) by a filter on the listener. Its sender repeats it after a
/// second, and finds whoever listens there then: a process that takes over, or nobody.
#[cfg(target_os = "linux")]
pub(super) fn turn_away(listener: &TcpListener) {
    // Where it can't be set, some clients find their connection reset, and connect again.
    if let Err(error) = socket2::SockRef::from(listener).attach_filter(&filter()) {
        tracing::debug!(%error, "newcomers can't be sent away");
    }
}

/// Other systems have no such filter.
#[cfg(not(target_os = "linux"))]
pub(super) fn turn_away(_listener: &TcpListener) {}

/// Drops a segment whose flags are SYN without ACK (RFC 9293, section 3.1), as a program of the classic packet filter.
#[cfg(target_os = "linux")]
fn filter() -> [socket2::SockFilter; 5] {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    const NOTHING: u32 = 0;
    const EVERYTHING: u32 = u32::MAX;

    let statement = |code, value| socket2::SockFilter::new(code, 0, 0, value);
    [
        statement(LOAD_BYTE, FLAGS_OFFSET),
        statement(AND, SYN_AND_ACK),
        // Where it is not equal, one statement is left out.
        socket2::SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        statement(RETURN, NOTHING),
        statement(RETURN, EVERYTHING),
    ]
}

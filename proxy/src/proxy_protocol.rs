//! The PROXY protocol, versions 1 and 2: how a load balancer tells whose connection it passes on.
//!
//! <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. It is read without a stream: [`parse`] takes what came so
//! far and says how much more belongs to the header at least, so that no byte beyond it is ever read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The most bytes of a header of version 2, with everything that it may say beside addresses.
pub const HEADER_BYTES_MAX: usize = 4_096;
/// The most bytes of a header of version 1.
const LINE_BYTES_MAX: usize = 107;
/// No header is shorter, and it tells the versions apart.
const FIRST_BYTES: usize = 12;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const FIXED_BYTES: usize = 16;

/// What is known after some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// At least so many more bytes belong to the header.
    More(usize),
    /// The header is complete.
    Done(Source),
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A client's.
    Client(IpAddr),
    /// The sender's own, like a health check's, or of somebody whom it can't name.
    Sender,
}

/// What makes it no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something else.
    #[error("the connection does not begin with a header of the PROXY protocol")]
    Missing,
    /// One of version 1 that is not as the protocol has it.
    #[error("the header's line is malformed")]
    Line,
    /// Of version 2, another version or command.
    #[error("the header's version or command is unknown")]
    Command,
    /// Of version 2, no stream.
    #[error("the header's family or transport is none of a stream")]
    Family,
    /// Of version 2, lengths that do not fit.
    #[error("the header's lengths contradict each other")]
    Length,
    /// More than [`HEADER_BYTES_MAX`].
    #[error("the header has more than {HEADER_BYTES_MAX} bytes")]
    TooLong,
}

/// Reads what came so far.
pub fn parse(bytes: &[u8]) -> Result<Step, Fault> {
    let Some(first) = bytes.get(..FIRST_BYTES) else {
        return Ok(Step::More(FIRST_BYTES - bytes.len()));
    };
    if first == SIGNATURE {
        return parse_binary(bytes);
    }
    if first.starts_with(b"PROXY ") {
        return parse_line(bytes);
    }
    Err(Fault::Missing)
}

/// Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 4711 443` and the end of the line.
fn parse_line(bytes: &[u8]) -> Result<Step, Fault> {
    let line = match bytes {
        [line @ .., b'\r', b'\n'] => line,
        _ if bytes.len() >= LINE_BYTES_MAX || bytes.contains(&b'\n') => return Err(Fault::Line),
        [.., b'\r'] => return Ok(Step::More(1)),
        _ => return Ok(Step::More(2.min(LINE_BYTES_MAX - bytes.len()))),
    };
    let text = std::str::from_utf8(line).map_err(|_| Fault::Line)?;
    let words: Vec<_> = text.split(' ').collect();
    match words.as_slice() {
        // Whatever follows is to be ignored.
        ["PROXY", "UNKNOWN", ..] => Ok(Step::Done(Source::Sender)),
        ["PROXY", "TCP4", source, target, ports @ ..] => {
            line_source::<Ipv4Addr>(source, target, ports)
        }
        ["PROXY", "TCP6", source, target, ports @ ..] => {
            line_source::<Ipv6Addr>(source, target, ports)
        }
        _ => Err(Fault::Line),
    }
}

fn line_source<A: FromStr + Into<IpAddr>>(
    source: &str,
    target: &str,
    ports: &[&str],
) -> Result<Step, Fault> {
    let address = |text: &str| text.parse::<A>().map_err(|_| Fault::Line);
    let (source, _) = (address(source)?, address(target)?);
    let is_port = |text: &&str| {
        text.parse::<u16>()
            .is_ok_and(|port| port.to_string() == **text)
    };
    match ports {
        [from, to] if is_port(from) && is_port(to) => Ok(Step::Done(Source::Client(source.into()))),
        _ => Err(Fault::Line),
    }
}

/// Version 2: the signature, what it is, its length, addresses, and whatever else the sender knows.
fn parse_binary(bytes: &[u8]) -> Result<Step, Fault> {
    let Some(&[command, family, high, low]) = bytes.get(FIRST_BYTES..FIXED_BYTES) else {
        return Ok(Step::More(FIXED_BYTES - bytes.len()));
    };
    if !matches!(command, 0x20 | 0x21) {
        return Err(Fault::Command);
    }
    let total = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if total > HEADER_BYTES_MAX {
        return Err(Fault::TooLong);
    }
    let Some(rest) = bytes.get(FIXED_BYTES..total) else {
        return Ok(Step::More(total - bytes.len()));
    };
    if bytes.len() > total {
        return Err(Fault::Length);
    }
    // The sender's own connection: nothing else of it counts.
    if command == 0x20 {
        return Ok(Step::Done(Source::Sender));
    }
    let (source, more) = match family {
        // Unknown, and Unix: clients without an address.
        0x00 => (Source::Sender, rest),
        0x31 => (Source::Sender, rest.get(216..).ok_or(Fault::Length)?),
        0x11 => {
            let (addresses, more) = rest.split_first_chunk::<12>().ok_or(Fault::Length)?;
            let [a, b, c, d, ..] = *addresses;
            (Source::Client(Ipv4Addr::new(a, b, c, d).into()), more)
        }
        0x21 => {
            let (source, more) = rest.split_first_chunk::<16>().ok_or(Fault::Length)?;
            let more = more.get(20..).ok_or(Fault::Length)?;
            (Source::Client(Ipv6Addr::from(*source).into()), more)
        }
        _ => return Err(Fault::Family),
    };
    check_values(more)?;
    Ok(Step::Done(source))
}

/// What else the sender says is a row of types, lengths and values. None of them is heeded.
fn check_values(mut bytes: &[u8]) -> Result<(), Fault> {
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<3>().ok_or(Fault::Length)?;
        let length = u16::from_be_bytes([head[1], head[2]]);
        bytes = rest.get(usize::from(length)..).ok_or(Fault::Length)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

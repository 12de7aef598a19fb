//! Addresses as text, for what is written for each request.

use std::io::Write as _;
use std::net::IpAddr;

/// Appends an address as it is usually written. One of IPv4 goes without the standard library's formatting, which costs
/// more than the rest of its line.
pub(crate) fn put_address(line: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        // A Vec takes everything.
        let _ = write!(line, "{address}");
        return;
    };
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            line.push(b'.');
        }
        line.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_the_standard_library_does() {
        for text in [
            "0.0.0.0",
            "10.20.30.40",
            "255.255.255.255",
            "::1",
            "2001:db8::ffff:1234",
            "::ffff:192.0.2.1",
        ] {
            let address: IpAddr = text.parse().unwrap();
            let mut line = b"at ".to_vec();
            put_address(&mut line, address);
            assert_eq!(line, format!("at {address}").as_bytes());
        }
    }
}

//! Addresses as text, for what is written for each request: the log and `X-Forwarded-For`.

use std::net::IpAddr;

use smallvec::SmallVec;
use smol_str::{SmolStr, ToSmolStr as _};

/// An address of IPv4 has no more characters.
const V4_CHARS_MAX: usize = 15;

/// The address as it is usually written. One of IPv4 takes neither memory nor the standard library's formatting, which
/// costs more than the rest of its line.
#[must_use]
pub(crate) fn address_text(address: IpAddr) -> SmolStr {
    let IpAddr::V4(address) = address else {
        return address.to_smolstr();
    };
    let mut text = SmallVec::<[u8; V4_CHARS_MAX]>::new();
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push(b'.');
        }
        text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
    // Digits and dots.
    std::str::from_utf8(&text).unwrap_or_default().into()
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
            assert_eq!(address_text(address), address.to_string());
        }
    }
}

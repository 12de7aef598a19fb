//! Addresses as text, for what is written for each request: the log and `X-Forwarded-For`.

use std::net::IpAddr;

use smol_str::{SmolStr, SmolStrBuilder, ToSmolStr as _};

/// The address as it is usually written. One of IPv4 takes neither memory nor the standard library's formatting, which
/// costs more than the rest of its line.
#[must_use]
pub(crate) fn address_text(address: IpAddr) -> SmolStr {
    let IpAddr::V4(address) = address else {
        return address.to_smolstr();
    };
    let mut text = SmolStrBuilder::new();
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        text.push_str(itoa::Buffer::new().format(octet));
    }
    text.finish()
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

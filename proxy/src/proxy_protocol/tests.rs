use proptest::prelude::*;

use super::*;

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    bytes.extend(rest);
    bytes
}

fn ipv4(values: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0x01, 0xbb];
    [&addresses[..], values].concat()
}

/// Reads a header as a stream would: what is read, and what of it was taken.
fn read(bytes: &[u8]) -> Result<(Source, usize), Fault> {
    let mut taken = 0;
    loop {
        match parse(&bytes[..taken])? {
            Step::Done(source) => return Ok((source, taken)),
            Step::More(more) => {
                assert!(more > 0);
                taken += more;
                if taken > bytes.len() {
                    return Err(Fault::Length);
                }
            }
        }
    }
}

fn client(text: &str) -> Source {
    Source::Client(text.parse().unwrap())
}

#[test]
fn both_versions_tell_whose_connection_it_is_and_take_no_byte_more() {
    let ipv6: Vec<_> = [
        &"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()[..],
        &[0; 16],
        &[0x12, 0x34, 0x01, 0xbb],
    ]
    .concat();
    for (header, source) in [
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n".to_vec(),
            client("192.0.2.1"),
        ),
        (
            b"PROXY TCP6 2001:db8::1 ::1 0 65535\r\n".to_vec(),
            client("2001:db8::1"),
        ),
        (b"PROXY UNKNOWN\r\n".to_vec(), Source::Sender),
        (b"PROXY UNKNOWN whatever it is\r\n".to_vec(), Source::Sender),
        (binary(0x21, 0x11, &ipv4(&[])), client("192.0.2.1")),
        (
            binary(0x21, 0x11, &ipv4(&[4, 0, 2, 9, 9, 0xee, 0, 0])),
            client("192.0.2.1"),
        ),
        (binary(0x21, 0x21, &ipv6), client("2001:db8::1")),
        (binary(0x20, 0x00, &[]), Source::Sender),
        (binary(0x20, 0x11, &ipv4(&[])), Source::Sender),
        (binary(0x21, 0x00, &[]), Source::Sender),
        (binary(0x21, 0x31, &[0; 216]), Source::Sender),
    ] {
        let length = header.len();
        let stream = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(read(&stream), Ok((source, length)), "{header:?}");
    }
}

#[test]
fn what_is_no_header_is_refused() {
    for (bytes, fault) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Fault::Missing),
        (
            b"PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
            Fault::Line,
        ),
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n".to_vec(),
            Fault::Line,
        ),
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n".to_vec(),
            Fault::Line,
        ),
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n".to_vec(),
            Fault::Line,
        ),
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n".to_vec(),
            Fault::Line,
        ),
        (
            b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n".to_vec(),
            Fault::Line,
        ),
        (b"PROXY TCP4 ::1 198.51.100.1 1 2\r\n".to_vec(), Fault::Line),
        (b"PROXY TCP6 192.0.2.1 ::1 1 2\r\n".to_vec(), Fault::Line),
        (
            b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
            Fault::Line,
        ),
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\nGET".to_vec(),
            Fault::Line,
        ),
        ([b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(), Fault::Line),
        (binary(0x11, 0x11, &ipv4(&[])), Fault::Command),
        (binary(0x22, 0x11, &ipv4(&[])), Fault::Command),
        (binary(0x21, 0x12, &ipv4(&[])), Fault::Family),
        (binary(0x21, 0x41, &ipv4(&[])), Fault::Family),
        (binary(0x21, 0x11, &[0; 11]), Fault::Length),
        (binary(0x21, 0x21, &[0; 35]), Fault::Length),
        (binary(0x21, 0x31, &[0; 215]), Fault::Length),
        (binary(0x21, 0x11, &ipv4(&[4, 0])), Fault::Length),
        (binary(0x21, 0x11, &ipv4(&[4, 0, 3, 9, 9])), Fault::Length),
        (binary(0x21, 0x11, &ipv4(&[0; 4_080])), Fault::TooLong),
    ] {
        assert_eq!(
            read(&bytes),
            Err(fault),
            "{:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

proptest! {
    #[test]
    fn whatever_comes_the_reading_ends_within_its_bound(
        version in 0..3,
        bytes in prop::collection::vec(any::<u8>(), 0..6_000),
    ) {
        let start = match version {
            0 => &b""[..],
            1 => b"PROXY TCP4 ",
            _ => SIGNATURE,
        };
        let bytes = [start, &bytes].concat();
        if let Ok((_, taken)) = read(&bytes) {
            prop_assert!(taken <= HEADER_BYTES_MAX);
        }
    }

    #[test]
    fn every_client_is_told_by_both_versions(address: IpAddr, ports: (u16, u16), values: Vec<(u8, Vec<u8>)>) {
        let (family, octets) = match address {
            IpAddr::V4(address) => (0x11, [address.octets(), [0; 4]].concat()),
            IpAddr::V6(address) => (0x21, [address.octets(), [0; 16]].concat()),
        };
        let name = if address.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {name} {address} {address} {} {}\r\n", ports.0, ports.1);
        let mut rest = [&octets[..], &[0; 4]].concat();
        for (kind, value) in values {
            rest.push(kind);
            rest.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            rest.extend(value);
        }
        let binary = binary(0x21, family, &rest);

        let source = Source::Client(address);
        prop_assert_eq!(read(line.as_bytes()), Ok((source, line.len())));
        let expected = if binary.len() > HEADER_BYTES_MAX { Err(Fault::TooLong) } else { Ok((source, binary.len())) };
        prop_assert_eq!(read(&binary), expected);
    }

    #[test]
    fn a_header_in_pieces_is_waited_for(address: IpAddr) {
        let name = if address.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {name} {address} {address} 1 2\r\n");
        for end in 0..line.len() {
            prop_assert!(matches!(parse(&line.as_bytes()[..end]), Ok(Step::More(_))), "{}", &line[..end]);
        }
    }
}

//! Answers as the loads of our own read them: by their lengths.

use std::io::Read as _;
use std::net::TcpStream;

use tollgate_acceptance::Failure;

const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Reads an answer up to the length that its head tells; returns its status.
pub(crate) fn read(stream: &mut TcpStream) -> Result<u16, Failure> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream
            .read(&mut part)
            .map_err(Failure::system("no answer"))?;
        bytes.extend(part.iter().take(count));
        match parse(&bytes) {
            Some((whole, status)) if bytes.len() >= whole => return Ok(status),
            _ if count == 0 || bytes.len() > ANSWER_BYTES_MAX => {
                return Err(Failure::Unexpected {
                    what: "an answer to a load".to_owned(),
                    expected: "one with a length".to_owned(),
                    got: "half of one".to_owned(),
                });
            }
            _ => {}
        }
    }
}

/// How long an answer is in all, and its status; `None` before its head is there.
fn parse(bytes: &[u8]) -> Option<(usize, u16)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_ascii_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut lines = head.lines();
    let body = lines.find_map(|line| line.strip_prefix("content-length:"))?;
    Some((end + body.trim().parse::<usize>().ok()?, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_known_once_its_head_is() {
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"), None);
        assert_eq!(
            parse(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            Some((41, 200))
        );
        assert_eq!(
            parse(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
            Some((38, 401))
        );
    }
}

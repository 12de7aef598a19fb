//! A client that asks 2,000 times a second, however fast the answers come: where a proxy has time to sleep, each request
//! pays for waking it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use tollgate_acceptance::{Failure, clock};

use super::{LOAD_CORE, Load, PATH};
use crate::proxy::keys::Keys;

const RATE: u32 = 2_000;
/// How many ask, each on a connection of its own: at this pace, hardly ever two at once.
const CLIENTS: u32 = 16;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const ANSWER_MAX: Duration = Duration::from_secs(10);
const TOKENS_MAX: usize = 1_000;

/// What one client saw, in microseconds.
type Latencies = Vec<u32>;

/// Has a process of its own load an address: this one may run anywhere.
pub(super) fn run(address: &str, keys: &Keys, seconds: u32) -> Result<Load, Failure> {
    let own = std::env::current_exe().map_err(Failure::system("no own program"))?;
    let mut command = Command::new("taskset");
    command
        .args(["-c", LOAD_CORE])
        .arg(own)
        .args(["pace", address])
        .arg(seconds.to_string())
        .arg(&keys.tokens);
    super::read_output("pace", &mut command, read)
}

fn read(text: &str) -> Option<Load> {
    let mut numbers = text.split_whitespace();
    let mut number = || numbers.next()?.parse::<f64>().ok();
    let (requests, seconds) = (number()?, number()?);
    Some(Load {
        rate: requests / seconds,
        p50_us: number()?,
        p99_us: number()?,
        bad: 0,
        // A count was printed.
        requests: format!("{requests}").parse().ok()?,
    })
}

/// The process of its own: prints how many requests, in how many seconds, and the 50th and 99th percentile.
pub(crate) fn main(address: &str, seconds: &str, tokens: &str) -> Result<String, Failure> {
    let seconds: u32 = seconds.parse().map_err(|_| broken(&seconds))?;
    let tokens = std::fs::read_to_string(tokens).map_err(Failure::file(tokens))?;
    let tokens: Vec<&str> = tokens.lines().take(TOKENS_MAX).collect();
    let latencies = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let tokens = &tokens;
                scope.spawn(move || ask(address, (number, seconds), tokens))
            })
            .collect();
        let mut all = Latencies::new();
        for client in clients {
            all.extend(client.join().map_err(|_| broken(&"a client's panic"))??);
        }
        Ok::<_, Failure>(all)
    });
    let mut latencies = latencies?;
    latencies.sort_unstable();
    let at = |hundredth: usize| {
        let place = latencies.len() * hundredth / 100;
        latencies.get(place).copied().unwrap_or_default()
    };
    Ok(format!(
        "{} {seconds} {} {}",
        latencies.len(),
        at(50),
        at(99)
    ))
}

fn ask(
    address: &str,
    (number, seconds): (u32, u32),
    tokens: &[&str],
) -> Result<Latencies, Failure> {
    let mut stream = TcpStream::connect(address).map_err(Failure::system("no connection"))?;
    stream
        .set_nodelay(true)
        .and_then(|()| stream.set_read_timeout(Some(ANSWER_MAX)))
        .map_err(Failure::system("no connection"))?;
    let interval = Duration::from_secs(1) * CLIENTS / RATE;
    let begun = clock::now() + interval * number / CLIENTS;
    let count = RATE / CLIENTS * seconds;
    let mut latencies = Latencies::new();
    for turn in 0..count {
        let due = begun + interval * turn;
        std::thread::sleep(due.saturating_duration_since(clock::now()));
        let position = usize::try_from(number + turn * CLIENTS).unwrap_or_default();
        let token = tokens.get(position % tokens.len().max(1)).copied();
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: {address}\r\nX-Api-Key: {}\r\nUser-Agent: pace\r\n\r\n",
            token.unwrap_or_default()
        );
        let sent = clock::now();
        stream
            .write_all(request.as_bytes())
            .map_err(Failure::system("no request"))?;
        read_answer(&mut stream)?;
        let took = clock::now().saturating_duration_since(sent);
        latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
    Ok(latencies)
}

/// Reads until the length that the head tells.
fn read_answer(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream
            .read(&mut part)
            .map_err(Failure::system("no answer"))?;
        bytes.extend(part.iter().take(count));
        match length(&bytes) {
            Some((whole, true)) if bytes.len() >= whole => return Ok(()),
            Some((_, false)) => return Err(broken(&String::from_utf8_lossy(&bytes))),
            _ if count == 0 || bytes.len() > ANSWER_BYTES_MAX => {
                return Err(broken(&"half an answer"));
            }
            _ => {}
        }
    }
}

/// How long an answer is in all, and whether it is a good one; `None` before its head is there.
fn length(bytes: &[u8]) -> Option<(usize, bool)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_ascii_lowercase();
    let is_good = head.starts_with("http/1.1 200 ");
    let mut lines = head.lines();
    let body = lines.find_map(|line| line.strip_prefix("content-length:"))?;
    Some((end + body.trim().parse::<usize>().ok()?, is_good))
}

fn broken(got: &dyn std::fmt::Display) -> Failure {
    Failure::Unexpected {
        what: "the paced load".to_owned(),
        expected: "an answer of 200 with a length".to_owned(),
        got: got.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_known_once_its_head_is() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"), None);
        assert_eq!(
            length(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
            Some((41, true))
        );
        assert_eq!(
            length(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
            Some((38, false))
        );
    }

    #[test]
    fn what_is_printed_is_read() {
        let load = read("4000 2 151 900").unwrap();
        assert_eq!(
            (load.requests, load.rate, load.p50_us, load.p99_us),
            (4_000, 2_000.0, 151.0, 900.0)
        );
    }
}

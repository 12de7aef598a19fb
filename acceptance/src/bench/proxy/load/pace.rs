//! A client that asks 2,000 times a second, however fast the answers come: where a proxy has time to sleep, each request
//! pays for waking it.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use tollgate_acceptance::{Failure, clock};

use super::{LOAD_CORE, Load, PATH, answer};
use crate::proxy::keys::Keys;

const RATE: u32 = 2_000;
/// How many ask, each on a connection of its own: at this pace, hardly ever two at once.
const CLIENTS: u32 = 16;
const ANSWER_MAX: Duration = Duration::from_secs(10);
const TOKENS_MAX: usize = 1_000;
const GOOD: u16 = 200;

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
        let status = answer::read(&mut stream)?;
        if status != GOOD {
            return Err(broken(&status));
        }
        let took = clock::now().saturating_duration_since(sent);
        latencies.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
    Ok(latencies)
}

fn broken(got: &dyn std::fmt::Display) -> Failure {
    Failure::Unexpected {
        what: "the paced load".to_owned(),
        expected: "an answer of 200".to_owned(),
        got: got.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let load = read("4000 2 151 900").unwrap();
        assert_eq!(
            (load.requests, load.rate, load.p50_us, load.p99_us),
            (4_000, 2_000.0, 151.0, 900.0)
        );
    }
}

//! The load: wrk, which sends the next request on each connection once the last one is answered.

use std::process::Command;

use tollgate_acceptance::Failure;

use super::keys::Keys;
use super::peers::LOAD_CORE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/tokens.lua");
const CONNECTIONS: u32 = 64;
/// What is asked for.
const PATH: &str = "/v1/items/42";

/// What wrk saw.
#[derive(Debug, PartialEq)]
pub(crate) struct Load {
    /// Requests that were answered.
    pub(crate) requests: u32,
    /// Those in a second.
    pub(crate) rate: f64,
    /// The time that the slowest hundredth took at least, in microseconds.
    pub(crate) p99_us: f64,
    /// Answers other than 2xx, and failures of the network.
    pub(crate) bad: u32,
}

/// Whether there is anything to load with.
pub(crate) fn find() -> Result<(), Failure> {
    // It has no option that does nothing and succeeds.
    match Command::new("wrk").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Missing {
            program: "wrk".to_owned(),
            remedy: "install wrk from your distribution".to_owned(),
        }),
    }
}

/// Loads an address.
pub(crate) fn run(address: &str, keys: &Keys, seconds: u32) -> Result<Load, Failure> {
    let mut command = Command::new("taskset");
    command
        .args(["-c", LOAD_CORE, "wrk", "-t1", "--latency", "-s", SCRIPT])
        .arg(format!("-c{CONNECTIONS}"))
        .arg(format!("-d{seconds}s"))
        .arg(format!("http://{address}{PATH}"))
        .arg("--")
        .arg(&keys.tokens);
    let output = command.output().map_err(Failure::file("taskset"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).ok_or_else(|| Failure::Command {
        command: "wrk".to_owned(),
        outcome: format!("ended with {} and no numbers", output.status),
        output: text.into_owned() + &String::from_utf8_lossy(&output.stderr),
    })
}

fn read(text: &str) -> Option<Load> {
    let after = |start: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(start))
    };
    let totals = text.lines().find(|line| line.contains(" requests in "))?;
    let refused = after("Non-2xx or 3xx responses:").and_then(|count| count.trim().parse().ok());
    let failed = after("Socket errors:").map(|counts| {
        let words = counts.split([' ', ',']);
        words
            .filter_map(|word| word.parse::<u32>().ok())
            .sum::<u32>()
    });
    Some(Load {
        requests: totals.split_whitespace().next()?.parse().ok()?,
        rate: after("Requests/sec:")?.trim().parse().ok()?,
        p99_us: microseconds(after("99%")?.trim())?,
        bad: refused.unwrap_or(0) + failed.unwrap_or(0),
    })
}

fn microseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse().ok().map(|number: f64| number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let text = "Running 1s test @ http://127.0.0.1:1/\n  Latency Distribution\n     50%    1.10ms\n     \
                    99%    2.50ms\n  1200 requests in 1.00s, 1.00MB read\n  \
                    Socket errors: connect 0, read 1, write 2, timeout 0\n  Non-2xx or 3xx responses: 4\n\
                    Requests/sec:   1199.50\n";

        let expected = Load {
            requests: 1_200,
            rate: 1_199.5,
            p99_us: 2_500.0,
            bad: 7,
        };
        assert_eq!(read(text), Some(expected));
        assert_eq!(read("unable to connect"), None);
    }
}

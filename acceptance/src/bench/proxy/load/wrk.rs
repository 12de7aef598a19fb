//! The load: wrk, which sends the next request on each connection once the last one is answered.

use tollgate_acceptance::Failure;

use super::{Load, microseconds, read_output, tool};
use crate::proxy::keys::Keys;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/tokens.lua");
/// How many connections stay open.
pub(super) const CONNECTIONS: u32 = 64;
/// The same where answers are large.
pub(super) const LARGE_CONNECTIONS: u32 = 8;

/// Loads an address.
pub(super) fn run(url: &str, connections: u32, keys: &Keys, seconds: u32) -> Result<Load, Failure> {
    let mut command = tool("wrk");
    command
        .args(["-t1", "--latency", "-s", SCRIPT])
        .arg(format!("-c{connections}"))
        .arg(format!("-d{seconds}s"))
        .arg(url)
        .arg("--")
        .arg(&keys.tokens);
    read_output("wrk", &mut command, read)
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
        p50_us: microseconds(after("50%")?.trim())?,
        p99_us: microseconds(after("99%")?.trim())?,
        bad: refused.unwrap_or(0) + failed.unwrap_or(0),
    })
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
            p50_us: 1_100.0,
            p99_us: 2_500.0,
            bad: 7,
        };
        assert_eq!(read(text), Some(expected));
        assert_eq!(read("unable to connect"), None);
    }
}

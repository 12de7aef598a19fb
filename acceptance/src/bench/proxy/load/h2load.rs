//! h2load: HTTP/2 over TLS, many requests at once on few connections.

use tollgate_acceptance::Failure;

use super::{Load, microseconds, read_output, tool};
use crate::proxy::keys::Keys;

const CONNECTIONS: u32 = 8;
const STREAMS: u32 = 32;

/// Loads an address.
pub(super) fn run(url: &str, keys: &Keys, seconds: u32) -> Result<Load, Failure> {
    let mut command = tool("h2load");
    command
        .args(["-t1", "--warm-up-time=0"])
        .arg(format!("-c{CONNECTIONS}"))
        .arg(format!("-m{STREAMS}"))
        .arg(format!("-D{seconds}"))
        .arg(format!("-Hx-api-key: {}", keys.reader.expose()))
        .arg(url);
    read_output("h2load", &mut command, |text| read(text, seconds))
}

fn read(text: &str, seconds: u32) -> Option<Load> {
    let line = |start: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(start))
    };
    let good: u32 = first(line("status codes:")?)?;
    let all = line("requests:")?
        .split(", ")
        .find_map(|part| part.strip_suffix(" done"))?;
    let all: u32 = all.trim().parse().ok()?;
    // min, max, mean, sd
    let mean = line("time for request:")?.split_whitespace().nth(2)?;
    Some(Load {
        requests: good,
        rate: f64::from(good) / f64::from(seconds),
        p50_us: microseconds(mean)?,
        p99_us: f64::NAN,
        bad: all.saturating_sub(good),
    })
}

fn first(text: &str) -> Option<u32> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_prints_is_read() {
        let text = "finished in 2.00s, 12.00 req/s, 1.00MB/s\n\
                    requests: 26 total, 30 started, 26 done, 25 succeeded, 1 failed, 0 errored, 0 timeout\n\
                    status codes: 24 2xx, 0 3xx, 2 4xx, 0 5xx\n\
                    time for request:      253us      9.10ms      1.50ms       400us    70.00%\n";

        let load = read(text, 2).unwrap();

        assert_eq!(
            (load.requests, load.rate, load.p50_us, load.bad),
            (24, 12.0, 1_500.0, 2)
        );
        assert!(load.p99_us.is_nan());
        assert!(read("Could not resolve", 1).is_none());
    }
}

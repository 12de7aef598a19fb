//! openssl: connections that are closed as soon as they are made, each with a full handshake of TLS 1.3.

use std::process::{Child, Stdio};

use tollgate_acceptance::Failure;

use super::{Load, tool};

/// How many make connections at once.
const PARALLEL: usize = 4;

/// Makes connections to an address.
pub(super) fn run(address: &str, seconds: u32) -> Result<Load, Failure> {
    let children = (0..PARALLEL).map(|_| start(address, seconds));
    let children: Vec<_> = children.collect::<Result<_, _>>()?;
    let mut requests = 0;
    for child in children {
        let output = child.wait_with_output().map_err(Failure::file("taskset"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        requests += read(&text).ok_or_else(|| Failure::Command {
            command: "openssl s_time".to_owned(),
            outcome: format!("ended with {} and no numbers", output.status),
            output: text.into_owned(),
        })?;
    }
    Ok(Load {
        requests,
        rate: f64::from(requests) / f64::from(seconds),
        p50_us: f64::NAN,
        p99_us: f64::NAN,
        bad: 0,
    })
}

fn start(address: &str, seconds: u32) -> Result<Child, Failure> {
    let mut command = tool("openssl");
    command
        .args(["s_time", "-connect", address, "-new", "-tls1_3", "-time"])
        .arg(seconds.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command.spawn().map_err(Failure::file("taskset"))
}

fn read(text: &str) -> Option<u32> {
    let line = text.lines().find(|line| line.contains(" real seconds"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_prints_is_read() {
        let text = "412 connections in 0.30s; 1373.33 connections/user sec, bytes read 0\n\
                    412 connections in 2 real seconds, 0 bytes read per connection\n";

        assert_eq!(read(text), Some(412));
        assert_eq!(read("connect error"), None);
    }
}

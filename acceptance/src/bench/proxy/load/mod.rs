//! What loads the proxies, one tool for each kind of work.

pub(super) mod answer;
mod h2load;
mod handshakes;
mod pace;
mod wrk;

pub(crate) use pace::main as pace;

use std::process::Command;

use tollgate_acceptance::Failure;

use super::keys::Keys;
use super::peers::{LOAD_CORE, Peer};
use super::work::Work;

/// What is asked for: 1 KiB.
pub(super) const PATH: &str = "/v1/items/42";
/// What is asked for where 1 MiB is to come.
pub(crate) const LARGE_PATH: &str = "/v1/large";

/// What was seen of the answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// Requests that were answered, or handshakes that were made.
    pub(crate) requests: u32,
    /// Those in a second.
    pub(crate) rate: f64,
    /// The time that half of them took at most, in microseconds; not a number where it is not measured.
    pub(crate) p50_us: f64,
    /// The time that the slowest hundredth took at least, likewise.
    pub(crate) p99_us: f64,
    /// Answers other than 2xx, and failures of the network.
    pub(crate) bad: u32,
}

/// Whether there is what a kind of work needs.
pub(crate) fn find(work: Work) -> Result<(), Failure> {
    let (program, package) = match work {
        Work::Saturated | Work::Tls | Work::Large => ("wrk", "wrk"),
        Work::Http2 => ("h2load", "nghttp2's client"),
        Work::Handshakes => ("openssl", "openssl"),
        Work::Paced => return Ok(()),
    };
    // Some have no option that does nothing and succeeds.
    match Command::new(program).arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => Err(Failure::Missing {
            program: program.to_owned(),
            remedy: format!("install {package} from your distribution"),
        }),
    }
}

/// Loads a proxy.
pub(crate) fn run(work: Work, peer: &Peer, keys: &Keys, seconds: u32) -> Result<Load, Failure> {
    let plain = |path| format!("http://{}{path}", peer.address);
    let encrypted = || format!("https://{}{PATH}", peer.encrypted);
    match work {
        Work::Saturated => wrk::run(&plain(PATH), wrk::CONNECTIONS, keys, seconds),
        Work::Large => wrk::run(&plain(LARGE_PATH), wrk::LARGE_CONNECTIONS, keys, seconds),
        Work::Tls => wrk::run(&encrypted(), wrk::CONNECTIONS, keys, seconds),
        Work::Http2 => h2load::run(&encrypted(), keys, seconds),
        Work::Handshakes => handshakes::run(&peer.encrypted, seconds),
        Work::Paced => pace::run(&peer.address, keys, seconds),
    }
}

/// A tool on the core that is not the proxy's.
fn tool(name: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", LOAD_CORE, name]);
    command
}

/// What a tool printed, and what reads the numbers out of it.
fn read_output(
    name: &str,
    command: &mut Command,
    read: impl FnOnce(&str) -> Option<Load>,
) -> Result<Load, Failure> {
    let output = command.output().map_err(Failure::file("taskset"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    read(&text).ok_or_else(|| Failure::Command {
        command: name.to_owned(),
        outcome: format!("ended with {} and no numbers", output.status),
        output: text.into_owned() + &String::from_utf8_lossy(&output.stderr),
    })
}

/// A length of time as wrk and h2load print it, in microseconds.
fn microseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse().ok().map(|number: f64| number * factor);
        }
    }
    None
}

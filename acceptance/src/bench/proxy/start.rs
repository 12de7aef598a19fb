//! How long a proxy takes to serve, and how much memory it then has.

use std::time::Duration;

use tollgate_acceptance::{Failure, clock, interrupt};

use super::peers::{Peer, Stage};
use super::program::await_listening;

/// Those that know the keys.
const CONCERNED: [&str; 4] = ["tollgate", "nginx-lua", "nginx-map", "haproxy"];
const STARTS: usize = 5;
const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// After that, it only waits, and what it needed to start was given back.
const REST: Duration = Duration::from_secs(12);
const KIB_A_MIB: f64 = 1024.0;

/// What starting one proxy several times showed.
pub(crate) struct Start {
    /// Which.
    pub(crate) name: &'static str,
    /// From its start to the first connection that it accepts, in milliseconds.
    pub(crate) milliseconds: Vec<f64>,
    /// Its memory when it has been idle for a while, shared pages by its part, in MiB.
    pub(crate) mebibytes: f64,
}

/// Ends what runs, and starts it again several times.
pub(crate) fn measure(stage: Stage) -> Result<Vec<Start>, Failure> {
    let peers = stage
        .peers
        .iter()
        .filter(|peer| CONCERNED.contains(&peer.name));
    let recipes: Vec<_> = peers
        .map(|peer: &Peer| (peer.recipe.clone(), peer.name, peer.address.clone()))
        .collect();
    drop(stage);
    let mut starts = Vec::new();
    for (recipe, name, address) in recipes {
        let mut start = Start {
            name,
            milliseconds: Vec::new(),
            mebibytes: 0.0,
        };
        for turn in 1..=STARTS {
            interrupt::check()?;
            let begun = clock::now();
            let running = recipe.start()?;
            await_listening(&address, LOOK_INTERVAL)?;
            let took = clock::now().saturating_duration_since(begun);
            start.milliseconds.push(took.as_secs_f64() * 1e3);
            if turn == STARTS {
                std::thread::sleep(REST);
                start.mebibytes = kibibytes(running.id()) / KIB_A_MIB;
            }
        }
        starts.push(start);
    }
    Ok(starts)
}

/// The memory of a process and its children.
fn kibibytes(id: u32) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let children = format!("/proc/{id}/task/{id}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    proportional(&rollup).unwrap_or(0.0) + children.map(kibibytes).sum::<f64>()
}

fn proportional(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_shares() {
        let text = "Rss:   100 kB\nPss:            42 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(proportional(text), Some(42.0));
    }
}

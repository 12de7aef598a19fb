//! `make bench-proxy`: what a request costs the proxy, beside nginx and HAProxy that do the same work.
//!
//! One core is for the proxy that is measured, the other for the load and the origin. Proxies take turns, so that a
//! machine that is busy for a while is so for all of them.

mod accounting;
mod configuration;
mod fleet;
mod keys;
mod load;
mod origin;
mod peers;
mod program;
mod report;
mod settings;
mod start;
mod work;

use tempfile::TempDir;
use tollgate_acceptance::{Binaries, Failure, interrupt};

use crate::measure::print;
use accounting::Meter;
use keys::Keys;
use peers::{Peer, Stage};
use report::{Report, Table};
pub(crate) use settings::Settings;
use work::Work;

pub(crate) use fleet::run as run_fleet;
pub(crate) use load::pace;
pub(crate) use origin::{bare, serve};

/// What one run of one proxy cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// The proxy's processor time for each request, in microseconds.
    cpu_us: f64,
    /// Requests in a second.
    rate: f64,
    /// The time that half of them took at most, in microseconds.
    p50_us: f64,
    /// The time that the slowest hundredth took at least, in microseconds.
    p99_us: f64,
    /// The cores that other programs used meanwhile.
    foreign: f64,
}

/// Measures, and returns what is to be written down.
pub(crate) fn run(settings: &Settings) -> Result<String, Failure> {
    let binaries = Binaries::find_proxy()?;
    let mut settings = settings.clone();
    settings.works.retain(|work| is_possible(*work));
    let (mut tables, mut missing, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for (position, &count) in settings.keys.iter().enumerate() {
        let folder = TempDir::with_prefix("tollgate-bench-")
            .map_err(Failure::system("no temporary folder"))?;
        let keys = Keys::make(folder.path(), count)?;
        let stage = Stage::open(folder.path(), &binaries, (keys, settings.is_alone))?;
        if position == 0 {
            missing.clone_from(&stage.missing);
        }
        for peer in &stage.peers {
            peer.check(&stage.keys)?;
        }
        let works = settings
            .works
            .iter()
            .filter(|work| position == 0 || work.is_of_keys());
        for work in works {
            tables.push(compare(*work, &stage, &settings)?);
        }
        starts.push((count, start::measure(stage)?));
    }
    Ok(Report {
        settings,
        missing,
        tables,
        starts,
    }
    .render())
}

fn is_possible(work: Work) -> bool {
    let found = load::find(work);
    if let Err(lack) = &found {
        print(&format!("left out: {}: {lack}", work.title()));
    }
    found.is_ok()
}

/// Round after round, and in each all proxies one after the other, every second time in the reverse order.
fn compare(work: Work, stage: &Stage, settings: &Settings) -> Result<Table, Failure> {
    print(&format!("\n{} keys, {}", stage.keys.count, work.title()));
    let peers = stage.peers.iter().filter(|peer| work.concerns(peer.name));
    let peers: Vec<_> = peers.collect();
    let mut table = Table::new(work, &stage.keys, &peers);
    for round in 0..settings.rounds {
        let mut order: Vec<_> = peers.iter().enumerate().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (place, peer) in order {
            interrupt::check()?;
            let sample = measure(work, peer, stage, settings.seconds)?;
            print(&format!(
                "  {:>2} {:16} {:>7.2} us {:>7.0}/s  p50 {:>6.0} us  p99 {:>6.0} us  foreign {:.2}",
                round + 1,
                peer.name,
                sample.cpu_us,
                sample.rate,
                sample.p50_us,
                sample.p99_us,
                sample.foreign
            ));
            table.add(place, sample);
        }
    }
    Ok(table)
}

fn measure(work: Work, peer: &Peer, stage: &Stage, seconds: u32) -> Result<Sample, Failure> {
    let meter = Meter::start(peer.id(), stage.origin_id())?;
    let load = load::run(work, peer, &stage.keys, seconds)?;
    let spent = meter.stop()?;
    if load.bad > 0 || load.requests == 0 {
        return Err(Failure::Unexpected {
            what: format!("the load on {}", peer.name),
            expected: "nothing but good answers".to_owned(),
            got: format!("{} bad ones beside {}", load.bad, load.requests),
        });
    }
    Ok(Sample {
        cpu_us: spent.proxy.as_secs_f64() * 1e6 / f64::from(load.requests),
        rate: load.rate,
        p50_us: load.p50_us,
        p99_us: load.p99_us,
        foreign: spent.foreign,
    })
}

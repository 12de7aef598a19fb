//! `make bench-provider`: what the provider costs, measured with real terraform; and `make bench-proxy`: what a request
//! costs the proxy; and `make bench-fleet`: what counting together costs. All are written into `docs/benchmarks.md`.

mod document;
mod key_set;
mod keys;
mod machine;
mod measure;
mod mirror;
mod numbers;
mod proxy;
mod report;
mod start;
mod table;

use std::process::ExitCode;

use tollgate_acceptance::{Binaries, Failure, interrupt};

use crate::machine::Machine;
use crate::measure::{Bench, print};
use crate::mirror::Mirror;
use crate::report::Report;

const KEYS_DEFAULT: u32 = 1_000;
/// The key set has this many keys for each that is a resource of its own.
const SET_KEYS_PER_KEY: u32 = 10;
/// A key set has at most 30,000.
const KEYS_MAX: u32 = 30_000 / SET_KEYS_PER_KEY;
/// As the last word: what was measured is shown, and not written down.
const DRY: &str = "dry";
/// As shells report a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(failure) => {
            print(&format!("\nThe benchmark failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    match (first.as_deref(), arguments.next(), arguments.next()) {
        (Some("origin"), Some(address), None) => proxy::serve(&address),
        (Some("bare"), Some(address), Some(origin)) => proxy::bare(&address, &origin),
        (Some("pace"), Some(address), Some(seconds)) => {
            print(&proxy::pace(
                &address,
                &seconds,
                &arguments.next().unwrap_or_default(),
            )?);
            Ok(())
        }
        (Some("proxy"), ..) => measure_proxy(),
        (Some("fleet"), seconds, None) => measure_fleet(seconds.as_deref()),
        _ => measure_provider(first),
    }
}

fn measure_proxy() -> Result<(), Failure> {
    interrupt::watch()?;
    let mut words: Vec<_> = std::env::args().skip(2).collect();
    let is_dry = words.last().is_some_and(|word| word == DRY);
    words.retain(|word| word != DRY);
    let settings = proxy::Settings::parse(words.into_iter())?;
    let text = proxy::run(&settings)?;
    if is_dry || !settings.is_whole() {
        print(&format!("\n{text}"));
        return Ok(());
    }
    document::write(document::PROXY, &text)
}

fn measure_fleet(seconds: Option<&str>) -> Result<(), Failure> {
    interrupt::watch()?;
    document::write(document::FLEET, &proxy::run_fleet(seconds)?)
}

fn measure_provider(keys: Option<String>) -> Result<(), Failure> {
    interrupt::watch()?;
    let keys = read_keys(keys)?;
    let bench = Bench::new()?;
    let measured = measure(&bench, keys);
    // Also after a failure, when terraform has left something.
    let swept = bench.sweep();
    let text = measured?.render();
    swept?;
    document::write(document::PROVIDER, &text)
}

/// Ours first: where time runs out, it is the slowest that is missing.
fn measure(bench: &Bench, keys: u32) -> Result<Report, Failure> {
    let binaries = Binaries::find_provider()?;
    let tollgate = Mirror::of_tollgate(&binaries.provider())?;
    let aws = Mirror::find_aws();
    let starts = [
        Some(start::measure(&tollgate.provider)?),
        aws.as_ref()
            .map(|aws| start::measure(&aws.provider))
            .transpose()?,
    ];
    let tollgate_keys = keys::measure_tollgate(bench, &tollgate, keys)?;
    let set_keys = keys * SET_KEYS_PER_KEY;
    let set = key_set::measure(bench, &tollgate, set_keys)?;
    let aws_keys = aws
        .as_ref()
        .map(|aws| keys::measure_aws(bench, aws, keys))
        .transpose()?;
    Ok(Report {
        machine: Machine::read(bench, &tollgate)?,
        keys,
        lives: [Some(tollgate_keys), aws_keys],
        set_keys,
        set,
        starts,
    })
}

fn read_keys(argument: Option<String>) -> Result<u32, Failure> {
    let Some(text) = argument else {
        return Ok(KEYS_DEFAULT);
    };
    match text.parse() {
        Ok(keys) if (1..=KEYS_MAX).contains(&keys) => Ok(keys),
        _ => Err(Failure::Unexpected {
            what: "the number of keys".to_owned(),
            expected: format!("1 to {KEYS_MAX}, like KEYS={KEYS_DEFAULT}"),
            got: format!("{text:?}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_keys_that_is_none_is_refused() {
        assert_eq!(read_keys(None).unwrap(), KEYS_DEFAULT);
        assert_eq!(read_keys(Some("200".to_owned())).unwrap(), 200);
        for wrong in ["0", "3001", "many", ""] {
            assert!(read_keys(Some(wrong.to_owned())).is_err(), "{wrong:?}");
        }
    }
}

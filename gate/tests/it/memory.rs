//! What many subjects cost, as the system counts it.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use tollgate_gate::{Grant, Meter, Now, Refusal};

use crate::documents::*;

/// Enough that one of them is told from what else a process has. Ten times as many are measured by the benchmark.
const SUBJECTS: u32 = 100_000;
/// What one of them may take, so that a million takes less than 500 MB.
const SUBJECT_BYTES_MAX: u64 = 500;

/// What the process has in memory. Linux tells it in pages of 4 KiB.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// One request from each address; how many were let through.
fn flood(meter: &Meter, grant: &Grant<'_>, now: Now) -> usize {
    let admit = |address: &u32| {
        let address = IpAddr::from(Ipv4Addr::from_bits(address.wrapping_mul(2_654_435_761)));
        match meter.admit(grant, address, now) {
            Ok(_) => true,
            Err(Refusal::Overloaded) => false,
            Err(other) => panic!("{other}"),
        }
    };
    (0..SUBJECTS).filter(admit).count()
}

fn counted_by(limits: Value, act: impl FnOnce(&Grant<'_>)) {
    let acme = Caller::new("acme");
    let mut entries = open_world();
    entries.push(acme.key(json!({"scopes": ["all"], "quotas": ["each"]})));
    entries.push(entry(
        "quota",
        "each",
        json!({"each": "address", "limits": limits}),
    ));
    let snapshot = build(&entries);
    act(&acme.get(&snapshot, "/").unwrap());
}

fn subjects(part: u32) -> usize {
    usize::try_from(SUBJECTS / part).unwrap()
}

#[test]
fn a_subject_of_two_limits_takes_less_than_500_bytes() {
    let limits = json!([{"requests": 10, "per": "1m"}, {"requests": 5_000, "per": "day"}]);
    counted_by(limits, |grant| {
        // Of the places that there are, addresses get half.
        let meter = Meter::new(subjects(1) * 2);
        let before = resident_bytes();
        assert_eq!(flood(&meter, grant, at(0)), subjects(1));
        let taken = resident_bytes().saturating_sub(before);

        assert_eq!(meter.subjects_len(), subjects(1));
        let each = taken / u64::from(SUBJECTS);
        assert!(each < SUBJECT_BYTES_MAX, "{each} bytes");
    });
}

#[test]
fn subjects_that_come_and_go_take_no_more_than_those_that_are_there() {
    const ROUNDS: u64 = 5;
    let limits = json!([{"requests": 10, "per": "1s"}]);
    counted_by(limits, |grant| {
        let meter = Meter::new(subjects(2));
        let before = resident_bytes();
        for round in 0..ROUNDS {
            let now = at(round * 20_000);
            // The rest of the flood finds no place, and takes none.
            assert_eq!(flood(&meter, grant, now), subjects(4));
            assert_eq!(meter.subjects_len(), subjects(4));
        }
        let taken = resident_bytes().saturating_sub(before);

        // Twice, as new ones come before all of the old ones are gone.
        let each = taken / u64::from(SUBJECTS / 4);
        assert!(each < 2 * SUBJECT_BYTES_MAX, "{each} bytes");
        meter.sweep(at(ROUNDS * 20_000));
        assert_eq!(meter.subjects_len(), 0);
    });
}

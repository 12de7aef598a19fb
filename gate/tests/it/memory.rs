//! What many subjects cost, as the system counts it.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};
use tollgate_gate::{
    Answer, Arrival, Asked, Count, Demand, Found, Grant, Meter, Now, Rate, Refusal,
};

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

/// What a store says that charges a request, and lends what it is asked to.
fn charged(demand: &Demand, now_us: u64) -> Found {
    let (count, leased_at) = match demand.rate {
        Rate::Strict { cell_us, .. } => {
            let cell = now_us / cell_us;
            (Count::Cells(cell, vec![(cell, 1)]), cell)
        }
        Rate::Calendar { ends_us, .. } => (Count::Tally(ends_us[0], 1), ends_us[0]),
        Rate::Smooth { .. } => (Count::Debt(1), 0),
    };
    Found {
        fits: true,
        is_charged: true,
        leased: demand.lease_max,
        leased_at,
        lease_us: 10_000_000,
        count,
    }
}

#[test]
fn a_subject_that_a_fleet_counts_takes_less_than_500_bytes_beside_what_it_was_lent() {
    let limits = json!([{"requests": 10, "per": "1m"}, {"requests": 500, "per": "day"}]);
    counted_by(limits, |grant| {
        let meter = Meter::new(subjects(1) * 2);
        let now = at(0);
        let now_us = u64::try_from(now.wall.as_microsecond()).unwrap();
        let before = resident_bytes();
        for address in 0..SUBJECTS {
            let address = Ipv4Addr::from_bits(address.wrapping_mul(2_654_435_761));
            let arrival = Arrival {
                grant,
                address: Some(address.into()),
                now,
            };
            let Ok(Asked::Inquiry(inquiry)) = meter.ask(&arrival, &|_| 1) else {
                panic!("nothing is asked");
            };
            let demands = inquiry.demands.iter();
            let answer = Answer {
                is_admitted: true,
                now_us,
                found: demands.map(|demand| charged(demand, now_us)).collect(),
            };
            assert!(meter.answer(&arrival, &inquiry, &answer).is_ok());
        }
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

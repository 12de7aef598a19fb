use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn admit(spacing: &mut Spacing, rate: Rate, cost: u32, now: Duration) -> Result<(), Duration> {
    spacing.wait(rate, cost, now).map_or(Ok(()), Err)?;
    spacing.charge(rate, cost, now);
    Ok(())
}

#[test]
fn a_burst_comes_at_once_and_the_rest_at_its_distance() {
    let rate = Rate::new((60, MINUTE), 3, 1);
    let mut spacing = Spacing::new(MINUTE);
    let mut at = |milliseconds| {
        let now = Duration::from_millis(milliseconds);
        admit(&mut spacing, rate, 1, now)
    };

    assert_eq!([at(0), at(0), at(0)], [Ok(()); 3]);
    assert_eq!(at(0), Err(Duration::from_secs(1)));
    assert_eq!(at(999), Err(Duration::from_millis(1)));
    assert_eq!(at(1_000), Ok(()));
    assert_eq!(at(1_000), Err(Duration::from_secs(1)));
    // What was not used comes back, and no more than the burst of it.
    assert_eq!([at(60_000), at(60_000), at(60_000)], [Ok(()); 3]);
    assert_eq!(at(60_000), Err(Duration::from_secs(1)));
}

#[test]
fn a_request_that_counts_for_more_than_may_come_at_once_counts_for_as_much() {
    let rate = Rate::new((60, MINUTE), 3, 1);
    let mut spacing = Spacing::new(MINUTE);

    assert_eq!(admit(&mut spacing, rate, 1_000, Duration::ZERO), Ok(()));
    assert_eq!(spacing.remaining(rate, Duration::ZERO), 0);
    let wait = admit(&mut spacing, rate, 1_000, Duration::ZERO).unwrap_err();
    assert_eq!(wait, Duration::from_secs(3));
}

#[test]
fn a_fleet_shares_the_rate_and_the_burst() {
    let mut admitted = 0;
    let rate = Rate::new((60, MINUTE), 4, 2);
    for _ in 0..2 {
        let mut spacing = Spacing::new(MINUTE);
        let seconds = 0..600;
        admitted += seconds
            .map(Duration::from_secs)
            .filter(|now| admit(&mut spacing, rate, 1, *now).is_ok())
            .count();
    }

    assert!((600..=604).contains(&admitted), "{admitted}");
}

#[test]
fn the_largest_numbers_are_no_trouble() {
    let days = Duration::from_hours(31 * 24);
    for (requests, burst) in [(1, 1_000_000_000), (1_000_000_000, 1)] {
        let rate = Rate::new((requests, days), burst, 1_000);
        let mut spacing = Spacing::new(days);

        assert_eq!(admit(&mut spacing, rate, 1_000, Duration::MAX), Ok(()));
        let _ = spacing.remaining(rate, Duration::ZERO);
    }
}

proptest! {
    #[test]
    fn no_time_holds_more_than_its_share_and_the_burst(
        (requests, burst) in (1_u32..500, 1_u32..50),
        seconds in 1_u64..100_000,
        gaps in prop::collection::vec(0.0_f64..3.0, 1..300),
        costs in prop::collection::vec(1_u32..5, 300),
    ) {
        let period = Duration::from_secs(seconds);
        let rate = Rate::new((requests, period), burst, 1);
        let mut spacing = Spacing::new(period);
        let mut log: Vec<(Duration, u32)> = Vec::new();
        let mut now = Duration::from_secs(1);
        for (gap, cost) in gaps.into_iter().zip(costs) {
            now += (period / requests).mul_f64(gap);
            if admit(&mut spacing, rate, cost, now).is_ok() {
                log.push((now, cost.min(burst)));
            }
        }
        // Every stretch of the log, from any admitted request to any later one.
        for (index, (first, _)) in log.iter().enumerate() {
            let mut sum = 0_u64;
            for (last, cost) in &log[index..] {
                sum += u64::from(*cost);
                let nanos = last.saturating_sub(*first).as_nanos() * u128::from(requests);
                let allowed = nanos / period.as_nanos() + u128::from(burst);
                prop_assert!(u128::from(sum) <= allowed, "{sum} > {allowed}");
            }
        }
    }

    #[test]
    fn a_refused_request_fits_after_its_wait_and_not_before(
        (requests, burst) in (1_u32..500, 1_u32..50),
        gaps in prop::collection::vec(0.0_f64..2.0, 1..300),
    ) {
        let rate = Rate::new((requests, MINUTE), burst, 1);
        let mut spacing = Spacing::new(MINUTE);
        let mut now = Duration::ZERO;
        for gap in gaps {
            now += (MINUTE / requests).mul_f64(gap);
            if let Err(wait) = admit(&mut spacing, rate, 1, now) {
                prop_assert_eq!(spacing.remaining(rate, now), 0);
                let early = (now + wait).saturating_sub(Duration::from_nanos(1));
                prop_assert!(admit(&mut spacing, rate, 1, early).is_err());
                now += wait;
                prop_assert!(admit(&mut spacing, rate, 1, now).is_ok());
            }
        }
    }

    #[test]
    fn steady_load_is_let_through_at_96_percent_of_the_limit_at_least(
        requests in 1_u32..100_000,
        seconds in 1_u64..100_000,
    ) {
        let period = Duration::from_secs(seconds);
        let rate = Rate::new((requests, period), 1, 1);
        let mut spacing = Spacing::new(period);
        let mut now = Duration::ZERO;
        for _ in 0..1_000 {
            match admit(&mut spacing, rate, 1, now) {
                Ok(()) => {}
                Err(wait) => {
                    now += wait;
                    prop_assert!(admit(&mut spacing, rate, 1, now).is_ok());
                }
            }
        }
        let ideal = period.mul_f64(999.0 / f64::from(requests));
        prop_assert!(ideal.as_secs_f64() >= 0.96 * now.as_secs_f64());
    }
}

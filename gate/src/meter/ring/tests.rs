use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn admit(ring: &mut Ring, requests: u32, now: Duration) -> Result<(), Duration> {
    admit_at(1, ring, requests, now)
}

fn admit_at(cost: u32, ring: &mut Ring, requests: u32, now: Duration) -> Result<(), Duration> {
    ring.advance(now);
    ring.wait(requests, cost, now).map_or(Ok(()), Err)?;
    ring.charge(requests, cost);
    Ok(())
}

#[test]
fn the_cells_hold_what_their_number_says() {
    assert_eq!(u64::try_from(SLOTS), Ok(CELLS));
}

#[test]
fn the_tenth_request_of_a_minute_fits_and_the_eleventh_waits_for_the_first_to_leave() {
    let mut ring = Ring::new(MINUTE);
    for second in 0..10 {
        assert_eq!(admit(&mut ring, 10, Duration::from_secs(second)), Ok(()));
    }

    let now = Duration::from_secs(10);
    assert_eq!(admit(&mut ring, 10, now), Err(Duration::from_secs(51)));
    assert_eq!(admit(&mut ring, 10, now + Duration::from_secs(51)), Ok(()));
}

#[test]
fn a_request_that_counts_for_five_waits_until_five_have_left() {
    let mut ring = Ring::new(MINUTE);
    for second in 0..10 {
        assert_eq!(admit(&mut ring, 10, Duration::from_secs(second)), Ok(()));
    }

    let wait = admit_at(5, &mut ring, 10, Duration::from_secs(10)).unwrap_err();
    assert_eq!(wait, Duration::from_secs(4 + 61 - 10));
    let now = Duration::from_secs(4 + 61);
    assert_eq!(admit_at(5, &mut ring, 10, now), Ok(()));
    assert_eq!(ring.remaining(10), 0);
}

#[test]
fn a_request_that_counts_for_more_than_the_limit_takes_all_of_it() {
    let mut ring = Ring::new(MINUTE);

    assert_eq!(admit_at(1_000, &mut ring, 10, Duration::ZERO), Ok(()));
    assert_eq!(ring.remaining(10), 0);
    let wait = admit_at(1_000, &mut ring, 10, Duration::ZERO).unwrap_err();
    assert_eq!(wait, Duration::from_secs(61));
}

#[test]
fn more_than_small_cells_hold_is_counted_as_well() {
    const REQUESTS: u32 = 200_000;
    let mut ring = Ring::new(MINUTE);
    for request in 0..REQUESTS {
        let now = Duration::from_micros(request.into()) * 100;
        assert_eq!(admit(&mut ring, REQUESTS, now), Ok(()));
    }

    assert!(admit(&mut ring, REQUESTS, Duration::from_secs(20)).is_err());
    assert!(admit(&mut ring, REQUESTS + 1, Duration::from_secs(20)).is_ok());
    ring.advance(Duration::from_secs(61));
    assert_eq!(ring.remaining(REQUESTS), 9_999);
    assert!(ring.is_idle(Duration::from_secs(122)));
}

#[test]
fn a_lowered_limit_waits_until_enough_has_left() {
    let mut ring = Ring::new(MINUTE);
    for second in 0..10 {
        assert_eq!(admit(&mut ring, 10, Duration::from_secs(second)), Ok(()));
    }

    // Eight must leave; the eighth came in second 7.
    let wait = admit(&mut ring, 3, Duration::from_secs(10)).unwrap_err();
    assert_eq!(wait, Duration::from_secs(7 + 61 - 10));
}

#[test]
fn a_clock_reading_that_comes_late_opens_no_gap() {
    let mut ring = Ring::new(MINUTE);
    assert_eq!(admit(&mut ring, 1, Duration::from_secs(100)), Ok(()));

    assert!(admit(&mut ring, 1, Duration::from_secs(3)).is_err());
    assert!(admit(&mut ring, 1, Duration::from_secs(160)).is_err());
    assert_eq!(admit(&mut ring, 1, Duration::from_secs(161)), Ok(()));
}

#[test]
fn a_ring_is_idle_once_its_window_has_passed() {
    let mut ring = Ring::new(MINUTE);
    assert!(ring.is_idle(Duration::ZERO));
    assert_eq!(admit(&mut ring, 1, Duration::from_secs(5)), Ok(()));

    assert!(!ring.is_idle(Duration::from_secs(65)));
    assert!(ring.is_idle(Duration::from_secs(66)));
}

#[test]
fn the_end_of_time_is_no_trouble() {
    let mut ring = Ring::new(Duration::from_hours(31 * 24));

    assert_eq!(admit(&mut ring, 1, Duration::MAX), Ok(()));
    assert!(admit(&mut ring, 1, Duration::MAX).is_err());
}

/// Gaps of very different sizes: bursts, cell borders, whole windows.
fn gaps(period: Duration) -> impl Strategy<Value = Vec<Duration>> {
    let period = nanos(period);
    let gap = prop_oneof![
        5 => 0..=period / 1000,
        3 => 0..=period / 30,
        1 => Just(period / 60),
        1 => Just(period),
        1 => period - period / 30..=period + period / 30,
    ];
    prop::collection::vec(gap.prop_map(Duration::from_nanos), 1..400)
}

fn cases() -> impl Strategy<Value = (Duration, u32, Vec<Duration>)> {
    (1_u64..=2_678_400_000, 1_u32..40).prop_flat_map(|(milliseconds, requests)| {
        let period = Duration::from_millis(milliseconds.max(1000));
        (Just(period), Just(requests), gaps(period))
    })
}

proptest! {
    #[test]
    fn no_window_ever_holds_more_than_the_limit((period, requests, gaps) in cases()) {
        let mut ring = Ring::new(period);
        let mut window: VecDeque<Duration> = VecDeque::new();
        let mut now = Duration::ZERO;
        for gap in gaps {
            now += gap;
            if admit(&mut ring, requests, now).is_ok() {
                window.push_back(now);
            }
            // Both ends count: a window from one request to another exactly one period later holds both.
            while window.front().is_some_and(|first| *first + period < now) {
                window.pop_front();
            }
            prop_assert!(window.len() <= requests as usize, "{} in {period:?}", window.len());
        }
    }

    #[test]
    fn what_requests_count_for_is_never_more_than_the_limit_either(
        (period, requests, gaps) in cases(),
        costs in prop::collection::vec(1_u32..60, 400),
    ) {
        let mut ring = Ring::new(period);
        let mut window: VecDeque<(Duration, u32)> = VecDeque::new();
        let mut now = Duration::ZERO;
        for (gap, cost) in gaps.into_iter().zip(costs) {
            now += gap;
            while window.front().is_some_and(|(first, _)| *first + period < now) {
                window.pop_front();
            }
            let held: u32 = window.iter().map(|(_, cost)| cost).sum();
            let cost_here = cost.min(requests);
            if admit_at(cost, &mut ring, requests, now).is_ok() {
                window.push_back((now, cost_here));
                prop_assert!(held + cost_here <= requests);
            }
        }
    }

    #[test]
    fn a_refused_request_fits_after_its_wait_and_not_before((period, requests, gaps) in cases()) {
        let mut ring = Ring::new(period);
        let mut now = Duration::ZERO;
        for gap in gaps {
            now += gap;
            if let Err(wait) = admit(&mut ring, requests, now) {
                prop_assert!(wait <= period + period / 30);
                now += wait.checked_sub(Duration::from_nanos(1)).unwrap();
                prop_assert!(admit(&mut ring, requests, now).is_err());
                now += Duration::from_nanos(1);
                prop_assert!(admit(&mut ring, requests, now).is_ok());
            }
        }
    }

    /// Compared with a log that remembers each request: of a crowd that comes in no order.
    #[test]
    fn a_crowd_is_let_through_at_96_percent_of_the_limit_at_least(
        requests in 5_u32..=40,
        excess in 5.0_f64..10.0,
        parts in prop::collection::vec(0.0_f64..2.0, 1_000),
    ) {
        const WINDOWS: u32 = 100;
        let period = Duration::from_mins(1);
        let gap = period.div_f64(f64::from(requests) * excess);
        let (mut ring, mut window) = (Ring::new(period), VecDeque::new());
        let (mut now, mut admitted, mut most) = (Duration::ZERO, 0_u32, 0_u32);
        for part in parts.iter().cycle() {
            now += gap.mul_f64(*part);
            if now > period * WINDOWS {
                break;
            }
            while window.front().is_some_and(|first| *first + period <= now) {
                window.pop_front();
            }
            if window.len() < requests as usize {
                window.push_back(now);
                most += 1;
            }
            admitted += u32::from(admit(&mut ring, requests, now).is_ok());
        }
        let ratio = f64::from(admitted) / f64::from(most);
        prop_assert!(ratio >= 0.96, "{ratio}");
    }

    #[test]
    fn steady_load_is_let_through_at_96_percent_of_the_limit_at_least(
        requests in 60_u32..2_000,
        excess in 1.0_f64..20.0,
        seconds in 1_u64..100_000,
    ) {
        const WINDOWS: u32 = 10;
        let period = Duration::from_secs(seconds);
        let gap = period.div_f64(f64::from(requests) * excess);
        let mut ring = Ring::new(period);
        let mut now = Duration::from_secs(seconds / 7);
        let end = now + period * WINDOWS;
        let mut admitted = 0_u32;
        while now < end {
            match admit(&mut ring, requests, now) {
                Ok(()) => {
                    admitted += 1;
                    now += gap;
                }
                // The arrivals meanwhile are refused too: the test above says so.
                Err(wait) => now += gap.mul_f64((wait.as_secs_f64() / gap.as_secs_f64()).ceil()),
            }
        }
        let ratio = f64::from(admitted) / f64::from(requests * WINDOWS);
        prop_assert!(ratio >= 0.96, "{ratio}");
    }
}

use super::*;

const NOW: Duration = Duration::ZERO;

/// A limit of 20 and no way out of it.
fn throttle(wait: Duration, is_shadow: bool) -> Throttle<u32> {
    let rule = ThrottleRule {
        limit_min: 20,
        limit_max: 20,
        wait,
        percentile: 50,
        is_shadow,
    };
    Throttle::new(rule, NOW)
}

fn admitted(throttle: &mut Throttle<u32>, priority: Priority) -> usize {
    let asked = (0..30).take_while(|_| throttle.ask(priority, || 0) == Verdict::Admitted);
    asked.count()
}

#[test]
fn lower_priorities_leave_room_to_higher_ones() {
    let mut throttle = throttle(Duration::ZERO, false);

    assert_eq!(admitted(&mut throttle, Priority::Batch), 15);
    assert_eq!(admitted(&mut throttle, Priority::Default), 3);
    assert_eq!(admitted(&mut throttle, Priority::Critical), 2);
    assert_eq!(throttle.state().in_flight, 20);
    assert_eq!(throttle.ask(Priority::Critical, || 0), Verdict::Shed);
}

#[test]
fn room_goes_to_the_highest_who_waits() {
    let mut throttle = throttle(WAIT, false);
    for _ in 0..20 {
        assert_eq!(throttle.ask(Priority::Critical, || 0), Verdict::Admitted);
    }
    for (waiter, priority) in (1..).zip([Priority::Batch, Priority::Default, Priority::Critical]) {
        let verdict = throttle.ask(priority, || waiter);
        assert!(matches!(verdict, Verdict::Waits(_)), "{verdict:?}");
    }

    assert_eq!(throttle.release().as_slice(), [3]);
    // Room for who came second is below 18.
    assert!(throttle.release().is_empty());
    assert!(throttle.release().is_empty());
    assert_eq!(throttle.release().as_slice(), [2]);
    assert_eq!(throttle.state().waiting, 1);
}

#[test]
fn who_gives_up_is_told_whether_room_came_first() {
    let mut throttle = throttle(WAIT, false);
    for _ in 0..20 {
        throttle.ask(Priority::Critical, || 0);
    }
    let mut wait = |waiter| match throttle.ask(Priority::Critical, || waiter) {
        Verdict::Waits(ticket) => ticket,
        other => panic!("{other:?}"),
    };
    let (first, second) = (wait(1), wait(2));
    assert_eq!(throttle.release().as_slice(), [1]);

    assert!(throttle.abandon(Priority::Critical, first));
    assert!(!throttle.abandon(Priority::Critical, second));
    assert!(throttle.release().is_empty(), "nobody waits any more");
}

#[test]
fn a_shadow_counts_and_refuses_nobody() {
    let mut throttle = throttle(WAIT, true);

    assert_eq!(admitted(&mut throttle, Priority::Default), 18);
    assert_eq!(throttle.ask(Priority::Default, || 0), Verdict::Shadowed);
    assert_eq!(throttle.state().in_flight, 20);
}

#[test]
fn a_limit_that_is_not_used_does_not_move() {
    let rule = ThrottleRule {
        limit_min: 5,
        limit_max: 1_000,
        wait: WAIT,
        percentile: 50,
        is_shadow: false,
    };
    let mut throttle: Throttle<u32> = Throttle::new(rule, NOW);
    for step in 0..1_000 {
        let began = Duration::from_millis(step * 100);
        assert_eq!(throttle.ask(Priority::Default, || 0), Verdict::Admitted);
        let latency = Duration::from_millis(10 + step / 10);
        throttle.note(began, Outcome::Answered, began + latency);
        throttle.release();
    }

    assert_eq!(throttle.state().limit, 20);
}

#[test]
fn failures_take_half_of_the_limit_at_most_and_never_go_below_the_least() {
    let rule = ThrottleRule {
        limit_min: 5,
        limit_max: 1_000,
        wait: WAIT,
        percentile: 50,
        is_shadow: false,
    };
    let mut throttle: Throttle<u32> = Throttle::new(rule, NOW);
    let mut limits = vec![];
    for step in 1..=200 {
        let now = Duration::from_millis(step * 20);
        throttle.note(NOW, Outcome::Failed, now);
        limits.push(throttle.state().limit);
    }
    limits.dedup();

    assert_eq!(limits, [20, 10, 5]);
}

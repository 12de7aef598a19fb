use proptest::prelude::*;
use tollgate_store::TimeZone as Named;

use super::*;

fn zone(name: &str) -> TimeZone {
    Named::parse(name).unwrap().rules().clone()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn end_of(unit: CalendarUnit, name: &str, now: &str) -> String {
    end(unit, &zone(name), time(now)).to_string()
}

#[test]
fn a_day_ends_at_midnight_where_it_is_declared() {
    let day = |name, now| end_of(CalendarUnit::Day, name, now);

    assert_eq!(day("UTC", "2027-03-28T00:00:00Z"), "2027-03-29T00:00:00Z");
    assert_eq!(
        day("Asia/Kolkata", "2027-01-01T18:29:59Z"),
        "2027-01-01T18:30:00Z"
    );
    // The day that the clocks go forward has 23 hours, the one that they go back 25.
    assert_eq!(
        day("Europe/Berlin", "2027-03-27T23:00:00Z"),
        "2027-03-28T22:00:00Z"
    );
    assert_eq!(
        day("Europe/Berlin", "2027-10-30T22:00:00Z"),
        "2027-10-31T23:00:00Z"
    );
}

#[test]
fn a_week_ends_on_monday_and_a_month_on_its_last_day() {
    let at = |unit, now| end_of(unit, "UTC", now);

    assert_eq!(
        at(CalendarUnit::Week, "2027-06-30T12:00:00Z"),
        "2027-07-05T00:00:00Z"
    );
    assert_eq!(
        at(CalendarUnit::Week, "2027-07-05T00:00:00Z"),
        "2027-07-12T00:00:00Z"
    );
    assert_eq!(
        at(CalendarUnit::Month, "2028-02-29T23:59:59Z"),
        "2028-03-01T00:00:00Z"
    );
    assert_eq!(
        at(CalendarUnit::Month, "2027-12-01T00:00:00Z"),
        "2028-01-01T00:00:00Z"
    );
}

#[test]
fn a_midnight_that_comes_twice_or_never_ends_a_day_once() {
    // In Havana the clocks went back from one to midnight, in St. John's from a minute past midnight to the day before,
    // and in Beirut they went forward from midnight to one.
    for (name, now, expected) in [
        (
            "America/Havana",
            "2024-11-02T12:00:00Z",
            "2024-11-03T04:00:00Z",
        ),
        (
            "America/Havana",
            "2024-11-03T04:30:00Z",
            "2024-11-04T05:00:00Z",
        ),
        (
            "America/Havana",
            "2024-11-03T05:30:00Z",
            "2024-11-04T05:00:00Z",
        ),
        (
            "America/St_Johns",
            "1999-10-31T02:00:00Z",
            "1999-10-31T02:30:00Z",
        ),
        (
            "America/St_Johns",
            "1999-10-31T02:45:00Z",
            "1999-10-31T03:30:00Z",
        ),
        (
            "Asia/Beirut",
            "2022-03-26T12:00:00Z",
            "2022-03-26T22:00:00Z",
        ),
    ] {
        assert_eq!(
            end_of(CalendarUnit::Day, name, now),
            expected,
            "{name} {now}"
        );
    }
}

#[test]
fn what_is_used_up_comes_back_at_the_border() {
    let zone = zone("Europe/Berlin");
    let mut tally = Tally::new(CalendarUnit::Day);
    let mut at = |now: &str| {
        let now = time(now);
        tally.advance(&zone, now);
        match tally.wait(2, 1, now) {
            None => {
                tally.charge(2, 1);
                Ok(())
            }
            Some(wait) => Err(wait.as_secs()),
        }
    };

    assert_eq!(at("2027-06-30T20:00:00Z"), Ok(()));
    assert_eq!(at("2027-06-30T21:00:00Z"), Ok(()));
    assert_eq!(at("2027-06-30T21:00:00Z"), Err(3_600));
    // A clock that is set back gives nothing back.
    assert_eq!(at("2027-06-29T21:00:00Z"), Err(3_600 + 86_400));
    assert_eq!(at("2027-06-30T22:00:00Z"), Ok(()));
}

#[test]
fn the_end_of_the_calendar_is_no_trouble() {
    assert_eq!(
        end(CalendarUnit::Month, &TimeZone::UTC, Timestamp::MAX),
        Timestamp::MAX
    );
}

proptest! {
    #[test]
    fn a_period_ends_after_every_moment_in_it_and_all_of_them_agree(
        second in 0_i64..4_000_000_000,
        later in 0.0_f64..1.0,
        place in 0_usize..6,
        unit in 0_usize..3,
    ) {
        let names = [
            "UTC", "Europe/Berlin", "America/Havana", "America/Toronto", "Australia/Lord_Howe", "Asia/Beirut",
        ];
        let zone = zone(names[place]);
        let unit = [CalendarUnit::Day, CalendarUnit::Week, CalendarUnit::Month][unit];
        let now = Timestamp::from_second(second).unwrap();
        let ends_at = end(unit, &zone, now);
        prop_assert!(ends_at > now);
        prop_assert!(Duration::try_from(ends_at.duration_since(now)).unwrap() <= Duration::from_hours(32 * 24));
        let between = Duration::try_from(ends_at.duration_since(now)).unwrap().mul_f64(later);
        let between = now.checked_add(between).unwrap();
        if between < ends_at {
            prop_assert_eq!(end(unit, &zone, between), ends_at);
        }
    }
}

//! What the throttle is for, in simulated time.
#![allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "counts here are small, and zero is zero"
)]

mod plot;
mod scenarios;
mod simulation;

use std::ops::Range;
use std::path::Path;

use simulation::{Second, World};

/// The least part of what could be answered that is.
const GOODPUT_MIN: f64 = 0.9;
/// The same where latency climbs slowly: each step looks like a queue for a while, and the aim is missed.
const CLIMB_GOODPUT_MIN: f64 = 0.85;

#[test]
fn a_latency_step_keeps_goodput_and_latency() {
    assert_change_is_met(&scenarios::latency_step());
}

#[test]
fn half_of_the_capacity_is_found_and_the_rest_again() {
    assert_change_is_met(&scenarios::capacity_halved());
}

#[test]
fn timeouts_that_are_not_for_load_do_not_close_the_door() {
    let world = scenarios::steady_timeouts();
    let seconds = world.run();

    assert_served(&world, &seconds, 40..80);
    assert_served(&world, &seconds, 110..120);
}

#[test]
fn fast_and_slow_routes_side_by_side_are_no_congestion() {
    let world = scenarios::bimodal_routes();
    let seconds = world.run();

    for range in [10..30, 40..80, 110..120] {
        assert_goodput(&world, &seconds, range);
    }
    assert_nothing_shed(&seconds, 10..30);
    assert_nothing_shed(&seconds, 110..120);
}

#[test]
fn what_was_learned_outlasts_idleness() {
    let world = scenarios::idle_restart();
    let seconds = world.run();

    assert_eq!(answered(&seconds[35..80]), 0.0);
    assert_nothing_shed(&seconds, 80..120);
    assert_served(&world, &seconds, 81..120);
}

#[test]
fn ten_proxies_share_a_backend_without_a_word() {
    let world = scenarios::ten_proxies();
    let seconds = world.run();

    assert_served(&world, &seconds, 40..80);
    assert_served(&world, &seconds, 110..120);
    assert_nothing_shed(&seconds, 110..120);
}

#[test]
fn an_overload_of_minutes_is_never_learned_as_the_normal_thing() {
    let world = scenarios::long_overload();
    let seconds = world.run();

    for range in [40..80, 100..150, 200..250, 280..330] {
        assert_served(&world, &seconds, range);
    }
    assert_served(&world, &seconds, 340..360);
    assert_nothing_shed(&seconds, 340..360);
}

/// What it finds may be a queue, which nobody can tell who never saw anything else: but it gets no longer.
#[test]
fn who_starts_into_an_overload_makes_it_no_worse() {
    for (proxies, servers) in [(1, 100), (1, 8), (3, 24), (10, 100), (10, 50)] {
        let world = scenarios::overload_from_the_start(proxies, servers);
        let seconds = world.run();

        assert_goodput(&world, &seconds, 5..80);
        let [before, after] = [5..20, 65..80].map(|range| percentile(&seconds[range], 99));
        assert!(before <= 0.2, "{proxies} {servers}: {before}");
        assert!(
            after <= before * 1.25,
            "{proxies} {servers}: {before} {after}"
        );
        assert_served(&world, &seconds, 90..120);
        assert_nothing_shed(&seconds, 90..120);
    }
}

#[test]
fn a_busy_start_that_is_no_overload_sheds_nobody_for_long() {
    for servers in [8, 100] {
        let world = scenarios::busy_from_the_start(servers);
        let seconds = world.run();

        assert_goodput(&world, &seconds, 1..5);
        assert_goodput(&world, &seconds, 5..120);
    }
}

#[test]
fn an_upstream_with_few_places_that_is_five_times_slower_is_known_as_such() {
    for proxies in [1, 5] {
        let world = scenarios::few_places_latency_step(proxies);
        let seconds = world.run();

        assert_served(&world, &seconds, 50..80);
        assert_served(&world, &seconds, 95..120);
    }
}

#[test]
fn latency_like_the_teeth_of_a_saw_is_followed() {
    let world = scenarios::sawtooth();
    let seconds = world.run();

    for tooth in [40..50, 50..60, 60..70, 70..80] {
        assert_goodput_by_the_second(&world, &seconds, tooth.clone(), GOODPUT_MIN);
        assert_latency(&world, &seconds, tooth);
    }
    assert_served(&world, &seconds, 110..120);
    assert_nothing_shed(&seconds, 110..120);
}

#[test]
fn latency_that_climbs_slowly_is_followed() {
    let world = scenarios::slow_ramp();
    let seconds = world.run();

    assert_goodput_by_the_second(&world, &seconds, 40..80, CLIMB_GOODPUT_MIN);
    assert_latency(&world, &seconds, 74..80);
    assert_served(&world, &seconds, 90..120);
    assert_nothing_shed(&seconds, 110..120);
}

#[test]
fn bursts_with_a_long_tail_are_carried() {
    let world = scenarios::bursts();
    let seconds = world.run();

    assert_goodput_by_the_second(&world, &seconds, 40..80, GOODPUT_MIN);
    assert_latency(&world, &seconds, 40..80);
    assert_served(&world, &seconds, 90..120);
    assert_nothing_shed(&seconds, 110..120);
}

#[test]
fn the_lowest_are_shed_first() {
    let world = scenarios::priorities();
    let seconds = world.run();
    assert_served(&world, &seconds, 40..80);

    let share = |place: usize| {
        let sum = |counts: fn(&Second) -> [u32; 3]| -> f64 {
            let counts = seconds[40..80].iter().map(|it| counts(it)[place]);
            counts.sum::<u32>().into()
        };
        sum(|second| second.shed) / sum(|second| second.offered)
    };
    let [critical, default, batch] = [0, 1, 2].map(share);
    assert!(critical < 0.01, "critical {critical}");
    // Half of them: what critical ones leave of what can be answered.
    assert!((0.45..0.55).contains(&default), "default {default}");
    assert!(batch > 0.9, "batch {batch}");
}

#[test]
fn a_somewhat_slower_upstream_is_taken_as_it_is() {
    let mut world = scenarios::latency_step();
    for phase in &mut world.phases {
        phase.rate = 1_000.0;
    }
    world.phases[1].service = world.phases[0].service.mul_f64(1.35);
    let seconds = world.run();

    for range in [10..30, 70..80, 110..120] {
        assert_nothing_shed(&seconds, range);
    }
}

/// `make plots` writes them.
#[test]
fn plots_show_what_is_simulated() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plots");
    let writes = std::env::var_os("TOLLGATE_TEST_PLOTS").is_some();
    for scenario in scenarios::all() {
        let svg = plot::svg(&scenario, &scenario.2.run());
        let path = folder.join(format!("{}.svg", scenario.0));
        if writes {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, svg).unwrap();
        } else {
            let drawn = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(drawn == svg, "{} is stale: make plots", path.display());
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let world = scenarios::priorities();
    let limits = |seconds: Vec<Second>| -> Vec<_> { seconds.iter().map(|it| it.limit).collect() };
    assert_eq!(limits(world.run()), limits(world.run()));
}

/// Before, during and after what lasts from 30 s to 80 s, the upstream does what it can.
fn assert_change_is_met(world: &World) {
    let seconds = world.run();

    assert_served(world, &seconds, 10..30);
    assert_served(world, &seconds, 40..80);
    assert_served(world, &seconds, 90..120);
    assert_nothing_shed(&seconds, 110..120);
}

fn assert_served(world: &World, seconds: &[Second], range: Range<usize>) {
    assert_goodput(world, seconds, range.clone());
    assert_latency(world, seconds, range);
}

/// Measured by the last phase that the range is in.
fn assert_latency(world: &World, seconds: &[Second], range: Range<usize>) {
    let end = range.end - 1..range.end;
    let alone = phase(world, &end).mean().as_secs_f64();
    let p99 = percentile(&seconds[range.clone()], 99);
    assert!(
        p99 <= alone * world.latency_max(),
        "{range:?}: p99 of {p99} s, where one alone takes {alone} s"
    );
}

fn assert_goodput(world: &World, seconds: &[Second], range: Range<usize>) {
    let phase = phase(world, &range);
    let most = phase.capacity().min(phase.rate * (1.0 - phase.lost));
    let goodput = answered(&seconds[range.clone()]) / range.len() as f64;
    assert!(
        goodput >= most * GOODPUT_MIN,
        "{range:?}: {goodput} a second of {most}"
    );
}

/// The same where each second has a phase of its own.
fn assert_goodput_by_the_second(
    world: &World,
    seconds: &[Second],
    range: Range<usize>,
    least: f64,
) {
    let most = range.clone().map(|second| {
        let phase = phase(world, &(second..second + 1));
        phase.capacity().min(phase.rate * (1.0 - phase.lost))
    });
    let most: f64 = most.sum();
    let goodput = answered(&seconds[range.clone()]);
    assert!(goodput >= most * least, "{range:?}: {goodput} of {most}");
}

fn assert_nothing_shed(seconds: &[Second], range: Range<usize>) {
    let shed = seconds[range.clone()].iter().flat_map(|second| second.shed);
    assert_eq!(shed.sum::<u32>(), 0, "{range:?}");
}

/// The phase that a range of seconds is in.
fn phase<'w>(world: &'w World, range: &Range<usize>) -> &'w simulation::Phase {
    let begun = |phase: &&simulation::Phase| phase.from_second as usize <= range.start;
    world.phases.iter().rfind(begun).unwrap()
}

fn answered(seconds: &[Second]) -> f64 {
    f64::from(seconds.iter().map(|second| second.answered).sum::<u32>())
}

fn percentile(seconds: &[Second], percent: usize) -> f64 {
    let mut latencies: Vec<_> = seconds.iter().flat_map(|it| &it.latencies).collect();
    latencies.sort_by(|a, b| a.total_cmp(b));
    *latencies[(latencies.len() - 1) * percent / 100]
}

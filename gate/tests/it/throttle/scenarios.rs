//! What is simulated: each is a backend that can answer 2,000 requests a second at first, by 100 at once in 50 ms.

use std::time::Duration;

use super::simulation::{Phase, World};

const SERVICE: Duration = Duration::from_millis(50);
const SERVERS: usize = 100;
const SECONDS: u32 = 120;
/// The share of requests in a long tail.
const TAIL: f64 = 0.005;

/// Everything well, at 70 % of what the backend can do.
const USUAL: Phase = Phase {
    from_second: 0,
    rate: 1_400.0,
    service: SERVICE,
    servers: SERVERS,
    slow: 0.0,
    lost: 0.0,
};

/// A scenario: its file's name, its title, and what is simulated.
pub(crate) type Scenario = (&'static str, &'static str, World);

/// Latency is five times as long from 30 s to 80 s.
pub(crate) fn latency_step() -> World {
    let slow = Phase {
        service: SERVICE * 5,
        ..USUAL
    };
    world(11, [USUAL, slow, USUAL])
}

/// Half of the backend is gone from 30 s to 80 s, under 90 % of the load that all of it could take.
pub(crate) fn capacity_halved() -> World {
    let usual = Phase {
        rate: 1_800.0,
        ..USUAL
    };
    let half = Phase {
        servers: SERVERS / 2,
        ..usual
    };
    world(12, [usual, half, usual])
}

/// One request in twenty is never answered from 30 s to 80 s.
pub(crate) fn steady_timeouts() -> World {
    let lossy = Phase {
        lost: 0.05,
        ..USUAL
    };
    world(13, [USUAL, lossy, USUAL])
}

/// A fifth of all requests takes ten times as long as the others; too many come from 30 s to 80 s.
pub(crate) fn bimodal_routes() -> World {
    let usual = Phase {
        service: SERVICE / 5,
        slow: 0.2,
        rate: 2_500.0,
        ..USUAL
    };
    let rush = Phase {
        rate: 7_000.0,
        ..usual
    };
    world(14, [usual, rush, usual])
}

/// Nobody asks from 30 s to 80 s.
pub(crate) fn idle_restart() -> World {
    let idle = Phase { rate: 0.0, ..USUAL };
    world(15, [USUAL, idle, USUAL])
}

/// Ten proxies, each for itself, before a backend of twice the size; too many requests come from 30 s to 80 s.
pub(crate) fn ten_proxies() -> World {
    let usual = Phase {
        servers: SERVERS * 2,
        rate: 2_800.0,
        ..USUAL
    };
    let rush = Phase {
        rate: 8_000.0,
        ..usual
    };
    let mut world = world(16, [usual, rush, usual]);
    world.proxies = 10;
    world
}

/// Ten proxies before a backend with five places for each of them, and twice what it can do for five minutes.
pub(crate) fn long_overload() -> World {
    let usual = loaded(SERVERS / 2, 0.7);
    let rush = Phase {
        from_second: 30,
        ..loaded(SERVERS / 2, 2.0)
    };
    let after = Phase {
        from_second: 330,
        ..usual
    };
    World {
        seed: 21,
        seconds: 360,
        proxies: 10,
        phases: vec![usual, rush, after],
        is_mixed: false,
    }
}

/// Twice what the backend can do from the first moment on, until 80 s.
pub(crate) fn overload_from_the_start(proxies: usize, servers: usize) -> World {
    let (rush, usual) = (loaded(servers, 2.0), loaded(servers, 0.7));
    let mut world = world(22, [rush, rush, usual]);
    world.proxies = proxies;
    world
}

/// Nearly what the backend can do, from the first moment on.
pub(crate) fn busy_from_the_start(servers: usize) -> World {
    let busy = loaded(servers, 0.9);
    world(23, [busy, busy, busy])
}

/// Latency is five times as long from 30 s to 80 s, of a backend with eight places for each proxy.
pub(crate) fn few_places_latency_step(proxies: usize) -> World {
    let usual = loaded(8 * proxies, 0.7);
    let slow = Phase {
        service: SERVICE * 5,
        ..usual
    };
    let mut world = world(24, [usual, slow, usual]);
    world.proxies = proxies;
    world
}

/// Twice what the backend can do from 30 s to 80 s, a fifth of it critical and a fifth batch.
pub(crate) fn priorities() -> World {
    let rush = Phase {
        rate: 4_000.0,
        ..USUAL
    };
    let mut world = world(17, [USUAL, rush, USUAL]);
    world.is_mixed = true;
    world
}

/// Latency climbs to three times what it was within ten seconds and falls at once, from 30 s to 80 s, as where a cache
/// or a heap fills up and is emptied. Nothing was tuned by it.
pub(crate) fn sawtooth() -> World {
    let teeth = (30..80).map(|second| Phase {
        from_second: second,
        service: SERVICE.mul_f64(1.0 + 0.2 * f64::from(second % 10)),
        rate: 1_000.0,
        ..USUAL
    });
    around(18, 1_000.0, teeth)
}

/// Latency climbs to four times what it was from 30 s to 70 s, stays there, and is what it was from 80 s on. Nothing was
/// tuned by it.
pub(crate) fn slow_ramp() -> World {
    let climb = (30..80).map(|second| Phase {
        from_second: second,
        service: SERVICE.mul_f64(1.0 + 3.0 * f64::from((second - 30).min(40)) / 40.0),
        ..USUAL
    });
    around(19, USUAL.rate, climb)
}

/// Every second one has twice as many requests as the backend can answer, and the others a quarter of that, from 30 s to
/// 80 s; one request in two hundred takes ten times as long. Nothing was
/// tuned by it.
pub(crate) fn bursts() -> World {
    let burst = (30..80).map(|second| Phase {
        from_second: second,
        rate: if second % 2 == 0 { 3_400.0 } else { 425.0 },
        slow: TAIL,
        ..USUAL
    });
    let mut world = around(20, 1_000.0, burst);
    for phase in &mut world.phases {
        phase.slow = TAIL;
    }
    world
}

/// What lasts from 30 s to 80 s, between what is usual.
fn around(seed: u64, rate: f64, meanwhile: impl Iterator<Item = Phase>) -> World {
    let usual = Phase { rate, ..USUAL };
    let after = Phase {
        from_second: 80,
        ..usual
    };
    let phases = std::iter::once(usual).chain(meanwhile);
    World {
        seed,
        seconds: SECONDS,
        proxies: 1,
        phases: phases.chain([after]).collect(),
        is_mixed: false,
    }
}

/// All of them.
pub(crate) fn all() -> [Scenario; 12] {
    [
        ("latency-step", "Latency x 5", latency_step()),
        ("capacity-halved", "Capacity halved", capacity_halved()),
        ("steady-timeouts", "5 % never answered", steady_timeouts()),
        ("bimodal-routes", "Fast and slow routes", bimodal_routes()),
        ("idle-restart", "Idle, then as before", idle_restart()),
        ("ten-proxies", "Ten proxies", ten_proxies()),
        (
            "long-overload",
            "Ten proxies, few places, minutes",
            long_overload(),
        ),
        (
            "overload-from-the-start",
            "Started into twice too many",
            overload_from_the_start(1, SERVERS),
        ),
        ("priorities", "Twice too many", priorities()),
        ("sawtooth", "Latency like the teeth of a saw", sawtooth()),
        ("slow-ramp", "Latency climbs slowly", slow_ramp()),
        ("bursts", "Bursts with a long tail", bursts()),
    ]
}

/// Everything well but for the load: so many times what a backend with so many places can do.
fn loaded(servers: usize, load: f64) -> Phase {
    Phase {
        servers,
        rate: servers as f64 / SERVICE.as_secs_f64() * load,
        ..USUAL
    }
}

fn world(seed: u64, [before, meanwhile, after]: [Phase; 3]) -> World {
    let from = |from_second, phase| Phase {
        from_second,
        ..phase
    };
    World {
        seed,
        seconds: SECONDS,
        proxies: 1,
        phases: vec![before, from(30, meanwhile), from(80, after)],
        is_mixed: false,
    }
}

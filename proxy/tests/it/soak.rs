//! Everything at once, for a while: all protocols, clients that behave and clients that do not, while documents,
//! certificates and upstreams change. No answer may be wrong, and nothing may be left over.
//!
//! It takes seconds; with `TOLLGATE_TEST_SOAK` set, `TOLLGATE_TEST_SOAK_SECONDS` or five minutes.

mod changes;
mod clients;
mod findings;
mod requests;
mod rude;
mod scene;
mod tunnels;
mod ways;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use findings::Findings;
use scene::Scene;
use ways::Kind;

const SHORT: Duration = Duration::from_secs(6);
const LONG: Duration = Duration::from_mins(5);
/// How long what has begun may take to end: only a failing test waits that long.
const END_MAX: Duration = Duration::from_mins(2);
/// Everything by chance comes from it.
const SEED: u64 = 4;
/// How often what was found so far is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_load_is_answered_rightly_and_leaves_nothing_over() {
    let length = length();
    let (scene, fragile) = Scene::new().await;
    let mut findings = Findings::begin(&scene).await;
    let scene = Arc::new(scene);
    let mut load = clients(&scene);
    load.spawn(changes::permissions(Arc::clone(&scene)));
    load.spawn(changes::certificates(Arc::clone(&scene)));
    load.spawn(changes::restarts(Arc::clone(&scene), fragile));

    let started = Instant::now();
    while started.elapsed() < length {
        match timeout(LOOK_INTERVAL, load.join_next()).await {
            Ok(Some(Err(failed))) => {
                // What the proxy says of it comes after.
                tokio::time::sleep(LOOK_INTERVAL * 2).await;
                eprintln!("{}", scene.proxy.get("/metrics").await.1);
                eprintln!("{}", scene.proxy.output());
                std::panic::resume_unwind(failed.into_panic());
            }
            Ok(_) => panic!("a part of the load ended by itself"),
            Err(_) => findings.look(&scene, started.elapsed() >= length / 3),
        }
    }
    scene.end();
    timeout(END_MAX, load.join_all()).await.unwrap();

    findings.conclude(&scene).await;
}

/// How long the load lasts.
fn length() -> Duration {
    if std::env::var_os("TOLLGATE_TEST_SOAK").is_none() {
        return SHORT;
    }
    match std::env::var("TOLLGATE_TEST_SOAK_SECONDS") {
        Ok(seconds) if !seconds.is_empty() => Duration::from_secs(seconds.parse().unwrap()),
        _ => LONG,
    }
}

/// Everyone who asks.
fn clients(scene: &Arc<Scene>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let mut seeds = SEED..;
    for kind in Kind::ALL {
        for seed in seeds.by_ref().take(2) {
            clients.spawn(clients::ask(Arc::clone(scene), kind, seed));
        }
    }
    for seed in seeds.by_ref().take(2) {
        clients.spawn(clients::slow(Arc::clone(scene), seed));
        clients.spawn(tunnels::talk(Arc::clone(scene), seed));
        clients.spawn(rude::annoy(Arc::clone(scene), seed));
        clients.spawn(rude::annoy_by_http2(Arc::clone(scene), seed));
        clients.spawn(rude::never_read(Arc::clone(scene), seed));
    }
    clients
}

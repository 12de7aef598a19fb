//! What changes during the load. A change is over once the proxy shows it, however long that takes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tollgate_store::document::Kind;

use super::scene::Scene;
use crate::support::{Upstream, until};

const PAUSE: Duration = Duration::from_secs(1);
/// How long a target is down at least.
const DOWN: Duration = Duration::from_millis(500);

/// Takes a key away and puts it back, and takes a permission away and gives it back.
pub(super) async fn permissions(scene: Arc<Scene>) {
    let is_there = |round: u32| !round.is_multiple_of(2);
    for round in 0.. {
        scene.has_visitor.change();
        if is_there(round) {
            let (store, token) = (&scene.store, &scene.visitor);
            store.put_key("visitor", token, json!({})).await;
        } else {
            scene.store.remove(Kind::Key, "visitor").await;
        }
        is_taken_up(&scene).await;
        scene.has_visitor.settle(is_there(round));
        tokio::time::sleep(PAUSE).await;

        scene.has_reports.change();
        scene.put_reports(!is_there(round)).await;
        is_taken_up(&scene).await;
        scene.has_reports.settle(!is_there(round));
        tokio::time::sleep(PAUSE).await;
        if !scene.goes_on() {
            return;
        }
    }
}

/// Replaces the certificate.
pub(super) async fn certificates(scene: Arc<Scene>) {
    while scene.goes_on() {
        let pair = scene.authority.server(&["localhost"]);
        scene.files.put("edge.pem", &pair.pem);
        let client = scene.tls();
        until("the new certificate is shown", async || {
            let stream = client.connect(scene.encrypted, "localhost").await.unwrap();
            let chain = stream.get_ref().1.peer_certificates().unwrap();
            chain[0] == pair.certificate
        })
        .await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Stops a target with all its connections, and starts it again.
pub(super) async fn restarts(scene: Arc<Scene>, mut fragile: Upstream) {
    let address = fragile.address();
    let series =
        format!("tollgate_upstream_target_up{{upstream=\"backend\",target=\"http://{address}\"}}");
    while scene.goes_on() {
        tokio::time::sleep(PAUSE).await;
        scene.are_both_up.change();
        let failures = failed_checks(&scene);
        fragile.stop();
        // What only requests met would keep it out for longer each time, whatever its checks say.
        until("its checks fail", || {
            let have_failed = failed_checks(&scene) > failures;
            async move { have_failed }
        })
        .await;
        scene.are_both_up.settle(false);
        tokio::time::sleep(DOWN).await;

        fragile = Upstream::start_at(address).await;
        until("it gets requests again", async || {
            scene.proxy.metric(&series).await == Some(1.0)
        })
        .await;
        scene.are_both_up.settle(true);
    }
    fragile.stop();
}

fn failed_checks(scene: &Scene) -> usize {
    let told = "a target gets no requests: its checks fail";
    scene.proxy.output().matches(told).count()
}

/// Waits until the proxy has read all that was written by now. A new snapshot alone does not tell: one can be made while
/// a file is on its way to its place.
async fn is_taken_up(scene: &Scene) {
    // One may have begun before; the next has not.
    let enough = polls(scene).await + 2.0;
    until("the change is taken up", async || {
        polls(scene).await >= enough
    })
    .await;
}

async fn polls(scene: &Scene) -> f64 {
    let mut polls = 0.0;
    for result in ["changed", "unchanged", "failed"] {
        let series = format!("tollgate_polls_total{{result=\"{result}\"}}");
        polls += scene.proxy.metric(&series).await.unwrap_or_default();
    }
    polls
}

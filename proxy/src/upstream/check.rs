//! How targets are asked whether they are well.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, StatusCode};
use rand::RngExt;
use tokio::time::Instant;
use tollgate_store::document::Health;
use tollgate_store::{CheckInterval, Timeout};

use super::Upstream;
use super::connect::root_cause;
use super::request_body::RequestBody;
use super::target::Place;

const INTERVAL: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);
const AGENT: HeaderValue = HeaderValue::from_static("tollgate-proxy (health check)");
/// The checks of a fleet spread by this part of their interval, either way.
const JITTER: f64 = 0.1;

/// Checks every target of an upstream again and again, from `first` on, until the upstream is gone or replaced.
pub(super) async fn run(upstream: Weak<Upstream>, health: Health, first: Instant) {
    let interval = health.interval.as_ref();
    let interval = interval.map_or(INTERVAL, CheckInterval::length);
    let mut next = first;
    loop {
        tokio::time::sleep_until(next).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        let check = async |place: &Arc<Place>| {
            let outcome = ask(place, &health).await;
            upstream.checked(place, outcome);
        };
        join_all(upstream.places.iter().map(check)).await;
        if upstream.is_retired() {
            return;
        }
        let chance: f64 = rand::rng().random();
        let spread = 1.0 - JITTER + 2.0 * JITTER * chance;
        next = Instant::now() + interval.mul_f64(spread);
        upstream.standings.check_at(next);
    }
}

/// Asks a target by a connection of its own, so that what can't be connected to is found out; the error says what is
/// wrong with it.
async fn ask(place: &Place, health: &Health) -> Result<(), String> {
    let limit = health.timeout.as_ref();
    let limit = limit.map_or(TIMEOUT, Timeout::length);
    let exchange = async {
        let connection = place.connect_alone().await;
        let connection = connection.map_err(|fault| root_cause(&fault))?;
        let mut request = Request::new(RequestBody::empty());
        request.headers_mut().insert(USER_AGENT, AGENT);
        let path = health.path.as_str().parse();
        let path = path.map_err(|error| format!("the path can't be asked for: {error}"))?;
        let protocol = connection.protocol();
        place
            .address(&mut request, &path, protocol)
            .ok_or("the path can't be asked for")?;
        let answer = connection.send(Box::new(request)).await;
        let answer = answer.map_err(|unanswered| root_cause(&unanswered.fault))?;
        Ok::<_, String>(answer.status())
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(status)) if is_good(status, health) => Ok(()),
        Ok(Ok(status)) => Err(format!("it answers {}", status.as_u16())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

fn is_good(status: StatusCode, health: &Health) -> bool {
    match health.status {
        Some(good) => status.as_u16() == good,
        None => status.is_success(),
    }
}

//! What operators and load balancers see, on a listener of its own.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::Gateway;
use crate::caller::Caller;
use crate::connection::Handler;
use crate::metrics::signed;
use crate::operational_log::Lines;
use crate::status::Status;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The most rejected documents that a page lists.
const REJECTED_MAX: usize = 1_000;

/// The admin pages.
#[derive(Debug)]
pub struct Admin {
    /// How the proxy is.
    pub status: Arc<Status>,
    /// What it does.
    pub gateway: Arc<Gateway>,
    /// What it says of itself.
    pub log: Lines,
}

struct Page {
    status: StatusCode,
    content_type: &'static str,
    text: String,
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn respond(
        &self,
        request: Box<Request<Incoming>>,
        _caller: &Caller,
    ) -> Response<Self::Body> {
        let page = self.page(request.method(), request.uri().path());
        let mut response = Response::new(Full::new(Bytes::from(page.text)));
        *response.status_mut() = page.status;
        let content_type = HeaderValue::from_static(page.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

impl Admin {
    fn page(&self, method: &Method, path: &str) -> Page {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return text(
                StatusCode::METHOD_NOT_ALLOWED,
                "GET is the only method here\n",
            );
        }
        match path {
            "/healthz" => text(StatusCode::OK, "alive\n"),
            "/readyz" => self.readiness(),
            "/metrics" => self.metrics(),
            "/documents" => self.documents(),
            "/jwks" => self.jwks(),
            _ => text(
                StatusCode::NOT_FOUND,
                "there is /healthz, /readyz, /metrics, /documents and /jwks\n",
            ),
        }
    }

    fn readiness(&self) -> Page {
        let faults = self.status.faults(self.gateway.ledger.clock.monotonic());
        let status = if faults.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let page = json!({"ready": faults.is_empty(), "reasons": faults});
        self::json(status, &page)
    }

    fn metrics(&self) -> Page {
        let metrics = &self.gateway.ledger.metrics;
        let answered = self.status.standing().answered;
        let age = answered.map(|answered| {
            let now = self.gateway.ledger.clock.monotonic();
            now.saturating_sub(answered).as_secs_f64()
        });
        // No answer at all is older than any.
        metrics.snapshot_age.set(age.unwrap_or(f64::INFINITY));
        let subjects = self.gateway.meter.subjects_len();
        metrics.quotas.subjects.set(signed(subjects));
        metrics.log_dropped.inc_by(self.log.take_dropped());
        self.gateway.issuers.show();
        if let Some(generation) = self.gateway.generation.load().as_ref() {
            metrics.targets(generation.targets());
            metrics.throttles.show(generation.throttles());
        }
        Page {
            status: StatusCode::OK,
            content_type: OPEN_METRICS,
            text: metrics.text(),
        }
    }

    /// The public keys that verify what upstreams are told of who asks.
    fn jwks(&self) -> Page {
        let generation = self.gateway.generation.load();
        let keys = generation.as_ref().map(|generation| generation.jwks());
        self::json(StatusCode::OK, &keys.unwrap_or_else(|| json!({"keys": []})))
    }

    fn documents(&self) -> Page {
        let standing = self.status.standing();
        let rejected: Vec<_> = standing
            .rejected
            .iter()
            .take(REJECTED_MAX)
            .map(|rejected| json!({"kind": rejected.id.kind, "name": rejected.id.name, "reason": rejected.reason}))
            .collect();
        let unusable: Vec<_> = standing
            .equipment
            .unusable
            .iter()
            .map(|(place, problem)| json!({"place": place, "problem": problem}))
            .collect();
        let page = json!({
            "generation": standing.generation,
            "since": standing.since,
            "store_problem": standing.store_problem,
            "documents": standing.kinds,
            "rejected_count": standing.rejected.len(),
            "rejected": rejected,
            "unusable": unusable,
        });
        drop(standing);
        self::json(StatusCode::OK, &page)
    }
}

fn text(status: StatusCode, text: &str) -> Page {
    Page {
        status,
        content_type: TEXT,
        text: text.to_owned(),
    }
}

fn json(status: StatusCode, value: &Value) -> Page {
    Page {
        status,
        content_type: JSON,
        text: format!("{value}\n"),
    }
}

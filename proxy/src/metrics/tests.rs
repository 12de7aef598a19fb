use tollgate_store::document::DocumentId;

use super::labels::NAMES_MAX;
use super::*;

#[test]
fn a_request_is_counted_by_class_reason_and_route() {
    let metrics = Metrics::default();
    let facts = Facts {
        status: Some(502),
        reason: Some("upstream_connect"),
        route: Some(Name::parse("orders").unwrap()),
        upstream: Some(Name::parse("backend").unwrap()),
        ..Facts::default()
    };
    metrics.request(&facts, Duration::from_millis(3));
    metrics.request(&Facts::default(), Duration::from_millis(3));
    let text = metrics.text();

    for line in [
        "tollgate_requests_total{class=\"5xx\",reason=\"upstream_connect\",route=\"orders\"} 1",
        "tollgate_requests_total{class=\"none\",reason=\"none\",route=\"\"} 1",
        "tollgate_upstream_failures_total{upstream=\"backend\",reason=\"upstream_connect\"} 1",
        "tollgate_request_duration_seconds_count 2",
        "tollgate_request_duration_seconds_bucket{le=\"0.005\"} 2",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn routes_without_end_share_a_series() {
    let metrics = Metrics::default();
    for number in 0..NAMES_MAX * 2 {
        let facts = Facts {
            route: Some(Name::parse(&format!("r{number}")).unwrap()),
            ..Facts::default()
        };
        metrics.request(&facts, Duration::ZERO);
    }

    let text = metrics.text();
    assert_eq!(
        text.matches("tollgate_requests_total{").count(),
        NAMES_MAX + 1
    );
    assert!(text.contains("route=\"other\"} 1000"));
}

#[test]
fn rejected_documents_are_named_up_to_a_bound() {
    let metrics = Metrics::default();
    let rejected: Vec<_> = (0..150)
        .map(|number| Rejected {
            id: DocumentId {
                kind: "key".to_owned(),
                name: format!("{number}{}", "x".repeat(100)),
            },
            reason: String::new(),
        })
        .collect();
    metrics.documents(&BTreeMap::from([("key".to_owned(), 7)]), &rejected);
    let text = metrics.text();

    assert_eq!(text.matches("tollgate_documents_rejected{").count(), 100);
    assert!(text.contains("tollgate_documents_rejected_count 150"));
    assert!(text.contains("tollgate_documents{kind=\"key\"} 7"));

    metrics.documents(&BTreeMap::new(), &[]);
    assert!(!metrics.text().contains("tollgate_documents_rejected{"));
}

use serde_json::json;

use super::*;
use crate::upstream::address::System;
use crate::upstream::tally::Flight;

/// So many targets, to which nobody connects.
pub(in crate::upstream) fn places(count: usize) -> Vec<Arc<Place>> {
    weighted(&vec![1; count])
}

/// The same with weights.
pub(in crate::upstream) fn weighted(weights: &[u32]) -> Vec<Arc<Place>> {
    let weights = weights.iter().enumerate();
    let weights: std::collections::BTreeMap<_, _> = weights
        .map(|(number, weight)| (format!("http://t{number}"), *weight))
        .collect();
    let urls: Vec<_> = (0..weights.len())
        .map(|number| format!("http://t{number}"))
        .collect();
    let spec = json!({"targets": urls, "target_weights": weights});
    let upstream: document::Upstream = serde_json::from_value(spec).unwrap();
    let place = |url| Place::new(url, &upstream, None, Arc::new(System), None).unwrap();
    upstream.targets.iter().map(place).map(Arc::new).collect()
}

#[test]
fn a_target_is_called_by_its_host_and_its_port_where_that_is_not_the_usual() {
    let spec = json!({"targets": ["http://10.0.0.1:8080", "http://b.test:80", "http://[::1]"]});
    let upstream: document::Upstream = serde_json::from_value(spec).unwrap();
    let path = PathAndQuery::from_static("/v1/~a?b=%2f");
    let mut told = Vec::new();
    for url in &upstream.targets {
        let place = Place::new(url, &upstream, None, Arc::new(System), None).unwrap();
        let mut request = Request::new(RequestBody::empty());
        place
            .address(&mut request, &path, Protocol::Http11)
            .unwrap();
        assert_eq!(request.uri().to_string(), "/v1/~a?b=%2f");
        told.push(request.headers()[HOST].to_str().unwrap().to_owned());
        place.address(&mut request, &path, Protocol::Http2).unwrap();
        assert!(!request.headers().contains_key(HOST));
        told.push(request.uri().to_string());
    }

    assert_eq!(
        told,
        [
            "10.0.0.1:8080",
            "http://10.0.0.1:8080/v1/~a?b=%2f",
            "b.test",
            "http://b.test/v1/~a?b=%2f",
            "[::1]",
            "http://[::1]/v1/~a?b=%2f",
        ]
    );
}

#[test]
fn requests_are_counted_while_they_are_on_their_way() {
    let places = places(1);
    let flights = [(); 2].map(|()| Flight::to(&places[0]));
    assert_eq!(places[0].tally.in_flight(), 2);
    drop(flights);

    assert_eq!(places[0].tally.in_flight(), 0);
}

//! What well-behaved clients ask, and what they must be told.

use bytes::Bytes;
use http::{Method, StatusCode};
use rand::RngExt;
use rand::rngs::StdRng;
use tollgate_store::Secret;

use super::scene::Scene;
use super::ways::{Answer, Ask, Way};
use crate::support::{LARGE_PIECE_BYTES, LARGE_PIECES};

const BODY_BYTES_MAX: usize = 256 * 1024;

/// Asks once for something, and sees that the answer is right.
pub(super) async fn one(scene: &Scene, way: &Way, chance: &mut StdRng) {
    match chance.random_range(0..100) {
        0..40 => orders(scene, way, chance).await,
        40..50 => stranger(scene, way).await,
        50..60 => secrets(scene, way).await,
        60..73 => visitor(scene, way, chance).await,
        73..86 => reports(scene, way, chance).await,
        86..94 => order(scene, way, chance).await,
        94..98 => mirror(scene, way, chance).await,
        98 => large(scene, way, "large").await,
        _ => large(scene, way, "sized").await,
    }
}

fn get(path: impl Into<String>, token: Option<&Secret>) -> Ask<'_> {
    Ask {
        method: Method::GET,
        path: path.into(),
        token,
        body: Bytes::new(),
    }
}

fn marked(path: &str, chance: &mut StdRng) -> String {
    format!("{path}?mark={}", chance.random::<u64>())
}

/// That the upstream answered this very request, and was told who made it.
fn assert_echo(answer: &Answer, target: &str, key: &str) {
    assert_eq!(answer.status, 200, "{target}: {answer:?}");
    let json = answer.json();
    assert_eq!(json["target"], target);
    let headers = json["headers"].as_array().unwrap().iter();
    let told: Vec<_> = headers
        .filter(|pair| pair[0] == "x-tollgate-key")
        .map(|pair| &pair[1])
        .collect();
    assert_eq!(told, [key], "{target}");
    assert!(!json["headers"].to_string().contains("Bearer"), "{json}");
}

async fn orders(scene: &Scene, way: &Way, chance: &mut StdRng) {
    let path = marked("/v1/orders", chance);
    let answer = way.ask(scene, get(&path, Some(&scene.store.token))).await;
    assert_echo(&answer, &path, "acme");
    scene.note("all", 200);
}

async fn stranger(scene: &Scene, way: &Way) {
    let unknown = way
        .ask(scene, get("/v1/orders", Some(&scene.stranger)))
        .await;
    let missing = way.ask(scene, get("/v1/orders", None)).await;
    for answer in [unknown, missing] {
        answer.assert_problem(StatusCode::UNAUTHORIZED, "unauthenticated");
        scene.note("", 401);
    }
}

async fn secrets(scene: &Scene, way: &Way) {
    let answer = way.ask(scene, get("/v1/secrets", Some(&scene.clerk))).await;
    answer.assert_problem(StatusCode::FORBIDDEN, "insufficient-scope");
    scene.note("", 403);
}

async fn visitor(scene: &Scene, way: &Way, chance: &mut StdRng) {
    let path = marked("/v1/orders", chance);
    let before = scene.has_visitor.now();
    let answer = way.ask(scene, get(&path, Some(&scene.visitor))).await;
    let known = scene.has_visitor.since(before);
    if known.unwrap_or(answer.status == 200) {
        assert_echo(&answer, &path, "visitor");
        scene.note("all", 200);
    } else {
        answer.assert_problem(StatusCode::UNAUTHORIZED, "unauthenticated");
        scene.note("", 401);
    }
}

async fn reports(scene: &Scene, way: &Way, chance: &mut StdRng) {
    let path = marked("/v1/reports", chance);
    let before = scene.has_reports.now();
    let answer = way.ask(scene, get(&path, Some(&scene.clerk))).await;
    let known = scene.has_reports.since(before);
    if known.unwrap_or(answer.status == 200) {
        assert_echo(&answer, &path, "clerk");
        scene.note("all", 200);
    } else {
        answer.assert_problem(StatusCode::FORBIDDEN, "insufficient-scope");
        scene.note("", 403);
    }
}

/// What may not be repeated fails where its connection was cut, and only there.
async fn order(scene: &Scene, way: &Way, chance: &mut StdRng) {
    let path = marked("/v1/orders", chance);
    let ask = Ask {
        method: Method::POST,
        body: Bytes::from_static(b"an order"),
        ..get(&path, Some(&scene.store.token))
    };
    let before = scene.are_both_up.now();
    let answer = way.ask(scene, ask).await;
    let is_known = scene.are_both_up.since(before).is_some();
    if !is_known && answer.status == 502 {
        answer.assert_problem(StatusCode::BAD_GATEWAY, "upstream-failed");
        scene.note("all", 502);
    } else {
        assert_echo(&answer, &path, "acme");
        scene.note("all", 200);
    }
}

async fn mirror(scene: &Scene, way: &Way, chance: &mut StdRng) {
    let length = chance.random_range(1..BODY_BYTES_MAX);
    let mut body = vec![0; length];
    chance.fill(&mut body[..]);
    let body = Bytes::from(body);
    let ask = Ask {
        method: Method::POST,
        body: body.clone(),
        ..get("/v1/mirror", Some(&scene.store.token))
    };
    let answer = way.ask(scene, ask).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "another body came back");
    scene.note("mirror", 200);
}

async fn large(scene: &Scene, way: &Way, route: &'static str) {
    let path = format!("/v1/{route}");
    let answer = way.ask(scene, get(path, Some(&scene.store.token))).await;
    assert_eq!(answer.status, 200);
    assert_large(&answer.body);
    scene.note(route, 200);
}

/// That a body is what the upstream sent.
pub(super) fn assert_large(body: &[u8]) {
    assert_eq!(body.len(), usize::from(LARGE_PIECES) * LARGE_PIECE_BYTES);
    for (piece, number) in body.chunks(LARGE_PIECE_BYTES).zip(0..LARGE_PIECES) {
        assert!(piece.iter().all(|byte| *byte == number), "piece {number}");
    }
}

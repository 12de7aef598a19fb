use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::json;

use super::*;

const NOW: &str = "2027-01-01T00:00:00Z";

/// PEM files and one address that names them.
struct Scene {
    folder: tempfile::TempDir,
    materials: Materials,
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            materials: Materials::default(),
        }
    }

    fn place(&self, name: &str) -> String {
        format!("file:{}", self.folder.path().join(name).display())
    }

    /// Writes a certificate that is good in these years.
    fn put(&self, name: &str, (from, to): (i32, i32)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([format!("{name}.test")]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
        std::fs::write(self.folder.path().join(name), pem).unwrap();
    }

    async fn review(&mut self, certificates: &[&str], client_ca: Option<&str>) -> Review {
        let certificates: Vec<_> = certificates.iter().map(|name| self.place(name)).collect();
        let client_ca = client_ca.map(|name| self.place(name));
        let tls = json!({"certificates": certificates, "client_ca": client_ca});
        let listens = json!([{"address": "127.0.0.1:443", "tls": tls}]);
        let listens: Vec<Listen> = serde_json::from_value(listens).unwrap();
        self.materials.review(&listens, NOW.parse().unwrap()).await
    }
}

fn only(review: &Review) -> &Arc<ServerConfig> {
    &review.servers.values().next().unwrap().0
}

#[tokio::test]
async fn what_did_not_change_is_not_made_anew() {
    let mut scene = Scene::new();
    scene.put("a", (2020, 2030));
    let first = scene.review(&["a"], None).await;
    let second = scene.review(&["a"], None).await;
    assert!(Arc::ptr_eq(only(&first), only(&second)));

    scene.put("a", (2020, 2031));
    let third = scene.review(&["a"], None).await;
    assert!(!Arc::ptr_eq(only(&second), only(&third)));
}

#[tokio::test]
async fn a_certificate_of_another_time_does_not_replace_one_of_now() {
    for years in [(2020, 2026), (2028, 2030)] {
        let mut scene = Scene::new();
        scene.put("a", (2020, 2030));
        let standing = scene.review(&["a"], None).await;
        scene.put("a", years);
        let review = scene.review(&["a"], None).await;

        assert!(Arc::ptr_eq(only(&standing), only(&review)));
        assert_eq!(review.faults.len(), 1);
    }
}

#[tokio::test]
async fn a_certificate_that_is_over_is_better_than_none() {
    let mut scene = Scene::new();
    scene.put("a", (2020, 2026));
    let review = scene.review(&["a"], None).await;

    assert_eq!((review.servers.len(), review.faults.len()), (1, 0));
    let ends: Vec<_> = review.ends.values().map(|end| end.at.to_string()).collect();
    assert_eq!(ends, ["2026-01-01T00:00:00Z"]);
}

#[tokio::test]
async fn one_certificate_that_cant_be_used_does_not_keep_the_others_from_being_served() {
    let mut scene = Scene::new();
    scene.put("a", (2020, 2030));
    let review = scene.review(&["missing", "a"], None).await;

    assert_eq!((review.servers.len(), review.faults.len()), (1, 1));
    assert!(review.unserved.is_empty());
}

#[tokio::test]
async fn a_new_place_without_a_certificate_leaves_the_one_of_the_old_place() {
    let mut scene = Scene::new();
    scene.put("a", (2020, 2030));
    let standing = scene.review(&["a"], None).await;
    let review = scene.review(&["missing"], None).await;

    assert!(Arc::ptr_eq(only(&standing), only(&review)));
    assert_eq!(review.faults.len(), 1);
}

#[tokio::test]
async fn without_a_certificate_or_without_who_signs_clients_nothing_is_served() {
    let mut scene = Scene::new();
    scene.put("a", (2020, 2030));
    for (certificates, client_ca) in [(["missing"], None), (["a"], Some("missing"))] {
        let review = scene.review(&certificates, client_ca).await;

        assert!(review.servers.is_empty());
        let problem = review.unserved.values().next().unwrap();
        assert!(problem.contains("missing can't be read"), "{problem}");
    }
}

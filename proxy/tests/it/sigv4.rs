//! Requests that are signed for services of AWS, verified by what the specification says and not by what signed them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{Client, Process, Store, Upstream};

/// The keys of the published examples.
const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "a-session-token";

struct Scene {
    upstream: Upstream,
    proxy: Process,
    client: Client,
}

impl Scene {
    async fn new(more: Value, variables: &[(&str, &str)]) -> Self {
        let (store, upstream) = (Store::new(), Upstream::start().await);
        let mut signature = json!({"service": "execute-api", "region": "eu-west-1"});
        let fields = signature.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let credential = json!({"credential": {"aws_sigv4": signature}});
        store.fill_targets(&[upstream.url()], credential).await;
        let proxy = Process::start_in(&store, &[], variables).await;
        let client = Client::new(&proxy).bearing(&store.token);
        Self {
            upstream,
            proxy,
            client,
        }
    }

    async fn reason(&self, request_id: &str) -> Value {
        let is_it = |line: &Value| line["request_id"] == request_id;
        self.proxy.accessed(is_it).await["reason"].clone()
    }
}

const VARIABLES: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", KEY_ID),
    ("AWS_SECRET_ACCESS_KEY", SECRET),
    ("AWS_SESSION_TOKEN", TOKEN),
];

/// A request as it arrived.
struct Arrived {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
}

impl Arrived {
    fn read(echo: &str) -> Self {
        let echo: Value = serde_json::from_str(echo).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let headers = echo["headers"].as_array().unwrap().iter();
        Self {
            method: text(&echo["method"]),
            target: text(&echo["target"]),
            headers: headers
                .map(|header| (text(&header[0]), text(&header[1])))
                .collect(),
        }
    }

    /// A parameter of the header that holds the signature.
    fn parameter(&self, name: &str) -> &str {
        let value = self.headers["authorization"].strip_prefix("AWS4-HMAC-SHA256 ");
        let mut parameters = value.unwrap().split(", ");
        let found = parameters.find_map(|parameter| parameter.strip_prefix(&format!("{name}=")));
        found.unwrap()
    }

    /// The signature that it should have, if its body's hash is `body`; paths are encoded once more.
    fn expected(&self, body: &str) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let mut parameters: Vec<_> = query.split('&').filter(|text| !text.is_empty()).collect();
        parameters.sort_unstable();
        let signed = self.parameter("SignedHeaders");
        let mut headers = String::new();
        for name in signed.split(';') {
            writeln!(headers, "{name}:{}", self.headers[name].trim()).unwrap();
        }
        let canonical = [
            self.method.as_str(),
            &path.replace('%', "%25"),
            &parameters.join("&"),
            headers.as_str(),
            signed,
            body,
        ]
        .join("\n");
        let (_, scope) = self.parameter("Credential").split_once('/').unwrap();
        let date = &self.headers["x-amz-date"];
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            sha256(canonical.as_bytes())
        );
        let first = format!("AWS4{SECRET}").into_bytes();
        let key = scope.split('/').fold(first, |key, part| mac(&key, part));
        hex(&mac(&key, &text))
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn what_verifies_here_agrees_with_the_published_example() {
    // "get-vanilla" of the test suite that AWS publishes for Signature Version 4.
    let signature = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let headers = [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        ("authorization", &authorization),
    ];
    let arrived = Arrived {
        method: "GET".to_owned(),
        target: "/".to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };

    assert_eq!(arrived.expected(&sha256(b"")), signature);
    assert_eq!(arrived.parameter("Signature"), signature);
}

#[tokio::test]
async fn requests_arrive_with_a_signature_of_what_arrives() {
    let scene = Scene::new(json!({}), &VARIABLES).await;
    for (method, path, body) in [
        ("GET", "/v1/orders", ""),
        ("GET", "/v1/orders/a%20b/%2B?z=1&a=b%20c&a=B", ""),
        ("POST", "/v1/orders", "{\"order\": 1}"),
    ] {
        let reply = match method {
            "GET" => {
                let request = scene.client.request("GET", path);
                // Nobody signs for a client, and no client for the proxy.
                let request = request.header("x-amz-date", "20150830T123600Z");
                let request = request.header("x-amz-security-token", "forged");
                // Nor does a client say what is done by the proxy's right.
                let request = request.header("x-amz-target", "Ledger.Read");
                let request = request.header("x_amz_copy_source", "/ledger/all");
                scene.client.send(request).await
            }
            _ => scene.client.post(path, body).await,
        };
        assert_eq!(reply.status, 200, "{path}");
        let arrived = Arrived::read(&reply.text());
        assert_eq!(arrived.target, path);
        let hash = sha256(body.as_bytes());
        assert_eq!(arrived.headers["x-amz-content-sha256"], hash);
        assert_eq!(arrived.headers["x-amz-security-token"], TOKEN);
        assert_ne!(arrived.headers["x-amz-date"], "20150830T123600Z");
        let scope = arrived.parameter("Credential");
        assert!(scope.starts_with(&format!("{KEY_ID}/")), "{scope}");
        assert!(
            scope.ends_with("/eu-west-1/execute-api/aws4_request"),
            "{scope}"
        );
        assert_eq!(
            arrived.parameter("Signature"),
            arrived.expected(&hash),
            "{path}"
        );
        let signed = arrived.parameter("SignedHeaders");
        assert!(signed.contains("host;"), "{signed}");
        let said = "host x-amz-content-sha256 x-amz-date x-amz-security-token";
        let headers = arrived.headers.keys().map(|name| name.replace('_', "-"));
        let theirs: Vec<_> = headers
            .filter(|name| name.starts_with("x-amz-") && !said.contains(name.as_str()))
            .collect();
        assert!(theirs.is_empty(), "{theirs:?}");
    }
    let output = scene.proxy.output();
    assert!(!output.contains(SECRET) && !output.contains(TOKEN));
}

#[tokio::test]
async fn a_body_that_is_too_long_to_be_signed_is_not_sent() {
    let scene = Scene::new(json!({"body_bytes_max": 10}), &VARIABLES).await;
    assert_eq!(
        scene.client.post("/v1/orders", "0123456789").await.status,
        200
    );

    let reply = scene.client.post("/v1/orders", "0123456789a").await;
    assert_eq!(reply.status, 413);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "body_unsignable");
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_credentials_no_request_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", folder.path().to_str().unwrap()),
    ];
    let scene = Scene::new(json!({}), &variables).await;

    let reply = scene.client.get("/v1/orders").await;
    assert_eq!(reply.status, 502);
    let id = reply.header("x-request-id").unwrap();
    assert_eq!(scene.reason(id).await, "upstream_credential");
    let about = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("no credentials of AWS")
    };
    scene.proxy.logged(about).await;
    assert_eq!(scene.upstream.gate.requests.load(Ordering::SeqCst), 0);
}

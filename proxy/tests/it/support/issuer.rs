//! An authorization server, as far as a proxy sees one: metadata, keys, and tokens that it signed.

use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tollgate_store::Secret;

use super::read_head;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

pub(crate) struct Issuer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Each key's name; what it is made of follows from that.
    keys: Vec<String>,
    asked: Vec<String>,
    /// What is published in place of the keys.
    text: Option<String>,
    /// Where the metadata says that they are, in place of where they are.
    keys_at: Option<String>,
    is_broken: bool,
    /// Answers the one path with a redirect to the other.
    redirect: Option<(String, String)>,
    has_openid: bool,
}

impl Issuer {
    /// One that signs by the key `k1`.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            keys: vec!["k1".to_owned()],
            has_openid: true,
            ..State::default()
        }));
        let (place, shared) = (url.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = read_head(&mut stream).await;
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = shared.lock().unwrap().answer(&place, &path);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, state }
    }

    /// The document that a proxy trusts it by, with the fields of `more`.
    pub(crate) fn document(&self, more: &Value) -> Value {
        let mut spec = json!({"url": self.url, "audiences": ["orders"], "any_subject": true});
        let more = more.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(more);
        spec
    }

    /// Publishes other keys.
    pub(crate) fn publish(&self, keys: &[&str]) {
        let keys = keys.iter().map(ToString::to_string).collect();
        self.state.lock().unwrap().keys = keys;
    }

    /// Publishes that text in place of keys.
    pub(crate) fn publish_text(&self, text: &str) {
        self.state.lock().unwrap().text = Some(text.to_owned());
    }

    /// Says of its keys that they are there.
    pub(crate) fn name_keys_at(&self, url: &str) {
        self.state.lock().unwrap().keys_at = Some(url.to_owned());
    }

    /// Answers 500 from now on, or no longer.
    pub(crate) fn break_down(&self, is_broken: bool) {
        self.state.lock().unwrap().is_broken = is_broken;
    }

    /// Sends who asks for a path elsewhere.
    pub(crate) fn redirect(&self, from: &str, to: &str) {
        self.state.lock().unwrap().redirect = Some((from.to_owned(), to.to_owned()));
    }

    /// Has the metadata of RFC 8414 alone.
    pub(crate) fn without_openid(&self) {
        self.state.lock().unwrap().has_openid = false;
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.asked.iter().filter(|asked| *asked == path).count()
    }

    /// A token of `subject` with the scope `everything`, signed by that key.
    pub(crate) fn token(&self, key: &str, subject: &str) -> Secret {
        self.token_named((key, key), subject)
    }

    /// The same that names the first key, and is signed by the second.
    pub(crate) fn token_named(&self, (named, key): (&str, &str), subject: &str) -> Secret {
        let now = tollgate_proxy::clock::Clock::start().now().wall;
        let claims = json!({
            "iss": self.url, "aud": "orders", "sub": subject, "scope": "everything",
            "exp": now.as_second() + 300,
        });
        let head = json!({"alg": "EdDSA", "kid": named, "typ": "at+jwt"});
        Secret::new(signed(&head, &claims, key))
    }

    /// A token with those claims, signed by that key.
    pub(crate) fn sign(key: &str, claims: &Value) -> Secret {
        let head = json!({"alg": "EdDSA", "kid": key, "typ": "at+jwt"});
        Secret::new(signed(&head, claims, key))
    }

    /// The keys of those names, as they are published.
    pub(crate) fn jwks(keys: &[&str]) -> String {
        let keys: Vec<_> = keys.iter().map(|key| jwk(key)).collect();
        json!({ "keys": keys }).to_string()
    }

    /// What a token says that is bound to the key of a client.
    pub(crate) fn binding(client: &str) -> Value {
        let x = base64(pair(client).public_key().as_ref());
        let key = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        json!({"jkt": sha256(&key)})
    }

    /// A client's proof, called `id`, for a token and a `GET` of that URL (RFC 9449).
    pub(crate) fn proof(client: &str, token: &Secret, (id, url): (&str, &str)) -> String {
        let x = base64(pair(client).public_key().as_ref());
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let head = json!({"alg": "EdDSA", "typ": "dpop+jwt", "jwk": key});
        let now = tollgate_proxy::clock::Clock::start().now().wall;
        let claims = json!({
            "jti": id, "htm": "GET", "htu": url, "iat": now.as_second(), "ath": sha256(token.expose()),
        });
        signed(&head, &claims, client)
    }
}

fn signed(head: &Value, claims: &Value, key: &str) -> String {
    let (head, claims) = (head.to_string(), claims.to_string());
    let signed = format!("{}.{}", base64(head.as_bytes()), base64(claims.as_bytes()));
    let signature = pair(key).sign(signed.as_bytes());
    format!("{signed}.{}", base64(signature.as_ref()))
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn sha256(text: &str) -> String {
    base64(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
}

impl State {
    fn answer(&mut self, url: &str, path: &str) -> String {
        self.asked.push(path.to_owned());
        if self.is_broken {
            return answer("500 Internal Server Error", "", "{}");
        }
        if let Some((from, to)) = &self.redirect
            && from == path
        {
            return answer("302 Found", &format!("Location: {to}\r\n"), "");
        }
        let keys_at = self.keys_at.clone();
        let keys_at = keys_at.unwrap_or_else(|| format!("{url}/keys"));
        let metadata = json!({"issuer": url, "jwks_uri": keys_at}).to_string();
        match path {
            OPENID if self.has_openid => answer("200 OK", "", &metadata),
            OAUTH => answer("200 OK", "", &metadata),
            "/keys" | "/elsewhere" => {
                let keys: Vec<_> = self.keys.iter().map(String::as_str).collect();
                let keys = self.text.clone().unwrap_or_else(|| Issuer::jwks(&keys));
                answer("200 OK", "Cache-Control: max-age=600\r\n", &keys)
            }
            _ => answer("404 Not Found", "", ""),
        }
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn pair(key: &str) -> Ed25519KeyPair {
    let mut seed = [0; 32];
    seed[..key.len()].copy_from_slice(key.as_bytes());
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}

fn jwk(key: &str) -> Value {
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair(key).public_key());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": key, "use": "sig", "x": x})
}

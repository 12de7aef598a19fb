use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

use super::*;

fn caller() -> Caller<'static> {
    Caller {
        subject: "principal:acme".to_owned(),
        principal: Some("acme"),
        key: Some("acme-ci"),
        key_id: Some("0aB1cD2eF3gH".to_owned()),
        token: None,
        scopes: "orders:read orders:write".to_owned(),
    }
}

fn signer(folder: &tempfile::TempDir, pem: &str) -> Signer {
    let path = folder.path().join("key.pem");
    std::fs::write(&path, pem).unwrap();
    let jwt = json!({
        "header": "x-caller",
        "issuer": "https://edge.test",
        "audience": "orders",
        "key": format!("file:{}", path.display()),
    });
    Signer::new(&serde_json::from_value(jwt).unwrap(), &Vault::default()).unwrap()
}

fn pem(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    pair.serialize_pem()
}

fn part(token: &str, number: usize) -> Vec<u8> {
    BASE64
        .decode(token.split('.').nth(number).unwrap())
        .unwrap()
}

#[test]
fn a_token_verifies_by_the_published_key_and_says_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
        let signer = signer(&folder, &pem(algorithm));
        let token = signer
            .token(&caller(), jiff::Timestamp::from_second(1_000).unwrap())
            .unwrap();
        let token = token.to_str().unwrap();
        let jwk = signer.jwks().remove(0);
        let head: Value = serde_json::from_slice(&part(token, 0)).unwrap();
        assert_eq!(head["kid"], jwk["kid"]);
        assert_eq!(head["alg"], jwk["alg"]);
        let claims: Value = serde_json::from_slice(&part(token, 1)).unwrap();
        assert_eq!(
            claims,
            json!({
                "iss": "https://edge.test", "aud": "orders", "sub": "principal:acme", "principal": "acme",
                "key": "acme-ci", "key_id": "0aB1cD2eF3gH", "scope": "orders:read orders:write",
                "iat": 1_000, "exp": 1_060,
            })
        );
        let (signed, _) = token.rsplit_once('.').unwrap();
        let coordinate = |name: &str| BASE64.decode(jwk[name].as_str().unwrap()).unwrap();
        let verified = if head["alg"] == "ES256" {
            let point = [vec![4], coordinate("x"), coordinate("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(signed.as_bytes(), &part(token, 2))
        } else {
            UnparsedPublicKey::new(&ED25519, coordinate("x"))
                .verify(signed.as_bytes(), &part(token, 2))
        };
        assert!(verified.is_ok(), "{token}");
    }
}

#[test]
fn a_new_key_is_used_at_once_and_the_one_before_stays_published() {
    let folder = tempfile::tempdir().unwrap();
    let signer = signer(&folder, &pem(&rcgen::PKCS_ED25519));
    let first = signer.jwks().remove(0);

    std::fs::write(
        folder.path().join("key.pem"),
        pem(&rcgen::PKCS_ECDSA_P256_SHA256),
    )
    .unwrap();
    signer.refresh();

    let jwks = signer.jwks();
    assert_eq!((jwks.len(), &jwks[1]), (2, &first));
    assert_eq!(jwks[0]["alg"], "ES256");
}

#[test]
fn a_thumbprint_is_that_of_the_rfc() {
    // RFC 8037, appendix A.3.
    let jwk = json!({
        "crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let thumbprint = BASE64.encode(Sha256::digest(jwk.to_string()));
    assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn what_is_no_key_is_told_without_being_shown() {
    let fault = SigningKey::read(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let fault = fault.err().unwrap();
    assert!(fault.starts_with("it must be one private key"), "{fault}");
}

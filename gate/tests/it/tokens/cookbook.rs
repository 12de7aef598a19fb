//! The examples of RFC 7520, RFC 7797 and RFC 8037, where somebody has put them: none is an access token, and each is
//! refused for what it is. That their signatures are good is shown where signatures are verified.

#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_store::InlineKeys;

use super::*;

fn examples() -> Vec<(String, Value)> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora");
    let folder = std::env::var_os("TOLLGATE_CORPORA").map_or_else(beside, PathBuf::from);
    let Ok(files) = folder.join("jose-cookbook").read_dir() else {
        println!("skipped the cookbook: no corpora, name them in TOLLGATE_CORPORA");
        return Vec::new();
    };
    let files = files.map(|file| file.unwrap().path());
    let json = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    json.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read(path).unwrap();
        (name, serde_json::from_slice(&text).unwrap())
    })
    .collect()
}

#[test]
fn every_example_is_refused_for_what_it_is() {
    let more = json!({
        "any_subject": true,
        "algorithms": ["RS256", "PS384", "ES512", "EdDSA"],
    });
    let snapshot = build(&world(Signer::ed25519().jwk("k1"), more));
    for (name, example) in examples() {
        let output = &example["output"];
        let expected = match name.as_str() {
            // Good signatures of what are no claims.
            "jws_4_1.rsa_v15_signature.json"
            | "jws_4_2.rsa-pss_signature.json"
            | "jws_4_3.ecdsa_signature.json"
            | "curve25519_jws.json" => "token_malformed",
            "jws_4_4.hmac-sha2_integrity_protection.json"
            | "jws_4_5.signature_with_detached_content.json" => "token_algorithm",
            "rfc7797_hmac-sha2_b64_false.json" => "token_critical",
            // Encrypted, or not in the compact form.
            _ => "credential_malformed",
        };
        let texts = [output["compact"].as_str().map(str::to_owned)]
            .into_iter()
            .flatten();
        let forms = ["json", "json_flat"].map(|form| output.get(form).map(Value::to_string));
        for text in texts {
            assert_eq!(verdict(&snapshot, &text), expected, "{name}");
        }
        for text in forms.into_iter().flatten() {
            assert_eq!(verdict(&snapshot, &text), "credential_malformed", "{name}");
        }
    }
}

#[test]
fn a_key_that_signs_is_no_key_of_a_document() {
    for (name, key) in examples() {
        let Some(kind) = name.strip_prefix("jwk_") else {
            continue;
        };
        let set = json!({ "keys": [key] }).to_string();
        let is_public = kind.contains("public");
        assert_eq!(InlineKeys::parse(&set).is_ok(), is_public, "{name}");
    }
}

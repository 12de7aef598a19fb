use rcgen::CertifiedKey;
use serde_json::json;

use super::*;

fn pair() -> CertifiedKey<rcgen::KeyPair> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    rcgen::generate_simple_self_signed(["proxy.test".to_owned()]).unwrap()
}

fn security(tls: serde_json::Value) -> Security {
    let tls: UpstreamTls = serde_json::from_value(tls).unwrap();
    let trust = SystemTrust::nobody();
    Security::reading_by(Some(&tls), None, (&trust, &Vault::default()))
}

#[test]
fn authorities_may_stand_in_the_document() {
    let security = security(json!({"ca": pair().cert.pem()}));

    assert!(security.configs().is_ok());
}

#[test]
fn a_certificate_that_is_no_certificate_is_told_with_its_place() {
    let _ = pair();
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let fault = security(json!({"ca": bad})).configs().unwrap_err();

    assert!(fault.to_string().starts_with("tls.ca: "), "{fault}");
}

#[test]
fn a_file_that_breaks_leaves_what_was_read_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.pem");
    let reference = format!("file:{}", path.display());
    let _ = pair();
    let security = security(json!({"certificate": reference}));
    let missing = security.configs().unwrap_err().to_string();
    assert!(missing.starts_with(&reference), "{missing}");

    let pair = pair();
    let pem = pair.cert.pem() + &pair.signing_key.serialize_pem();
    std::fs::write(&path, pem).unwrap();
    assert!(security.refresh());
    assert!(!security.refresh(), "nothing changed");
    assert!(security.configs().is_ok());

    std::fs::write(&path, "not PEM").unwrap();
    assert!(!security.refresh());
    assert!(security.configs().is_ok());
}

#[test]
fn who_comes_after_takes_over_what_could_last_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, ca] = ["client.pem", "ca.pem"].map(|name| folder.path().join(name));
    let pair = pair();
    let pem = pair.cert.pem() + &pair.signing_key.serialize_pem();
    std::fs::write(&certificate, pem).unwrap();
    let declared = format!("file:{}", certificate.display());
    let (trust, vault) = (SystemTrust::nobody(), Vault::default());
    let made = |tls: serde_json::Value| {
        let tls: UpstreamTls = serde_json::from_value(tls).unwrap();
        Security::reading_by(Some(&tls), None, (&trust, &vault))
    };
    let first = made(json!({"certificate": declared}));
    assert!(first.configs().is_ok());

    std::fs::write(&certificate, "not PEM").unwrap();
    std::fs::write(&ca, pair.cert.pem()).unwrap();
    // With authorities that nobody read before.
    let declared = json!({"certificate": declared, "ca": format!("file:{}", ca.display())});
    let second = made(declared.clone());
    drop(first);
    assert!(second.configs().is_ok());
    let mut findings = Findings::default();
    second.report(&mut findings);
    assert_eq!(findings.faults.len(), 1, "the place is as bad as it was");

    drop(second);
    assert!(made(declared).configs().is_err(), "it is forgotten");
}

#[test]
fn a_key_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.pem");
    let pem = pair().cert.pem() + &pair().signing_key.serialize_pem();
    std::fs::write(&path, pem).unwrap();
    let reference = format!("file:{}", path.display());

    assert!(
        security(json!({"certificate": reference}))
            .configs()
            .is_err()
    );
}

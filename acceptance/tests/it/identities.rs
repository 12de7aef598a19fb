//! Callers without a key, from terraform to the request: who shows a certificate, and who shows nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use tempfile::TempDir;
use tollgate_acceptance::{Browser, Proxy, SampleUpstream, free_port};

use crate::edge::edge;
use crate::stores::{Run, directory};

const IMPORTER: &str = "spiffe://example.com/importer";

/// An authority, and files of what it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = TempDir::with_prefix("tollgate-authority-").unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, file: &str, name: SanType, purpose: ExtendedKeyUsagePurpose) -> PathBuf {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, file);
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = self.file(file);
        std::fs::write(&path, certificate.pem() + &key.serialize_pem()).unwrap();
        path
    }

    fn client(&self, file: &str, id: &str) -> PathBuf {
        let name = SanType::URI(id.try_into().unwrap());
        self.sign(file, name, ExtendedKeyUsagePurpose::ClientAuth)
    }
}

fn declare(run: &Run, resources: &str, proxy: &mut Proxy) {
    run.declare(resources);
    run.terraform.apply(&[]).unwrap();
    proxy.await_poll().unwrap();
    run.terraform.expect_empty_plan(&[]).unwrap();
}

/// What curl is answered that shows a certificate.
fn status(authority: &Authority, certificate: &Path, url: &str) -> String {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--output", "/dev/null"])
        .args(["--max-time", "20"])
        .args(["--write-out", "%{http_code}", "--noproxy", "*", "--cacert"])
        .arg(authority.file("ca.pem"))
        .arg("--cert")
        .arg(certificate)
        .arg(url)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    String::from_utf8(output.stdout).unwrap() + &complaint
}

#[test]
fn a_certificate_is_its_principal_until_an_apply_says_otherwise() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped a_certificate_is_its_principal_until_an_apply_says_otherwise: no curl");
        return;
    }
    let run = directory("certificate");
    let (authority, upstream) = (Authority::new(), SampleUpstream::start().unwrap());
    let host = SanType::DnsName("localhost".try_into().unwrap());
    authority.sign("edge.pem", host, ExtendedKeyUsagePurpose::ServerAuth);
    let importer = authority.client("importer.pem", IMPORTER);
    let other = authority.client("other.pem", "spiffe://example.com/other");
    let port = free_port().unwrap();
    let listen = format!("127.0.0.1:{port}\"");
    let tls = format!(
        r#"{listen}, tls = {{ certificates = ["file:{}"], client_ca = "file:{}" }}"#,
        authority.file("edge.pem").display(),
        authority.file("ca.pem").display()
    );
    let role = r#"
resource "tollgate_role" "it" {
  name   = "reader"
  scopes = [tollgate_scope.it.name]
}
"#;
    let edge = edge(&upstream, &format!("127.0.0.1:{port}")).replacen(&listen, &tls, 1) + role;
    let principal = |id: &str| {
        format!(
            r#"{edge}
resource "tollgate_principal" "it" {{
  name     = "importer"
  roles    = [tollgate_role.it.name]
  subjects = [{{ san_uri = "{id}" }}]
}}
data "tollgate_decision" "it" {{
  proxy       = tollgate_proxy.it.name
  method      = "GET"
  host        = "localhost"
  path        = "/v1/orders/1"
  certificate = {{ san_uri = "{IMPORTER}" }}
  depends_on  = [tollgate_principal.it, tollgate_route.it]
}}
output "code" {{
  value = data.tollgate_decision.it.code
}}
"#
        )
    };
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    declare(&run, &principal(IMPORTER), &mut proxy);
    let url = |path: &str| format!("https://localhost:{port}{path}");

    assert_eq!(status(&authority, &importer, &url("/v1/orders/1")), "200");
    assert_eq!(status(&authority, &importer, &url("/v1/invoices")), "403");
    assert_eq!(status(&authority, &other, &url("/v1/orders/1")), "401");
    assert_eq!(run.terraform.output("code").unwrap(), "allowed");

    declare(&run, &principal("spiffe://example.com/other"), &mut proxy);
    assert_eq!(status(&authority, &importer, &url("/v1/orders/1")), "401");
    assert_eq!(status(&authority, &other, &url("/v1/orders/1")), "200");
    assert_eq!(run.terraform.output("code").unwrap(), "certificate_unknown");

    run.terraform.destroy(&[]).unwrap();
    drop(proxy);
    run.assert_nothing_is_left();
}

#[test]
fn an_open_route_serves_strangers_within_their_quota() {
    let run = directory("anonymous");
    let upstream = SampleUpstream::start().unwrap();
    let listen = format!("127.0.0.1:{}", free_port().unwrap());
    let open = format!(
        r#"{}
resource "tollgate_quota" "it" {{
  name   = "strangers"
  limits = [{{ requests = 2, per = "1h" }}]
  each   = "address"
}}
resource "tollgate_route" "open" {{
  name             = "catalogue"
  proxy            = tollgate_proxy.it.name
  path             = "/v1/catalogue/**"
  upstream         = tollgate_upstream.it.name
  anonymous        = true
  anonymous_quotas = [tollgate_quota.it.name]
}}
"#,
        edge(&upstream, &listen)
    );
    let mut proxy = Proxy::start(&run.binaries, &run.place, &run.namespace).unwrap();
    declare(&run, &open, &mut proxy);
    let status = |path: &str| {
        let url = format!("http://{listen}{path}");
        Browser::new().fetch(&url, None).unwrap().status
    };

    assert_eq!(status("/v1/orders/1"), 401);
    assert_eq!(status("/v1/catalogue/1"), 200);
    assert_eq!(status("/v1/catalogue/2"), 200);
    assert_eq!(status("/v1/catalogue/3"), 429);

    let closed = open
        .replace("  anonymous        = true\n", "")
        .replace("  anonymous_quotas = [tollgate_quota.it.name]\n", "");
    declare(&run, &closed, &mut proxy);
    assert_eq!(status("/v1/catalogue/1"), 401);

    run.terraform.destroy(&[]).unwrap();
}

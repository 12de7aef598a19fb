//! What Terraform tells the plugin through the environment, and the one line that the plugin answers.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::socket::Placement;

const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
const CORE_PROTOCOL: u32 = 1;
const PROVIDER_PROTOCOL: u32 = 6;
/// Without a host, so that Terraform and OpenTofu each complete it with their own.
const PROVIDER_ADDRESS: &str = "tollgate/tollgate";

/// Why the process can't be a plugin of whoever started it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error(
        "this is a Terraform provider: Terraform starts it, it is not run by hand.\n\
         To use it, declare it in a configuration and run `terraform init`; to attach a debugger, start it with --debug."
    )]
    NotTerraform,
    #[error(
        "Terraform speaks the provider protocols {offered:?}, this provider only {PROVIDER_PROTOCOL}: use Terraform 1.0 or newer"
    )]
    Protocol { offered: String },
    #[error(
        "Terraform sent no certificate (PLUGIN_CLIENT_CERT), and this provider never serves without mutual TLS: \
         unset TF_DISABLE_PLUGIN_TLS, or start the provider with --debug"
    )]
    NoCertificate,
    #[error("Terraform's certificate (PLUGIN_CLIENT_CERT) is no PEM certificate")]
    BadCertificate,
}

/// What Terraform told the plugin.
#[derive(Debug)]
pub(crate) struct Handshake {
    client_certificate: CertificateDer<'static>,
    placement: Placement,
}

impl Handshake {
    /// Reads the environment, given as a function from a variable's name to its value.
    pub(crate) fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, HandshakeError> {
        if variable(COOKIE_NAME).as_deref() != Some(COOKIE) {
            return Err(HandshakeError::NotTerraform);
        }
        let offered = variable("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
        if !offered
            .split(',')
            .any(|version| version.trim().parse() == Ok(PROVIDER_PROTOCOL))
        {
            return Err(HandshakeError::Protocol { offered });
        }
        let pem = variable("PLUGIN_CLIENT_CERT")
            .filter(|pem| !pem.is_empty())
            .ok_or(HandshakeError::NoCertificate)?;
        let client_certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| HandshakeError::BadCertificate)?;
        let folder = variable("PLUGIN_UNIX_SOCKET_DIR").filter(|folder| !folder.is_empty());
        let group = variable("PLUGIN_UNIX_SOCKET_GROUP").filter(|group| !group.is_empty());
        Ok(Self {
            client_certificate,
            placement: Placement {
                folder: folder.map(PathBuf::from),
                group,
            },
        })
    }

    /// The one certificate that may connect.
    pub(crate) fn client_certificate(&self) -> CertificateDer<'static> {
        self.client_certificate.clone()
    }

    /// Where Terraform wants the socket.
    pub(crate) fn socket_placement(&self) -> Placement {
        self.placement.clone()
    }

    /// The line that Terraform waits for: the protocols, the socket, and the plugin's certificate, which it then pins.
    #[allow(
        clippy::unused_self,
        reason = "only who read a handshake may answer it"
    )]
    pub(crate) fn answer(&self, socket: &Path, certificate: &CertificateDer<'_>) -> String {
        let socket = socket.display();
        let certificate = STANDARD_NO_PAD.encode(certificate);
        format!("{CORE_PROTOCOL}|{PROVIDER_PROTOCOL}|unix|{socket}|grpc|{certificate}")
    }
}

/// The line to run in a shell so that Terraform attaches to this process.
pub(crate) fn reattach(socket: &Path) -> String {
    let reattach = serde_json::json!({
        PROVIDER_ADDRESS: {
            "Protocol": "grpc",
            "ProtocolVersion": PROVIDER_PROTOCOL,
            "Pid": std::process::id(),
            "Test": true,
            "Addr": { "Network": "unix", "String": socket },
        }
    });
    format!("TF_REATTACH_PROVIDERS='{reattach}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> rcgen::CertifiedKey<rcgen::KeyPair> {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn environment(changes: &[(&'static str, Option<&str>)]) -> impl Fn(&str) -> Option<String> {
        let mut variables = std::collections::HashMap::from([
            (COOKIE_NAME, Some(COOKIE.to_owned())),
            ("PLUGIN_PROTOCOL_VERSIONS", Some("5,6".to_owned())),
            ("PLUGIN_CLIENT_CERT", Some(certificate().cert.pem())),
        ]);
        variables.extend(
            changes
                .iter()
                .map(|(name, value)| (*name, value.map(str::to_owned))),
        );
        move |name| variables.get(name).cloned().flatten()
    }

    #[test]
    fn a_person_who_runs_the_binary_is_told_what_it_is() {
        for cookie in [None, Some("other")] {
            let refused =
                Handshake::from_environment(environment(&[(COOKIE_NAME, cookie)])).unwrap_err();

            assert_eq!(refused, HandshakeError::NotTerraform);
            assert!(
                refused
                    .to_string()
                    .starts_with("this is a Terraform provider")
            );
        }
    }

    #[test]
    fn the_protocols_may_come_in_any_order() {
        for offered in ["5,6", "6,5", "6"] {
            assert!(
                Handshake::from_environment(environment(&[(
                    "PLUGIN_PROTOCOL_VERSIONS",
                    Some(offered)
                )]))
                .is_ok()
            );
        }
        let refused =
            Handshake::from_environment(environment(&[("PLUGIN_PROTOCOL_VERSIONS", Some("4,5"))]));
        assert!(matches!(refused, Err(HandshakeError::Protocol { .. })));
    }

    #[test]
    fn without_the_clients_certificate_nothing_is_served() {
        let without = environment(&[
            ("PLUGIN_CLIENT_CERT", None),
            ("TF_DISABLE_PLUGIN_TLS", Some("1")),
        ]);
        assert_eq!(
            Handshake::from_environment(without).unwrap_err(),
            HandshakeError::NoCertificate
        );

        let bad = environment(&[("PLUGIN_CLIENT_CERT", Some("-----BEGIN"))]);
        assert_eq!(
            Handshake::from_environment(bad).unwrap_err(),
            HandshakeError::BadCertificate
        );
    }

    #[test]
    fn the_answer_is_six_fields_with_an_unpadded_certificate() {
        let handshake = Handshake::from_environment(environment(&[])).unwrap();

        let answer = handshake.answer(
            Path::new("/tmp/x/provider.sock"),
            &CertificateDer::from(vec![0xff; 4]),
        );

        assert_eq!(answer, "1|6|unix|/tmp/x/provider.sock|grpc|/////w");
    }
}

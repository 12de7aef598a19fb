//! Where a proxy listens, and how its clients are spoken to there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::check::{check_count, check_set};
use crate::{ListenAddress, ListenPlace, MaterialReference, Problem, ProxySender};

/// The most senders of one address by the PROXY protocol.
pub const PROXY_PROTOCOL_MAX: usize = 64;
/// The most certificates of one address.
pub const CERTIFICATES_MAX: usize = 16;

/// One address where clients connect, by HTTP/1.1 and HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The address and port, or the Unix socket.
    pub address: ListenAddress,
    /// The senders whose connections begin with a header of the PROXY protocol, which tells the client's address; there
    /// are no others then. Connections are clients' own where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<BTreeSet<ProxySender>>,
    /// TLS; in the clear where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenTls>,
}

/// How a proxy proves who it is to clients, and they to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenTls {
    /// 1 to 16 places, each with the PEM of a certificate, what it is signed by, and its key. A client gets the one
    /// whose names fit the name that it asks for (SNI, RFC 6066), and otherwise the first.
    pub certificates: Vec<MaterialReference>,
    /// The authorities that a client's certificate must be signed by; clients are asked for none where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<MaterialReference>,
    /// Whether clients must have a certificate: [`ClientCertificates::Required`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<ClientCertificates>,
    /// Lists of revoked certificates (RFC 5280): one of each authority in `client_ca` that signs clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_crl: Option<MaterialReference>,
    /// The oldest version that is spoken: [`TlsVersion::Tls12`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_version: Option<TlsVersion>,
}

/// Whether clients must have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// Without one there is no connection.
    #[default]
    Required,
    /// One that is shown must be good.
    Optional,
}

/// A version of TLS.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Checks what concerns several listeners, and several fields of one.
pub(super) fn check(listens: &[Listen]) -> Result<(), Problem> {
    for (index, listen) in listens.iter().enumerate() {
        let mut earlier = listens.iter().take(index);
        if earlier.any(|other| other.address.place() == listen.address.place()) {
            let message = format!(
                "{} is already listened on: remove one of the two",
                listen.address
            );
            return Err(Problem::field("address", message).within("listen", index));
        }
        check_senders(listen).map_err(|problem| problem.within("listen", index))?;
        if let Some(tls) = &listen.tls {
            check_tls(tls).map_err(|problem| problem.under("tls").within("listen", index))?;
        }
    }
    Ok(())
}

fn check_senders(listen: &Listen) -> Result<(), Problem> {
    let senders = listen.proxy_protocol.as_ref();
    check_set("proxy_protocol", senders, PROXY_PROTOCOL_MAX)?;
    let is_unix = matches!(listen.address.place(), ListenPlace::Unix(_));
    let is_other = |sender: &&ProxySender| sender.is_unix() != is_unix;
    let Some(other) = senders.into_iter().flatten().find(is_other) else {
        return Ok(());
    };
    let message = if is_unix {
        format!(
            "{:?} can't send to a Unix socket: write \"unix\"",
            other.as_str()
        )
    } else {
        format!(
            "{:?} is for Unix sockets: write the networks of the load balancers",
            other.as_str()
        )
    };
    Err(Problem::field("proxy_protocol", message))
}

fn check_tls(tls: &ListenTls) -> Result<(), Problem> {
    let certificates = &tls.certificates;
    check_count("certificates", Some(certificates.len()), CERTIFICATES_MAX)?;
    for (index, certificate) in certificates.iter().enumerate() {
        if certificates
            .iter()
            .take(index)
            .any(|other| other == certificate)
        {
            let message = format!(
                "{:?} is named twice: remove one of the two",
                certificate.as_str()
            );
            return Err(Problem::field("certificates", message));
        }
    }
    let without_authorities =
        "it is for client certificates: name their authorities in client_ca, or leave it out";
    for (field, is_given) in [
        ("client_certificates", tls.client_certificates.is_some()),
        ("client_crl", tls.client_crl.is_some()),
    ] {
        if is_given && tls.client_ca.is_none() {
            return Err(Problem::field(field, without_authorities));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problem(tls: Value) -> String {
        let listen = json!([{"address": "0.0.0.0:443", "tls": tls}]);
        let listens: Vec<Listen> = serde_json::from_value(listen).unwrap();
        check(&listens).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let text = r#"{"address":"0.0.0.0:443","tls":{"certificates":["file:/a.pem"],"min_version":"1.3"}}"#;
        let listen: Listen = serde_json::from_str(text).unwrap();

        assert!(check(std::slice::from_ref(&listen)).is_ok());
        assert_eq!(serde_json::to_string(&listen).unwrap(), text);
    }

    #[test]
    fn who_sends_the_proxy_protocol_fits_the_address() {
        for (address, sender, is_good) in [
            ("0.0.0.0:80", "10.0.0.0/8", true),
            ("unix:/run/a.sock", "unix", true),
            ("0.0.0.0:80", "unix", false),
            ("unix:/run/a.sock", "10.0.0.0/8", false),
        ] {
            let listen = json!({"address": address, "proxy_protocol": [sender]});
            let listen: Listen = serde_json::from_value(listen).unwrap();
            assert_eq!(check(&[listen]).is_ok(), is_good, "{address} {sender}");
        }
    }

    #[test]
    fn rules_for_client_certificates_need_their_authorities() {
        for field in ["client_certificates", "client_crl"] {
            let value = if field == "client_crl" {
                "file:/crl.pem"
            } else {
                "optional"
            };
            let problem = problem(json!({"certificates": ["file:/a.pem"], field: value}));
            assert!(
                problem.contains(field) && problem.contains("client_ca"),
                "{problem}"
            );
        }
    }

    #[test]
    fn certificates_are_1_to_16_and_none_twice() {
        assert!(problem(json!({"certificates": []})).contains("must not be empty"));
        let twice = json!({"certificates": ["file:/a.pem", "file:/a.pem"]});
        assert!(problem(twice).contains("\"file:/a.pem\" is named twice"));
    }
}

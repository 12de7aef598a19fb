//! `tollgate-proxy explain`: what a proxy would do with a request, and everything that decides it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tollgate_conditions::{Cedar, is_credential};
use tollgate_gate::{
    Caller, ClientCertificate, ConditionFinding, Documents, Explanation, Finding, GivenAnswer,
    GivenKeys, IssuerRule, JsonWebKeys, Question, Snapshot, credential,
};
use tollgate_store::{KeyId, Name, Secret, Timestamp};
use zeroize::Zeroizing;

use super::{in_one_thread, serve, store};
use crate::clock::Clock;
use crate::config::Config;
use crate::failure::Failure;
use crate::tls::{Keeper, Vault, client_certificate};
use crate::{issuers, tls};

/// The most that is read of standard input: no credential is longer.
const TOKEN_BYTES_MAX: u64 = 8 * 1024;
/// The most that a file with keys may hold.
const JWKS_BYTES_MAX: u64 = 1024 * 1024;
/// The most that is read of a certificate's file.
const CERTIFICATE_BYTES_MAX: u64 = 64 * 1024;

/// What `explain` is told, as it is written.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The method, like GET.
    method: String,
    /// The whole address, like <https://api.example.com/v1/orders/7>.
    url: String,
    #[command(flatten)]
    store: store::StoreArguments,
    #[command(flatten)]
    caller: CallerArguments,
    /// The public keys of the token's issuer (RFC 7517), in place of those that it publishes.
    #[arg(long, value_name = "FILE", requires = "token_stdin")]
    jwks: Option<PathBuf>,
    /// Ask the token's issuer about it (RFC 7662) where a proxy would, with the secret that a proxy has.
    #[arg(long, requires = "token_stdin")]
    introspect: bool,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    address: IpAddr,
    /// A header that the request would have, which conditions may look at. May be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = read_header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// When it would be asked, in RFC 3339, like 2027-01-01T00:00:00Z [default: now].
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How many such requests at that moment, 1 to 10000: the last is decided.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    requests: u32,
    /// Tell it as JSON.
    #[arg(long)]
    json: bool,
}

/// Who would ask; nobody in particular where nothing is given.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct CallerArguments {
    /// Whoever bears a token of the key with that id.
    #[arg(long, value_name = "ID", value_parser = KeyId::parse)]
    key_id: Option<KeyId>,
    /// Whoever bears a token of the key of that name; of a key of a set, SET/NAME.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Whoever bears a token of a key of that principal.
    #[arg(long, value_name = "NAME")]
    principal: Option<Name>,
    /// Whoever bears the token on standard input. It is not repeated anywhere.
    #[arg(long)]
    token_stdin: bool,
    /// Whoever shows the certificate in that PEM file, which is taken to be a good one, and bears no token.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

/// What an issuer's places hold, as a proxy would read it.
async fn vault(config: &Config, rule: &IssuerRule) -> Vault {
    let mut keeper = Keeper::new(&config.store);
    keeper.fetch_all(rule.issuer.places()).await;
    keeper.vault().clone()
}

/// What the token's issuer says of it, where it must be asked.
fn answer(
    snapshot: &Snapshot,
    config: &Config,
    (token, at): (Option<&Secret>, jiff::Timestamp),
) -> Result<Option<GivenAnswer>, Failure> {
    let rule = token.and_then(|token| Some((snapshot.issuer_to_ask(token, at)?, token)));
    let Some((rule, token)) = rule else {
        return Ok(None);
    };
    let asked = async {
        let vault = vault(config, rule).await;
        issuers::answer_of(rule, token, &vault).await
    };
    let answer = in_one_thread(asked)?.map_err(|why| {
        let issuer = rule.name.as_str();
        Failure::Configuration(format!(
            "issuer {issuer:?} can't be asked about the token: {why}"
        ))
    })?;
    Ok(Some(GivenAnswer(Arc::new(answer))))
}

/// The keys that verify the token, where it is an issuer's.
fn keys(
    snapshot: &Snapshot,
    config: &Config,
    (token, file): (Option<&Secret>, Option<&Path>),
) -> Result<Option<GivenKeys>, Failure> {
    let unfit = |problem: String| Failure::Configuration(problem);
    if let Some(file) = file {
        let text = tls::read_file(file, JWKS_BYTES_MAX);
        let text = text.map_err(|error| unfit(format!("{}: {error}", file.display())))?;
        let keys = JsonWebKeys::parse(&text);
        let keys = keys.map_err(|why| unfit(format!("{} is of no use: {why}", file.display())))?;
        return Ok(Some(GivenKeys(Arc::new(keys))));
    }
    let rule = token.and_then(|token| snapshot.issuer_named_by(token.expose()));
    let Some(rule) = rule.filter(|rule| rule.is_remote()) else {
        return Ok(None);
    };
    let fetched = async {
        let vault = vault(config, rule).await;
        issuers::keys_of(rule, &vault).await
    };
    let fetched = in_one_thread(fetched)?;
    let keys = fetched.map_err(|why| {
        unfit(format!(
            "the keys of issuer {:?} can't be fetched: {why}; give them with --jwks",
            rule.name.as_str()
        ))
    })?;
    Ok(Some(GivenKeys(Arc::new(keys))))
}

/// Decides and tells; whether the request would be sent on.
pub(super) fn run(arguments: Arguments) -> Result<bool, Failure> {
    let (host, path) = addressed(&arguments.url)?;
    let token = arguments.caller.token_stdin.then(read_token).transpose()?;
    let certificate = arguments.caller.certificate.as_deref();
    let certificate = certificate.map(read_certificate).transpose()?;
    let config = Config::try_from(serve::Arguments::from(arguments.store))?;
    let entries = in_one_thread(store::load(&config))??;
    let (snapshot, rejected) = Snapshot::build(&entries, &config.proxy, &Cedar);
    let at = arguments.at.as_ref();
    let at = at.map_or_else(|| Clock::start().now().wall, Timestamp::at);
    let file = arguments.jwks.as_deref();
    let keys = keys(&snapshot, &config, (token.as_ref(), file))?;
    let asked = token.as_ref().filter(|_| arguments.introspect);
    let answer = answer(&snapshot, &config, (asked, at))?;
    let caller = match (&token, &keys, &answer) {
        (Some(token), _, Some(answer)) => Caller::AnsweredToken(token, answer),
        (Some(token), Some(keys), None) => Caller::SignedToken(token, keys),
        _ => arguments
            .caller
            .caller(token.as_ref(), certificate.as_ref()),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &arguments.headers {
        headers.append(name, value.clone());
    }
    let question = Question {
        method: &arguments.method,
        host,
        path,
        caller,
        address: arguments.address,
        headers: Some(&headers),
        at,
        requests: arguments.requests,
    };
    let documents = Documents {
        entries: &entries,
        proxy: &config.proxy,
        rejected: &rejected,
    };
    let explanation = snapshot.explain(&question, &documents);
    let text = if arguments.json {
        format!("{:#}\n", as_json(&explanation))
    } else {
        as_tree(&explanation)
    };
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(explanation.decision.allowed)
}

impl CallerArguments {
    fn caller<'a>(
        &'a self,
        token: Option<&'a Secret>,
        certificate: Option<&'a ClientCertificate>,
    ) -> Caller<'a> {
        let token = token.map(Caller::Token);
        let id = self.key_id.map(Caller::KeyId);
        let name = self.key.as_deref().map(Caller::KeyName);
        let principal = self.principal.as_ref().map(Caller::Principal);
        let certificate = certificate.map(Caller::Certificate);
        let caller = token.or(id).or(name).or(principal).or(certificate);
        caller.unwrap_or(Caller::Nobody)
    }
}

/// The host, and the path with its query, as they would stand in the request: nothing of them is made canonical here.
fn addressed(url: &str) -> Result<(&str, &str), Failure> {
    let wrong = |problem: &str| Err(Failure::Configuration(problem.to_owned()));
    if credential::is_in(url.as_bytes()) {
        return wrong(
            "the URL holds a token, which a proxy refuses (credential_in_query): give it with --token-stdin",
        );
    }
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return wrong("the URL must be a whole one, like \"https://api.example.com/v1/orders\"");
    };
    let rest = rest.split('#').next().unwrap_or_default();
    match rest.find(['/', '?']) {
        Some(end) if rest.get(end..).is_some_and(|path| path.starts_with('/')) => {
            Ok(rest.split_at(end))
        }
        Some(_) => wrong("the URL has a query but no path: write \"/?\" in place of \"?\""),
        None => Ok((rest, "/")),
    }
}

/// A header as it stands in a request. One that a credential stands in has no place on a command line.
fn read_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "it must be like \"x-environment: test\"".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|_| wrong())?;
    if is_credential(&name) {
        return Err(format!(
            "{name} is a credential, which no condition sees: leave it out"
        ));
    }
    Ok((name, value))
}

fn read_token() -> Result<Secret, Failure> {
    let mut text = Zeroizing::new(String::new());
    let mut input = std::io::stdin().take(TOKEN_BYTES_MAX + 1);
    let read = input.read_to_string(&mut text);
    let length =
        read.map_err(|_| Failure::Configuration("standard input is no text".to_owned()))?;
    if u64::try_from(length).unwrap_or(u64::MAX) > TOKEN_BYTES_MAX {
        return Err(Failure::Configuration(format!(
            "standard input has more than {TOKEN_BYTES_MAX} bytes, and no token has"
        )));
    }
    match text.trim() {
        "" => Err(Failure::Configuration(
            "standard input is empty: --token-stdin reads the token from there".to_owned(),
        )),
        token => Ok(Secret::new(token.to_owned())),
    }
}

/// The first certificate of a PEM file.
fn read_certificate(file: &Path) -> Result<ClientCertificate, Failure> {
    let wrong = |why: &str| Failure::Configuration(format!("{} {why}", file.display()));
    let opened = File::open(file).map_err(|error| wrong(&format!("can't be read: {error}")))?;
    let mut pem = Vec::new();
    let read = opened
        .take(CERTIFICATE_BYTES_MAX)
        .read_to_end(&mut pem)
        .map_err(|error| wrong(&format!("can't be read: {error}")));
    read?;
    let certificate = CertificateDer::from_pem_slice(&pem)
        .map_err(|_| wrong("holds no certificate: it must begin with one, as PEM"))?;
    client_certificate::read(&certificate).ok_or_else(|| {
        wrong("holds a certificate that a proxy refuses: it can't be read in one way only")
    })
}

fn as_tree(explanation: &Explanation) -> String {
    let decision = &explanation.decision;
    let mut text = if decision.allowed {
        format!("allowed: {}\n", decision.reason)
    } else {
        format!("refused ({}): {}\n", decision.code, decision.reason)
    };
    draw(&explanation.findings, "", &mut text);
    text
}

fn draw(findings: &[Finding], indent: &str, text: &mut String) {
    let last = findings.len().saturating_sub(1);
    for (number, finding) in findings.iter().enumerate() {
        let (branch, below) = if number == last {
            ("└─", "   ")
        } else {
            ("├─", "│  ")
        };
        let mark = match finding.fits {
            Some(true) => "ok ",
            Some(false) => "no ",
            None => "",
        };
        text.extend([indent, branch, " ", mark, &finding.says, "\n"]);
        draw(&finding.findings, &format!("{indent}{below}"), text);
    }
}

fn as_json(explanation: &Explanation) -> Value {
    let decision = &explanation.decision;
    json!({
        "allowed": decision.allowed,
        "code": decision.code,
        "reason": decision.reason,
        "key": decision.key,
        "issuer": decision.issuer,
        "subject": decision.subject,
        "principal": decision.principal,
        "scope": decision.scope,
        "conditions": conditions(&decision.conditions),
        "route": decision.route,
        "upstream": decision.upstream,
        "quotas": decision.quotas,
        "quota": decision.quota,
        "retry_after_seconds": decision.retry_after_seconds,
        "findings": findings(&explanation.findings),
    })
}

fn conditions(of: &[ConditionFinding]) -> Vec<Value> {
    let told = of.iter().map(|finding| {
        json!({
            "role": finding.role,
            "condition": finding.condition,
            "met": finding.is_met,
            "because": finding.because,
        })
    });
    told.collect()
}

fn findings(of: &[Finding]) -> Vec<Value> {
    let told = of.iter().map(|finding| {
        json!({
            "says": finding.says,
            "fits": finding.fits,
            "findings": findings(&finding.findings),
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_left_as_it_is() {
        for (url, host, path) in [
            ("https://a.test", "a.test", "/"),
            ("http://a.test:80/v1/%2E?x=1#y", "a.test:80", "/v1/%2E?x=1"),
        ] {
            assert_eq!(addressed(url), Ok((host, path)));
        }
        for url in ["a.test/v1", "/v1", "https://a.test?x=1"] {
            assert!(addressed(url).is_err(), "{url}");
        }
    }
}

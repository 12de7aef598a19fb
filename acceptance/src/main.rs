//! `make demo`: from `terraform apply` to an enforced request, on this machine, with nothing else.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use tempfile::TempDir;
use tollgate_acceptance::tour::{Stage, Step};
use tollgate_acceptance::{Binaries, Failure, Place};
use tollgate_store::{Namespace, Secret};

const NAMESPACE: &str = "demo";

fn main() -> ExitCode {
    let mut transcript = Transcript::new();
    match show(&mut transcript) {
        Ok(()) if transcript.unexpected == 0 => ExitCode::SUCCESS,
        Ok(()) => {
            print(&format!(
                "{} of the answers were not as expected.",
                transcript.unexpected
            ));
            ExitCode::FAILURE
        }
        Err(failure) => {
            print(&format!("\nThe demo failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn show(transcript: &mut Transcript) -> Result<(), Failure> {
    let folder = TempDir::with_prefix("tollgate-demo-").map_err(|source| Failure::System {
        action: "no temporary folder",
        source,
    })?;
    let place = Place::Directory(folder.path().join("store"));
    let namespace = Namespace::parse(NAMESPACE).map_err(|problem| Failure::Unexpected {
        what: NAMESPACE.to_owned(),
        expected: "a namespace".to_owned(),
        got: problem,
    })?;
    let mut stage = Stage::set(&Binaries::find()?, &place, &namespace)?;
    print("\nTollgate: API access as code\n");
    print(&format!(
        "  upstream  {}   a sample orders API",
        stage.upstream_url()
    ));
    print(&format!("  proxy     {}   nothing to serve yet", stage.url));
    print(&format!(
        "  store     {}\n",
        folder.path().join("store").display()
    ));

    print("$ terraform apply   (examples/quickstart)");
    stage.apply(false)?;
    print("  a proxy, an upstream, a route, a scope, a quota and a key; the proxy serves them\n");
    let token_place = stage.terraform.output("token_place")?;
    let token = place.token(&token_place)?;
    stage.with_a_good_key(&token, |step| transcript.step(step))?;

    print("\n$ terraform apply -var revoked=true");
    stage.apply(true)?;
    transcript.step(&stage.with_a_revoked_key(&token)?);
    print("");
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        stage.apply(false)?;
        stay(&stage, &token_place, &token)?;
    }
    Ok(())
}

/// Goes on serving until Ctrl-C, which ends the proxy and this program with it.
fn stay(stage: &Stage, token_place: &str, token: &Secret) -> Result<(), Failure> {
    let failed = |source| Failure::System {
        action: "waiting for Ctrl-C",
        source,
    };
    let url = &stage.url;
    let quoted = quote(Path::new(token_place));
    print("The key is good again. Try it yourself, until Ctrl-C:\n");
    print(&format!("  curl -i {url}/v1/orders"));
    print(&format!(
        "  curl -i {url}/v1/orders -H \"Authorization: Bearer $(cat {quoted})\""
    ));
    print(&format!(
        "  curl -i {url}/v1/invoices -H \"Authorization: Bearer $(cat {quoted})\"\n"
    ));
    debug_assert!(
        !quoted.contains(token.expose()),
        "the token's place must not tell the token"
    );
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()))
        .map_err(failed)
}

fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    // A closed output is nobody's loss: the exit status tells the same.
    drop(writeln!(output, "{text}").and_then(|()| output.flush()));
}

fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// The steps as they are printed, and how many were not as expected.
struct Transcript {
    colours: bool,
    unexpected: usize,
}

impl Transcript {
    fn new() -> Self {
        Self {
            colours: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            unexpected: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        let is_as_expected = step.is_as_expected();
        let mark = if is_as_expected { "ok " } else { "BAD" };
        let (before, after) = match (self.colours, is_as_expected) {
            (false, _) => ("", ""),
            (true, true) => ("\x1b[32m", "\x1b[0m"),
            (true, false) => ("\x1b[31m", "\x1b[0m"),
        };
        let retry = step
            .answer
            .header("retry-after")
            .map(|seconds| format!("   Retry-After: {seconds}"));
        let expected = (!is_as_expected).then(|| format!("   expected {}", step.expected));
        print(&format!(
            "  {before}{mark}{after} {:22} GET {:14} {}{}{}",
            step.title,
            step.path,
            step.answer,
            retry.unwrap_or_default(),
            expected.unwrap_or_default(),
        ));
        self.unexpected += usize::from(!is_as_expected);
    }
}

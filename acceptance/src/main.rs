//! `make demo`: from `terraform apply` to an enforced request, on this machine, with nothing else.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use tempfile::TempDir;
use tollgate_acceptance::tour::{Stage, Step};
use tollgate_acceptance::{Binaries, Failure, Place, interrupt};
use tollgate_store::Namespace;

const NAMESPACE: &str = "demo";
/// As shells report a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

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
        Err(Failure::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(failure) => {
            print(&format!("\nThe demo failed: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn show(transcript: &mut Transcript) -> Result<(), Failure> {
    interrupt::watch()?;
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
        stay(&mut stage)?;
    }
    Ok(())
}

/// Goes on serving, with a key whose quota is untouched, until Ctrl-C.
fn stay(stage: &mut Stage) -> Result<(), Failure> {
    print("$ terraform apply -var client=visitor");
    stage.serve_client("visitor");
    stage.apply(false)?;
    let url = &stage.url;
    let token = quote(&stage.terraform.output("token_place")?);
    print("  a key of your own: try it, until Ctrl-C\n");
    print(&format!("  curl -i {url}/v1/orders"));
    for path in ["/v1/orders", "/v1/invoices"] {
        print(&format!(
            "  curl -i {url}{path} -H \"Authorization: Bearer $(cat {token})\""
        ));
    }
    print("");
    while interrupt::check().is_ok() {
        std::thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}

fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    // A closed output is nobody's loss: the exit status tells the same.
    drop(writeln!(output, "{text}").and_then(|()| output.flush()));
}

/// A path as one word of a shell.
fn quote(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''"))
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

//! How long a provider takes from its start to the line by which terraform finds it, and what it holds then.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P521_SHA512};
use tempfile::TempDir;
use tollgate_acceptance::{Failure, clock, interrupt, resident_bytes};

use crate::measure::{median, print};
use crate::numbers::{megabytes, milliseconds};

/// How often each provider is started.
pub(crate) const STARTS: usize = 30;
const START_MAX: Duration = Duration::from_secs(10);
/// By which a provider knows that terraform has started it.
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// How a provider starts: medians.
pub(crate) struct Start {
    /// From its start to its line.
    pub(crate) line: Duration,
    /// The memory that it holds then; `None` where the system does not tell.
    pub(crate) resident_bytes: Option<u64>,
    /// The program's size.
    pub(crate) program_bytes: u64,
}

/// Starts a provider again and again, as terraform does.
pub(crate) fn measure(provider: &Path) -> Result<Start, Failure> {
    let certificate = certificate()?;
    let sockets = TempDir::with_prefix("tollgate-sockets-")
        .map_err(Failure::system("no temporary folder"))?;
    // The first reads the program from the disk.
    start(provider, &certificate, sockets.path())?;
    let mut lines = Vec::new();
    let mut sizes = Vec::new();
    for _ in 0..STARTS {
        interrupt::check()?;
        let (line, size) = start(provider, &certificate, sockets.path())?;
        lines.push(line);
        sizes.extend(size);
    }
    let program = provider.metadata().map_err(Failure::file(provider))?;
    let measured = Start {
        line: median(lines, |line| *line).unwrap_or_default(),
        resident_bytes: median(sizes, |size| *size),
        program_bytes: program.len(),
    };
    print(&format!(
        "{}: {} ms to the handshake, {} MB",
        provider
            .file_name()
            .unwrap_or(provider.as_os_str())
            .display(),
        milliseconds(measured.line),
        measured
            .resident_bytes
            .map_or_else(|| "?".to_owned(), megabytes),
    ));
    Ok(measured)
}

fn start(
    provider: &Path,
    certificate: &str,
    sockets: &Path,
) -> Result<(Duration, Option<u64>), Failure> {
    let mut command = Command::new(provider);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", sockets)
        .env("TMPDIR", sockets)
        .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
        .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
        .env("PLUGIN_MIN_PORT", "10000")
        .env("PLUGIN_MAX_PORT", "25000")
        .env("PLUGIN_CLIENT_CERT", certificate)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let begin = clock::now();
    let mut running = Running(command.spawn().map_err(Failure::file(provider))?);
    let Some(output) = running.0.stdout.take() else {
        return Err(unexpected(provider, "no output"));
    };
    let Ok((line, at)) = first_line(output).recv_timeout(START_MAX) else {
        return Err(Failure::TooLate {
            what: format!("the handshake of {}", provider.display()),
            seconds: START_MAX.as_secs(),
            output: String::new(),
        });
    };
    if !line.starts_with("1|") {
        return Err(unexpected(provider, &format!("{line:?}")));
    }
    let size = resident_bytes(running.0.id());
    Ok((at.saturating_duration_since(begin), size))
}

/// The first line, and when it came; read on a thread, since a pipe can't be read for a limited time.
fn first_line(output: impl Read + Send + 'static) -> mpsc::Receiver<(String, Instant)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // A failure reads like an empty line: that is no handshake either.
        drop(BufReader::new(output).read_line(&mut line));
        // Nobody waits any more where it came too late.
        drop(sender.send((line, clock::now())));
    });
    receiver
}

/// As terraform makes one for each start of a provider.
fn certificate() -> Result<String, Failure> {
    let failed = |error: rcgen::Error| Failure::Unexpected {
        what: "a client certificate".to_owned(),
        expected: "one for localhost".to_owned(),
        got: error.to_string(),
    };
    let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).map_err(failed)?;
    let parameters = CertificateParams::new(vec!["localhost".to_owned()]).map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    Ok(certificate.pem())
}

fn unexpected(provider: &Path, got: &str) -> Failure {
    Failure::Unexpected {
        what: provider.display().to_string(),
        expected: "the handshake of a provider".to_owned(),
        got: got.to_owned(),
    }
}

/// Ends with this handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

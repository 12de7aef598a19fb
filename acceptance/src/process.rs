//! A program that runs beside the test, and ends with it.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Failure, interrupt};

const OUTPUT_SECONDS_MAX: u64 = 20;
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// A running program. Dropping it kills it, and prints what it said if the test is failing.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program, with its output kept.
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Failure::file(&name))?;
        let output = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|stream| keep(stream, &output)));
        readers.extend(child.stderr.take().map(|stream| keep(stream, &output)));
        Ok(Self {
            name,
            child,
            output,
            readers,
        })
    }

    /// Everything that it has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Its number, for signals.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, like `TERM`.
    pub fn signal(&self, name: &str) -> Result<(), Failure> {
        let command = format!("kill -{name} {}", self.id());
        let status = Command::new("sh")
            .args(["-c", &command])
            .status()
            .map_err(Failure::file("sh"))?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::Command {
            command,
            outcome: status.to_string(),
            output: String::new(),
        })
    }

    /// Asks it to end with SIGINT and waits for that, also after this process itself was told to end.
    pub fn end(&mut self, seconds_max: u64) {
        if !self.is_running() || self.signal("INT").is_err() {
            return;
        }
        for _ in 0..checks(seconds_max) {
            if !self.is_running() {
                return;
            }
            std::thread::sleep(CHECK_INTERVAL);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends.
    pub fn wait(&mut self, seconds_max: u64) -> Result<ExitStatus, Failure> {
        self.watch(seconds_max, || ())
    }

    /// Waits until it ends, and looks at something every 20 ms until then.
    pub fn watch(
        &mut self,
        seconds_max: u64,
        mut look: impl FnMut(),
    ) -> Result<ExitStatus, Failure> {
        let mut ended = None;
        let name = self.name.clone();
        let child = &mut self.child;
        let waited = until(&format!("the end of {name}"), seconds_max, || {
            look();
            ended = child.try_wait().ok().flatten();
            Ok(ended.is_some())
        });
        for reader in self.readers.drain(..) {
            // Ends with the program's output; a panic of it would have lost nothing but lines.
            if ended.is_some() {
                drop(reader.join());
            }
        }
        waited.map_err(|failure| self.explain(failure))?;
        ended.ok_or_else(|| Failure::TooLate {
            what: format!("the end of {}", self.name),
            seconds: seconds_max,
            output: self.output(),
        })
    }

    /// Waits until it has printed `text`.
    pub fn await_output(&mut self, text: &str) -> Result<(), Failure> {
        let output = Arc::clone(&self.output);
        self.await_that(&format!("the output {text:?}"), OUTPUT_SECONDS_MAX, || {
            Ok(output
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(text))
        })
    }

    /// Waits until a condition holds; the failure then shows what the program printed.
    pub fn await_that(
        &mut self,
        what: &str,
        seconds_max: u64,
        mut condition: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let child = &mut self.child;
        let result = until(what, seconds_max, || {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(Failure::Unexpected {
                    what: what.to_owned(),
                    expected: "a running program".to_owned(),
                    got: format!("its end ({status})"),
                });
            }
            condition()
        });
        result.map_err(|failure| self.explain(failure))
    }

    fn explain(&self, failure: Failure) -> Failure {
        if matches!(failure, Failure::Interrupted) {
            return failure;
        }
        Failure::Command {
            command: self.name.clone(),
            outcome: format!("failed: {failure}"),
            output: self.output(),
        }
    }
}

/// Waits until a condition holds.
pub(crate) fn until(
    what: &str,
    seconds_max: u64,
    mut condition: impl FnMut() -> Result<bool, Failure>,
) -> Result<(), Failure> {
    for _ in 0..checks(seconds_max) {
        interrupt::check()?;
        if condition()? {
            return Ok(());
        }
        std::thread::sleep(CHECK_INTERVAL);
    }
    Err(Failure::TooLate {
        what: what.to_owned(),
        seconds: seconds_max,
        output: String::new(),
    })
}

fn checks(seconds_max: u64) -> u64 {
    seconds_max * 1_000 / u64::try_from(CHECK_INTERVAL.as_millis()).unwrap_or(1)
}

/// A port of this machine's loopback that nothing listens on.
pub fn free_port() -> Result<u16, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(Failure::system("no port is free"))
}

fn keep(stream: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&line);
            output.push('\n');
        }
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let output = self.output();
            let message = format!("--- what {} printed ---\n{output}---\n", self.name);
            // Nobody is left to tell where standard error is closed.
            let _ = std::io::Write::write_all(&mut std::io::stderr().lock(), message.as_bytes());
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.child.id())
    }
}

//! Programs that run while others are measured: started on one core, and ended in the end.

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tollgate_acceptance::{Failure, free_port, interrupt};

const START_MAX: Duration = Duration::from_mins(1);

const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// A running proxy, or the origin. Dropping it ends it.
pub(crate) struct Running(Child);

/// How a proxy is started.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(super) name: &'static str,
    pub(super) folder: PathBuf,
    pub(super) core: &'static str,
    pub(super) words: Vec<OsString>,
    pub(super) environment: Vec<(&'static str, String)>,
}

impl Recipe {
    /// Starts it. What it prints goes into files: a pipe would have to be read while others are measured.
    pub(crate) fn start(&self) -> Result<Running, Failure> {
        let file = |ending| {
            let path = self.folder.join(format!("{}.{ending}", self.name));
            File::create(&path).map_err(Failure::file(path))
        };
        let mut command = Command::new("taskset");
        command
            .args(["-c", self.core])
            .args(&self.words)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file("out")?)
            .stderr(file("err")?);
        let child = command.spawn().map_err(Failure::file("taskset"))?;
        Ok(Running(child))
    }
}

impl Running {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.0.id().to_string();
        // nginx ends its workers when it is asked to, and leaves them behind when it is killed.
        let asked = Command::new("kill").args(["-s", "TERM", &id]).status();
        if asked.is_ok() {
            for _ in 0..100 {
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(LOOK_INTERVAL);
            }
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn free_address() -> Result<String, Failure> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

/// Looks as often as `interval` says.
pub(crate) fn await_listening(address: &str, interval: Duration) -> Result<(), Failure> {
    let tries = START_MAX.as_millis() / interval.as_millis().max(1);
    for _ in 0..tries {
        interrupt::check()?;
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(interval);
    }
    Err(Failure::TooLate {
        what: format!("that somebody listens on {address}"),
        seconds: START_MAX.as_secs(),
        output: String::new(),
    })
}

//! What runs: a Redis or a Valkey, an origin, and the proxies.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tollgate_acceptance::{Binaries, Browser, Failure, free_port, interrupt};
use tollgate_store::Secret;

use super::super::keys::namespace;
use super::super::program::{Recipe, Running, await_listening, free_address};
use super::{Asked, PROXIES};

const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const UP_MAX: Duration = Duration::from_secs(10);
/// Cores that a program may run on: all.
const EVERYWHERE: &str = "0-1023";

/// The server that the fleet counts in. It keeps nothing on disk.
pub(super) struct Counters {
    child: Option<Child>,
    folder: tempfile::TempDir,
    port: u16,
}

impl Counters {
    pub(super) fn start() -> Result<Self, Failure> {
        let folder = tempfile::TempDir::with_prefix("tollgate-counters-");
        let mut counters = Self {
            child: None,
            folder: folder.map_err(Failure::system("no temporary folder"))?,
            port: free_port()?,
        };
        counters.start_again()?;
        Ok(counters)
    }

    /// Where it listens before, with an empty memory.
    pub(super) fn start_again(&mut self) -> Result<(), Failure> {
        let spawn = |program: &str| {
            let mut command = Command::new(program);
            command
                .args(["--bind", "127.0.0.1", "--save", "", "--port"])
                .arg(self.port.to_string())
                .current_dir(self.folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
        };
        let child = spawn("redis-server").or_else(|_| spawn("valkey-server"));
        self.child = Some(child.map_err(|_| Failure::Missing {
            program: "redis-server or valkey-server".to_owned(),
            remedy: "install one of version 7 or newer from your distribution".to_owned(),
        })?);
        await_listening(&format!("127.0.0.1:{}", self.port), LOOK_INTERVAL)
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The proxies, and the origin behind them.
pub(super) struct Edges {
    _running: Vec<Running>,
    addresses: Vec<String>,
    admins: Vec<String>,
    token: Secret,
}

impl Edges {
    /// Starts all of them on what `declare` writes into a folder for an origin; it returns the clients' token.
    pub(super) fn start(
        folder: &Path,
        binaries: &Binaries,
        declare: impl FnOnce(&Path, &str) -> Result<Secret, Failure>,
    ) -> Result<Self, Failure> {
        let origin = free_address()?;
        let own = std::env::current_exe().map_err(Failure::system("no own program"))?;
        // What each prints is in a folder of its own.
        let start = |name, number: u32, words, environment| {
            let folder = folder.join(format!("{name}-{number}"));
            std::fs::create_dir(&folder).map_err(Failure::file(&folder))?;
            let core = EVERYWHERE;
            let recipe = Recipe {
                name,
                folder,
                core,
                words,
                environment,
            };
            recipe.start()
        };
        let words = vec![own.into(), "origin".into(), (&origin).into()];
        let mut running = vec![start("origin", 0, words, Vec::new())?];
        let store = folder.join("store");
        let token = declare(&store, &origin)?;
        let (mut addresses, mut admins) = (Vec::new(), Vec::new());
        for number in 0..PROXIES {
            let (address, admin) = (free_address()?, free_address()?);
            let environment = vec![
                ("TOLLGATE_STORE", format!("directory:{}", store.display())),
                ("TOLLGATE_NAMESPACE", namespace()?.as_str().to_owned()),
                ("TOLLGATE_PROXY", "edge".to_owned()),
                ("TOLLGATE_LISTEN", address.clone()),
                ("TOLLGATE_ADMIN", admin.clone()),
                ("TOLLGATE_WORKERS", "1".to_owned()),
            ];
            let words = vec![binaries.proxy().into(), "serve".into()];
            running.push(start("edge", number, words, environment)?);
            addresses.push(address);
            admins.push(admin);
        }
        for address in addresses.iter().chain([&origin]) {
            await_listening(address, LOOK_INTERVAL)?;
        }
        Ok(Self {
            _running: running,
            addresses,
            admins,
            token,
        })
    }

    /// Waits until all of them ask their counters.
    pub(super) fn await_counters(&self) -> Result<(), Failure> {
        for _ in 0..UP_MAX.as_millis() / LOOK_INTERVAL.as_millis() {
            interrupt::check()?;
            if self.sum("tollgate_counters_up ")? >= f64::from(PROXIES) {
                return Ok(());
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        Err(Failure::TooLate {
            what: "that all proxies reach their counters".to_owned(),
            seconds: UP_MAX.as_secs(),
            output: String::new(),
        })
    }

    /// How often counters were asked.
    pub(super) fn asked(&self) -> Result<Asked, Failure> {
        Ok(Asked {
            questions: self.sum("tollgate_counters_calls_total{")?,
            unheard: self.sum("tollgate_counters_unheard_requests_total ")?,
        })
    }

    /// Where a client's proxy listens.
    pub(super) fn address(&self, client: u32) -> &str {
        let place = usize::try_from(client % PROXIES).unwrap_or_default();
        self.addresses.get(place).map_or("", String::as_str)
    }

    pub(super) fn token(&self) -> &Secret {
        &self.token
    }

    /// The sum of all series that begin so, over all proxies.
    fn sum(&self, series: &str) -> Result<f64, Failure> {
        let mut sum = 0.0;
        for admin in &self.admins {
            let metrics = Browser::new().fetch(&format!("http://{admin}/metrics"), None)?;
            let lines = metrics.body.lines().filter(|line| line.starts_with(series));
            let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
            sum += values.sum::<f64>();
        }
        Ok(sum)
    }
}

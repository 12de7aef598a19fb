//! The proxies that are compared, each on the same core and in front of the same origin.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tollgate_acceptance::{Binaries, Browser, Failure, free_port, interrupt};

use super::keys::{Keys, namespace};
use crate::measure::print;

/// Where the proxies run.
const PROXY_CORE: &str = "0";
/// Where the load and the origin run.
pub(crate) const LOAD_CORE: &str = "1";
const START_MAX: Duration = Duration::from_mins(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

const NGINX: &str = include_str!("../../../bench/nginx.conf");
const NGINX_LOG: &str = include_str!("../../../bench/nginx-log.conf");
const NGINX_FORWARD: &str = include_str!("../../../bench/nginx-forward.conf");
const HAPROXY: &str = include_str!("../../../bench/haproxy.cfg");
const LUA_MODULES: &str = "load_module /usr/lib/nginx/modules/ndk_http_module.so;\n\
                           load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;";

/// How each peer is called, what its configuration is made of, and whether it checks what Tollgate checks.
const PEERS: [(&str, Kind, bool); 5] = [
    (
        "nginx-lua",
        Kind::Nginx(include_str!("../../../bench/nginx-lua.conf"), LUA_MODULES),
        true,
    ),
    (
        "nginx-map",
        Kind::Nginx(include_str!("../../../bench/nginx-map.conf"), ""),
        true,
    ),
    (
        "haproxy",
        Kind::Haproxy(include_str!("../../../bench/haproxy-checks.cfg")),
        true,
    ),
    (
        "nginx-pass",
        Kind::Nginx(include_str!("../../../bench/nginx-pass.conf"), ""),
        false,
    ),
    ("haproxy-pass", Kind::Haproxy(""), false),
];

#[derive(Clone, Copy)]
enum Kind {
    Nginx(&'static str, &'static str),
    Haproxy(&'static str),
}

/// A running proxy, or the origin. Dropping it ends it.
struct Running(Child);

/// A proxy that is compared.
pub(crate) struct Peer {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: String,
    /// Whether it checks what Tollgate checks.
    pub(crate) checks: bool,
    process: Running,
}

/// Everything that runs.
pub(crate) struct Stage {
    /// The keys that all of them know.
    pub(crate) keys: Keys,
    /// The first is Tollgate.
    pub(crate) peers: Vec<Peer>,
    /// Those that are not installed, or refuse their configuration; why is printed.
    pub(crate) missing: Vec<&'static str>,
    origin: Running,
}

impl Stage {
    /// Starts the origin and every proxy that is installed.
    pub(crate) fn open(folder: &Path, binaries: &Binaries, keys: Keys) -> Result<Self, Failure> {
        let place = free_address()?;
        let own = std::env::current_exe().map_err(Failure::system("no own program"))?;
        let origin = spawn(
            on(LOAD_CORE, &own).args(["origin", &place]),
            folder,
            "origin",
        )?;
        await_listening(&place)?;
        let mut peers = vec![tollgate(folder, binaries, (&keys, &place))?];
        let mut missing = Vec::new();
        for (name, kind, checks) in PEERS {
            let address = free_address()?;
            let text = configuration(kind, name, folder, (&address, &place));
            let path = folder.join(format!("{name}.conf"));
            std::fs::write(&path, text).map_err(Failure::file(&path))?;
            if let Err(complaint) = accepts(kind, folder, &path) {
                print(&format!("{name} is left out: {complaint}"));
                missing.push(name);
                continue;
            }
            let process = spawn(&mut start(kind, folder, &path), folder, name)?;
            peers.push(Peer {
                name,
                address,
                checks,
                process,
            });
        }
        let address = free_address()?;
        let mut bare = on(PROXY_CORE, &own);
        peers.push(Peer {
            name: "bare hyper",
            process: spawn(bare.args(["bare", &address, &place]), folder, "bare")?,
            address,
            checks: false,
        });
        for peer in &peers {
            await_listening(&peer.address)?;
        }
        Ok(Self {
            keys,
            peers,
            missing,
            origin,
        })
    }

    /// The origin's process.
    pub(crate) fn origin_id(&self) -> u32 {
        self.origin.0.id()
    }
}

impl Peer {
    /// Its process; children are counted with it.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// Sees that it does the work that is measured.
    pub(crate) fn check(&self, keys: &Keys) -> Result<(), Failure> {
        if !self.checks {
            return Ok(());
        }
        let ask = |method: &str, path: &str, token: Option<&str>| {
            let url = format!("http://{}{path}", self.address);
            let headers: Vec<_> = token
                .map(|token| ("X-Api-Key", token))
                .into_iter()
                .collect();
            let answer = match method {
                "GET" => Browser::new().ask(&url, &headers),
                _ => Browser::new().send(&url, &headers, ""),
            };
            answer.map(|answer| answer.status)
        };
        let (reader, writer) = (keys.reader.expose(), keys.writer.expose());
        let statuses = [
            ask("GET", "/v1/x", Some(reader))?,
            ask("GET", "/v1/x", Some(writer))?,
            ask("POST", "/v1/x", Some(writer))?,
            ask("POST", "/v1/x", Some(reader))?,
            ask("GET", "/other", Some(writer))?,
            ask("GET", "/v1/x", None)?,
            ask("GET", "/v1/x", Some("nobody"))?,
        ];
        let expected = [200, 200, 200, 403, 403, 401, 401];
        if statuses == expected {
            return Ok(());
        }
        Err(Failure::Unexpected {
            what: format!("the checks of {}", self.name),
            expected: format!("{expected:?}"),
            got: format!("{statuses:?}"),
        })
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

fn tollgate(
    folder: &Path,
    binaries: &Binaries,
    (keys, origin): (&Keys, &str),
) -> Result<Peer, Failure> {
    let address = free_address()?;
    let store = folder.join("store");
    keys.declare(&store, &address, origin)?;
    let mut command = on(PROXY_CORE, binaries.proxy());
    command
        .arg("serve")
        .env("TOLLGATE_STORE", format!("directory:{}", store.display()))
        .env("TOLLGATE_NAMESPACE", namespace()?.as_str())
        .env("TOLLGATE_PROXY", "edge")
        .env("TOLLGATE_ADMIN", free_address()?)
        .env("TOLLGATE_POLL", "1m");
    let process = spawn(&mut command, folder, "tollgate")?;
    Ok(Peer {
        name: "tollgate",
        address,
        checks: true,
        process,
    })
}

fn configuration(kind: Kind, name: &str, folder: &Path, places: (&str, &str)) -> String {
    let text = match kind {
        Kind::Nginx(http, modules) => NGINX
            .replace("@HTTP@", http)
            .replace("@MODULES@", modules)
            .replace("@LOG@", NGINX_LOG)
            .replace("@FORWARD@", NGINX_FORWARD),
        Kind::Haproxy(frontend) => HAPROXY.replace("@FRONTEND@", frontend),
    };
    text.replace("@NAME@", name)
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@ADDRESS@", places.0)
        .replace("@ORIGIN@", places.1)
}

/// Whether the program is there and has the modules that it needs; the error is what it complains of.
fn accepts(kind: Kind, folder: &Path, configuration: &Path) -> Result<(), String> {
    let mut command = match kind {
        Kind::Nginx(..) => nginx(Command::new("nginx"), folder, configuration),
        Kind::Haproxy(_) => haproxy(Command::new("haproxy"), configuration),
    };
    match kind {
        Kind::Nginx(..) => command.arg("-t"),
        Kind::Haproxy(_) => command.arg("-c"),
    };
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn start(kind: Kind, folder: &Path, configuration: &Path) -> Command {
    match kind {
        Kind::Nginx(..) => nginx(on(PROXY_CORE, "nginx"), folder, configuration),
        Kind::Haproxy(_) => {
            let mut command = haproxy(on(PROXY_CORE, "haproxy"), configuration);
            command.arg("-db");
            command
        }
    }
}

fn nginx(mut command: Command, folder: &Path, configuration: &Path) -> Command {
    command.arg("-p").arg(folder).arg("-c").arg(configuration);
    command
}

fn haproxy(mut command: Command, configuration: &Path) -> Command {
    command.arg("-f").arg(configuration);
    command
}

fn on(core: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// What it prints goes into files: a pipe would have to be read while others are measured.
fn spawn(command: &mut Command, folder: &Path, name: &str) -> Result<Running, Failure> {
    let file = |ending| {
        let path = folder.join(format!("{name}.{ending}"));
        File::create(&path).map_err(Failure::file(path))
    };
    command
        .stdin(Stdio::null())
        .stdout(file("out")?)
        .stderr(file("err")?);
    let child = command.spawn().map_err(Failure::file("taskset"))?;
    Ok(Running(child))
}

fn free_address() -> Result<String, Failure> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

fn await_listening(address: &str) -> Result<(), Failure> {
    let tries = START_MAX.as_millis() / LOOK_INTERVAL.as_millis();
    for _ in 0..tries {
        interrupt::check()?;
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    Err(Failure::TooLate {
        what: format!("that somebody listens on {address}"),
        seconds: START_MAX.as_secs(),
        output: String::new(),
    })
}

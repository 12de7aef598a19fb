//! The proxies that are compared, each on the same core and in front of the same origin.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
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
const PEERS: [(&str, Kind, bool); 7] = [
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
        Kind::Haproxy {
            global: "",
            frontend: include_str!("../../../bench/haproxy-checks.cfg"),
        },
        true,
    ),
    (
        "nginx-pass",
        Kind::Nginx(include_str!("../../../bench/nginx-pass.conf"), ""),
        false,
    ),
    (
        "haproxy-pass",
        Kind::Haproxy {
            global: "",
            frontend: HAPROXY_TLS,
        },
        false,
    ),
    (
        "nginx-large",
        Kind::Nginx(include_str!("../../../bench/nginx-large.conf"), ""),
        false,
    ),
    (
        "haproxy-large",
        Kind::Haproxy {
            global: "  tune.bufsize 65536",
            frontend: "",
        },
        false,
    ),
];
const HAPROXY_TLS: &str = "  bind @ENCRYPTED@ ssl crt @FOLDER@/certificate.pem alpn h2,http/1.1\n";
/// More clients than the peers' tables hold here: only Tollgate is measured then.
const PEERS_KEYS_MAX: u32 = 200_000;

#[derive(Clone, Copy)]
enum Kind {
    Nginx(&'static str, &'static str),
    Haproxy {
        global: &'static str,
        frontend: &'static str,
    },
}

/// A running proxy, or the origin. Dropping it ends it.
pub(crate) struct Running(Child);

/// How a proxy is started.
#[derive(Clone)]
pub(crate) struct Recipe {
    name: &'static str,
    folder: PathBuf,
    core: &'static str,
    words: Vec<OsString>,
    environment: Vec<(&'static str, String)>,
}

/// A proxy that is compared.
pub(crate) struct Peer {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: String,
    /// Where it listens for TLS, if it does.
    pub(crate) encrypted: String,
    /// Whether it checks what Tollgate checks.
    pub(crate) checks: bool,
    /// How it is started.
    pub(crate) recipe: Recipe,
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

/// Where a proxy listens, and what is behind it.
struct Places {
    address: String,
    encrypted: String,
    origin: String,
}

impl Stage {
    /// Starts the origin and every proxy that is installed.
    pub(crate) fn open(folder: &Path, binaries: &Binaries, keys: Keys) -> Result<Self, Failure> {
        let place = free_address()?;
        write_certificate(folder)?;
        let recipe = |name, core, words: &[&OsStr]| Recipe {
            name,
            folder: folder.to_owned(),
            core,
            words: words.iter().map(|&word| word.to_owned()).collect(),
            environment: Vec::new(),
        };
        let own = std::env::current_exe().map_err(Failure::system("no own program"))?;
        let (own, at) = (own.as_os_str(), OsStr::new(&place));
        let origin = recipe("origin", LOAD_CORE, &[own, "origin".as_ref(), at]);
        let process = origin.start()?;
        await_listening(&place, LOOK_INTERVAL)?;
        let mut peers = vec![tollgate(folder, binaries, (&keys, &place))?];
        let mut missing = Vec::new();
        let others = PEERS.iter().filter(|_| keys.count <= PEERS_KEYS_MAX);
        for &(name, kind, checks) in others {
            let places = Places::draw(&place)?;
            let path = folder.join(format!("{name}.conf"));
            let text = configuration(kind, name, folder, &places);
            std::fs::write(&path, text).map_err(Failure::file(&path))?;
            if let Err(complaint) = accepts(kind, folder, &path) {
                print(&format!("{name} is left out: {complaint}"));
                missing.push(name);
                continue;
            }
            let words = words(kind, folder, &path);
            let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
            let recipe = recipe(name, PROXY_CORE, &words);
            peers.push(Peer::start(recipe, places, checks)?);
        }
        let places = Places::draw(&place)?;
        let words = [own, "bare".as_ref(), places.address.as_ref(), at];
        let bare = recipe("bare hyper", PROXY_CORE, &words);
        peers.push(Peer::start(bare, places, false)?);
        for peer in &peers {
            await_listening(&peer.address, LOOK_INTERVAL)?;
        }
        // Nothing stands between: what its answers take is what the load and the origin take.
        let direct = Places {
            address: place.clone(),
            encrypted: String::new(),
            origin: String::new(),
        };
        let nothing = recipe(
            "direct",
            PROXY_CORE,
            &["sleep".as_ref(), "infinity".as_ref()],
        );
        peers.push(Peer::start(nothing, direct, false)?);
        Ok(Self {
            keys,
            peers,
            missing,
            origin: process,
        })
    }

    /// The origin's process.
    pub(crate) fn origin_id(&self) -> u32 {
        self.origin.id()
    }
}

impl Places {
    fn draw(origin: &str) -> Result<Self, Failure> {
        Ok(Self {
            address: free_address()?,
            encrypted: free_address()?,
            origin: origin.to_owned(),
        })
    }
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

impl Peer {
    fn start(recipe: Recipe, places: Places, checks: bool) -> Result<Self, Failure> {
        Ok(Self {
            name: recipe.name,
            address: places.address,
            encrypted: places.encrypted,
            checks,
            process: recipe.start()?,
            recipe,
        })
    }

    /// Its process; children are counted with it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
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
    let places = Places::draw(origin)?;
    let store = folder.join("store");
    let certificate = certificate(folder);
    let listen = json!([
        {"address": places.address},
        {"address": places.encrypted, "tls": {"certificates": [format!("file:{}", certificate.display())]}},
    ]);
    keys.declare(&store, &listen, origin)?;
    let recipe = Recipe {
        name: "tollgate",
        folder: folder.to_owned(),
        core: PROXY_CORE,
        words: vec![binaries.proxy().into(), "serve".into()],
        environment: vec![
            ("TOLLGATE_STORE", format!("directory:{}", store.display())),
            ("TOLLGATE_NAMESPACE", namespace()?.as_str().to_owned()),
            ("TOLLGATE_PROXY", "edge".to_owned()),
            ("TOLLGATE_ADMIN", free_address()?),
            ("TOLLGATE_POLL", "1m".to_owned()),
        ],
    };
    Peer::start(recipe, places, true)
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

/// A certificate and its key in one file, as HAProxy wants them.
fn write_certificate(folder: &Path) -> Result<(), Failure> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names);
    let made = made.map_err(|error| Failure::Unexpected {
        what: "the benchmark's certificate".to_owned(),
        expected: "one".to_owned(),
        got: error.to_string(),
    })?;
    let text = made.cert.pem() + &made.signing_key.serialize_pem();
    let path = certificate(folder);
    std::fs::write(&path, text).map_err(Failure::file(path))
}

fn configuration(kind: Kind, name: &str, folder: &Path, places: &Places) -> String {
    let text = match kind {
        Kind::Nginx(http, modules) => NGINX
            .replace("@HTTP@", http)
            .replace("@MODULES@", modules)
            .replace("@LOG@", NGINX_LOG)
            .replace("@FORWARD@", NGINX_FORWARD),
        Kind::Haproxy { global, frontend } => HAPROXY
            .replace("@GLOBAL@", global)
            .replace("@FRONTEND@", frontend),
    };
    text.replace("@NAME@", name)
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@ADDRESS@", &places.address)
        .replace("@ENCRYPTED@", &places.encrypted)
        .replace("@ORIGIN@", &places.origin)
}

/// Whether the program is there and has the modules that it needs; the error is what it complains of.
fn accepts(kind: Kind, folder: &Path, configuration: &Path) -> Result<(), String> {
    let words = words(kind, folder, configuration);
    let mut words = words.iter();
    let program = words.next().ok_or("it has no name")?;
    let mut command = Command::new(program);
    command.args(words).arg(match kind {
        Kind::Nginx(..) => "-t",
        Kind::Haproxy { .. } => "-c",
    });
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn words(kind: Kind, folder: &Path, configuration: &Path) -> Vec<OsString> {
    let words: Vec<&OsStr> = match kind {
        Kind::Nginx(..) => vec![
            "nginx".as_ref(),
            "-p".as_ref(),
            folder.as_ref(),
            "-c".as_ref(),
            configuration.as_ref(),
        ],
        Kind::Haproxy { .. } => {
            vec![
                "haproxy".as_ref(),
                "-f".as_ref(),
                configuration.as_ref(),
                "-db".as_ref(),
            ]
        }
    };
    words.into_iter().map(OsStr::to_owned).collect()
}

fn free_address() -> Result<String, Failure> {
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

//! The proxies that are compared, each on the same core and in front of the same origin.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tollgate_acceptance::{Binaries, Browser, Failure};

use super::configuration::{PEERS, Places, accepts, configuration, words};
use super::keys::{Keys, namespace};
use super::program::{Recipe, Running, await_listening, free_address};
use crate::measure::print;

/// Where the proxies run.
const PROXY_CORE: &str = "0";
/// Where the load and the origin run.
pub(crate) const LOAD_CORE: &str = "1";
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// More clients than the peers' tables hold here: only Tollgate is measured then.
const PEERS_KEYS_MAX: u32 = 200_000;

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

impl Stage {
    /// Starts the origin and every proxy that is installed, or Tollgate alone.
    pub(crate) fn open(
        folder: &Path,
        binaries: &Binaries,
        (keys, is_alone): (Keys, bool),
    ) -> Result<Self, Failure> {
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
        let may_be_others = !is_alone && keys.count <= PEERS_KEYS_MAX;
        let others = PEERS.iter().filter(|_| may_be_others);
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

//! What the peers are told.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use tollgate_acceptance::Failure;

use super::program::free_address;

const NGINX: &str = include_str!("../../../bench/nginx.conf");
const NGINX_LOG: &str = include_str!("../../../bench/nginx-log.conf");
const NGINX_FORWARD: &str = include_str!("../../../bench/nginx-forward.conf");
const HAPROXY: &str = include_str!("../../../bench/haproxy.cfg");
const LUA_MODULES: &str = "load_module /usr/lib/nginx/modules/ndk_http_module.so;\n\
                           load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;";

/// How each peer is called, what its configuration is made of, and whether it checks what Tollgate checks.
pub(super) const PEERS: [(&str, Kind, bool); 7] = [
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

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Nginx(&'static str, &'static str),
    Haproxy {
        global: &'static str,
        frontend: &'static str,
    },
}

/// Where a proxy listens, and what is behind it.
pub(super) struct Places {
    pub(super) address: String,
    pub(super) encrypted: String,
    pub(super) origin: String,
}

impl Places {
    pub(super) fn draw(origin: &str) -> Result<Self, Failure> {
        Ok(Self {
            address: free_address()?,
            encrypted: free_address()?,
            origin: origin.to_owned(),
        })
    }
}

pub(super) fn configuration(kind: Kind, name: &str, folder: &Path, places: &Places) -> String {
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
pub(super) fn accepts(kind: Kind, folder: &Path, configuration: &Path) -> Result<(), String> {
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

pub(super) fn words(kind: Kind, folder: &Path, configuration: &Path) -> Vec<OsString> {
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

//! A real Redis or Valkey on loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a server may take to start: only a failing test waits that long.
const START_MAX: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// A server with an empty memory, which ends with this.
pub(crate) struct RedisServer {
    child: Option<Child>,
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    pub(crate) port: u16,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more settings, like `--requirepass`.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        Self::new(|port| vec!["--port".to_owned(), port.to_string()], settings)
    }

    /// A server that speaks TLS only, by a certificate with its key.
    pub(crate) fn start_tls(pem: &Path) -> Self {
        let pem = pem.display().to_string();
        let settings = ["--tls-cert-file", &pem, "--tls-key-file", &pem];
        let settings = [
            &settings[..],
            &["--tls-ca-cert-file", &pem, "--tls-auth-clients", "no"],
        ];
        Self::new(
            |port| {
                let words = ["--port", "0", "--tls-port", &port.to_string()];
                words.map(ToOwned::to_owned).to_vec()
            },
            &settings.concat(),
        )
    }

    fn new(listen: impl Fn(u16) -> Vec<String>, settings: &[&str]) -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = listen(port);
        let path = folder.path().display().to_string();
        let common = [
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            &path,
            "--loglevel",
            "warning",
        ];
        arguments.extend(common.iter().chain(settings).map(|word| (*word).to_owned()));
        let mut server = Self {
            child: None,
            folder,
            arguments,
            port,
        };
        server.restart();
        server
    }

    /// Kills it. What it counted is lost.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again where it listened before.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let child = Command::new(program())
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
        let mut waited = Duration::ZERO;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(waited < START_MAX, "the server never listened");
            std::thread::sleep(LOOK_INTERVAL);
            waited += LOOK_INTERVAL;
        }
    }

    /// Stops it from doing anything, without closing what is open.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Asks it something, as an operator would.
    pub(crate) async fn ask<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        Self::ask_at(&self.url(), words).await
    }

    /// The same by a URL that may hold a password.
    pub(crate) async fn ask_at<T: ::redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
        let client = ::redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The server's program, by whichever name it is installed.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let found = ["redis-server", "valkey-server"].iter().find_map(|name| {
        let mut places = folders.iter().map(|folder| folder.join(name));
        places.find(|place| place.is_file())
    });
    let Some(found) = found else {
        panic!("install redis-server 7 or valkey-server: the tests of counters run one");
    };
    found
}

/// A port that nobody has, and whose next ten thousand neighbour, where a cluster's nodes talk, nobody either.
fn free_port() -> u16 {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let port = TcpListener::bind(address)
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        // Below where the system hands out ports by itself: no connection takes it meanwhile.
        let port = 10_000 + port % 20_000;
        let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

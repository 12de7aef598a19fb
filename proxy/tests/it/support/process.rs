//! The built binary as a process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::store::{NAMESPACE, Store};
use super::{Client, until};

/// A running proxy. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>, Arc<Mutex<Attention>>);

/// What becomes of what the process writes, from its next line on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Attention {
    /// It is read.
    #[default]
    Here,
    /// It is not read, until it may be for ever.
    Elsewhere,
    /// It can't be read any more.
    Gone,
}

impl Process {
    /// Starts a proxy and waits until it is ready.
    pub(crate) async fn start(store: &Store, arguments: &[&str]) -> Self {
        Self::start_in(store, arguments, &[]).await
    }

    /// The same with more environment variables.
    pub(crate) async fn start_in(
        store: &Store,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut command = command(store);
        command.args(arguments).envs(variables.iter().copied());
        Self::spawn_ready(command).await
    }

    async fn spawn_ready(command: Command) -> Self {
        let mut process = Self::spawn(command).await;
        process.address = process.listening("listening").await;
        until("the proxy is ready", async || {
            process.get("/readyz").await.0 == 200
        })
        .await;
        process
    }

    /// Starts a proxy with a limit of the shell's and waits until it is ready.
    pub(crate) async fn start_limited(store: &Store, arguments: &[&str], limit: &str) -> Self {
        let mut plain = command(store);
        plain.args(arguments);
        let script = format!("{limit} && exec \"$@\"");
        let limited = ["sh", "-c", &script, "sh"].map(OsStr::new);
        Self::spawn_ready(within(&plain, &limited)).await
    }

    /// Starts a proxy for which the system's names are those in `hosts`, and waits until it is ready.
    pub(crate) async fn start_with_hosts(store: &Store, hosts: &Path) -> Self {
        Self::spawn_ready(with_hosts(&command(store), hosts)).await
    }

    /// Whether the system lets a test have names of its own.
    pub(crate) fn may_have_hosts() -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tried = with_hosts(&Command::new("true"), file.path()).output();
        tried.is_ok_and(|tried| tried.status.success())
    }

    /// Starts a proxy that lacks a certificate or a secret, and waits until it listens and says so.
    pub(crate) async fn start_lacking(store: &Store, variables: &[(&str, &str)]) -> Self {
        let mut command = command(store);
        command.envs(variables.iter().copied());
        let mut process = Self::spawn(command).await;
        process.address = process.listening("listening").await;
        until("the proxy says what it lacks", async || {
            let (status, page) = process.get("/readyz").await;
            status == 503 && page.contains("can't be used")
        })
        .await;
        process
    }

    /// Starts a proxy and waits until it can be asked how it is.
    pub(crate) async fn start_unready(store: &Store, arguments: &[&str]) -> Self {
        let mut command = command(store);
        command.args(arguments);
        Self::spawn(command).await
    }

    async fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self {
            child,
            stdout,
            stderr,
            address: nowhere,
            admin: nowhere,
        };
        process.admin = process.listening("admin listening").await;
        process
    }

    /// The address in the log's line that says so.
    pub(crate) async fn listening(&self, message: &str) -> SocketAddr {
        let line = self.logged(|line| line["message"] == message).await;
        line["address"].as_str().unwrap().parse().unwrap()
    }

    /// Waits for a line of the operational log.
    pub(crate) async fn logged(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        self.stderr.find("the log says it", is_it).await
    }

    /// Waits for a line of the access log.
    pub(crate) async fn accessed(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        self.stdout.find("the access log says it", is_it).await
    }

    /// Pays more or less attention to what it writes.
    pub(crate) fn attend(&self, attention: Attention) {
        for Lines(_, standing) in [&self.stdout, &self.stderr] {
            *standing.lock().unwrap() = attention;
        }
    }

    /// Everything that was written so far.
    pub(crate) fn output(&self) -> String {
        [self.stdout.all(), self.stderr.all()].concat().join("\n")
    }

    /// An admin page: its status and text.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let reply = Client::to(self.admin).get(path).await;
        (reply.status, reply.text())
    }

    /// The value of a metric's series.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series))?;
        Some(line.trim().parse().unwrap())
    }

    /// How much memory it has.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4_096
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }

    /// How many ends of pipes are among them, those of its output aside.
    pub(crate) fn pipes(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        let files = std::fs::read_dir(path).unwrap().flatten();
        let others =
            files.filter(|file| !["0", "1", "2"].iter().any(|name| file.file_name() == *name));
        let ends = others.filter_map(|file| std::fs::read_link(file.path()).ok());
        ends.filter(|end| end.to_string_lossy().starts_with("pipe:"))
            .count()
    }

    /// The lines of the access log that were not taken before.
    pub(crate) fn take_accessed(&self) -> Vec<String> {
        std::mem::take(&mut *self.stdout.0.lock().unwrap())
    }

    /// Sends a signal, like `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.unwrap().success());
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the process to end, and returns its exit code.
    pub(crate) async fn ended(&mut self) -> i32 {
        until("the process has ended", || {
            let ended = self.has_ended();
            async move { ended }
        })
        .await;
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let filled = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                filled.0.lock().unwrap().push(line.unwrap());
                let attention = *filled.1.lock().unwrap();
                match attention {
                    Attention::Here => {}
                    // The process, which is killed at the end, may write into it as long as it lives.
                    Attention::Elsewhere => loop {
                        std::thread::park();
                    },
                    Attention::Gone => return,
                }
            }
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    async fn find(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let find = || {
            let lines = self.all().into_iter();
            lines
                .filter_map(|line| serde_json::from_str(&line).ok())
                .find(|line| is_it(line))
        };
        until(what, || {
            let found = find().is_some();
            async move { found }
        })
        .await;
        find().unwrap()
    }
}

/// Runs a proxy that is expected to end by itself.
pub(crate) fn run_to_end(store: &Store, arguments: &[&str]) -> Output {
    command(store).args(arguments).output().unwrap()
}

/// Runs another command than `serve`, with the settings of a proxy.
pub(crate) fn run_command(store: &Store, arguments: &[&str]) -> Output {
    settings(store).args(arguments).output().unwrap()
}

/// The same, with something on its standard input.
pub(crate) fn run_command_with(store: &Store, arguments: &[&str], input: &str) -> Output {
    let mut child = settings(store)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// The same command in a namespace of mounts, in which `hosts` stands for `/etc/hosts`.
fn with_hosts(command: &Command, hosts: &Path) -> Command {
    const SCRIPT: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let words = ["unshare", "--map-root-user", "--mount", "sh", "-c", SCRIPT].map(OsStr::new);
    within(command, &[&words, &[hosts.as_os_str()][..]].concat())
}

/// The same command behind others that end by becoming it: it stays one process.
fn within(command: &Command, outer: &[&OsStr]) -> Command {
    let mut whole = Command::new(outer[0]);
    whole.args(&outer[1..]).arg(command.get_program());
    whole.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole
}

fn command(store: &Store) -> Command {
    let mut command = settings(store);
    command.arg("serve");
    command
}

fn settings(store: &Store) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate-proxy"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("TOLLGATE_") || name.starts_with("AWS_") {
            command.env_remove(name.as_ref());
        }
    }
    command
        .env("TOLLGATE_STORE", store.location())
        .env("TOLLGATE_NAMESPACE", NAMESPACE)
        .env("TOLLGATE_PROXY", "edge")
        .env("TOLLGATE_ADMIN", "127.0.0.1:0")
        .env("TOLLGATE_POLL", "200ms");
    command
}

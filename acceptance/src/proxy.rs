//! The built proxy, running.

use std::process::Command;

use tollgate_store::Namespace;

use crate::terraform::forget_foreign_settings;
use crate::{Answer, Binaries, Browser, Failure, Place, Process, free_port};

const READY_SECONDS_MAX: u64 = 30;

/// A running proxy. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    admin: String,
    browser: Browser,
}

impl Proxy {
    /// Starts the proxy named `edge`, polling often, and waits until its admin listener answers.
    pub fn start(
        binaries: &Binaries,
        place: &Place,
        namespace: &Namespace,
    ) -> Result<Self, Failure> {
        Self::start_with(binaries, place, namespace, &[])
    }

    /// The same with further environment variables.
    pub fn start_with(
        binaries: &Binaries,
        place: &Place,
        namespace: &Namespace,
        variables: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let admin = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(binaries.proxy());
        forget_foreign_settings(&mut command);
        command
            .arg("serve")
            .env("TOLLGATE_NAMESPACE", namespace.as_str())
            .env("TOLLGATE_PROXY", "edge")
            .env("TOLLGATE_ADMIN", &admin)
            .env("TOLLGATE_POLL", "500ms")
            .envs(place.environment())
            .envs(variables.iter().copied());
        let mut proxy = Self {
            process: Process::start(&mut command)?,
            admin: format!("http://{admin}"),
            browser: Browser::new(),
        };
        proxy.await_admin("/healthz", "the proxy's start", |answer| {
            answer.status == 200
        })?;
        Ok(proxy)
    }

    /// Waits until the proxy serves a snapshot and listens.
    pub fn await_ready(&mut self) -> Result<(), Failure> {
        self.await_admin("/readyz", "the proxy's readiness", |answer| {
            answer.status == 200
        })
    }

    /// Waits until the proxy has asked the store anew, and so serves everything that was written before this call.
    pub fn await_poll(&mut self) -> Result<(), Failure> {
        let before = polls(&self.admin("/metrics")?);
        // The next one may have started before this call, the one after it can't.
        self.await_admin("/metrics", "two polls of the store", |answer| {
            polls(answer) >= before + 2
        })?;
        self.await_ready()
    }

    /// Waits until `/readyz` says `text`.
    pub fn await_reason(&mut self, text: &str) -> Result<(), Failure> {
        self.await_admin("/readyz", &format!("the reason {text:?}"), |answer| {
            answer.body.contains(text)
        })
    }

    /// Asks the admin listener.
    pub fn admin(&self, path: &str) -> Result<Answer, Failure> {
        self.browser.fetch(&format!("{}{path}", self.admin), None)
    }

    /// The process itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn await_admin(
        &mut self,
        path: &str,
        what: &str,
        holds: impl Fn(&Answer) -> bool,
    ) -> Result<(), Failure> {
        let url = format!("{}{path}", self.admin);
        let browser = &self.browser;
        self.process.await_that(what, READY_SECONDS_MAX, || {
            Ok(browser.fetch(&url, None).is_ok_and(|answer| holds(&answer)))
        })
    }
}

/// How many polls the store has answered.
fn polls(metrics: &Answer) -> u64 {
    let answered =
        |line: &&str| line.starts_with("tollgate_polls_total") && !line.contains("failed");
    let count = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|count| count.parse::<u64>().ok())
    };
    metrics
        .body
        .lines()
        .filter(answered)
        .filter_map(count)
        .sum()
}

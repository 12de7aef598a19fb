//! A proxy's life: start, serve, drain.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollgate_store::{ListenPlace, backend};

use crate::Gateway;
use crate::access_log::AccessLog;
use crate::addresses::Addresses;
use crate::admin::Admin;
use crate::clock::Clock;
use crate::command::VERSION;
use crate::config::Config;
use crate::counters::Counters;
use crate::cut::Cuts;
use crate::failure::Failure;
use crate::fleet::keep_asking;
use crate::greeting::Front;
use crate::listeners::{self, Door, Listeners, Occupied, Sharing, Socket, Welcome};
use crate::metrics::Metrics;
use crate::open_files;
use crate::operational_log::Lines;
use crate::panics;
use crate::record::Ledger;
use crate::status::{Status, unbound_text};
use crate::upstream::SystemTrust;
use crate::watch::{PollFault, Watch, Watching};
use crate::workers::Workers;

const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Somebody who leaves connections open must not keep a health check from being answered.
const ADMIN_CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// How often upstreams are looked after.
const TEND_INTERVAL: Duration = Duration::from_secs(1);
const LOG_FLUSH_MAX: Duration = Duration::from_secs(1);
/// How long connections are kept at the end for requests that may be under way.
const LINGER_MAX: Duration = Duration::from_secs(2);
const CUT_MAX: Duration = Duration::from_millis(500);

/// Serves until SIGTERM or SIGINT; then finishes what was begun.
pub async fn run(config: Config, log: Lines) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let ledger = ledger()?;
    panics::watch(&ledger.metrics);
    let gateway = Arc::new(Gateway::new(Arc::clone(&ledger)));
    let status = Arc::new(Status::new(config.proxy.clone(), config.snapshot_age_max));
    tracing::info!(
        version = VERSION,
        store = %config.store,
        namespace = %config.namespace,
        proxy = %config.proxy,
        "starting"
    );
    let config = open_files::fitted(config, open_files::raise());
    let admin = Admin {
        status: Arc::clone(&status),
        gateway: Arc::clone(&gateway),
        log,
    };
    serve_admin(config.admin, admin)?;
    let exit = Exit {
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        cutting: CancellationToken::new(),
        status: Arc::clone(&status),
        ledger: Arc::clone(&ledger),
    };
    let door = Door {
        handler: Arc::clone(&gateway),
        free: Arc::new(Semaphore::new(config.connections_max)),
        addresses: Arc::new(Addresses::new(config.connections_per_address_max)),
        open: ledger.metrics.connections.clone(),
        cuts: ledger.metrics.cuts.clone(),
        tasks: exit.tasks.clone(),
        closing: exit.closing.clone(),
        cutting: exit.cutting.clone(),
        linger: LINGER_MAX.min(config.drain / 4),
    };
    let workers = Workers::start(config.workers).map_err(|error| {
        Failure::Configuration(format!("the system gives no threads to run on: {error}"))
    })?;
    let listeners = listen(Listeners::new(door, workers), &config.listen)?;
    let watch = async {
        let backend = backend::open(&config.store, &config.namespace).await?;
        let watch = Watch {
            config: config.clone(),
            backend,
            gateway: Arc::clone(&gateway),
            listeners,
            status,
            trust: SystemTrust::default(),
        };
        watch.first_contact().await
    };
    tokio::select! {
        watching = watch => {
            let watching = watching.map_err(|fault: PollFault| Failure::Store(fault.to_string()))?;
            keep_watching(watching, &mut signals, &gateway).await;
        }
        () = end(&mut signals.terminate, &mut signals.interrupt) => {}
    }
    exit.drain(config.drain, config.drain_grace).await;
    // Whoever goes on counting must not miss what nobody here will spend any more.
    if let Some(counters) = counters(&gateway) {
        counters.give_back(None).await;
    }
    ledger.log.flush(LOG_FLUSH_MAX);
    Ok(())
}

fn ledger() -> Result<Arc<Ledger>, Failure> {
    let clock = Clock::start();
    let metrics = Arc::<Metrics>::default();
    let dropped = metrics.access_log_dropped.clone();
    let log = AccessLog::start(std::io::stdout(), clock, dropped).map_err(|error| {
        Failure::Configuration(format!(
            "the system gives no thread for the access log: {error}"
        ))
    })?;
    Ok(Arc::new(Ledger {
        clock,
        log,
        metrics,
        is_cutting: AtomicBool::new(false),
    }))
}

fn serve_admin(address: SocketAddr, admin: Admin) -> Result<(), Failure> {
    let bound = listeners::bind(address, Sharing::No).and_then(|listener| {
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    let (listener, address) = bound.map_err(|error| {
        let text = unbound_text(&ListenPlace::Tcp(address), error);
        Failure::Configuration(format!("TOLLGATE_ADMIN or --admin: {text}"))
    })?;
    tracing::info!(%address, "admin listening");
    // Operators are answered to the very end.
    let door = Door {
        handler: Arc::new(admin),
        free: Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX)),
        addresses: Arc::new(Addresses::new(ADMIN_CONNECTIONS_PER_ADDRESS_MAX)),
        open: Gauge::default(),
        cuts: Cuts::default(),
        tasks: TaskTracker::new(),
        closing: CancellationToken::new(),
        cutting: CancellationToken::new(),
        linger: Duration::ZERO,
    };
    let closing = door.closing.clone();
    let welcome = Welcome::new(Front::default(), &closing);
    let welcome = Arc::new(ArcSwap::from_pointee(welcome));
    tokio::spawn(listeners::accept(
        Socket::Tcp(listener),
        Arc::new(door),
        welcome,
        closing,
    ));
    Ok(())
}

/// Addresses from the command line are bound before anything else; a mistake there ends the process. One that another
/// process serves is taken over, or shared with it, once there is something to serve.
fn listen(
    mut listeners: Listeners<Gateway>,
    addresses: &BTreeSet<ListenPlace>,
) -> Result<Listeners<Gateway>, Failure> {
    // How it is spoken there stands in the document, which is yet to come.
    let fronts = addresses
        .iter()
        .map(|address| (address.clone(), Front::default()));
    let fronts: BTreeMap<_, _> = fronts.collect();
    let failed = listeners.reconcile(&fronts, Occupied::Leave);
    let mut failed = failed.into_iter();
    let mistake = failed.find(|(_, error)| error.kind() != ErrorKind::ResourceBusy);
    match mistake {
        None => Ok(listeners),
        Some((address, error)) => {
            let text = unbound_text(&address, error);
            Err(Failure::Configuration(format!(
                "TOLLGATE_LISTEN or --listen: {text}"
            )))
        }
    }
}

/// Polls, and forgets what quotas need no more, until the end is asked for.
async fn keep_watching(watching: Watching, signals: &mut Signals, gateway: &Gateway) {
    let hurry = Arc::new(Notify::new());
    let watching = tokio::spawn(watching.run(Arc::clone(&hurry)));
    let fleet = keep_asking(gateway);
    let mut fleet = std::pin::pin!(fleet);
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    let mut tend = tokio::time::interval(TEND_INTERVAL);
    loop {
        tokio::select! {
            () = end(&mut signals.terminate, &mut signals.interrupt) => break,
            _ = signals.hangup.recv() => hurry.notify_one(),
            _ = tend.tick() => {
                if let Some(generation) = gateway.generation.load().as_deref() {
                    generation.tend();
                }
            }
            () = fleet.as_mut() => {}
            _ = sweep.tick() => tidy(gateway),
        }
    }
    // No listener is opened any more.
    watching.abort();
    let _ = watching.await;
}

/// Forgets whose time has passed, and gives back what was lent to those who do not come any more.
fn tidy(gateway: &Gateway) {
    let now = gateway.ledger.clock.now();
    gateway.meter.sweep(now);
    if let Some(counters) = counters(gateway) {
        tokio::spawn(async move { counters.give_back(Some(now.monotonic)).await });
    }
}

/// Where the fleet counts.
fn counters(gateway: &Gateway) -> Option<Arc<Counters>> {
    let generation = gateway.generation.load();
    generation.as_ref()?.counters.clone()
}

/// The signals that the process heeds.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::Configuration(format!("the system gives no signals: {error}"))
            })
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

async fn end(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// How the process ends.
struct Exit {
    tasks: TaskTracker,
    closing: CancellationToken,
    cutting: CancellationToken,
    status: Arc<Status>,
    ledger: Arc<Ledger>,
}

impl Exit {
    /// Stops accepting after `grace`, and waits for what was begun, at most until `limit`.
    async fn drain(&self, limit: Duration, grace: Duration) {
        tracing::info!(
            limit_s = limit.as_secs_f64(),
            "shutting down: requests in flight are finished"
        );
        self.status.standing().is_draining = true;
        let finish = async {
            tokio::time::sleep(grace).await;
            self.closing.cancel();
            self.tasks.close();
            self.tasks.wait().await;
        };
        if tokio::time::timeout(limit, finish).await.is_ok() {
            tracing::info!("ended: every request was finished");
        } else {
            self.cut().await;
        }
    }

    /// Ends what is left, so that it is written down too.
    async fn cut(&self) {
        let connections = self.ledger.metrics.connections.get();
        let requests = self.ledger.metrics.requests_in_flight.get();
        tracing::warn!(
            connections,
            requests,
            "ended: connections were cut at the drain's limit"
        );
        self.ledger.is_cutting.store(true, Ordering::Relaxed);
        // The grace may have been as long as the drain.
        self.closing.cancel();
        self.cutting.cancel();
        // It only takes what is busy at this moment.
        let _ = tokio::time::timeout(CUT_MAX, self.tasks.wait()).await;
    }
}

//! `tollgate-proxy serve`.

use std::time::Duration;

use crate::config::Config;
use crate::failure::Failure;
use crate::operational_log;

/// How long the end waits for a slow reader of the log.
const LOG_FLUSH_MAX: Duration = Duration::from_millis(500);
/// How long a thread waits that has read the store or built a snapshot: at its end it gives back the memory that it freed.
const READER_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// What `serve` is told, as it is written.
#[derive(Debug, Default, clap::Args)]
pub struct Arguments {
    /// Where the documents are kept: directory:PATH or secretsmanager.
    #[arg(long, env = "TOLLGATE_STORE", value_name = "STORE")]
    pub store: Option<String>,
    /// The namespace to serve, like prod.
    #[arg(long, env = "TOLLGATE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,
    /// The name of the `tollgate_proxy` that this process is.
    #[arg(long, env = "TOLLGATE_PROXY", value_name = "NAME")]
    pub proxy: Option<String>,
    /// Where clients connect, in place of what the `tollgate_proxy` says, also unix:PATH; repeat it or separate by
    /// commas. Bound at once: requests are answered 503 until there is a snapshot. What another process of the same user
    /// serves is left to it until then. TLS and the PROXY protocol are what the `tollgate_proxy` says of the same address.
    #[arg(
        long,
        env = "TOLLGATE_LISTEN",
        value_name = "ADDRESS:PORT",
        value_delimiter = ','
    )]
    pub listen: Vec<String>,
    /// Where operators connect: /healthz, /readyz, /metrics, /documents, /jwks [default: 127.0.0.1:9900].
    #[arg(long, env = "TOLLGATE_ADMIN", value_name = "ADDRESS:PORT")]
    pub admin: Option<String>,
    /// How often the store is asked for changes, 200ms to 5m [default: 5s].
    #[arg(long, env = "TOLLGATE_POLL", value_name = "DURATION")]
    pub poll: Option<String>,
    /// The age of the last answer of the store from which on the proxy is not ready, 1m to 31d [default: 24h].
    #[arg(long, env = "TOLLGATE_SNAPSHOT_AGE_MAX", value_name = "DURATION")]
    pub snapshot_age_max: Option<String>,
    /// How long requests in flight may take to finish at the end, 100ms to 10m [default: 25s].
    #[arg(long, env = "TOLLGATE_DRAIN", value_name = "DURATION")]
    pub drain: Option<String>,
    /// How long to go on accepting at the end, so that load balancers notice first; a part of the drain, 0s to 5m
    /// [default: 0s].
    #[arg(long, env = "TOLLGATE_DRAIN_GRACE", value_name = "DURATION")]
    pub drain_grace: Option<String>,
    /// The most open connections of clients, 100 to 1000000 [default: 10000]. Those beyond wait to be accepted. Fewer
    /// where the system lets the process have too few files open: each needs two, and 256 are kept for the rest.
    #[arg(long, env = "TOLLGATE_CONNECTIONS_MAX", value_name = "COUNT")]
    pub connections_max: Option<String>,
    /// The most open connections of one address, or of one /64 of IPv6, 1 to 1000000 [default: 1000]. Those beyond are
    /// refused, but for those of trusted proxies.
    #[arg(
        long,
        env = "TOLLGATE_CONNECTIONS_PER_ADDRESS_MAX",
        value_name = "COUNT"
    )]
    pub connections_per_address_max: Option<String>,
    /// How many threads carry requests, 1 to 256 [default: as many as there are cores to run on].
    #[arg(long, env = "TOLLGATE_WORKERS", value_name = "COUNT")]
    pub workers: Option<String>,
    /// The AWS region of secretsmanager [default: as for the AWS command line].
    #[arg(long, env = "TOLLGATE_SECRETSMANAGER_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Another address of secretsmanager: a VPC endpoint, or an emulator.
    #[arg(long, env = "TOLLGATE_SECRETSMANAGER_ENDPOINT_URL", value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// What is logged to stderr: error, warn, info, debug, trace, or by module like `tollgate_proxy::watch=debug`
    /// [default: info].
    #[arg(long, env = "TOLLGATE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::try_from(arguments)?;
    let log = operational_log::start(config.log.as_deref())?;
    // Two providers in one process end in a panic at the first handshake; this one is the process's.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // It watches the store and answers operators; requests have threads of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(READER_KEEP_ALIVE)
        .build()
        .map_err(|error| {
            Failure::Configuration(format!("the system gives no threads to run on: {error}"))
        })?;
    let result = runtime.block_on(crate::serve::run(config, log.clone()));
    // A file system or a name server that hangs must not hold up the end.
    runtime.shutdown_background();
    log.flush(LOG_FLUSH_MAX);
    result
}

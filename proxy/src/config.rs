//! What `serve` is told, read into values that can't be wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tollgate_store::backend::{Location, SecretsManager};
use tollgate_store::{ListenAddress, ListenPlace, Name, Namespace, duration_within};

use crate::command::Arguments;
use crate::failure::Failure;

const CONNECTIONS_DEFAULT: usize = 10_000;
const CONNECTIONS_BOUNDS: (usize, usize) = (100, 1_000_000);
/// A tenth of the connections in all: no address alone keeps the others out.
const PER_ADDRESS_DEFAULT: usize = 1_000;
const PER_ADDRESS_BOUNDS: (usize, usize) = (1, 1_000_000);
const ADMIN_DEFAULT: &str = "127.0.0.1:9900";
const WORKERS_BOUNDS: (usize, usize) = (1, 256);
const POLL: Span = Span {
    default: Duration::from_secs(5),
    least: Duration::from_millis(200),
    most: Duration::from_mins(5),
    bounds: "200ms to 5m",
};
const DRAIN: Span = Span {
    default: Duration::from_secs(25),
    least: Duration::from_millis(100),
    most: Duration::from_mins(10),
    bounds: "100ms to 10m",
};
const DRAIN_GRACE: Span = Span {
    default: Duration::ZERO,
    least: Duration::ZERO,
    most: Duration::from_mins(5),
    bounds: "0s to 5m",
};
const SNAPSHOT_AGE_MAX: Span = Span {
    default: Duration::from_hours(24),
    least: Duration::from_mins(1),
    most: Duration::from_hours(31 * 24),
    bounds: "1m to 31d",
};

/// What `serve` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the documents are kept.
    pub store: Location,
    /// Which of the store's namespaces is served.
    pub namespace: Namespace,
    /// Which of the namespace's proxies this is.
    pub proxy: Name,
    /// Where clients connect; empty: where the proxy's document says.
    pub listen: BTreeSet<ListenPlace>,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// How often the store is asked for changes.
    pub poll: Duration,
    /// The age of the store's last answer from which on the proxy is not ready.
    pub snapshot_age_max: Duration,
    /// How long the end may take.
    pub drain: Duration,
    /// The part of it in which connections are still accepted.
    pub drain_grace: Duration,
    /// The most open connections of clients.
    pub connections_max: usize,
    /// The most of them that one address has; those of trusted proxies may have more.
    pub connections_per_address_max: usize,
    /// How many threads carry requests.
    pub workers: usize,
    /// What is logged.
    pub log: Option<String>,
}

impl TryFrom<Arguments> for Config {
    type Error = Failure;

    fn try_from(arguments: Arguments) -> Result<Self, Failure> {
        let Arguments {
            store,
            namespace,
            proxy,
            listen,
            admin,
            poll,
            snapshot_age_max,
            drain,
            drain_grace,
            connections_max,
            connections_per_address_max,
            workers,
            region,
            endpoint_url,
            log,
        } = arguments;
        let location = setting("store").required(store, "\"directory:PATH\" or \"secretsmanager\"");
        let config = Self {
            store: store_location(&location?, given(region), given(endpoint_url))?,
            namespace: {
                let text = setting("namespace").required(namespace, "like \"prod\"")?;
                setting("namespace").check(Namespace::parse(&text))?
            },
            proxy: {
                let expected = "the name of a tollgate_proxy, like \"edge\"";
                let text = setting("proxy").required(proxy, expected)?;
                setting("proxy").check(Name::parse(&text))?
            },
            listen: listen
                .into_iter()
                .filter_map(|text| given(Some(text)))
                .map(|text| Ok(address("listen", &text)?.place().clone()))
                .collect::<Result<_, _>>()?,
            admin: admin_address(admin)?,
            poll: POLL.read("poll", poll)?,
            snapshot_age_max: SNAPSHOT_AGE_MAX.read("snapshot-age-max", snapshot_age_max)?,
            drain: DRAIN.read("drain", drain)?,
            drain_grace: DRAIN_GRACE.read("drain-grace", drain_grace)?,
            connections_max: connections(connections_max)?,
            connections_per_address_max: per_address(connections_per_address_max)?,
            workers: threads(workers)?,
            log: given(log),
        };
        if config.drain_grace > config.drain {
            return Err(setting("drain-grace").wrong("must not be longer than the drain itself"));
        }
        Ok(config)
    }
}

/// A flag and its environment variable, for messages.
struct Setting(&'static str);

fn setting(flag: &'static str) -> Setting {
    Setting(flag)
}

impl Setting {
    fn wrong(&self, problem: impl std::fmt::Display) -> Failure {
        let variable = match self.0 {
            "region" => "SECRETSMANAGER_REGION".to_owned(),
            "endpoint-url" => "SECRETSMANAGER_ENDPOINT_URL".to_owned(),
            flag => flag.to_ascii_uppercase().replace('-', "_"),
        };
        Failure::Configuration(format!("TOLLGATE_{variable} or --{}: {problem}", self.0))
    }

    fn required(&self, text: Option<String>, expected: &str) -> Result<String, Failure> {
        given(text).ok_or_else(|| self.wrong(format!("is missing: it must be {expected}")))
    }

    fn count(
        &self,
        text: Option<String>,
        what: &str,
        (least, most): (usize, usize),
    ) -> Result<Option<usize>, Failure> {
        let Some(text) = given(text) else {
            return Ok(None);
        };
        let count = text.parse().ok();
        let bounded = count.filter(|count| (least..=most).contains(count));
        bounded.map(Some).ok_or_else(|| {
            self.wrong(format!(
                "{text:?} is no count of {what}: it must be {least} to {most}"
            ))
        })
    }

    fn check<T>(&self, result: Result<T, String>) -> Result<T, Failure> {
        result.map_err(|problem| self.wrong(problem))
    }
}

/// An empty environment variable is one that was not set.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn store_location(
    text: &str,
    region: Option<String>,
    endpoint_url: Option<String>,
) -> Result<Location, Failure> {
    match setting("store").check(Location::parse(text))? {
        Location::SecretsManager(settings) => Ok(Location::SecretsManager(SecretsManager {
            region,
            endpoint_url,
            ..settings
        })),
        Location::Directory(path) => {
            let only = "is for the store \"secretsmanager\": leave it out";
            match (region, endpoint_url) {
                (Some(_), _) => Err(setting("region").wrong(only)),
                (None, Some(_)) => Err(setting("endpoint-url").wrong(only)),
                (None, None) => Ok(Location::Directory(path)),
            }
        }
    }
}

/// Where operators connect.
pub(crate) fn admin_address(text: Option<String>) -> Result<SocketAddr, Failure> {
    let address = address("admin", given(text).as_deref().unwrap_or(ADMIN_DEFAULT))?;
    match address.place() {
        ListenPlace::Tcp(address) => Ok(*address),
        ListenPlace::Unix(_) => Err(setting("admin").wrong(format!(
            "{:?} must be an address and a port, like \"{ADMIN_DEFAULT}\"",
            address.as_str()
        ))),
    }
}

fn address(flag: &'static str, text: &str) -> Result<ListenAddress, Failure> {
    setting(flag).check(ListenAddress::parse(text.trim()))
}

fn connections(text: Option<String>) -> Result<usize, Failure> {
    let bounded = setting("connections-max").count(text, "connections", CONNECTIONS_BOUNDS)?;
    Ok(bounded.unwrap_or(CONNECTIONS_DEFAULT))
}

fn per_address(text: Option<String>) -> Result<usize, Failure> {
    let setting = setting("connections-per-address-max");
    let bounded = setting.count(text, "connections", PER_ADDRESS_BOUNDS)?;
    Ok(bounded.unwrap_or(PER_ADDRESS_DEFAULT))
}

fn threads(text: Option<String>) -> Result<usize, Failure> {
    let bounded = setting("workers").count(text, "threads", WORKERS_BOUNDS)?;
    let (_, most) = WORKERS_BOUNDS;
    // As many as the process may use, by its affinity and its share of the machine.
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(bounded.unwrap_or_else(|| cores().min(most)))
}

/// A length of time: what it is where it is left out, and its bounds.
struct Span {
    default: Duration,
    least: Duration,
    most: Duration,
    bounds: &'static str,
}

impl Span {
    fn read(&self, flag: &'static str, text: Option<String>) -> Result<Duration, Failure> {
        let Some(text) = given(text) else {
            return Ok(self.default);
        };
        setting(flag).check(duration_within(&text, (self.least, self.most), self.bounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Arguments {
        Arguments {
            store: Some("directory:/srv/tollgate".to_owned()),
            namespace: Some("prod".to_owned()),
            proxy: Some("edge".to_owned()),
            ..Arguments::default()
        }
    }

    fn problem(arguments: Arguments) -> String {
        Config::try_from(arguments).unwrap_err().to_string()
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let config = Config::try_from(arguments()).unwrap();

        assert_eq!(config.admin, "127.0.0.1:9900".parse().unwrap());
        assert_eq!(config.poll, Duration::from_secs(5));
        assert_eq!(config.drain, Duration::from_secs(25));
        assert_eq!(config.snapshot_age_max, Duration::from_hours(24));
        assert_eq!(config.connections_max, 10_000);
        assert_eq!(config.connections_per_address_max, 1_000);
        assert!(config.listen.is_empty());
        assert!(config.workers >= 1);
    }

    #[test]
    fn what_is_missing_is_named_with_what_would_be_right() {
        let arguments = Arguments {
            store: Some(String::new()),
            ..arguments()
        };

        assert_eq!(
            problem(arguments),
            "TOLLGATE_STORE or --store: is missing: it must be \"directory:PATH\" or \"secretsmanager\""
        );
    }

    #[test]
    fn a_poll_out_of_bounds_is_refused() {
        for text in ["199ms", "6m", "31d"] {
            let arguments = Arguments {
                poll: Some(text.to_owned()),
                ..arguments()
            };
            assert_eq!(
                problem(arguments),
                format!("TOLLGATE_POLL or --poll: {text} is out of bounds: it must be 200ms to 5m")
            );
        }
    }

    #[test]
    fn a_count_out_of_bounds_is_refused() {
        let arguments = Arguments {
            workers: Some("0".to_owned()),
            ..arguments()
        };

        assert_eq!(
            problem(arguments),
            "TOLLGATE_WORKERS or --workers: \"0\" is no count of threads: it must be 1 to 256"
        );
    }

    #[test]
    fn a_length_of_time_without_a_unit_is_refused() {
        let arguments = Arguments {
            drain: Some("25".to_owned()),
            ..arguments()
        };

        assert!(problem(arguments).starts_with("TOLLGATE_DRAIN or --drain: \"25\" is not"));
    }

    #[test]
    fn an_endpoint_belongs_to_secrets_manager() {
        let endpoint_url = Some("http://127.0.0.1:4566".to_owned());
        let directory = Arguments {
            endpoint_url: endpoint_url.clone(),
            ..arguments()
        };
        assert_eq!(
            problem(directory),
            "TOLLGATE_SECRETSMANAGER_ENDPOINT_URL or --endpoint-url: is for the store \"secretsmanager\": leave it out"
        );

        let secrets_manager = Arguments {
            store: Some("secretsmanager".to_owned()),
            endpoint_url: endpoint_url.clone(),
            ..arguments()
        };
        let expected = Location::SecretsManager(SecretsManager {
            endpoint_url,
            ..SecretsManager::default()
        });
        assert_eq!(Config::try_from(secrets_manager).unwrap().store, expected);
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        let arguments = Arguments {
            listen: vec!["0.0.0.0".to_owned()],
            ..arguments()
        };

        assert!(problem(arguments).starts_with("TOLLGATE_LISTEN or --listen: \"0.0.0.0\" is not"));
    }

    #[test]
    fn a_grace_longer_than_the_drain_is_refused() {
        let arguments = Arguments {
            drain: Some("5s".to_owned()),
            drain_grace: Some("6s".to_owned()),
            ..arguments()
        };

        assert!(problem(arguments).contains("must not be longer than the drain"));
    }
}

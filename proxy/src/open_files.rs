//! How many files and sockets the process may have open, and for how many clients that is enough.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What is kept for the process itself: listeners, the store, operators, issuers, counters.
const OWN_MAX: u64 = 256;
/// A client's connection, and one to an upstream for it.
const EACH: u64 = 2;

/// Raises the limit as far as the system lets the process. Returns it; `None`: there is none.
///
/// Service managers set a low one for programs that would wait for files one by one (`select`), and let others raise it.
#[must_use]
pub fn raise() -> Option<u64> {
    let standing = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: standing.maximum,
        maximum: standing.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        // macOS bounds it elsewhere, too.
        Err(_) => standing.current,
    }
}

/// Lets no more clients in than the limit is enough for: those beyond would leave no file for upstreams, for the store
/// and for operators. What one address may have shrinks in proportion.
#[must_use]
pub fn fitted(config: Config, limit: Option<u64>) -> Config {
    let wanted = config.connections_max;
    let fitting = limit.map_or(wanted, connections);
    if wanted <= fitting {
        return config;
    }
    tracing::warn!(
        open_files_max = limit,
        connections_max = wanted,
        connections = fitting,
        "fewer clients are let in than declared: raise the limit of open files (ulimit -n, LimitNOFILE)"
    );
    let per_address = config.connections_per_address_max.saturating_mul(fitting);
    Config {
        connections_max: fitting,
        connections_per_address_max: per_address.div_ceil(wanted),
        ..config
    }
}

/// For how many clients a limit is enough.
fn connections(limit: u64) -> usize {
    let own = OWN_MAX.min(limit / 2);
    let fitting = (limit - own) / EACH;
    usize::try_from(fitting).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Arguments;

    fn config() -> Config {
        let arguments = Arguments {
            store: Some("directory:/srv/tollgate".to_owned()),
            namespace: Some("prod".to_owned()),
            proxy: Some("edge".to_owned()),
            ..Arguments::default()
        };
        Config::try_from(arguments).unwrap()
    }

    #[test]
    fn as_many_clients_are_let_in_as_there_are_files_for() {
        for (limit, connections_max, per_address) in [
            (None, 10_000, 1_000),
            (Some(1_048_576), 10_000, 1_000),
            (Some(20_256), 10_000, 1_000),
            (Some(1_024), 384, 39),
            (Some(64), 16, 2),
            (Some(0), 1, 1),
        ] {
            let fitted = fitted(config(), limit);
            let bounds = (fitted.connections_max, fitted.connections_per_address_max);
            assert_eq!(bounds, (connections_max, per_address), "{limit:?}");
        }
    }

    #[test]
    fn the_limit_is_as_high_as_the_system_lets_it_be() {
        assert_eq!(raise(), getrlimit(Resource::Nofile).maximum);
        assert_eq!(raise(), getrlimit(Resource::Nofile).current);
    }
}

//! What happens to the process, as JSON lines on stderr. Requests have their own log.

mod writer;

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;
pub use writer::Lines;

/// These crates show what goes over the wire, credentials too, where they are asked for details; or they complain of
/// what the proxy itself tells better.
const QUIET: [&str; 9] = [
    "aws_config=error",
    "aws_sdk_secretsmanager=warn",
    "aws_smithy_runtime=warn",
    "aws_smithy_runtime_api=warn",
    "h2=warn",
    "hyper=error",
    "hyper_util=warn",
    "redis=error",
    "rustls=warn",
];

/// Starts the log; `filter` is `info` where it is not given.
pub fn start(filter: Option<&str>) -> Result<Lines, Failure> {
    let filter = parse(filter.unwrap_or("info"))?;
    let lines = Lines::start(std::io::stderr()).map_err(|error| {
        Failure::Configuration(format!("the system gives no thread for the log: {error}"))
    })?;
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // It would complain on stderr, in a way that ends a process whose stderr is closed.
        .log_internal_errors(false)
        .with_writer(lines.clone())
        .with_env_filter(filter);
    // Only a test starts it twice, and the first one is as good.
    let _ = subscriber.try_init();
    std::panic::set_hook(Box::new(report));
    Ok(lines)
}

fn parse(text: &str) -> Result<EnvFilter, Failure> {
    let mut filter = EnvFilter::try_new(text).map_err(|error| {
        Failure::Configuration(format!(
            "TOLLGATE_LOG or --log: {text:?} is not a log filter ({error}): write error, warn, info, debug or trace"
        ))
    })?;
    for directive in QUIET {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    Ok(filter)
}

/// Tells where a panic came from. Its text is left out: it may quote what a client sent.
fn report(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, "a bug ended a task: please report it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_told_with_what_would_be_right() {
        let failure = parse("tollgate_proxy=loud").unwrap_err();

        assert!(
            failure
                .to_string()
                .starts_with("TOLLGATE_LOG or --log: \"tollgate_proxy=loud\" is not a log filter"),
            "{failure}"
        );
    }

    #[test]
    fn crates_that_show_heads_stay_quiet_however_much_is_asked_for() {
        let filter = parse("trace").unwrap().to_string();

        for directive in QUIET {
            assert!(filter.contains(directive), "{filter}");
        }
    }
}

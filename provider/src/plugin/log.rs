//! The log as Terraform reads it from standard error: one JSON object a line, in the form of Go's hclog.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;

use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Terraform loses the structure of lines over 64 KiB; a value is cut so that some fit into a line.
const VALUE_CHARS_MAX: usize = 8 * 1024;
/// The variables that Terraform's users know, the most specific first.
const LEVEL_VARIABLES: [&str; 3] = ["TF_LOG_PROVIDER_TOLLGATE", "TF_LOG_PROVIDER", "TF_LOG"];
/// Only our own code speaks below `warn`: libraries' traces show what they send, tokens included.
const OWN_CODE: [&str; 3] = [
    "terraform_provider_tollgate",
    "tollgate_provider",
    "tollgate_store",
];

/// Sends the log, and what a panic says, to standard error.
pub(crate) fn install() {
    let level = LEVEL_VARIABLES
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .map_or("warn", |level| level_name(&level));
    let own = OWN_CODE.map(|target| format!("{target}={level}"));
    let filter = EnvFilter::new(format!("warn,{}", own.join(",")));
    tracing_subscriber::registry()
        .with(filter)
        .with(Hclog)
        .init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        // A panic inside a call becomes that call's diagnostic. One of the main thread ends the process, which
        // Terraform recognises by this line.
        if std::thread::current().name() == Some("main") {
            print_plain(&format!("panic: at {place}"));
        } else {
            tracing::error!(place, "a panic was caught");
        }
    }));
}

/// Prints a line for a person.
pub(crate) fn print_plain(line: &str) {
    // Nobody is left to tell where standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn level_name(level: &str) -> &'static str {
    match level.to_ascii_lowercase().as_str() {
        "trace" | "json" => "trace",
        "debug" => "debug",
        "info" => "info",
        "error" => "error",
        "off" => "off",
        _ => "warn",
    }
}

/// Writes each event as one line of hclog's JSON.
struct Hclog;

impl<S: Subscriber> Layer<S> for Hclog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        print_plain(&line(event, &timestamp()));
    }
}

fn line(event: &Event<'_>, timestamp: &str) -> String {
    let mut fields = Fields::default();
    event.record(&mut fields);
    let Fields {
        message,
        mut others,
    } = fields;
    others.insert(
        "@level".to_owned(),
        level_text(*event.metadata().level()).into(),
    );
    others.insert("@message".to_owned(), message.into());
    others.insert("@module".to_owned(), "tollgate".into());
    others.insert("@timestamp".to_owned(), timestamp.into());
    json!(others).to_string()
}

/// RFC 3339 with exactly six fractional digits.
#[allow(
    clippy::disallowed_methods,
    reason = "a log line says when it was written"
)]
fn timestamp() -> String {
    format!("{:.6}", jiff::Timestamp::now())
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// An event's fields; all values are text, since Terraform takes the message as nothing else.
#[derive(Default)]
struct Fields {
    message: String,
    others: BTreeMap<String, Value>,
}

impl Fields {
    fn record(&mut self, field: &Field, text: String) {
        let text = match text.char_indices().nth(VALUE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text,
        };
        match field.name() {
            "message" => self.message = text,
            name => drop(self.others.insert(name.to_owned(), text.into())),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Keep(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Keep {
        fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
            self.0
                .lock()
                .unwrap()
                .push(line(event, "2026-01-02T03:04:05.000006Z"));
        }
    }

    fn lines(log: impl FnOnce()) -> Vec<String> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let subscriber = tracing_subscriber::registry().with(Keep(Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, log);
        kept.lock().unwrap().clone()
    }

    #[test]
    fn a_line_is_what_terraform_parses() {
        let lines = lines(|| tracing::warn!(count = 3, name = "acme", "a key was written"));

        assert_eq!(
            lines,
            [
                r#"{"@level":"warn","@message":"a key was written","@module":"tollgate","@timestamp":"2026-01-02T03:04:05.000006Z","count":"3","name":"acme"}"#
            ]
        );
    }

    #[test]
    fn a_long_value_is_cut_so_that_the_line_stays_whole() {
        let lines = lines(|| tracing::info!(body = "ä".repeat(100_000), "long"));

        assert!(lines[0].len() < 64 * 1024);
        assert!(lines[0].contains("ä…"));
    }

    #[test]
    fn the_time_has_exactly_six_fractional_digits() {
        let timestamp = timestamp();

        assert_eq!(
            timestamp.len(),
            "2026-01-02T03:04:05.000006Z".len(),
            "{timestamp}"
        );
    }
}

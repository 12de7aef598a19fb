//! The Terraform provider's process: Terraform starts it, speaks gRPC to it over a unix socket, and ends it.

mod plugin;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use futures_util::FutureExt as _;
use plugin::{Mode, log};
use tollgate_provider::{TollgateProvider, VERSION};

/// Terraform provider for Tollgate: API access as code.
#[derive(Debug, Parser)]
#[command(name = "terraform-provider-tollgate", version = VERSION)]
struct Arguments {
    /// Serve until interrupted, and print what to set so that Terraform attaches to this process.
    #[arg(long)]
    debug: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::install();
    // The only one in the process: what rustls and the AWS SDK use where nothing else is named.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        tracing::warn!("another TLS provider was installed before ours");
    }
    let mode = if arguments.debug {
        Ok(Mode::Debug)
    } else {
        plugin::Handshake::from_environment(|name| std::env::var(name).ok()).map(Mode::Managed)
    };
    let served = mode.map_err(text).and_then(|mode| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(text)?
            .block_on(serve(mode))
            .map_err(text)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            log::print_plain(&message);
            ExitCode::FAILURE
        }
    }
}

async fn serve(mode: Mode) -> Result<(), plugin::ServeError> {
    let provider = Arc::new(TollgateProvider::new());
    let last = Arc::clone(&provider);
    let finish = move || {
        let provider = Arc::clone(&last);
        async move { provider.finish().await }.boxed()
    };
    plugin::serve(provider, Box::new(finish), mode).await
}

fn text(error: impl std::error::Error) -> String {
    error.to_string()
}

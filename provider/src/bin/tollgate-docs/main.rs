//! Writes `docs/` from the provider's own schema and the examples, in the layout of Terraform's registry.
//!
//! It knows no resource by name: whatever the provider answers when it is asked for its schema has a page.

mod examples;
mod failure;
mod files;
mod front_page;
mod function;
mod guides;
mod markdown;
mod pages;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tollgate_proto::tfplugin6::get_provider_schema::{Request, Response};
use tollgate_proto::tfplugin6::provider_server::Provider;
use tollgate_provider::TollgateProvider;

use examples::Examples;
use failure::Failure;
use pages::{Page, unsupported};

/// Writes the provider's documentation.
#[derive(Debug, Parser)]
#[command(name = "tollgate-docs")]
struct Arguments {
    /// The folder of the repository, which holds `examples` and `docs`.
    repository: PathBuf,
    /// Write nothing: say what is not up to date.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let Arguments { repository, check } = Arguments::parse();
    let done = documentation(&repository).and_then(|pages| {
        if check {
            files::compare(&repository, &pages)
        } else {
            files::write(&repository, &pages)
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failures) => {
            for failure in failures {
                eprintln!("{failure}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Every page that the repository should hold, or everything that is in the way.
fn documentation(repository: &Path) -> Result<Vec<Page>, Vec<Failure>> {
    let schema = provider_schema().map_err(|failure| vec![failure])?;
    let guides = guides::read(repository)?;
    pages::all(schema, &Examples::of(repository), &guides)
}

/// What the provider tells Terraform about itself.
fn provider_schema() -> Result<Response, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(Failure::Runtime)?;
    let provider = TollgateProvider::new();
    let asked = provider.get_provider_schema(tonic::Request::new(Request {}));
    let answer = runtime.block_on(asked);
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| unsupported("the provider", status.message()))
}

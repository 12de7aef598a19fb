//! The same test on every store.

use std::sync::Arc;

use tempfile::TempDir;
use tollgate_acceptance::{Binaries, Endpoint, Place, Terraform, fresh_namespace};
use tollgate_store::Namespace;
use tollgate_store::backend::Backend;

/// What a test needs to apply a configuration to one store.
pub(crate) struct Run {
    pub(crate) binaries: Binaries,
    pub(crate) namespace: Namespace,
    pub(crate) place: Place,
    pub(crate) terraform: Terraform,
    _folder: Option<TempDir>,
}

/// The embedded store, in a folder of its own.
pub(crate) fn directory(purpose: &str) -> Run {
    let folder = TempDir::with_prefix("tollgate-store-").unwrap();
    let place = Place::Directory(folder.path().join("store"));
    run(purpose, place, Some(folder))
}

/// Secrets Manager on LocalStack.
pub(crate) fn localstack(purpose: &str) -> Run {
    run(purpose, Place::localstack().unwrap(), None)
}

/// Secrets Manager on LocalStack, behind an endpoint that can disturb terraform's calls.
pub(crate) fn disturbed(purpose: &str) -> (Run, Endpoint) {
    let mut run = localstack(purpose);
    let Place::LocalStack(place) = &run.place else {
        panic!("not LocalStack")
    };
    let endpoint = Endpoint::to(place).unwrap();
    run.terraform.set("AWS_ENDPOINT_URL", &endpoint.url());
    (run, endpoint)
}

fn run(purpose: &str, place: Place, folder: Option<TempDir>) -> Run {
    let binaries = Binaries::find().unwrap();
    let namespace = fresh_namespace(purpose).unwrap();
    let mut terraform = Terraform::new(&binaries, &place).unwrap();
    terraform.set("TOLLGATE_NAMESPACE", namespace.as_str());
    Run {
        binaries,
        namespace,
        place,
        terraform,
        _folder: folder,
    }
}

impl Run {
    /// Makes `resources` what the configuration declares.
    pub(crate) fn declare(&self, resources: &str) {
        declare(&self.terraform, resources);
    }

    /// Fails if anything is left in the store, a token or a document.
    pub(crate) fn assert_nothing_is_left(&self) {
        let left = self.place.leftovers(&self.namespace).unwrap();
        assert_eq!(left, Vec::<String>::new());
    }

    /// Looks into the store, or changes it, behind terraform's back.
    pub(crate) fn with_store<T>(&self, act: impl AsyncFnOnce(Arc<dyn Backend>) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { act(self.place.open(&self.namespace).await.unwrap()).await })
    }
}

/// Makes `resources` what a configuration declares.
pub(crate) fn declare(terraform: &Terraform, resources: &str) {
    terraform
        .write("main.tf", &format!("{REQUIRED}{PROVIDER}{resources}"))
        .unwrap();
}

/// Another person's terraform on the same namespace.
pub(crate) fn another(run: &Run) -> Terraform {
    let mut terraform = Terraform::new(&run.binaries, &run.place).unwrap();
    terraform.set("TOLLGATE_NAMESPACE", run.namespace.as_str());
    terraform
}

/// Where the provider comes from.
pub(crate) const REQUIRED: &str = r#"
terraform {
  required_providers {
    tollgate = { source = "tollgate/tollgate" }
  }
}
"#;

/// The provider, with namespace and store from the environment.
pub(crate) const PROVIDER: &str = "\nprovider \"tollgate\" {}\n";

/// Declares the same test for both stores.
macro_rules! on_both_stores {
    ($($name:ident => $body:path;)*) => {
        mod on_the_directory_store {
            $(#[test] fn $name() { $body(&$crate::stores::directory("test")) })*
        }
        mod on_secrets_manager {
            $(#[test] fn $name() { $body(&$crate::stores::localstack("test")) })*
        }
    };
}
pub(crate) use on_both_stores;

//! Where the built binaries are.

use std::path::{Path, PathBuf};

use crate::Failure;

const PROVIDER: &str = "terraform-provider-tollgate";
const PROXY: &str = "tollgate-proxy";

/// The built binaries, in the folder that this program was built into.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Finds both.
    pub fn find() -> Result<Self, Failure> {
        Self::find_all(&[PROVIDER, PROXY], "build them with `make build`")
    }

    /// Finds the provider; whether the proxy was built too does not matter.
    pub fn find_provider() -> Result<Self, Failure> {
        Self::find_all(
            &[PROVIDER],
            "build it with `cargo build`, as this program was",
        )
    }

    /// Finds the proxy; whether the provider was built too does not matter.
    pub fn find_proxy() -> Result<Self, Failure> {
        Self::find_all(&[PROXY], "build it with `cargo build`, as this program was")
    }

    fn find_all(names: &[&str], remedy: &str) -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(Failure::system("this program's own place is unknown"))?;
        let holds_all = |folder: &&Path| names.iter().all(|name| folder.join(name).is_file());
        own.ancestors()
            .skip(1)
            .take(2)
            .find(holds_all)
            .map(|folder| Self {
                folder: folder.to_owned(),
            })
            .ok_or_else(|| Failure::Missing {
                program: names.join(" or "),
                remedy: remedy.to_owned(),
            })
    }

    /// The folder, as Terraform's development overrides name it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> PathBuf {
        self.folder.join(PROVIDER)
    }

    /// The proxy.
    #[must_use]
    pub fn proxy(&self) -> PathBuf {
        self.folder.join(PROXY)
    }
}

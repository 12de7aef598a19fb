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
    /// Finds them.
    pub fn find() -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(Failure::system("this program's own place is unknown"))?;
        let holds_both =
            |folder: &&Path| folder.join(PROVIDER).is_file() && folder.join(PROXY).is_file();
        own.ancestors()
            .skip(1)
            .take(2)
            .find(holds_both)
            .map(|folder| Self {
                folder: folder.to_owned(),
            })
            .ok_or_else(|| Failure::Missing {
                program: format!("{PROVIDER} or {PROXY}"),
                remedy: "build them with `make build`".to_owned(),
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

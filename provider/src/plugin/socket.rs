//! The unix socket: in a folder that only its owner (and a declared group) can enter, gone with the process.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::UnixListener;

const FILE_NAME: &str = "provider.sock";
/// What the kernel's socket addresses hold on Linux; macOS takes a few less.
const PATH_BYTES_MAX: usize = 103;
const GROUPS: &str = "/etc/group";

/// Where Terraform wants the socket, if it says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placement {
    /// The folder to make it in; the system's folder for temporary files otherwise.
    pub(crate) folder: Option<PathBuf>,
    /// The group, by name or number, that may connect too.
    pub(crate) group: Option<String>,
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path} has {length} bytes, a socket's path at most {PATH_BYTES_MAX}: set TMPDIR to a shorter folder"
    )]
    TooLong { path: PathBuf, length: usize },
    #[error("PLUGIN_UNIX_SOCKET_GROUP names the group {0:?}, which does not exist")]
    NoGroup(String),
}

/// A bound socket; dropping it removes the socket and its folder.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
    _folder: TempDir,
}

impl Socket {
    /// Makes the folder and binds the socket in it.
    pub(crate) fn bind(placement: Placement) -> Result<Self, SocketError> {
        let parent = placement.folder.unwrap_or_else(std::env::temp_dir);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SocketError::File { path, source }
        };
        let folder = tempfile::Builder::new()
            .prefix("tollgate-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(failed(&parent))?;
        let path = folder.path().join(FILE_NAME);
        let length = path.as_os_str().len();
        if length > PATH_BYTES_MAX {
            return Err(SocketError::TooLong { path, length });
        }
        let listener = std::os::unix::net::UnixListener::bind(&path).map_err(failed(&path))?;
        listener.set_nonblocking(true).map_err(failed(&path))?;
        if let Some(group) = &placement.group {
            let group = group_number(group)?;
            share(folder.path(), group, 0o750).map_err(failed(folder.path()))?;
            share(&path, group, 0o660).map_err(failed(&path))?;
        }
        Ok(Self {
            path,
            listener,
            _folder: folder,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Listens on it; call it inside the runtime.
    pub(crate) fn listener(&self) -> Result<UnixListener, SocketError> {
        self.listener
            .try_clone()
            .and_then(UnixListener::from_std)
            .map_err(|source| SocketError::File {
                path: self.path.clone(),
                source,
            })
    }
}

fn share(path: &Path, group: u32, mode: u32) -> std::io::Result<()> {
    chown(path, None, Some(group))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The number of a group that is given by number or by name.
fn group_number(group: &str) -> Result<u32, SocketError> {
    let number_of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(group))
            .then(|| fields.nth(1)?.parse().ok())
            .flatten()
    };
    group
        .parse()
        .ok()
        .or_else(|| {
            std::fs::read_to_string(GROUPS)
                .ok()?
                .lines()
                .find_map(number_of)
        })
        .ok_or_else(|| SocketError::NoGroup(group.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_the_owner_can_enter_the_sockets_folder_and_it_is_gone_afterwards() {
        let socket = Socket::bind(Placement::default()).unwrap();
        let folder = socket.path().parent().unwrap().to_owned();
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);

        drop(socket);

        assert!(!folder.exists());
    }

    #[test]
    fn the_folder_and_the_group_that_terraform_names_are_used() {
        let parent = tempfile::tempdir().unwrap();
        let own_group = parent.path().metadata().unwrap().gid();

        let socket = Socket::bind(Placement {
            folder: Some(parent.path().to_owned()),
            group: Some(own_group.to_string()),
        })
        .unwrap();

        assert!(socket.path().starts_with(parent.path()));
        assert_eq!(socket.path().metadata().unwrap().mode() & 0o777, 0o660);
    }

    #[test]
    fn an_unknown_group_and_a_path_that_is_too_long_are_named() {
        let refused = group_number("no-such-group").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "PLUGIN_UNIX_SOCKET_GROUP names the group \"no-such-group\", which does not exist"
        );

        let parent = tempfile::tempdir().unwrap();
        let deep = parent.path().join("d".repeat(100));
        std::fs::create_dir(&deep).unwrap();
        let placement = Placement {
            folder: Some(deep),
            group: None,
        };
        assert!(matches!(
            Socket::bind(placement),
            Err(SocketError::TooLong { .. })
        ));
    }
}

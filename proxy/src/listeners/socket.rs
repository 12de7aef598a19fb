//! The sockets that are listened on.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as PlainListener, UnixStream as PlainStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::newcomers;

const BACKLOG: u32 = 1_024;
/// The owner and the group may connect.
const SOCKET_MODE: u32 = 0o660;

/// A socket that is listened on.
#[derive(Debug)]
pub enum Socket {
    /// By TCP.
    Tcp(TcpListener),
    /// By a file.
    Unix(UnixListener, Arc<SocketFile>),
}

/// A connection that came in.
#[derive(Debug)]
pub(super) enum Arrival {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// Whether others of the same user may listen on an address, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// They may: other threads, and the process that takes over from this one.
    Yes,
    /// They may not.
    No,
}

/// What becomes of an address that another process of the same user serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// Whoever connects from now on comes to this process, or by TCP to either one. The other one serves the connections
    /// that it has.
    TakeOver,
    /// It stays the other's.
    Leave,
}

/// A Unix socket that any number of threads accept from.
#[derive(Debug)]
pub(super) struct Shared {
    listener: PlainListener,
    file: Arc<SocketFile>,
}

/// A Unix socket's file. It is removed with the last that listens on it, unless it is another's by then.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Binds an address, also right after another process left it.
pub fn bind(address: SocketAddr, sharing: Sharing) -> io::Result<TcpListener> {
    bound(address, sharing)?.listen(BACKLOG)
}

/// Whether another process serves an address, which would share it.
pub(super) fn is_shared(address: SocketAddr) -> bool {
    // Any free port is nobody's.
    let is_taken = |sharing| {
        let bound = bound(address, sharing);
        bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    };
    address.port() != 0 && is_taken(Sharing::No) && !is_taken(Sharing::Yes)
}

fn bound(address: SocketAddr, sharing: Sharing) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(sharing == Sharing::Yes)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Why an address is not listened on that another process serves.
pub(super) fn left_to_another() -> io::Error {
    let why = "another process serves there, and goes on until this one has documents and listens everywhere else";
    io::Error::new(io::ErrorKind::ResourceBusy, why)
}

impl Socket {
    /// Waits for a connection.
    pub(super) async fn accept(&self) -> io::Result<Arrival> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok(Arrival::Tcp(stream, peer))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Arrival::Unix(stream))
            }
        }
    }

    /// Takes no newcomers any more, as far as the system can be told.
    pub(super) fn turn_newcomers_away(&self) {
        match self {
            Self::Tcp(listener) => newcomers::turn_away(listener),
            Self::Unix(_, file) => file.remove(),
        }
    }
}

impl Shared {
    /// Binds a path. A file that a process left behind is replaced at once, with no time in which there is none.
    pub(super) fn bind(path: &Path, occupied: Occupied) -> io::Result<Self> {
        let standing = Standing::of(path);
        match (standing, occupied) {
            (Standing::Other, _) => return Err(io::ErrorKind::AddrInUse.into()),
            (Standing::Live, Occupied::Leave) => return Err(left_to_another()),
            (Standing::Live, Occupied::TakeOver) => tracing::warn!(
                path = %path.display(),
                "another process listens on the path: whoever connects from now on comes here"
            ),
            (Standing::Free, _) => {}
        }
        // Short, as the system allows a socket's path some hundred bytes.
        let name = format!(".{:x}", std::process::id());
        let beside = path.with_file_name(name);
        if Standing::of(&beside) == Standing::Free {
            let _ = fs::remove_file(&beside);
        }
        let listener = PlainListener::bind(&beside)?;
        let file = SocketFile {
            path: path.to_owned(),
            identity: identity(&beside)?,
        };
        fs::set_permissions(&beside, Permissions::from_mode(SOCKET_MODE))?;
        fs::rename(&beside, path)?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            file: Arc::new(file),
        })
    }

    /// The file that leads to it.
    pub(super) fn file(&self) -> Arc<SocketFile> {
        Arc::clone(&self.file)
    }

    /// One of those that accept from it; within a runtime.
    pub(super) fn listener(&self) -> io::Result<Socket> {
        let listener = UnixListener::from_std(self.listener.try_clone()?)?;
        Ok(Socket::Unix(listener, Arc::clone(&self.file)))
    }
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing, or a socket that nobody listens on.
    Free,
    /// A socket that somebody listens on, or may.
    Live,
    /// What is no socket.
    Other,
}

impl Standing {
    fn of(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Err(_) => Self::Free,
            Ok(file) if !file.file_type().is_socket() => Self::Other,
            Ok(_) => match PlainStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Self::Free,
                _ => Self::Live,
            },
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl SocketFile {
    /// Whether nobody comes here by its path any more, nor to another process that took it over.
    pub(super) fn is_lost(&self) -> bool {
        match identity(&self.path) {
            Ok(found) if found == self.identity => false,
            Ok(_) => Standing::of(&self.path) == Standing::Free,
            Err(_) => true,
        }
    }

    fn remove(&self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // Whoever takes the path next replaces what could not be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        drop(PlainListener::bind(&path).unwrap());
        let shared = Shared::bind(&path, Occupied::Leave).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);

        let error = Shared::bind(&path, Occupied::Leave).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        drop(shared);
        assert!(!path.exists());
    }

    #[test]
    fn whoever_takes_a_path_over_keeps_it_when_the_other_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let old = Shared::bind(&path, Occupied::Leave).unwrap();
        let new = Shared::bind(&path, Occupied::TakeOver).unwrap();
        drop(old);

        let _client = PlainStream::connect(&path).unwrap();
        assert!(new.listener.accept().is_ok());
        assert!(!new.file.is_lost());
        let files = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files, 1, "nothing else is left behind");
    }

    #[test]
    fn a_file_that_is_no_socket_and_one_of_somebody_else_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        fs::write(&path, "mine").unwrap();
        for occupied in [Occupied::Leave, Occupied::TakeOver] {
            assert!(Shared::bind(&path, occupied).is_err());
        }
        fs::remove_file(&path).unwrap();

        let shared = Shared::bind(&path, Occupied::Leave).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(shared);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}

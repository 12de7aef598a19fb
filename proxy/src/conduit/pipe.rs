//! Pipes of the system, which hold bytes of sockets.

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
    use tokio::net::TcpStream;

    use crate::conduit::PIECE_BYTES_MAX;

    /// The most pipes of the process: bodies that find none are read. They are a quarter of the files that are kept for
    /// everything but clients, two for each, and an eighth of what an unprivileged user may have in large pipes
    /// (`pipe-user-pages-soft`, 64 MiB).
    const PIPES_MAX: usize = 32;
    /// The most empty ones that are kept.
    const SPARE_MAX: usize = 8;

    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static SPARE: Mutex<Vec<Pipe>> = Mutex::new(Vec::new());

    /// A pipe.
    #[derive(Debug)]
    pub(in crate::conduit) struct Pipe {
        into: OwnedFd,
        from: OwnedFd,
        _counted: Counted,
    }

    /// One of all the pipes.
    #[derive(Debug)]
    struct Counted;

    impl Pipe {
        /// An empty one; `None`: there are as many as may be, or the system gives none.
        pub(in crate::conduit) fn take() -> Option<Self> {
            let spare = spare().pop();
            spare.or_else(Self::open)
        }

        fn open() -> Option<Self> {
            let counted = Counted::new()?;
            let (from, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            // A smaller one is of use, too.
            let _ = fcntl_setpipe_size(&into, PIECE_BYTES_MAX);
            Some(Self {
                into,
                from,
                _counted: counted,
            })
        }

        /// Is ready for whoever needs the next one. It must be empty.
        pub(in crate::conduit) fn give_back(self) {
            let mut spare = spare();
            if spare.len() < SPARE_MAX {
                spare.push(self);
            }
        }

        /// Takes bytes in while it is empty: that it has no room is no reason to wait. Returns how many; 0: no more come.
        pub(in crate::conduit) fn fill(
            &self,
            source: &TcpStream,
            most: usize,
        ) -> io::Result<usize> {
            let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
            Ok(splice(source, None, &self.into, None, most, flags)?)
        }

        /// Sends some of what it has, at most `most` bytes. Returns how many.
        pub(in crate::conduit) fn drain(&self, sink: &TcpStream, most: usize) -> io::Result<usize> {
            let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
            Ok(splice(&self.from, None, sink, None, most, flags)?)
        }
    }

    /// A panic elsewhere leaves the list as good as it was.
    fn spare() -> MutexGuard<'static, Vec<Pipe>> {
        SPARE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Counted {
        fn new() -> Option<Self> {
            if OPEN.fetch_add(1, Ordering::Relaxed) < PIPES_MAX {
                return Some(Self);
            }
            OPEN.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::io;

    use tokio::net::TcpStream;

    /// Other systems have no such pipes.
    #[derive(Debug)]
    pub(in crate::conduit) enum Pipe {}

    impl Pipe {
        pub(in crate::conduit) fn take() -> Option<Self> {
            None
        }

        pub(in crate::conduit) fn give_back(self) {
            match self {}
        }

        pub(in crate::conduit) fn fill(&self, _: &TcpStream, _: usize) -> io::Result<usize> {
            match *self {}
        }

        pub(in crate::conduit) fn drain(&self, _: &TcpStream, _: usize) -> io::Result<usize> {
            match *self {}
        }
    }
}

#[cfg(target_os = "linux")]
pub(super) use linux::Pipe;
#[cfg(not(target_os = "linux"))]
pub(super) use other::Pipe;

//! A server on a thread of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Failure;

/// A server on a free port of loopback. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Background {
    address: SocketAddr,
    shutdown: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts `serve` with a listener; `action` names what failed if that is impossible.
    pub(crate) fn start(
        action: &'static str,
        serve: impl AsyncFnOnce(TcpListener) + Send + 'static,
    ) -> Result<Self, Failure> {
        let failed = |source| Failure::System { action, source };
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let shutdown = CancellationToken::new();
        let end = shutdown.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    end.run_until_cancelled(serve(listener)).await;
                }
            });
        });
        Ok(Self {
            address,
            shutdown,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(thread) = self.thread.take() {
            // Its panic would have shown as a missing answer.
            drop(thread.join());
        }
    }
}

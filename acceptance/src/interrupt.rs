//! Ends a run early without leaving anything behind: what waits fails, and every handle is dropped on the way out.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on, Ctrl-C, a closed terminal and SIGTERM no longer end the process at once: see [`check`].
pub fn watch() -> Result<(), Failure> {
    let failed = |source| Failure::System {
        action: "signals can't be watched",
        source,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let mut signals = {
        let _inside = runtime.enter();
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        kinds.map(signal)
    }
    .into_iter()
    .collect::<Result<Vec<_>, _>>()
    .map_err(failed)?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            if let [interrupt, terminate, hangup] = signals.as_mut_slice() {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
            }
        });
        INTERRUPTED.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Fails once the process was told to end.
pub fn check() -> Result<(), Failure> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        return Err(Failure::Interrupted);
    }
    Ok(())
}

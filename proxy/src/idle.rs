//! How long a body may stand still.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// The longest that a body may wait for its next bytes, where nothing else is declared.
pub(crate) const IDLE_MAX: Duration = Duration::from_mins(1);

/// Nothing of a body came for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no byte of the body came for {0:?}")]
pub struct Stalled(pub(crate) Duration);

/// Watches one body. Its timer runs only while the body makes its reader wait.
#[derive(Debug)]
pub(crate) struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    /// Passes on what came, or says that nothing did for too long.
    pub(crate) fn watch<T>(
        &mut self,
        progress: Poll<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, Stalled>> {
        if let Poll::Ready(progress) = progress {
            self.timer = None;
            return Poll::Ready(Ok(progress));
        }
        let limit = self.limit;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(context).map(|()| Err(Stalled(limit)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_stands_still_is_noticed_and_what_moves_is_not() {
        let mut idle = Idle::new(Duration::from_millis(1));

        let stalled = poll_fn(|context| idle.watch(Poll::<()>::Pending, context)).await;
        assert_eq!(stalled, Err(Stalled(Duration::from_millis(1))));
        let moved = poll_fn(|context| idle.watch(Poll::Ready("bytes"), context)).await;
        assert_eq!(moved, Ok("bytes"));
    }

    #[tokio::test]
    async fn each_progress_starts_the_time_anew() {
        let mut idle = Idle::new(Duration::from_millis(1));
        let _ = poll_fn(|context| idle.watch(Poll::<()>::Pending, context)).await;
        assert!(idle.timer.is_some());

        let _ = poll_fn(|context| idle.watch(Poll::Ready(()), context)).await;
        assert!(idle.timer.is_none());
    }
}

//! A timer for what mostly does not happen.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A timer that is set once, and then only moved when it went off too early: whatever comes in time costs no more than
/// to know when it was waited for.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

/// Watches one direction of a stream that must not stand still.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    since: Option<Instant>,
    alarm: Alarm,
}

/// Nothing went on for too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over;

impl Alarm {
    /// Whether `due` is past; the task is woken then.
    pub(super) fn is_over(&mut self, due: Instant, context: &mut Context<'_>) -> bool {
        let timer = self
            .0
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= due {
                return true;
            }
            timer.as_mut().reset(due);
        }
        false
    }
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            alarm: Alarm::default(),
        }
    }

    /// Passes on what went on, or says that nothing did for too long.
    pub(super) fn watch<T>(
        &mut self,
        progress: Poll<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<T, Over>> {
        if progress.is_ready() {
            self.since = None;
            return Poll::Ready(Ok(ready!(progress)));
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.alarm.is_over(since + self.limit, context) {
            return Poll::Ready(Err(Over));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn what_stands_still_is_noticed_and_what_moves_is_not() {
        let mut patience = Patience::new(Duration::from_millis(1));

        let stalled = poll_fn(|context| patience.watch(Poll::<()>::Pending, context)).await;
        assert_eq!(stalled, Err(Over));
        let moved = poll_fn(|context| patience.watch(Poll::Ready("bytes"), context)).await;
        assert_eq!(moved, Ok("bytes"));
        assert_eq!(patience.since, None);
    }

    #[tokio::test]
    async fn an_alarm_that_went_off_too_early_is_set_again() {
        let mut alarm = Alarm::default();
        let begun = Instant::now();
        let due = begun + Duration::from_millis(20);
        let early = begun + Duration::from_millis(1);
        for due in [early, due, early] {
            poll_fn(|context| {
                let is_over = alarm.is_over(due, context);
                if is_over {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            assert!(Instant::now() >= due);
        }
    }
}

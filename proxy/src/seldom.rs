//! Futures that are seldom ready, beside others of a task that is often woken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is asked only when it has called, and not whenever something else woke its task: to ask it may cost
/// more than what woke the task, like a lock that all connections share.
#[derive(Debug)]
pub(crate) struct Seldom<F> {
    future: F,
    bell: Option<Arc<Bell>>,
}

/// What the future calls its task by.
#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: Waker,
}

impl<F> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, bell: None }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let task = context.waker();
        let known = self.bell.take();
        let bell = match known.filter(|bell| bell.task.will_wake(task)) {
            // Taken note of before the future is asked: what it calls for meanwhile is not missed.
            Some(bell) if !bell.has_rung.swap(false, Ordering::AcqRel) => {
                self.bell = Some(bell);
                return Poll::Pending;
            }
            Some(bell) => bell,
            None => Arc::new(Bell {
                has_rung: AtomicBool::new(false),
                task: task.clone(),
            }),
        };
        let waker = Waker::from(Arc::clone(&bell));
        self.bell = Some(bell);
        Pin::new(&mut self.future).poll(&mut Context::from_waker(&waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn it_is_asked_at_first_and_when_it_called_and_not_when_others_did() {
        let notify = Notify::new();
        let asked = AtomicUsize::new(0);
        let mut notified = pin!(notify.notified());
        let mut seldom = Seldom::new(poll_fn(|context| {
            asked.fetch_add(1, Ordering::Relaxed);
            notified.as_mut().poll(context)
        }));
        let mut look = async || futures_util::poll!(&mut seldom).is_ready();

        for _ in 0..3 {
            assert!(!look().await);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        notify.notify_waiters();
        assert!(look().await);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn its_call_wakes_the_task_also_one_that_it_moved_to() {
        let notify = Arc::new(Notify::new());
        let mut seldom = Seldom::new(Box::pin(Arc::clone(&notify).notified_owned()));
        assert!(futures_util::poll!(&mut seldom).is_pending());

        let waiting = tokio::spawn(tokio::time::timeout(Duration::from_mins(1), seldom));
        tokio::task::yield_now().await;
        notify.notify_waiters();
        waiting.await.unwrap().unwrap();
    }
}

//! Ending a process after each of its calls in turn.

use std::sync::Arc;

use futures_util::future::join_all;
use tollgate_store::backend::Backend;

use super::account::{Account, fake};
use crate::calls::Calls;
use crate::fake::{Fake, Limits};

/// How many processes are ended at once.
const AT_ONCE: usize = 27;

/// What is tried, and what must be so whenever it ends.
#[async_trait::async_trait]
pub(super) trait Crash: Sync {
    /// What is there before.
    async fn prepare(&self, place: &Account);

    /// Opens the namespace as the process that is ended, and does what it does; errors are its own.
    async fn act(&self, place: &Account, endpoint: &str);

    /// What must be so afterwards, whether the process got through or not.
    async fn check(&self, place: &Account, got_through: bool);
}

/// Tries it once for every call that it makes, each in a new fake, and ends the process there.
pub(super) async fn everywhere(calls_max: usize, crash: &impl Crash) {
    if fake(Limits::default()).await.is_none() {
        return;
    }
    let all: Vec<usize> = (0..=calls_max).collect();
    let mut got_through = false;
    for some in all.chunks(AT_ONCE) {
        let through = join_all(some.iter().map(|calls| end_after(*calls, crash))).await;
        got_through = through.ends_with(&[true]);
        if got_through {
            break;
        }
    }
    assert!(got_through, "it makes more than {calls_max} calls");
}

async fn end_after(count: usize, crash: &impl Crash) -> bool {
    let fake = Fake::with(Limits::default()).await;
    let place = Account::new(&fake.endpoint());
    crash.prepare(&place).await;
    let calls = Calls::to(&fake.endpoint()).await;
    calls.die_after(count);
    crash.act(&place, &calls.endpoint()).await;
    let got_through = !calls.is_dead();
    crash.check(&place, got_through).await;
    got_through
}

/// Tries something once for every call that its writer makes, each in a new fake, with the writer held there; `late`
/// tells whether it was.
pub(super) async fn late_everywhere(calls_max: usize, late: impl AsyncFn(usize) -> bool) {
    if fake(Limits::default()).await.is_none() {
        return;
    }
    let all: Vec<usize> = (0..=calls_max).collect();
    let mut was_late = true;
    for some in all.chunks(AT_ONCE) {
        let held = join_all(some.iter().map(|calls| late(*calls))).await;
        was_late = *held.last().unwrap();
        if !was_late {
            break;
        }
    }
    assert!(!was_late, "it makes more than {calls_max} calls");
}

/// Looks at every point in between: `look` is called before each call of `act`, and once more at the end.
pub(super) async fn in_between(
    place: &Account,
    act: impl AsyncFnOnce(&Account, &str),
    look: impl AsyncFn(&str),
) {
    let calls = Calls::to(&place.endpoint).await;
    let mut steps = calls.step();
    let endpoint = calls.endpoint();
    let acting = async {
        act(place, &endpoint).await;
        calls.stop_stepping();
    };
    let looking = async {
        while let Some(step) = steps.recv().await {
            look(&step.operation).await;
            step.release();
        }
        look("the end").await;
    };
    tokio::join!(acting, looking);
}

/// Makes documents, one after another.
pub(super) async fn create_all(backend: &Arc<dyn Backend>, names: &[String]) {
    for name in names {
        crate::conformance::create(backend, name).await;
    }
}

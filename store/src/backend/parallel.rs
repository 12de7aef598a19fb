//! Work for several cores.

use std::num::NonZero;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// So many cores at most are busy with one thing.
const THREADS_MAX: usize = 8;

/// As many threads as there are cores, at most eight: for what everything else waits for.
pub(super) fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(THREADS_MAX)
}

/// What becomes of each item, in their order. Each thread takes the next item when it is done with one, and prepares once
/// what it needs for all of them.
pub(super) fn map<T: Sync, S, R: Send>(
    items: &[T],
    threads: usize,
    prepare: impl Fn() -> S + Sync,
    act: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut prepared, mut done) = (prepare(), Vec::new());
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else {
                return done;
            };
            done.push((place, act(&mut prepared, item)));
        }
    };
    let mut done = thread::scope(|scope| {
        // Where the system gives no thread, there is one fewer.
        let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let helping: Vec<_> = (1..threads.min(items.len())).filter_map(start).collect();
        let mut done = work();
        for thread in helping {
            let theirs = thread.join();
            done.extend(theirs.unwrap_or_else(|fault| panic::resume_unwind(fault)));
        }
        done
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_threads_do_comes_in_order() {
        let items: Vec<_> = (0..100).collect();
        for threads in [0, 1, 3, 8, 200] {
            let doubled = map(&items, threads, || 2, |factor, item| item * *factor);
            assert!(doubled.iter().copied().eq((0..200).step_by(2)), "{threads}");
        }
        assert!(map(&[], 8, || (), |(), item: &u8| *item).is_empty());
    }
}

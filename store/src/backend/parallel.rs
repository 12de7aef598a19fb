//! Work for several cores.

use std::num::NonZero;
use std::panic;
use std::thread;

/// So many cores at most are busy with one thing.
const THREADS_MAX: usize = 8;

/// As many threads as there are cores, at most eight: for what everything else waits for.
pub(super) fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(THREADS_MAX)
}

/// What becomes of each item, in their order.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    act: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if threads <= 1 || items.len() <= 1 {
        return items.iter().map(act).collect();
    }
    let (act, part) = (&act, items.len().div_ceil(threads));
    thread::scope(|scope| {
        let parts = items.chunks(part);
        let working: Vec<_> = parts
            .map(|items| scope.spawn(move || items.iter().map(act).collect::<Vec<_>>()))
            .collect();
        let done = working.into_iter().flat_map(|thread| {
            let done = thread.join();
            done.unwrap_or_else(|fault| panic::resume_unwind(fault))
        });
        done.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_threads_do_comes_in_order() {
        let items: Vec<_> = (0..100).collect();
        for threads in [0, 1, 3, 8, 200] {
            let doubled = map(&items, threads, |item| item * 2);
            assert!(doubled.iter().copied().eq((0..200).step_by(2)), "{threads}");
        }
        assert!(map(&[], 8, |item: &u8| *item).is_empty());
    }
}

//! The access log: one JSON line a request.
//!
//! Each thread writes its lines into a page of its own. A page that is full goes to the one thread that writes to the
//! output, and pages that are not full are fetched by it now and then: no request wakes another thread, and a slow
//! reader delays none.

mod line;

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem};

use memchr::memchr_iter;
use prometheus_client::metrics::counter::Counter;

use crate::clock::Clock;
use crate::record::Facts;
use crate::thread;
use line::Stamp;

/// A page of that length is full.
const PAGE_BYTES: usize = 64 * 1024;
/// What most lines have at most: a page that is full up to its last line does not grow for that.
const LINE_BYTES: usize = 2 * 1024;
/// The most full pages that wait to be written; those beyond are dropped, and their lines are counted.
const WAITING_MAX: usize = 64;
/// How long a line may wait for others.
const FETCH_INTERVAL: Duration = Duration::from_millis(250);

enum Message {
    Lines(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where lines are handed in.
#[derive(Debug)]
pub struct AccessLog {
    queue: SyncSender<Message>,
    pages: Arc<Pages>,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Page {
    text: Vec<u8>,
    lines: u64,
    stamp: Stamp,
}

#[derive(Debug)]
struct Pages([Mutex<Page>; thread::PLACES]);

impl AccessLog {
    /// Starts the thread that writes to `output`. `dropped` counts lines for which too many wait, and those that can't
    /// be written.
    pub fn start(
        output: impl Write + Send + 'static,
        clock: Clock,
        dropped: Counter,
    ) -> io::Result<Self> {
        let (queue, messages) = sync_channel(WAITING_MAX);
        let pages = Arc::new(Pages(std::array::from_fn(|_| Mutex::default())));
        let writer = Writer {
            output,
            pages: Arc::clone(&pages),
            clock,
            fetched: clock.monotonic(),
            dropped: dropped.clone(),
            spare: Vec::new(),
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(&messages))?;
        Ok(Self {
            queue,
            pages,
            dropped,
        })
    }

    /// Hands a line in.
    pub(crate) fn push(&self, facts: &Facts) {
        let Some(page) = self.pages.0.get(thread::place()) else {
            self.dropped.inc();
            return;
        };
        let mut page = lock(page);
        let Page { text, lines, stamp } = &mut *page;
        line::write(text, facts, stamp);
        *lines += 1;
        if text.len() < PAGE_BYTES {
            return;
        }
        // The next one is full soon, too.
        let next = Vec::with_capacity(PAGE_BYTES + LINE_BYTES);
        let (text, lines) = (mem::replace(text, next), mem::take(lines));
        drop(page);
        if self.queue.try_send(Message::Lines(text)).is_err() {
            self.dropped.inc_by(lines);
        }
    }

    /// Waits until everything that was handed in is written, at most for `limit`.
    pub fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Where the limit passes, lines are lost; there is nothing left to do about it.
            let _ = wait.recv_timeout(limit);
        }
    }
}

/// A panic while a line was written leaves at worst a part of it.
fn lock(page: &Mutex<Page>) -> MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer<W> {
    output: W,
    pages: Arc<Pages>,
    clock: Clock,
    fetched: Duration,
    dropped: Counter,
    /// An empty page, which takes the place of one that is fetched.
    spare: Vec<u8>,
}

impl<W: Write> Writer<W> {
    fn run(mut self, queue: &Receiver<Message>) {
        loop {
            let since = self.clock.monotonic().saturating_sub(self.fetched);
            match queue.recv_timeout(FETCH_INTERVAL.saturating_sub(since)) {
                Ok(Message::Lines(text)) => self.write(&text),
                Ok(Message::Flush(done)) => {
                    self.fetch();
                    let _ = done.try_send(());
                }
                Err(RecvTimeoutError::Timeout) => self.fetch(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.fetch();
                    return;
                }
            }
        }
    }

    fn fetch(&mut self) {
        self.fetched = self.clock.monotonic();
        let pages = Arc::clone(&self.pages);
        for page in &pages.0 {
            let mut page = lock(page);
            if page.lines == 0 {
                continue;
            }
            page.lines = 0;
            let mut text = mem::replace(&mut page.text, mem::take(&mut self.spare));
            // Nobody waits for the output with a page in hand.
            drop(page);
            self.write(&text);
            // It is as long as is usual here.
            text.clear();
            self.spare = text;
        }
        let _ = self.output.flush();
    }

    /// A stdout that is closed or full must not end the proxy.
    fn write(&mut self, text: &[u8]) {
        if self.output.write_all(text).is_err() {
            let lines = memchr_iter(b'\n', text).count();
            self.dropped
                .inc_by(u64::try_from(lines).unwrap_or(u64::MAX));
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Message")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::outputs::{Paper, Stuck};

    fn start(output: impl Write + Send + 'static) -> AccessLog {
        AccessLog::start(output, Clock::start(), Counter::default()).unwrap()
    }

    #[test]
    fn a_flush_waits_for_every_line_before_it() {
        let (page, written) = channel();
        let log = start(Paper(Some(page)));
        for _ in 0..3 {
            log.push(&Facts::default());
        }
        log.flush(Duration::from_secs(10));
        assert_eq!(log.dropped.get(), 0);

        let text: Vec<u8> = written.try_iter().flatten().collect();
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_waits() {
        let (release, stuck) = channel();
        let log = start(Stuck(stuck));

        let dropped = |lines: usize| {
            for _ in 0..lines {
                log.push(&Facts::default());
            }
            log.dropped.get()
        };
        // A line has some 300 bytes: these are fewer than may wait.
        assert_eq!(dropped(WAITING_MAX * 100), 0);
        let lost = dropped(WAITING_MAX * 400);

        assert!(lost > 0 && lost < 400 * 64, "{lost}");
        drop(release);
    }

    /// An output that takes nothing at all.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cant_be_written_are_counted() {
        let log = start(Full);
        for _ in 0..3 {
            log.push(&Facts::default());
        }
        log.flush(Duration::from_secs(10));

        assert_eq!(log.dropped.get(), 3);
    }

    #[test]
    fn a_line_does_not_wait_for_others() {
        let (page, written) = channel();
        let log = start(Paper(Some(page)));
        log.push(&Facts::default());

        let text = written.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(text.ends_with(b"}\n"));
    }
}

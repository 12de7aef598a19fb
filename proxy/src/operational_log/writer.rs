//! Writes lines on a thread of their own: a reader that is slow holds nobody up, and one that has gone ends nothing.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The most lines that wait to be written; those beyond are dropped.
pub(super) const WAITING_MAX: usize = 1_024;

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where lines are handed in.
#[derive(Debug, Clone)]
pub struct Lines {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// Starts the thread that writes to `output`.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(output, &messages, &lost))?;
        Ok(Self { queue, dropped })
    }

    /// How many lines were dropped since this was last asked: too many waited, or they could not be written.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Waits until every line that was handed in is written, at most for `limit`.
    pub(crate) fn flush(&self, limit: Duration) {
        let (done, wait) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // Where the limit passes, lines are lost; there is nothing left to do about it.
            let _ = wait.recv_timeout(limit);
        }
    }
}

fn write(mut output: impl Write, messages: &Receiver<Message>, lost: &AtomicU64) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Line(line) => {
                if output.write_all(&line).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            Message::Flush(done) => {
                let _ = output.flush();
                let _ = done.try_send(());
            }
        }
    }
}

/// Each line comes by one call.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
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

    #[test]
    fn a_flush_waits_for_every_line_before_it() {
        let (paper, written) = channel();
        let mut lines = Lines::start(Paper(Some(paper))).unwrap();
        for line in ["a\n", "b\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        lines.flush(Duration::from_secs(10));

        let text: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(text, b"a\nb\n");
        assert_eq!(lines.take_dropped(), 0);
    }

    #[test]
    fn lines_that_cant_be_written_are_counted_and_fail_nobody() {
        let mut lines = Lines::start(Paper(None)).unwrap();
        for _ in 0..3 {
            lines.write_all(b"a\n").unwrap();
        }
        lines.flush(Duration::from_secs(10));

        assert_eq!(lines.take_dropped(), 3);
        assert_eq!(lines.take_dropped(), 0);
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_waits() {
        let (release, stuck) = channel();
        let mut lines = Lines::start(Stuck(stuck)).unwrap();
        for _ in 0..WAITING_MAX + 10 {
            lines.write_all(b"a\n").unwrap();
        }

        // One of them may be in the writer's hand.
        assert!((9..=10).contains(&lines.take_dropped()));
        drop(release);
    }
}

//! The access log: one JSON line a request, written by a thread of its own, so that a slow reader delays no request.

use std::io::{self, BufWriter, Write};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use crate::record::Facts;

/// The most lines that wait to be written; those beyond are dropped and counted.
const WAITING_MAX: usize = 8_192;

enum Message {
    Line(Box<Facts>),
    Flush(SyncSender<()>),
}

/// Where lines are handed in.
#[derive(Debug)]
pub struct AccessLog {
    queue: SyncSender<Message>,
}

impl AccessLog {
    /// Starts the thread that writes to `output`.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = sync_channel(WAITING_MAX);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write(&lines, BufWriter::new(output)))?;
        Ok(Self { queue })
    }

    /// Hands a line in, unless too many wait; whether it was taken.
    pub(crate) fn push(&self, facts: Box<Facts>) -> bool {
        self.queue.try_send(Message::Line(facts)).is_ok()
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

fn write(queue: &Receiver<Message>, mut output: BufWriter<impl Write>) {
    loop {
        let message = match queue.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                // Lines appear as soon as nothing else waits.
                let _ = output.flush();
                match queue.recv() {
                    Ok(message) => message,
                    Err(_) => return,
                }
            }
        };
        // A closed stdout must not end the proxy.
        match message {
            Message::Line(facts) => {
                let _ = serde_json::to_writer(&mut output, &facts);
                let _ = output.write_all(b"\n");
            }
            Message::Flush(done) => {
                let _ = output.flush();
                let _ = done.try_send(());
            }
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
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// An output that shows what reached it.
    struct Page(Sender<Vec<u8>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_waits_for_every_line_before_it() {
        let (page, written) = channel();
        let log = AccessLog::start(Page(page)).unwrap();
        for _ in 0..3 {
            assert!(log.push(Box::default()));
        }
        log.flush(Duration::from_secs(10));

        let text: Vec<u8> = written.try_iter().flatten().collect();
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 3);
    }

    /// An output that takes nothing until it is let go.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_waits() {
        let (release, stuck) = channel();
        let log = AccessLog::start(Stuck(stuck)).unwrap();

        let taken = (0..WAITING_MAX * 2)
            .filter(|_| log.push(Box::default()))
            .count();

        assert!(taken >= WAITING_MAX, "{taken}");
        assert!(taken < WAITING_MAX * 2, "{taken}");
        drop(release);
    }
}

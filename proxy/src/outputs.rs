//! Outputs for tests of what is logged.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender};

/// An output that shows what reached it, or fails.
pub(crate) struct Paper(pub(crate) Option<Sender<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let reader = self.0.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        let _ = reader.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An output that takes nothing until it is let go.
pub(crate) struct Stuck(pub(crate) Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

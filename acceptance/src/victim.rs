//! The provider that one terraform started, found in the system's list of processes: on Linux only.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::until;
use crate::{Binaries, Failure, Terraform};

const SECONDS_MAX: u64 = 20;

/// The provider of the terraform that runs in one folder. Terraform starts it in its own folder, which no other test
/// has: neither another test's provider nor a person's is ever taken for it.
#[derive(Debug, Clone)]
pub struct Victim {
    executable: PathBuf,
    folder: PathBuf,
}

impl Victim {
    /// The provider that `terraform` starts.
    pub fn of(binaries: &Binaries, terraform: &Terraform) -> Result<Self, Failure> {
        let real = |path: &Path| path.canonicalize().map_err(Failure::file(path));
        Ok(Self {
            executable: real(&binaries.provider())?,
            folder: real(terraform.folder())?,
        })
    }

    /// Ends it with SIGKILL, and waits until it is gone; `false` where none runs.
    pub fn kill(&self) -> Result<bool, Failure> {
        let processes = self.processes();
        for process in &processes {
            signal("KILL", &process.to_string())?;
        }
        until("the provider's end", SECONDS_MAX, || {
            let left = self.processes();
            Ok(!processes.iter().any(|process| left.contains(process)))
        })?;
        Ok(!processes.is_empty())
    }

    /// Sends SIGINT to its process group, as Ctrl-C does: terraform must have been started as a group of its own.
    pub fn interrupt_group(&self) -> Result<(), Failure> {
        for process in self.processes() {
            if let Some(group) = group(process) {
                signal("INT", &format!("-{group}"))?;
            }
        }
        Ok(())
    }

    /// Waits until it has a file open.
    pub fn await_open(&self, file: &Path) -> Result<(), Failure> {
        let what = format!("a provider that has {} open", file.display());
        until(&what, SECONDS_MAX, || Ok(self.has_open(file)))
    }

    fn has_open(&self, file: &Path) -> bool {
        let opened = |process: &u32| {
            let folder = Path::new("/proc").join(process.to_string()).join("fd");
            let files = folder.read_dir().into_iter().flatten().flatten();
            files
                .filter_map(|entry| entry.path().read_link().ok())
                .any(|opened| opened == file)
        };
        self.processes().iter().any(opened)
    }

    /// A process that has ended has neither an executable nor a folder, though its parent has not noticed yet.
    fn processes(&self) -> Vec<u32> {
        let entries = Path::new("/proc")
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        let is_it = |path: &PathBuf| {
            let link = |name| path.join(name).read_link().ok();
            link("exe").as_ref() == Some(&self.executable)
                && link("cwd").as_ref() == Some(&self.folder)
        };
        let number = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
        entries
            .map(|entry| entry.path())
            .filter(is_it)
            .filter_map(number)
            .collect()
    }
}

/// The third word behind the name, which is in parentheses and may hold anything.
fn group(process: u32) -> Option<u32> {
    let line = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, words) = line.rsplit_once(')')?;
    words.split_whitespace().nth(2)?.parse().ok()
}

fn signal(name: &str, target: &str) -> Result<(), Failure> {
    // One that has just ended is what was wanted.
    Command::new("kill")
        .args(["-s", name, "--", target])
        .output()
        .map(drop)
        .map_err(Failure::file("kill"))
}

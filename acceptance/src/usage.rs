//! What the children of a process use, as Linux tells in `/proc`. Other systems tell nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Linux counts in hundredths of a second on every architecture that it tells of in `/proc`.
const TICK: Duration = Duration::from_millis(10);
const PROCESSES: &str = "/proc";

/// What some processes have used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The processor time of all of them, to 10 ms each.
    pub cpu: Duration,
    /// The most memory that one of them held.
    pub resident_bytes_max: u64,
}

/// Watches the children of one process by looking often: what a child does after the last look is missed.
#[derive(Debug)]
pub struct UsageWatcher {
    parent: u32,
    children: BTreeMap<u32, Usage>,
}

impl UsageWatcher {
    /// Of the children that process `parent` has and will have.
    #[must_use]
    pub fn new(parent: u32) -> Self {
        Self {
            parent,
            children: BTreeMap::new(),
        }
    }

    /// Looks once.
    pub fn look(&mut self) {
        let processes = Path::new(PROCESSES).read_dir().ok().into_iter().flatten();
        for process in processes.flatten() {
            let name = process.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
            let Some((parent, cpu)) = parent_and_cpu(&stat) else {
                continue;
            };
            if parent == self.parent {
                // One that has just ended still has its times, but no memory any more.
                let held = status_bytes(id, "VmHWM:").unwrap_or_default();
                let usage = self.children.entry(id).or_default();
                usage.cpu = usage.cpu.max(cpu);
                usage.resident_bytes_max = usage.resident_bytes_max.max(held);
            }
        }
    }

    /// What was seen; `None` where no child was.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let add = |sum: Usage, one: Usage| Usage {
            cpu: sum.cpu + one.cpu,
            resident_bytes_max: sum.resident_bytes_max.max(one.resident_bytes_max),
        };
        self.children.values().copied().reduce(add)
    }
}

/// The memory that a process holds now; `None` where the system does not tell.
#[must_use]
pub fn resident_bytes(id: u32) -> Option<u64> {
    status_bytes(id, "VmRSS:")
}

/// The fields 4, 14 and 15 of proc(5): the parent, and the time in user and in system mode.
fn parent_and_cpu(stat: &str) -> Option<(u32, Duration)> {
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    let user: u32 = fields.nth(9)?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((parent, TICK * user.saturating_add(system)))
}

fn status_bytes(id: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("{PROCESSES}/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_hides_no_field() {
        let stat = "7 (a) b) S 42 7 7 0 -1 4194560 1 2 3 4 150 25 6 7 20 0 8 0 9 10 11";

        assert_eq!(
            parent_and_cpu(stat),
            Some((42, Duration::from_millis(1_750)))
        );
        assert_eq!(parent_and_cpu("7 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_is_seen_and_others_are_not() {
        let mut child = std::process::Command::new("sleep")
            .arg("20")
            .spawn()
            .unwrap();
        let mut own = UsageWatcher::new(std::process::id());
        let mut of_child = UsageWatcher::new(child.id());

        own.look();
        of_child.look();
        child.kill().unwrap();
        child.wait().unwrap();

        assert!(own.usage().unwrap().resident_bytes_max > 0);
        assert_eq!(of_child.usage(), None);
    }
}

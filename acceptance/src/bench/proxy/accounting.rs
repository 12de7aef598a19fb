//! What processes have used, as the kernel's scheduler counts it: user and system mode, to the nanosecond.

use std::time::{Duration, Instant};

use tollgate_acceptance::{Failure, clock};

/// Linux counts the cores' time in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

/// Measures a proxy while it is under load.
pub(crate) struct Meter {
    proxy: u32,
    origin: u32,
    before: Reading,
}

/// What was used meanwhile.
pub(crate) struct Spent {
    /// By the proxy and its children.
    pub(crate) proxy: Duration,
    /// The cores that programs used which have nothing to do with it.
    pub(crate) foreign: f64,
}

struct Reading {
    at: Instant,
    proxy: Duration,
    /// The origin and what this process started: the load.
    ours: Duration,
    all_seconds: f64,
}

impl Meter {
    /// Measures from now on.
    pub(crate) fn start(proxy: u32, origin: u32) -> Result<Self, Failure> {
        let before = Reading::take(proxy, origin)?;
        Ok(Self {
            proxy,
            origin,
            before,
        })
    }

    /// What was used since.
    pub(crate) fn stop(self) -> Result<Spent, Failure> {
        let after = Reading::take(self.proxy, self.origin)?;
        let proxy = after.proxy.saturating_sub(self.before.proxy);
        let ours = after.ours.saturating_sub(self.before.ours);
        let all = after.all_seconds - self.before.all_seconds;
        let length = after.at.saturating_duration_since(self.before.at);
        let foreign = all - (proxy + ours).as_secs_f64();
        Ok(Spent {
            proxy,
            foreign: (foreign / length.as_secs_f64()).max(0.0),
        })
    }
}

impl Reading {
    fn take(proxy: u32, origin: u32) -> Result<Self, Failure> {
        Ok(Self {
            at: clock::now(),
            proxy: tree(proxy)?,
            ours: tree(origin)? + ended_children(),
            all_seconds: all_seconds(),
        })
    }
}

/// The processor time of a process, its threads and all its descendants. Threads that ended are no longer counted.
fn tree(id: u32) -> Result<Duration, Failure> {
    let folder = format!("/proc/{id}/task");
    let threads = std::fs::read_dir(&folder).map_err(Failure::file(&folder))?;
    let mut sum = Duration::ZERO;
    for thread in threads.flatten() {
        let read = |name| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        sum += running(&read("schedstat")).unwrap_or_default();
        for child in read("children").split_whitespace() {
            // One that ends at this moment has nothing to add.
            let time = child.parse().ok().and_then(|child| tree(child).ok());
            sum += time.unwrap_or_default();
        }
    }
    Ok(sum)
}

/// The first field of `schedstat`: nanoseconds on a core.
fn running(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// The time of the children of this process that have ended: fields 16 and 17 of proc(5).
fn ended_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// What all cores together have worked: user, nice, system and interrupts, without steal.
fn all_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    busy_ticks(&stat).map_or(0.0, |ticks| f64::from(ticks) / TICKS_A_SECOND)
}

fn busy_ticks(stat: &str) -> Option<u32> {
    let fields = stat.lines().next()?.split_whitespace().skip(1);
    let ticks: Vec<u32> = fields.filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _, _, interrupts, soft, ..] = ticks.as_slice() else {
        return None;
    };
    Some(user + nice + system + interrupts + soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        assert_eq!(running("1500 7 3\n"), Some(Duration::from_nanos(1_500)));
        assert_eq!(running(""), None);
        assert_eq!(
            busy_ticks("cpu  1 2 4 100 100 8 16 32 0 0\ncpu0 1"),
            Some(31)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_works_costs_time() {
        let id = std::process::id();
        let before = tree(id).unwrap();
        while tree(id).unwrap() <= before {}
    }
}

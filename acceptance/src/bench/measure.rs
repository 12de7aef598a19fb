//! Runs terraform, and measures each run.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use tollgate_acceptance::{
    CountingEndpoint, Failure, LocalStack, Place, Process, Tally, Terraform, Usage, UsageWatcher,
    clock, fresh_namespace,
};
use tollgate_store::Namespace;

use crate::mirror::Mirror;
use crate::numbers::{count, seconds};

/// All runs together; what is removed afterwards, where one failed, comes on top.
const BENCH_SECONDS_MAX: u64 = 40 * 60;
/// Terraform that is told to end waits for the calls that are under way, and ends its provider, which would outlive a
/// terraform that is killed.
const END_SECONDS_MAX: u64 = 20;
const PURPOSE: &str = "bench";
/// Plans change nothing, so they can be repeated; the median counts.
const PLANS: usize = 3;

/// What every measurement needs.
pub(crate) struct Bench {
    /// LocalStack itself, for what is not to be counted.
    pub(crate) localstack: LocalStack,
    endpoint: CountingEndpoint,
    started: Instant,
}

/// What a run of terraform took.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// From terraform's start to its end.
    pub(crate) wall: Duration,
    /// What the processes of the provider used; `None` where the system does not tell.
    pub(crate) provider: Option<Usage>,
    /// What the provider called.
    pub(crate) calls: Tally,
}

impl Bench {
    /// On the running LocalStack; the failure says how to start one.
    pub(crate) fn new() -> Result<Self, Failure> {
        let localstack = LocalStack::find()?;
        Ok(Self {
            endpoint: CountingEndpoint::before(&localstack)?,
            localstack,
            started: clock::now(),
        })
    }

    /// A terraform whose provider comes from a mirror and is counted, and a namespace that is its own. The
    /// configuration has a variable `clients`: as many names.
    pub(crate) fn terraform(
        &self,
        mirror: &Mirror,
        configuration: &str,
        clients: u32,
    ) -> Result<(Terraform, Namespace), Failure> {
        let place = Place::LocalStack(LocalStack::at(self.endpoint.url()));
        let namespace = fresh_namespace(PURPOSE)?;
        let mut terraform = Terraform::with_mirror(&mirror.folder, &place)?;
        terraform.set("TOLLGATE_NAMESPACE", namespace.as_str());
        terraform.write("main.tf", configuration)?;
        // Terraform's own `range` ends at 1,024.
        let clients: Vec<_> = (0..clients).map(client).collect();
        let variables = serde_json::json!({ "clients": clients });
        terraform.write("clients.auto.tfvars.json", &variables.to_string())?;
        terraform
            .run(&["init", "-no-color", "-input=false"])?
            .expect_success()?;
        Ok((terraform, namespace))
    }

    /// Makes what a configuration declares.
    pub(crate) fn apply(
        &self,
        terraform: &Terraform,
        title: &str,
        variables: &[&str],
    ) -> Result<Run, Failure> {
        self.run(terraform, title, &["apply", "-auto-approve"], variables)
    }

    /// Plans where nothing is to do, several times, and fails if there is.
    pub(crate) fn plan(
        &self,
        terraform: &Terraform,
        title: &str,
        variables: &[&str],
    ) -> Result<Run, Failure> {
        let plan = |_| self.run(terraform, title, &["plan", "-detailed-exitcode"], variables);
        let runs = (0..PLANS).map(plan).collect::<Result<Vec<_>, _>>()?;
        median(runs, |run| run.wall).ok_or(Failure::Interrupted)
    }

    /// Removes what a configuration declares.
    pub(crate) fn destroy(
        &self,
        terraform: &Terraform,
        title: &str,
        variables: &[&str],
    ) -> Result<Run, Failure> {
        self.run(terraform, title, &["destroy", "-auto-approve"], variables)
    }

    /// How many secrets a namespace has.
    pub(crate) fn secrets(&self, namespace: &Namespace) -> Result<usize, Failure> {
        let secrets = self.localstack.secrets(&prefix(namespace.as_str()));
        Ok(secrets?.len())
    }

    /// Removes what runs that failed have left.
    pub(crate) fn sweep(&self) -> Result<(), Failure> {
        let ours = format!("tollgate/{PURPOSE}-{}-", std::process::id());
        self.localstack.remove_secrets(&ours)
    }

    fn run(
        &self,
        terraform: &Terraform,
        title: &str,
        verb: &[&str],
        variables: &[&str],
    ) -> Result<Run, Failure> {
        let mut arguments = verb.to_vec();
        arguments.extend(["-no-color", "-input=false"]);
        arguments.extend(variables.iter().flat_map(|variable| ["-var", variable]));
        drop(self.endpoint.take());
        let begin = clock::now();
        let elapsed = begin.saturating_duration_since(self.started).as_secs();
        let mut command = terraform.command(&arguments);
        // Ctrl-C is not for terraform but for us, who then end it: told twice, it would leave its provider behind.
        command.process_group(0);
        let mut process = Process::start(&mut command)?;
        let mut watcher = UsageWatcher::new(process.id());
        let ended = process.watch(BENCH_SECONDS_MAX.saturating_sub(elapsed), || watcher.look());
        let wall = clock::now().saturating_duration_since(begin);
        let status = ended.inspect_err(|_| process.end(END_SECONDS_MAX))?;
        if !status.success() {
            return Err(Failure::Command {
                command: format!("terraform {}", arguments.join(" ")),
                outcome: format!("ended with {status}"),
                output: process.output(),
            });
        }
        let run = Run {
            wall,
            provider: watcher.usage(),
            calls: self.endpoint.take(),
        };
        let (took, calls) = (seconds(run.wall), count(run.calls.count()));
        print(&format!("  {title:28} {took:>8} s {calls:>8} calls"));
        Ok(run)
    }
}

/// The name of a client.
pub(crate) fn client(number: u32) -> String {
    format!("client-{number:05}")
}

/// What the names of a namespace's secrets start with.
pub(crate) fn prefix(namespace: &str) -> String {
    format!("tollgate/{namespace}/")
}

/// The one in the middle.
pub(crate) fn median<T, K: Ord>(mut all: Vec<T>, key: impl Fn(&T) -> K) -> Option<T> {
    all.sort_by_key(key);
    let middle = all.len() / 2;
    all.into_iter().nth(middle)
}

/// Tells the person who waits.
pub(crate) fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    // A closed output is nobody's loss: the exit status tells the same.
    drop(writeln!(output, "{text}").and_then(|()| output.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(vec![9, 1, 5], |number| *number), Some(5));
        assert_eq!(median(Vec::<u32>::new(), |number| *number), None);
    }
}

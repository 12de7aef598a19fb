//! On what and with what was measured.

use jiff::civil::Date;
use tollgate_acceptance::{Failure, Place, Terraform, clock};

use crate::measure::Bench;
use crate::mirror::Mirror;

/// On what and with what was measured.
pub(crate) struct Machine {
    /// When.
    pub(crate) date: Date,
    /// The processor, as it names itself.
    pub(crate) processor: String,
    /// How many cores of it there are.
    pub(crate) cores: usize,
    /// Terraform's version.
    pub(crate) terraform: String,
    /// LocalStack's version.
    pub(crate) localstack: String,
}

impl Machine {
    /// Of this machine.
    pub(crate) fn read(bench: &Bench, mirror: &Mirror) -> Result<Self, Failure> {
        let nowhere = Place::Directory(mirror.folder.clone());
        Ok(Self {
            date: clock::today(),
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            terraform: Terraform::with_mirror(&mirror.folder, &nowhere)?.version()?,
            localstack: bench.localstack.version()?,
        })
    }
}

/// The processor, as it names itself.
pub(crate) fn processor() -> String {
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    named(&information)
        .unwrap_or(std::env::consts::ARCH)
        .to_owned()
}

fn named(information: &str) -> Option<&str> {
    let is_name = |line: &&str| line.starts_with("model name");
    let (_, name) = information.lines().find(is_name)?.split_once(':')?;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_where_the_system_names_it() {
        assert_eq!(
            named("processor\t: 0\nmodel name\t: Some CPU 9\n"),
            Some("Some CPU 9")
        );
        assert_eq!(named(""), None);
    }
}

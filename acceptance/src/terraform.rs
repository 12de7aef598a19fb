//! Real terraform, with the provider that was just built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::leaks::Leaks;
use crate::{Binaries, Failure, Place, interrupt};

/// The first with write-only attributes.
const VERSION_MIN: (u32, u32) = (1, 11);
const CLI_CONFIGURATION: &str = "cli.tfrc";
/// What a caller's own settings must not change here.
const FOREIGN_PREFIXES: [&str; 3] = ["TF_", "AWS_", "TOLLGATE_"];

/// A folder with a configuration, in which terraform runs. Dropping it removes the folder, and where runs are watched,
/// panics if a token is in anything that they wrote, printed or logged.
#[derive(Debug)]
pub struct Terraform {
    folder: TempDir,
    environment: Vec<(String, String)>,
    leaks: Option<Leaks>,
}

/// How a run of terraform ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; with `plan -detailed-exitcode`, 0 is an empty plan and 2 one with changes.
    pub status: i32,
    /// Standard output and standard error, one after the other.
    pub output: String,
    command: String,
}

impl Terraform {
    /// The arguments of an apply that asks nobody.
    pub const APPLY: [&str; 4] = ["apply", "-auto-approve", "-no-color", "-input=false"];

    /// A folder whose only provider is the one that was just built; the failure says how to get terraform.
    pub fn new(binaries: &Binaries, place: &Place) -> Result<Self, Failure> {
        let overrides = binaries.folder().display();
        let installation = format!("dev_overrides {{ \"tollgate/tollgate\" = \"{overrides}\" }}");
        Self::with_providers(&installation, place)
    }

    /// A folder that takes its providers from a mirror in the file system alone; they need `terraform init`.
    pub fn with_mirror(mirror: &Path, place: &Place) -> Result<Self, Failure> {
        let installation = format!("filesystem_mirror {{ path = \"{}\" }}", mirror.display());
        Self::with_providers(&installation, place)
    }

    fn with_providers(installation: &str, place: &Place) -> Result<Self, Failure> {
        let folder = TempDir::with_prefix("tollgate-terraform-")
            .map_err(Failure::system("no temporary folder"))?;
        let configuration =
            format!("disable_checkpoint = true\nprovider_installation {{\n  {installation}\n}}\n");
        let cli_configuration = folder.path().join(CLI_CONFIGURATION);
        std::fs::write(&cli_configuration, configuration)
            .map_err(Failure::file(&cli_configuration))?;
        let mut environment = place.environment();
        environment.push((
            "TF_CLI_CONFIG_FILE".to_owned(),
            cli_configuration.display().to_string(),
        ));
        environment.push(("TF_IN_AUTOMATION".to_owned(), "1".to_owned()));
        // What a provider that is killed leaves behind goes with the folder.
        environment.push(("TMPDIR".to_owned(), folder.path().display().to_string()));
        let terraform = Self {
            folder,
            environment,
            leaks: Leaks::wanted(place),
        };
        terraform.check_version()?;
        Ok(terraform)
    }

    /// Terraform's own version, like `1.11.4`.
    pub fn version(&self) -> Result<String, Failure> {
        let shown = self.run(&["version", "-json"])?.expect_success()?;
        let version: serde_json::Value = serde_json::from_str(&shown.output).unwrap_or_default();
        let version = version
            .get("terraform_version")
            .and_then(serde_json::Value::as_str);
        Ok(version.unwrap_or("0.0").to_owned())
    }

    fn check_version(&self) -> Result<(), Failure> {
        let version = self.version()?;
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= VERSION_MIN {
            return Ok(());
        }
        Err(Failure::Missing {
            program: format!("terraform 1.11 (this one is {version})"),
            remedy: "install a newer one from HashiCorp's releases and put it first on PATH"
                .to_owned(),
        })
    }

    /// Watches every later run, whether or not the environment asks for it.
    pub fn watch_for_leaks(&mut self, place: &Place) {
        self.leaks = Some(Leaks::in_place(place));
    }

    /// Sets a variable of the environment for every later run.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(set, _)| set != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the configuration.
    pub fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).map_err(Failure::file(path))
    }

    /// Copies every `.tf` file of a folder.
    pub fn copy(&self, from: &Path) -> Result<(), Failure> {
        for entry in from.read_dir().map_err(Failure::file(from))? {
            let path = entry.map_err(Failure::file(from))?.path();
            if path.extension().is_some_and(|extension| extension == "tf") {
                let text = std::fs::read_to_string(&path).map_err(Failure::file(&path))?;
                self.write(
                    &path.file_name().unwrap_or_default().to_string_lossy(),
                    &text,
                )?;
            }
        }
        Ok(())
    }

    /// Runs terraform to its end.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished, Failure> {
        let output = self
            .command(arguments)
            .output()
            .map_err(|source| missing(&source))?;
        interrupt::check()?;
        let finished = Finished::new(arguments, &output);
        if let Some(leaks) = &self.leaks {
            self.watch(leaks, arguments, &finished)?;
        }
        Ok(finished)
    }

    /// Keeps what a run printed and what is in the plan that it saved, and learns the tokens that there are now.
    fn watch(&self, leaks: &Leaks, arguments: &[&str], finished: &Finished) -> Result<(), Failure> {
        let (folder, verb) = (self.folder(), arguments.first().unwrap_or(&"terraform"));
        leaks.keep(folder, verb, &finished.output)?;
        let saved = |argument: &&str| argument.strip_prefix("-out=").map(str::to_owned);
        if let Some(plan) = arguments.iter().find_map(saved) {
            let shown = self.command(&["show", "-json", &plan]).output();
            let shown = shown.map_err(|source| missing(&source))?;
            leaks.keep(folder, "show", &String::from_utf8_lossy(&shown.stdout))?;
        }
        leaks.learn(self.namespace(arguments))
    }

    fn namespace<'a>(&'a self, arguments: &[&'a str]) -> Option<&'a str> {
        let declared = arguments
            .iter()
            .find_map(|argument| argument.strip_prefix("namespace="));
        let mut environment = self.environment.iter();
        let set = environment.find(|(name, _)| name == "TOLLGATE_NAMESPACE");
        declared.or(set.map(|(_, value)| value.as_str()))
    }

    /// A run of terraform that is not started yet.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        forget_foreign_settings(&mut command);
        if let Some(leaks) = &self.leaks {
            leaks.trace(&mut command, self.folder(), arguments);
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Applies the configuration, whatever comes of it.
    pub fn try_apply(&self) -> Result<Finished, Failure> {
        self.run(&Self::APPLY)
    }

    /// Applies the configuration.
    pub fn apply(&self, variables: &[&str]) -> Result<Finished, Failure> {
        let mut arguments = Self::APPLY.to_vec();
        arguments.extend(variables.iter().flat_map(|variable| ["-var", variable]));
        self.run(&arguments)?.expect_success()
    }

    /// Removes everything that the configuration declares.
    pub fn destroy(&self, variables: &[&str]) -> Result<Finished, Failure> {
        let mut arguments = vec!["destroy", "-auto-approve", "-no-color", "-input=false"];
        arguments.extend(variables.iter().flat_map(|variable| ["-var", variable]));
        self.run(&arguments)?.expect_success()
    }

    /// Plans; status 0 is an empty plan, 2 one with changes.
    pub fn plan(&self, variables: &[&str]) -> Result<Finished, Failure> {
        let mut arguments = vec!["plan", "-detailed-exitcode", "-no-color", "-input=false"];
        arguments.extend(variables.iter().flat_map(|variable| ["-var", variable]));
        self.run(&arguments)
    }

    /// Fails unless a plan is empty.
    pub fn expect_empty_plan(&self, variables: &[&str]) -> Result<(), Failure> {
        let plan = self.plan(variables)?;
        if plan.status == 0 {
            return Ok(());
        }
        Err(plan.into_failure("was not empty"))
    }

    /// An output's value as text.
    pub fn output(&self, name: &str) -> Result<String, Failure> {
        let shown = self
            .run(&["output", "-raw", "-no-color", name])?
            .expect_success()?;
        Ok(shown.output.trim_end().to_owned())
    }

    /// The state, as terraform keeps it.
    #[must_use]
    pub fn state_file(&self) -> PathBuf {
        self.folder.path().join("terraform.tfstate")
    }
}

/// What is run: Terraform, or what `TOLLGATE_TERRAFORM` names in its place, such as OpenTofu.
fn program() -> OsString {
    std::env::var_os("TOLLGATE_TERRAFORM").unwrap_or_else(|| "terraform".into())
}

impl Drop for Terraform {
    fn drop(&mut self) {
        let Some(leaks) = self.leaks.take().filter(|_| !std::thread::panicking()) else {
            return;
        };
        // Where the store is gone already, the last run has told.
        drop(leaks.learn(self.namespace(&[])));
        if let Some((file, kept)) = leaks.search(self.folder()) {
            let file = file.strip_prefix(self.folder()).unwrap_or(&file);
            panic!("{} holds the token that was kept in {kept}", file.display());
        }
    }
}

impl Finished {
    fn new(arguments: &[&str], output: &Output) -> Self {
        let text = [&output.stdout, &output.stderr]
            .map(|stream| String::from_utf8_lossy(stream).into_owned());
        Self {
            status: output.status.code().unwrap_or(-1),
            output: text.concat(),
            command: format!("terraform {}", arguments.join(" ")),
        }
    }

    /// Passes a run on if it succeeded.
    pub fn expect_success(self) -> Result<Self, Failure> {
        if self.status == 0 {
            return Ok(self);
        }
        let outcome = format!("failed with exit status {}", self.status);
        Err(self.into_failure(&outcome))
    }

    /// Passes a run on if it failed.
    pub fn expect_error(self) -> Result<Self, Failure> {
        if self.status == 1 {
            return Ok(self);
        }
        Err(self.into_failure("should have failed"))
    }

    /// The output with lines joined, as terraform wraps messages at the terminal's width.
    #[must_use]
    pub fn flowing(&self) -> String {
        let words = self.output.split_whitespace().filter(|word| *word != "│");
        words.collect::<Vec<_>>().join(" ")
    }

    fn into_failure(self, outcome: &str) -> Failure {
        Failure::Command {
            command: self.command,
            outcome: outcome.to_owned(),
            output: self.output,
        }
    }
}

/// Takes the caller's own settings out of a command's environment.
pub(crate) fn forget_foreign_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_foreign = |prefix: &str| name.to_string_lossy().starts_with(prefix);
        if FOREIGN_PREFIXES.iter().any(|prefix| is_foreign(prefix)) {
            command.env_remove(&name);
        }
    }
}

fn missing(source: &std::io::Error) -> Failure {
    Failure::Missing {
        program: "terraform".to_owned(),
        remedy: format!(
            "install Terraform 1.11 or newer from HashiCorp's releases and put it on PATH ({source})"
        ),
    }
}

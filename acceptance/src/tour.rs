//! The tour: the quickstart's configuration applied, and each kind of answer asked for once.

use std::path::{Path, PathBuf};

use tollgate_store::{Namespace, Secret};

use crate::{
    Answer, Binaries, Browser, Failure, Place, Proxy, SampleUpstream, Terraform, free_port,
};

/// As the quickstart's quota says.
const REQUESTS_PER_MINUTE: u32 = 10;

/// Everything that runs during the tour. Dropping it ends all of it.
#[derive(Debug)]
pub struct Stage {
    /// The proxy.
    pub proxy: Proxy,
    /// The terraform that declares its documents.
    pub terraform: Terraform,
    /// Where clients reach the proxy.
    pub url: String,
    upstream: SampleUpstream,
    variables: Vec<String>,
    client: &'static str,
}

/// What a step of the tour asked for and got.
#[derive(Debug)]
pub struct Step {
    /// What it shows, like `without a key`.
    pub title: &'static str,
    /// The path that was asked for.
    pub path: &'static str,
    /// The expected status code.
    pub expected: u16,
    /// What came back.
    pub answer: Answer,
}

impl Step {
    /// Whether the answer was the expected one.
    #[must_use]
    pub fn is_as_expected(&self) -> bool {
        let told_when = self.expected != 429 || self.answer.header("retry-after").is_some();
        self.answer.status == self.expected && told_when
    }
}

impl Stage {
    /// Starts the upstream and the proxy, which has nothing to serve yet.
    pub fn set(binaries: &Binaries, place: &Place, namespace: &Namespace) -> Result<Self, Failure> {
        let upstream = SampleUpstream::start()?;
        let proxy = Proxy::start(binaries, place, namespace)?;
        let terraform = Terraform::new(binaries, place)?;
        terraform.copy(&quickstart())?;
        let listen = format!("127.0.0.1:{}", free_port()?);
        let variables = vec![
            format!("namespace={namespace}"),
            format!("listen={listen}"),
            format!("orders_url={}", upstream.url()),
        ];
        Ok(Self {
            proxy,
            terraform,
            url: format!("http://{listen}"),
            upstream,
            variables,
            client: "acme-ci",
        })
    }

    /// Where the sample upstream answers.
    #[must_use]
    pub fn upstream_url(&self) -> String {
        self.upstream.url()
    }

    /// Applies the quickstart, and waits until the proxy serves it; the client's key is revoked where `revoked`.
    pub fn apply(&mut self, revoked: bool) -> Result<(), Failure> {
        self.terraform.apply(&self.arguments(revoked).each())?;
        self.proxy.await_poll()
    }

    /// Fails unless a plan is empty.
    pub fn expect_empty_plan(&self, revoked: bool) -> Result<(), Failure> {
        self.terraform
            .expect_empty_plan(&self.arguments(revoked).each())
    }

    /// Removes everything again.
    pub fn destroy(&self) -> Result<(), Failure> {
        self.terraform.destroy(&self.arguments(false).each())?;
        Ok(())
    }

    /// From the next apply on, the key is another client's.
    pub fn serve_client(&mut self, client: &'static str) {
        self.client = client;
    }

    fn arguments(&self, revoked: bool) -> Arguments {
        let mut variables = self.variables.clone();
        variables.push(format!("client={}", self.client));
        variables.push(format!("revoked={revoked}"));
        Arguments(variables)
    }

    /// The requests of a client with a good key, one after the other; `show` sees each answer as it comes.
    pub fn with_a_good_key(
        &self,
        token: &Secret,
        mut show: impl FnMut(&Step),
    ) -> Result<Vec<Step>, Failure> {
        let mut steps = Vec::new();
        let mut take = |step: Step| {
            show(&step);
            steps.push(step);
        };
        take(self.ask("without a key", "/v1/orders", None, 401)?);
        take(self.ask("with the key", "/v1/orders", Some(token), 200)?);
        take(self.ask("outside its scopes", "/v1/invoices", Some(token), 403)?);
        for _ in 2..REQUESTS_PER_MINUTE {
            self.expect(token, 200)?;
        }
        take(self.ask("the tenth in a minute", "/v1/orders/1", Some(token), 200)?);
        take(self.ask("the eleventh", "/v1/orders/1", Some(token), 429)?);
        Ok(steps)
    }

    /// Asks with a key that is revoked.
    pub fn with_a_revoked_key(&self, token: &Secret) -> Result<Step, Failure> {
        self.ask("with the key, revoked", "/v1/orders", Some(token), 401)
    }

    fn ask(
        &self,
        title: &'static str,
        path: &'static str,
        token: Option<&Secret>,
        expected: u16,
    ) -> Result<Step, Failure> {
        let answer = Browser::new().fetch(&format!("{}{path}", self.url), token)?;
        Ok(Step {
            title,
            path,
            expected,
            answer,
        })
    }

    fn expect(&self, token: &Secret, status: u16) -> Result<(), Failure> {
        let step = self.ask("in between", "/v1/orders/1", Some(token), status)?;
        if step.is_as_expected() {
            return Ok(());
        }
        Err(Failure::Unexpected {
            what: format!("GET {}", step.path),
            expected: status.to_string(),
            got: step.answer.to_string(),
        })
    }
}

/// The quickstart's folder in the repository.
#[must_use]
pub fn quickstart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart")
}

struct Arguments(Vec<String>);

impl Arguments {
    fn each(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

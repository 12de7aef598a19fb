# The verbs. `make` alone lists them.

CARGO ?= cargo
BINARIES = -p terraform-provider-tollgate -p tollgate-proxy
DOCUMENT = $(CARGO) run --quiet -p terraform-provider-tollgate --bin tollgate-docs -- .
# nextest prints one summary for all crates; without it, cargo's own runner does the same work.
RUNNER = $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo "nextest run --no-fail-fast --failure-output final" || echo "test --no-fail-fast --lib --bins --tests")

# Every terraform that a test runs logs all it has to say, and no log may hold a token.
TRACED = TOLLGATE_TEST_TRACE=1

# Named, so that the flags of a build do not reach the programs that only build it.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
# What libFuzzer wants to know of a run: which branches it took, and what was compared.
COVERED = -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  -Cllvm-args=-sanitizer-coverage-trace-compares

.PHONY: help demo build release test unit testacc soak lint fmt generate plots bench bench-decisions bench-provider bench-proxy bench-fleet fuzz clean

help: ## List the verbs.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: ## From `terraform apply` to an enforced request, on this machine.
	@scripts/need cargo terraform
	$(CARGO) build $(BINARIES) -p tollgate-acceptance
	@target/debug/tollgate-demo

build: ## Build the provider and the proxy.
	@scripts/need cargo
	$(CARGO) build $(BINARIES)

release: ## Build the proxy as it is meant to run, laid out by its load: target/shipped/tollgate-proxy.
	@scripts/need cargo taskset wrk h2load openssl
	@scripts/release target/shipped

test: ## Every test, with the set-up that it needs.
	@scripts/need cargo terraform curl redis-server
	@$(TRACED) acceptance/localstack/with $(MAKE) --no-print-directory build run CRATES=--workspace

unit: ## The engine and the documents, with neither terraform nor the network: seconds.
	@$(MAKE) --no-print-directory run CRATES="-p tollgate-store --lib"
	@$(MAKE) --no-print-directory run CRATES="-p tollgate-gate"

testacc: ## The acceptance tests alone: real terraform, LocalStack, the built binaries.
	@scripts/need cargo terraform curl
	@$(TRACED) acceptance/localstack/with $(MAKE) --no-print-directory build run CRATES=-p=tollgate-acceptance

soak: ## Kill the provider at every step, load the proxy with everything at once for SECONDS=300: half an hour.
	@scripts/need cargo terraform curl
	@TOLLGATE_TEST_SOAK=1 acceptance/localstack/with $(MAKE) --no-print-directory build run \
	  CRATES="-p=tollgate-acceptance -- crash:: interrupted::"
	@TOLLGATE_TEST_SOAK=1 TOLLGATE_TEST_SOAK_SECONDS=$(SECONDS) $(MAKE) --no-print-directory run \
	  CRATES="-p=tollgate-proxy -- soak:: idle_connections:: a_certificate_is_replaced_under_load"

fuzz: ## Search for SECONDS=60 for what breaks each parser.
	@scripts/need cargo c++
	RUSTFLAGS="$(COVERED)" $(CARGO) build --profile fuzz -p tollgate-fuzz --features libfuzzer --bin fuzz \
	  --target-dir target/fuzz --target $(HOST)
	@scripts/fuzz target/fuzz/$(HOST) $(SECONDS)

.PHONY: run
run:
	$(CARGO) $(RUNNER) $(CRATES)

lint: ## Formatting, clippy, dependencies, Terraform files, docs: no warning is let through.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- --deny warnings
	@scripts/lint-dependencies
	terraform fmt -check -recursive examples
	@scripts/lint-guides
	$(DOCUMENT) --check

fmt: ## Format everything.
	$(CARGO) fmt --all
	terraform fmt -recursive examples

generate: ## Write docs/ from the provider's schema and the examples.
	$(DOCUMENT)

plots: ## Draw docs/plots/ from the simulation of the throttle.
	@TOLLGATE_TEST_PLOTS=1 $(CARGO) test --quiet -p tollgate-gate --test it plots_show

bench: bench-proxy bench-decisions ## What a request costs, beside nginx and HAProxy, and what a decision does.

bench-decisions: ## How long a decision takes.
	$(CARGO) bench -p tollgate-gate -p tollgate-conditions

bench-provider: ## What KEYS=1000 keys cost terraform, beside hashicorp/aws: writes docs/benchmarks.md.
	@scripts/need cargo terraform curl
	$(CARGO) build --release -p terraform-provider-tollgate -p tollgate-acceptance --bin terraform-provider-tollgate --bin tollgate-bench
	@acceptance/localstack/with target/release/tollgate-bench $(KEYS)

bench-proxy: ## What a request costs the proxy, beside nginx and HAProxy (ROUNDS=11 SECONDS=1): writes docs/benchmarks.md.
	@scripts/need cargo taskset wrk h2load openssl
	@scripts/release target/shipped
	@target/shipped/tollgate-bench proxy rounds=$(ROUNDS) seconds=$(SECONDS) keys=$(KEYS) works=$(WORKS)

bench-fleet: ## What counting together costs ten proxies, and what a killed Redis does (SECONDS=10): writes docs/benchmarks.md.
	@scripts/need cargo redis-server
	$(CARGO) build --release -p tollgate-proxy -p tollgate-acceptance --bin tollgate-proxy --bin tollgate-bench
	@target/release/tollgate-bench fleet $(SECONDS)

clean: ## Remove what was built, LocalStack, and the authorization server.
	acceptance/localstack/start.sh stop
	$(CARGO) clean
	rm -rf .localstack .authorization

# The tasks of this tree, one purpose each; the ones that `check` lists are the jobs of CI.
#
# What a task needs beside Rust it makes itself, once, in the cache outside the tree (tools/*.sh), or it says in one
# sentence what to install.

CARGO ?= cargo
CHECKS := format lint docs deny test image

.DEFAULT_GOAL := help
.PHONY: help bench build campaign chart-tools check $(CHECKS) control-plane crds demo gitops-tool python-sdk sbom

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build all programs for trying them out
	$(CARGO) build --workspace --locked

demo: ## Show the operator at work on a real API server and a simulated cloud; KEEP=1 leaves it running
	@test -x "$${CARGO_TARGET_DIR:-target}/debug/demo" || \
		echo "demo: making what is missing, this once: about 3 min for the Rust programs on two cores with empty" \
			"caches; before that the programs of the cluster, which say themselves what they take"
	@tools/control-plane.sh >/dev/null
	@$(CARGO) build --locked --package sqlserver-backup-operator --package demo
	@$(CARGO) run --quiet --locked --package demo

check: ## Run all that CI runs: format, lint, docs, deny, test, image
	@set -e; for job in $(CHECKS); do \
		begin=$$(date +%s); \
		$(MAKE) --no-print-directory $$job; \
		echo "check: $$job took $$(( $$(date +%s) - begin )) s"; \
	done

format: ## Check that the sources are formatted
	$(CARGO) fmt --all --check

# Other linters that happen to be on the PATH are left out: what they say depends on their version.
lint: ## Check the sources with clippy, warnings as errors, and the workflows with actionlint
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	"$$(tools/actionlint.sh)" -shellcheck= -pyflakes= .github/workflows/*.yaml

docs: ## Check that the documentation builds without a warning
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

deny: ## Check origin, licences and choice of the dependencies
	"$$(tools/cargo-deny.sh)" --locked check --hide-inclusion-graph bans licenses sources

# Most tests wait for a clock and not for a core, so more of them run at once than there are cores. Those of the image are
# a job of their own: they follow the build of what they run. Those that play faults on dozens of schedules at once come
# after the others, whose clocks they would hold up, and the one that measures a pace has the machine to itself.
test: control-plane chart-tools gitops-tool python-sdk ## Run every test but those of the image, the comparison of generated files with committed ones among them
	RUST_TEST_THREADS=8 $(CARGO) test --workspace --locked --no-fail-fast -- --skip image:: --skip campaign::slots:: --skip scenario::person::
	$(CARGO) test --locked --test it campaign::slots::
	$(CARGO) test --locked --test it scenario::person::

image: control-plane sbom ## Build the image for amd64 and arm64, and run the program in it
	@tools/image.sh
	$(CARGO) test --locked --test it image::

sbom: ## Write the bill of materials of the program
	@tools/sbom.sh

campaign: control-plane ## Play faults at every place of every story, about 20 min, and then at schedules; CAMPAIGN=all (hours), pairs, real, schedules, or a plan's name
	CAMPAIGN="$(or $(CAMPAIGN),broad)" $(CARGO) test --locked --test it campaign:: -- --nocapture

# What it runs is the program of the image; the harness around it has a profile of its own, see Cargo.toml.
bench: control-plane ## Measure the operator beside its peers, about 40 min; ROWS=drain,one chooses, ROWS=list lists, RUNS=3
	$(if $(filter list,$(ROWS)),,@tools/image.sh)
	$(CARGO) build --profile harness --locked --package bench
	"$${CARGO_TARGET_DIR:-target}/harness/bench" $(if $(filter list,$(ROWS)),--list,--runs $(or $(RUNS),3) $(if $(TLS),--tls) "$(or $(ROWS),default)")

control-plane: ## Build etcd and the Kubernetes programs that tests and demo run, if they are missing
	@tools/control-plane.sh >/dev/null

chart-tools: ## Build helm, kubeconform and promtool, and the definitions of the Prometheus operator, if they are missing
	@for tool in helm kubeconform promtool; do tools/chart-tool.sh $$tool >/dev/null || exit; done
	@tools/monitoring.sh >/dev/null

gitops-tool: ## Build the program that asks kstatus and Argo CD's Lua interpreter, if it is missing
	@tools/gitops.sh >/dev/null

python-sdk: ## Install the vendor's Python SDK for the test that uses it, if it is missing
	@tools/python-sdk.sh >/dev/null

crds: ## Write crds/ anew, and their copy in the chart, after a change of the resource types
	UPDATE=1 $(CARGO) test --quiet --locked --test it committed_definitions

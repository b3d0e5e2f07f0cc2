# What there is to do. Each target is a short command; CONTRIBUTING.md says when to use which.

CARGO ?= cargo
BIN := $(or $(CARGO_TARGET_DIR),target)/debug
CRD := crds/bedrockmodelmaps.yaml
CHART := charts/bedrock-model-map
CRD_CHART := charts/bedrock-model-map-crds
RULES := config/prometheus/rules.yaml
DASHBOARD := config/prometheus/dashboard.json
# For the demo, the benchmark and the real node: `make demo ARGS=--once`.
ARGS ?=
# The cluster of the demo: `kind`, or empty for a control plane of this machine.
DEMO ?=
FUZZ_SECONDS ?= 300

.DEFAULT_GOAL := help
# One recipe after the other: cargo uses all cores already, and holds a lock.
.NOTPARALLEL:
.PHONY: help build demo test test-alerts test-dashboard test-otlp test-unit test-browser lint lint-quick lint-features generate generate-chart verify-generated test-deploy test-image e2e deny bench comparison fetch-control-plane ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# All packages, also where fewer would do: with fewer, dependencies have other features and are compiled once more.
build: ## Build all programs
	$(CARGO) build --workspace --locked

demo: build ## Run the operator against a local control plane and a simulated Bedrock (ARGS=--once: do not stay; DEMO=kind: a cluster of kind)
	@$(if $(filter kind,$(DEMO)),scripts/demo-kind.sh $(abspath $(BIN)),$(BIN)/demo) $(ARGS)

test: fetch-control-plane ## Run all tests
	$(CARGO) test --workspace --locked

# What depends on the version of the API server; empty: all tests of the operator against it.
KUBERNETES_TESTS ?= validation cluster_maps publication output ownership leader_election definition_skew

.PHONY: test-kubernetes test-oldest
test-kubernetes: fetch-control-plane ## Test the operator and the rights of its chart against the Kubernetes of KUBEBUILDER_ASSETS or KUBERNETES_VERSION
	@tests/deploy/tools.sh >/dev/null
	$(CARGO) test -p bedrock-model-map --test integration --locked -- $(KUBERNETES_TESTS)
	$(CARGO) test -p bedrock-model-map --test deploy --locked -- policies rights

# 1.32 is the first to accept the definition: its rules use `format`, which new definitions may from then on.
test-oldest: ## Do so against the oldest supported Kubernetes (builds it with Go, once)
	@KUBERNETES_VERSION=1.32 $(MAKE) --no-print-directory test-kubernetes

test-deploy: fetch-control-plane ## Check chart, Kustomize bases, image and documents (builds helm and other tools with Go, once)
	@tests/deploy/tools.sh >/dev/null
	$(CARGO) test -p bedrock-model-map --test deploy --locked

# A folder of its own: the program is the image's, not this machine's.
test-image: fetch-control-plane ## Run the operator in the image's root folder (needs a release build, and namespaces)
	scripts/build-release.sh target/image/bedrock-model-map
	IMAGE_PROGRAM=$(CURDIR)/target/image/bedrock-model-map \
		$(CARGO) test -p bedrock-model-map --test deploy --locked -- --ignored --no-capture image

e2e: build ## Run the operator on a real node (Linux, needs root; says which packages it lacks)
	@$(BIN)/e2e $(ARGS)

# CONSUMER_CRDS: the definitions of Envoy AI Gateway, Envoy Gateway, Gateway API, kagent, Flux and Argo CD as files, such
# as `helm template` prints them of the charts of definitions. Without it only LiteLLM runs.
.PHONY: test-consumers
test-consumers: fetch-control-plane ## Run LiteLLM on what is published (needs PyPI); with CONSUMER_CRDS=FOLDER apply resources of consumers too
	$(CARGO) test -p bedrock-model-map --test cli --locked -- --ignored --no-capture --test-threads 1 consumers::litellm
	@test -z '$(CONSUMER_CRDS)' || CONSUMER_CRDS='$(abspath $(CONSUMER_CRDS))' \
		$(CARGO) test -p bedrock-model-map --test cli --test deploy --locked -- --include-ignored \
		consumers::rendered snippets::document_yaml

test-alerts: ## Check the alerts (needs promtool, of the package prometheus)
	@command -v promtool >/dev/null || { echo 'promtool is missing: install the package prometheus, or take it from https://prometheus.io/download/' >&2; exit 1; }
	promtool check rules config/prometheus/rules.yaml
	promtool test rules config/prometheus/rules_test.yaml

test-dashboard: fetch-control-plane ## Run each query of the dashboard (needs Prometheus, of the package prometheus)
	@command -v prometheus >/dev/null || { echo 'prometheus is missing: install the package prometheus, or take it from https://prometheus.io/download/' >&2; exit 1; }
	$(CARGO) test -p bedrock-model-map --locked --test integration dashboard -- --ignored

test-otlp: fetch-control-plane ## Test the traces, which are a feature of their own
	$(CARGO) test -p bedrock-model-map --locked --features otlp --test integration traces

test-unit: ## Run the tests that need no control plane, and check the structure of src
	$(CARGO) test --workspace --exclude control-plane --lib --bins --test structure --locked

test-browser: build ## Open the HTML page in a real browser (needs Node.js and Chromium)
	tests/browser/run.sh $(BIN)

lint-quick: ## Check the format, and lint the library
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --lib --locked -- -D warnings

# Not all targets have the tests of `make test-deploy`.
lint: ## Check format, lints, generated files and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p bedrock-model-map --test deploy --locked -- -D warnings
	@$(MAKE) --no-print-directory lint-features
	@$(MAKE) --no-print-directory verify-generated
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

# A program that uses the library chooses the version of k8s-openapi; here it is the operator's.
lint-features: ## Check the library with each of its features alone, and the program with all
	$(CARGO) clippy -p bedrock-model-map --all-targets --features otlp --locked -- -D warnings
	$(CARGO) clippy -p bedrock-model-map --lib --locked -- -D warnings
	$(CARGO) clippy -p bedrock-model-map --lib --features aws,k8s-openapi/v1_33 --locked -- -D warnings
	$(CARGO) clippy -p bedrock-model-map --lib --features cluster,k8s-openapi/v1_33 --locked -- -D warnings

# Each is written beside first, so that a failure leaves the old one. The chart can read no file outside of its folder.
generate: build ## Write what is generated from the code
	$(BIN)/bedrock-model-map crd > $(CRD).new && mv $(CRD).new $(CRD) || { rm -f $(CRD).new; exit 1; }
	cp $(CRD) $(RULES) $(DASHBOARD) $(CHART)/files/
	cp $(CRD) $(CRD_CHART)/files/
	scripts/prometheus-rule.sh > $(dir $(RULES))prometheus_rule.yaml
	UPDATE_SNAPSHOTS=1 $(CARGO) test -q -p bedrock-model-map --test snapshots --locked reference

generate-chart: ## Write the charts' READMEs (builds the tools of test-deploy, once)
	"$$(tests/deploy/tools.sh)/helm-docs" --chart-search-root charts --log-level warning

verify-generated: build ## Check that what is generated is as the code has it
	@$(BIN)/bedrock-model-map crd | diff -u $(CRD) - || \
		{ echo '$(CRD) is not what the code makes: run `make generate`' >&2; exit 1; }
	@for file in $(CRD) $(RULES) $(DASHBOARD); do diff -u $$file $(CHART)/files/$${file##*/} || \
		{ echo "the chart has another $${file##*/}: run \`make generate\`" >&2; exit 1; }; done
	@diff -u $(CRD) $(CRD_CHART)/files/$(notdir $(CRD)) || \
		{ echo 'the chart of definitions has another $(notdir $(CRD)): run `make generate`' >&2; exit 1; }
	@scripts/prometheus-rule.sh | diff -u $(dir $(RULES))prometheus_rule.yaml - || \
		{ echo 'the PrometheusRule is not that of $(RULES): run `make generate`' >&2; exit 1; }
	$(CARGO) test -q -p bedrock-model-map --test snapshots --locked reference

deny: ## Check licences, bans and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny --locked check licenses bans sources

# In one build, so that what both use is compiled once.
bench: fetch-control-plane ## Measure the operator (ARGS=--quick: in 5 minutes; ARGS=--write: all, and into the documents)
	$(CARGO) build --release -p bedrock-model-map -p bench --features bedrock-model-map/operator --locked
	@$(dir $(BIN))release/bench $(ARGS)

.PHONY: chaos
chaos: fetch-control-plane ## Break everything around the operator, the long way, and print what was survived
	CHAOS=long $(CARGO) test -p bedrock-model-map --test chaos --locked -- --nocapture --test-threads 1

.PHONY: tenants
tenants: fetch-control-plane ## Put every kind of bad neighbour beside one resource, the long way
	TENANTS=long $(CARGO) test -p bedrock-model-map --test tenants --locked -- --nocapture --test-threads 1

# libFuzzer needs a nightly compiler (`rustup toolchain install nightly`) and cargo-fuzz (`cargo install cargo-fuzz`).
.PHONY: fuzz
fuzz: ## Fuzz what comes from outside, FUZZ_SECONDS for each target (5 minutes)
	cd fuzz && set -e; for target in answers services files names durations; do \
		mkdir -p corpus/$$target; \
		$(CARGO) +nightly fuzz run --features durations $$target corpus/$$target seeds/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=65536 -rss_limit_mb=1024 -malloc_limit_mb=256; \
	done

comparison: build ## Measure other ways to find the id to pass, into docs/comparison.md (needs PyPI)
	tools/python.sh tools/comparison/requirements.txt tools/comparison/compare.py $(BIN) docs/comparison.md

fetch-control-plane: build ## Get etcd and Kubernetes, built with Go once per machine (7 to 12 minutes)
	$(BIN)/control-plane fetch

ci: ## Run what CI runs
	.ci/run

# What there is to do. Each target is a short command; CONTRIBUTING.md says when to use which.

CARGO ?= cargo
CRD := crds/bedrockmodelmaps.yaml
# For the demo: `make demo ARGS=--once`.
ARGS ?=

.DEFAULT_GOAL := help
# One recipe after the other: cargo uses all cores already, and holds a lock.
.NOTPARALLEL:
.PHONY: help demo test test-unit lint generate verify-generated deny bench fetch-control-plane ci

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Run the operator against a local control plane and a simulated Bedrock (ARGS=--once: do not stay)
	$(CARGO) build --locked -p bedrock-model-map -p demo
	$(CARGO) run --quiet --locked -p demo -- $(ARGS)

test: fetch-control-plane ## Run all tests
	$(CARGO) test --workspace --locked

test-unit: ## Run the tests that need no control plane
	$(CARGO) test --locked -p bedrock-model-map -p bedrock-simulator -p demo --lib --bins

lint: ## Check format, lints, generated files and documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(MAKE) --no-print-directory verify-generated
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked

generate: ## Write what is generated from the code
	$(CARGO) run --quiet --locked -- crd > $(CRD).new && mv $(CRD).new $(CRD) || { rm -f $(CRD).new; exit 1; }

verify-generated: ## Check that what is generated is as the code has it
	@$(CARGO) run --quiet --locked -- crd | diff -u $(CRD) - || \
		{ echo '$(CRD) is not what the code makes: run `make generate`' >&2; exit 1; }

deny: ## Check licences, bans and sources of the dependencies (needs cargo-deny)
	$(CARGO) deny --locked check licenses bans sources

bench: ## Run the benchmarks
	$(CARGO) bench --workspace --locked

fetch-control-plane: ## Get etcd and Kubernetes, built with Go once per machine (7 to 12 minutes)
	$(CARGO) run --quiet --locked -p control-plane -- fetch

ci: ## Run what CI runs
	.ci/run

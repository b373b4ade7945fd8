# The one door for developers. `make help` lists what it opens.

SHELL := /bin/bash
.DELETE_ON_ERROR:
# The recipes of `test` build on one another: one at a time.
.NOTPARALLEL:
.PHONY: install-examples help test tools check demo simulate soak reliability-table schema-speed fuzz wire-speed
.PHONY: bench bench-smoke dispatch-speed journal-speed doc deny compose-check bless

VENV := target/venv
PREFIX := /usr/local
LIBDIR := $(PREFIX)/lib/oc2

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: tools ## Everything that must pass: formatting, clippy, every test; installs what is missing
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory $(VENV)/made
	scripts/check-compose.sh
	@mkdir -p target && rm -f target/journal-output.txt
	set -o pipefail; $(MAKE) --no-print-directory simulate SEEDS=100000 | tee target/simulate-output.txt
	OC2_TEST_PYTHON="$(CURDIR)/$(VENV)/bin/python" scripts/test.sh
	@$(MAKE) --no-print-directory bench-smoke

tools: ## Installs what the tests need (as root on Debian; otherwise says what is missing)
	scripts/tools.sh debian
	scripts/tools.sh rust

check: ## Formatting and clippy, warnings as errors, with and without the embedded broker
	cargo fmt --check
	cargo clippy --locked --all-targets --features fail-points -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings

install-examples: ## The example actuators to $(LIBDIR)
	install -d -m 755 $(DESTDIR)$(LIBDIR)
	install -m 755 examples/actuators/* $(DESTDIR)$(LIBDIR)

demo: ## A broker, the bridge and three devices in one process
	cargo run --locked --release -- demo

SEEDS := 1000000
simulate: ## Random scripts of faults over the quiet room, SEEDS=1000000 of them
	OC2_SIMULATE_SEEDS=$(SEEDS) cargo test --locked --no-default-features --profile simulate \
		--test simulation -- --nocapture --test-threads 1

soak: ## The long form of the tests of the promise, about half an hour, and a million scripts
	@mkdir -p target
	set -o pipefail; $(MAKE) --no-print-directory simulate | tee target/simulate-output.txt
	OC2_SOAK=1 OC2_TEST_DEADLINE=7200 scripts/test.sh --test it faults::
	set -o pipefail; OC2_SOAK=1 cargo test --locked --no-default-features --profile simulate \
		--lib journal::tests -- --show-output | tee target/journal-output.txt

reliability-table: ## The tables of docs/reliability.md and README.md, from the last run of soak (or of test)
	scripts/reliability-table.sh target/simulate-output.txt target/test-output.txt target/journal-output.txt

# Three builds: with default features and without any for their size alone, and the one that is measured, which is the
# Dockerfile's. It is what target/release/oc2 is afterwards.
bench: ## What a command costs beside the cheapest echo; writes docs/performance and its tables anew
	scripts/tools.sh debian
	cargo build --locked --release --bin oc2
	cp target/release/oc2 target/release/oc2-full
	cargo build --locked --release --no-default-features --bin oc2
	cp target/release/oc2 target/release/oc2-bare
	cargo build --locked --release --no-default-features --features idn --bin oc2 --example stream_actuator
	cargo bench --locked --no-default-features --features idn --bench e2e -- \
		--full-binary "$(CURDIR)/target/release/oc2-full" --bare-binary "$(CURDIR)/target/release/oc2-bare"

bench-smoke: ## The same and the benches of single rooms, once and for a moment: fails on errors, not on speed
	scripts/tools.sh debian
	cargo build --locked --example stream_actuator
	cargo test --locked --bench e2e -- --smoke
	cargo test --locked --bench dispatch --bench jadn --bench journal --bench wire

dispatch-speed: ## The quiet room alone: from a message to its effects
	cargo bench --locked --no-default-features --features idn --bench dispatch

schema-speed: ## Judging messages by a schema, beside serde_json alone and with the jsonschema crate
	cargo bench --locked --no-default-features --features idn --bench jadn

journal-speed: ## Records a second that become durable, with the guard against silent rollback and without
	cargo bench --locked --no-default-features --features idn --bench journal

wire-speed: ## Reading a command and its digest, in JSON and in CBOR
	cargo bench --locked --no-default-features --features idn --bench wire

fuzz: ## Fuzzes the readers of schemas and messages, ten minutes each
	scripts/fuzz.sh

doc: ## The library's documentation, warnings as errors
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

deny: ## Licences, sources and advisories of all dependencies (needs cargo-deny)
	cargo deny check

compose-check: ## Reads docker-compose.yml with docker-compose, where it is installed
	scripts/check-compose.sh

bless: ## Writes docs/conformance.toml and docs/conformance.md anew from the tests
	OC2_BLESS=1 cargo test --locked --test it conformance

# A Python with the foreign MQTT client of the tests. A changed list makes it anew.
$(VENV)/made: scripts/python-requirements.txt
	rm -rf $(VENV)
	mkdir -p $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# The commands of this project; `make` lists them. Each target downloads what is missing and says so; a second run downloads nothing.
# You need a Rust toolchain by rustup, Python 3.10 or newer (3.11 for e2e), and Node 20 or newer.

.DEFAULT_GOAL := help
.PHONY: help demo test versions check supply advisories bench soak wasm cli reference manifests dist format clean fmt clippy biome unit redis fuzz fuzzing e2e tools

export PATH := $(PATH):$(HOME)/.cargo/bin

SCENARIO ?= bff
E2E ?=
MINUTES ?= 30
ON ?=
# The versions of Envoy of make versions: those that the tests can download (2026-12-01). docs/deployment.md has the table of what was run on each.
NEWEST := 1.40.0
OLDEST := 1.37.0
BETWEEN := 1.38.2 1.39.0 1.39.1 1.39.3
WITHOUT_WEBASSEMBLY := 1.38.3
CHOSEN := $(addsuffix .test.mjs,versions allowed-paths bearer bff caches explain fleet operations refresh refusals shipped)
# Only wasm.sh gets QUICK: everything else builds the module of a release.
QUICK ?=
unexport QUICK
ifneq ($(QUICK),)
ifneq ($(filter demo bench dist soak,$(MAKECMDGOALS))$(if $(E2E),,$(filter test e2e,$(MAKECMDGOALS))),)
$(error QUICK=1 is only for make wasm, and for make e2e and make test with E2E=name.test.mjs: all other targets use the module of a release)
endif
endif

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: wasm deploy/demo/node_modules/.package-lock.json ## a gateway with a provider and an application on this machine, until Ctrl-C
	@envoy=$$(deploy/build/envoy.sh) && ENVOY="$$envoy" exec node deploy/demo/run.mjs $(SCENARIO)

test: unit redis e2e ## all tests, with a real Redis, a real Envoy and a real Chromium (only one e2e file: make test E2E=name.test.mjs)

versions: ## all end-to-end tests on the newest Envoy and on the oldest that the README supports, and chosen files on every version between
	@$(MAKE) e2e ON=$(NEWEST)
	@$(MAKE) e2e ON=$(OLDEST)
	@for version in $(BETWEEN); do $(MAKE) e2e ON=$$version E2E="$(CHOSEN)" || exit; done
	@for version in $(WITHOUT_WEBASSEMBLY); do $(MAKE) e2e ON=$$version E2E=versions.test.mjs || exit; done

check: fmt clippy biome unit fuzz ## formatting, lints with warnings denied (Rust native and wasm, JavaScript), unit tests, and whether the fuzzers compile

supply: ## whether each crate comes from crates.io, under a licence that we accept, and in one version (cargo-deny, by lints/deny.toml)
	@deny=$$(deploy/build/cargo-deny.sh) && "$$deny" --locked --manifest-path "$(CURDIR)/Cargo.toml" --config lints/deny.toml check --hide-inclusion-graph licenses bans sources

advisories: ## whether a fault of a crate is published; it fetches the RustSec database from GitHub
	@deny=$$(deploy/build/cargo-deny.sh) && "$$deny" --locked --manifest-path "$(CURDIR)/Cargo.toml" --config lints/deny.toml check advisories

format: tools lints/node_modules/.package-lock.json ## formats the Rust and the JavaScript, as make check requires
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	cargo fmt --manifest-path tests/e2e/mcp/rmcp/Cargo.toml
	lints/node_modules/.bin/biome format --write

bench: wasm tests/e2e/node_modules/.package-lock.json ## what a worker, a request and ended sessions cost, compared with Envoy's own filters (about 15 minutes; on a quiet machine)
	@envoy=$$(deploy/build/envoy.sh) && wrk=$$(deploy/build/wrk.sh) && noop=$$(deploy/build/noop.sh) && \
	ENVOY="$$envoy" WRK="$$wrk" NOOP_WASM="$$noop" ACCREDIT_WASM="$(CURDIR)/target/accredit.wasm" \
	sh -c 'node benches/worker.mjs && node benches/ends.mjs && node benches/fleet.mjs && exec node benches/bench.mjs'

# MINUTES=5 plays each turn once. clock.c is compiled by cc, which a Rust toolchain needs, too.
soak: wasm tests/e2e/node_modules/.package-lock.json ## two Envoys under load for MINUTES (30), while everything goes wrong by turns; it writes target/soak.md
	@envoy=$$(deploy/build/envoy.sh) && cd tests/e2e && ENVOY="$$envoy" ACCREDIT_WASM="$(CURDIR)/target/accredit.wasm" MINUTES=$(MINUTES) exec node soak/soak.mjs

wasm: deploy/build/node_modules/.package-lock.json ## the filter: target/accredit.wasm (with QUICK=1 target/accredit-quick.wasm, within seconds, for tests)
	@QUICK=$(QUICK) deploy/build/wasm.sh

cli: ## the command line: target/cli/accredit (accredit --help lists what it can do)
	@deploy/build/cli.sh

reference: ## generates the tables of docs/configuration.md and docs/troubleshooting.md, and the schemas in docs, from the sources
	cargo run --locked --example reference

manifests: deploy/build/node_modules/.package-lock.json ## generates the files under deploy/ that are made from envoy/*.yaml
	@node deploy/build/render/render.mjs

dist: wasm cli ## a release: target/dist/accredit-VERSION.tar.gz, the same bytes at any time and in any folder, and the command line for this kind of machine
	@node deploy/build/dist.mjs --command target/cli/accredit >/dev/null

clean: ## removes built files and npm packages; a downloaded Envoy stays in the user's cache
	rm -rf target deploy/build/node_modules deploy/demo/node_modules lints/node_modules tests/e2e/node_modules tests/e2e/mcp/node_modules

fmt: tools
	cargo fmt --check
	cargo fmt --check --manifest-path tests/e2e/mcp/rmcp/Cargo.toml

clippy: tools
	cargo clippy --locked --all-targets -- -D warnings
	deploy/build/cargo-wasm.sh clippy --lib -- -D warnings

# Checks formatting and lints of the JavaScript, by biome.jsonc. Biome has its own folder of npm packages, apart from those of the module, the demo and the tests.
biome: lints/node_modules/.package-lock.json
	lints/node_modules/.bin/biome check --error-on-warnings

unit:
	cargo test --locked

# What a real Redis does with our calls. These tests are ignored by `cargo test`, because they need its program.
redis:
	@for kind in redis valkey; do server=$$(deploy/build/$$kind.sh) && REDIS_SERVER="$$server" cargo test --locked --test redis -- --ignored || exit; done

fuzzing: ## random bytes from outside: each fuzz target for 20 seconds (only one, longer: make fuzzing FUZZ=request SECONDS=300)
	@FUZZ="$(FUZZ)" EACH="$(SECONDS)" fuzz/run.sh

# Checks whether the fuzzers compile. It leaves their C++ out, which needs a C++ compiler and is only needed to run them.
fuzz: tools
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --no-default-features --bins -- -D warnings

# ON=VERSION uses that Envoy, as .ci/run does with the oldest one that the README supports. tests/e2e/run.mjs decides which files run at the same time, which
# run alone, and how long each may take.
e2e: wasm deploy/demo/node_modules/.package-lock.json tests/e2e/node_modules/.package-lock.json tests/e2e/mcp/node_modules/.package-lock.json
	@. deploy/build/lib.sh && { has curl || debian_install curl; } && { has openssl || debian_install openssl; } && \
	envoy=$$(deploy/build/envoy.sh $(ON)) && chromium=$$(deploy/build/chromium.sh) && cd tests/e2e && \
	ENVOY="$$envoy" CHROMIUM="$$chromium" ACCREDIT_WASM="$(CURDIR)/target/accredit$(if $(QUICK),-quick).wasm" node run.mjs $(E2E)

# A minimal rustup profile does not have these two.
tools:
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

# npm writes this file when it installs; if it is older than the lock file, the lock file has changed.
%/node_modules/.package-lock.json: %/package-lock.json
	@echo "accredit: npm ci in $*" >&2
	cd $* && npm ci --no-audit --no-fund
	@touch $@

# Everything a fresh machine needs, in a handful of words. Each target fetches what it lacks and says so; a second run fetches nothing.
# Needed: a Rust toolchain by rustup, Python 3.10 or newer, Node 20 or newer.

.DEFAULT_GOAL := help
.PHONY: help demo test check bench wasm manifests dist format clean fmt clippy biome unit fuzz e2e tools

export PATH := $(PATH):$(HOME)/.cargo/bin

SCENARIO ?= bff
E2E ?=
ON ?=
# Said to wasm.sh alone: what else builds the module builds the one that is given out.
QUICK ?=
unexport QUICK
ifneq ($(QUICK),)
ifneq ($(filter demo bench dist,$(MAKECMDGOALS))$(if $(E2E),,$(filter test e2e,$(MAKECMDGOALS))),)
$(error QUICK=1 is for make wasm, and for make test E2E=name.test.mjs: all else takes the module that is given out)
endif
endif

help: ## this list
	@sed -n 's/^\([a-z0-9]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: wasm deploy/demo/node_modules/.package-lock.json ## a gateway with a provider and an application on this machine, until Ctrl-C
	@envoy=$$(deploy/build/envoy.sh) && ENVOY="$$envoy" exec node deploy/demo/run.mjs $(SCENARIO)

test: unit e2e ## every test, with a real Envoy and a real Chromium (one file: make test E2E=name.test.mjs)

check: fmt clippy biome unit fuzz ## formatting, lints with warnings denied (Rust native and wasm, JavaScript), unit tests, whether the fuzzers compile

format: tools lints/node_modules/.package-lock.json ## Rust and JavaScript, written anew as check wants them
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	lints/node_modules/.bin/biome format --write

bench: wasm tests/e2e/node_modules/.package-lock.json ## what a worker and a request cost, beside Envoy's own filters (about ten minutes; on a quiet machine)
	@envoy=$$(deploy/build/envoy.sh) && wrk=$$(deploy/build/wrk.sh) && noop=$$(deploy/build/noop.sh) && \
	ENVOY="$$envoy" WRK="$$wrk" NOOP_WASM="$$noop" ACCREDIT_WASM="$(CURDIR)/target/accredit.wasm" sh -c 'node benches/worker.mjs && exec node benches/bench.mjs'

wasm: deploy/build/node_modules/.package-lock.json ## the filter: target/accredit.wasm (with QUICK=1 target/accredit-quick.wasm, within seconds, for trying out)
	@QUICK=$(QUICK) deploy/build/wasm.sh

manifests: deploy/build/node_modules/.package-lock.json ## what deploy/ derives from envoy/*.yaml, written anew
	@node deploy/build/render/render.mjs

dist: wasm ## a release: target/dist/accredit-VERSION.tar.gz, the same bytes whenever and wherever it is built
	@node deploy/build/dist.mjs >/dev/null

clean: ## removes what was built and what npm brought; a fetched Envoy stays in the user's cache
	rm -rf target deploy/build/node_modules deploy/demo/node_modules lints/node_modules tests/e2e/node_modules

fmt: tools
	cargo fmt --check

clippy: tools
	cargo clippy --locked --all-targets -- -D warnings
	deploy/build/cargo-wasm.sh clippy --lib -- -D warnings

# Formatting and lints of the JavaScript, by biome.jsonc. Its packages stand apart from those that the module, the demo and the tests need.
biome: lints/node_modules/.package-lock.json
	lints/node_modules/.bin/biome check --error-on-warnings

unit:
	cargo test --locked

# Whether the fuzzers compile; how they are run, CONTRIBUTING.md says. Without their C++, which takes a compiler of its own and only running needs.
fuzz: tools
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --no-default-features --bins -- -D warnings

# ON=VERSION takes that Envoy, as .ci/run does with the oldest that the README promises. Which files run at the same time, which alone, and for how long at most, tests/e2e/run.mjs says.
e2e: wasm deploy/demo/node_modules/.package-lock.json tests/e2e/node_modules/.package-lock.json
	@. deploy/build/lib.sh && { has curl || debian_install curl; } && { has openssl || debian_install openssl; } && \
	envoy=$$(deploy/build/envoy.sh $(ON)) && chromium=$$(deploy/build/chromium.sh) && cd tests/e2e && \
	ENVOY="$$envoy" CHROMIUM="$$chromium" ACCREDIT_WASM="$(CURDIR)/target/accredit$(if $(QUICK),-quick).wasm" node run.mjs $(E2E)

# A minimal rustup profile lacks these two.
tools:
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	@cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

# npm's own note of what it installed; older than the lock file means that the lock file has changed.
%/node_modules/.package-lock.json: %/package-lock.json
	@echo "accredit: npm ci in $*" >&2
	cd $* && npm ci --no-audit --no-fund
	@touch $@

# What the README says, and what continuous integration calls. Each target installs what it needs.
.DEFAULT_GOAL := help
.PHONY: help demo test fuzz bench check plugins test-plugins build clean

# The embedded PostgreSQL is built only where no server is installed: it brings a second WebAssembly engine.
SERVER := $(wildcard /usr/lib/postgresql/*/bin/initdb)
FEATURES := $(if $(SERVER),,--features embedded-postgres)
named = $(shell sed -n 's/^name = "\(.*\)"/-p \1/p' $(1))
# The crates that plugins share are no plugins.
PLUGINS := $(call named,$(filter-out plugins/shared/%,$(wildcard plugins/*/*/Cargo.toml)))
TEST_PLUGINS := $(call named,tests/plugins/*/Cargo.toml)

help: ## Shows the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## Builds everything and runs a daily and a weekly procedure on a small shop database.
	@scripts/set-up demo
	@$(MAKE) --no-print-directory plugins
	cargo build --release --package hostler-cli $(FEATURES)
	target/release/hostler demo

test: ## Installs what the tests need, and passes them all.
	@scripts/set-up test
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory test-plugins
	cargo build --bin hostler
	cargo nextest run --workspace --no-fail-fast

fuzz: ## Fuzzes each parser and policy for SECONDS (60) seconds; installs a nightly Rust and cargo-fuzz.
	@scripts/fuzz

bench: ## Measures Hostler beside the tools that a person would use, and writes target/bench.md.
	@scripts/set-up test
	@$(MAKE) --no-print-directory test-plugins
	scripts/bench

check: ## Formatting, lints and documentation, each without a warning.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

plugins: ## Builds all plugins, in one call, into target/plugins.
	cargo build --profile plugin --target wasm32-wasip2 $(PLUGINS)
	@mkdir -p target/plugins
	@cp -u $(patsubst %,target/wasm32-wasip2/plugin/%.wasm,$(subst -,_,$(subst -p ,,$(PLUGINS)))) target/plugins/

test-plugins:
	cargo build --profile plugin --target wasm32-wasip2 $(PLUGINS) $(TEST_PLUGINS)

build: plugins ## Builds host and plugins in release mode.
	cargo build --release --package hostler-cli

clean: ## Removes what was built.
	cargo clean

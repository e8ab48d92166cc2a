# What the README says, and what continuous integration calls. Each target installs what it needs.
.DEFAULT_GOAL := help
.PHONY: help demo test check plugins build clean

# The embedded PostgreSQL is built only where no server is installed: it brings a second WebAssembly engine.
SERVER := $(wildcard /usr/lib/postgresql/*/bin/initdb)
FEATURES := $(if $(SERVER),,--features embedded-postgres)
PLUGINS := $(shell sed -n 's/^name = "\(.*\)"/-p \1/p' plugins/*/*/Cargo.toml 2>/dev/null)

help: ## Shows the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: ## Builds everything and runs a daily and a weekly procedure on a small shop database.
	@scripts/set-up demo
	@$(MAKE) --no-print-directory plugins
	cargo build --release --bin hostler $(FEATURES)
	target/release/hostler demo

test: ## Installs what the tests need, and passes them all.
	@scripts/set-up test
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory plugins
	cargo build --bin hostler
	cargo nextest run --workspace --no-fail-fast

check: ## Formatting, lints and documentation, each without a warning.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

plugins: ## Builds all plugins, in one call.
	cargo build --profile plugin --target wasm32-wasip2 $(PLUGINS)

build: plugins ## Builds host and plugins in release mode.
	cargo build --release --bin hostler

clean: ## Removes what was built.
	cargo clean

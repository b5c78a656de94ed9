#!/bin/sh
# Builds the MCP client with the Rust SDK, for the end-to-end tests, and prints its path. It is no part of Accredit, and has packages of its own.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.."
cargo build --quiet --locked --manifest-path tests/e2e/mcp/rmcp/Cargo.toml --target-dir target/rmcp >&2 || die "the build of tests/e2e/mcp/rmcp failed"
echo "$PWD/target/rmcp/debug/rmcp-client"

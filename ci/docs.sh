#!/usr/bin/env bash
# Documentation of the public crates, warnings denied.
source "$(dirname "$0")/lib.sh"
step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc -p gc-core -p gc-derive --no-deps

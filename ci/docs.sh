#!/usr/bin/env bash
# Documentation of the public crates, warnings denied.
source "$(dirname "$0")/lib.sh"
step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc -p gc-core -p gc-derive --no-deps
# The metadata in gc-core's manifest: all features, and a label beside each item that needs one (unstable, hence the variable).
step "docs, as docs.rs builds them"
RUSTC_BOOTSTRAP=1 RUSTDOCFLAGS="-D warnings --cfg docsrs" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/docsrs \
  cargo doc -p gc-core --all-features --no-deps

#!/usr/bin/env bash
# The exporters, the alert rules and the dashboard, read back by promtool, of Debian's package prometheus. Where it is not
# installed it is taken out of the package, without its service; where that cannot be had, its part is skipped.
source "$(dirname "$0")/lib.sh"
target=${CARGO_TARGET_DIR:-$PWD/target}
if ! command -v promtool >/dev/null && command -v apt-get >/dev/null; then
  step "promtool, from the package prometheus"
  mkdir -p "$target/promtool"
  (cd "$target/promtool" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb .) || rm -rf "$target/promtool"
  export PATH=$PATH:$target/promtool/usr/bin
fi
step "exporters"
cargo test -p gc-core --all-features --test export --test metrics
cargo build -p gc-core --all-features --example metrics
if ! command -v promtool >/dev/null; then
  skip "promtool: check metrics, check rules, test rules (needs Debian's package prometheus)"
  exit 0
fi
step "promtool"
"$target/debug/examples/metrics" >"$target/metrics.txt"
promtool check metrics <"$target/metrics.txt"
promtool check rules docs/observe/alerts.yml
promtool test rules docs/observe/alerts_test.yml
printf '%s series of %s metrics\n' "$(grep -vc '^#' "$target/metrics.txt")" "$(grep -c '^# TYPE' "$target/metrics.txt")"

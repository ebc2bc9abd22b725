#!/usr/bin/env bash
# The loom models of the protocol types, each with its broken twin. Debug assertions are on; without them gc-core
# refuses to be built for loom. Each test is run by itself, as many at once as there are cores: most programs have one
# test that takes as long as the rest of it.
source "$(dirname "$0")/lib.sh"
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom
step "loom models"
cargo test --release -p loom-tests --no-run
programs=$(cargo test --release -p loom-tests --no-run --message-format=json -q |
  grep -o '"executable":"[^"]*"' | cut -d'"' -f4)
# The programs with the longest tests come first, so that no core is left with one of these at the end.
long=" snapshot whole_cycle prep_cycle termination_loop termination weak_cycle "
tests() {
  local program name
  while read -r program; do
    name=$(basename "$program" | sed 's/-[0-9a-f]*$//')
    case "$long" in *" $name "*) printf '0' ;; *) printf '1' ;; esac
    printf ' %s %s\n' "$program" "$("$program" --list --format terse | sed -n 's/: test$//p' | tr '\n' ' ')"
  done <<<"$programs" | sort -s -k 1,1 |
    while read -r _ program names; do for name in $names; do printf '%s %s\n' "$program" "$name"; done; done
}
run() { # program, test: prints what it says when it has ended
  local said status=0
  said=$(cd loom-tests && "$1" --exact --nocapture "$2" 2>&1) || status=$?
  if [ "$status" != 0 ]; then printf '%s\n' "$said"; fi
  printf '%s %s: %s\n' "$(basename "$1" | sed 's/-[0-9a-f]*$//')" "$2" "$(grep '^test result' <<<"$said" || echo "exit status $status")"
  return "$status"
}
export -f run
tests | xargs -P "$(nproc)" -L 1 bash -c 'run "$0" "$1"' | tee target/loom/all.out
printf 'loom: %s tests passed\n' "$(grep -c 'test result: ok. 1 passed' target/loom/all.out)"

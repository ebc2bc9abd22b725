#!/usr/bin/env bash
# The paths that are taken all the time, as the compiler made them (docs/FASTPATHS.md): counts the instructions from the
# entry of each function of examples/fastpaths.rs to its first return, and fails if there are more than there were; with
# another compiler than the one that made those, it only counts. With --print, shows them.
source "$(dirname "$0")/lib.sh"
step "instructions of the fast paths"
cargo build --release -p gc-core --example fastpaths
"${CARGO_TARGET_DIR:-target}"/release/examples/fastpaths
if ! command -v objdump >/dev/null || [ "$(uname -m)" != x86_64 ]; then
  skip "counting instructions (needs objdump and x86-64)"
  exit 0
fi
compiler=1.95
if ! rustc -V | grep -q "^rustc $compiler\."; then
  skip "comparing the counts (they are those of rustc $compiler)"
  compare=no
fi
count() { # function, most
  local body
  body=$(objdump -d --no-show-raw-insn -C "${CARGO_TARGET_DIR:-target}"/release/examples/fastpaths |
    awk -v name="<fastpaths::$1(::h[0-9a-f]*)?>:\$" '$0 ~ name { on = 1; next } on { print } /\tret/ { on = 0 }')
  [ "${print:-}" != yes ] || printf '%s\n' "$body"
  local n
  n=$(grep -c . <<<"$body")
  printf '%-12s %s instructions (at most %s)\n' "$1" "$n" "$2"
  [ "$n" -gt 0 ] && { [ "${compare:-}" = no ] || [ "$n" -le "$2" ]; }
}
[ "${1:-}" != --print ] || print=yes
count fast_alloc 24
count fast_store 4
count fast_mutate 37
count fast_poll 20

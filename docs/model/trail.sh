#!/usr/bin/env bash
# The shortest counterexample of a configuration that is violated, as the assignments that matter, one a line:
#
#   trail.sh "<-D switches of gc.pml>"
#
# P1 is the collector (P3 with MK2), the two after it are the mutators.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 1 ] || { sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2; }
out=$(KEEP=1 "$here/run.sh" -e fail -m bfs "$1") || { printf '%s\n' "$out"; exit 1; }
dir=$(tail -1 <<<"$out")
trap 'rm -rf "$dir"' EXIT
head -1 <<<"$out"
cd "$dir"
read -ra flags <<<"$1"
what='epoch =|pub\[|f\[|rs\[|mark\[|q\[|used\[|n = [^0]|gray =|hand\[|old = [^0]|d = [^0]|v = [^0]|e[bkv]\[|dead|none|lock =|'
what+='resolved|readers|parked|nact|nsw|open =|claim|swept\[x|rn\[|rdy|fr =|poisoned|l0\[[^]]*\] = '
spin -t -p "${flags[@]}" gc.pml 2>/dev/null | grep -E 'proc +[1-9] ' | grep -E "\[.*($what)" |
  sed -E 's/^ *[0-9]+:\s+proc +([0-9]+) \((\w+):[0-9]+\) ([a-z-]+)\.pml:([0-9]+) \(state [0-9]+\)\s*/P\1 \3:\4 /' | cut -c1-120

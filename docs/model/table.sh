#!/usr/bin/env bash
# The table of checks: one line for each check of checks.txt, with its result, seconds and states.
#
#   table.sh quick       the rows marked `quick`: minutes on one core
#   table.sh full        all rows
#   table.sh all WORD    the rows whose text contains WORD, whatever they are marked
#
# As many rows at once as there are cores (JOBS=N for another number); each takes up to 3.5 GB.
# The exit code is the number of rows that did not come as expected (at most 100).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case "${1:-}:$#" in
  quick:1 | full:1) tier=$1 word='' ;;
  all:2) tier=full word=$2 ;;
  *) sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
rows() { # what run.sh is called with, five words a row
  while IFS='|' read -r size expect mode flags _words; do
    read -r size <<<"$size" || true
    case $size in '' | '#'*) continue ;; esac
    [ "$tier" = full ] || [ "$size" = quick ] || continue
    case "$flags$_words" in *"$word"*) ;; *) continue ;; esac
    read -r expect <<<"$expect"
    read -r mode <<<"$mode"
    read -ra flags <<<"$flags"
    printf '%s\0' -e "$expect" -m "$mode" "${flags[*]}"
  done <"$here/checks.txt"
}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
mapfile -d '' -t words < <(rows)
run=$((${#words[@]} / 5))
[ "$run" -gt 0 ] || { printf 'no check has these words\n'; exit 2; }
printf '%s\0' "${words[@]}" | xargs -0 -n 5 -P "${JOBS:-$(nproc)}" "$here/run.sh" | tee "$results" || true
failed=$((run - $(grep -c '^ok ' "$results" || true)))
printf '%d checks, %d not as expected, %d s\n' "$run" "$failed" "$SECONDS"
exit $((failed > 100 ? 100 : failed))

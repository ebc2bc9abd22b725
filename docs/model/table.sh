#!/usr/bin/env bash
# The table of checks: one line for each check of checks.txt, with its result, seconds and states.
#
#   table.sh quick       the rows marked `quick`: minutes on one core
#   table.sh full        all rows
#   table.sh all WORD    the rows whose text contains WORD, whatever they are marked
#
# The exit code is the number of rows that did not come as expected (at most 100).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case "${1:-}:$#" in
  quick:1 | full:1) tier=$1 word='' ;;
  all:2) tier=full word=$2 ;;
  *) sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2 ;;
esac
failed=0 run=0
while IFS='|' read -r size expect mode flags _words; do
  read -r size <<<"$size" || true
  case $size in '' | '#'*) continue ;; esac
  [ "$tier" = full ] || [ "$size" = quick ] || continue
  case "$flags$_words" in *"$word"*) ;; *) continue ;; esac
  read -r expect <<<"$expect"
  read -r mode <<<"$mode"
  read -ra flags <<<"$flags"
  run=$((run + 1))
  "$here/run.sh" -e "$expect" -m "$mode" "${flags[*]}" </dev/null || failed=$((failed + 1))
done <"$here/checks.txt"
printf '%d checks, %d not as expected, %d s\n' "$run" "$failed" "$SECONDS"
[ "$run" -gt 0 ] || exit 2
exit $((failed > 100 ? 100 : failed))

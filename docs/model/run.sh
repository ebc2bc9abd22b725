#!/usr/bin/env bash
# One check of the model, in a directory of its own that is removed afterwards.
#
#   run.sh [-e hold|fail] [-m exact|bfs|hc4|live] "<-D switches of gc.pml>"
#
# -e  what is expected; the exit code is 0 only if it came so. Without it the result is only printed, and the
#     exit code tells whether the search was conclusive.
# -m  exact: depth-first, full states, compressed (default). bfs: breadth-first, the shortest counterexample.
#     hc4: hash compaction, for sizes that do not fit otherwise (a strong test, not a proof).
#     live: every cycle ends, under weak fairness, while mutators pin and unpin for ever.
# Environment: TMO seconds (900), MEM megabytes (3500), W log2 of hash slots (23), DEPTH (200000),
#     KEEP=1 keeps the directory and prints its name (for trail.sh).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { sed -n '2,/^set/p' "${BASH_SOURCE[0]}" | sed '$d; s/^# \{0,1\}//'; exit 2; }
expect='' mode=exact
while :; do
  case ${1:-} in
    -e) expect=${2:-} ;;
    -m) mode=${2:-} ;;
    -h) usage ;;
    *) break ;;
  esac
  shift 2 || usage
done
[ $# = 1 ] || usage
read -ra flags <<<"$1"
pan=(-m"${DEPTH:-200000}" -w"${W:-23}")
case $mode in
  exact) cc=(-DSAFETY -DNOFAIR -DCOLLAPSE) ;;
  bfs) cc=(-DSAFETY -DNOFAIR -DBFS) ;;
  hc4) cc=(-DSAFETY -DNOFAIR -DHC4) ;;
  live) cc=(-DNFAIR=3 -DCOLLAPSE) flags+=(-DLIVE) pan=(-a -f -m1000000 -w"${W:-23}") ;;
  *) usage ;;
esac
case $expect in '' | hold | fail) ;; *) usage ;; esac

dir=$(mktemp -d)
[ -n "${KEEP:-}" ] || trap 'rm -rf "$dir"' EXIT
cp "$here"/*.pml "$dir"
cd "$dir"
start=$SECONDS
spin -a "${flags[@]}" gc.pml >spin.out 2>&1 || { cat spin.out; exit 1; }
gcc -O2 -w "${cc[@]}" -DVECTORSZ=2048 -DMEMLIM="${MEM:-3500}" -o pan pan.c || exit 1
timeout -s INT "${TMO:-900}" ./pan "${pan[@]}" >out 2>&1 || true

states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p; s/^ *\([0-9.e+]*\) nominal states.*/\1/p' out | head -1)
depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' out | head -1)
if grep -qE '^pan:1: (assertion violated|acceptance cycle|invalid end state)' out; then
  result=violated
elif grep -q 'errors: 0' out && ! grep -qE 'Search not completed|max search depth too small|reached -DMEMLIM|out of memory' out; then
  result=holds
else
  result=inconclusive
fi
case "$expect:$result" in
  hold:holds | fail:violated | :holds | :violated) verdict=ok code=0 ;;
  *) verdict=FAIL code=1 ;;
esac
printf '%-4s %-12s %4d s %12s states  depth %-5s %-5s %s\n' \
  "$verdict" "$result" $((SECONDS - start)) "${states:-?}" "${depth:-?}" "$mode" "$1"
[ -z "${KEEP:-}" ] || printf '%s\n' "$dir"
exit $code

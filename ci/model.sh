#!/usr/bin/env bash
# The protocol's model (docs/model): that its table of steps still fits the code, then the checks.
#   ci/model.sh          the quick checks: below five minutes on one core, 4 GB
#   ci/model.sh full     every check, mutation by mutation
source "$(dirname "$0")/lib.sh"
case ${1:-quick} in quick | full) size=${1:-quick} ;; *) sed -n '2,4p' ci/model.sh; exit 2 ;; esac
model=docs/model

# Rows of STEPS.md are "| step | `model names` | file | `functions` |".
step "the model's steps and the code's functions"
rows=0 missing=0
complain() { echo "STEPS.md: $*"; missing=$((missing + 1)); }
while IFS='|' read -r _ _ labels file functions _; do
  file=${file// /}
  case $file in *.rs) ;; *) continue ;; esac
  rows=$((rows + 1))
  for name in $(grep -o '`[^`]*`' <<<"$labels" | tr -d '`'); do
    grep -qw -- "$name" "$model"/*.pml || complain "$name is in no .pml file"
  done
  [ -f "gc-core/src/$file" ] || { complain "there is no gc-core/src/$file"; continue; }
  for name in $(grep -o '`[^`]*`' <<<"$functions" | tr -d '`'); do
    grep -qE "fn ${name##*::}\b" "gc-core/src/$file" || complain "$name is not in $file"
    case $name in
      *::*) grep -qE "^impl.*\b${name%%::*}\b" "gc-core/src/$file" || complain "$file has no impl of ${name%%::*}" ;;
    esac
  done
done <"$model/STEPS.md"
[ "$rows" -gt 40 ] || complain "only $rows rows were read"
echo "$rows rows, $missing names that do not fit"
[ "$missing" = 0 ] || exit 1

for tool in spin gcc; do
  command -v "$tool" >/dev/null || { skip "the model's checks: $tool is not installed"; exit 0; }
done
step "the model's checks, $size"
bash "$model/table.sh" "$size"

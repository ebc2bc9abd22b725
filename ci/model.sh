#!/usr/bin/env bash
# The protocol's model (docs/model): its checks. That its table of steps fits the code is a test (tests/house.rs).
#   ci/model.sh          the quick checks: below five minutes of one core, 4 GB for each of as many as there are
#   ci/model.sh full     every check, mutation by mutation
source "$(dirname "$0")/lib.sh"
case ${1:-quick} in quick | full) size=${1:-quick} ;; *) sed -n '2,4p' ci/model.sh; exit 2 ;; esac
model=docs/model

for tool in spin gcc; do
  command -v "$tool" >/dev/null || { skip "the model's checks: $tool is not installed"; exit 0; }
done
step "the model's checks, $size"
bash "$model/table.sh" "$size"

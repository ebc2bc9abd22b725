#!/usr/bin/env bash
# Random types that derive Trace, with three seeds beside the one of the test suite. GENERATED=20000 for more of them.
source "$(dirname "$0")/lib.sh"
for seed in ${SEEDS:-11 12 13}; do
  step "generated types, seed $seed"
  GC_TYPES_SEED=$seed GC_TYPES=${GENERATED:-1200} cargo test -p gc-core --test generated
done

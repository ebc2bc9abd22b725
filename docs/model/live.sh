#!/usr/bin/env bash
# Liveness: every cycle ends, under weak fairness, while the mutators pin and unpin for ever.
#
#   live.sh [-e hold|fail] "<-D switches of gc.pml>"
#
# -DL_CTRL is the control: a handshake that waits for unpinned threads only starves, and must be found.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/run.sh" -m live "$@"

#!/usr/bin/env bash
# Fault seeding: applies each fault of ci/faults.txt (ci/faults/NAME.patch) to a copy of the sources,
# builds the copy and runs the check that must find the fault.
#   ci/faults.sh [NAME…]          all, or some; FAULT_CHECK=… replaces the check; FAULTS_OUT=FILE keeps the table
# It builds where the check's own script does, so that only the crates of this repository are built once more.
# FAULTS_TARGET=DIR builds everything there, beside other builds.
# A fault is caught if its check fails within a minute; a check that hangs or does not build catches nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0
target="${CARGO_TARGET_DIR:-$PWD/target}"
work="${FAULTS_TARGET:-$target/faults}"
LIMIT=60
out="${FAULTS_OUT:-}"
[ -z "$out" ] || : > "$out"
# One place for all faults, so that cargo builds only the crates that a fault changes.
copy="$work/copy"
mkdir -p "$copy"
# The copy usually lies inside of this repository. With this, git takes it for a folder of its own.
export GIT_CEILING_DIRECTORIES="$work"

# Makes the copy equal to the working tree, with what is not committed there. A file that is equal
# already keeps its time, so that cargo does not build it again; what a patch changed is written anew.
copy_sources() {
    local file listed="$work/copied"
    git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
        [ -f "$file" ] || continue
        echo "$file"
        cmp -s "$file" "$copy/$file" && continue
        mkdir -p "$copy/$(dirname "$file")"
        cp "$file" "$copy/$file"
    done | LC_ALL=C sort > "$listed"
    (cd "$copy" && find . -type f) | sed 's|^\./||' | LC_ALL=C sort | LC_ALL=C comm -13 "$listed" - |
        while IFS= read -r file; do rm "$copy/$file"; done
}

# Builds check $1 in the copy, and prints the command line that runs it.
build() {
    local kind="${1%%:*}" name="${1#*:}" flags="--cfg gc_verify" place=verify
    local what filter=""
    case "$kind" in
        schedules) flags="--cfg shuttle --cfg gc_verify" place=shuttle; what=(test --release -p gc-core --test schedules) ;;
        stress) what=(build --release -p gc-core --example stress) ;;
        loom) flags="--cfg loom" place=loom; export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true; what=(test --release -p loom-tests --test "${name%% *}") ;;
        lib) flags="" place=; what=(test -p gc-core --lib) ;;
        test) flags="" place=; what=(test -p gc-core --test "${name%% *}"); [ "$name" = "${name#* }" ] || filter="${name#* }" ;;
        *) echo "no such check: $1" >&2; return 1 ;;
    esac
    local no_run=(--no-run)
    [ "$kind" != stress ] || no_run=()
    export CARGO_TARGET_DIR="${FAULTS_TARGET:-$target/$place}"
    local json
    json=$(cd "$copy" && RUSTFLAGS="$flags" cargo "${what[@]}" ${no_run[@]+"${no_run[@]}"} --message-format=json-render-diagnostics -q 2>"$work/build.err") || {
        cat "$work/build.err" >&2
        return 1
    }
    local exe
    exe=$(printf '%s\n' "$json" | grep -o '"executable":"[^"]*"' | tail -1 | cut -d'"' -f4)
    case "$kind" in
        schedules) echo "env GC_SCHEDULES=${FAULT_SCHEDULES:-20000} $exe" ;;
        stress) echo "env GC_YIELD_MEAN=512 $exe --seconds 50 --threads 4 --markers 2" ;;
        lib) echo "$exe" ;;
        *) echo "$exe $filter" ;;
    esac
}

missed=0
count=0
while IFS='|' read -r name check; do
    name=$(echo $name) check=$(echo $check)
    case "$name" in ''|'#'*) continue ;; esac
    if [ $# -gt 0 ] && ! printf '%s\n' "$@" | grep -qx "$name"; then continue; fi
    check="${FAULT_CHECK:-$check}"
    count=$((count + 1))
    patch="$PWD/ci/faults/$name.patch"
    copy_sources
    if ! (cd "$copy" && git apply "$patch"); then
        echo "MISSED  $name: the patch does not fit the sources"
        missed=$((missed + 1))
        continue
    fi
    if ! command=$(build "$check"); then
        echo "MISSED  $name: $check was not built"
        missed=$((missed + 1))
        continue
    fi
    log="$work/$name.log"
    from=$(date +%s.%N)
    status=0
    (cd "$copy/gc-core" && timeout -k 5 "$LIMIT" $command) > "$log" 2>&1 || status=$?
    seconds=$(awk -v a="$from" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
    # 124 and 137: the time limit.
    if [ "$status" -eq 0 ] || [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        echo "MISSED  $name: $check, status $status after $seconds s"
        missed=$((missed + 1))
        continue
    fi
    # The first words that say what was found, without addresses, paths and thread numbers; else how it ended.
    said=$(grep -a -v '^test ' "$log" | grep -m1 -E 'fatal:|lost|freed under|always somewhere|another object|outlived|new weak pointer|deadlock!' ||
        grep -a -m1 -E "^thread '.*panicked" "$log" || true)
    said=$(printf '%s' "$said" | tr '|`' '  ' | sed -E "s/0x7[0-9a-f]+/an object/; s/, in SpanClass.*//; s/gc-core: fatal: //
        s/assertion .*failed: //; s/^thread '([^']*)'.*/\`\1\` fails/; s/^thread .*//" | cut -c1-100)
    [ -n "$said" ] || said="ends with status $status"
    printf 'caught  %-24s %-22s %6s s  %s\n' "$name" "$check" "$seconds" "$said"
    [ -z "$out" ] || printf '| `%s` | %s | `%s` | %s | %s |\n' "$name" "$(head -1 "$patch")" "$check" "$seconds" "$said" >> "$out"
done < ci/faults.txt
echo "faults: $((count - missed)) of $count caught"
[ "$missed" -eq 0 ]

#!/usr/bin/env bash
# What a release contains: packages both crates, builds them as cargo verifies them, and runs the packaged tests outside
# of the repository. Then both get another name there, as CONTRIBUTING.md says, and the derive must still work.
# All targets are checked, so a file that is missing in a package is found. Some tests run; with PACKAGE_TESTS=all all of
# them do.
source "$(dirname "$0")/lib.sh"
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
step "licences of the crates"
for crate in gc-core gc-derive; do
  cmp LICENSE-MIT "$crate/LICENSE-MIT"
  cmp LICENSE-APACHE "$crate/LICENSE-APACHE"
done
step "cargo package"
cargo package -p gc-derive -p gc-core --allow-dirty --locked
version=$(cargo pkgid -p gc-core | sed 's/.*[#@]//')
outside=$(mktemp -d)
trap 'rm -rf "$outside"' EXIT
for crate in gc-core gc-derive; do
  # Not the time of the archive (m): what an earlier run built from another folder must be built anew.
  tar -xmzf "$target/package/$crate-$version.crate" -C "$outside"
  mv "$outside/$crate-$version" "$outside/$crate"
  for file in README.md LICENSE-MIT LICENSE-APACHE Cargo.toml src/lib.rs; do
    test -s "$outside/$crate/$file" || { printf '%s has no %s\n' "$crate" "$file"; exit 1; }
  done
  if grep -E '^(repository|homepage|documentation) ' "$outside/$crate/Cargo.toml"; then
    printf '%s names an address, and there is none\n' "$crate"
    exit 1
  fi
done
# The registry's crate of the name is another one, so the packaged one takes its place.
workspace() { # members' folders: the core, the derive; the derive's name
  printf '[workspace]\nresolver = "3"\nmembers = ["%s", "%s"]\n[patch.crates-io]\n%s = { path = "%s" }\n' "$1" "$2" "$3" "$2"
}
cd "$outside"
workspace gc-core gc-derive gc-derive >Cargo.toml
cp "$root/Cargo.lock" .
# What comes from the registry has been built there already, with the tests of the workspace.
export CARGO_TARGET_DIR=$target
step "packaged tests, outside of the repository"
cargo check -p gc-core -p gc-derive --all-targets
# Those that read files of the package, and one of each kind. The others do not depend on where they are.
quick=" api compile_fail derive examples smoke traits "
# They need features of exporters; ci/metrics.sh, ci/perfetto.sh, ci/profile.sh and ci/test.sh run them.
featured=" attribution debug_server export flight heapsnapshot pause_log profile tracing usdt "
tests=(--lib --examples)
for test in gc-core/tests/*.rs gc-core/tests/*/main.rs; do
  name=${test#gc-core/tests/}
  name=${name%/main.rs}
  name=${name%.rs}
  case "$featured" in *" $name "*) continue ;; esac
  case "$quick" in *" $name "*) ;; *) [ "${PACKAGE_TESTS:-}" = all ] || continue ;; esac
  tests+=(--test "$name")
done
cargo test -p gc-core "${tests[@]}"
cargo test -p gc-core --doc
step "the packages under other names"
sed -i 's/^name = "gc-core"$/name = "another-heap"/; s/^\[dependencies\.gc-derive\]$/[dependencies.another-heap-derive]/
        s/"dep:gc-derive"/"dep:another-heap-derive"/' gc-core/Cargo.toml
sed -i 's/^name = "gc-derive"$/name = "another-heap-derive"/' gc-derive/Cargo.toml
workspace gc-core gc-derive another-heap-derive >Cargo.toml
cargo test -p another-heap --test derive

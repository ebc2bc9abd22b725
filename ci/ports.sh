#!/usr/bin/env bash
# Other platforms (docs/PLATFORMS.md): what this machine can check and run of them, and a line for each thing skipped.
# Not a part of ci/all.sh.
#
#   ci/ports.sh --setup   std of other targets from rustup, cross compilers and emulators from Debian (root, the network)
#   ci/ports.sh --chroot  instead of these, where rustup has nothing: a chroot of Debian sid, whose rustc has std for
#                         other architectures, in GC_PORTS_DIR (default /var/tmp/gc-ports; some 4 GB, 5 to 10 minutes)
#   ci/ports.sh [TARGET…] checks and runs what there is, for all targets or some
#
# GC_PORTS_RUN: the tests to run ("--lib --test api" by default), GC_PORTS_SECONDS: the most for each target.
source "$(dirname "$0")/lib.sh"
dir=${GC_PORTS_DIR:-/var/tmp/gc-ports}
sid=$dir/sid
mirror=${GC_PORTS_MIRROR:-http://deb.debian.org/debian}
run_tests=${GC_PORTS_RUN:---lib --test api}
seconds=${GC_PORTS_SECONDS:-600}
# Rust's name, Debian's name, the cross compiler's prefix, qemu's name.
targets="aarch64-unknown-linux-gnu    arm64   aarch64-linux-gnu      aarch64
riscv64gc-unknown-linux-gnu  riscv64 riscv64-linux-gnu      riscv64
s390x-unknown-linux-gnu      s390x   s390x-linux-gnu        s390x
powerpc64le-unknown-linux-gnu ppc64el powerpc64le-linux-gnu ppc64le"

# The targets whose std the host's own compiler has or can get; those without a way to run them are only checked.
rustup_targets="x86_64-unknown-linux-musl x86_64-pc-windows-gnu x86_64-apple-darwin aarch64-apple-darwin
x86_64-unknown-freebsd x86_64-unknown-netbsd $(awk '{ print $1 }' <<<"$targets")"

setup() {
  # shellcheck disable=SC2086 # a list
  for target in $rustup_targets; do rustup target add "$target" || skip "$target: not from rustup"; done
  apt-get install -y -q --no-install-recommends qemu-user gcc-mingw-w64-x86-64 wine64 libc6-dev-arm64-cross \
    gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu gcc-s390x-linux-gnu gcc-powerpc64le-linux-gnu \
    libc6-dev-riscv64-cross libc6-dev-s390x-cross libc6-dev-ppc64el-cross
}

# Prints the linker of a target and what runs its programs, on two lines.
tools() { # target
  local prefix runner
  case $1 in
    x86_64-unknown-linux-musl) printf '\n\n' ;;
    x86_64-pc-windows-gnu)
      command -v x86_64-w64-mingw32-gcc || return 1
      runner=$(command -v wine64 || command -v wine || ls /usr/lib/wine/wine64 2>/dev/null) || return 1
      # Earlier ones have no DiscardVirtualMemory, and no bcryptprimitives.dll for std.
      [ "$("$runner" --version 2>/dev/null | sed 's/^wine-\([0-9]*\).*/\1/')" -ge 10 ] || return 1
      printf '%s\n' "$runner"
      ;;
    *)
      read -r prefix runner < <(awk -v target="$1" '$1 == target { print $3, $4 }' <<<"$targets") || return 1
      command -v "$prefix-gcc" || return 1
      runner=$(command -v "qemu-$runner" || command -v "qemu-$runner-static") || return 1
      printf '%s -L /usr/%s\n' "$runner" "$prefix"
      ;;
  esac
}

on_host() { # target
  step "$1: check with the host's compiler, every feature"
  cargo check -q -p gc-core --lib --all-features --target "$1"
  local found name
  found=$(tools "$1") || { skip "$1: running, no linker, or nothing here that runs it (wine from 10 on)"; return; }
  name=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$1")
  step "$1: tests ($run_tests)"
  (
    linker=$(sed -n 1p <<<"$found") runner=$(sed -n 2p <<<"$found")
    [ -z "$linker" ] || export "${name}_LINKER=$linker"
    # The second is for tests that run themselves again.
    [ -z "$runner" ] || export "${name}_RUNNER=$runner" GC_TEST_RUNNER="$runner" WINEDEBUG=-all
    # shellcheck disable=SC2086 # a list
    timeout "$seconds" cargo test -q -p gc-core --target "$1" $run_tests
  ) || { echo "$1: the tests failed"; exit 1; }
}

chroot_setup() {
  [ "$(id -u)" = 0 ] || { skip "the chroot: needs root"; exit 1; }
  command -v debootstrap >/dev/null || { skip "the chroot: needs debootstrap"; exit 1; }
  mkdir -p "$dir"
  [ -d "$sid/usr" ] || debootstrap --variant=minbase --include=ca-certificates sid "$sid" "$mirror"
  cat >"$sid/etc/apt/apt.conf.d/99ports" <<'APT'
APT::Install-Recommends "false";
Acquire::Check-Valid-Until "false";
APT
  for arch in arm64 riscv64 s390x ppc64el i386; do chroot "$sid" dpkg --add-architecture $arch; done
  chroot "$sid" apt-get update -q
  chroot "$sid" apt-get install -y -q rustc cargo rust-src gcc libc6-dev qemu-user gcc-mingw-w64-x86-64 \
    libstd-rust-dev-wasm32 gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu gcc-s390x-linux-gnu gcc-powerpc64le-linux-gnu \
    libc6-dev-arm64-cross libc6-dev-riscv64-cross libc6-dev-s390x-cross libc6-dev-ppc64el-cross
  chroot "$sid" apt-get install -y -q wine64 || skip "wine64: not in sid today"
  # Only std's files: the packages ask for a whole compiler of the other architecture.
  for arch in arm64 riscv64 s390x ppc64el i386; do
    chroot "$sid" sh -ec "cd /tmp; apt-get download -q libstd-rust-dev:$arch
      dpkg-deb -x libstd-rust-dev_*_$arch.deb /; rm libstd-rust-dev_*_$arch.deb"
  done
}

# The source and the crates that it needs, inside of the chroot, so that it needs no network from here on.
prepare() {
  rm -rf "$sid/gc-src" && mkdir -p "$sid/gc-src" "$sid/target" "$sid/root/.cargo"
  git ls-files -co --exclude-standard | tar c -T - | tar x -C "$sid/gc-src"
  [ ! -f Cargo.lock ] || cp Cargo.lock "$sid/gc-src/"
  cargo vendor -q "$sid/vendor" >/dev/null
  # What std itself is made of, for the targets for which Debian has no std.
  cp -rn "$sid"/usr/lib/rustlib/src/rust/library/vendor/* "$sid/vendor/" 2>/dev/null ||
    cp -rn "$sid"/usr/src/rustc-*/library/vendor/* "$sid/vendor/"
  printf '%s\n' '[source.crates-io]' 'replace-with = "vendored"' '[source.vendored]' 'directory = "/vendor"' \
    >"$sid/root/.cargo/config.toml"
}

inside() { # command: in the chroot, in the source
  chroot "$sid" env HOME=/root CARGO_TARGET_DIR=/target CARGO_TERM_COLOR=never PATH=/usr/bin:/bin:/usr/lib/wine \
    bash -ec "cd /gc-src; $1"
}

# One error and nothing else where the crate cannot work.
refused() { # target
  local out
  out=$(inside "cargo check --offline -q -p gc-core --lib --target $1" 2>&1) && { echo "$1 was accepted"; return 1; }
  grep -q 'gc-core needs a 64-bit target' <<<"$out"
  [ "$(grep -c '^error' <<<"$out")" = 2 ] || { printf '%s\n' "$out"; return 1; } # ours, and "could not compile"
}

has_std() { inside "ls /usr/lib/rustlib/$1/lib/libstd-*.rlib" >/dev/null 2>&1; }

windows() {
  local target=x86_64-pc-windows-gnu std=""
  # Nothing but the library of Debian's own rust-src, compiled by its own rustc.
  has_std $target || std="-Zbuild-std=std,panic_abort,panic_unwind,test"
  step "$target: build${std:+ with std from its source}"
  inside "RUSTC_BOOTSTRAP=1 cargo build --offline -q --release $std -p gc-core --example footprint --target $target"
  if inside "command -v wine || command -v wine64" >/dev/null 2>&1; then
    step "$target: run under wine"
    inside "WINEDEBUG=-all timeout $seconds \$(command -v wine || command -v wine64) \
      /target/$target/release/examples/footprint.exe --quick"
  else
    skip "$target: running, no wine in the chroot"
  fi
}

ports() {
  prepare
  for target in i686-unknown-linux-gnu wasm32-unknown-unknown; do
    if has_std $target; then step "$target: refused with one error"; refused $target; else skip "$target: no std"; fi
  done
  while read -r target _ prefix qemu; do
    if ! has_std "$target"; then skip "$target: no std"; continue; fi
    step "$target: check"
    inside "cargo check --offline -q -p gc-core --lib --target $target"
    local upper=${target//-/_}
    step "$target: tests under qemu-user ($run_tests)"
    inside "export CARGO_TARGET_${upper^^}_LINKER=$prefix-gcc
      export CARGO_TARGET_${upper^^}_RUNNER='qemu-$qemu -L /usr/$prefix'
      export GC_TEST_RUNNER=\$CARGO_TARGET_${upper^^}_RUNNER # for tests that run themselves again
      timeout $seconds cargo test --offline -q -p gc-core --target $target $run_tests" ||
      { echo "$target: the tests failed"; exit 1; }
  done <<<"$targets"
  windows
}

case ${1:-} in
  --setup) step "targets, compilers and emulators"; setup; exit 0 ;;
  --chroot) step "the chroot in $dir"; chroot_setup; exit 0 ;;
esac
installed=" $(rustup target list --installed 2>/dev/null | tr '\n' ' ')"
host=$(rustc -vV | sed -n 's/^host: //p')
# shellcheck disable=SC2086 # a list
for target in ${*:-$rustup_targets}; do
  [ "$target" != "$host" ] || continue
  case $installed in
    *" $target "*) on_host "$target" ;;
    *) skip "$target: no std (ci/ports.sh --setup)" ;;
  esac
done
[ $# = 0 ] || exit 0
if [ -d "$sid/usr/lib/rustlib" ] && [ "$(id -u)" = 0 ]; then
  ports
else
  skip "the chroot: there is none in $dir (ci/ports.sh --chroot, as root)"
fi

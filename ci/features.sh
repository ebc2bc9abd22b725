#!/usr/bin/env bash
# The features: none, each by itself, and all sets of the core ones; ci/lint.sh has all together. Tests and examples are
# checked with none and with all; between these only the library depends on the features. The names are cargo's own, so a
# new feature is checked without a change here.
source "$(dirname "$0")/lib.sh"
# Features that change gc-core itself, and not only what it implements for a dependency: all of their sets are checked.
core="derive"
# The metadata is one line of JSON, and only a package's own features are an object there.
all=$(cargo metadata --no-deps --format-version 1 --locked | grep -o '"name":"gc-core","version".*' |
  grep -o '"features":{[^}]*}' | head -n 1 | grep -o '"[^"]*":\[' | tr -d '":[' | grep -vx default | sort | tr '\n' ' ')
all=${all% }
sets=("")
for feature in $core; do
  case " $all " in *" $feature "*) ;; *) printf 'there is no feature %s\n' "$feature"; exit 1 ;; esac
  for set in "${sets[@]}"; do sets+=("$set $feature"); done
done
for feature in $all; do
  case " $core " in *" $feature "*) ;; *) sets+=(" $feature") ;; esac
done
while read -r set; do
  step "features: ${set:-none}"
  case "$set" in "") targets=--all-targets ;; *) targets=--lib ;; esac
  # Clippy, so that warnings are errors without flags of our own: with these, every dependency would be built anew.
  cargo clippy -p gc-core --no-default-features --features "$set" "$targets" --locked -- -D warnings
done < <(printf '%s\n' "${sets[@]}" | sed 's/^ //' | sort -u)

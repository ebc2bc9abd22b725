//! The derive against random types. A well-formed type compiles and keeps everything that it holds;
//! an ill-formed one is refused.
//!
//! 1. `types` writes modules, each with a type in any form that users give to one. A batch of them
//!    becomes a program that fills each type with canaries, collects, and counts the dead.
//! 2. `refused` writes types that hide a `Gc` from the collector, or look through one in a `Drop`,
//!    by every route that we know. A batch is compiled twice. With a derive that writes nothing it
//!    compiles, which shows that it has no other error. The real derive has to name a line of each
//!    module.
//! 3. If a user's macro hides the error of a refused type, the process ends before anything is
//!    freed.
//!
//! `GC_TYPES_SEED` and `GC_TYPES` (how many) choose another batch; `ci/generated.sh` runs three
//! seeds.

#![cfg(not(any(loom, shuttle, miri)))]

mod refused;
mod rng;
mod rustc;
mod types;

use rng::Rng;
use rustc::Rustc;
use std::process::Command;

/// Types in a batch: the compiler's time grows faster than this, but each batch pays for its start.
const BATCH: usize = 150;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn well_formed_types_keep_what_they_hold() {
    let (seed, n) = (number("GC_TYPES_SEED", 1), number("GC_TYPES", 600));
    let rustc = Rustc::get();
    let mut rng = Rng::new(seed as u64);
    for batch in 0..n.div_ceil(BATCH) {
        let (mut source, mut calls) = (include_str!("prelude.rs").to_owned(), String::new());
        let mut others = Vec::new();
        let size = BATCH.min(n - batch * BATCH);
        for i in 0..size {
            let module = types::module(&mut rng, i, &others);
            source.push_str(&module.text);
            calls.push_str(&format!("m{i}::make(mc, keep); "));
            others.extend(module.exported);
        }
        source.push_str(&format!("fn main() {{ run(|mc, keep| {{ {calls} }}); }}\n"));
        let (program, errors) = rustc.compile(&format!("well_{seed}_{batch}"), &source, false);
        let errors: Vec<_> = errors.iter().take(5).map(|error| &*error.text).collect();
        assert!(errors.is_empty(), "seed {seed}, batch {batch}:\n{}", errors.join("\n"));
        let output = Command::new(&program).output().expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "seed {seed}, batch {batch}: {text}{stderr}");
        let lost = text.lines().find_map(|line| line.strip_prefix("lost "));
        assert_eq!(lost, Some("[]"), "seed {seed}, batch {batch}: modules that lost canaries");
        let words: Vec<&str> = text.split_whitespace().collect();
        let after = |name| words.iter().position(|word| *word == name).map(|i| words[i + 1]);
        assert_eq!(after("canaries"), after("died"), "seed {seed}, batch {batch}: {text}");
        let canaries: usize = after("canaries").and_then(|n| n.parse().ok()).expect("a count");
        assert!(canaries >= size, "seed {seed}, batch {batch}: {text}");
    }
}

#[test]
fn ill_formed_types_are_refused() {
    let (seed, n) = (number("GC_TYPES_SEED", 1), number("GC_TYPES", 600));
    let rustc = Rustc::get();
    let mut rng = Rng::new(!(seed as u64));
    for stage in refused::STAGES {
        let mut source = include_str!("prelude.rs").to_owned();
        // The lines and the kind of each module.
        let mut modules = Vec::new();
        for i in 0..n / refused::STAGES.len() {
            let (text, kind) = refused::module(&mut rng, i, stage);
            let from = source.lines().count() + 1;
            source.push_str(&text);
            modules.push((from..source.lines().count() + 1, kind));
        }
        source.push_str("fn main() {}\n");
        let name = format!("ill_{seed}_{stage:?}");
        let check = |what: &str, derive: &str| {
            rustc.compile(&format!("{name}_{what}"), &source.replace("DERIVE", derive), true).1
        };
        let errors: Vec<_> = check("control", "hostile").into_iter().map(|e| e.text).collect();
        assert!(errors.is_empty(), "{name}: without the derive: {}", errors.join("\n"));
        let errors = check("derived", "gc_core");
        let named = |lines: &std::ops::Range<usize>| {
            errors.iter().any(|error| error.lines.iter().any(|line| lines.contains(line)))
        };
        let missed: Vec<_> =
            modules.iter().enumerate().filter(|(_, (lines, _))| !named(lines)).collect();
        assert!(missed.is_empty(), "{name}: not refused: {missed:?}");
    }
}

/// The error of a refused type is `compile_error!`, a macro, and `::core` is a name like any other.
const HIDDEN_ERROR: &str = "
#![forbid(unsafe_code)]
extern crate self as core;
#[macro_export]
macro_rules! compile_error { ($($t:tt)*) => {} }
use gc_core::{Gc, Heap, Trace};
#[derive(Trace)]
#[trace(nonsense)]
struct Node<'gc>(Gc<'gc, u64>);
fn main() {
    let heap = Heap::new();
    let root = heap.mutate(|mc| Gc::root(Gc::new(mc, Node(Gc::new(mc, 1))), mc));
    let _ = heap.collect();
    println!(\"survived {}\", heap.mutate(|mc| *root.get(mc).0));
}";

#[test]
fn a_hidden_error_ends_the_process() {
    let (program, errors) = Rustc::get().compile("hidden_error", HIDDEN_ERROR, false);
    assert!(errors.is_empty(), "{errors:?}");
    let output = Command::new(&program).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(stderr.contains("its error was hidden"), "{stderr}");
}

/// Leaf data shares its spans, so its type cannot be found again.
const ERASED: &str = "
use gc_core::{Gc, Heap};
fn main() {
    Heap::new().mutate(|mc| _ = Gc::erase(Gc::new(mc, VALUE)));
}";

/// The error comes after all checks, with the code; `compile_fail` only checks.
#[test]
fn leaf_data_is_not_erased_and_the_remedy_is_named() {
    let errors = |value: &str, name: &str| {
        Rustc::get().compile(name, &ERASED.replace("VALUE", value), false).1
    };
    assert!(errors("String::new()", "erased").is_empty());
    let errors = errors("1u64", "erased_leaf");
    let remedy = "make the object with `GcAny::new(mc, value)`";
    assert!(errors.iter().any(|error| error.text.contains(remedy)), "{errors:?}");
}

//! The commonest mistakes. Each is refused, and `docs/ERRORS.md` lists each with the compiler's
//! message and the fix. `compile_pass::fixes` has the fixes.
//!
//! A case is `tests/ui/mistakes/NN_name.rs`: a title, what to write instead, and the wrong program.
//! `TRYBUILD=overwrite cargo test --test mistakes` writes outputs and document anew.

#![cfg(not(any(loom, miri, shuttle)))]

#[path = "common/repository.rs"]
mod repository;

use std::fmt::Write;
use std::fs;
use std::path::Path;

const HEAD: &str = "\
# Errors, and what to write instead

What the compiler says of the commonest mistakes, its first line as it is, and how to mend each.

Where a trait can carry words, the message names the remedy. Where a lifetime is too short, the
compiler says only that: *lifetime may not live long enough*, *borrowed data escapes outside of
closure*. There are two reasons:

- A pointer would leave its `mutate`. Take a `Root` along: `Gc::root(gc, mc)` inside,
  `root.get(mc)` in the next `mutate`.
- A field must be `'static` and holds a pointer. Use the heap's own cells: `GcCell`, `GcRefCell`,
  `GcMutex`, `GcRwLock`.

`TRYBUILD=overwrite cargo test --test mistakes` writes this file from `gc-core/tests/ui/mistakes`.
";

struct Case {
    title: String,
    fix: String,
    program: String,
    /// The first line of the compiler's answer.
    message: String,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/mistakes");
    let entries = fs::read_dir(&folder).expect("the folder of the cases can be read");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("and its entries").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.sort();
    let read = |path: &Path| {
        let text = fs::read_to_string(path).expect("a case is text");
        let (comment, code): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with("//!"));
        let comment: Vec<&str> =
            comment.iter().map(|line| line.trim_start_matches("//!").trim()).collect();
        let [title, "", fix @ ..] = &comment[..] else {
            panic!("{}: a title, an empty line, the fix", path.display())
        };
        let fix = fix.join(" ");
        let fix = fix.strip_prefix("Fix: ").expect("the fix begins so");
        let stderr = path.with_extension("stderr");
        let stderr = fs::read_to_string(stderr).expect("the case has an expected output");
        let message = stderr.lines().next().expect("the output is not empty");
        Case {
            title: title.trim_end_matches('.').to_owned(),
            fix: fix.to_owned(),
            program: code.join("\n").trim_end_matches("\n\nfn main() {}").to_owned(),
            message: message.to_owned(),
        }
    };
    paths.iter().map(|path| read(path)).collect()
}

fn document(cases: &[Case]) -> String {
    let mut out = HEAD.to_owned() + "\n";
    for (number, case) in (1..).zip(cases) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{number}. {}", case.title);
    }
    for (number, Case { title, fix, program, message }) in (1..).zip(cases) {
        let _ = write!(
            out,
            "\n## {number}. {title}\n\n```rust\n{program}\n```\n\n```text\n{message}\n```\n\n{fix}\n"
        );
    }
    out
}

#[test]
fn the_commonest_mistakes_are_refused_and_explained() {
    {
        let cases = trybuild::TestCases::new();
        cases.compile_fail("tests/ui/mistakes/*.rs");
        // Dropped here, which is when the cases are compiled.
    }
    let cases = cases();
    assert!(cases.len() >= 30, "{} cases", cases.len());
    let Some(repository) = repository::root("docs/ERRORS.md") else { return };
    let path = repository.join("docs/ERRORS.md");
    let document = document(&cases);
    if std::env::var_os("TRYBUILD").is_some_and(|value| value == "overwrite") {
        fs::write(&path, &document).expect("the document can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = document.lines().zip(found.lines()).find(|(ours, theirs)| ours != theirs);
    assert_eq!(differs, None, "docs/ERRORS.md is not what the cases say (left), see above");
    assert_eq!(document, found, "docs/ERRORS.md is not what the cases say");
}

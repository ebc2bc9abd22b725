//! The seeded faults: the list, the patches and the table of `docs/FAULTS.md` agree, and each patch
//! fits the source. `ci/faults.sh` builds them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::{doc, repository};

/// The rows of the list: names and checks.
fn listed() -> Vec<(String, String)> {
    let list = fs::read_to_string(repository().join("ci/faults.txt")).expect("the list is there");
    let rows = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let row = |line: &str| {
        let (name, check) = line.split_once('|').expect("a row is a name and a check");
        (name.trim().to_owned(), check.trim().to_owned())
    };
    rows.map(row).collect()
}

/// The text of a fault's patch.
fn patch(name: &str) -> String {
    let path = repository().join(format!("ci/faults/{name}.patch"));
    fs::read_to_string(path).unwrap_or_else(|error| panic!("ci/faults/{name}.patch: {error}"))
}

/// The hunks of a patch: the file, and the lines that the hunk looks for in it.
fn hunks(patch: &str) -> Vec<(String, Vec<String>)> {
    let (mut file, mut all) = (String::new(), Vec::new());
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("--- a/") {
            name.clone_into(&mut file);
        } else if line.starts_with("@@ ") {
            all.push((file.clone(), Vec::new()));
        } else if let (Some(old), Some((_, lines))) =
            (line.strip_prefix([' ', '-']), all.last_mut())
        {
            lines.push(old.to_owned());
        }
    }
    all
}

#[test]
fn every_fault_has_its_patch_its_check_and_its_row() {
    let listed = listed();
    let names: BTreeSet<String> = listed.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names.len(), listed.len(), "a name is in the list once");
    assert!(names.len() >= 20);
    let patches: BTreeSet<String> = fs::read_dir(repository().join("ci/faults"))
        .expect("the folder of patches is there")
        .map(|entry| entry.expect("its entries can be read").file_name())
        .map(|name| name.to_string_lossy().trim_end_matches(".patch").to_owned())
        .collect();
    assert_eq!(names, patches, "ci/faults.txt and the patches in ci/faults/");
    let table = doc("FAULTS.md");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    for (name, check) in &listed {
        let text = patch(name);
        let words = text.lines().next().unwrap_or_default();
        assert!(words.contains(' '), "{name}: the first line of the patch says what is wrong");
        let start = format!("| `{name}` | {words} | `{check}` |");
        let is_there = rows.iter().any(|row| row.starts_with(&start));
        assert!(is_there, "docs/FAULTS.md has no row that starts with: {start}");
    }
    let known = rows.iter().filter(|row| row.split('|').count() == 7).count();
    assert_eq!(known, listed.len(), "rows of docs/FAULTS.md and of ci/faults.txt");
}

/// git would take the nearest place if there were two.
#[test]
fn every_patch_has_one_place() {
    for (name, _) in listed() {
        let hunks = hunks(&patch(&name));
        assert!(!hunks.is_empty(), "{name}: the patch changes something");
        for (file, old) in hunks {
            let source = fs::read_to_string(repository().join(&file))
                .unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
            let lines: Vec<&str> = source.lines().collect();
            let places =
                lines.windows(old.len()).filter(|window| *window == old.as_slice()).count();
            assert_eq!(places, 1, "{name}: places in {file} with the lines\n{}", old.join("\n"));
        }
    }
}

#[test]
fn git_applies_every_patch() {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(repository()).args(arguments).output()
    };
    if !git(&["rev-parse"]).is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: `git apply --check` of the faults, because git or a repository is missing"
        );
        return;
    }
    for (name, _) in listed() {
        let path = format!("ci/faults/{name}.patch");
        let output = git(&["apply", "--check", &path]).expect("git has run before");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

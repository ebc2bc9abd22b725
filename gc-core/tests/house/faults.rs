//! The seeded faults: the list, the patches and the table of `docs/FAULTS.md` agree, and each patch
//! fits the source. `ci/faults.sh` builds them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::inventories::renew;
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
fn every_fault_has_its_patch_and_its_check() {
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
}

/// The marks around the table.
const MARKS: [&str; 2] = ["<!-- faults -->\n", "<!-- end -->\n"];

/// What was measured of each fault, the seconds and what the check said, from rows of a table.
fn measured(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [name, _, _, seconds, said] = cells[..] else { panic!("five columns: {row}") };
        (name.trim_end_matches('`').to_owned(), format!("{seconds} | {said}"))
    };
    rows.map(row).collect()
}

/// The document with its table made anew: of each fault the name, what is wrong and the check as
/// the list and the patch say, and what was measured as the document has it.
fn filled(document: &str, faults: &[[String; 3]]) -> Result<String, String> {
    let (before, rest) = document.split_once(MARKS[0]).ok_or("no mark before the table")?;
    let (old, after) = rest.split_once(MARKS[1]).ok_or("no mark behind the table")?;
    let measured = measured(old);
    let mut table = String::from(
        "| fault | what is wrong | check | seconds | what it says |\n|---|---|---|---|---|\n",
    );
    for [name, words, check] in faults {
        let measured = measured.get(name).ok_or(format!(
            "{name} is not measured: FAULTS_OUT=FILE ci/faults.sh {name} writes its row"
        ))?;
        let _ = writeln!(table, "| `{name}` | {words} | `{check}` | {measured} |");
    }
    Ok([before, MARKS[0], &table, MARKS[1], after].concat())
}

#[test]
fn the_table_of_faults_is_what_the_patches_say() {
    let row = |(name, check): (String, String)| {
        let words = patch(&name).lines().next().unwrap_or_default().to_owned();
        assert!(words.contains(' '), "{name}: the first line of the patch says what is wrong");
        [name, words, check]
    };
    let faults: Vec<_> = listed().into_iter().map(row).collect();
    let found = doc("FAULTS.md");
    let wanted = filled(&found, &faults).unwrap_or_else(|error| panic!("docs/FAULTS.md: {error}"));
    renew("FAULTS.md", &wanted);
}

#[test]
fn a_table_that_differs_from_the_patches_is_found() {
    let fault = |name: &str, words: &str| [name.into(), words.into(), String::from("lib")];
    let old = "Words.\n<!-- faults -->\n| `a` | old words | `x` | 0.1 | it fails |\n<!-- end -->\n";
    let new = filled(old, &[fault("a", "new words")]).unwrap();
    assert!(
        new.contains("\n| `a` | new words | `lib` | 0.1 | it fails |\n<!-- end -->\n"),
        "{new}"
    );
    assert_eq!(filled(&new, &[fault("a", "new words")]).unwrap(), new, "nothing changes twice");
    assert!(!filled(&new, &[]).unwrap().contains("`a`"), "what is gone goes");
    let error = filled(&new, &[fault("b", "more words")]).unwrap_err();
    assert!(error.contains("b is not measured"), "{error}");
    assert!(filled("no marks", &[]).is_err());
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

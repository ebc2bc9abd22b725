//! The table `docs/BEHAVIOURS.md` agrees with the tests: every test that it names exists, and each
//! test of this folder is in it.

use crate::repository;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const FOLDER: &str = "behaviours";

fn tests_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
}

/// The names of the tests in a source text.
fn tests_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "#[test]" {
            let function = lines.find_map(|line| line.strip_prefix("fn "));
            let name = function.and_then(|rest| rest.split('(').next());
            names.push(name.expect("a test is a function").to_string());
        }
    }
    names
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("and can be read").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let read = |path: std::path::PathBuf| {
        let stem = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        (stem, fs::read_to_string(&path).expect("a source is text"))
    };
    sources.map(read).collect()
}

/// Every test as the table writes it: `file::name`; of a folder `folder::module::name`, or for
/// short `folder::name`.
fn existing() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (file, text) in sources(tests_folder()) {
        all.extend(tests_in(&text).iter().map(|name| format!("{file}::{name}")));
    }
    for entry in fs::read_dir(tests_folder()).expect("the tests are there") {
        let path = entry.expect("and can be read").path();
        if path.join("main.rs").exists() {
            let folder = path.file_name().expect("a folder has a name").to_string_lossy();
            for (module, text) in sources(&path) {
                for name in tests_in(&text) {
                    all.insert(format!("{folder}::{module}::{name}"));
                    all.insert(format!("{folder}::{name}"));
                }
            }
        }
    }
    all
}

/// The rows: behaviour, origin, and our test or why there is none.
fn rows(repository: &Path) -> Vec<[String; 3]> {
    let path = repository.join("docs/BEHAVIOURS.md");
    let text = fs::read_to_string(path).expect("the table is there");
    let cells = |line: &str| {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|c| c.trim().into()).collect();
        <[String; 3]>::try_from(cells).unwrap_or_else(|cells| panic!("three columns: {cells:?}"))
    };
    let lines =
        text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| behaviour"));
    lines.map(cells).collect()
}

#[test]
fn every_row_names_a_test_or_a_reason() {
    let Some(repository) = repository::root("every_row_names_a_test_or_a_reason") else { return };
    let existing = existing();
    let rows = rows(&repository);
    assert!(rows.len() >= 80, "{} rows", rows.len());
    for [behaviour, origin, ours] in &rows {
        assert!(!behaviour.is_empty() && !origin.is_empty(), "{behaviour} | {origin} | {ours}");
        if let Some(reason) = ours.strip_prefix("not applicable: ") {
            assert!(reason.len() > 10, "{behaviour}: {ours}");
            continue;
        }
        let named: Vec<&str> = ours.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{behaviour}: neither a test nor a reason");
        for name in named {
            assert!(existing.contains(name), "{behaviour}: there is no test {name}");
        }
    }
}

#[test]
fn every_test_of_this_folder_is_in_the_table() {
    let Some(repository) = repository::root("every_test_of_this_folder_is_in_the_table") else {
        return;
    };
    let named: String = rows(&repository).iter().map(|row| row[2].clone() + " ").collect();
    let named: BTreeSet<&str> = named.split('`').skip(1).step_by(2).collect();
    let mut own = Vec::new();
    for (module, text) in sources(&tests_folder().join(FOLDER)) {
        if module != "table" {
            own.extend(tests_in(&text).iter().map(|name| format!("{FOLDER}::{module}::{name}")));
        }
    }
    assert!(own.len() >= 50, "{} tests", own.len());
    for test in own {
        assert!(named.contains(test.as_str()), "{test} is not in docs/BEHAVIOURS.md");
    }
}

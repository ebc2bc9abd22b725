//! What the documents name is there: files, links, items of the code, kinds of pauses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{doc, has_word};

/// Folders that hold nothing of the repository's own.
const NOT_OURS: [&str; 3] = ["target", ".git", "node_modules"];
/// Ends of names that make a word in code a path.
const ENDS: [&str; 10] =
    [".rs", ".md", ".sh", ".txt", ".toml", ".pml", ".svg", ".go", ".java", ".supp"];
/// Documents whose items are other crates' as well.
pub(crate) const OF_OTHERS: [&str; 2] = ["docs/COMPARISON.md", "docs/MIGRATION.md"];
/// Paths in other projects' repositories, and one that stands for any test.
const NOT_HERE: [&str; 9] = [
    "core/gc/src/test",
    "gc-core/tests/file.rs",
    "gc/tests",
    "include/cppgc",
    "loom_tests.rs",
    "src/weak",
    "src/weak/pointer_test.go",
    "test/unittests/heap/cppgc",
    "tests/tests.rs",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A Markdown document, by its path below the repository's root.
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Document {
    /// The text without fenced blocks.
    pub(crate) fn prose(&self) -> String {
        let mut is_code = false;
        let is_prose = |line: &&str| {
            let fence = line.trim_start().starts_with("```");
            is_code ^= fence;
            !fence && !is_code
        };
        self.text.lines().filter(is_prose).collect::<Vec<_>>().join("\n")
    }
    fn folder(&self) -> PathBuf {
        let at = repository().join(&self.name);
        at.parent().expect("a file has a folder").to_path_buf()
    }
}

/// The documents that say what is true now. Records are dated and stay as they are.
pub(crate) fn documents() -> Vec<Document> {
    let mut names = vec![String::from("README.md"), String::from("CONTRIBUTING.md")];
    for entry in fs::read_dir(repository().join("docs")).expect("the documents can be listed") {
        let name = entry.expect("an entry can be read").file_name();
        let name = name.to_string_lossy();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    let read = |name: String| {
        let text = fs::read_to_string(repository().join(&name)).expect("a document is text");
        Document { name, text }
    };
    names.into_iter().map(read).collect()
}

/// All files and folders, below the root.
pub(crate) fn paths() -> BTreeSet<String> {
    fn walk(folder: &Path, below: &str, all: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a folder can be listed") {
            let entry = entry.expect("an entry can be read");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            let is_folder = entry.file_type().expect("an entry has a type").is_dir();
            if is_folder && !NOT_OURS.contains(&name.as_str()) {
                walk(&entry.path(), &path, all);
            }
            all.insert(path);
        }
    }
    let mut all = BTreeSet::new();
    walk(&repository(), "", &mut all);
    all
}

/// What stands between single backquotes.
pub(crate) fn spans(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('\n').flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_path(span: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
    let is_named = ENDS.iter().any(|end| span.ends_with(end) && span.len() > end.len());
    span.chars().all(is_plain)
        && !span.starts_with(['/', '-'])
        && (is_named || span.trim_end_matches('/').contains('/') || span.ends_with('/'))
        && !span.starts_with("target/")
        && !NOT_HERE.contains(&span)
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let (all, mut seen, mut missing) = (paths(), 0, Vec::new());
    for document in documents() {
        let prose = document.prose();
        for span in spans(&prose).filter(|span| is_path(span)) {
            seen += 1;
            let path = span.trim_end_matches('/').trim_start_matches("./");
            let end = format!("/{path}");
            if !all.contains(path) && !all.iter().any(|known| known.ends_with(&end)) {
                missing.push(format!("{}: `{span}`", document.name));
            }
        }
    }
    assert!(missing.is_empty(), "documents name what is not there:\n{}", missing.join("\n"));
    assert!(seen > 100, "only {seen} were found");
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let (mut seen, mut missing) = (0, Vec::new());
    for document in documents() {
        for target in document.prose().split("](").skip(1) {
            let target = target.split(')').next().expect("a first part");
            if target.contains("://") {
                continue;
            }
            seen += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let at = match file {
                "" => repository().join(&document.name),
                _ => document.folder().join(file),
            };
            let is_there = at.exists()
                && (heading.is_empty() || {
                    let text = fs::read_to_string(&at).expect("what has headings is text");
                    let mut lines = text.lines().filter(|line| line.starts_with('#'));
                    lines.any(|line| anchor(line.trim_start_matches('#').trim()) == heading)
                });
            if !is_there {
                missing.push(format!("{}: {target}", document.name));
            }
        }
    }
    assert!(missing.is_empty(), "links that lead nowhere:\n{}", missing.join("\n"));
    assert!(seen > 30, "only {seen} were found");
}

/// All Rust sources without comments.
fn code() -> String {
    let all = paths();
    let sources = all.iter().filter(|path| path.ends_with(".rs"));
    let text = |path: &String| fs::read_to_string(repository().join(path)).expect("it is text");
    let without = |text: String| {
        let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    };
    sources.map(text).map(without).collect()
}

/// Whether it is like `A::b`, `A::b()` or `A::{b, c}`.
pub(crate) fn is_item(span: &str) -> bool {
    span.contains("::") && span.chars().all(|c| c.is_alphanumeric() || "_:{}, ()".contains(c))
}

/// The names in an item; none if it is something else.
fn items(span: &str) -> Vec<&str> {
    if !is_item(span) {
        return Vec::new();
    }
    let names = span.split(|c: char| !c.is_alphanumeric() && c != '_');
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_item_that_a_document_names_is_in_the_code() {
    let (code, all) = (code(), paths());
    let mut words: BTreeSet<&str> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    // A file is a module.
    let modules = all.iter().filter_map(|path| path.strip_suffix(".rs")?.rsplit('/').next());
    words.extend(modules);
    let (mut seen, mut missing) = (0, Vec::new());
    for document in documents().iter().filter(|d| !OF_OTHERS.contains(&d.name.as_str())) {
        let prose = document.prose();
        for span in spans(&prose) {
            let names = items(span);
            seen += usize::from(!names.is_empty());
            if names.iter().any(|name| !words.contains(name)) {
                missing.push(format!("{}: `{span}`", document.name));
            }
        }
    }
    assert!(missing.is_empty(), "documents name what is not there:\n{}", missing.join("\n"));
    assert!(seen > 200, "only {seen} were found");
}

#[test]
fn the_table_of_pauses_has_every_kind() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/observe/histogram.rs");
    let source = fs::read_to_string(path).expect("the source is there");
    let body = source.split("pub enum PauseKind {").nth(1).expect("the kinds are there");
    let body = body.split("\n}").next().expect("a first part");
    let kinds = body.lines().filter_map(|line| line.trim().strip_suffix(','));
    let kinds: Vec<&str> = kinds.filter(|kind| !kind.starts_with("//")).collect();
    assert!(kinds.len() >= 12, "{kinds:?}");
    let tuning = doc("TUNING.md");
    let rows: Vec<&str> = tuning.lines().filter(|line| line.starts_with("| `")).collect();
    for kind in kinds {
        let first = format!("| `{kind}` |");
        assert!(rows.iter().any(|row| row.starts_with(&first)), "TUNING.md has no row for {kind}");
    }
    assert!(has_word(&tuning, "straggler"), "and it says how to find a slow thread");
}

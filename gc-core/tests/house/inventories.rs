//! Inventories: tables in documents whose rows stand beside the tests, as comments.
//!
//! A row is a comment above its test, one field after the other. A line that begins with three
//! spaces continues its field.
//!
//! ```text
//! // condition (Threads): 64 threads on 2 cores
//! // measured: heap 60 to 181 MB at most; longest `mutate`
//! //   55 to 255 ms
//! // bound: all memory back
//! #[test]
//! ```
//!
//! `also` names more tests, `cases` a part of the test. A row without a test says why: `not here`,
//! or `by hand`. A document has a pair of marks for each table, and prose around them.

use super::{Source, doc, files, repository};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// A document and its rows.
struct Inventory {
    document: &'static str,
    /// The first field of a row; the plural is in the document's marks.
    kind: &'static str,
    /// The other fields that stand in columns of their own, and whether each row has them.
    fields: &'static [(&'static str, bool)],
    /// The field that stands in place of a test.
    reason: &'static str,
    /// The heads of the columns, and what each shows.
    columns: &'static [(&'static str, &'static str)],
    /// Folders whose tests all have to be in a row.
    folder: &'static str,
    /// The least number of rows. Fewer mean that the rows are not found.
    least: usize,
}

/// The column of the tests.
const TEST: &str = "test";

const ALL: [Inventory; 2] = [
    Inventory {
        document: "BEHAVIOURS.md",
        kind: "behaviour",
        fields: &[("origin", true)],
        reason: "not here",
        columns: &[
            ("behaviour", "behaviour"),
            ("origin", "origin"),
            ("our test, or why there is none", TEST),
        ],
        folder: "behaviours",
        least: 200,
    },
    Inventory {
        document: "HARD.md",
        kind: "condition",
        fields: &[("measured", true), ("bound", false)],
        reason: "by hand",
        columns: &[
            ("condition", "condition"),
            ("test", TEST),
            ("measured", "measured"),
            ("bound asserted", "bound"),
        ],
        folder: "hard",
        least: 80,
    },
];

#[derive(Debug, Default, PartialEq)]
struct Row {
    kind: String,
    table: String,
    /// The first field's text, under the kind's name, and the others.
    fields: Vec<(String, String)>,
    /// The test below the row.
    test: Option<String>,
    /// File and line.
    at: String,
}

impl Row {
    fn get(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, text)| text.as_str())
    }
    /// All tests that the row names.
    fn tests(&self) -> impl Iterator<Item = &str> {
        let also = self.get("also").unwrap_or_default();
        self.test.as_deref().into_iter().chain(also.split('`').skip(1).step_by(2))
    }
    /// What the table shows in the column of the tests.
    fn shown(&self, inventory: &Inventory) -> String {
        let Some(test) = &self.test else {
            let reason = self.get(inventory.reason).unwrap_or_default();
            return format!("{}: {reason}", inventory.reason);
        };
        let cases = self.get("cases").map(|cases| format!(" ({cases})")).unwrap_or_default();
        let also = self.get("also").map(|also| format!(", {also}")).unwrap_or_default();
        format!("`{test}`{cases}{also}")
    }
}

/// The module of a file below `tests/`: `api.rs` is `api`, `hard/main.rs` is `hard`.
fn module(file: &str) -> String {
    file.trim_end_matches(".rs").trim_end_matches("/main").replace('/', "::")
}

/// The name of the function that a line opens.
fn function(line: &str) -> Option<&str> {
    let name = line.trim_start().strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// The tests of a file.
fn tests_of(source: &Source) -> Vec<String> {
    let (mut lines, mut names) = (source.text.lines(), Vec::new());
    while lines.any(|line| line.trim() == "#[test]") {
        let name = lines.find_map(function).expect("a test is a function");
        names.push(format!("{}::{name}", module(&source.name)));
    }
    names
}

/// The first field of a row: kind, table, text.
fn opening(comment: &str) -> Option<(&'static str, &str, &str)> {
    let kinds = ALL.iter().map(|inventory| inventory.kind);
    kinds.into_iter().find_map(|kind| {
        let rest = comment.strip_prefix(kind)?.strip_prefix(" (")?;
        rest.split_once("): ").map(|(table, text)| (kind, table, text))
    })
}

/// The rows of a file, or what is wrong with one.
fn rows_of(source: &Source) -> Result<Vec<Row>, String> {
    let (mut rows, mut open): (Vec<Row>, Vec<Row>) = Default::default();
    let mut in_row = false;
    let mut is_test = false;
    for (number, line) in (1..).zip(source.text.lines()) {
        let at = format!("{}:{number}", source.name);
        let line = line.trim();
        let comment = line.strip_prefix("// ");
        if let Some((kind, table, text)) = comment.and_then(opening) {
            let fields = vec![(kind.to_owned(), text.to_owned())];
            let (kind, table) = (kind.to_owned(), table.to_owned());
            open.push(Row { kind, table, fields, test: None, at });
            in_row = true;
        } else if let Some(comment) = comment.filter(|_| in_row) {
            let fields = &mut open.last_mut().expect("a row is open").fields;
            if let Some(more) = comment.strip_prefix("  ") {
                let (_, text) = fields.last_mut().expect("it has a first field");
                let _ = write!(text, " {more}");
            } else {
                let (name, text) =
                    comment.split_once(": ").ok_or(format!("{at}: no field: {comment}"))?;
                fields.push((name.to_owned(), text.to_owned()));
            }
        } else {
            in_row = false;
            is_test |= line == "#[test]";
            if line.is_empty() {
                rows.extend(open.drain(..).map(|row| Row { test: None, ..row }));
            } else if let Some(name) = function(line) {
                let test = is_test.then(|| format!("{}::{name}", module(&source.name)));
                rows.extend(open.drain(..).map(|row| Row { test: test.clone(), ..row }));
            }
            is_test &= !line.is_empty() && function(line).is_none();
        }
    }
    rows.append(&mut open);
    rows.iter().try_for_each(check)?;
    Ok(rows)
}

/// Returns an error if a row lacks a field, has one too many, or has no test and no reason.
fn check(row: &Row) -> Result<(), String> {
    let inventory = ALL.iter().find(|inventory| inventory.kind == row.kind).expect("a kind of row");
    let mut seen = BTreeSet::new();
    for (name, text) in &row.fields {
        let is_known = name == inventory.kind
            || inventory.fields.iter().any(|(known, _)| known == name)
            || ["also", "cases", inventory.reason].contains(&name.as_str());
        let is_whole = !text.is_empty() && !text.contains('|');
        if !is_known || !is_whole || !seen.insert(name) {
            return Err(format!("{}: the field {name}: {text}", row.at));
        }
    }
    let missing = inventory.fields.iter().find(|(name, must)| *must && row.get(name).is_none());
    if let Some((name, _)) = missing {
        return Err(format!("{}: no {name}", row.at));
    }
    if row.test.is_some() == row.get(inventory.reason).is_some() {
        return Err(format!("{}: either a test or \"{}\"", row.at, inventory.reason));
    }
    Ok(())
}

/// A table as the document has it.
fn table(inventory: &Inventory, rows: &[&Row]) -> String {
    let is_used = |field: &str| field == TEST || rows.iter().any(|row| row.get(field).is_some());
    let columns: Vec<_> = inventory.columns.iter().filter(|(_, field)| is_used(field)).collect();
    let heads: Vec<&str> = columns.iter().map(|(head, _)| *head).collect();
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for row in rows {
        for (_, field) in &columns {
            let cell = match *field {
                TEST => row.shown(inventory),
                field => row.get(field).unwrap_or_default().to_owned(),
            };
            let _ = write!(text, "| {cell} ");
        }
        text.push_str("|\n");
    }
    text
}

/// The document with its tables made anew, or what is wrong with its marks.
fn filled(inventory: &Inventory, document: &str, rows: &[Row]) -> Result<String, String> {
    let (mut text, mut seen) = (String::new(), BTreeSet::new());
    let mark = format!("<!-- {}s: ", inventory.kind);
    let mut parts = document.split(mark.as_str());
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once(" -->\n").ok_or("a mark does not end")?;
        let (_, rest) = rest.split_once("<!-- end -->\n").ok_or(format!("{name} has no end"))?;
        let own: Vec<&Row> =
            rows.iter().filter(|row| row.kind == inventory.kind && row.table == name).collect();
        if own.is_empty() || !seen.insert(name) {
            return Err(format!("{name} has no rows, or two tables"));
        }
        let _ = write!(text, "{mark}{name} -->\n{}<!-- end -->\n{rest}", table(inventory, &own));
    }
    let without = |row: &&Row| row.kind == inventory.kind && !seen.contains(row.table.as_str());
    match rows.iter().find(without) {
        Some(row) => Err(format!("{}: there is no table {}", row.at, row.table)),
        None => Ok(text),
    }
}

/// The test programs' sources: files of `tests/`, and of its folders that have a `main.rs`.
fn programs() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut all = files(&root, "rs");
    all.retain(|source| match source.name.split_once('/') {
        Some((folder, _)) => root.join(folder).join("main.rs").exists(),
        None => true,
    });
    all
}

/// Compares a document of `docs/` with what its sources say, or writes it.
pub(crate) fn renew(document: &str, wanted: &str) {
    crate::renew::renew(&repository().join("docs").join(document), wanted, "house");
}

#[test]
fn the_inventories_are_what_the_tests_say() {
    let sources = programs();
    let rows: Vec<Row> =
        sources.iter().flat_map(|s| rows_of(s).unwrap_or_else(|e| panic!("{e}"))).collect();
    for inventory in &ALL {
        let wanted = filled(inventory, &doc(inventory.document), &rows);
        let wanted = wanted.unwrap_or_else(|error| panic!("{}: {error}", inventory.document));
        renew(inventory.document, &wanted);
        let number = rows.iter().filter(|row| row.kind == inventory.kind).count();
        assert!(number >= inventory.least, "{number} rows of {}", inventory.document);
    }
}

#[test]
fn inventories_name_tests_that_exist_and_leave_none_out() {
    let sources = programs();
    let tests: BTreeSet<String> = sources.iter().flat_map(tests_of).collect();
    let rows: Vec<Row> = sources.iter().flat_map(|s| rows_of(s).unwrap_or_default()).collect();
    for row in &rows {
        let gone: Vec<&str> = row.tests().filter(|name| !tests.contains(*name)).collect();
        assert!(gone.is_empty(), "{}: there is no test {gone:?}", row.at);
    }
    for inventory in &ALL {
        let own = |row: &&Row| row.kind == inventory.kind;
        let named: BTreeSet<&str> = rows.iter().filter(own).flat_map(Row::tests).collect();
        let below = format!("{}::", inventory.folder);
        let all: Vec<&String> = tests.iter().filter(|test| test.starts_with(&below)).collect();
        assert!(all.len() >= 60, "only {} tests in {}", all.len(), inventory.folder);
        let left: Vec<_> = all.iter().filter(|test| !named.contains(test.as_str())).collect();
        assert!(left.is_empty(), "no {} above {left:#?}", inventory.kind);
    }
}

#[cfg(test)]
mod self_check {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "hard/a.rs".to_owned(), text: text.to_owned() }
    }

    const GOOD: &str = "// condition (X): one, that goes\n//   on\n// measured: 1\n\
        // condition (X): two\n// measured: 2\n// also: `hard::a::other`\n/// Words.\n#[test]\n\
        #[ignore]\nfn first() {}\n\n// condition (Y): three\n// by hand: a day\n// measured: 3\n";

    #[test]
    fn rows_are_read_and_shown() {
        let rows = rows_of(&source(GOOD)).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[0].get("condition"), Some("one, that goes on"));
        assert_eq!(rows[1].tests().collect::<Vec<_>>(), ["hard::a::first", "hard::a::other"]);
        assert_eq!((&rows[2].test, rows[2].get("by hand")), (&None, Some("a day")));
        let document = "Words.\n<!-- conditions: X -->\nold\n<!-- end -->\nMore.\n\
                        <!-- conditions: Y -->\n<!-- end -->\n";
        let text = filled(&ALL[1], document, &rows).unwrap();
        assert!(
            text.starts_with("Words.\n<!-- conditions: X -->\n| condition | test | measured |")
        );
        assert!(text.contains("| two | `hard::a::first`, `hard::a::other` | 2 |\n<!-- end -->\n"));
        assert!(text.contains("| three | by hand: a day | 3 |\n") && text.contains("\nMore.\n"));
        assert_eq!(filled(&ALL[1], &text, &rows).unwrap(), text, "and nothing changes twice");
    }

    #[test]
    fn rows_and_marks_that_are_wrong_are_found() {
        let wrong = |from: &str, to: &str| rows_of(&source(&GOOD.replace(from, to))).unwrap_err();
        assert!(wrong("// measured: 2\n", "").contains("hard/a.rs:4: no measured"));
        assert!(wrong("// by hand: a day\n", "").contains("either a test"));
        assert!(wrong("fn first", "\nfn first").contains("either a test"));
        assert!(wrong("measured: 1", "mesured: 1").contains("the field mesured"));
        assert!(wrong("a day", "a | day").contains("the field by hand"));
        let rows = rows_of(&source(GOOD)).unwrap();
        let error = |document: &str| filled(&ALL[1], document, &rows).unwrap_err();
        assert!(error("<!-- conditions: X -->\n<!-- end -->\n").contains("no table Y"));
        assert!(error("<!-- conditions: X -->\nno end").contains("X has no end"));
        assert!(error("<!-- conditions: Z -->\n<!-- end -->\n").contains("Z has no rows"));
    }

    #[test]
    fn tests_are_found_by_their_attribute() {
        let text = "fn help() {}\n#[test]\n#[cfg(x)]\nfn one() {}\n    #[test]\n    fn two() {}\n";
        assert_eq!(tests_of(&source(text)), ["hard::a::one", "hard::a::two"]);
        assert_eq!((module("hard/main.rs"), module("api.rs")), ("hard".into(), "api".into()));
    }
}

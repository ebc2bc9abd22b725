//! Documents that are made from sources: a test compares them, or writes them.

use std::fs;
use std::path::Path;

/// Compares the document at `path` with what its sources say. With `UPDATE_DOCS=1` in the
/// environment, writes it. `program` is the test program that a message tells to run for that.
#[track_caller]
pub(crate) fn renew(path: &Path, wanted: &str, program: &str) {
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        fs::write(path, wanted).expect("the document can be written");
        return;
    }
    let found = fs::read_to_string(path).expect("the document is there");
    let name = path.file_name().unwrap_or_default().display();
    let command = format!("UPDATE_DOCS=1 cargo test -p gc-core --test {program}");
    if let Some((old, new)) = found.lines().zip(wanted.lines()).find(|(a, b)| a != b) {
        panic!("docs/{name} has\n{old}\nwhere its sources say\n{new}\nrun {command}");
    }
    assert_eq!(found, wanted, "docs/{name}: run {command}");
}

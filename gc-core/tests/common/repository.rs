//! Where the repository is, for the tests that compare the code with its documents or read its
//! corpora.

use std::path::{Path, PathBuf};

/// The repository's root. A released package has none: `test` prints that it is skipped and ends.
pub(crate) fn root(test: &str) -> Option<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    // `cargo package` writes this file, and only it does.
    if package.join("Cargo.toml.orig").exists() {
        println!("{test}: skipped, because a package is tested, and it reads the repository");
        return None;
    }
    Some(package.join(".."))
}

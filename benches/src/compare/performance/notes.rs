//! The part of the document that people write: it is kept when the rest is written again.

#![forbid(unsafe_code)]

use std::path::Path;

const BEGIN: &str = "<!-- notes -->";
const END: &str = "<!-- /notes -->";

/// The notes of the document there, with their marks; empty ones if there is no document yet.
pub(crate) fn kept(path: &Path) -> Result<String, String> {
    match std::fs::read_to_string(path) {
        Ok(text) => find(&text).map(String::from).ok_or_else(|| {
            format!("{} has no notes between {BEGIN} and {END}; it is left alone", path.display())
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(format!("{BEGIN}\n{END}")),
        Err(e) => Err(format!("cannot read {}: {e}", path.display())),
    }
}

fn find(text: &str) -> Option<&str> {
    let begin = text.find(BEGIN)?;
    let end = begin + text[begin..].find(END)?;
    Some(&text[begin..end + END.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found() {
        let text = "a\n<!-- notes -->\nmine\n<!-- /notes -->\nb";
        assert_eq!(find(text), Some("<!-- notes -->\nmine\n<!-- /notes -->"));
        assert_eq!(find("a <!-- notes --> b"), None);
        assert_eq!(find("<!-- /notes --> <!-- notes -->"), None);
    }

    #[test]
    fn a_document_without_marks_is_left_alone() {
        let path = std::env::temp_dir().join(format!("gc-bench-notes-{}.md", std::process::id()));
        assert_eq!(kept(&path), Ok("<!-- notes -->\n<!-- /notes -->".into()));
        std::fs::write(&path, "mine").unwrap();
        assert!(kept(&path).unwrap_err().contains("left alone"));
        std::fs::remove_file(path).unwrap();
    }
}

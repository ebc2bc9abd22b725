//! The words of the house: phrases that comments, messages and documents avoid, and how wide a line
//! may be. A part of the house test (`tests/house.rs`).

use super::{files, repository};

/// Phrases that comments, messages and documents avoid, and what to say in their place.
const AVOIDED: [(&str, &str); 7] = [
    ("nobody", "name the subject: no thread, no code, no program"),
    ("somebody", "name the subject: another thread, the program"),
    ("whoever", "name the subject: the thread that, the caller that"),
    ("everybody", "name the subject: every thread, all callers"),
    ("anybody", "name the subject: any thread, a thread"),
    ("says whether", "returns whether"),
    ("say whether", "return whether"),
];

/// Files, or folders with a slash at the end, in which the phrases may stand, and why.
const MAY_SAY: [(&str, &str); 1] = [("gc-core/tests/common/words.rs", "it lists the phrases")];

/// A Rust source in two, line by line: its comments and its string literals, all else blank.
struct Prose {
    comments: String,
    strings: String,
}

impl Prose {
    fn of(source: &str) -> Prose {
        let (mut comments, mut strings) = (String::new(), String::new());
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let before = &source[..source.len() - rest.len()];
            let is_name = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let (length, is_comment, is_string) = if rest.starts_with("//") {
                (rest.find('\n').unwrap_or(rest.len()), true, false)
            } else if first == '"' {
                (quoted(rest), false, true)
            } else if let Some(length) = raw(rest).filter(|_| !is_name || before.ends_with('b')) {
                (length, false, true)
            } else {
                (character(rest).unwrap_or(first.len_utf8()), false, false)
            };
            for c in rest[..length].chars() {
                let blank = if c == '\n' { c } else { ' ' };
                comments.push(if is_comment { c } else { blank });
                strings.push(if is_string { c } else { blank });
            }
            rest = &rest[length..];
        }
        Prose { comments, strings }
    }
}

/// The length of the string literal at the start of `text`.
fn quoted(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let is_end = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// The length of the raw string literal at the start of `text`, if one is there.
fn raw(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let marks = after.len() - after.trim_start_matches('#').len();
    let content = after[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    Some(content.find(&end).map_or(text.len(), |at| marks + 2 + at + end.len()))
}

/// The length of the character literal at the start of `text`, if one is there and no lifetime.
fn character(text: &str) -> Option<usize> {
    let content = text.strip_prefix('\'')?;
    let end = match content.strip_prefix('\\') {
        Some(escape) => 2 + escape.get(1..)?.find('\'')?,
        None => content.chars().next()?.len_utf8(),
    };
    content[end..].starts_with('\'').then_some(end + 2)
}

/// The lines of `text` with a phrase of [`AVOIDED`], which may run over the end of a line.
fn avoided(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let parts = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.extend(parts.filter(|part| !part.is_empty()).map(|w| (i + 1, w.to_lowercase())));
    }
    let mut found = Vec::new();
    for (phrase, instead) in AVOIDED {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        for part in words.windows(wanted.len()) {
            if part.iter().zip(&wanted).all(|((_, word), wanted)| word == wanted) {
                found.push((part[0].0, phrase, instead));
            }
        }
    }
    found
}

#[test]
fn comments_messages_and_documents_name_their_subjects() {
    let may_say = |name: &str| {
        MAY_SAY.iter().any(|(at, _)| name == *at || at.ends_with('/') && name.starts_with(at))
    };
    let mut wrong = Vec::new();
    let all = ["rs", "md"].map(|extension| files(&repository(), extension));
    for source in all.iter().flatten().filter(|source| !may_say(&source.name)) {
        let texts = if source.name.ends_with(".rs") {
            let Prose { comments, strings } = Prose::of(&source.text);
            vec![comments, strings]
        } else {
            vec![source.text.clone()]
        };
        for (line, phrase, instead) in texts.iter().flat_map(|text| avoided(text)) {
            wrong.push(format!("{}:{line}: \"{phrase}\": {instead}", source.name));
        }
    }
    assert!(wrong.is_empty(), "in {} places:\n{}", wrong.len(), wrong.join("\n"));
    for (at, _) in MAY_SAY {
        assert!(repository().join(at).exists(), "{at} may use any word, and is gone");
    }
}

#[test]
fn the_search_for_words_tells_prose_from_code() {
    let source = "let nobody = 'x'; // Nobody's\nf(\"a \\\" some\", r#\"every\"body\"#, '\"');\n\
                  /// It says\n/// whether.\n";
    let Prose { comments, strings } = Prose::of(source);
    let lines = |text: &str| avoided(text).iter().map(|hit| (hit.0, hit.1)).collect::<Vec<_>>();
    assert_eq!(lines(&comments), [(1, "nobody"), (3, "says whether")]);
    assert_eq!(strings.trim(), "\"a \\\" some\"  r#\"every\"body\"#");
    assert!(lines(&strings).is_empty() && lines("nobody_else, somebody2").is_empty());
}

/// Columns of a line of code or of a comment.
const COLUMNS: usize = 100;

#[test]
fn lines_of_code_and_comments_are_at_most_100_columns() {
    let mut wide = Vec::new();
    // The outputs beside the programs in `tests/ui` name their lines, and their titles are lines.
    let all = files(&repository(), "rs").into_iter();
    for source in all.filter(|source| !source.name.starts_with("gc-core/tests/ui/")) {
        let Prose { comments, strings } = Prose::of(&source.text);
        let lines = source.text.lines().zip(comments.lines()).zip(strings.lines());
        for (i, ((line, comment), string)) in lines.enumerate() {
            // A string, a table's row and an address cannot be wrapped.
            let words = comment.trim_start().trim_start_matches(['/', '!']).trim_start();
            let is_whole = !string.trim().is_empty();
            let is_whole = is_whole || words.starts_with('|') || line.contains("://");
            let columns = line.chars().count();
            if columns > COLUMNS && !is_whole {
                wide.push(format!("{}:{}: {columns} columns", source.name, i + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{} lines are too wide:\n{}", wide.len(), wide.join("\n"));
}

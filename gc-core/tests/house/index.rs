//! Items that documents name: `Type::member` and `module::item` are there, in the file that stands
//! beside them, and single names are words of the code.

use crate::documents::{Document, OF_OTHERS, documents, is_item, paths, spans};
use crate::{items, names, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Members that a derive writes, or that a type has of a trait of std.
const DERIVED: [&str; 8] = ["clone", "cmp", "default", "drop", "eq", "fmt", "from", "hash"];

/// Documents whose single names are looked up too: those for readers of the code.
const OF_THE_CODE: [&str; 3] = ["docs/ARCHITECTURE.md", "docs/INVARIANTS.md", "docs/ORDERING.md"];

/// What the code has: the members of each type, and the words of each module and file.
#[derive(Default)]
struct Index {
    types: BTreeMap<String, BTreeSet<String>>,
    modules: BTreeMap<String, BTreeSet<String>>,
    files: BTreeMap<String, BTreeSet<String>>,
}

/// The name with which a text begins.
fn first_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The type whose members follow a line at the left margin: a declaration, or an `impl`.
fn opened(line: &str) -> Option<&str> {
    if let Some(name) = names::declared(line).or_else(|| items::type_of_impl(line)) {
        return Some(name);
    }
    let (_, path) = line.strip_prefix("impl")?.rsplit_once(" for ")?;
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    path[..end.unwrap_or(path.len())].rsplit("::").next()
}

/// The name of the member that a line declares, of whatever kind.
fn member(line: &str) -> &str {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        let scope = public.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        rest = scope.map_or(public, |(_, rest)| rest).trim_start();
    }
    for word in ["const ", "async ", "unsafe ", "fn ", "type "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    first_name(rest)
}

impl Index {
    /// Adds a file, given without comments.
    fn add(&mut self, path: &str, code: &str) {
        let words = || code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned);
        // A file's words are those of its module, and of the modules that it lies in.
        for module in path.trim_end_matches(".rs").split('/') {
            self.modules.entry(module.to_owned()).or_default().extend(words());
        }
        self.files.entry(path.to_owned()).or_default().extend(words());
        let mut owner = None;
        for line in code.lines() {
            if !line.is_empty() && !line.starts_with([' ', '}', ')', '#']) {
                owner = opened(line);
            }
            let Some(owner) = owner.filter(|name| !name.is_empty()) else { continue };
            self.types.entry(owner.to_owned()).or_default().insert(member(line).to_owned());
        }
    }

    fn of_repository() -> Index {
        let mut index = Index::default();
        // A fault is known by its patch.
        let patches = paths()
            .into_iter()
            .filter_map(|path| path.strip_suffix(".patch")?.rsplit('/').next().map(str::to_owned));
        index.modules.extend(patches.map(|name| (name, BTreeSet::new())));
        for path in paths().iter().filter(|path| path.ends_with(".rs")) {
            let text = fs::read_to_string(repository().join(path)).expect("a source is text");
            let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
            index.add(path, &lines.collect::<Vec<_>>().join("\n"));
        }
        index
    }

    /// Whether `owner::member` is there. What no source of ours declares is not looked up.
    fn has(&self, owner: &str, member: &str) -> bool {
        if let Some(members) = self.types.get(owner) {
            let of_macro =
                || self.types.iter().any(|(k, m)| k.starts_with('$') && m.contains(member));
            return members.contains(member) || DERIVED.contains(&member) || of_macro();
        }
        self.modules.get(owner).is_none_or(|words| words.contains(member))
    }

    /// Whether the file, named by the end of its path, has the word.
    fn file_has(&self, file: &str, word: &str) -> bool {
        let end = format!("/{file}");
        let mut own = self.files.iter().filter(|(path, _)| *path == file || path.ends_with(&end));
        own.any(|(_, words)| words.contains(word))
    }
}

/// The pairs `owner::member` of a span: of `a::B::{c, d}` they are `a::B`, `B::c` and `B::d`. A
/// module of tests is a part of its file's.
fn pairs(span: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = span.split("::").filter(|part| *part != "tests").collect();
    let mut pairs = Vec::new();
    for two in parts.windows(2) {
        let names: Vec<&str> = match two[1].strip_prefix('{') {
            Some(list) => list.split(',').map(|name| first_name(name.trim_start())).collect(),
            None => vec![first_name(two[1])],
        };
        let owner = two[0].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
        pairs.extend(names.into_iter().map(|name| (owner.unwrap_or_default(), name)));
    }
    // One letter stands for any type.
    pairs.retain(|(owner, name)| owner.len() > 1 && !name.is_empty());
    pairs
}

/// The single name of a span, if it is one of the code: `two_words`, `TwoWords` or `call()`.
fn single(span: &str) -> Option<&str> {
    let name = span.trim_end_matches("()");
    let is_name = !name.is_empty() && first_name(name) == name;
    let is_camel = name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase);
    (is_name && (is_camel || name.contains('_') || name != span)).then_some(name)
}

/// Items and the file in brackets behind them: of "`A::b`, `A::c` (`d.rs`)" both with `d.rs`.
fn placed(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(" (`") {
        let Some((file, _)) = line[at + 3..].split_once("`)") else { continue };
        let mut before = &line[..at];
        while let Some((rest, span)) = before.strip_suffix('`').and_then(|b| b.rsplit_once('`')) {
            if file.ends_with(".rs") && is_item(span) {
                found.push((span, file));
            }
            before = rest.trim_end_matches(" and ").trim_end_matches(", ");
        }
    }
    found
}

/// What a document names that is not there.
fn missing(index: &Index, document: &Document) -> (usize, Vec<String>) {
    let (prose, mut seen, mut missing) = (document.prose(), 0, Vec::new());
    for span in spans(&prose) {
        let pairs = if is_item(span) { pairs(span) } else { Vec::new() };
        seen += pairs.len();
        if pairs.iter().any(|(owner, name)| !index.has(owner, name)) {
            missing.push(format!("{}: `{span}`", document.name));
        }
        let of_the_code = OF_THE_CODE.contains(&document.name.as_str());
        let Some(name) = single(span).filter(|_| of_the_code) else { continue };
        seen += 1;
        let is_known = index.modules.contains_key(name)
            || index.files.values().any(|words| words.contains(name));
        if !is_known {
            missing.push(format!("{}: `{span}`", document.name));
        }
    }
    for (span, file) in prose.lines().flat_map(placed) {
        seen += 1;
        let name = pairs(span).last().map_or("", |(_, name)| name);
        if !index.file_has(file, name) {
            missing.push(format!("{}: `{span}` is not in {file}", document.name));
        }
    }
    (seen, missing)
}

#[test]
fn every_member_that_a_document_names_is_its_owners() {
    let index = Index::of_repository();
    assert!(
        index.types.len() > 300 && index.has("Heap", "mutate") && !index.has("Heap", "nothing")
    );
    let (mut seen, mut all) = (0, Vec::new());
    for document in documents().iter().filter(|d| !OF_OTHERS.contains(&d.name.as_str())) {
        let (number, missing) = missing(&index, document);
        seen += number;
        all.extend(missing);
    }
    assert!(all.is_empty(), "documents name what is not there:\n{}", all.join("\n"));
    assert!(seen > 600, "only {seen} names were found");
}

#[test]
fn a_name_that_is_not_there_is_found() {
    let mut index = Index::default();
    let code = "pub(crate) struct One<T> {\n    pub field: u8,\n}\nimpl<T> One<T> {\n    \
                pub(crate) const fn go(&self) {}\n}\nimpl a::Tr for b::Two {\n    fn act() {}\n}\n\
                enum Kind {\n    First,\n}\nfn free() {}\n";
    index.add("x/mod_a.rs", code);
    let says = |text: &str| {
        let name = String::from("docs/ARCHITECTURE.md");
        missing(&index, &Document { name, text: text.to_owned() }).1
    };
    let good = "`One::go`, `One::{field, go}`, `Two::act()`, `Kind::First`, `mod_a::free`, `Arc::new`\
                \n| go | `One::go` (`mod_a.rs`) | `first::words` |";
    assert_eq!(says(good), Vec::<String>::new());
    for bad in [
        "`One::act`",
        "`One::{go, gone}`",
        "`Kind::Second`",
        "`mod_a::gone`",
        "`not_there`",
        "`NotThere`",
        "`gone()`",
        "| `Two::act`, `One::go` (`mod_b.rs`) |",
    ] {
        assert!(!says(bad).is_empty(), "{bad}");
    }
    assert_eq!(
        placed("`A::b` (`a.rs`), `A::c`, `D::d` (`d.rs`) | `E::e` | `f` (`g.rs`)"),
        [("A::b", "a.rs"), ("D::d", "d.rs"), ("A::c", "d.rs")]
    );
}

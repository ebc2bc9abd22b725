//! Names: no two types of the code have one name, and public documentation names nothing private.

use crate::{LAYERS, Source, sources};
use std::collections::BTreeMap;

/// Names that two types or more may have, and why no reader takes one for the other.
const SHARED_NAMES: [(&str, &str); 10] = [
    ("Condvar", "one for each kind of build: `sync` picks it"),
    ("Mutex", "one for each kind of build: `sync` picks it"),
    ("RwLock", "one for each kind of build: `sync` picks it"),
    ("SpanLife", "one for the models, which follow no span"),
    ("Walker", "one for each way to walk a stack: the build picks it"),
    ("Marking", "what the models see of the type of that name"),
    ("RootTable", "what the models see of the type of that name"),
    ("MoveDropToAFieldWithoutPointers", "the text of an error, at both places that report it"),
    ("Shared", "private in each file: what a handle shares with its thread or its copies"),
    ("State", "private in each file: what that file's lock guards"),
];

/// The name of the type that a line of code declares.
pub(crate) fn declared(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        let after = public.strip_prefix('(').and_then(|scope| scope.split_once(')'));
        rest = after.map_or(public, |(_, after)| after).trim_start();
    }
    rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    let kinds = ["struct ", "enum ", "trait ", "union "];
    let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    name[..end].starts_with(char::is_uppercase).then_some(&name[..end])
}

/// The names that more than one type has, with the files. Tests do not count.
fn clashes(all: &[Source]) -> BTreeMap<&str, Vec<&str>> {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in all.iter().filter(|source| source.name != "pacing/simulate.rs") {
        for line in source.body() {
            if let Some(name) = declared(line) {
                files.entry(name).or_default().push(&source.name);
            }
        }
    }
    files.retain(|_, places| places.len() > 1);
    files
}

#[test]
fn no_two_types_have_one_name() {
    let all = sources();
    let mut clashes = clashes(&all);
    for (name, reason) in SHARED_NAMES {
        assert!(clashes.remove(name).is_some(), "{name} is on the list ({reason}) and clashes not");
    }
    assert!(clashes.is_empty(), "rename one of each: {clashes:#?}");
}

#[test]
fn a_clash_of_names_is_found() {
    let file = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
    let one = "pub(crate) struct One<T>(T);\nmod tests {\nstruct Two;\n}";
    let two = "    pub unsafe trait One {}\nenum Two { A }\n// struct Three;\nstruct Three;";
    let all = [file("a.rs", one), file("b.rs", two)];
    assert_eq!(clashes(&all), BTreeMap::from([("One", vec!["a.rs", "b.rs"])]));
    assert_eq!(declared("    pub(in crate::a) union Bits {"), Some("Bits"));
    assert_eq!((declared("structure One"), declared("let struct_ = One;")), (None, None));
}

/// What `cargo doc` shows of a file: lines of documentation with their number.
fn shown<'a>(source: &'a Source, exported: &dyn Fn(&str) -> bool) -> Vec<(usize, &'a str)> {
    let mut shown = Vec::new();
    let mut pending: Vec<(usize, &str)> = Vec::new();
    // Whether the open item at the left margin is shown, and its parts with it.
    let (mut is_open, mut is_trait_or_enum, mut is_hidden) = (false, false, false);
    for (number, line) in (1..).zip(source.body()) {
        let trimmed = line.trim();
        if trimmed.starts_with("//!") {
            if source.name == "lib.rs" {
                shown.push((number, trimmed));
            }
        } else if trimmed.starts_with("///") {
            pending.push((number, trimmed));
        } else if trimmed.starts_with("#[") || trimmed.starts_with(')') || trimmed.is_empty() {
            is_hidden |= trimmed.contains("doc(hidden)");
            is_open |= trimmed.starts_with("#[macro_export]");
        } else {
            let is_margin = !line.starts_with(' ');
            let is_macro = trimmed.starts_with("macro_rules!");
            if is_margin && !is_macro {
                let name = declared(line);
                let of_impl = crate::items::type_of_impl(line);
                let is_exported = name.is_some_and(exported) && line.starts_with("pub ")
                    || of_impl.is_some_and(exported);
                is_open = is_exported && !is_hidden;
                let kinds = ["enum ", "trait "];
                is_trait_or_enum = name.is_some() && kinds.iter().any(|kind| line.contains(kind));
            }
            let is_part = is_trait_or_enum || trimmed.starts_with("pub ");
            if is_open && (is_margin || is_part) && !is_hidden {
                shown.append(&mut pending);
            }
            pending.clear();
            is_hidden = false;
            is_open &= !(is_margin && (trimmed.starts_with('}') || trimmed.ends_with(';')));
        }
    }
    shown
}

/// What a line of public documentation should not name: a number of `INVARIANTS.md`, a source, or a
/// path into a private module.
fn private_name(line: &str) -> Option<&str> {
    if line.contains("INV-") {
        return Some("INV-");
    }
    let spans = line.split('`').skip(1).step_by(2);
    spans.into_iter().find(|span| {
        let path = span.trim_start_matches("gc_core::");
        let module = path.trim_start_matches("crate::").split("::").next().unwrap_or_default();
        let is_module = LAYERS.iter().any(|layer| layer.contains(&module));
        let is_source = span.ends_with(".rs") && !span.contains("examples/");
        is_source || (is_module && path.contains("::")) || span.starts_with("crate::")
    })
}

#[test]
fn public_documentation_names_nothing_private() {
    let all = sources();
    let exported = crate::items::exported(&all);
    let (mut found, mut seen) = (Vec::new(), 0);
    for source in &all {
        for (number, line) in shown(source, &|name| exported.contains(name)) {
            seen += 1;
            if let Some(name) = private_name(line) {
                found.push(format!("{}:{number}: {name}", source.name));
            }
        }
    }
    let derive = crate::repository().join("gc-derive/src/lib.rs");
    let derive = std::fs::read_to_string(derive).expect("the derive is there");
    let docs = |line: &&str| line.starts_with("//!") || line.trim_start().starts_with("///");
    found.extend(derive.lines().filter(docs).filter_map(private_name).map(str::to_owned));
    assert!(found.is_empty(), "public documentation names what no user can see: {found:#?}");
    assert!(seen > 2000, "only {seen} lines were found");
}

#[test]
fn a_private_name_in_public_documentation_is_found() {
    assert_eq!(private_name("/// Relies on INV-4."), Some("INV-"));
    assert_eq!(private_name("/// See `heap/mod.rs`."), Some("heap/mod.rs"));
    assert_eq!(private_name("/// As [`crate::heap::Space`] does."), Some("crate::heap::Space"));
    assert_eq!(private_name("/// `weak::gate` and more"), Some("weak::gate"));
    assert_eq!(private_name("/// A `Gc::new` or `std::sync::Arc`; `examples/tasks.rs`."), None);
    let text = "//! No.\n/// One.\n#[derive(Debug)]\npub struct A {\n    /// Two.\n    pub a: u8,\n    \
                /// No.\n    b: u8,\n}\n/// No.\nstruct B;\nimpl A {\n    /// Three.\n    pub fn f() {\
                }\n    /// No.\n    fn g() {}\n    /// No.\n    #[doc(hidden)]\n    pub fn h() {}\n}\n\
                #[doc(hidden)]\nimpl A {\n    /// No.\n    pub fn i() {}\n}\n\
                /// Four.\npub enum E {\n    /// Five.\n    One,\n}\n";
    let source = Source { name: "a.rs".into(), text: text.into() };
    let lines: Vec<&str> =
        shown(&source, &|name| ["A", "E"].contains(&name)).iter().map(|line| line.1).collect();
    assert_eq!(lines, ["/// One.", "/// Two.", "/// Three.", "/// Four.", "/// Five."]);
}

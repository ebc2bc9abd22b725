//! Every public item has documentation, and an example that uses it: its own, its type's, or one in
//! its file.

use crate::{Source, has_word, sources};
use std::collections::{BTreeMap, BTreeSet};

/// Items that need no example: what they do is their name.
const OBVIOUS: &[&str] = &[
    "CollectionPause", // the guard of `Heap::pause_collection`, which has one
    "OnPressure",      // the guard of `Heap::on_pressure`
];

/// A public item and its documentation.
#[derive(Debug)]
struct Item {
    /// `Type` or `Type::method`.
    name: String,
    file: String,
    doc: Vec<String>,
}

impl Item {
    /// The type that the item is of, or the item's own name.
    fn owner(&self) -> &str {
        self.name.split("::").next().unwrap_or_default()
    }
    /// The lines of the examples.
    fn examples(&self) -> impl Iterator<Item = &str> {
        let mut is_code = false;
        self.doc.iter().map(String::as_str).filter(move |line| {
            let fence = line.starts_with("```");
            is_code ^= fence;
            is_code && !fence
        })
    }
}

/// The names that `lib.rs` exports.
pub(crate) fn exported(all: &[Source]) -> BTreeSet<String> {
    let lib = all.iter().find(|source| source.name == "lib.rs").expect("there is a root");
    let mut names = BTreeSet::new();
    for statement in lib.text.split("\npub use ").skip(1) {
        let path = statement.split(';').next().unwrap_or_default();
        let last = path.rsplit("::").next().unwrap_or_default();
        let list = path.split_once('{').map_or(last, |(_, list)| list.trim_end_matches('}'));
        names.extend(list.split(',').map(|name| name.trim().to_string()));
    }
    names.remove("");
    names
}

/// The type of an inherent `impl`; none for an impl of a trait.
pub(crate) fn type_of_impl(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("impl")?;
    let mut depth = 0;
    let end = rest.char_indices().find(|(at, c)| {
        match c {
            '<' => depth += 1,
            '>' if !rest[..*at].ends_with('-') => depth -= 1,
            _ => {}
        }
        depth == 0 && *c != '>'
    })?;
    let of = rest[end.0..].trim_start();
    let is_trait = of.split(" where").next()?.replace("for<", "").contains(" for ");
    let name_end = of.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')?;
    (!is_trait).then_some(&of[..name_end])
}

/// The name behind `pub fn`, `pub struct` and their like.
fn named(line: &str) -> Option<(&str, &str)> {
    let mut rest = line.trim_start().strip_prefix("pub ")?;
    for word in ["const ", "unsafe "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let (kind, rest) = rest.split_once(' ')?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    ["fn", "struct", "enum", "trait"].contains(&kind).then_some((kind, &rest[..end]))
}

/// The public items of a file.
fn items_of(source: &Source, exported: &BTreeSet<String>) -> Vec<Item> {
    let (mut items, mut doc, mut of) = (Vec::new(), Vec::new(), String::new());
    let (mut is_hidden, mut in_attribute) = (false, false);
    for line in source.body() {
        let trimmed = line.trim();
        if in_attribute {
            in_attribute = !trimmed.ends_with(")]");
            continue;
        }
        if let Some(text) = trimmed.strip_prefix("///") {
            doc.push(text.trim_start().to_string());
            continue;
        }
        if trimmed.starts_with("#[") {
            is_hidden |= trimmed.contains("doc(hidden)");
            if let Some((_, text)) = trimmed.split_once("doc = concat!(\"") {
                doc.push(text.to_string());
            }
            in_attribute = !trimmed.ends_with(']');
            continue;
        }
        if trimmed.starts_with("impl") {
            of = type_of_impl(line).unwrap_or_default().to_string();
        }
        let is_public = exported.contains(&of) || of.starts_with('$');
        match named(line) {
            Some((_, name)) if name.starts_with("__") => {}
            Some(("fn", name)) if is_public && line.starts_with(' ') && !is_hidden => {
                let name = format!("{of}::{name}");
                items.push(Item { name, file: source.name.clone(), doc: doc.clone() });
            }
            Some((kind, name)) if kind != "fn" && exported.contains(name) => {
                let (name, file) = (name.to_string(), source.name.clone());
                items.push(Item { name, file, doc: doc.clone() });
            }
            _ => {}
        }
        doc.clear();
        is_hidden = false;
    }
    items
}

#[test]
fn every_public_item_has_an_example() {
    let all = sources();
    let exported = exported(&all);
    assert!(exported.contains("Gc") && exported.contains("AllocReason"), "{exported:?}");
    let items: Vec<Item> = all.iter().flat_map(|source| items_of(source, &exported)).collect();
    assert!(items.len() > 180, "only {} were found", items.len());
    let mut examples: BTreeMap<&str, String> = BTreeMap::new();
    for item in &items {
        for of in [item.owner(), &item.file] {
            examples.entry(of).or_default().extend(item.examples());
        }
    }
    let mut without = Vec::new();
    for item in &items {
        assert!(!item.doc.is_empty(), "{}: {} has no documentation", item.file, item.name);
        let (_, name) = item.name.split_once("::").unwrap_or(("", ""));
        let calls = [".", "::"].map(|dot| [format!("{dot}{name}("), format!("{dot}{name}::<")]);
        let places = [&examples[item.owner()], &examples[item.file.as_str()]];
        let is_called =
            calls.iter().flatten().any(|call| places.iter().any(|text| text.contains(call)));
        // A type counts as used where an example beside it names it.
        let is_used = if name.is_empty() { has_word(places[1], item.owner()) } else { is_called };
        let has_own = item.examples().next().is_some();
        if !has_own && !is_used && !OBVIOUS.contains(&item.name.as_str()) {
            without.push(format!("{}: {}", item.file, item.name));
        }
    }
    assert!(without.is_empty(), "without an example:\n{}", without.join("\n"));
    let is_there = |name: &&&str| items.iter().any(|item| item.name == ***name);
    let gone: Vec<_> = OBVIOUS.iter().filter(|name| !is_there(name)).collect();
    assert!(gone.is_empty(), "on the list and gone: {gone:?}");
}

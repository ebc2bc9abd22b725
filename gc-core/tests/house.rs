//! The house rules that can be read off the source: cited invariants, headers, lengths, where
//! `unsafe` is, which way files import, which words comments, messages and documents avoid.
//! `docs/ARCHITECTURE.md`, `docs/INVARIANTS.md` and `CONTRIBUTING.md` state them.

#[path = "common/renew.rs"]
mod renew;
#[path = "common/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "house/documents.rs"]
mod documents;
#[path = "house/faults.rs"]
mod faults;
#[path = "house/index.rs"]
mod index;
#[path = "house/inventories.rs"]
mod inventories;
#[path = "house/items.rs"]
mod items;
#[path = "house/names.rs"]
mod names;
#[path = "house/signatures.rs"]
mod signatures;

/// Lines of a file, with its tests.
const CEILING: usize = 600;

/// Files that may hold `unsafe`. A new entry needs a reason in its change.
const UNSAFE: &[&str] = &[
    "handshake/registry.rs",
    "heap/asan.rs",
    "heap/cache.rs",
    "heap/mod.rs",
    "heap/object.rs",
    "heap/os.rs",
    "heap/poison.rs",
    "heap/tables.rs",
    "weak/follow.rs",
    "mark/ring.rs",
    "roots.rs",
    "mark/worker/mod.rs",
    "mark/worker/open_span.rs",
    "api/heap.rs",
    "api/mutation.rs",
    "api/mutator.rs",
    "mutator/mod.rs",
    "mutator/shared.rs",
    "mutator/alloc.rs",
    "mutator/barrier.rs",
    "mutator/kept.rs",
    "mutator/place.rs",
    "observe/clock.rs",
    "observe/note.rs",
    "observe/site.rs",
    "pointers/any.rs",
    "pointers/by_address.rs",
    "platform/barrier.rs",
    "platform/memory.rs",
    "platform/process.rs",
    "platform/stack.rs",
    "platform/thread.rs",
    "platform/windows.rs",
    "pointers/cell.rs",
    "pointers/dynamic.rs",
    "pointers/ephemeron.rs",
    "pointers/external.rs",
    "pointers/gc.rs",
    "pointers/guarded.rs",
    "pointers/leaf.rs",
    "pointers/mapped.rs",
    "pointers/root.rs",
    "pointers/weak.rs",
    "pointers/weak_map.rs",
    "snapshot/mod.rs",
    "weak/ephemeron.rs",
    "sweep/mod.rs",
    "weak/gate.rs",
    "sync/mod.rs",
    "trace/mod.rs",
    "trace/naming.rs",
    "trace/std_impls.rs",
    "verify.rs",
];

/// The layers, from the bottom. A file imports from lower layers and from its own folder. The first
/// two are layer 0 of `ARCHITECTURE.md`: `error`, `platform` and `word` know nothing.
const LAYERS: [&[&str]; 13] = [
    &["error", "platform", "word"],
    &["sync", "config"],
    &["trace", "handshake", "control", "desk", "pacing", "observe", "ageing"],
    &["heap", "graph", "private"],
    &["mark", "sweep", "roots"],
    &["weak"],
    &["mutator"],
    &["snapshot"],
    &["collector", "verify"],
    &["api"],
    &["inspect"],
    &["pointers", "pool"],
    &["export", "model"],
];

/// What only some files may name: the text, and the files.
const ONLY_IN: [(&str, &[&str]); 19] = [
    (
        "std::sync::atomic",
        &[
            "sync/mod.rs",
            "sync/fence.rs",
            "sync/schedule.rs",
            "sync/stepped.rs",
            "mutator/mod.rs",
            "platform/process.rs",
            "trace/std_impls.rs",
        ],
    ),
    ("use std::sync;", &["sync/locks.rs"]),
    ("std::sync::Mutex", &[]),
    ("std::sync::RwLock", &[]),
    ("std::sync::Condvar", &[]),
    ("std::sync::OnceLock", &["sync/mod.rs", "platform/process.rs"]),
    ("parking_lot", &[]),
    ("loom::", &["sync/fence.rs", "sync/model.rs"]),
    ("shuttle::", &["sync/schedule.rs"]),
    ("libc::m", &["platform/memory.rs", "platform/process.rs"]),
    (
        "libc::",
        &[
            "platform/barrier.rs",
            "platform/memory.rs",
            "platform/process.rs",
            "platform/stack.rs",
            "platform/thread.rs",
        ],
    ),
    ("std::alloc::", &["trace/std_impls.rs"]),
    // The exporters' crates stay on the top floor.
    // (`observe` has a module of that name.)
    ("use metrics::", &["export/facade.rs", "observe/mod.rs"]),
    ("prometheus_client", &["export/prometheus.rs"]),
    ("framehop::", &["export/profile/stack.rs"]),
    ("inferno::", &["export/profile/flame.rs"]),
    ("prost::", &["export/profile/pprof.rs"]),
    ("linregress", &["export/attribution.rs"]),
    ("httparse", &["export/server/request.rs"]),
];

struct Source {
    /// Below `src/`, with slashes.
    name: String,
    text: String,
}

impl Source {
    /// The first part of the path, which is the module under the crate's root.
    fn module(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }
    /// The lines before the unit tests.
    fn body(&self) -> impl Iterator<Item = &str> {
        self.text.lines().take_while(|line| !line.ends_with("mod tests {"))
    }
    /// The same without comments.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.body().map(|line| line.split("//").next().unwrap_or_default())
    }
}

/// The files below `root` whose names end with `.extension`, without what cargo builds.
fn files(root: &Path, extension: &str) -> Vec<Source> {
    fn walk(dir: &Path, extension: &str, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).expect("the source folder can be read") {
            let path = entry.expect("its entries can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_built = name == "target" || name.starts_with('.');
            if path.is_dir() && !is_built {
                walk(&path, extension, out);
            } else if path.extension().is_some_and(|e| e == extension) {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(root, extension, &mut paths);
    paths.sort();
    let source = |path: PathBuf| {
        let below = path.strip_prefix(root).expect("found below the root");
        let name = below.to_string_lossy().replace('\\', "/");
        Source { name, text: fs::read_to_string(&path).expect("a source is text") }
    };
    paths.into_iter().map(source).collect()
}

fn sources() -> Vec<Source> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "rs")
}

/// The repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn doc(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    fs::read_to_string(path).expect("the document is there")
}

/// The numbers in `INV-n`.
fn invariants(text: &str) -> BTreeSet<u32> {
    let number = |rest: &str| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    text.split("INV-").skip(1).filter_map(number).collect()
}

/// Whether `word` occurs in `line` as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

#[test]
fn every_invariant_is_written_and_cited() {
    // The number of a row is its first cell; a row may mention others.
    let own: BTreeSet<u32> = doc("INVARIANTS.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| INV-"))
        .filter_map(|rest| rest.split(' ').next()?.parse::<u32>().ok())
        .collect();
    assert!(!own.is_empty(), "INVARIANTS.md has no rows");
    let mut cited = BTreeSet::new();
    for source in sources() {
        let here = invariants(&source.text);
        let unknown: Vec<_> = here.difference(&own).collect();
        assert!(unknown.is_empty(), "{} cites INV-{unknown:?}, not in INVARIANTS.md", source.name);
        cited.extend(here);
    }
    let silent: Vec<_> = own.difference(&cited).collect();
    assert!(silent.is_empty(), "INVARIANTS.md has INV-{silent:?}, which no code cites");
}

#[test]
fn every_file_has_a_header_and_a_bounded_length() {
    for source in sources() {
        let start = source.text.trim_start_matches("#![forbid(unsafe_code)]\n");
        assert!(start.starts_with("//! "), "{} does not say what it is", source.name);
    }
    for folder in ["src", "tests", "examples", "../benches", "../gc-derive", "../loom-tests"] {
        for source in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "rs") {
            let lines = source.text.lines().count();
            assert!(lines <= CEILING, "{folder}/{} has {lines} lines: split it", source.name);
        }
    }
}

#[test]
fn unsafe_is_where_the_list_says() {
    let all = sources();
    for source in &all {
        // The tests too: `text`, not `code`.
        let mut lines = source.text.lines().map(|l| l.split("//").next().unwrap_or_default());
        let has = lines.any(|line| has_word(line, "unsafe"));
        let listed = UNSAFE.contains(&source.name.as_str());
        assert_eq!(has, listed, "{}: has `unsafe`, is on the list", source.name);
    }
    for name in UNSAFE {
        assert!(all.iter().any(|source| source.name == *name), "{name} is on the list and gone");
    }
}

#[test]
fn imports_point_down() {
    for source in sources().iter().filter(|source| source.name != "lib.rs") {
        let module = source.module();
        let own = layer(module).unwrap_or_else(|| panic!("{} is in no layer", source.name));
        for line in source.code() {
            // `$crate::` is the user's side of a macro.
            for part in line.replace("$crate::", "").split("crate::").skip(1) {
                let end = part.find(|c: char| !c.is_alphanumeric() && c != '_');
                let target = &part[..end.unwrap_or(part.len())];
                let Some(below) = layer(target) else { continue };
                // The second marker is beside the collector, which alone calls it.
                let is_beside = target == "verify" && module == "collector";
                assert!(
                    target == module || below < own || is_beside,
                    "{} imports {target}, which is not below it",
                    source.name
                );
            }
        }
    }
}

#[test]
fn primitives_come_through_one_door() {
    for source in sources() {
        for (text, files) in ONLY_IN {
            let found = source.code().any(|line| line.contains(text));
            let allowed = files.contains(&source.name.as_str());
            assert!(!found || allowed, "{} names {text}", source.name);
        }
    }
}

/// Crates that ours is made of: no type of theirs may show, except where a feature allows it.
const INSIDE: [&str; 5] =
    ["crossbeam_deque", "memmap2", "libc", "hdrhistogram", "prometheus_client"];
const SHOWN_BY_FEATURES: [&str; 2] = [
    "impl From<&Histogram> for hdrhistogram::Histogram<u64> {",
    // Of a private type.
    "impl Collector for Scrape {",
];

#[test]
fn no_type_of_a_dependency_shows() {
    /// What a line of `use` takes from a crate.
    fn taken<'a>(line: &'a str, name: &str) -> Vec<&'a str> {
        let Some(rest) = line.trim().strip_prefix(&format!("use {name}::")) else { return vec![] };
        let words = rest.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with(char::is_uppercase)).collect()
    }
    for source in sources() {
        let mut hidden = INSIDE.to_vec();
        for line in source.code() {
            hidden.extend(INSIDE.iter().flat_map(|name| taken(line, name)));
        }
        for line in source.code().map(str::trim) {
            // Of a signature over several lines the first one is read, and the rest by
            // `private_interfaces` and review.
            let is_public = line.starts_with("pub ") && !line.starts_with("pub mod ");
            let is_impl = line.starts_with("impl") || line.starts_with("type ");
            if (is_public || is_impl) && !SHOWN_BY_FEATURES.contains(&line) {
                let shown = hidden.iter().find(|name| has_word(line, name));
                assert!(shown.is_none(), "{}: {line} shows {shown:?}", source.name);
            }
        }
    }
}

/// A public function that can panic names its caller's line (`tests/locations.rs` looks at each).
#[test]
fn what_says_that_it_panics_names_its_caller() {
    let mut seen = 0;
    for source in sources() {
        let mut lines = source.body().map(str::trim);
        while lines.any(|line| line == "/// # Panics") {
            let item: Vec<&str> =
                lines.by_ref().take_while(|line| !line.contains("pub fn ")).collect();
            let tracked = item.contains(&"#[track_caller]");
            assert!(tracked, "{}: {:?} panics where it is", source.name, item.first());
            seen += 1;
        }
    }
    assert!(seen >= 14, "only {seen} were found");
}

#[test]
fn the_map_names_every_module() {
    let map = doc("ARCHITECTURE.md");
    for source in sources() {
        let file = source.name.rsplit('/').next().unwrap_or_default();
        assert!(map.contains(file), "ARCHITECTURE.md does not mention {}", source.name);
    }
    assert!(map.lines().count() <= 300, "the map is longer than 300 lines");
}

/// Rows of STEPS.md are "| step | `names of the model` | file | `functions` |".
#[test]
fn every_step_of_the_model_names_what_is_there() {
    fn names(cell: &str) -> impl Iterator<Item = &str> {
        cell.split('`').skip(1).step_by(2)
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/model");
    let model: String = fs::read_dir(folder)
        .expect("the model's folder can be read")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "pml"))
        .map(|path| fs::read_to_string(path).expect("a model is text"))
        .collect();
    let all = sources();
    let mut rows = 0;
    for line in doc("model/STEPS.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, _, labels, file, functions, _] = cells[..] else { continue };
        if !file.ends_with(".rs") {
            continue;
        }
        rows += 1;
        for label in names(labels) {
            assert!(has_word(&model, label), "{label} is in no .pml file");
        }
        let source = all.iter().find(|source| source.name == file);
        let source = source.unwrap_or_else(|| panic!("there is no {file}"));
        for name in names(functions) {
            let (owner, function) = name.rsplit_once("::").unwrap_or(("", name));
            let start = format!("fn {function}");
            let is_there = source.code().any(|line| {
                line.split(&start).nth(1).is_some_and(|rest| {
                    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                })
            });
            assert!(is_there, "{name} is not in {file}");
            let is_owned =
                source.code().any(|line| line.starts_with("impl") && has_word(line, owner));
            assert!(owner.is_empty() || is_owned, "{file} has no impl of {owner}");
        }
    }
    assert!(rows > 40, "only {rows} rows were read");
}

/// What each file of a folder imports from the files beside it: by `super::`, or by its path.
/// `mod.rs` is the folder's face, and counts with neither side.
fn imports_beside(folder: &str, files: &[(String, String)]) -> Vec<(String, Vec<String>)> {
    let prefixes = ["super::".to_owned(), format!("crate::{folder}::"), format!("{folder}::")];
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let of = |(name, code): &(String, String)| {
        // A list in braces is taken apart, so that each name has its prefix.
        let mut found: Vec<String> = Vec::new();
        for prefix in prefixes.iter().filter(|prefix| prefix.len() > 2) {
            for rest in code.split(prefix.as_str()).skip(1) {
                let list = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let part =
                    list.map_or_else(|| rest.split([';', ',']).next(), |(list, _)| Some(list));
                let part = part.unwrap_or_default();
                let words = part.split(|c: char| !c.is_alphanumeric() && c != '_');
                let first = if list.is_some() { usize::MAX } else { 1 };
                let beside = words.take(first).filter(|word| names.contains(word) && word != name);
                found.extend(beside.map(str::to_owned));
            }
        }
        (name.clone(), found)
    };
    files.iter().map(of).collect()
}

/// Files that lead back to themselves.
fn ring(imports: &[(String, Vec<String>)]) -> Option<String> {
    let next = |name: &str| {
        imports.iter().find(|(own, _)| own == name).map_or(&[][..], |(_, beside)| beside)
    };
    imports.iter().map(|(name, _)| name).find_map(|start| {
        let mut seen: Vec<&str> = vec![];
        let mut left: Vec<&str> = next(start).iter().map(String::as_str).collect();
        while let Some(name) = left.pop() {
            if name == start {
                return Some(start.clone());
            }
            if !seen.contains(&name) {
                seen.push(name);
                left.extend(next(name).iter().map(String::as_str));
            }
        }
        None
    })
}

#[test]
fn no_folder_has_a_ring() {
    let all = sources();
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    folders.extend(all.iter().filter_map(|source| Some(source.name.split_once('/')?.0)));
    for folder in folders {
        let here = |source: &&Source| source.name.starts_with(&format!("{folder}/"));
        let file = |source: &Source| {
            let name = source.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
            (name.to_owned(), source.code().collect::<Vec<_>>().join("\n"))
        };
        let mut files: Vec<_> = all.iter().filter(here).map(file).collect();
        files.retain(|(name, _)| name != "mod");
        let ring = ring(&imports_beside(folder, &files));
        assert_eq!(ring, None, "{folder}/ has a ring of imports");
    }
    let derive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gc-derive/src");
    let mut files = Vec::new();
    for entry in fs::read_dir(derive).expect("the derive's folder can be read") {
        let path = entry.expect("its entries can be read").path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a source is text");
        let code: Vec<&str> =
            text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
        if name != "lib" {
            // In a crate without folders, siblings are `crate::name`.
            files.push((name, code.join("\n").replace("crate::", "super::")));
        }
    }
    assert_eq!(ring(&imports_beside("", &files)), None, "gc-derive has a ring of imports");
}

/// The files that the header of a `mod.rs` lists after "Files, lowest first:".
fn stated_order(header: &str) -> Vec<String> {
    let text: Vec<&str> = header.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let text = text.join(" ");
    let list = text.split_once("Files, lowest first:").map_or("", |(_, list)| list);
    let list = list.split('.').next().unwrap_or_default();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The first file that imports one which the list does not have below it.
fn out_of_order(order: &[String], imports: &[(String, Vec<String>)]) -> Option<String> {
    let at = |name: &String| order.iter().position(|listed| listed == name);
    imports.iter().find_map(|(name, beside)| {
        let above = beside.iter().find(|other| at(other) >= at(name))?;
        Some(format!("{name} imports {above}"))
    })
}

#[test]
fn each_folder_states_the_order_of_its_files() {
    let all = sources();
    let folder_of =
        |source: &Source| source.name.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let folders: BTreeSet<String> = all.iter().filter_map(folder_of).collect();
    let mut checked = 0;
    for folder in folders {
        let here = all.iter().filter(|source| folder_of(source).as_ref() == Some(&folder));
        let (faces, files): (Vec<_>, Vec<_>) = here.partition(|s| s.name.ends_with("/mod.rs"));
        if files.len() < 2 {
            continue;
        }
        let name =
            |source: &Source| source.name.rsplit(['/', '.']).nth(1).unwrap_or_default().to_owned();
        let code = |source: &Source| source.code().collect::<Vec<_>>().join("\n");
        let files: Vec<_> = files.into_iter().map(|source| (name(source), code(source))).collect();
        let face = faces.first().unwrap_or_else(|| panic!("{folder}/ has no mod.rs"));
        let order = stated_order(face.text.trim_start_matches("#![forbid(unsafe_code)]\n"));
        let listed: BTreeSet<&String> = order.iter().collect();
        let there: BTreeSet<&String> = files.iter().map(|(name, _)| name).collect();
        assert_eq!(listed, there, "{folder}/mod.rs: \"Files, lowest first:\"");
        let imports = imports_beside(&folder.replace('/', "::"), &files);
        assert_eq!(out_of_order(&order, &imports), None, "{folder}/");
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} folders were checked");
}

#[test]
fn an_order_that_is_broken_is_found() {
    let order = stated_order("//! Files, lowest first: `a`,\n//! `b`. And `c`.\nuse x;");
    assert_eq!(order, ["a", "b"]);
    let file = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let files = [file("a", ""), file("b", "use super::a::A;")];
    assert_eq!(out_of_order(&order, &imports_beside("x", &files)), None);
    let files = [file("a", "use crate::x::b;"), file("b", "")];
    let found = out_of_order(&order, &imports_beside("x", &files));
    assert_eq!(found.as_deref(), Some("a imports b"));
}

#[test]
fn a_ring_is_found() {
    let file = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let mut files = vec![
        file("a", "use super::b::B;"),
        file("b", "use crate::x::{c::C, d};"),
        file("c", "fn f() {}"),
    ];
    assert_eq!(ring(&imports_beside("x", &files)), None);
    files[2].1 = "fn f() { super::a::g() }".to_owned();
    assert_eq!(ring(&imports_beside("x", &files)).as_deref(), Some("a"));
}

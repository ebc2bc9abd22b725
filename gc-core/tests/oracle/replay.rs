//! The corpus of the fuzz target, on the stable toolchain. `GC_REPLAY=file` plays that file (or all
//! files of that folder) instead, `GC_REPEAT=n` times (3), since the collector's progress differs
//! from run to run. Relative paths start here or in the workspace's root.

use crate::number;
use crate::repository;
use crate::world::script::{Summary, play};
use std::fs;
use std::path::{Path, PathBuf};

/// The files at `path`, in order of their names.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_path_buf()];
    }
    let entries = fs::read_dir(path).expect("the folder can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn replay() {
    let asked = std::env::var_os("GC_REPLAY").map(PathBuf::from);
    let path = match &asked {
        Some(path) if path.exists() => path.clone(),
        _ => {
            let Some(root) = repository::root("replay") else { return };
            root.join(asked.as_deref().unwrap_or(Path::new("fuzz/corpus/heap")))
        }
    };
    let files = files(&path);
    let mut all = Summary::default();
    for _ in 0..number("GC_REPEAT").unwrap_or(3) {
        for file in &files {
            // The last line of a failure's output is what to replay.
            println!("GC_REPLAY={}", file.display());
            if asked.is_some() {
                eprintln!("replay: {}", file.display());
            }
            let one = play(&fs::read(file).expect("the file can be read"));
            all.objects += one.objects;
            all.cycles += one.cycles;
            all.switches += one.switches;
            all.guarded += one.guarded;
            all.panics += one.panics;
            all.drop_panics += one.drop_panics;
        }
    }
    eprintln!("replay: {} files: {all:?}", files.len());
    if asked.is_none() {
        // The corpus still means something to the interpreter.
        assert!(files.len() >= 20);
        assert!(all.objects > 500 && all.cycles > 100 && all.switches > 50);
        assert!(all.guarded > 5 && all.panics > 5 && all.drop_panics > 5);
    }
}

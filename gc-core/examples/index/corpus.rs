//! The files: found, read once, and revised by a fixed plan.
//!
//! The texts stay in ordinary memory, so that a file which changes on disk meanwhile cannot upset
//! the check at the end. The plan is a function of a file and a round, and gives the contents of
//! every file in each round. Writers and the sequential check read the same plan and share nothing
//! else.

use crate::token::{self, Counts, mix};
use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Larger files are skipped: they are data.
const LARGEST: u64 = 4 << 20;
/// Files beyond this much text are skipped, so that a huge folder does not fill the memory.
const TOTAL: u64 = 512 << 20;
/// How many skipped files are named in the report.
const NAMED: usize = 5;

/// One text file.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: Box<str>,
}

/// All text files below some folders, and what was left out.
#[derive(Default)]
pub(crate) struct Corpus {
    pub(crate) files: Vec<File>,
    pub(crate) bytes: u64,
    pub(crate) skipped: Skipped,
}

/// How many files were not read, by reason.
#[derive(Default)]
pub(crate) struct Skipped {
    pub(crate) unreadable: u64,
    pub(crate) binary: u64,
    pub(crate) huge: u64,
    pub(crate) over_total: u64,
    pub(crate) special: u64,
    /// The first few unreadable and huge ones.
    pub(crate) named: Vec<String>,
}

impl Skipped {
    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.unreadable += 1;
        self.name(path, &error.to_string());
    }

    fn name(&mut self, path: &Path, why: &str) {
        if self.named.len() < NAMED {
            self.named.push(format!("{}: {why}", path.display()));
        }
    }
}

impl Corpus {
    /// Reads every text file below `roots`, in the order of their names; calls `tick` after each
    /// file.
    pub(crate) fn read(roots: &[PathBuf], mut tick: impl FnMut(&Corpus)) -> Corpus {
        let mut corpus = Corpus::default();
        // A stack of our own: folders may be nested deeper than the thread's stack allows.
        let mut folders: Vec<PathBuf> = roots.iter().rev().cloned().collect();
        while let Some(folder) = folders.pop() {
            let entries =
                match fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
                    Ok(entries) => entries,
                    Err(error) => {
                        corpus.skipped.unreadable(&folder, &error);
                        continue;
                    }
                };
            let mut paths: Vec<_> = entries.iter().map(|e| (e.path(), e.file_type())).collect();
            paths.sort_by(|a, b| b.0.cmp(&a.0));
            let below = folders.len();
            for (path, kind) in paths.into_iter().rev() {
                match kind {
                    Err(error) => corpus.skipped.unreadable(&path, &error),
                    // Symbolic links are not followed: they may lead in circles or out of the
                    // folder.
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => corpus.add(&path),
                    Ok(_) => corpus.skipped.special += 1,
                }
                tick(&corpus);
            }
            folders[below..].reverse();
        }
        corpus
    }

    fn add(&mut self, path: &Path) {
        let mut bytes = Vec::new();
        // One byte more than is allowed tells a huge file from one that just fits; its size alone
        // would not, because it may grow.
        let read = fs::File::open(path).and_then(|f| f.take(LARGEST + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return self.skipped.unreadable(path, &error);
        }
        if bytes.len() as u64 > LARGEST {
            self.skipped.huge += 1;
            return self.skipped.name(path, "larger than 4 MiB");
        }
        if bytes.contains(&0) {
            self.skipped.binary += 1;
            return;
        }
        let Ok(text) = String::from_utf8(bytes) else {
            self.skipped.binary += 1;
            return;
        };
        if self.bytes + text.len() as u64 > TOTAL || self.files.len() == u32::MAX as usize {
            self.skipped.over_total += 1;
            return;
        }
        self.bytes += text.len() as u64;
        self.files.push(File { path: path.display().to_string(), text: text.into() });
    }

    /// Which file the job number `job` revises, and to which revision. Every round has each file
    /// once. Odd rounds run backwards, so that around a turn two writers meet at the same file.
    pub(crate) fn job(&self, job: usize) -> (u32, u32) {
        let (round, at) = (job / self.files.len(), job % self.files.len());
        let file = if round.is_multiple_of(2) { at } else { self.files.len() - 1 - at };
        (file as u32, round as u32)
    }

    /// The last revision of `file` once the jobs `0..jobs` are done.
    pub(crate) fn last_revision(&self, file: u32, jobs: usize) -> Option<u32> {
        let rounds = jobs.div_ceil(self.files.len());
        let done = |round: &usize| {
            let at = if round.is_multiple_of(2) {
                file as usize
            } else {
                self.files.len() - 1 - file as usize
            };
            round * self.files.len() + at < jobs
        };
        (0..rounds).rev().find(done).map(|round| round as u32)
    }

    /// The terms of a revision; `None` if it drops the document.
    ///
    /// Revision 0 is the file. Every later one drops the document (one in eight) or replaces it. A
    /// replacement cuts a part of the text out, and adds two terms of its own.
    pub(crate) fn terms(&self, file: u32, revision: u32) -> Option<Counts> {
        let text = &self.files[file as usize].text;
        let mut counts = Counts::new();
        if revision == 0 {
            token::count(text, &mut counts);
            return Some(counts);
        }
        let dice = mix(u64::from(file) << 32 | u64::from(revision));
        if dice.is_multiple_of(8) {
            return None;
        }
        let cut = cut(text, dice);
        token::count(&text[..cut.start], &mut counts);
        token::count(&text[cut.end..], &mut counts);
        token::count(&format!("revision{revision}of{file} cut{}", cut.start), &mut counts);
        Some(counts)
    }
}

/// A part of `text`, at most half of it, between characters.
fn cut(text: &str, dice: u64) -> Range<usize> {
    let from = (dice >> 8) as usize % (text.len() + 1);
    let len = (dice >> 32) as usize % (text.len() / 2 + 1);
    floor(text, from)..floor(text, from + len)
}

/// The last place at or before `at` that is between two characters of `text`.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(texts: &[&str]) -> Corpus {
        let file = |(i, text): (usize, &&str)| File { path: format!("f{i}"), text: (*text).into() };
        Corpus { files: texts.iter().enumerate().map(file).collect(), ..Corpus::default() }
    }

    #[test]
    fn every_round_has_every_file_once() {
        let corpus = corpus(&["a", "b", "c"]);
        let jobs: Vec<_> = (0..9).map(|job| corpus.job(job)).collect();
        assert_eq!(jobs[..4], [(0, 0), (1, 0), (2, 0), (2, 1)]);
        assert_eq!(jobs[6..], [(0, 2), (1, 2), (2, 2)]);
    }

    #[test]
    fn the_last_revision_is_that_of_the_last_job() {
        let corpus = corpus(&["a", "b", "c"]);
        for jobs in 0..12 {
            let mut last = [None; 3];
            for (file, revision) in (0..jobs).map(|job| corpus.job(job)) {
                last[file as usize] = Some(revision);
            }
            for file in 0..3 {
                assert_eq!(corpus.last_revision(file, jobs), last[file as usize], "{jobs} {file}");
            }
        }
    }

    #[test]
    fn cuts_lie_between_characters() {
        let texts = ["", "x", "größe 東京 été", &"я".repeat(100)];
        for text in texts {
            for dice in 0..200 {
                let cut = cut(text, mix(dice));
                assert!(text.is_char_boundary(cut.start) && text.is_char_boundary(cut.end));
                assert!(cut.start <= cut.end);
            }
        }
    }

    #[test]
    fn revisions_differ_and_repeat() {
        let corpus = corpus(&["one two three four five six"]);
        assert_eq!(corpus.terms(0, 0).unwrap().len(), 6);
        assert!((1..100).any(|revision| corpus.terms(0, revision).is_none()));
        for revision in 1..20 {
            assert_eq!(corpus.terms(0, revision), corpus.terms(0, revision));
        }
    }
}

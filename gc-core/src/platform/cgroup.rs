#![forbid(unsafe_code)]
//! The memory that the process's cgroup allows, and how much of it the process takes. The limit of
//! a container does not show in the system's total.
//!
//! A process is in one group of each hierarchy, and every group above it limits it too: the
//! smallest limit holds. Version 2 has one hierarchy and writes `max` for no limit. Version 1 has
//! one for memory and writes a number close to 2^63. Where version 2 sets `memory.high` as well,
//! the smaller one counts: above it the system slows the process down until it stands still. A
//! limit may change at any time, so callers read it again.

use std::fs;
use std::path::{Path, PathBuf};

/// A limit at or above this counts as none.
const NO_LIMIT: u64 = 1 << 60;

/// Returns the bytes that the cgroup of this process allows; `None` if there is no limit, or no
/// cgroup.
pub(crate) fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_of(Path::new("/sys/fs/cgroup"), &groups)
}

/// Returns the bytes of anonymous memory that this process takes; 0 where the system does not
/// report it.
pub(crate) fn taken() -> u64 {
    fs::read_to_string("/proc/self/status").map_or(0, |status| taken_of(&status))
}
fn taken_of(status: &str) -> u64 {
    let kib = status.lines().find_map(|line| {
        let kib = line.strip_prefix("RssAnon:")?.trim().strip_suffix("kB")?;
        kib.trim().parse::<u64>().ok()
    });
    kib.unwrap_or(0).saturating_mul(1024)
}

/// Returns the limit of a process whose `/proc/self/cgroup` reads `groups`, with the hierarchies
/// mounted below `root`.
fn limit_of(root: &Path, groups: &str) -> Option<u64> {
    groups.lines().filter_map(|line| smallest(root, line)).min()
}

/// Returns the smallest limit from the group of one line (`hierarchy:controllers:path`) upwards.
fn smallest(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (mount, files): (PathBuf, &[&str]) = match controllers {
        "" => (root.to_path_buf(), &["memory.max", "memory.high"]),
        some if some.split(',').any(|c| c == "memory") => {
            (root.join("memory"), &["memory.limit_in_bytes"])
        }
        _ => return None,
    };
    let group = PathBuf::from(path.trim_start_matches('/'));
    let limit = |file: PathBuf| -> Option<u64> {
        let text = fs::read_to_string(file).ok()?;
        text.trim().parse().ok().filter(|&bytes| bytes < NO_LIMIT)
    };
    let of_group = |group: &Path| {
        let group = mount.join(group);
        files.iter().filter_map(|file| limit(group.join(file))).min()
    };
    group.ancestors().filter_map(of_group).min()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// A hierarchy of files, which is removed after the test.
    struct Tree(PathBuf);
    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
    fn tree(name: &str, files: &[(&str, &str)]) -> Tree {
        let root = std::env::temp_dir().join(format!("gc-cgroup-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Tree(root)
    }

    #[test]
    fn version_2_takes_the_smallest_of_the_groups_above() {
        let tree = tree(
            "v2",
            &[
                ("a/memory.max", "5000000\n"),
                ("a/b/memory.max", "max\n"),
                ("a/b/c/memory.max", "9000000\n"),
            ],
        );
        assert_eq!(limit_of(&tree.0, "0::/a/b/c\n"), Some(5_000_000));
        assert_eq!(limit_of(&tree.0, "0::/\n"), None);
        assert_eq!(limit_of(&tree.0, "0::/elsewhere\n"), None);
    }

    #[test]
    fn where_the_system_slows_down_is_a_limit_too() {
        let files = [("a/memory.max", "5000000\n"), ("a/memory.high", "4000000\n")];
        let tree = tree("high", &files);
        assert_eq!(limit_of(&tree.0, "0::/a\n"), Some(4_000_000));
        fs::write(tree.0.join("a/memory.high"), "max\n").unwrap();
        assert_eq!(limit_of(&tree.0, "0::/a\n"), Some(5_000_000), "it is read again");
        fs::write(tree.0.join("a/memory.max"), "max\n").unwrap();
        assert_eq!(limit_of(&tree.0, "0::/a\n"), None);
    }

    #[test]
    fn version_1_has_a_hierarchy_for_memory() {
        let tree = tree(
            "v1",
            &[
                ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory/docker/x/memory.limit_in_bytes", "1048576000\n"),
            ],
        );
        let groups = "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n";
        assert_eq!(limit_of(&tree.0, groups), Some(1_048_576_000));
        assert_eq!(limit_of(&tree.0, "4:memory:/\n"), None, "2^63 is no limit");
    }

    #[test]
    fn what_the_process_takes_is_in_kib() {
        assert_eq!(
            taken_of("VmRSS:\t   9 kB\nRssAnon:\t   1204 kB\nRssFile:\t 8 kB\n"),
            1204 << 10
        );
        for nonsense in ["", "RssAnon:", "RssAnon: 5 pages", "RssAnon: -3 kB"] {
            assert_eq!(taken_of(nonsense), 0);
        }
        if cfg!(target_os = "linux") && !cfg!(miri) {
            assert!(taken() > 100 << 10);
        }
    }

    #[test]
    fn nonsense_is_no_limit() {
        let tree = tree("none", &[("a/memory.max", "many\n")]);
        for groups in ["", "0", "0:", "::", "0::/a", "garbage\n0::/a/../b\n"] {
            assert_eq!(limit_of(&tree.0, groups), None, "{groups:?}");
        }
    }
}

//! The settings, each with its unit, default, bounds and reason.

use crate::error::ConfigError;
use crate::platform::cgroup;
use crate::word::{Blocks, Bytes, OnRefusal};
use std::time::Duration;

/// A block: the unit of the page heap. 16 KiB, by measurement (8 KiB is slower everywhere, 32 KiB
/// takes a little more memory).
pub(crate) const BLOCK: usize = 1 << BLOCK_SHIFT;
/// log2 of [`BLOCK`].
pub(crate) const BLOCK_SHIFT: u32 = 14;
/// log2 of the bytes for each bit of a bitmap, which is also the smallest object.
pub(crate) const GRANULE_SHIFT: u32 = 4;
/// Words of a bitmap for each block.
pub(crate) const BLOCK_WORDS: usize = BLOCK >> GRANULE_SHIFT >> 6;

impl Blocks {
    /// Bytes of these blocks.
    pub(crate) const fn bytes(self) -> Bytes {
        Bytes::of(self.size())
    }
    /// The same as a size in memory.
    #[inline(always)]
    pub(crate) const fn size(self) -> usize {
        self.get() * BLOCK
    }
    /// The whole blocks of some bytes.
    pub(crate) const fn within(bytes: Bytes) -> Blocks {
        Blocks::new(bytes.size() / BLOCK)
    }
    /// The blocks that hold some bytes.
    pub(crate) const fn covering(bytes: Bytes) -> Blocks {
        Blocks::new(bytes.size().div_ceil(BLOCK))
    }
}

const MIB: usize = 1 << 20;
/// The smallest reservation that a heap can work in.
pub(crate) const MIN_RESERVE: usize = 16 * MIB;
const USUAL_RESERVE: usize = (64u64 << 30) as usize;
const MAX_RESERVE: usize = (1u64 << 44) as usize;
/// The longest wait of a thread near the hard limit before it tries to allocate.
const STALL: Duration = Duration::from_secs(5);

/// The settings that may change while the heap runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) gc_percent: u32,
    pub(crate) memory_limit: usize,
    pub(crate) heap_limit: usize,
}
/// The smallest stack that surely fits the collector's own frames, and the largest that makes
/// sense.
const MIN_STACK: usize = 128 << 10;
const MAX_STACK: usize = (1u64 << 40) as usize;

/// What is printed on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TraceLevel {
    /// Nothing.
    Off,
    /// A line for each cycle.
    Cycles,
    /// The same, and a line for each handshake.
    Handshakes,
}

impl TraceLevel {
    fn of_environment() -> TraceLevel {
        if is_set("GC_TRACE", 1) {
            TraceLevel::Cycles
        } else if is_set("GC_TRACE", 2) {
            TraceLevel::Handshakes
        } else {
            TraceLevel::Off
        }
    }
}

/// What a heap was built with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Growth over the live bytes until the next cycle should be over, in percent.
    pub(crate) gc_percent: u32,
    /// The goal never falls below this, in bytes.
    pub(crate) min_heap: usize,
    /// Soft limit: the goal never rises above this while the live heap allows it, in bytes.
    pub(crate) memory_limit: usize,
    /// The same, as a percentage of what the process's cgroup allows.
    pub(crate) cgroup_percent: Option<u32>,
    /// Hard limit: blocks in use never exceed this, in bytes.
    pub(crate) heap_limit: usize,
    /// Marker threads; the first is the collector itself.
    pub(crate) markers: usize,
    /// Cores that the process may use.
    pub(crate) cores: usize,
    /// Address space to reserve, in bytes; the default is in `reserve_beside`.
    pub(crate) reserve: Option<usize>,
    pub(crate) gc_trace: TraceLevel,
    /// Threads wait at the start of a pin while the collector marks.
    pub(crate) stop_the_world: bool,
    /// Markers are bound to the last cores.
    pub(crate) pin_markers: bool,
    /// The most bytes a second of free blocks that go back to the system.
    pub(crate) scavenge_rate: usize,
    /// All free memory goes back at once (for the checkers).
    pub(crate) scavenge_all: bool,
    /// How long the program must rest before the collector runs a cycle by itself.
    pub(crate) idle_after: Duration,
    /// The longest wait of a thread near the hard limit. By default [`STALL`] for a thread whose
    /// allocation panics if it fails, and none for others.
    pub(crate) stall: Option<Duration>,
    /// Stack size of each collector thread, in bytes: `trace` runs there.
    pub(crate) stack_size: usize,
    /// Stack size of the drop thread, in bytes: drop glue recurses there.
    pub(crate) drop_stack_size: usize,
    /// How long the drop of the last handle waits for destructors.
    pub(crate) end_timeout: Duration,
}

/// Returns whether the environment says `name=value`.
fn is_set(name: &str, value: u8) -> bool {
    std::env::var_os(name).is_some_and(|set| *set == *value.to_string())
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // A schedule is the same on every machine.
        let cores = if cfg!(shuttle) { 2 } else { cores };
        Config {
            gc_percent: 100,
            min_heap: 4 * MIB,
            memory_limit: usize::MAX,
            cgroup_percent: None,
            heap_limit: usize::MAX,
            markers: (cores / 4).max(1),
            cores,
            reserve: None,
            gc_trace: TraceLevel::of_environment(),
            stop_the_world: is_set("GC_STW", 1),
            pin_markers: false,
            // After a burst, 3 GiB are given back within a minute, for less than 1 % of a core
            // meanwhile.
            scavenge_rate: 64 * MIB,
            scavenge_all: false,
            idle_after: Duration::from_secs(5),
            stall: None,
            stack_size: 8 * MIB,
            // A list of 100,000 boxes takes 5 to 30 MiB of it.
            drop_stack_size: 64 * MIB,
            end_timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// The initial values of the settings that may change.
    pub(crate) fn settings(&self) -> Settings {
        let Config { gc_percent, memory_limit, heap_limit, .. } = *self;
        Settings { gc_percent, memory_limit, heap_limit }
    }
    /// Checks the configuration with other settings.
    pub(crate) fn check_with(&self, settings: Settings) -> Result<(), ConfigError> {
        let Settings { gc_percent, memory_limit, heap_limit } = settings;
        Config { gc_percent, memory_limit, heap_limit, ..self.clone() }.check()
    }
    /// The bytes that the container leaves to the heap, as a soft and a hard limit. `None` if there
    /// is no limit, or the heap is not to respect it.
    ///
    /// The second lies half-way between the first and all: above it an error is better than to be
    /// killed by the system.
    pub(crate) fn container(&self) -> Option<(Bytes, Bytes)> {
        let percent = u128::from(self.cgroup_percent?);
        let all = u128::from(cgroup::memory_limit()?);
        let part = |percent| Bytes::new(((all * percent / 200) as u64).max(MIB as u64));
        Some((part(2 * percent), part(100 + percent)))
    }

    /// The longest wait of a thread near the hard limit.
    pub(crate) fn stall(&self, on_refusal: OnRefusal) -> Duration {
        self.stall.unwrap_or(match on_refusal {
            OnRefusal::Panics => STALL,
            OnRefusal::Returns => Duration::ZERO,
        })
    }

    /// Bytes of address space to reserve for a heap in a process that has `others` already. With
    /// many heaps each gets less. Three thousand of 64 GiB would be more than a process has on
    /// x86-64 and arm64.
    pub(crate) fn reserve_beside(&self, others: usize) -> usize {
        let usual = match others {
            0..16 => USUAL_RESERVE,
            16..256 => USUAL_RESERVE / 4,
            _ => USUAL_RESERVE / 16,
        };
        self.reserve.unwrap_or(usual.max(self.min_heap.saturating_mul(4).min(USUAL_RESERVE)))
    }

    /// Checks the settings, and returns the first error.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let range = |setting, given: usize, min: usize, max: usize, unit| {
            if (min..=max).contains(&given) {
                Ok(())
            } else {
                let (given, min, max) = (given as u64, min as u64, max as u64);
                Err(ConfigError::OutOfRange { setting, given, min, max, unit })
            }
        };
        let bytes = |setting, given, min, max| range(setting, given, min, max, "bytes");
        let percent = |setting, given: u32, max| range(setting, given as usize, 1, max, "percent");
        percent("gc_percent", self.gc_percent, 100_000)?;
        range("markers", self.markers, 1, 256, "threads")?;
        bytes("reserve", self.reserve_beside(0), MIN_RESERVE, MAX_RESERVE)?;
        bytes("min_heap", self.min_heap, BLOCK, MAX_RESERVE)?;
        bytes("memory_limit", self.memory_limit, MIB, usize::MAX)?;
        percent("cgroup_memory_limit", self.cgroup_percent.unwrap_or(100), 100)?;
        let idle_ms = usize::try_from(self.idle_after.as_millis()).unwrap_or(usize::MAX);
        range("idle_after", idle_ms, 1, usize::MAX, "milliseconds")?;
        bytes("heap_limit", self.heap_limit, MIB, usize::MAX)?;
        bytes("stack_size", self.stack_size, MIN_STACK, MAX_STACK)?;
        bytes("drop_stack_size", self.drop_stack_size, MIN_STACK, MAX_STACK)?;
        for (bound, max) in [("heap_limit", self.heap_limit), ("reserve", self.reserve_beside(0))] {
            if self.min_heap > max {
                let (given, max) = (self.min_heap as u64, max as u64);
                return Err(ConfigError::Conflict { setting: "min_heap", given, bound, max });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        Config::default().check().unwrap();
    }

    #[test]
    fn each_absurd_setting_is_named() {
        type Change = fn(&mut Config);
        let cases: [(&str, Change); 12] = [
            ("stack_size", |c| c.stack_size = 4096),
            ("drop_stack_size", |c| c.drop_stack_size = usize::MAX),
            ("gc_percent", |c| c.gc_percent = 0),
            ("gc_percent", |c| c.gc_percent = 1_000_000),
            ("markers", |c| c.markers = 0),
            ("markers", |c| c.markers = 100_000),
            ("reserve", |c| c.reserve = Some(1)),
            ("min_heap", |c| c.min_heap = 0),
            ("heap_limit", |c| c.heap_limit = 0),
            ("idle_after", |c| c.idle_after = Duration::ZERO),
            ("cgroup_memory_limit", |c| c.cgroup_percent = Some(0)),
            ("cgroup_memory_limit", |c| c.cgroup_percent = Some(101)),
        ];
        for (name, change) in cases {
            let mut config = Config::default();
            change(&mut config);
            let error = config.check().unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        let config = Config { min_heap: 64 * MIB, heap_limit: 32 * MIB, ..Config::default() };
        assert!(matches!(config.check(), Err(ConfigError::Conflict { .. })));
    }

    #[test]
    fn many_heaps_take_less_address_space_each() {
        let config = Config::default();
        assert_eq!(config.reserve_beside(15), 64 << 30);
        let all: usize = (0..3000).map(|n| config.reserve_beside(n)).sum();
        assert!(all < 1 << 44, "an eighth of what a process has, not {all}");
        let large = Config { min_heap: 8 << 30, ..Config::default() };
        assert_eq!(large.reserve_beside(1000), 32 << 30, "there is room for what is asked for");
        let own = Config { reserve: Some(1 << 30), ..Config::default() };
        assert_eq!(own.reserve_beside(1000), 1 << 30);
    }
}

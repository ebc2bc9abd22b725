#![forbid(unsafe_code)]
//! A profile as values: sites with names, and their totals.

use super::sites::{RawSite, weight};
use crate::sync::OnceLock;
use crate::word::Bytes;
use std::collections::HashMap;
use std::time::SystemTime;

/// What a profile counts. The first four are called as in Go's heap profile.
///
/// ```
/// use gc_core::ProfileValue;
/// let all = ProfileValue::ALL.map(ProfileValue::name);
/// assert_eq!(all[..4], ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"]);
/// assert_eq!(ProfileValue::InuseSpace.unit(), "bytes");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProfileValue {
    /// Objects that were allocated.
    AllocObjects,
    /// Bytes that were allocated, in whole slots.
    AllocSpace,
    /// Objects that were not found dead.
    InuseObjects,
    /// Bytes of these.
    InuseSpace,
    /// Objects that died in the first cycle that could find them dead.
    YoungObjects,
    /// Bytes of these.
    YoungSpace,
}

impl ProfileValue {
    /// All of them, in the order in which a file has them.
    pub const ALL: [ProfileValue; 6] = [
        ProfileValue::AllocObjects,
        ProfileValue::AllocSpace,
        ProfileValue::InuseObjects,
        ProfileValue::InuseSpace,
        ProfileValue::YoungObjects,
        ProfileValue::YoungSpace,
    ];

    /// The name in a file: what `go tool pprof -sample_index` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ProfileValue::AllocObjects => "alloc_objects",
            ProfileValue::AllocSpace => "alloc_space",
            ProfileValue::InuseObjects => "inuse_objects",
            ProfileValue::InuseSpace => "inuse_space",
            ProfileValue::YoungObjects => "died_young_objects",
            ProfileValue::YoungSpace => "died_young_space",
        }
    }
    /// Its unit: `count` or `bytes`.
    #[must_use]
    pub fn unit(self) -> &'static str {
        if self.is_space() { "bytes" } else { "count" }
    }
    fn is_space(self) -> bool {
        use ProfileValue::{AllocSpace, InuseSpace, YoungSpace};
        matches!(self, AllocSpace | InuseSpace | YoungSpace)
    }
}

/// A frame of a stack.
///
/// ```
/// # let heap = gc_core::Heap::builder().profile_rate(1).build()?;
/// # heap.mutate(|mc| { gc_core::Gc::new(mc, 1u64); });
/// let profile = heap.profile().unwrap();
/// for frame in profile.sites()[0].frames() {
///     println!("{} {}:{}", frame.name(), frame.file(), frame.line());
/// }
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProfileFrame {
    name: String,
    file: String,
    line: u32,
}

impl ProfileFrame {
    /// The function; its address, if the program has no symbols.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The source file; empty if the program has no debug information.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
    /// The line in the file, or 0.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The frames at a return address: the function, before it those that are inlined into it.
    fn at(address: usize) -> Vec<ProfileFrame> {
        let mut frames = Vec::new();
        backtrace::resolve(address as *mut std::ffi::c_void, |symbol| {
            let name = symbol.name().map(|name| format!("{name:#}"));
            frames.push(ProfileFrame {
                name: name.unwrap_or_else(|| format!("{address:#x}")),
                file: symbol.filename().map_or(String::new(), |file| file.display().to_string()),
                line: symbol.lineno().unwrap_or(0),
            });
        });
        if frames.is_empty() {
            let (name, file) = (format!("{address:#x}"), String::new());
            frames.push(ProfileFrame { name, file, line: 0 });
        }
        frames
    }
    /// Whether it is a function of this crate: by its file, or by its name without one. (Functions
    /// that are inlined may have only the last part of their names.)
    fn is_own(&self) -> bool {
        const NAME: &str = concat!(env!("CARGO_CRATE_NAME"), "::");
        let source = file!().trim_end_matches("export/profile/read.rs");
        if self.file.is_empty() {
            self.name.trim_start_matches('<').starts_with(NAME)
        } else {
            self.file.contains(source)
        }
    }
    /// Whether it is `Record::sample`.
    fn takes_sample(&self) -> bool {
        self.is_own() && self.name.ends_with("sample") && !self.file.contains("observe")
    }
    /// Whether it is a function of std, as far as one can tell.
    fn is_of_std(&self) -> bool {
        let name = self.name.trim_start_matches('<');
        self.file.starts_with("/rustc/")
            || ["core::", "std::", "alloc::"].iter().any(|crate_| name.starts_with(crate_))
    }
}

/// A place that allocates: a stack and a type, with estimates from its samples.
///
/// ```
/// use gc_core::{Gc, Heap, ProfileValue};
/// let heap = Heap::builder().profile_rate(1).build()?;
/// heap.mutate(|mc| { Gc::new(mc, [0u64; 6]); });
/// let profile = heap.profile().unwrap();
/// let most = profile.sites().iter().max_by_key(|site| site.value(ProfileValue::InuseSpace));
/// assert_eq!(most.unwrap().type_name(), "[u64; 6]");
/// # Ok::<(), gc_core::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ProfileSite {
    raw: RawSite,
    frames: Vec<ProfileFrame>,
    type_name: String,
}

impl ProfileSite {
    /// The calls, from the one that allocates outwards, without this crate's own inner ones. At
    /// most some 60.
    #[must_use]
    pub fn frames(&self) -> &[ProfileFrame] {
        &self.frames
    }
    /// The type of the objects; `[T]` for arrays.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.type_name
    }
    /// Bytes of one object, in whole slots.
    #[must_use]
    pub fn object_bytes(&self) -> usize {
        self.raw.sampled.bytes
    }
    /// An unbiased estimate. Its relative error is some `1 / sqrt(samples)`.
    #[must_use]
    pub fn value(&self, value: ProfileValue) -> u64 {
        self.raw.value(value).round() as u64
    }
    /// Samples that were taken here.
    ///
    /// ```
    /// use gc_core::{Gc, Heap};
    /// let heap = Heap::builder().profile_rate(1).build()?;
    /// heap.mutate(|mc| for _ in 0..10 { Gc::new(mc, [0u64; 6]); });
    /// assert_eq!(heap.profile().unwrap().sites()[0].samples(), 10);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.raw.counts.taken
    }
    /// The share of the samples that died in the first cycle that could find them dead: 1 is all
    /// of them. `None` if no cycle has looked at one yet. Objects of a site where nearly all die
    /// young would be cheaper outside of the heap.
    #[must_use]
    pub fn died_young(&self) -> Option<f64> {
        let counts = self.raw.counts;
        (counts.judged > 0).then(|| counts.young as f64 / counts.judged as f64)
    }
}

impl RawSite {
    fn value(&self, value: ProfileValue) -> f64 {
        let (counts, bytes) = (self.counts, Bytes::of(self.sampled.bytes));
        let samples = match value {
            ProfileValue::AllocObjects | ProfileValue::AllocSpace => counts.taken,
            ProfileValue::InuseObjects | ProfileValue::InuseSpace => counts.taken - counts.died,
            ProfileValue::YoungObjects | ProfileValue::YoungSpace => counts.young,
        };
        let each = if value.is_space() { bytes.as_f64() } else { 1.0 };
        samples as f64 * each * weight(bytes, self.sampled.rate)
    }
}

/// A heap's profile, as of the call of [`Heap::profile`](crate::Heap::profile).
///
/// ```
/// # use gc_core::{Gc, Heap, ProfileValue};
/// # let heap = Heap::builder().profile_rate(1).build()?;
/// # heap.mutate(|mc| { Gc::new(mc, 1u64); });
/// let profile = heap.profile().unwrap();
/// let mut file = Vec::new(); // or a file, for `go tool pprof heap.pb.gz`
/// profile.write_pprof(&mut file)?;
/// # assert_eq!(file[..2], [0x1f, 0x8b]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HeapProfile {
    rate: Bytes,
    pub(super) time: SystemTime,
    raw: Vec<RawSite>,
    /// The same with names, made at the first look.
    sites: OnceLock<Vec<ProfileSite>>,
}

impl HeapProfile {
    /// The rate to begin with, as in Go: one sample in 512 KiB on average.
    pub const RATE: u64 = 512 << 10;

    pub(super) fn new(rate: Bytes, raw: Vec<RawSite>) -> HeapProfile {
        HeapProfile { rate, time: SystemTime::now(), raw, sites: OnceLock::new() }
    }

    /// The rate of samples, in bytes.
    ///
    /// ```
    /// let heap = gc_core::Heap::builder().profile_rate(4096).build()?;
    /// assert_eq!(heap.profile().unwrap().rate(), 4096);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate.get()
    }

    /// The sum over all sites: an unbiased estimate.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, ProfileValue};
    /// let heap = Heap::builder().profile_rate(1).build()?;
    /// heap.mutate(|mc| for _ in 0..10 { Gc::new(mc, [0u64; 6]); });
    /// let profile = heap.profile().unwrap();
    /// assert_eq!(profile.total(ProfileValue::AllocObjects), 10);
    /// assert_eq!(profile.total(ProfileValue::AllocSpace), 480);
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    #[must_use]
    pub fn total(&self, value: ProfileValue) -> u64 {
        self.raw.iter().map(|site| site.value(value)).sum::<f64>().round() as u64
    }

    /// The sites, in no order. The first look names their frames, which reads the program's debug
    /// information: it may take seconds.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, ProfileValue};
    /// let heap = Heap::builder().profile_rate(1).build()?;
    /// heap.mutate(|mc| { Gc::new(mc, [0u64; 6]); });
    /// heap.collect().unwrap();
    /// let profile = heap.profile().unwrap();
    /// let site = &profile.sites()[0];
    /// assert_eq!((site.type_name(), site.object_bytes()), ("[u64; 6]", 48));
    /// assert_eq!(site.value(ProfileValue::InuseObjects), 0);
    /// assert_eq!(site.died_young(), Some(1.0));
    /// # Ok::<(), gc_core::ConfigError>(())
    /// ```
    pub fn sites(&self) -> &[ProfileSite] {
        self.sites.get_or_init(|| {
            let mut names = HashMap::new();
            self.raw.iter().map(|raw| named(raw, &mut names)).collect()
        })
    }
}

/// Names the frames of a site. `names` has those that were looked up before.
fn named(raw: &RawSite, names: &mut HashMap<usize, Vec<ProfileFrame>>) -> ProfileSite {
    let mut frames = Vec::new();
    for address in &raw.stack {
        frames
            .extend_from_slice(names.entry(*address).or_insert_with(|| ProfileFrame::at(*address)));
    }
    // Up to the call of this crate: what takes the sample, and its own functions around that, with
    // some of std between them.
    let taking = frames.iter().position(ProfileFrame::takes_sample).unwrap_or(0);
    let around = frames[taking..].iter().take_while(|frame| frame.is_own() || frame.is_of_std());
    let inner = taking + around.count();
    let own = frames[..inner].iter().rposition(ProfileFrame::is_own).map_or(0, |last| last + 1);
    if own < frames.len() {
        frames.drain(..own);
    }
    let name = (raw.sampled.name)();
    let type_name = if raw.sampled.is_array { format!("[{name}]") } else { name.to_owned() };
    ProfileSite { raw: raw.clone(), frames, type_name }
}

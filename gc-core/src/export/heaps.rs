#![forbid(unsafe_code)]
//! The heaps that an exporter shows, each under a name of its own.

use crate::api::heap::{Heap, Inner};
use crate::observe::Metrics;
use crate::sync::{Arc, Mutex, Weak};
use std::fmt;

/// Why an exporter refuses a heap.
///
/// ```
/// # #[cfg(feature = "prometheus")] {
/// use gc_core::{ExportError, Heap, PrometheusExporter};
/// let heap = Heap::new();
/// let exporter = PrometheusExporter::new();
/// exporter.add("main", &heap).unwrap();
/// let error = exporter.add("again", &heap).unwrap_err();
/// assert_eq!(error, ExportError::HeapInUse { name: "main".into() });
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportError {
    /// The name is empty: Prometheus takes a label without a value for no label.
    EmptyName,
    /// Another heap that has not ended is shown under this name.
    NameInUse {
        /// The name.
        name: String,
    },
    /// The heap is shown already: sums over all heaps would count it twice.
    HeapInUse {
        /// The name under which it is shown.
        name: String,
    },
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::EmptyName => f.write_str("the name of an exported heap is empty"),
            ExportError::NameInUse { name } => {
                write!(f, "another heap is exported under the name {name:?}")
            }
            ExportError::HeapInUse { name } => {
                write!(f, "the heap is exported already, under the name {name:?}")
            }
        }
    }
}

impl std::error::Error for ExportError {}

/// Heaps with their names, in the order in which they were added.
#[derive(Default)]
pub(super) struct Heaps(Mutex<Vec<(String, Weak<Inner>)>>);

impl fmt::Debug for Heaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.lock().iter().map(|(name, _)| name)).finish()
    }
}

impl Heaps {
    /// Adds a heap, and forgets those that have ended.
    pub(super) fn add(&self, name: &str, heap: &Heap) -> Result<(), ExportError> {
        if name.is_empty() {
            return Err(ExportError::EmptyName);
        }
        let mut heaps = self.0.lock();
        heaps.retain(|(_, heap)| heap.strong_count() > 0);
        let inner = Arc::downgrade(&heap.inner);
        if let Some((name, _)) = heaps.iter().find(|(_, known)| known.ptr_eq(&inner)) {
            return Err(ExportError::HeapInUse { name: name.clone() });
        }
        if heaps.iter().any(|(known, _)| known == name) {
            return Err(ExportError::NameInUse { name: name.to_owned() });
        }
        heaps.push((name.to_owned(), inner));
        Ok(())
    }

    /// Reads every heap that has not ended. A heap whose last other handle is dropped meanwhile
    /// ends here.
    pub(super) fn read(&self) -> Vec<(String, Metrics)> {
        let known = self.0.lock().clone();
        let heaps = known.into_iter().filter_map(|(name, heap)| Some((name, heap.upgrade()?)));
        heaps.map(|(name, inner)| (name, Heap { inner }.metrics())).collect()
    }
}

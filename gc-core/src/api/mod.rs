//! What a program calls: the handles of a heap, and what they answer.
//!
//! | file | subject |
//! |---|---|
//! | `heap` | `Heap`: its state, its end, asking for a cycle |
//! | `mutation` | `Mutation` and the pin that it stands for |
//! | `thread_table` | a thread's record in each heap that it has used |
//! | `mutator` | `Heap::mutate` and `Mutator` |
//! | `builder` | `HeapBuilder`: makes a heap and its threads |
//! | `tuning` | limits and percentages, set at first and while the heap runs |
//! | `ending` | waiting for destructors, `shutdown`, `leak`, `DropQueue` |
//! | `readings` | the values of all metrics |
//! | `events` | listeners |
//! | `watching` | pauses one by one, budgets, utilisation |
//!
//! Files, lowest first: `heap`, `builder`, `mutation`, `thread_table`, `mutator`, `tuning`,
//! `ending`, `events`, `readings`, `watching`.

mod builder;
mod ending;
mod events;
pub(crate) mod heap;
mod mutation;
mod mutator;
mod readings;
mod thread_table;
mod tuning;
pub(crate) mod watching;

pub use builder::HeapBuilder;
pub use ending::DropQueue;
pub use heap::Heap;
pub use mutation::Mutation;
pub use mutator::Mutator;
pub(crate) use thread_table::type_name_at;
pub use tuning::{CollectionPause, OnPressure};
pub use watching::{OnPauseOver, RollingPauses, ThreadDelay, ThreadPauses};

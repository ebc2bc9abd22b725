//! [`Trace`] and the families for the types of other crates, each behind the feature with the
//! crate's name.
//!
//! They are written by the same macros as those of std (`std_impls`), under the same two rules. A
//! leaf holds no `Gc`, and a container does not change through `&`. None of these crates'
//! containers has interior mutability.

#![allow(unused_imports, reason = "what is used depends on the features")]

use super::std_impls::{container, leaf};
use super::{Branded, Managed, Trace, Tracer};

#[cfg(feature = "arrayvec")]
mod arrayvec {
    use super::*;
    use ::arrayvec::{ArrayString, ArrayVec};
    leaf!([const N: usize] ArrayString<N>);
    container! {
        ArrayVec [T] [] <N> |values, tracer| { tracer.edges(values.as_slice()) } => {
            tracer.named(values.as_slice());
        }
    }
}

#[cfg(feature = "bytes")]
mod bytes {
    use super::*;
    leaf!(::bytes::Bytes, ::bytes::BytesMut);
}

#[cfg(feature = "chrono")]
mod chrono {
    use super::*;
    use ::chrono::{DateTime, Days, FixedOffset, Month, Months, NaiveDate, NaiveDateTime};
    use ::chrono::{NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
    leaf!([Tz: TimeZone + 'static] DateTime<Tz>);
    leaf!(Days, FixedOffset, Month, Months, NaiveDate, NaiveDateTime);
    leaf!(NaiveTime, TimeDelta, Utc, Weekday);
}

#[cfg(feature = "either")]
mod either {
    use super::*;
    use ::either::Either;
    container! {
        Either [L, R] [] |value, tracer| {
            match value {
                Either::Left(value) => tracer.edges(value),
                Either::Right(value) => tracer.edges(value),
            }
        } => {
            match value {
                Either::Left(value) => tracer.field("Left", value),
                Either::Right(value) => tracer.field("Right", value),
            }
        }
    }
}

/// The sets and maps of two crates.
#[cfg(any(feature = "hashbrown", feature = "indexmap"))]
macro_rules! tables {
    ($set:ident, $map:ident) => {
        container! {
            $set [T] [S] |values, tracer| {
                for value in values {
                    tracer.edges(value);
                }
            } => { tracer.elements(values) }
            $map [K, V] [S] |map, tracer| {
                for (key, value) in map {
                    tracer.edges(key);
                    tracer.edges(value);
                }
            } => { tracer.entries(map) }
        }
    };
}

#[cfg(feature = "hashbrown")]
mod hashbrown {
    use super::*;
    use ::hashbrown::{HashMap, HashSet, HashTable};
    tables!(HashSet, HashMap);
    container! {
        HashTable [T] [] |values, tracer| {
            for value in values {
                tracer.edges(value);
            }
        } => { tracer.elements(values) }
    }
}

#[cfg(feature = "indexmap")]
mod indexmap {
    use super::*;
    use ::indexmap::{IndexMap, IndexSet};
    tables!(IndexSet, IndexMap);
}

#[cfg(feature = "serde_json")]
mod serde_json {
    use super::*;
    leaf!(::serde_json::Value, ::serde_json::Number);
    leaf!(::serde_json::Map<String, ::serde_json::Value>);
}

#[cfg(feature = "smallvec")]
mod smallvec {
    use super::*;
    type SmallVec<T, const N: usize> = ::smallvec::SmallVec<[T; N]>;
    container! {
        SmallVec [T] [] <N> |values, tracer| { tracer.edges(values.as_slice()) } => {
            tracer.named(values.as_slice());
        }
    }
}

#[cfg(feature = "uuid")]
mod uuid {
    use super::*;
    leaf!(::uuid::Uuid);
}

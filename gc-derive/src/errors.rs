//! Errors of attributes and shapes: their words, and reporting several of them together.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Error, Path, Result};

pub(crate) const UNION: &str = "`Trace` cannot be derived for a union: no code can tell which of \
     its fields is alive. Use an enum";
pub(crate) const SKIP_ON_TYPE: &str = "`#[trace(skip)]` belongs on a field, not on the type";
pub(crate) const SKIP_VALUE: &str = "`skip` takes no value: write `#[trace(skip)]`";
pub(crate) const BOUND_ON_FIELD: &str =
    "`#[trace(bound = \"...\")]` belongs on the type, not on a field";
pub(crate) const BOUND_VALUE: &str = "`bound` takes the predicates of a `where` clause as a string: write \
     `#[trace(bound = \"T: Trace<'gc>\")]`";
pub(crate) const CRATE_ON_FIELD: &str =
    "`#[trace(crate = \"...\")]` belongs on the type, not on a field";
pub(crate) const CRATE_VALUE: &str = "`crate` takes the path under which this crate knows `gc_core`: write \
     `#[trace(crate = \"path::to::gc_core\")]`";
pub(crate) const ON_VARIANT: &str = "a variant takes no `#[trace(...)]`: `skip` belongs on its fields, \
     `bound` and `crate` on the type";
pub(crate) const EMPTY: &str = "`trace` takes a list: write `#[trace(skip)]` on a field, or \
     `#[trace(bound = \"...\")]` or `#[trace(crate = \"...\")]` on the type";

pub(crate) fn unknown(path: &Path) -> String {
    let name = path.to_token_stream();
    format!(
        "`{name}` is unknown here: `trace` knows `skip` on a field, and `bound` and `crate` on the type"
    )
}

pub(crate) fn duplicate(name: &str) -> String {
    format!("`{name}` is given twice")
}

pub(crate) fn bound_syntax(error: &Error) -> String {
    format!("`bound` takes the predicates of a `where` clause, and these do not parse: {error}")
}

/// Several errors, reported together.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    /// Adds an error.
    pub(crate) fn push(&mut self, span: Span, message: impl std::fmt::Display) {
        self.take::<()>(Err(Error::new(span, message)));
    }

    /// Returns the value, or `None` after adding the error.
    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        match (result, &mut self.0) {
            (Ok(value), _) => return Some(value),
            (Err(error), Some(first)) => first.combine(error),
            (Err(error), none) => *none = Some(error),
        }
        None
    }

    /// Returns all errors, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}

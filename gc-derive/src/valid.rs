//! What the derive refuses in a type that it has read.

use crate::ast::{Input, Mentions};
use crate::errors::Errors;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{DeriveInput, Ident, Macro, Result, TypeParam, TypePath};

const TWO_LIFETIMES: &str = "a type that derives `Trace` has at most one lifetime parameter, the brand of \
     its `Gc`s: an object in the heap cannot borrow anything else";
const PACKED: &str = "`Trace` cannot be derived for a packed type: the collector reads each field through a \
     reference, and a packed field may be misaligned";
const SKIP_BRANDED: &str = "a skipped field is not traced, so it must not hold a `Gc`: its type has to be \
     `'static`";
const MACRO_IN_BOUND: &str = "the derive cannot put another argument into what this macro will expand to: \
     write the type out, or give it a name with `type`";

fn short_projection(param: &Ident) -> String {
    format!(
        "the derive cannot tell which trait this comes from: write `<{param} as Trait>::...` in place of \
         `{param}::...`"
    )
}

/// Refuses types that cannot be traced.
pub(crate) fn check(input: &Input<'_>) -> Result<()> {
    let mut errors = Errors::default();
    if let Some(second) = input.node.generics.lifetimes().nth(1) {
        errors.push(second.span(), TWO_LIFETIMES);
    }
    for attr in input.node.attrs.iter().filter(|attr| attr.path().is_ident("repr")) {
        // The compiler reports other errors in a `repr`.
        let _ = attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("packed") {
                errors.push(meta.path.span(), PACKED);
            }
            if meta.input.peek(syn::token::Paren) {
                meta.input.parse::<proc_macro2::Group>()?;
            }
            Ok(())
        });
    }
    for field in input.fields() {
        if field.attrs.skip && field.mentions.brand {
            errors.push(field.ty.span(), SKIP_BRANDED);
        }
    }
    let mut bounds = Bounds { input, errors };
    bounds.visit_generics(&input.node.generics);
    for predicate in input.attrs.bound.iter().flatten() {
        bounds.visit_where_predicate(predicate);
    }
    bounds.errors.finish()
}

/// Finds types that remain the type parameter's when `families` substitutes another type. These are
/// `V::Item`, which would be ambiguous, and the arguments of a macro.
struct Bounds<'a> {
    input: &'a Input<'a>,
    errors: Errors,
}

impl<'ast> Visit<'ast> for Bounds<'_> {
    fn visit_type_param(&mut self, param: &'ast TypeParam) {
        // The impls do not repeat the default.
        param.bounds.iter().for_each(|bound| self.visit_type_param_bound(bound));
    }

    fn visit_type_path(&mut self, path: &'ast TypePath) {
        let first = path.path.segments.first().filter(|_| path.qself.is_none());
        let mut params = self.input.node.generics.type_params();
        if let (Some(first), 2..) = (first, path.path.segments.len())
            && params.any(|param| param.ident == first.ident)
        {
            self.errors.push(path.span(), short_projection(&first.ident));
        }
        visit::visit_type_path(self, path);
    }

    fn visit_macro(&mut self, node: &'ast Macro) {
        let Input { node: DeriveInput { ident, generics, .. }, brand, .. } = *self.input;
        let mentions = |name: &Ident| {
            let mut found = Mentions::default();
            found.scan(node.tokens.clone(), name, brand);
            found.itself || found.brand
        };
        if mentions(ident) || generics.type_params().any(|param| mentions(&param.ident)) {
            self.errors.push(node.span(), MACRO_IN_BOUND);
        }
    }
}

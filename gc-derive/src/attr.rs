//! `#[trace(...)]`: parses the attributes, and checks that each is in its place.

use crate::errors::{self, Errors};
use proc_macro2::Span;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, LitStr, Meta, Path, Result, Token, WherePredicate};

/// The attributes of the type.
#[derive(Default)]
pub(crate) struct ContainerAttrs {
    /// `bound = "..."`.
    pub(crate) bound: Option<Vec<WherePredicate>>,
    /// `crate = "..."`.
    pub(crate) krate: Option<Path>,
}

/// The attributes of a field.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    /// `skip`.
    pub(crate) skip: bool,
}

/// Reads the attributes of the type.
pub(crate) fn container(attrs: &[Attribute]) -> Result<ContainerAttrs> {
    let mut errors = Errors::default();
    let mut out = ContainerAttrs::default();
    for meta in errors.take(metas(attrs)).unwrap_or_default() {
        if meta.path().is_ident("bound") {
            if out.bound.is_some() {
                errors.push(meta.span(), errors::duplicate("bound"));
            }
            out.bound = errors.take(bound(&meta));
        } else if meta.path().is_ident("crate") {
            if out.krate.is_some() {
                errors.push(meta.span(), errors::duplicate("crate"));
            }
            out.krate = errors.take(krate(&meta));
        } else if meta.path().is_ident("skip") {
            errors.push(meta.span(), errors::SKIP_ON_TYPE);
        } else {
            errors.push(meta.span(), errors::unknown(meta.path()));
        }
    }
    errors.finish().map(|()| out)
}

/// Reads the attributes of a field.
pub(crate) fn field(attrs: &[Attribute]) -> Result<FieldAttrs> {
    let mut errors = Errors::default();
    let mut out = FieldAttrs::default();
    for meta in errors.take(metas(attrs)).unwrap_or_default() {
        if meta.path().is_ident("skip") {
            if out.skip {
                errors.push(meta.span(), errors::duplicate("skip"));
            }
            if !matches!(meta, Meta::Path(_)) {
                errors.push(meta.span(), errors::SKIP_VALUE);
            }
            out.skip = true;
        } else if meta.path().is_ident("bound") {
            errors.push(meta.span(), errors::BOUND_ON_FIELD);
        } else if meta.path().is_ident("crate") {
            errors.push(meta.span(), errors::CRATE_ON_FIELD);
        } else {
            errors.push(meta.span(), errors::unknown(meta.path()));
        }
    }
    errors.finish().map(|()| out)
}

/// A variant has no attributes.
pub(crate) fn variant(attrs: &[Attribute]) -> Result<()> {
    let mut errors = Errors::default();
    for meta in errors.take(metas(attrs)).unwrap_or_default() {
        errors.push(meta.span(), errors::ON_VARIANT);
    }
    errors.finish()
}

/// The contents of the `#[trace(...)]`s, split at the commas.
fn metas(attrs: &[Attribute]) -> Result<Vec<Meta>> {
    let mut errors = Errors::default();
    let mut out = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("trace")) {
        match &attr.meta {
            Meta::List(list) => {
                let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
                match errors.take(list.parse_args_with(parse)) {
                    Some(metas) if metas.is_empty() => errors.push(attr.span(), errors::EMPTY),
                    metas => out.extend(metas.unwrap_or_default()),
                }
            }
            Meta::Path(_) | Meta::NameValue(_) => errors.push(attr.span(), errors::EMPTY),
        }
    }
    errors.finish().map(|()| out)
}

fn bound(meta: &Meta) -> Result<Vec<WherePredicate>> {
    let Some(Ok(text)) = value(meta).map(|value| syn::parse2::<LitStr>(value.to_token_stream()))
    else {
        return Err(Error::new(meta.span(), errors::BOUND_VALUE));
    };
    let span: Span = text.span();
    let parse = Punctuated::<WherePredicate, Token![,]>::parse_terminated;
    match text.parse_with(parse) {
        Ok(predicates) => Ok(predicates.into_iter().collect()),
        Err(error) => Err(Error::new(span, errors::bound_syntax(&error))),
    }
}

/// A path, in quotes (as in `#[serde(crate = "...")]`) or without.
fn krate(meta: &Meta) -> Result<Path> {
    let path = value(meta).and_then(|value| {
        let tokens = value.to_token_stream();
        match syn::parse2::<LitStr>(tokens.clone()) {
            Ok(text) => text.parse_with(Path::parse_mod_style).ok(),
            Err(_) => Path::parse_mod_style.parse2(tokens).ok(),
        }
    });
    path.ok_or_else(|| Error::new(meta.span(), errors::CRATE_VALUE))
}

/// The value after the `=`, without the groups in which `macro_rules!` wraps a fragment.
fn value(meta: &Meta) -> Option<&Expr> {
    let Meta::NameValue(pair) = meta else { return None };
    let mut value = &pair.value;
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    Some(value)
}

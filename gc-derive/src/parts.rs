//! The parts that the impls share: generics, bounds, the brand, attributes.

use crate::ast::Input;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::{
    Attribute, GenericParam, Generics, Lifetime, Type, TypeParam, TypeParamBound, WherePredicate,
    parse_quote,
};

/// The parts that the impls share.
pub(crate) struct Parts {
    /// The path of `gc_core::__private`.
    pub(crate) private: TokenStream,
    /// The attributes of each impl.
    pub(crate) attrs: TokenStream,
    /// The brand: the type's own, or a fresh name.
    pub(crate) brand: Lifetime,
    /// The type's parameters without defaults, bounds and attributes, with the brand in front.
    generics: Generics,
    /// The type parameters that may be unsized.
    pub(crate) unsized_params: Vec<Ident>,
    /// The predicates that the type itself requires.
    pub(crate) own: Vec<WherePredicate>,
    /// Further predicates that `Trace` requires.
    pub(crate) bound: Vec<WherePredicate>,
    /// The part of `bound` that being `Managed` or `Branded` does not imply.
    pub(crate) extra: Vec<WherePredicate>,
}

impl Parts {
    pub(crate) fn of(input: &Input<'_>) -> Parts {
        let (brand, private) = (input.brand_name(), input.private());
        let mut generics = plain(&input.node.generics);
        let mut own: Vec<WherePredicate> = Vec::new();
        for TypeParam { ident, bounds, .. } in input.node.generics.type_params() {
            own.push(parse_quote!(#ident: #bounds));
        }
        let clause = input.node.generics.where_clause.iter();
        own.extend(clause.flat_map(|clause| clause.predicates.iter().cloned()));
        let mut unsized_params = Vec::new();
        own.retain_mut(|predicate| {
            let WherePredicate::Type(predicate) = predicate else { return true };
            let all = std::mem::take(&mut predicate.bounds).into_iter();
            let (kept, maybe): (Vec<_>, Vec<_>) = all.partition(|bound| !is_maybe(bound));
            if let (Some(ident), false) = (single_ident(&predicate.bounded_ty), maybe.is_empty()) {
                unsized_params.push(ident.clone());
            }
            predicate.bounds.extend(kept);
            !predicate.bounds.is_empty()
        });
        if input.brand.is_none() {
            generics.params.insert(0, parse_quote!(#brand));
        }
        let default = |param: &TypeParam| -> WherePredicate {
            let ident = &param.ident;
            parse_quote!(#ident: #private::Trace<#brand>)
        };
        let params = || generics.type_params();
        let (bound, extra) = match &input.attrs.bound {
            Some(bound) => (bound.clone(), bound.clone()),
            None => {
                let extra = params().filter(|param| unsized_params.contains(&param.ident));
                (params().map(default).collect(), extra.map(default).collect())
            }
        };
        let attrs = attrs(&input.node.attrs);
        Parts { private, attrs, brand, generics, unsized_params, own, bound, extra }
    }

    /// The parameters for an `impl<...>`: with the brand or without, each type parameter bounded by
    /// `bound`.
    pub(crate) fn params(&self, branded: bool, bound: impl Fn(bool) -> TokenStream) -> TokenStream {
        let private = &self.private;
        let params = self.generics.params.iter().filter_map(|param| match param {
            GenericParam::Lifetime(param) => branded.then(|| param.to_token_stream()),
            GenericParam::Const(param) => Some(param.to_token_stream()),
            GenericParam::Type(param) => {
                let ident = &param.ident;
                let maybe_unsized = self.unsized_params.contains(ident);
                let maybe = maybe_unsized.then(|| quote!(?#private::Sized+));
                let bound = bound(maybe_unsized);
                Some(quote!(#ident: #maybe #bound))
            }
        });
        quote!(<#(#params),*>)
    }
}

/// The parameters without bounds of types, defaults, attributes and `where` clause.
pub(crate) fn plain(generics: &Generics) -> Generics {
    let mut generics = generics.clone();
    generics.where_clause = None;
    for param in &mut generics.params {
        match param {
            GenericParam::Type(param) => {
                *param = TypeParam::from(param.ident.clone());
            }
            GenericParam::Const(param) => {
                param.attrs.clear();
                param.eq_token = None;
                param.default = None;
            }
            GenericParam::Lifetime(param) => param.attrs.clear(),
        }
    }
    generics
}

/// The attributes of an impl. As in rustc's own derives, the type's lint levels hold in it.
pub(crate) fn attrs(of_type: &[Attribute]) -> TokenStream {
    const LEVELS: [&str; 4] = ["allow", "warn", "deny", "forbid"];
    let levels = of_type.iter().filter(|attr| LEVELS.iter().any(|l| attr.path().is_ident(l)));
    quote!(#[automatically_derived] #(#levels)*)
}

fn is_maybe(bound: &TypeParamBound) -> bool {
    let TypeParamBound::Trait(bound) = bound else { return false };
    matches!(bound.modifier, syn::TraitBoundModifier::Maybe(_))
}

/// The name, if the type is a single name.
fn single_ident(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        Type::Group(group) => single_ident(&group.elem),
        Type::Paren(paren) => single_ident(&paren.elem),
        _ => None,
    }
}

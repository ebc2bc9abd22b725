//! The impls, for a type that [`valid`](crate::valid) has accepted.
//!
//! 1. [`trace`]: `Trace`. Whether a type needs a trace is a constant, the "or" of its fields. A recursive type
//!    would ask for its own constant, so a field that mentions the type itself or the brand counts as needing
//!    one without being asked; only generic types without a brand ask.
//! 2. [`families`]: `Managed` and `Branded`. A parameter `V` becomes `V::At<'gc>` and `V::Static`. A condition
//!    on `V` has to hold for every `V::At<'gc>`, too: a higher-ranked `where` clause of `Managed`. `Branded`
//!    cannot repeat that clause (it would hide what the compiler knows about `At`), so it asks for the
//!    `Managed` impl itself.
//! 3. [`drop_ban`]: an impl that collides with a blanket impl for everything that has a `Drop`.

use crate::ast::{Field, Input, Shape};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    BoundLifetimes, GenericParam, Generics, Lifetime, Type, TypeParam, TypeParamBound,
    WherePredicate, parse_quote,
};

/// All impls for one type.
pub(crate) fn expand(input: &Input<'_>) -> TokenStream {
    let parts = Parts::of(input);
    let trace = trace(input, &parts);
    let families = families(input, &parts);
    let ban = input.is_open().then(|| drop_ban(input));
    quote!(#trace #families #ban)
}

/// The generics, taken apart.
struct Parts {
    /// The brand: the type's own, or a fresh name.
    brand: Lifetime,
    /// The type's parameters without defaults and bounds, with the brand in front.
    generics: Generics,
    /// The type parameters that may be unsized.
    unsized_params: Vec<Ident>,
    /// What the type itself demands.
    own: Vec<WherePredicate>,
    /// What `Trace` demands besides.
    bound: Vec<WherePredicate>,
    /// The part of `bound` that being `Managed` or `Branded` does not imply.
    extra: Vec<WherePredicate>,
}

impl Parts {
    fn of(input: &Input<'_>) -> Parts {
        let brand = input.brand_name();
        let mut generics = input.node.generics.clone();
        let mut own = Vec::new();
        for param in &mut generics.params {
            match param {
                GenericParam::Type(param) => {
                    let bounds = std::mem::take(&mut param.bounds);
                    let ident = &param.ident;
                    own.push(parse_quote!(#ident: #bounds));
                    param.eq_token = None;
                    param.default = None;
                }
                GenericParam::Const(param) => {
                    param.eq_token = None;
                    param.default = None;
                }
                GenericParam::Lifetime(_) => {}
            }
        }
        own.extend(generics.where_clause.take().into_iter().flat_map(|clause| clause.predicates));
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
            parse_quote!(#ident: ::gc_core::__private::Trace<#brand>)
        };
        let params = || generics.type_params();
        let (bound, extra) = match &input.attrs.bound {
            Some(bound) => (bound.clone(), bound.clone()),
            None => {
                let extra = params().filter(|param| unsized_params.contains(&param.ident));
                (params().map(default).collect(), extra.map(default).collect())
            }
        };
        Parts { brand, generics, unsized_params, own, bound, extra }
    }

    /// The parameters for an `impl<...>`: with the brand or without, each type parameter bounded by `bound`.
    fn params(&self, branded: bool, bound: impl Fn(bool) -> TokenStream) -> TokenStream {
        let params = self.generics.params.iter().filter_map(|param| match param {
            GenericParam::Lifetime(param) => branded.then(|| param.to_token_stream()),
            GenericParam::Const(param) => Some(param.to_token_stream()),
            GenericParam::Type(param) => {
                let ident = &param.ident;
                let maybe_unsized = self.unsized_params.contains(ident);
                let maybe = maybe_unsized.then(|| quote!(?::core::marker::Sized+));
                let bound = bound(maybe_unsized);
                Some(quote!(#ident: #maybe #bound))
            }
        });
        quote!(<#(#params),*>)
    }

    /// The type with other arguments.
    fn apply(&self, input: &Input<'_>, subst: &Subst<'_>) -> TokenStream {
        let name = &input.node.ident;
        let args = input.node.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(_) => subst.brand.to_token_stream(),
            GenericParam::Const(param) => param.ident.to_token_stream(),
            GenericParam::Type(param) => (subst.param)(&param.ident).to_token_stream(),
        });
        quote!(#name<#(#args),*>)
    }

    /// `V::At<'lifetime>` for each parameter.
    fn at(&self, ident: &Ident) -> Type {
        let brand = &self.brand;
        if self.unsized_params.contains(ident) {
            parse_quote!(<#ident as ::gc_core::__private::Family>::At<#brand>)
        } else {
            parse_quote!(<#ident as ::gc_core::__private::Managed>::At<#brand>)
        }
    }

    /// `V::Static` for each parameter.
    fn fixed(&self, ident: &Ident) -> Type {
        let brand = &self.brand;
        if self.unsized_params.contains(ident) {
            parse_quote!(<#ident as ::gc_core::__private::Rootable<#brand>>::Family)
        } else {
            parse_quote!(<#ident as ::gc_core::__private::Branded<#brand>>::Static)
        }
    }
}

fn is_maybe(bound: &TypeParamBound) -> bool {
    matches!(bound, TypeParamBound::Trait(t) if matches!(t.modifier, syn::TraitBoundModifier::Maybe(_)))
}

/// The name, if the type is no more than a name.
fn single_ident(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.get_ident(),
        _ => None,
    }
}

fn trace(input: &Input<'_>, parts: &Parts) -> TokenStream {
    let Parts { brand, own, bound, .. } = parts;
    let name = &input.node.ident;
    let params = parts.params(true, |_| TokenStream::new());
    let (_, args, _) = input.node.generics.split_for_impl();
    let needs = needs_trace(input, brand);
    let leaves = input.fields().filter(|field| field.attrs.skip).map(|field| {
        let ty = field.ty;
        quote_spanned!(ty.span()=> ::gc_core::__private::assert_leaf::<#ty>();)
    });
    let body = match &input.shape {
        Shape::Struct(fields) => {
            let edges = fields.iter().filter_map(|field| {
                let member = &field.member;
                edges(field, quote_spanned!(field.ty.span()=> &self.#member))
            });
            quote!(#(#edges)*)
        }
        Shape::Enum(variants) if variants.is_empty() => quote!(match *self {}),
        Shape::Enum(variants) => {
            let arms = variants.iter().map(|variant| {
                let ident = &variant.ident;
                let names = (0..).map(|i| format_ident!("__field{i}"));
                let traced: Vec<_> =
                    variant.fields.iter().zip(names).filter(|(f, _)| !f.attrs.skip).collect();
                let pats = traced.iter().map(|(field, name)| {
                    let member = &field.member;
                    quote!(#member: #name,)
                });
                let edges =
                    traced.iter().filter_map(|(field, name)| edges(field, name.to_token_stream()));
                quote!(Self::#ident { #(#pats)* .. } => { #(#edges)* })
            });
            quote!(match self { #(#arms)* })
        }
    };
    quote! {
        #[automatically_derived]
        unsafe impl #params ::gc_core::__private::Trace<#brand> for #name #args
        where
            #(#own,)*
            #(#bound,)*
        {
            const NEEDS_TRACE: ::core::primitive::bool = #needs;

            #[inline]
            fn trace(&self, __tracer: &mut ::gc_core::__private::Tracer<#brand>) {
                let _ = &__tracer;
                #(#leaves)*
                #body
            }
        }
    }
}

/// The statement that traces one field, spanned so that an error points at its type.
fn edges(field: &Field<'_>, value: TokenStream) -> Option<TokenStream> {
    let ty = field.ty;
    let trace = || quote_spanned!(ty.span()=> __tracer.edges::<#ty>(#value););
    (!field.attrs.skip).then(trace)
}

fn needs_trace(input: &Input<'_>, brand: &Lifetime) -> TokenStream {
    let mut traced = input.fields().filter(|field| !field.attrs.skip);
    if !input.is_open() {
        return quote!(false);
    }
    if traced.any(|field| field.mentions.brand || field.mentions.itself) {
        return quote!(true);
    }
    let fields = input.fields().filter(|field| !field.attrs.skip).map(|field| {
        let ty = field.ty;
        quote_spanned!(ty.span()=> <#ty as ::gc_core::__private::Trace<#brand>>::NEEDS_TRACE)
    });
    quote!(false #(|| #fields)*)
}

fn families(input: &Input<'_>, parts: &Parts) -> TokenStream {
    let Parts { brand, own, extra, .. } = parts;
    let fixed_brand: Lifetime = parse_quote!('static);
    let itself = |ident: &Ident| -> Type { parse_quote!(#ident) };
    let (at, fixed) = (|ident: &Ident| parts.at(ident), |ident: &Ident| parts.fixed(ident));
    // The substitutions: of a type at 'static into its branded form, of a branded one into its form at 'static.
    let rename = Subst { from: brand, brand: &fixed_brand, param: &itself, input };
    let brand_it = Subst { from: brand, brand, param: &at, input };
    let fix_it = Subst { from: brand, brand: &fixed_brand, param: &fixed, input };

    let managed_params = parts.params(false, |maybe_unsized| match maybe_unsized {
        true => quote!(::gc_core::__private::Family),
        false => quote!(::gc_core::__private::Managed),
    });
    let branded_params = parts.params(true, |maybe_unsized| match maybe_unsized {
        true => quote!(::gc_core::__private::Rootable<#brand>),
        false => quote!(::gc_core::__private::Branded<#brand>),
    });
    let managed_type = parts.apply(input, &rename);
    let branded_of_managed = parts.apply(input, &brand_it);
    let managed_of_branded = parts.apply(input, &fix_it);
    let (_, branded_type, _) = input.node.generics.split_for_impl();
    let name = &input.node.ident;

    let own_fixed = own.iter().map(|p| rename.predicate(p));
    let conditions = own.iter().chain(extra).filter_map(|p| for_all(brand_it.predicate(p), brand));
    let own_of_static = own.iter().map(|p| fix_it.predicate(p));
    let has_conditions = !own.is_empty() || !extra.is_empty();
    let back = has_conditions
        .then(|| quote!(#managed_of_branded: ::gc_core::__private::Managed<At<#brand> = Self>,));
    quote! {
        #[automatically_derived]
        unsafe impl #managed_params ::gc_core::__private::Managed for #managed_type
        where
            #(#own_fixed,)*
            #(#conditions,)*
        {
            type At<#brand> = #branded_of_managed;
        }

        #[automatically_derived]
        unsafe impl #branded_params ::gc_core::__private::Branded<#brand> for #name #branded_type
        where
            #(#own,)*
            #(#extra,)*
            #(#own_of_static,)*
            #back
        {
            type Static = #managed_of_branded;
        }
    }
}

/// `for<'gc> predicate`, if it is one on a type.
fn for_all(predicate: WherePredicate, brand: &Lifetime) -> Option<WherePredicate> {
    let WherePredicate::Type(mut predicate) = predicate else { return None };
    let lifetimes: &mut BoundLifetimes =
        predicate.lifetimes.get_or_insert_with(|| parse_quote!(for<>));
    lifetimes.lifetimes.insert(0, parse_quote!(#brand));
    Some(WherePredicate::Type(predicate))
}

fn drop_ban(input: &Input<'_>) -> TokenStream {
    let name = &input.node.ident;
    let (params, args, where_clause) = input.node.generics.split_for_impl();
    quote_spanned! {name.span()=>
        #[automatically_derived]
        impl #params ::gc_core::__private::MustNotImplDrop for #name #args #where_clause {}
    }
}

/// Puts other arguments in the place of the type's parameters.
struct Subst<'a> {
    from: &'a Lifetime,
    brand: &'a Lifetime,
    param: &'a dyn Fn(&Ident) -> Type,
    input: &'a Input<'a>,
}

impl Subst<'_> {
    fn predicate(&self, predicate: &WherePredicate) -> WherePredicate {
        let mut predicate = predicate.clone();
        Replace(self).visit_where_predicate_mut(&mut predicate);
        predicate
    }
}

struct Replace<'a>(&'a Subst<'a>);

impl VisitMut for Replace<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == self.0.from.ident {
            lifetime.clone_from(self.0.brand);
        }
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        visit_mut::visit_type_mut(self, ty);
        let Type::Path(path) = ty else { return };
        if path.qself.is_some() {
            return;
        }
        // `valid` has refused `V::Item`.
        let Some(ident) = path.path.get_ident() else { return };
        if self.0.input.node.generics.type_params().any(|param| param.ident == *ident) {
            *ty = (self.0.param)(ident);
        }
    }
}

//! `Managed` and `Branded`. A parameter `V` becomes `V::At<'gc>` and `V::Static`.
//!
//! 1. A condition on `V` has to hold for every `V::At<'gc>`, too: a higher-ranked `where` clause of
//!    `Managed`. `Branded` cannot repeat that clause, which would hide what the compiler knows
//!    about `At`. So it requires the `Managed` impl itself.
//! 2. The target of a family is written from the type's parameters alone, never from the user's
//!    text. So a condition that is substituted wrongly can refuse a type, but it cannot change
//!    `At`.
//! 3. For a sized parameter the projection is of the trait that the impl implements. For an unsized
//!    one it is of `Family` or `Rootable`. A user's crate may have replaced their paths, so
//!    `__check` compares with the real ones.

use crate::ast::Input;
use crate::parts::Parts;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{
    GenericParam, Lifetime, LifetimeParam, PredicateType, Type, TypeParamBound, WherePredicate,
    parse_quote,
};

pub(crate) fn families(input: &Input<'_>, parts: &Parts) -> TokenStream {
    let Parts { private, attrs, brand, own, extra, .. } = parts;
    let fixed_brand: Lifetime = parse_quote!('static);
    let itself = |ident: &Ident| -> Type { parse_quote!(#ident) };
    let (at, fixed) = (|ident: &Ident| parts.at(ident), |ident: &Ident| parts.fixed(ident));
    // The substitutions: of a type at 'static into its branded form, and of a branded type into its
    // form at 'static.
    let rename = Subst { from: brand, brand: &fixed_brand, param: &itself, input };
    let brand_it = Subst { from: brand, brand, param: &at, input };
    let fix_it = Subst { from: brand, brand: &fixed_brand, param: &fixed, input };

    let managed_params = parts.params(false, |maybe_unsized| match maybe_unsized {
        true => quote!(#private::Family),
        false => quote!(#private::Managed),
    });
    let branded_params = parts.params(true, |maybe_unsized| match maybe_unsized {
        true => quote!(#private::Rootable<#brand>),
        false => quote!(#private::Branded<#brand>),
    });
    let [managed_type, branded_of_managed, managed_of_branded] =
        &[&rename, &brand_it, &fix_it].map(Subst::whole);
    let (_, branded_type, _) = input.node.generics.split_for_impl();
    let name = &input.name;

    let own_fixed = own.iter().map(|p| rename.predicate(p));
    let conditions = own.iter().chain(extra).flat_map(|p| for_all(brand_it.predicate(p), brand));
    let own_of_static = own.iter().map(|p| fix_it.predicate(p));
    // A type whose last field is an unsized parameter has a family where the parameter is sized.
    let any_unsized = !parts.unsized_params.is_empty();
    let sized = |ty: &dyn ToTokens| any_unsized.then(|| quote!(#ty: #private::Sized,));
    let (managed_sized, branded_sized) = (sized(managed_type), sized(&quote!(Self)));
    let at_sized = any_unsized.then(|| quote!(for<#brand> #branded_of_managed: #private::Sized,));
    let has_conditions = !own.is_empty() || !extra.is_empty() || any_unsized;
    let back =
        has_conditions.then(|| quote!(#managed_of_branded: #private::Managed<At<#brand> = Self>,));
    let (check_at, check_static) = (parts.check_at(), parts.check_static());
    quote_spanned! {Span::mixed_site()=>
        #attrs
        unsafe impl #managed_params #private::Managed for #managed_type
        where
            #(#own_fixed,)*
            #(#conditions,)*
            #managed_sized
            #at_sized
        {
            type At<#brand> = #branded_of_managed;
            #check_at
        }

        #attrs
        unsafe impl #branded_params #private::Branded<#brand> for #name #branded_type
        where
            #(#own,)*
            #(#extra,)*
            #(#own_of_static,)*
            #branded_sized
            #back
        {
            type Static = #managed_of_branded;
            #check_static
        }
    }
}

impl Parts {
    /// `V::At<'gc>` for a parameter.
    fn at(&self, ident: &Ident) -> Type {
        let Parts { private, brand, unsized_params, .. } = self;
        if unsized_params.contains(ident) {
            parse_quote!(<#ident as #private::Family>::At<#brand>)
        } else {
            parse_quote!(<#ident as #private::Managed>::At<#brand>)
        }
    }

    /// `V::Static` for a parameter.
    fn fixed(&self, ident: &Ident) -> Type {
        let Parts { private, brand, unsized_params, .. } = self;
        if unsized_params.contains(ident) {
            parse_quote!(<#ident as #private::Rootable<#brand>>::Family)
        } else {
            parse_quote!(<#ident as #private::Branded<#brand>>::Static)
        }
    }

    /// The function of `Managed` that checks the families of unsized parameters.
    fn check_at(&self) -> Option<TokenStream> {
        let Parts { private, brand, unsized_params, .. } = self;
        let checks = unsized_params.iter().map(|ident| {
            let at = self.at(ident);
            quote_spanned!(Span::mixed_site()=> __gc_tracer.__member::<#ident, #at>();)
        });
        (!unsized_params.is_empty()).then(|| {
            quote_spanned! {Span::mixed_site()=>
                fn __check<#brand>(__gc_tracer: &mut #private::Tracer<#brand>) { #(#checks)* }
            }
        })
    }

    /// The function of `Branded` that checks the families of unsized parameters.
    fn check_static(&self) -> Option<TokenStream> {
        let Parts { private, brand, unsized_params, .. } = self;
        let checks = unsized_params.iter().map(|ident| {
            let fixed = self.fixed(ident);
            quote_spanned!(Span::mixed_site()=> __gc_tracer.__family::<#ident, #fixed>();)
        });
        (!unsized_params.is_empty()).then(|| {
            quote_spanned! {Span::mixed_site()=>
                fn __check(__gc_tracer: &mut #private::Tracer<#brand>) { #(#checks)* }
            }
        })
    }
}

/// `for<'gc> predicate`, if it is a predicate on a type. There is one for each bound, because a
/// `for` inside the bound moves to the front.
fn for_all(predicate: WherePredicate, brand: &Lifetime) -> Vec<WherePredicate> {
    let WherePredicate::Type(PredicateType { lifetimes, bounded_ty, bounds, .. }) = predicate
    else {
        return Vec::new();
    };
    let outer: Vec<GenericParam> = lifetimes.into_iter().flat_map(|all| all.lifetimes).collect();
    let brand = GenericParam::Lifetime(LifetimeParam::new(brand.clone()));
    let one = |mut bound: TypeParamBound| -> WherePredicate {
        let inner = match &mut bound {
            TypeParamBound::Trait(bound) => bound.lifetimes.take(),
            _ => None,
        };
        let inner = inner.into_iter().flat_map(|all| all.lifetimes);
        let all = std::iter::once(&brand).chain(&outer).cloned().chain(inner);
        parse_quote!(for<#(#all),*> #bounded_ty: #bound)
    };
    bounds.into_iter().map(one).collect()
}

/// Substitutes other arguments for the type's parameters.
struct Subst<'a> {
    from: &'a Lifetime,
    brand: &'a Lifetime,
    param: &'a dyn Fn(&Ident) -> Type,
    input: &'a Input<'a>,
}

impl Subst<'_> {
    /// The type itself with the other arguments.
    fn whole(&self) -> TokenStream {
        let name = &self.input.name;
        let args = self.input.node.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(_) => self.brand.to_token_stream(),
            GenericParam::Const(param) => param.ident.to_token_stream(),
            GenericParam::Type(param) => (self.param)(&param.ident).to_token_stream(),
        });
        quote!(#name<#(#args),*>)
    }

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
        } else if ident == "Self" {
            let whole = self.0.whole();
            *ty = parse_quote!(#whole);
        }
    }
}

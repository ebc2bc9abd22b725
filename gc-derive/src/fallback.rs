//! What the derive writes beside an error: impls without content, so that uses of the type compile
//! and the error stands alone.
//!
//! The error is a macro, `compile_error!`, and a user's crate can give that name to a macro that
//! reports no error. So the impls are sound without it. `trace` ends the process, and a type with a
//! `Drop` of its own is refused as always.

use crate::{ast, attr, parts};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Error, GenericParam, Lifetime, parse_quote};

/// The error, and impls that never run because the crate does not compile.
pub(crate) fn expand(node: &DeriveInput, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    let private = ast::private(&attr::container(&node.attrs).unwrap_or_default());
    let attrs = parts::attrs(&node.attrs);
    let trace = trace(node, &private, &attrs);
    if node.generics.type_params().next().is_some() {
        // The families of a generic type are not worth their code here.
        return quote!(#error #trace);
    }
    let name = &ast::silent(&node.ident, &node.attrs);
    let at = |lifetime: Lifetime| {
        let args = node.generics.params.iter().map(|param| match param {
            GenericParam::Lifetime(_) => quote!(#lifetime),
            GenericParam::Type(param) => {
                let ident = &param.ident;
                quote!(#ident)
            }
            GenericParam::Const(param) => {
                let ident = &param.ident;
                quote!(#ident)
            }
        });
        quote!(#name<#(#args),*>)
    };
    let plain = parts::plain(&node.generics);
    let consts: Vec<_> = plain.const_params().collect();
    let branded = at(parse_quote!('__gc));
    let fixed = at(parse_quote!('static));
    quote! {
        #error
        #trace
        #attrs
        unsafe impl<#(#consts),*> #private::Managed for #fixed {
            type At<'__gc> = #branded;
        }
        #attrs
        unsafe impl<'__gc, #(#consts),*> #private::Branded<'__gc> for #branded {
            type Static = #fixed;
        }
    }
}

fn trace(node: &DeriveInput, private: &TokenStream, attrs: &TokenStream) -> TokenStream {
    let name = &ast::silent(&node.ident, &node.attrs);
    let mut generics = node.generics.clone();
    let brand: Lifetime = match node.generics.lifetimes().next() {
        Some(param) => param.lifetime.clone(),
        None => {
            generics.params.insert(0, parse_quote!('__gc));
            parse_quote!('__gc)
        }
    };
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = node.generics.split_for_impl();
    let may_drop =
        node.generics.lifetimes().next().is_none() && node.generics.type_params().next().is_none();
    let whole = match may_drop {
        true => quote_spanned!(Span::mixed_site()=> __gc_tracer.__leaf(self);),
        false => quote_spanned!(Span::mixed_site()=> __gc_tracer.__no_drop::<Self, _>();),
    };
    quote_spanned! {Span::mixed_site()=>
        #attrs
        unsafe impl #impl_generics #private::Trace<#brand> for #name #type_generics
        #where_clause
        {
            fn trace(&self, __gc_tracer: &mut #private::Tracer<#brand>) {
                #whole
                __gc_tracer.__refused();
            }
        }
    }
}

//! What the derive writes beside an error: impls without content, so that the uses of the type compile and
//! the error stands alone.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, GenericParam, Lifetime, parse_quote};

/// The error, and impls that never run because the crate does not compile.
pub(crate) fn expand(node: &DeriveInput, error: &Error) -> TokenStream {
    let error = error.to_compile_error();
    let name = &node.ident;
    if node.generics.type_params().next().is_some() {
        // The families of a generic type are not worth their code here.
        let trace = trace(node);
        return quote!(#error #trace);
    }
    let trace = trace(node);
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
    let consts: Vec<_> = node.generics.const_params().map(strip_default).collect();
    let branded = at(parse_quote!('__gc));
    let fixed = at(parse_quote!('static));
    quote! {
        #error
        #trace
        #[automatically_derived]
        unsafe impl<#(#consts),*> ::gc_core::__private::Managed for #fixed {
            type At<'__gc> = #branded;
        }
        #[automatically_derived]
        unsafe impl<'__gc, #(#consts),*> ::gc_core::__private::Branded<'__gc> for #branded {
            type Static = #fixed;
        }
    }
}

fn strip_default(param: &syn::ConstParam) -> syn::ConstParam {
    syn::ConstParam { eq_token: None, default: None, ..param.clone() }
}

fn trace(node: &DeriveInput) -> TokenStream {
    let name = &node.ident;
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
    quote! {
        #[automatically_derived]
        unsafe impl #impl_generics ::gc_core::__private::Trace<#brand> for #name #type_generics
        #where_clause
        {
            fn trace(&self, _: &mut ::gc_core::__private::Tracer<#brand>) {}
        }
    }
}

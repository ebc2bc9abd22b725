//! The impls, for a type that [`valid`](crate::valid) has accepted.
//!
//! 1. [`trace`]: `Trace`. Patterns without `..` take the value apart, so a field or a variant that
//!    the derive has not seen is an error. Each field's value goes to the `Tracer`, which infers
//!    its type. The type's tokens are not repeated, because a macro among them may expand to
//!    something else here.
//!    [`walked`] makes one function of that and of the same with names, for heap snapshots.
//! 2. [`needs_trace`]: whether a type needs a trace is a constant, the "or" of its fields. A
//!    recursive type would ask for its own constant. So a field that mentions the type itself or
//!    the brand counts as needing a trace; only generic types without a brand ask.
//! 3. [`families`](crate::families): `Managed` and `Branded`.
//! 4. [`drop_ban`]: an impl that collides with a blanket impl for every type with a `Drop`. It has
//!    the better message; the `Tracer` checks the same in `trace`.
//!
//! Every name of ours is at [`ours`], the macro's own hygiene. A user's macro may give a field's
//! name and its place, but not the meaning of `__gc_tracer`.

use crate::ast::{Field, Input, Shape, Variant};
use crate::families::families;
use crate::parts::{Parts, plain};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{GenericParam, Member};

/// All impls for one type.
pub(crate) fn expand(input: &Input<'_>) -> TokenStream {
    let parts = Parts::of(input);
    let trace = trace(input, &parts);
    let families = families(input, &parts);
    let ban = input.is_open().then(|| drop_ban(input, &parts));
    quote!(#trace #families #ban)
}

/// The span of our own names, at the place of a user's tokens.
fn ours(at: impl Spanned) -> Span {
    Span::mixed_site().located_at(at.span())
}

/// The type's name: an error about the whole type points there.
fn name_of(input: &Input<'_>) -> Span {
    ours(&input.node.ident)
}

fn trace(input: &Input<'_>, parts: &Parts) -> TokenStream {
    let Parts { private, attrs, brand, own, bound, .. } = parts;
    let name = &input.name;
    let params = parts.params(true, |_| TokenStream::new());
    let (_, args, _) = input.node.generics.split_for_impl();
    let needs = needs_trace(input, parts);
    let whole = match input.is_open() {
        true => quote_spanned!(name_of(input)=> __gc_tracer.__no_drop::<Self, _>();),
        false => quote_spanned!(name_of(input)=> __gc_tracer.__leaf(self);),
    };
    let body = body(input);
    let (trace, more) = match input.is_open() {
        true => walked(parts, &body),
        false => (body, TokenStream::new()),
    };
    quote_spanned! {Span::mixed_site()=>
        #attrs
        unsafe impl #params #private::Trace<#brand> for #name #args
        where
            #(#own,)*
            #(#bound,)*
        {
            const NEEDS_TRACE: #private::bool = #needs;

            #[inline]
            fn trace(&self, __gc_tracer: &mut #private::Tracer<#brand>) {
                #whole
                #trace
            }
            #more
        }
    }
}

/// What `trace` calls, and the functions beside it. The compiler reports an error once for each
/// function, so both ways to trace are one function.
fn walked(parts: &Parts, body: &TokenStream) -> (TokenStream, TokenStream) {
    let Parts { private, brand, .. } = parts;
    let walk = |named: bool| {
        quote_spanned! {Span::mixed_site()=>
            <Self as #private::Trace<#brand>>::__walk::<#named>(self, __gc_tracer);
        }
    };
    let named = walk(true);
    let more = quote_spanned! {Span::mixed_site()=>
        fn trace_named(&self, __gc_tracer: &mut #private::Tracer<#brand>) {
            #named
        }
        #[inline(always)]
        fn __walk<const __GC_NAMED: #private::bool>(
            &self,
            __gc_tracer: &mut #private::Tracer<#brand>,
        ) {
            #body
        }
    };
    (walk(false), more)
}

/// Takes a value apart, and traces each field.
fn body(input: &Input<'_>) -> TokenStream {
    let is_open = input.is_open();
    match &input.shape {
        Shape::Struct(fields) => {
            let (pattern, edges) = fields_of(None, fields, is_open);
            quote_spanned!(Span::mixed_site()=> let Self { #pattern } = *self; #edges)
        }
        Shape::Enum(variants) => {
            let arms = variants.iter().map(|Variant { ident, fields }| {
                let (pattern, edges) = fields_of(Some(ident), fields, is_open);
                quote_spanned!(Span::mixed_site()=> Self::#ident { #pattern } => { #edges })
            });
            quote_spanned!(Span::mixed_site()=> match *self { #(#arms)* })
        }
    }
}

/// What a snapshot calls a field: `name`, or `Variant.name`.
fn name_of_field(variant: Option<&Ident>, member: &Member) -> String {
    let field = match member {
        Member::Named(name) => name.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    };
    match variant {
        Some(variant) => format!("{}.{field}", variant.unraw()),
        None => field,
    }
}

/// The pattern for all fields of a struct or a variant, and the statements for them. A statement
/// traces a field, with its name if that is asked for, or checks that it need not be traced. An
/// error points at the field's type.
fn fields_of(
    variant: Option<&Ident>,
    fields: &[Field<'_>],
    is_open: bool,
) -> (TokenStream, TokenStream) {
    let mut all = (TokenStream::new(), TokenStream::new());
    for (i, Field { member, ty, attrs, .. }) in fields.iter().enumerate() {
        let span = ours(ty);
        // `ref` refuses the name of a constant. Without it, the pattern would compare with a user's
        // constant.
        let value = Ident::new(&format!("__gc_field{i}"), span);
        all.0.extend(quote_spanned!(span=> #member: ref #value,));
        let name = name_of_field(variant, member);
        all.1.extend(match (attrs.skip, is_open) {
            (true, _) => quote_spanned!(span=> __gc_tracer.__leaf(#value);),
            (_, false) => quote_spanned!(span=> __gc_tracer.edges(#value);),
            _ => quote_spanned! {span=>
                if !__GC_NAMED {
                    __gc_tracer.edges(#value);
                } else {
                    __gc_tracer.field(#name, #value);
                }
            },
        });
    }
    all
}

fn needs_trace(input: &Input<'_>, parts: &Parts) -> TokenStream {
    let Parts { private, brand, .. } = parts;
    let mut traced = input.fields().filter(|field| !field.attrs.skip);
    if !input.is_open() {
        // `__leaf(self)` checks that it is one.
        return quote!(false);
    }
    if traced.any(|field| field.mentions.brand || field.mentions.itself) {
        return quote!(true);
    }
    // `trace` checks that these are all fields, by a full pattern.
    let ask = |field: &Field<'_>, rest: &TokenStream, variant: &TokenStream| {
        let (member, span) = (field.member.clone(), ours(field.ty));
        quote_spanned! {span=>
            || <#private::Tracer<#brand>>::__needs_trace::<Self, _>(|__gc_whole: &Self| match
                *__gc_whole
            {
                Self #variant { #member: ref __gc_field, .. } => __gc_field,
                #rest
            })
        }
    };
    let asked = |fields: &[Field<'_>], rest: TokenStream, variant: TokenStream| -> TokenStream {
        let traced = fields.iter().filter(|field| !field.attrs.skip);
        traced.map(|field| ask(field, &rest, &variant)).collect()
    };
    let asked: TokenStream = match &input.shape {
        Shape::Struct(fields) => asked(fields, TokenStream::new(), TokenStream::new()),
        Shape::Enum(variants) => {
            let rest = || match variants.len() {
                1 => TokenStream::new(),
                _ => quote_spanned!(Span::mixed_site()=> _ => loop {},),
            };
            let variants = variants.iter();
            variants
                .map(|Variant { ident, fields }| asked(fields, rest(), quote!(::#ident)))
                .collect()
        }
    };
    quote!(false #asked)
}

fn drop_ban(input: &Input<'_>, parts: &Parts) -> TokenStream {
    let Parts { private, attrs, .. } = parts;
    let name = &input.name;
    let (_, args, where_clause) = input.node.generics.split_for_impl();
    let mut generics = input.node.generics.clone();
    generics.params = plain(&generics).params;
    for (param, bounds) in generics.params.iter_mut().zip(&input.node.generics.params) {
        if let (GenericParam::Type(param), GenericParam::Type(from)) = (param, bounds) {
            param.bounds.clone_from(&from.bounds);
            param.colon_token = from.colon_token;
        }
    }
    let (params, _, _) = generics.split_for_impl();
    quote_spanned! {name_of(input)=>
        #attrs
        impl #params #private::MoveDropToAFieldWithoutPointers for #name #args #where_clause {}
    }
}

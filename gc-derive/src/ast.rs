//! Our own model of the type: what the later steps need, without its syntax.

use crate::attr::{ContainerAttrs, FieldAttrs};
use crate::{attr, errors};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{
    Attribute, Data, DeriveInput, Error, Fields, Lifetime, Member, Result, Type, parse_quote,
};

/// The type that derives `Trace`.
pub(crate) struct Input<'a> {
    pub(crate) node: &'a DeriveInput,
    pub(crate) attrs: ContainerAttrs,
    /// The brand, if the type has one.
    pub(crate) brand: Option<&'a Lifetime>,
    pub(crate) shape: Shape<'a>,
    /// The type's name.
    pub(crate) name: Ident,
}

/// Where the fields are.
pub(crate) enum Shape<'a> {
    Struct(Vec<Field<'a>>),
    Enum(Vec<Variant<'a>>),
}

/// One variant of an enum.
pub(crate) struct Variant<'a> {
    pub(crate) ident: Ident,
    pub(crate) fields: Vec<Field<'a>>,
}

/// One field.
pub(crate) struct Field<'a> {
    pub(crate) member: Member,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: FieldAttrs,
    /// What the type mentions. This decides what is known about its `NEEDS_TRACE`.
    pub(crate) mentions: Mentions,
}

/// Which names occur in a field's type. They are read from its tokens, through the groups in which
/// `macro_rules!` wraps its input. Names that another macro will write are not seen, so soundness
/// does not rest on this. `brand` and `itself` only replace a question to the compiler by "yes".
#[derive(Clone, Copy, Default)]
pub(crate) struct Mentions {
    /// The brand.
    pub(crate) brand: bool,
    /// The type itself, by its name or as `Self`.
    pub(crate) itself: bool,
}

impl<'a> Input<'a> {
    /// Reads the model. Fails with all errors in its attributes.
    pub(crate) fn read(node: &'a DeriveInput) -> Result<Self> {
        let mut errors = errors::Errors::default();
        let attrs = errors.take(attr::container(&node.attrs));
        let brand = node.generics.lifetimes().next().map(|param| &param.lifetime);
        let mut read = |fields: &'a Fields| {
            let mut out = Vec::new();
            for (field, mut member) in fields.iter().zip(fields.members()) {
                if let Member::Named(name) = &mut member {
                    *name = silent(name, &field.attrs);
                }
                let attrs = errors.take(attr::field(&field.attrs)).unwrap_or_default();
                let mut mentions = Mentions::default();
                mentions.scan(field.ty.to_token_stream(), &node.ident, brand);
                out.push(Field { member, ty: &field.ty, attrs, mentions });
            }
            out
        };
        let shape = match &node.data {
            Data::Struct(data) => Shape::Struct(read(&data.fields)),
            Data::Enum(data) => {
                let variants = data.variants.iter();
                Shape::Enum(
                    variants
                        .map(|v| Variant {
                            ident: silent(&v.ident, &v.attrs),
                            fields: read(&v.fields),
                        })
                        .collect(),
                )
            }
            Data::Union(data) => return Err(Error::new(data.union_token.span, errors::UNION)),
        };
        if let Data::Enum(data) = &node.data {
            for variant in &data.variants {
                errors.take(attr::variant(&variant.attrs));
            }
        }
        errors.finish()?;
        let name = silent(&node.ident, &node.attrs);
        Ok(Input { node, attrs: attrs.unwrap_or_default(), brand, shape, name })
    }

    /// The path of `gc_core::__private`.
    pub(crate) fn private(&self) -> TokenStream {
        private(&self.attrs)
    }

    /// The name of the brand in the impls. That is the type's own lifetime, or else `'gc`, so that
    /// `bound` can name it, unless a `for<'gc>` in the type conflicts.
    pub(crate) fn brand_name(&self) -> Lifetime {
        let fresh: Lifetime = parse_quote!('gc);
        let mut mentions = Mentions::default();
        mentions.scan(self.node.generics.to_token_stream(), &self.node.ident, Some(&fresh));
        for field in self.fields() {
            mentions.scan(field.ty.to_token_stream(), &self.node.ident, Some(&fresh));
        }
        match self.brand {
            Some(brand) => brand.clone(),
            None if mentions.brand => parse_quote!('__gc),
            None => fresh,
        }
    }

    /// All fields, of all variants.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        let (one, many) = match &self.shape {
            Shape::Struct(fields) => (Some(fields), None),
            Shape::Enum(variants) => (None, Some(variants)),
        };
        let variants = many.into_iter().flatten().flat_map(|variant| &variant.fields);
        one.into_iter().flatten().chain(variants)
    }

    /// Returns whether a value can hold a `Gc` for some choice of the parameters. A type for which
    /// this is `false` is `'static` and hence a leaf.
    pub(crate) fn is_open(&self) -> bool {
        self.brand.is_some() || self.node.generics.type_params().next().is_some()
    }
}

/// The path of `gc_core::__private`. The user's crate decides what it leads to: see `gc_core`'s
/// `trace/checks.rs`.
pub(crate) fn private(attrs: &ContainerAttrs) -> TokenStream {
    match &attrs.krate {
        Some(path) => quote!(#path::__private),
        None => quote!(::gc_core::__private),
    }
}

/// A name that the impls may repeat without a warning. A name in a derive's own span causes no
/// deprecation warning. An `#[allow(deprecated)]` would be an error below a `forbid`.
pub(crate) fn silent(name: &Ident, attrs: &[Attribute]) -> Ident {
    if !attrs.iter().any(|attr| attr.path().is_ident("deprecated")) {
        return name.clone();
    }
    let span = Span::mixed_site().located_at(name.span());
    // Raw, because our edition may have more keywords than the user's.
    Ident::new_raw(&name.unraw().to_string(), span)
}

impl Mentions {
    /// Adds the names that occur in `tokens`.
    pub(crate) fn scan(&mut self, tokens: TokenStream, name: &Ident, brand: Option<&Lifetime>) {
        // A lifetime is two tokens, an apostrophe and a name.
        let mut quote = false;
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.scan(group.stream(), name, brand),
                TokenTree::Ident(ident) if quote => {
                    self.brand |= brand.is_some_and(|brand| brand.ident == ident);
                    quote = false;
                }
                TokenTree::Ident(ident) => self.itself |= ident == *name || ident == "Self",
                TokenTree::Punct(punct) => quote = punct.as_char() == '\'',
                TokenTree::Literal(_) => {}
            }
        }
    }
}

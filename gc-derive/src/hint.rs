//! Fields that cannot compile, refused with a message that names the remedy. The compiler's message
//! would be that a lifetime is too short.
//!
//! 1. A cell, a lock or a count of std around pointers: the collector does not see stores through
//!    it.
//! 2. A `Gc<'static, _>`: no pointer has that brand.
//!
//! Both are guesses from names. A type of the user's own may be called `Mutex` and be `Trace`: with
//! its path (`crate::Mutex<…>`), it is not refused.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Data, DeriveInput, Error, GenericArgument, GenericParam, Lifetime, Path,
    PathArguments, PathSegment, Type, TypeBareFn, TypeTraitObject,
};

/// Types that hide their content from the collector, and what to write instead.
const HIDING: [(&str, &str); 10] = [
    ("RefCell", "`GcRefCell`"),
    ("Cell", "`GcCell`, which holds one pointer or none, or `GcRefCell`"),
    ("UnsafeCell", "`GcCell` or `GcRefCell`"),
    ("OnceCell", "`GcOnceCell`"),
    ("OnceLock", "`GcOnceCell`"),
    ("LazyLock", "`GcOnceCell`"),
    ("Mutex", "`GcMutex`"),
    ("RwLock", "`GcRwLock`"),
    ("Arc", "`Gc`, which needs no count"),
    ("Rc", "`Gc`, which needs no count"),
];

/// The crates and modules that the names above come from.
const HOMES: [&str; 7] = ["std", "core", "alloc", "sync", "cell", "rc", "parking_lot"];

/// Pointers and cells whose first argument is the brand.
const POINTERS: [&str; 3] = ["Gc", "GcCell", "GcWeak"];

/// Containers that hold values of their arguments only.
const CONTAINERS: [&str; 5] = ["Option", "Vec", "Box", "VecDeque", "HashMap"];

/// The first fields that are refused, one error each.
pub(crate) fn check(node: &DeriveInput) -> syn::Result<()> {
    let brand = node.generics.params.iter().find_map(|param| match param {
        GenericParam::Lifetime(param) => Some(&param.lifetime),
        _ => None,
    });
    let mut finder = Finder { brand, error: None };
    match &node.data {
        Data::Struct(data) => data.fields.iter().for_each(|field| finder.field(field)),
        Data::Enum(data) => {
            let fields = data.variants.iter().flat_map(|variant| &variant.fields);
            fields.for_each(|field| finder.field(field));
        }
        Data::Union(_) => {}
    }
    finder.error.map_or(Ok(()), Err)
}

struct Finder<'a> {
    brand: Option<&'a Lifetime>,
    error: Option<Error>,
}

impl Finder<'_> {
    fn field(&mut self, field: &syn::Field) {
        // A skipped field has errors of its own, and so has an attribute that does not parse.
        if field.attrs.iter().any(|attr: &Attribute| attr.path().is_ident("trace")) {
            return;
        }
        self.visit_type(&field.ty);
        if self.brand.is_none() {
            self.find_static(&field.ty);
        }
    }

    fn refuse(&mut self, at: Span, message: String) {
        let error = Error::new(at, message);
        match &mut self.error {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    /// Whether a type among the arguments mentions the brand.
    fn holds_brand(&self, segment: &PathSegment) -> bool {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
        let Some(brand) = self.brand else { return false };
        arguments.args.iter().any(|argument| match argument {
            GenericArgument::Type(ty) => mentions(ty, brand),
            _ => false,
        })
    }

    /// Looks where a pointer itself would be: in the type, and in containers of it.
    fn find_static(&mut self, ty: &Type) {
        match ty {
            Type::Group(group) => self.find_static(&group.elem),
            Type::Paren(paren) => self.find_static(&paren.elem),
            Type::Array(array) => self.find_static(&array.elem),
            Type::Tuple(tuple) => tuple.elems.iter().for_each(|elem| self.find_static(elem)),
            Type::Path(path) => {
                let Some(last) = path.path.segments.last() else { return };
                let PathArguments::AngleBracketed(arguments) = &last.arguments else { return };
                if POINTERS.iter().any(|name| last.ident == name) {
                    let first = arguments.args.first();
                    if let Some(GenericArgument::Lifetime(lifetime)) = first
                        && lifetime.ident == "static"
                    {
                        self.refuse(lifetime.span(), static_pointer(&last.ident.to_string()));
                    }
                } else if CONTAINERS.iter().any(|name| last.ident == name) {
                    for argument in &arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            self.find_static(ty);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    // These types hold no value of the types that they name.
    fn visit_type_bare_fn(&mut self, _: &'ast TypeBareFn) {}
    fn visit_type_trait_object(&mut self, _: &'ast TypeTraitObject) {}

    fn visit_path(&mut self, path: &'ast Path) {
        if path.segments.last().is_some_and(|last| last.ident == "PhantomData") {
            return;
        }
        let is_std = path.segments.len() == 1
            || path.segments.first().is_some_and(|first| HOMES.iter().any(|h| first.ident == h));
        if let (true, Some(last)) = (is_std, path.segments.last())
            && let Some((name, instead)) = HIDING.iter().find(|(name, _)| last.ident == name)
            && self.holds_brand(last)
        {
            return self.refuse(last.ident.span(), hiding(name, instead));
        }
        visit::visit_path(self, path);
    }
}

fn mentions(ty: &Type, brand: &Lifetime) -> bool {
    struct Mentions<'a>(&'a Lifetime, bool);
    impl<'ast> Visit<'ast> for Mentions<'_> {
        fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
            self.1 |= lifetime.ident == self.0.ident;
        }
    }
    let mut mentions = Mentions(brand, false);
    mentions.visit_type(ty);
    mentions.1
}

fn hiding(name: &str, instead: &str) -> String {
    format!(
        "`{name}` hides its pointers from the collector: write {instead} (a type of your own of \
         that name goes by its path, `crate::…::{name}`)"
    )
}

fn static_pointer(name: &str) -> String {
    format!(
        "no pointer is `'static`: give the type the brand, `<'gc>`, and write `{name}<'gc, …>`; \
         what is outside of the heap holds a `Root`"
    )
}

//! Types that only the derive must refuse. Each hides a `Gc`, looks through one in a `Drop`, or has
//! a form that the derive does not support.

use crate::rng::Rng;

/// What finds the mistake. The compiler does not get to a later stage when an earlier one has
/// failed, so each stage has batches of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The derive itself.
    Derive,
    /// The resolution of names and lifetimes.
    Names,
    /// Types and patterns.
    Types,
    /// Lifetimes and references.
    Borrows,
}

pub(crate) const STAGES: [Stage; 4] = [Stage::Derive, Stage::Names, Stage::Types, Stage::Borrows];

/// Random parts of a type.
struct Parts<'a> {
    rng: &'a mut Rng,
    /// With the apostrophe.
    brand: &'static str,
}

/// A kind of mistake.
type Kind<'a> = (&'static str, fn(&mut Parts<'a>) -> String);

/// Module `m{number}` with a mistake that this stage finds, and the kind of mistake. `DERIVE`
/// stands for the crate that the derive is from.
pub(crate) fn module<'a>(rng: &'a mut Rng, number: usize, stage: Stage) -> (String, &'static str) {
    let brand = rng.pick(&["'gc", "'b", "'heap"]);
    let mut parts = Parts { rng, brand };
    let kinds: &[Kind<'a>] = match stage {
        Stage::Derive => &[
            ("skip", Parts::skip_written),
            ("attributes", Parts::attributes),
            ("item", Parts::refused_item),
        ],
        Stage::Names => &[("opened", Parts::opened)],
        Stage::Types => &[
            ("drop", Parts::with_drop),
            ("drop_below", Parts::drop_below),
            ("inserted", Parts::inserted),
            ("untraced", Parts::untraced),
            ("replaced", Parts::replaced),
            ("fake_crate", Parts::fake_crate),
            ("unbound", Parts::unbound),
        ],
        Stage::Borrows => &[
            ("skip_hidden", Parts::skip_hidden),
            ("skip_parameter", Parts::skip_parameter),
            ("packed_below", Parts::packed_below),
            ("fake_skip", Parts::fake_skip),
        ],
    };
    let (kind, make) = kinds[parts.rng.below(kinds.len())];
    let noise = parts.rng.pick(&[
        "",
        "static tracer: u8 = 0; fn __gc_tracer() {} fn value() {}",
        "mod core {} mod gc_core {} struct Tracer; struct MoveDropToAFieldWithoutPointers;",
        "trait Edges { fn edges<T: ?Sized>(self, _: &T); fn __leaf<T: ?Sized>(self, _: &T); \
         fn __no_drop<T: ?Sized, M>(self); } impl<X> Edges for X { \
         fn edges<T: ?Sized>(self, _: &T) {} fn __leaf<T: ?Sized>(self, _: &T) {} \
         fn __no_drop<T: ?Sized, M>(self) {} }",
    ]);
    let item = make(&mut parts);
    let text =
        format!("mod m{number} {{\nuse super::*; use ::DERIVE::Trace;\n{noise}\n{item}\n}}\n");
    (text, kind)
}

impl Parts<'_> {
    /// A type that holds a `Gc`.
    fn holding(&mut self) -> String {
        let gc = format!("Gc<{}, Canary>", self.brand);
        let around = self.rng.pick(&[
            "{}",
            "{}",
            "Option<{}>",
            "Vec<{}>",
            "(u8, {})",
            "Box<[{}; 1]>",
            "GcRefCell<{}>",
            "HashMap<u8, {}>",
            "Result<(), {}>",
            "VecDeque<Option<{}>>",
        ]);
        around.replace("{}", &gc)
    }

    /// The same, and no macro sees the brand before the compiler expands it; with the macro that it
    /// needs.
    fn hidden(&mut self) -> (String, String) {
        let ty = self.holding();
        let makro = format!("macro_rules! hidden {{ () => {{ {ty} }} }}\n");
        let user = self.rng.pick(&[
            "hidden!()",
            "Option<hidden!()>",
            "(u8, hidden!())",
            "hostile::alternate!(NUMBER (hidden!()) (u8))",
            "crate::same!(hidden!())",
            "[hidden!(); 1]",
        ]);
        let number = self.rng.below(1 << 30).to_string();
        (makro, user.replace("NUMBER", &number))
    }

    /// A struct or an enum `N` that has this field among others. `below` stands behind the derive.
    fn item(&mut self, below: &str, parameters: &str, clause: &str, field: (&str, &str)) -> String {
        let brand = self.brand;
        let mut fields = vec![field];
        let gc = format!("Gc<{brand}, Canary>");
        // Every type has its brand somewhere; a type without one has no other field.
        if parameters.contains(brand) {
            fields.push(("", &gc));
        }
        if self.rng.chance(50) {
            fields.push(("", "u8"));
        }
        if self.rng.chance(30) {
            fields.push(("", "String"));
        }
        let shift = self.rng.below(fields.len());
        fields.rotate_left(shift);
        let named: String =
            fields.iter().enumerate().map(|(i, (a, ty))| format!("{a} f{i}: {ty}, ")).collect();
        let plain: String = fields.iter().map(|(a, ty)| format!("{a} {ty}, ")).collect();
        let item = match self.rng.below(4) {
            0 => format!("struct N{parameters} {clause} {{ {named} }}"),
            1 => format!("struct N{parameters} ({plain}) {clause};"),
            2 => format!("enum N{parameters} {clause} {{ Empty, Some {{ {named} }} }}"),
            _ => format!("enum N{parameters} {clause} {{ Some({plain}) }}"),
        };
        let pass = match below.is_empty() {
            true => self.rng.below(4),
            false => 3,
        };
        match pass {
            0 => format!(
                "macro_rules! item {{ ($i:item) => {{ #[derive(Trace)] $i }} }} item! {{ {item} }}"
            ),
            1 => format!("crate::same! {{ #[derive(Trace)] {item} }}"),
            _ => format!("#[derive(Trace)] {below} {item}"),
        }
    }

    fn branded(&self) -> String {
        format!("<{}>", self.brand)
    }

    fn skip_written(&mut self) -> String {
        let ty = self.holding();
        let ty = match self.rng.below(3) {
            0 => format!("crate::same!({ty})"),
            1 => {
                let number = self.rng.below(1 << 30);
                format!("hostile::alternate!({number} ({ty}) (u8))")
            }
            _ => ty,
        };
        let skip = self.rng.pick(&["#[trace(skip)]", "#[cfg_attr(all(), trace(skip))]"]);
        let parameters = self.branded();
        self.item("", &parameters, "", (skip, &ty))
    }

    fn skip_hidden(&mut self) -> String {
        let (makro, ty) = self.hidden();
        let parameters = self.branded();
        let item = self.item("", &parameters, "", ("#[trace(skip)]", &ty));
        format!("{makro}{item}")
    }

    fn skip_parameter(&mut self) -> String {
        let ty = self.rng.pick(&["T", "Option<T>", "(T, u8)", "fn(T) -> T", "Vec<Foreign2<T>>"]);
        let parameters = match self.rng.chance(50) {
            true => format!("<{}, T>", self.brand),
            false => "<T>".to_owned(),
        };
        let clause = self.rng.pick(&["", "where T: Clone", "where T: Fits<u8> + Clone"]);
        let item = self.item("", &parameters, clause, ("#[trace(skip)]", ty));
        format!("pub struct Foreign2<T>(T); {item}")
    }

    fn packed_below(&mut self) -> String {
        let packed = self.rng.pick(&["packed", "packed(2)", "C, packed", "packed(4)"]);
        let attribute = format!("#[hostile::attribute(repr({packed}))]");
        // No cell: a packed type may not hold a type with an alignment of its own.
        let (brand, ty) = (self.brand, self.rng.pick(&["Gc", "Option<Gc", "Vec<Gc"]));
        let ty = format!("{ty}<{brand}, Canary>{}", if ty == "Gc" { "" } else { ">" });
        let more = self.rng.pick(&["", ", u8", ", String"]);
        format!("#[derive(Trace)] {attribute} struct N<{brand}>({ty}{more});")
    }

    fn with_drop(&mut self) -> String {
        let brand = self.brand;
        let ty = self.holding();
        let (parameters, clause) = match self.rng.below(4) {
            0 => (format!("<{brand}, T>"), "where T: Clone"),
            1 => (format!("<{brand}, const K: usize>"), ""),
            _ => (self.branded(), ""),
        };
        let (field, arguments) = match (parameters.contains('T'), parameters.contains('K')) {
            (true, _) => ("(T, u8)", format!("{brand}, T")),
            (_, true) => ("[u8; K]", format!("{brand}, K")),
            _ => (&*ty, brand.to_owned()),
        };
        let item = self.item("", &parameters, clause, ("", field));
        let target = self.rng.pick(&["N", "Alias"]);
        let alias = format!("type Alias{parameters} = N<{arguments}>;");
        let drop = format!(
            "impl{parameters} Drop for {target}<{arguments}> {clause} {{ fn drop(&mut self) {{}} }}"
        );
        let drop = match self.rng.below(4) {
            0 => format!("crate::same! {{ {drop} }}"),
            1 => format!("const _: () = {{ {drop} }};"),
            2 => format!("mod inner {{ use super::*; {drop} }}"),
            _ => drop,
        };
        let item = item.replace("struct N", "pub struct N").replace("enum N", "pub enum N");
        format!("{item} {alias} {drop}")
    }

    fn drop_below(&mut self) -> String {
        let brand = self.brand;
        let drop = format!("impl<{brand}> Drop for N<{brand}> {{ fn drop(&mut self) {{}} }}");
        let below = format!("#[hostile::append({drop})]");
        let ty = self.holding();
        let parameters = self.branded();
        self.item(&below, &parameters, "", ("", &ty))
    }

    fn inserted(&mut self) -> String {
        let (brand, ty) = (self.brand, self.holding());
        let gc = format!("Gc<{brand}, Canary>");
        match self.rng.below(7) {
            0 => format!(
                "#[derive(Trace)] #[hostile::insert(b: {ty})] struct N<{brand}> {{ a: {gc}, }}"
            ),
            1 => format!("#[derive(Trace)] #[hostile::insert({ty})] struct N<{brand}>({gc},);"),
            2 => format!(
                "#[derive(Trace)] #[hostile::insert(B({ty}))] enum N<{brand}> {{ A({gc}), }}"
            ),
            3 => format!(
                "#[derive(Trace)] #[hostile::insert_in_variants(b: {ty})]
                 enum N<{brand}> {{ A {{ a: {gc}, }}, B {{ a: u8, }} }}"
            ),
            4 => format!(
                "#[derive(Trace)] #[hostile::insert_in_variants({ty})]
                 enum N<{brand}> {{ A({gc},), B(u8,) }}"
            ),
            5 => "#[derive(Trace)] #[hostile::identity] #[hostile::insert(b: T)] \
                  struct N<T> { a: Vec<T>, }"
                .to_owned(),
            _ => format!(
                "crate::same! {{ #[derive(Trace)] #[hostile::insert(#[trace(skip)] b: {ty})] \
                 struct N<{brand}> {{ a: {gc}, }} }}"
            ),
        }
    }

    fn untraced(&mut self) -> String {
        let brand = self.brand;
        let ty = self.holding();
        let around = self.rng.pick(&[
            "std::cell::RefCell<{}>",
            "std::sync::Mutex<{}>",
            "std::sync::Arc<{}>",
            "std::cell::Cell<Option<{}>>",
            "std::mem::ManuallyDrop<Smart<'b2, {}>>",
            "Smart<'b2, {}>",
            "Option<Smart<'b2, {}>>",
            "fn({}) -> u8",
        ]);
        let ty = around.replace("{}", &ty).replace("'b2", brand);
        let parameters = self.branded();
        let item = self.item("", &parameters, "", ("", &ty));
        // A field that is not `Trace` and leads to one that is.
        format!(
            "pub struct Smart<'x, T>(Gc<'x, Canary>, T);
             impl<'x, T> std::ops::Deref for Smart<'x, T> {{
                 type Target = Gc<'x, Canary>; fn deref(&self) -> &Gc<'x, Canary> {{ &self.0 }}
             }}
             {item}"
        )
    }

    fn replaced(&mut self) -> String {
        let (brand, ty) = (self.brand, self.holding());
        let gc = format!("Gc<{brand}, Canary>");
        match self.rng.below(4) {
            3 => format!(
                "#[derive(Trace)] #[hostile::replace(union N<{brand}> {{ a: {gc} }})]
                 struct N<{brand}> {{ a: {gc} }}"
            ),
            0 => format!(
                "#[derive(Trace)] #[hostile::replace(struct N<{brand}> {{ b: {ty}, a: {gc} }})]
                 struct N<{brand}> {{ a: {gc} }}"
            ),
            1 => format!(
                "pub struct Other<{brand}>({ty}, {gc});
                 #[derive(Trace)] #[hostile::replace(type N<{brand}> = Other<{brand}>;)]
                 struct N<{brand}>({gc});"
            ),
            _ => format!(
                "pub struct Other<{brand}>({gc});
                 impl Drop for Other<'_> {{ fn drop(&mut self) {{}} }}
                 #[derive(Trace)] #[hostile::replace(type N<{brand}> = Other<{brand}>;)]
                 struct N<{brand}>({gc});"
            ),
        }
    }

    fn opened(&mut self) -> String {
        let (brand, ty) = (self.brand, self.holding());
        match self.rng.below(3) {
            0 => format!(
                "#[derive(Trace)] #[hostile::replace(struct N<{brand}> {{ a: {ty} }})]
                 struct N {{ a: u8 }}"
            ),
            1 => format!(
                "#[derive(Trace)] #[hostile::replace(struct N<{brand}, T>({ty}, T);)]
                 struct N<T>(u8, T);"
            ),
            _ => format!(
                "#[derive(Trace)] #[hostile::replace(enum N<{brand}> {{ A({ty}) }})]
                 enum N {{ A(u8) }}"
            ),
        }
    }

    /// A module that takes the crate's place, with something of its own.
    fn fake(own: &str) -> String {
        format!(
            "pub mod fake {{ pub use ::gc_core::*; pub mod __private {{
             pub use ::gc_core::__private::*; {own} }} }}"
        )
    }

    fn fake_crate(&mut self) -> String {
        let (brand, ty) = (self.brand, self.holding());
        let path = self.rng.pick(&["fake", "self::fake"]);
        match self.rng.below(3) {
            0 => {
                let fake = Self::fake("pub trait MoveDropToAFieldWithoutPointers {}");
                format!(
                    "{fake} #[derive(Trace)] #[trace(crate = \"{path}\")] struct N<{brand}>({ty});
                     impl Drop for N<'_> {{ fn drop(&mut self) {{}} }}"
                )
            }
            1 => {
                let fake = Self::fake(
                    "pub struct Tracer<'x>(&'x u8);
                     impl<'x> Tracer<'x> { pub fn edges<T: ?Sized>(&mut self, _: &T) {}
                     pub fn __no_drop<T: ?Sized, M>(&mut self) {} }",
                );
                format!(
                    "{fake} #[derive(Trace)] #[trace(crate = \"{path}\")] struct N<{brand}>({ty});"
                )
            }
            _ => {
                let fake = Self::fake(
                    "pub trait Family { type At<'x>: ?Sized; }
                     pub trait Rootable<'x> { type Family: ?Sized; }
                     impl Family for u8 { type At<'x> = String; }
                     impl<'x> Rootable<'x> for String { type Family = u8; }",
                );
                format!(
                    "{fake} #[derive(Trace)] #[trace(crate = \"{path}\")]
                     struct N<{brand}, U: ?Sized>(Gc<{brand}, U>);"
                )
            }
        }
    }

    fn fake_skip(&mut self) -> String {
        let fake = Self::fake("pub const fn assert_leaf<T: ?Sized>() {}");
        let (makro, ty) = self.hidden();
        let brand = self.brand;
        format!(
            "{fake} {makro} #[derive(Trace)] #[trace(crate = \"fake\")]
             struct N<{brand}>(#[trace(skip)] {ty}, Gc<{brand}, Canary>);"
        )
    }

    fn unbound(&mut self) -> String {
        let ty = self.rng.pick(&["T", "Vec<T>", "Option<Box<T>>", "<T as Has>::Out"]);
        let item = self.item("#[trace(bound = \"\")]", "<T: Has>", "", ("", ty));
        format!("pub trait Has {{ type Out; }} {item}")
    }

    fn attributes(&mut self) -> String {
        let on_type = self.rng.pick(&[
            "trace",
            "trace()",
            "trace(skip)",
            "trace(scan)",
            "trace(bound)",
            "trace(bound = 1)",
            "trace(bound = \"T T\")",
            "trace(bound = \"\", bound = \"\")",
            "trace(crate)",
            "trace(crate = 1)",
            "trace(crate = \"a b\")",
            "trace(crate = \"gc_core<u8>\")",
            "trace = \"skip\"",
        ]);
        let on_field = self.rng.pick(&[
            "trace",
            "trace(skip = true)",
            "trace(skip, skip)",
            "trace(bound = \"\")",
            "trace(crate = \"gc_core\")",
            "trace(skipped)",
        ]);
        let ty = self.holding();
        let parameters = self.branded();
        if self.rng.chance(60) {
            self.item(&format!("#[{on_type}]"), &parameters, "", ("", &ty))
        } else {
            self.item("", &parameters, "", (&format!("#[{on_field}]"), "u8"))
        }
    }

    fn refused_item(&mut self) -> String {
        let brand = self.brand;
        let gc = format!("Gc<{brand}, Canary>");
        match self.rng.below(6) {
            0 => format!("#[derive(Trace)] struct N<{brand}, 'other>({gc}, &'other u8);"),
            1 => format!("#[derive(Trace)] #[derive(Clone, Copy)] union N<{brand}> {{ a: {gc} }}"),
            2 => format!("#[derive(Trace)] #[repr(packed)] struct N<{brand}>(u8, {gc});"),
            3 => format!("#[derive(Trace)] #[repr(C, packed(2))] struct N<{brand}>(u8, {gc});"),
            4 => "#[derive(Trace)] struct N<T: Iterator>(T, T::Item) where T::Item: Clone;".into(),
            _ => "#[derive(Trace)] struct N<T>(T) where crate::same!(Vec<T>): Fits<u8>;".into(),
        }
    }
}

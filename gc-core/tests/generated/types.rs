//! Random types that derive `Trace`, and the expressions that fill them with canaries.

use crate::rng::Rng;

/// A module with a type, and a function `make` that puts values of it into a heap.
pub(crate) struct Module {
    pub(crate) text: String,
    /// The type with its arguments, as others may name it, and a value of it.
    pub(crate) exported: Option<(String, String)>,
}

/// A type as text, and a value of it.
type Typed = (String, String);

/// A part of a definition that a macro gets as an argument.
struct Hole {
    matcher: String,
    use_as: String,
    text: String,
}

struct Definition<'a> {
    rng: &'a mut Rng,
    name: String,
    /// With the apostrophe.
    brand: Option<&'static str>,
    /// The parameter `T` and `U`, if it has them: a type and a value for each.
    sized: Option<Typed>,
    maybe_unsized: Option<Typed>,
    konst: bool,
    /// Earlier types.
    others: &'a [Typed],
    /// Whether parts of it are arguments of a macro.
    holed: bool,
    holes: Vec<Hole>,
    /// Whether it is an enum.
    choice: bool,
}

const LEAVES: [(&str, &str); 12] = [
    ("u8", "7"),
    ("u64", "8"),
    ("char", "'c'"),
    ("String", "String::from(\"s\")"),
    ("&'static str", "\"s\""),
    ("Arc<str>", "\"s\".into()"),
    ("[u16; 3]", "[1, 2, 3]"),
    ("Option<Box<str>>", "Some(\"s\".into())"),
    ("()", "()"),
    ("fn(u8) -> u8", "u8::swap_bytes as fn(u8) -> u8"),
    ("std::sync::Mutex<Vec<u8>>", "Default::default()"),
    ("PhantomData<fn()>", "PhantomData"),
];

const SKIPPED: [(&str, &str); 4] = [
    ("Foreign", "Foreign(1)"),
    ("Vec<Foreign>", "vec![Foreign(1)]"),
    ("u32", "3"),
    ("std::sync::RwLock<Option<Foreign>>", "Default::default()"),
];

/// Names that a derive might use itself.
const FIELDS: [&str; 12] = [
    "a", "tracer", "r#type", "r#match", "self_", "whole", "field", "value", "edges", "brand",
    "this", "field0",
];

/// What surrounds the type: names that a derive might mean otherwise.
const NOISE: [&str; 8] = [
    "static tracer: u8 = 0; fn whole() {} const field: u8 = 1; fn __gc_tracer() {} static value: u8 = 0;",
    "trait Edges { fn edges<T: ?Sized>(self, _: &T); fn __leaf<T: ?Sized>(self, _: &T); \
     fn __no_drop<T: ?Sized, M>(self); } impl<X> Edges for X { fn edges<T: ?Sized>(self, _: &T) {} \
     fn __leaf<T: ?Sized>(self, _: &T) {} fn __no_drop<T: ?Sized, M>(self) {} }",
    "struct Tracer; trait Managed {} trait Branded {} struct MustNotImplDrop;",
    "mod core {} mod std_ {} mod gc_core {}",
    "macro_rules! compile_error { ($($t:tt)*) => {} } macro_rules! panic { ($($t:tt)*) => {} }",
    "trait Copy {} mod __private {}",
    "const NEEDS_TRACE: bool = false; fn trace() {} const __NEEDS: u8 = 1;",
    "",
];

/// A module called `m{number}`.
pub(crate) fn module(rng: &mut Rng, number: usize, others: &[Typed]) -> Module {
    let brand = rng.chance(65).then(|| rng.pick(&["'gc", "'a", "'heap", "'g"]));
    let holed = rng.chance(40);
    let sized = rng.chance(45).then(|| {
        rng.pick(&[
            ("Gc<'gc, Canary>", "c(mc)"),
            ("Option<Gc<'gc, Canary>>", "Some(c(mc))"),
            ("Vec<Gc<'gc, Canary>>", "vec![c(mc), c(mc)]"),
            ("u64", "6"),
            ("String", "String::new()"),
        ])
    });
    let maybe_unsized = rng.chance(25).then(|| match brand {
        Some(_) => rng.pick(&[
            ("Canary", "c(mc)"),
            ("[u8]", "Gc::from_slice(mc, &[1, 2])"),
            ("str", "Gc::from_str(mc, \"s\")"),
            ("[Gc<'gc, Canary>]", "Gc::from_slice(mc, &[c(mc), c(mc)])"),
        ]),
        None => rng.pick(&[
            ("[Gc<'gc, Canary>]", "Box::new([c(mc), c(mc)])"),
            ("str", "\"s\".into()"),
            ("Gc<'gc, Canary>", "Box::new(c(mc))"),
        ]),
    });
    let owned = |typed: Option<(&str, &str)>| typed.map(|(a, b)| (a.to_owned(), b.to_owned()));
    let mut definition = Definition {
        name: rng.pick(&["Node", "T0", "Value", "r#dyn", "Tree"]).to_owned(),
        brand,
        sized: owned(sized),
        maybe_unsized: owned(maybe_unsized),
        konst: rng.chance(25),
        others,
        holed,
        holes: Vec::new(),
        choice: false,
        rng,
    };
    definition.module(number)
}

impl Definition<'_> {
    fn module(&mut self, number: usize) -> Module {
        let (definition, values) = self.definition();
        let definition = self.wrapped(&definition);
        let arguments = self.arguments();
        let ty = format!("{}{arguments}", self.name);
        let noise = self.rng.pick(&NOISE);
        let roots: String = values
            .iter()
            .map(|value| format!("let made: {ty} = {value}; keep.root(mc, made);\n"))
            .collect();
        let text = format!(
            "mod m{number} {{\nuse super::*; use ::gc_core::Trace;\n{noise}\n{definition}\n\
             pub(crate) fn new<'gc>(mc: &Mutation<'gc>) -> {ty} {{ {first} }}\n\
             pub(crate) fn make<'gc>(mc: &Mutation<'gc>, keep: &mut Keep) {{\nkeep.owner({number});\n\
             {roots}}}\n}}\n",
            first = values[0],
        );
        let visible = text.contains("pub struct") || text.contains("pub enum");
        let exported = visible.then(|| (format!("m{number}::{ty}"), format!("m{number}::new(mc)")));
        let exported = exported.map(|(ty, new)| (format!("crate::{ty}"), format!("crate::{new}")));
        Module { text, exported }
    }

    /// The type's arguments where the brand is `'gc`.
    fn arguments(&self) -> String {
        let brand = self.brand.map(|_| "'gc".to_owned());
        let types = [&self.sized, &self.maybe_unsized].into_iter().flatten();
        let konst = self.konst.then(|| "2".to_owned());
        let all: Vec<_> =
            brand.into_iter().chain(types.map(|(ty, _)| ty.clone())).chain(konst).collect();
        if all.is_empty() { String::new() } else { format!("<{}>", all.join(", ")) }
    }

    /// `text`, or a place for it in a macro that gets `text` as a fragment of one of these kinds.
    fn hole(&mut self, kinds: &[&str], text: impl Into<String>) -> String {
        let text = text.into();
        if !self.holed || !self.rng.chance(40) {
            return text;
        }
        let name = format!("h{}", self.holes.len());
        let (matcher, use_as) = match self.rng.pick(kinds) {
            "tts" => (format!("[$(${name}:tt)*], "), format!("$(${name})*")),
            kind => (format!("${name}:{kind}, "), format!("${name}")),
        };
        self.holes.push(Hole { matcher, use_as: use_as.clone(), text });
        use_as
    }

    /// The definition, perhaps written by a macro.
    fn wrapped(&mut self, definition: &str) -> String {
        if !self.holes.is_empty() {
            let matchers: String = self.holes.iter().map(|hole| &*hole.matcher).collect();
            let text = |hole: &Hole| match hole.matcher.starts_with('[') {
                true => format!("[{}], ", hole.text),
                false => format!("{}, ", hole.text),
            };
            let texts: String = self.holes.iter().map(text).collect();
            debug_assert!(self.holes.iter().all(|hole| definition.contains(&hole.use_as)));
            return format!(
                "macro_rules! definition {{ ({matchers}) => {{ {definition} }} }}\n\
                 definition! {{ {texts} }}"
            );
        }
        let (attributes, item) = definition.split_once("#[derive(Trace)]").expect("it derives");
        let above = attributes.trim();
        match self.rng.below(6) {
            0 if above.is_empty() => format!(
                "macro_rules! item {{ ($i:item) => {{ #[derive(Trace)] $i }} }}\n\
                 item! {{ {item} }}"
            ),
            1 if above.is_empty() => format!(
                "macro_rules! all {{ ($($t:tt)*) => {{ #[derive(Trace)] $($t)* }} }}\n\
                 all! {{ {item} }}"
            ),
            2 => format!("crate::same! {{ {definition} }}"),
            _ => definition.to_owned(),
        }
    }

    /// The definition and a value for each variant.
    fn definition(&mut self) -> (String, Vec<String>) {
        let is_enum = self.rng.chance(40);
        self.choice = is_enum;
        let attributes = self.attributes(is_enum);
        let public = self.rng.pick(&["pub", "pub", "pub(crate)", "", "pub(in super)"]);
        let vis = self.hole(&["vis", "tts"], public);
        let name = self.name.clone();
        let name = self.hole(&["ident", "tt"], name);
        let (parameters, clause) = self.parameters();
        let path = self.name.clone();
        if !is_enum {
            let (fields, value, tuple) = self.fields(true);
            let body = match (tuple, fields.is_empty()) {
                (true, true) => format!("{clause};"),
                (true, false) => format!("({fields}) {clause};"),
                (false, _) => format!("{clause} {{ {fields} }}"),
            };
            let text = format!("{attributes} {vis} struct {name}{parameters} {body}");
            return (text, vec![format!("{path}{value}")]);
        }
        let (mut variants, mut values) = (String::new(), Vec::new());
        let n = 1 + self.rng.below(4);
        for i in 0..n {
            // The first variant uses every parameter.
            let (fields, value, tuple) = self.fields(i == 0);
            let variant = self.rng.pick(&["A", "Trace", "Tracer", "Leaf", "None", "Ok"]);
            let variant = format!("{variant}{i}");
            let deprecated = if self.rng.chance(5) { "#[deprecated] " } else { "" };
            let ident = self.hole(&["ident", "tt"], variant.clone());
            let body = match (tuple, fields.is_empty()) {
                (true, true) => String::new(),
                (true, false) => format!("({fields})"),
                (false, _) => format!(" {{ {fields} }}"),
            };
            variants.push_str(&format!("{deprecated}{ident}{body}, "));
            values.push(format!("{path}::{variant}{value}"));
        }
        let text = format!("{attributes} {vis} enum {name}{parameters} {clause} {{ {variants} }}");
        (text, values)
    }

    fn attributes(&mut self, is_enum: bool) -> String {
        let mut all = vec!["#[derive(Trace)]".to_owned()];
        if self.rng.chance(20) {
            let path = self.rng.pick(&[
                "\"gc_core\"",
                "\"::gc_core\"",
                "crate::reexport::gc_core",
                "\"crate::reexport::gc_core\"",
            ]);
            // Below the noise, a relative path may be another module.
            let path = path.replace("\"gc_core\"", "\"::gc_core\"");
            all.push(format!("#[trace(crate = {path})]"));
        }
        if self.rng.chance(30) {
            let meta = self.rng.pick(&["allow(dead_code)", "doc = \"what\"", "non_exhaustive"]);
            let meta = self.hole(&["meta", "tts"], meta);
            all.push(format!("#[{meta}]"));
        }
        if self.rng.chance(20) {
            let repr = if is_enum { "#[repr(u8)]" } else { "#[repr(C)]" };
            all.push(repr.to_owned());
        }
        if self.rng.chance(10) {
            all.push("#[repr(align(32))]".to_owned());
        }
        if self.rng.chance(10) {
            all.push("#[hostile::identity]".to_owned());
        }
        if self.rng.chance(5) {
            all.push("#[hostile::attribute(repr(align(16)))]".to_owned());
        }
        if self.rng.chance(5) {
            // Above the derive, which so sees the whole.
            let more = if is_enum { "#[hostile::insert(More)]" } else { "#[hostile::identity]" };
            all.insert(0, more.to_owned());
        }
        all.join(" ")
    }

    /// The parameters with their bounds, and the `where` clause.
    fn parameters(&mut self) -> (String, String) {
        let (mut parameters, mut clause) = (Vec::new(), Vec::new());
        if let Some(brand) = self.brand {
            parameters.push(self.hole(&["lifetime", "tt"], brand));
        }
        let leaf = self.sized.as_ref().is_some_and(|(ty, _)| !ty.contains("'gc"));
        if self.sized.is_some() {
            let mut bounds = vec!["", "Clone", "Fits<u8> + Clone", "for<'x> Fits<&'x str>"];
            bounds.extend(self.brand.map(|_| "Fits<Self>"));
            if leaf {
                bounds.push("'static");
            }
            let bound = self.rng.pick(&bounds);
            let bound = match bound.contains("for<") || bound.contains('+') || bound.is_empty() {
                true => bound.to_owned(),
                false if bound.starts_with('\'') => self.hole(&["lifetime", "tt"], bound),
                false => self.hole(&["path", "tts"], bound),
            };
            let default = if !self.konst && self.maybe_unsized.is_none() && self.rng.chance(30) {
                " = u8"
            } else {
                ""
            };
            parameters.push(format!("T: {bound}{default}"));
            clause.push(self.condition());
        }
        if self.maybe_unsized.is_some() {
            if self.rng.chance(50) {
                parameters.push("U: ?Sized".to_owned());
            } else {
                parameters.push("U".to_owned());
                clause.push("U: ?Sized".to_owned());
            }
        }
        if self.konst {
            let default = self.rng.pick(&["", " = 2", " = { 1 + 1 }"]);
            let ty = self.hole(&["ty", "ident", "tt"], "usize");
            parameters.push(format!("const N: {ty}{default}"));
        }
        clause.retain(|condition| !condition.is_empty());
        let where_clause = match clause.is_empty() {
            true => String::new(),
            false => format!("where {}", clause.join(", ")),
        };
        let parameters = match parameters.is_empty() {
            true => String::new(),
            false => format!("<{}>", parameters.join(", ")),
        };
        (parameters, where_clause)
    }

    /// A condition on `T` that any argument satisfies.
    fn condition(&mut self) -> String {
        let brand = self.brand;
        match self.rng.below(10) {
            0 => "T: for<'x> Fits<&'x str>".to_owned(),
            1 => "for<'x> T: Fits<&'x str> + Clone".to_owned(),
            2 => "Option<T>: Clone".to_owned(),
            3 => {
                let ty = self.hole(&["ty", "tts", "path"], "Vec<T>");
                format!("{ty}: Fits<T>")
            }
            4 => "for<'x> &'x T: Fits<fn(&'x u8)>".to_owned(),
            5 => brand.map(|brand| format!("T: Clone + {brand}")).unwrap_or_default(),
            6 => brand.map(|brand| format!("T: ::gc_core::Trace<{brand}>")).unwrap_or_default(),
            7 => "T: for<'x> Fits<for<'y> fn(&'x u8, &'y u8)>".to_owned(),
            _ => String::new(),
        }
    }

    /// The fields, a value's fields, and whether they have no names. `all`: each parameter is used.
    fn fields(&mut self, all: bool) -> (String, String, bool) {
        let mut fields: Vec<(String, Typed)> = Vec::new();
        for _ in 0..self.rng.below(4) {
            let field = if self.rng.chance(15) {
                let skip = self.rng.pick(&["#[trace(skip)] ", "#[cfg_attr(all(), trace(skip))] "]);
                let (ty, value) = self.rng.pick(&SKIPPED);
                (skip.to_owned(), (self.hole(&["ty", "tts"], ty), value.to_owned()))
            } else {
                let note = self.rng.pick(&["", "", "/// What.\n", "#[cfg(all())] "]);
                (note.to_owned(), self.typed(3))
            };
            fields.push(field);
        }
        if all {
            self.use_parameters(&mut fields);
        }
        let tuple = self.rng.chance(40);
        if self.rng.chance(5) && !(tuple && fields.is_empty()) {
            let gone = if tuple { "Missing" } else { "gone: Missing" };
            let (text, value, tuple) = self.written(fields, tuple);
            return (format!("{text}#[cfg(any())] {gone}, "), value, tuple);
        }
        self.written(fields, tuple)
    }

    fn written(&mut self, fields: Vec<(String, Typed)>, tuple: bool) -> (String, String, bool) {
        let (mut text, mut value) = (String::new(), String::new());
        for (i, (attributes, (ty, expression))) in fields.into_iter().enumerate() {
            let vis = self.rng.pick(&["", "", "pub ", "pub(crate) "]);
            let vis = if self.choice { "" } else { vis };
            if tuple {
                text.push_str(&format!("{attributes}{vis}{ty}, "));
                value.push_str(&format!("{expression}, "));
            } else {
                let name = FIELDS[(i + self.name.len()) % FIELDS.len()];
                let ident = self.hole(&["ident", "tt"], name);
                text.push_str(&format!("{attributes}{vis}{ident}: {ty}, "));
                value.push_str(&format!("{name}: {expression}, "));
            }
        }
        let value = match (tuple, text.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("({value})"),
            (false, _) => format!(" {{ {value} }}"),
        };
        (text, value, tuple)
    }

    /// A field for each parameter.
    fn use_parameters(&mut self, fields: &mut Vec<(String, Typed)>) {
        if let Some(brand) = self.brand {
            let ty = self.hole(&["ty", "path", "tts"], format!("Gc<{brand}, Canary>"));
            fields.insert(0, (String::new(), (ty, "c(mc)".to_owned())));
        }
        if let Some((_, value)) = self.sized.clone() {
            let ty = self.hole(&["ty", "path", "tts", "tt", "ident"], "T");
            fields.push((String::new(), (ty, value)));
        }
        if self.konst {
            let n = self.hole(&["tt", "ident"], "N");
            fields.push((String::new(), (format!("[u8; {n}]"), "[0, 1]".to_owned())));
        }
        if let Some((_, value)) = self.maybe_unsized.clone() {
            let ty = match self.brand {
                Some(brand) => format!("Gc<{brand}, U>"),
                None => "Box<U>".to_owned(),
            };
            fields.push((String::new(), (self.hole(&["ty", "path", "tts"], ty), value)));
        }
    }

    /// A type and a value, perhaps with canaries in it.
    fn typed(&mut self, depth: usize) -> Typed {
        let (ty, value) = self.plain(depth);
        let ty = match self.rng.below(12) {
            0 => format!("crate::same!({ty})"),
            1 => format!("({ty})"),
            _ => ty,
        };
        let kinds: &[&str] = match ty.starts_with(|c: char| c.is_uppercase()) {
            true => &["ty", "tts", "path"],
            false => &["ty", "tts"],
        };
        (self.hole(kinds, ty), value)
    }

    fn plain(&mut self, depth: usize) -> Typed {
        let nested = |this: &mut Self| this.plain(depth - 1);
        if depth == 0 || self.rng.chance(35) {
            return self.smallest();
        }
        match self.rng.below(14) {
            0 => self.with("Option<{}>", "Some({})", depth),
            1 => self.with("Vec<{}>", "vec![{}, {}]", depth),
            2 => self.with("Box<{}>", "Box::new({})", depth),
            3 => self.with("[{}; 2]", "[{}, {}]", depth),
            4 => self.with("VecDeque<{}>", "VecDeque::from([{}])", depth),
            5 => self.with("BTreeMap<u8, {}>", "BTreeMap::from([(1, {}), (2, {})])", depth),
            6 => self.with("HashMap<String, {}>", "HashMap::from([(String::new(), {})])", depth),
            7 => self.with("GcRefCell<{}>", "GcRefCell::new({})", depth),
            8 => self.with("GcMutex<{}>", "GcMutex::new({})", depth),
            9 => self.with("GcRwLock<{}>", "GcRwLock::new({})", depth),
            10 => {
                let (a, b) = (nested(self), nested(self));
                (format!("({}, {})", a.0, b.0), format!("({}, {})", a.1, b.1))
            }
            11 => {
                let (a, b) = (nested(self), nested(self));
                (format!("Result<{}, {}>", a.0, b.0), format!("Err({})", b.1))
            }
            12 => (format!("Option<Box<{}>>", self.itself()), "None".to_owned()),
            _ => match self.brand {
                Some(brand) => {
                    let (ty, value) = nested(self);
                    (format!("Gc<{brand}, {ty}>"), format!("Gc::new(mc, {value})"))
                }
                None => self.with("Option<{}>", "Some({})", depth),
            },
        }
    }

    /// A container of a type, with a value wherever `{}` stands.
    fn with(&mut self, ty: &str, value: &str, depth: usize) -> Typed {
        let inner = self.plain(depth - 1);
        (ty.replace("{}", &inner.0), value.replace("{}", &inner.1))
    }

    fn itself(&self) -> String {
        "Self".to_owned()
    }

    fn smallest(&mut self) -> Typed {
        let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
        match (self.rng.below(6), self.brand, &self.sized) {
            (0 | 1, Some(brand), _) => (format!("Gc<{brand}, Canary>"), "c(mc)".to_owned()),
            (2, Some(brand), _) => {
                (format!("GcCell<{brand}, Canary>"), "GcCell::new(Some(c(mc)))".to_owned())
            }
            (3 | 4, _, Some((_, value))) => ("T".to_owned(), value.clone()),
            (5, Some(brand), _) if !self.others.is_empty() => {
                let other = &self.others[self.rng.below(self.others.len())];
                (other.0.replace("'gc", brand), other.1.clone())
            }
            _ => owned(self.rng.pick(&LEAVES)),
        }
    }
}

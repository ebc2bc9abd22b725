//! The signatures of functions: few parameters are bare numbers or flags, none has more than five
//! beside `self`, and no function is longer than a screen (`docs/ARCHITECTURE.md`, `word.rs`).

use crate::sources;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::ops::RangeInclusive;

/// The share of parameters that may be bare, in percent. It was 24 before there were words for
/// blocks, bytes, ticks and nodes.
const BARE_SHARE: f64 = 13.0;
/// Types that say nothing of what a number means.
const BARE: [&str; 13] = [
    "bool", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
];
/// Parameters of a function beside `self`.
const PARAMETERS: usize = 5;
/// Lines of a function, from its name to its end.
const LINES: usize = 60;

/// A function of the source.
#[derive(Debug)]
struct Function {
    name: String,
    /// How many parameters it has beside `self`, and how many of these have a bare type.
    parameters: usize,
    bare: usize,
    lines: RangeInclusive<usize>,
}

impl Function {
    fn len(&self) -> usize {
        self.lines.end() - self.lines.start() + 1
    }
}

fn is_punct(tree: Option<&TokenTree>, of: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == of)
}

/// How many angle brackets `trees[at]` opens. The one of an arrow is none.
fn opens(trees: &[TokenTree], at: usize) -> i32 {
    let is_arrow = at > 0 && (is_punct(trees.get(at - 1), '-') || is_punct(trees.get(at - 1), '='));
    i32::from(is_punct(trees.get(at), '<')) - i32::from(is_punct(trees.get(at), '>') && !is_arrow)
}

/// The type of a parameter; none of one that has none, as `&self`, and none of a `self`.
fn type_of(parameter: &[TokenTree]) -> Option<&[TokenTree]> {
    let is_self = |tree: &TokenTree| matches!(tree, TokenTree::Ident(name) if name == "self");
    let is_colon = |at: usize| {
        let is_path = is_punct(parameter.get(at + 1), ':') || is_punct(parameter.get(at - 1), ':');
        is_punct(parameter.get(at), ':') && !is_path
    };
    let colon = (1..parameter.len()).find(|at| is_colon(*at))?;
    (!is_self(&parameter[colon - 1])).then(|| &parameter[colon + 1..])
}

fn is_bare(of: &[TokenTree]) -> bool {
    matches!(of, [TokenTree::Ident(name)] if BARE.iter().any(|bare| name == bare))
}

/// The parts of a list with commas, those inside of `<…>` left alone.
fn parts(list: &[TokenTree]) -> Vec<&[TokenTree]> {
    let mut depth = 0;
    let mut ends: Vec<usize> = (0..list.len())
        .filter(|at| {
            depth += opens(list, *at);
            depth == 0 && is_punct(list.get(*at), ',')
        })
        .collect();
    ends.push(list.len());
    let starts = std::iter::once(0).chain(ends.iter().map(|end| end + 1));
    starts.zip(&ends).filter(|(start, end)| start < end).map(|(s, e)| &list[s..*e]).collect()
}

/// The function that `trees` begins with, if they begin with one. A pointer to a function has no
/// name, and the name may be that of a macro's part.
fn function(trees: &[TokenTree]) -> Option<Function> {
    let [TokenTree::Ident(word), TokenTree::Ident(name), ..] = trees else { return None };
    if word != "fn" {
        return None;
    }
    let mut depth = 0;
    let behind_generics = |at: &usize| {
        depth += opens(trees, *at);
        depth == 0 && !is_punct(trees.get(*at), '>')
    };
    let at = (2..trees.len()).find(behind_generics)?;
    let TokenTree::Group(list) = &trees[at] else { return None };
    if list.delimiter() != Delimiter::Parenthesis {
        return None;
    }
    let list: Vec<TokenTree> = list.stream().into_iter().collect();
    let types: Vec<&[TokenTree]> = parts(&list).into_iter().filter_map(type_of).collect();
    // Without a body it ends with a semicolon.
    let is_end = |tree: &&TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        tree => is_punct(Some(tree), ';'),
    };
    let end = trees[at..].iter().find(is_end).unwrap_or(&trees[trees.len() - 1]);
    Some(Function {
        name: name.to_string(),
        parameters: types.len(),
        bare: types.into_iter().filter(|of| is_bare(of)).count(),
        lines: word.span().start().line..=end.span().end().line,
    })
}

/// The functions in `code`, those in a function's own body and in macros among them.
fn functions_of(code: TokenStream, found: &mut Vec<Function>) {
    let trees: Vec<TokenTree> = code.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        found.extend(function(&trees[at..]));
        if let TokenTree::Group(group) = tree {
            functions_of(group.stream(), found);
        }
    }
}

fn functions(text: &str) -> Vec<Function> {
    let mut found = Vec::new();
    functions_of(text.parse().expect("the source is Rust"), &mut found);
    found
}

/// The functions of the crate with their files.
fn all() -> Vec<(String, Function)> {
    let mut all = Vec::new();
    for source in sources() {
        let body: String = source.body().map(|line| format!("{line}\n")).collect();
        all.extend(functions(&body).into_iter().map(|function| (source.name.clone(), function)));
    }
    assert!(all.len() > 1500, "only {} functions were read", all.len());
    all
}

/// The share of bare parameters, in percent.
fn bare_share<'a>(functions: impl Iterator<Item = &'a Function>) -> f64 {
    let counts = functions.map(|function| (function.bare, function.parameters));
    let (bare, all) = counts.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    100.0 * bare as f64 / f64::max(all as f64, 1.0)
}

/// What breaks the bounds of a function.
fn out_of_bounds(function: &Function) -> Option<String> {
    let Function { name, parameters, .. } = function;
    let (line, lines) = (function.lines.start(), function.len());
    if *parameters > PARAMETERS {
        return Some(format!("{name} (line {line}) has {parameters} parameters"));
    }
    (lines > LINES).then(|| format!("{name} (line {line}) has {lines} lines"))
}

#[test]
fn few_parameters_are_bare_numbers_or_flags() {
    let all = all();
    let share = bare_share(all.iter().map(|(_, function)| function));
    assert!(share < BARE_SHARE, "{share:.1} % of the parameters are bare numbers or flags");
}

#[test]
fn no_function_is_long_or_has_many_parameters() {
    let broken: Vec<String> = all()
        .iter()
        .filter_map(|(file, function)| Some(format!("{file}: {}", out_of_bounds(function)?)))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_bare_parameter_is_found_and_a_typed_one_is_not() {
    let text = r#"
        impl<T: Fn(usize) -> bool> X<T> {
            /// fn comment(n: usize) {}
            fn a(&self, n: usize, list: &[u8], at: Addr) -> u64 { let s = "fn b(n: bool)"; 0 }
            fn c<F: Fn(u64) -> Option<u8>>(&mut self, mut flag: bool, f: F, g: fn(u32)) {}
        }
        type P = unsafe fn(*const u8, usize);
        trait Y { fn d(&'static self, (a, b): (usize, u64), n: u16); }
    "#;
    let found = functions(text);
    let rows: Vec<(&str, usize, usize)> =
        found.iter().map(|f| (f.name.as_str(), f.parameters, f.bare)).collect();
    assert_eq!(rows, [("a", 3, 1), ("c", 3, 1), ("d", 2, 1)]);
    assert_eq!(bare_share(found.iter()), 37.5);
    assert!(bare_share(found.iter()) > BARE_SHARE, "the bound would find it");
}

#[test]
fn a_sixth_parameter_and_a_line_too_many_are_found() {
    let five = "fn f(&self, a: A, b: B, c: C, d: D, e: [u8; 2]) -> [u8; 3] {\n    a < b\n}\n";
    let bounds = |text: &str| functions(text).iter().find_map(out_of_bounds);
    assert_eq!(bounds(five), None);
    let six = five.replace("e: [u8; 2]", "e: E, g: G<H, I>");
    assert_eq!(bounds(&six).as_deref(), Some("f (line 1) has 6 parameters"));
    let long =
        |lines: usize| format!("fn g() {{\n{}}}\n", "    a('}', \"{\", '\\'');\n".repeat(lines));
    assert_eq!(bounds(&long(LINES - 2)), None);
    let words = format!("g (line 1) has {} lines", LINES + 1);
    assert_eq!(bounds(&long(LINES - 1)), Some(words));
}

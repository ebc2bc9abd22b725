//! The signatures of functions: few parameters are bare numbers or flags, none has more than five
//! beside `self`, and no function is longer than a screen (`docs/ARCHITECTURE.md`, `word.rs`).

use crate::sources;
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
    /// The parameters beside `self`, each with its type.
    parameters: Vec<String>,
    lines: RangeInclusive<usize>,
}

impl Function {
    fn bare(&self) -> usize {
        let is_bare = |parameter: &&String| {
            let of = parameter.split_once(':').map_or("", |(_, of)| of.trim());
            BARE.contains(&of)
        };
        self.parameters.iter().filter(is_bare).count()
    }
    fn len(&self) -> usize {
        self.lines.end() - self.lines.start() + 1
    }
}

/// The code with blanks in place of comments, and of what stands in quotes. Lines stay.
fn bare_code(text: &str) -> Vec<char> {
    let from: Vec<char> = text.chars().collect();
    let mut code = from.clone();
    let mut blank = |range: std::ops::Range<usize>| {
        let end = range.end.min(code.len());
        code[range.start..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
        end
    };
    let find = |mut at: usize, end: &[char]| {
        while at < from.len() && !from[at..].starts_with(end) {
            at += if from[at] == '\\' && end == ['"'] { 2 } else { 1 };
        }
        at + end.len()
    };
    let mut at = 0;
    while at < from.len() {
        let is_word = at > 0 && (from[at - 1].is_alphanumeric() || from[at - 1] == '_');
        let rest = &from[at..];
        let hashes = rest.iter().skip(1).take_while(|c| **c == '#').count();
        at = match rest {
            ['/', '/', ..] => blank(at..find(at, &['\n'])),
            ['/', '*', ..] => blank(at..find(at + 2, &['*', '/'])),
            ['r', ..] if !is_word && rest.get(1 + hashes) == Some(&'"') => {
                let mut end = vec!['"'];
                end.resize(1 + hashes, '#');
                // A backslash means nothing in a raw string.
                let len = rest[2 + hashes..].windows(end.len()).position(|w| w == end);
                blank(at..at + 2 + hashes + len.map_or(0, |len| len + end.len()))
            }
            ['"', ..] => blank(at..find(at + 1, &['"'])),
            ['\'', '\\', ..] => blank(at..find(at + 3, &['\''])),
            ['\'', _, '\'', ..] => blank(at..at + 3),
            _ => at + 1,
        };
    }
    code
}

/// The index behind the bracket that closes the one at `from`.
fn closed(code: &[char], from: usize) -> usize {
    let mut depth = 0;
    for at in from..code.len() {
        match code[at] {
            '(' | '[' | '{' | '<' => depth += 1,
            // Not that of an arrow.
            '>' if matches!(code[at - 1], '-' | '=') => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The index behind the brace that closes the one at `from`: in a body `<` is no bracket.
fn end_of_body(code: &[char], from: usize) -> usize {
    let mut depth = 0;
    let ends = |c: &char| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0
    };
    code[from..].iter().position(ends).map_or(code.len(), |at| from + at + 1)
}

/// The parts of a list in brackets, without those brackets.
fn parts(list: &[char]) -> Vec<String> {
    let (mut parts, mut at, mut start) = (Vec::new(), 1, 1);
    while at < list.len() {
        match list[at] {
            '(' | '[' | '{' | '<' => at = closed(list, at),
            ',' | ')' => {
                let part: String = list[start..at].iter().collect();
                parts.push(part.split_whitespace().collect::<Vec<_>>().join(" "));
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// The functions of a file, tests left out; those of a function's own among them.
fn functions(body: &str) -> Vec<Function> {
    let code = bare_code(body);
    let word = ['f', 'n', ' '];
    let mut found = Vec::new();
    for at in 0..code.len() {
        let is_inside = at > 0 && (code[at - 1].is_alphanumeric() || code[at - 1] == '_');
        if is_inside || !code[at..].starts_with(&word) {
            continue;
        }
        let name: String = code[at + word.len()..]
            .iter()
            .take_while(|c| c.is_alphanumeric() || **c == '_')
            .collect();
        let mut from = at + word.len() + name.len();
        if code.get(from) == Some(&'<') {
            from = closed(&code, from);
        }
        // A pointer to a function, or the name of one in a macro.
        if name.is_empty() || code.get(from) != Some(&'(') {
            continue;
        }
        let to = closed(&code, from);
        let mut parameters = parts(&code[from..to]);
        let is_self = |text: &str| text.trim_start_matches("mut ").starts_with("self:");
        parameters.retain(|parameter| parameter.contains(": ") && !is_self(parameter));
        // Without a body it ends with a semicolon; one in brackets belongs to an array.
        let mut end = to;
        while end < code.len() && !matches!(code[end], '{' | ';') {
            end = if code[end] == '[' { closed(&code, end) } else { end + 1 };
        }
        if code.get(end) == Some(&'{') {
            end = end_of_body(&code, end);
        }
        let line = |at: usize| 1 + code[..at].iter().filter(|c| **c == '\n').count();
        found.push(Function { name, parameters, lines: line(at)..=line(end) });
    }
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
    let counts = functions.map(|function| (function.bare(), function.parameters.len()));
    let (bare, all) = counts.fold((0, 0), |sum, n| (sum.0 + n.0, sum.1 + n.1));
    100.0 * bare as f64 / f64::max(all as f64, 1.0)
}

/// What breaks the bounds of a function.
fn out_of_bounds(function: &Function) -> Option<String> {
    let Function { name, parameters, .. } = function;
    let (n, lines) = (parameters.len(), function.len());
    let line = function.lines.start();
    if n > PARAMETERS {
        return Some(format!("{name} (line {line}) has {n} parameters"));
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
        found.iter().map(|f| (f.name.as_str(), f.parameters.len(), f.bare())).collect();
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

//! The adversary's macros, for `generated` and `derive_hostile`: a proc-macro crate that the test
//! compiles. None of them writes `unsafe`.

extern crate proc_macro;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::HashMap;
use std::sync::Mutex;

/// Calls `change` with the content of the item's body: the braces at its end, or the first
/// parentheses behind `struct`.
fn in_body(item: TokenStream, change: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let is = |token: &TokenTree, wanted: Delimiter| {
        let TokenTree::Group(group) = token else { return false };
        group.delimiter() == wanted
    };
    let last = tokens.len() - 1;
    let body = if is(&tokens[last], Delimiter::Brace) {
        last
    } else {
        let keyword =
            tokens.iter().position(|token| token.to_string() == "struct").expect("a struct");
        let behind = tokens[keyword..].iter().position(|token| is(token, Delimiter::Parenthesis));
        keyword + behind.expect("a body")
    };
    if let TokenTree::Group(group) = &tokens[body] {
        tokens[body] = TokenTree::Group(Group::new(group.delimiter(), change(group.stream())));
    }
    tokens.into_iter().collect()
}

/// Puts its argument at the end of the item's body: a field, or a variant.
#[proc_macro_attribute]
pub fn insert(argument: TokenStream, item: TokenStream) -> TokenStream {
    in_body(item, |mut body| {
        body.extend(argument.clone());
        body
    })
}

/// Puts its argument at the end of the body of each variant.
#[proc_macro_attribute]
pub fn insert_in_variants(argument: TokenStream, item: TokenStream) -> TokenStream {
    in_body(item, |body| {
        let variants = body.into_iter().map(|token| match token {
            TokenTree::Group(group) if group.delimiter() != Delimiter::Bracket => {
                let mut inner = group.stream();
                inner.extend(argument.clone());
                TokenTree::Group(Group::new(group.delimiter(), inner))
            }
            other => other,
        });
        variants.collect()
    })
}

/// Puts its argument in the item's place.
#[proc_macro_attribute]
pub fn replace(argument: TokenStream, _item: TokenStream) -> TokenStream {
    argument
}

/// Puts its argument behind the item.
#[proc_macro_attribute]
pub fn append(argument: TokenStream, mut item: TokenStream) -> TokenStream {
    item.extend(argument);
    item
}

/// Puts `#[argument]` before the item.
#[proc_macro_attribute]
pub fn attribute(argument: TokenStream, item: TokenStream) -> TokenStream {
    let mut all: TokenStream = format!("#[{argument}]").parse().expect("an attribute");
    all.extend(item);
    all
}

/// Changes nothing.
#[proc_macro_attribute]
pub fn identity(_argument: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// `alternate!(7 (A) (B))`: `A` where the compiler expands it first, `B` later. The number keeps
/// apart the counts of different places.
#[proc_macro]
pub fn alternate(input: TokenStream) -> TokenStream {
    static SEEN: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
    let key = input.to_string();
    let mut seen = SEEN.lock().expect("not poisoned");
    let count = seen.get_or_insert_with(HashMap::new).entry(key).or_insert(0);
    *count += 1;
    let mut groups = input.into_iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    let first = groups.next().expect("two groups");
    let later = groups.next().expect("two groups");
    if *count == 1 { first } else { later }
}

/// A derive that writes nothing: what compiles with it and not with the real one was refused by the
/// real one.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn nothing(_item: TokenStream) -> TokenStream {
    TokenStream::new()
}

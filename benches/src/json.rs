//! JSON as this program writes and reads it: one flat object a line, of names to texts and numbers.
//!
//! A number is kept as it was written, because a checksum has 64 bits and an `f64` holds 53.

#![forbid(unsafe_code)]

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// A value in an [`Object`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Text(String),
    /// The digits.
    Number(String),
    Bool(bool),
    Null,
}

/// A flat object, in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object(pub(crate) Vec<(String, Json)>);

impl Object {
    /// Adds a text.
    pub(crate) fn text(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.into(), Json::Text(value.into())));
    }

    /// Adds a whole number.
    pub(crate) fn count(&mut self, key: &str, value: u64) {
        self.0.push((key.into(), Json::Number(value.to_string())));
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// The text under a key, or the digits of a number.
    pub(crate) fn str(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Json::Text(text) | Json::Number(text) => Some(text),
            Json::Bool(_) | Json::Null => None,
        }
    }

    /// The number under a key.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Json::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The object on one line.
    pub(crate) fn line(&self) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(key, value)| {
                let value = match value {
                    Json::Text(text) => quote(text),
                    Json::Number(digits) => digits.clone(),
                    Json::Bool(value) => value.to_string(),
                    Json::Null => "null".into(),
                };
                format!("{}:{value}", quote(key))
            })
            .collect();
        format!("{{{}}}", pairs.join(","))
    }
}

/// A text in quotation marks.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                write!(quoted, "\\u{:04x}", c as u32).expect("a String takes every write");
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Reads one flat object.
pub(crate) fn parse(line: &str) -> Result<Object, String> {
    let mut reader = Reader(line.chars().peekable());
    let mut object = Object::default();
    reader.expect('{')?;
    if reader.skip_space() == Some('}') {
        reader.0.next();
    } else {
        loop {
            let key = reader.string()?;
            reader.expect(':')?;
            let value = reader.value()?;
            object.0.push((key, value));
            match reader.take()? {
                ',' => {}
                '}' => break,
                c => return Err(format!("{c:?} where a comma or the end of the object was due")),
            }
        }
    }
    match reader.skip_space() {
        None => Ok(object),
        Some(c) => Err(format!("{c:?} after the object")),
    }
}

struct Reader<'t>(Peekable<Chars<'t>>);

impl Reader<'_> {
    fn skip_space(&mut self) -> Option<char> {
        while self.0.next_if(char::is_ascii_whitespace).is_some() {}
        self.0.peek().copied()
    }

    fn take(&mut self) -> Result<char, String> {
        self.skip_space();
        self.0.next().ok_or_else(|| "the text ends early".into())
    }

    fn expect(&mut self, due: char) -> Result<(), String> {
        match self.take()? {
            c if c == due => Ok(()),
            c => Err(format!("{c:?} where {due:?} was due")),
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        match self.skip_space().unwrap_or_default() {
            '"' => self.string().map(Json::Text),
            '{' | '[' => Err("a value inside a value: the objects here are flat".into()),
            _ => {
                let is_part = |c: &char| c.is_ascii_alphanumeric() || "+-.".contains(*c);
                let word: String = std::iter::from_fn(|| self.0.next_if(is_part)).collect();
                match word.as_str() {
                    "true" => Ok(Json::Bool(true)),
                    "false" => Ok(Json::Bool(false)),
                    "null" => Ok(Json::Null),
                    // Rust's numbers are JSON's, and infinities besides.
                    _ if word.parse().is_ok_and(f64::is_finite) => Ok(Json::Number(word)),
                    _ => Err(format!("{word:?} is no value")),
                }
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.0.next().ok_or("a text without an end")? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        match self.0.next().ok_or("a text without an end")? {
            c @ ('"' | '\\' | '/') => Ok(c),
            'n' => Ok('\n'),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            'u' => {
                let digits: String = self.0.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).map_err(|e| format!("\\u: {e}"))?;
                // Half of a surrogate pair: nobody here writes them, and a mark says that something was there.
                Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            c => Err(format!("\\{c} is no escape")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut object = Object::default();
        object.text("a \"key\"", "line\nnext \\ µ");
        object.count("checksum", u64::MAX);
        object.0.push(("ok".into(), Json::Bool(true)));
        object.0.push(("none".into(), Json::Null));
        assert_eq!(parse(&object.line()), Ok(object));
    }

    #[test]
    fn a_line_of_a_child() {
        let object = parse(" { \"engine\" : \"go\", \"p\\u0039\":1.5e3 , \"n\":-2} ").unwrap();
        assert_eq!(object.str("engine"), Some("go"));
        assert_eq!((object.number("p9"), object.number("n")), (Some(1500.0), Some(-2.0)));
        assert_eq!((object.number("engine"), object.get("x")), (None, None));
        assert_eq!(parse("{}"), Ok(Object::default()));
    }

    #[test]
    fn bad_lines_say_why() {
        for (line, part) in [
            ("", "ends early"),
            ("[1]", "'{' was due"),
            ("{\"a\":1", "ends early"),
            ("{\"a\" 1}", "':' was due"),
            ("{\"a\":{}}", "flat"),
            ("{\"a\":maybe}", "no value"),
            ("{\"a\":inf}", "no value"),
            ("{\"a\":\"x}", "without an end"),
            ("{\"a\":\"\\q\"}", "no escape"),
            ("{\"a\":1}x", "after the object"),
            ("{\"a\":1 \"b\":2}", "a comma"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}

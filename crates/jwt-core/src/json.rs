//! Strict JSON in one pass without allocation (RFC 8259; duplicate names refused, RFC 7515 §4, RFC 7519 §4).
//!
//! The reader walks the members of one object and hands out each value as a slice of the text. It checks the
//! whole grammar, also of what nobody asked for, so a text that passes here passes any JSON parser, and every
//! parser reads the same members from it.

use std::borrow::Cow;
use std::collections::HashSet;

/// Objects and arrays may nest this deep.
const MAX_DEPTH: u32 = 32;

/// More names than this in one object leave the fast path for a hash set.
const FEW: usize = 24;

/// The text is not JSON, nests too deeply, or names a member twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotStrictJson;

/// A JSON string, with its quotes, its escapes not yet resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    quoted: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// Resolves the escapes; allocates only where there are some.
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if self.escaped {
            // The reader has checked the escapes, so this does not fail; an empty string matches nothing.
            Cow::Owned(serde_json::from_str(self.quoted).unwrap_or_default())
        } else {
            Cow::Borrowed(self.inner())
        }
    }

    /// Returns the string as it stands in the JSON, quotes and escapes included.
    pub(crate) fn quoted(self) -> &'a str {
        self.quoted
    }

    fn inner(self) -> &'a str {
        self.quoted.get(1..self.quoted.len().saturating_sub(1)).unwrap_or_default()
    }

    /// Returns the string if it holds no escapes.
    pub(crate) fn plain(self) -> Option<&'a str> {
        (!self.escaped).then(|| self.inner())
    }

    /// Compares the resolved string.
    pub(crate) fn is(self, other: &str) -> bool {
        if self.escaped { self.decode() == other } else { self.inner() == other }
    }
}

/// A JSON value whose grammar has been checked; composite ones stay text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    String(Text<'a>),
    Number(&'a str),
    /// `true`, `false` or `null`.
    Literal,
    Array(&'a str),
    Object(&'a str),
}

impl<'a> Value<'a> {
    pub(crate) fn string(self) -> Option<Text<'a>> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// The members of one object, in order, each name once.
pub(crate) struct Members<'a> {
    scanner: Scanner<'a>,
    names: Names<'a>,
    first: bool,
    done: bool,
}

impl<'a> Members<'a> {
    /// Starts reading `text`, which must be one JSON object and nothing else.
    pub(crate) fn of(text: &'a str) -> Result<Self, NotStrictJson> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.skip_space();
        scanner.expect(b'{')?;
        Ok(Self { scanner, names: Names::new(), first: true, done: false })
    }

    /// Returns the next member, or `None` when the object and the text have ended.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(Text<'a>, Value<'a>)>, NotStrictJson> {
        if self.done {
            return Ok(None);
        }
        let Some(name) = self.scanner.member_name(&mut self.first)? else {
            self.done = true;
            return self.scanner.end().map(|()| None);
        };
        let value = self.scanner.value(1)?;
        if !self.names.insert(name) {
            return Err(NotStrictJson);
        }
        Ok(Some((name, value)))
    }
}

/// Reads `text`, which must be one JSON string and nothing else.
pub(crate) fn string(text: &str) -> Result<Text<'_>, NotStrictJson> {
    let mut scanner = Scanner { text, at: 0 };
    let string = scanner.string()?;
    scanner.end().map(|()| string)
}

/// The elements of one array.
pub(crate) struct Elements<'a> {
    scanner: Scanner<'a>,
    first: bool,
    done: bool,
}

impl<'a> Elements<'a> {
    /// Starts reading `text`, which must be one JSON array and nothing else.
    pub(crate) fn of(text: &'a str) -> Result<Self, NotStrictJson> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.skip_space();
        scanner.expect(b'[')?;
        Ok(Self { scanner, first: true, done: false })
    }

    /// Returns the next element, or `None` when the array and the text have ended.
    pub(crate) fn next(&mut self) -> Result<Option<Value<'a>>, NotStrictJson> {
        if self.done {
            return Ok(None);
        }
        if !self.scanner.another(&mut self.first, b']')? {
            self.done = true;
            return self.scanner.end().map(|()| None);
        }
        self.scanner.value(1).map(Some)
    }
}

/// Which names an object has had so far.
struct Names<'a> {
    few: [&'a str; FEW],
    count: usize,
    many: Option<HashSet<Cow<'a, str>>>,
}

impl<'a> Names<'a> {
    fn new() -> Self {
        Self { few: [""; FEW], count: 0, many: None }
    }

    /// Adds a name; false if it was there.
    #[inline]
    fn insert(&mut self, name: Text<'a>) -> bool {
        if self.many.is_none()
            && let Some(plain) = name.plain()
        {
            let (had, free) = self.few.split_at_mut(self.count.min(FEW));
            if had.contains(&plain) {
                return false;
            }
            if let Some(slot) = free.first_mut() {
                *slot = plain;
                self.count += 1;
                return true;
            }
        }
        self.insert_among_many(name)
    }

    /// Linear search would be quadratic in an attacker's hands, and an escaped name has no slice to keep.
    #[cold]
    fn insert_among_many(&mut self, name: Text<'a>) -> bool {
        let had = self.few.get(..self.count).unwrap_or_default();
        let many = self.many.get_or_insert_with(|| had.iter().map(|name| Cow::Borrowed(*name)).collect());
        many.insert(name.decode())
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), NotStrictJson> {
        if self.peek() != Some(byte) {
            return Err(NotStrictJson);
        }
        self.at += 1;
        Ok(())
    }

    fn end(&mut self) -> Result<(), NotStrictJson> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(NotStrictJson) }
    }

    #[inline]
    fn since(&self, start: usize) -> Result<&'a str, NotStrictJson> {
        self.text.get(start..self.at).ok_or(NotStrictJson)
    }

    /// Moves over the separator before the next element; false at the closing bracket.
    #[inline]
    fn another(&mut self, first: &mut bool, close: u8) -> Result<bool, NotStrictJson> {
        self.skip_space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',')?;
            self.skip_space();
        } else if self.peek() == Some(b',') {
            return Err(NotStrictJson);
        }
        // A closing bracket after a comma is not the start of a value, so it is refused there.
        Ok(true)
    }

    #[inline]
    fn member_name(&mut self, first: &mut bool) -> Result<Option<Text<'a>>, NotStrictJson> {
        if !self.another(first, b'}')? {
            return Ok(None);
        }
        let name = self.string()?;
        self.skip_space();
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// Reads a value at the given depth: the number of containers around it.
    #[inline]
    fn value(&mut self, depth: u32) -> Result<Value<'a>, NotStrictJson> {
        self.skip_space();
        let start = self.at;
        match self.peek().ok_or(NotStrictJson)? {
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => {
                self.number()?;
                Ok(Value::Number(self.since(start)?))
            }
            b'{' => {
                self.container(depth, b'}')?;
                Ok(Value::Object(self.since(start)?))
            }
            b'[' => {
                self.container(depth, b']')?;
                Ok(Value::Array(self.since(start)?))
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => Err(NotStrictJson),
        }
    }

    fn literal(&mut self, word: &str) -> Result<Value<'a>, NotStrictJson> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) {
            return Err(NotStrictJson);
        }
        self.at += word.len();
        Ok(Value::Literal)
    }

    fn container(&mut self, depth: u32, close: u8) -> Result<(), NotStrictJson> {
        if depth >= MAX_DEPTH {
            return Err(NotStrictJson);
        }
        self.at += 1;
        let mut first = true;
        if close == b'}' {
            while self.member_name(&mut first)?.is_some() {
                self.value(depth + 1)?;
            }
        } else {
            while self.another(&mut first, close)? {
                self.value(depth + 1)?;
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotStrictJson> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(NotStrictJson),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    #[inline]
    fn digits(&mut self) -> Result<(), NotStrictJson> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(NotStrictJson) } else { Ok(()) }
    }

    #[inline]
    fn string(&mut self) -> Result<Text<'a>, NotStrictJson> {
        let start = self.at;
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            self.at = plain_run(self.text.as_bytes(), self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Text { quoted: self.since(start)?, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character, or the end of the text.
                _ => return Err(NotStrictJson),
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<(), NotStrictJson> {
        self.at += 1;
        let kind = self.peek().ok_or(NotStrictJson)?;
        self.at += 1;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.four_hex()? {
                0xd800..0xdc00 => {
                    // RFC 8259 §8.2 leaves lone surrogates open; they name no character, so they are refused.
                    self.expect(b'\\')?;
                    self.expect(b'u')?;
                    if (0xdc00..0xe000).contains(&self.four_hex()?) { Ok(()) } else { Err(NotStrictJson) }
                }
                0xdc00..0xe000 => Err(NotStrictJson),
                _ => Ok(()),
            },
            _ => Err(NotStrictJson),
        }
    }

    fn four_hex(&mut self) -> Result<u32, NotStrictJson> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(NotStrictJson)?;
        // from_str_radix would take a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotStrictJson);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| NotStrictJson)
    }
}

/// Returns the index of the first quote, backslash or control character from `at` on, or the length.
#[inline]
fn plain_run(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
    const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    // Eight bytes at once; borrows only spoil bytes above a hit, and the lowest hit is the one taken.
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let quote = word ^ QUOTES;
        let backslash = word ^ BACKSLASHES;
        let hit = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(SPACES) & !word);
        let hit = hit & TOPS;
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..0x20) {
            break;
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, NotStrictJson> {
        let mut members = Members::of(text)?;
        let mut all = Vec::new();
        while let Some((name, value)) = members.next()? {
            let value = match value {
                Value::String(text) => format!("{:?}", text.decode()),
                Value::Number(text) | Value::Array(text) | Value::Object(text) => text.to_owned(),
                Value::Literal => "literal".to_owned(),
            };
            all.push((name.decode().into_owned(), value));
        }
        assert!(members.next()?.is_none());
        Ok(all)
    }

    #[test]
    fn members_are_read_in_order_with_white_space_and_escapes() {
        let all = read(
            " { \"a\" : 1 ,\r\n\t\"b\\u0063\":\"x\\/\\ud83d\\ude00\", \"d\":[1,{\"e\":[]}],\"f\":{} ,\"g\":null}\n",
        );
        let all = all.unwrap();
        assert_eq!(all[0], ("a".into(), "1".into()));
        assert_eq!(all[1], ("bc".into(), "\"x/😀\"".into()));
        assert_eq!(all[2].1, "[1,{\"e\":[]}]");
        assert_eq!(all[4], ("g".into(), "literal".into()));
    }

    #[test]
    fn a_name_twice_is_refused_however_it_is_written() {
        //= RFC 7515 §4
        //= RFC 7519 §4
        assert!(read(r#"{"a":1,"a":1}"#).is_err());
        assert!(read(r#"{"a":1,"\u0061":2}"#).is_err());
        assert!(read(r#"{"\u0061":1,"a":2}"#).is_err());
        assert!(read(r#"{"":1,"":2}"#).is_err());
        assert!(read(r#"{"a":1,"A":2}"#).is_ok());
        let mut many: Vec<String> = (0..200).map(|n| format!("\"n{n}\":0")).collect();
        assert_eq!(read(&format!("{{{}}}", many.join(","))).unwrap().len(), 200);
        many.push("\"n3\":1".into());
        assert!(read(&format!("{{{}}}", many.join(","))).is_err());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        //= RFC 8259 §2
        let bad = [
            "",
            " ",
            "{",
            "}",
            "[]",
            "1",
            "null",
            "\"a\"",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,\"a\":1}",
            "{\"a\":1}}",
            "{\"a\":1} x",
            "{a:1}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":-}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":1e}",
            "{\"a\":+1}",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":tru}",
            "{\"a\":truee}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":\"\\u+123\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\\udc00\"}",
            "{\"a\":\"\\ud800\\u0041\"}",
            "{\"a\":\"x}",
            "{\"a\":[1,]}",
            "{\"a\":[,1]}",
            "{\"a\":[1 2]}",
            "{\"a\":[1}",
            "{\"a\":{\"b\":1]}",
            "\u{feff}{}",
            "{\"a\":1 \"b\":2}",
            "{\"a\" 1}",
            "{/**/}",
            "{\"a\":1}\0",
        ];
        for text in bad {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn nesting_is_capped() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(31)).is_ok());
        assert!(read(&nested(32)).is_err());
        assert!(read(&nested(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_serde_json_writes_is_read(names in proptest::collection::btree_map(".{0,12}", ".{0,40}", 0..40)) {
            let text = serde_json::to_string(&names).unwrap();
            let all = read(&text).unwrap();
            prop_assert_eq!(all.len(), names.len());
            for (name, value) in all {
                prop_assert_eq!(format!("{:?}", names[&name]), value);
            }
        }

        #[test]
        fn whatever_is_accepted_serde_json_accepts_too(text in r#"\{("[ab\\u06x1]{0,4}":[-0-9.eE"\[\]{},:tn\\]{0,6},?){0,3}\}"#) {
            if read(&text).is_ok() {
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            }
        }

        #[test]
        fn runs_are_found_like_byte_by_byte(text in "[ -~\\n\"\\\\é]{0,40}", from in 0usize..8) {
            let bytes = text.as_bytes();
            let from = from.min(bytes.len());
            let slow = (from..bytes.len()).find(|at| matches!(bytes[*at], b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_run(bytes, from), slow);
        }
    }
}

//! Strict JSON in one pass without allocation (RFC 8259; duplicate names refused, RFC 7515 §4, RFC 7519 §4).
//!
//! The reader walks the members of one object and hands out each value as a slice of the text. It checks the
//! whole grammar, also of what nobody asked for, so a text that passes here passes any JSON parser, and every
//! parser reads the same members from it.

mod names;
mod plain;
mod scanner;

use std::borrow::Cow;

use names::Names;
pub(crate) use plain::copy_plain;
use scanner::{Next, Scanner};

/// Objects and arrays may nest this deep.
const MAX_DEPTH: u32 = 32;

/// The text is not JSON, nests too deeply, or names a member twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotStrictJson;

/// Whether a string holds escapes. As wide as a word: moving a padded flag about costs more than reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
enum Escapes {
    None,
    Some,
}

/// A JSON string without its quotes, its escapes not yet resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    written: &'a str,
    escapes: Escapes,
}

impl<'a> Text<'a> {
    /// Resolves the escapes; allocates only where there are some.
    #[inline]
    pub(crate) fn decode(self) -> Cow<'a, str> {
        match self.plain() {
            Some(plain) => Cow::Borrowed(plain),
            None => self.resolve(),
        }
    }

    #[cold]
    fn resolve(self) -> Cow<'a, str> {
        // The reader has checked the escapes, so this does not fail; an empty string matches nothing.
        Cow::Owned(serde_json::from_str(&format!("\"{}\"", self.written)).unwrap_or_default())
    }

    /// Returns the string if it holds no escapes.
    #[inline]
    pub(crate) fn plain(self) -> Option<&'a str> {
        (self.escapes == Escapes::None).then_some(self.written)
    }

    /// Compares the resolved string.
    pub(crate) fn is(self, other: &str) -> bool {
        self.decode() == other
    }
}

/// What a value is; as wide as a word, like [`Escapes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
enum Kind {
    PlainString,
    EscapedString,
    Number,
    /// `true`, `false` or `null`.
    Literal,
    Array,
    Object,
}

/// A JSON value whose grammar has been checked; composite ones stay text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a> {
    /// Of a string, what is between its quotes.
    text: &'a str,
    kind: Kind,
}

impl<'a> Value<'a> {
    #[inline]
    pub(crate) fn string(self) -> Option<Text<'a>> {
        let escapes = match self.kind {
            Kind::PlainString => Escapes::None,
            Kind::EscapedString => Escapes::Some,
            _ => return None,
        };
        Some(Text { written: self.text, escapes })
    }

    #[inline]
    pub(crate) fn number(self) -> Option<&'a str> {
        (self.kind == Kind::Number).then_some(self.text)
    }

    #[inline]
    pub(crate) fn array(self) -> Option<&'a str> {
        (self.kind == Kind::Array).then_some(self.text)
    }

    #[inline]
    pub(crate) fn object(self) -> Option<&'a str> {
        (self.kind == Kind::Object).then_some(self.text)
    }
}

/// Where a value stands in its text, and what it is.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    kind: Kind,
}

impl Place {
    /// Cuts the value out of the text that this was found in.
    #[inline]
    fn value(self, text: &str) -> Value<'_> {
        let quotes = usize::from(matches!(self.kind, Kind::PlainString | Kind::EscapedString));
        let cut = text.get(self.start + quotes..self.end - quotes);
        Value { text: cut.unwrap_or_default(), kind: self.kind }
    }
}

/// Where a member stands in its text, so that it can be kept without borrowing it.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    name: Place,
    value: Place,
}

impl Span {
    /// Returns the name of the member of the `text` that this was made from.
    #[inline]
    pub(crate) fn name(self, text: &str) -> Text<'_> {
        let Value { text: written, kind } = self.name.value(text);
        Text { written, escapes: if kind == Kind::PlainString { Escapes::None } else { Escapes::Some } }
    }

    /// Returns its value.
    #[inline]
    pub(crate) fn value(self, text: &str) -> Value<'_> {
        self.value.value(text)
    }

    /// Returns the JSON of its value.
    #[inline]
    pub(crate) fn json(self, text: &str) -> &str {
        text.get(self.value.start..self.value.end).unwrap_or_default()
    }
}

/// The members of one object, in order, each name once.
pub(crate) struct Members<'a> {
    scanner: Scanner<'a>,
    at: usize,
    names: Names<'a>,
    /// Which of the registered claims were there, a bit each.
    registered: u8,
    first: bool,
    done: bool,
}

/// The registered claims (RFC 7519 §4.1).
#[derive(Clone, Copy)]
pub(crate) enum Registered {
    Issuer,
    Subject,
    Audience,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    JwtId,
}

impl Registered {
    #[inline]
    fn named(name: &str) -> Option<Self> {
        match name {
            "iss" => Some(Self::Issuer),
            "sub" => Some(Self::Subject),
            "aud" => Some(Self::Audience),
            "exp" => Some(Self::ExpiresAt),
            "nbf" => Some(Self::NotBefore),
            "iat" => Some(Self::IssuedAt),
            "jti" => Some(Self::JwtId),
            _ => None,
        }
    }
}

/// One claim: which registered one it is, if any, and where it stands.
pub(crate) type Claim = (Option<Registered>, Span);

impl<'a> Members<'a> {
    /// Starts reading `text`, which must be one JSON object and nothing else.
    #[inline]
    pub(crate) fn of(text: &'a str) -> Result<Self, NotStrictJson> {
        let scanner = Scanner { text };
        let at = scanner.after(scanner.after_space(0), b'{')?;
        Ok(Self { scanner, at, names: Names::new(), registered: 0, first: true, done: false })
    }

    /// Returns the position of the next member, if there is one; if not, checks that the text ends.
    #[inline]
    fn start(&mut self) -> Result<Option<usize>, NotStrictJson> {
        if self.done {
            return Ok(None);
        }
        match self.scanner.another(self.at, &mut self.first, b'}')? {
            Next::At(at) => Ok(Some(at)),
            Next::End(at) => {
                self.done = true;
                self.scanner.end(at).map(|()| None)
            }
        }
    }

    /// Reads a name and its value.
    #[inline]
    fn member(&mut self, at: usize) -> Result<Span, NotStrictJson> {
        let (at, name) = self.scanner.name(at)?;
        self.value_of(name, at)
    }

    /// Reads the value after a name and its colon.
    #[inline]
    fn value_of(&mut self, name: Place, at: usize) -> Result<Span, NotStrictJson> {
        let value = self.scanner.value(at, 1)?;
        self.at = value.end;
        Ok(Span { name, value })
    }

    /// Returns the next member, or `None` when the object and the text have ended.
    pub(crate) fn next(&mut self) -> Result<Option<(Text<'a>, Value<'a>)>, NotStrictJson> {
        let Some(at) = self.start()? else { return Ok(None) };
        let span = self.member(at)?;
        let (name, value) = (span.name(self.scanner.text), span.value(self.scanner.text));
        if self.names.insert(name) { Ok(Some((name, value))) } else { Err(NotStrictJson) }
    }

    /// Returns the next claim of a claims set, or `None` when the object and the text have ended.
    #[inline]
    pub(crate) fn next_claim(&mut self) -> Result<Option<Claim>, NotStrictJson> {
        let Some(at) = self.start()? else { return Ok(None) };
        let (registered, span) = match self.scanner.registered_name(at) {
            Some(registered) => {
                let name = Place { start: at, end: at + 5, kind: Kind::PlainString };
                (Some(registered), self.value_of(name, at + 6)?)
            }
            None => {
                let span = self.member(at)?;
                let name = span.name(self.scanner.text);
                // Odd spacing or escapes hide a registered name from the fast path, not from this one.
                let registered = Registered::named(&name.decode());
                if registered.is_none() && !self.names.insert(name) {
                    return Err(NotStrictJson);
                }
                (registered, span)
            }
        };
        if let Some(registered) = registered {
            let bit = 1 << registered as u8;
            if self.registered & bit != 0 {
                return Err(NotStrictJson);
            }
            self.registered |= bit;
        }
        Ok(Some((registered, span)))
    }
}

/// The elements of one array.
pub(crate) struct Elements<'a> {
    scanner: Scanner<'a>,
    at: usize,
    first: bool,
    done: bool,
}

impl<'a> Elements<'a> {
    /// Starts reading `text`, which must be one JSON array and nothing else.
    pub(crate) fn of(text: &'a str) -> Result<Self, NotStrictJson> {
        let scanner = Scanner { text };
        let at = scanner.after(scanner.after_space(0), b'[')?;
        Ok(Self { scanner, at, first: true, done: false })
    }

    /// Returns the next element, or `None` when the array and the text have ended.
    pub(crate) fn next(&mut self) -> Result<Option<Value<'a>>, NotStrictJson> {
        if self.done {
            return Ok(None);
        }
        match self.scanner.another(self.at, &mut self.first, b']')? {
            Next::End(at) => {
                self.done = true;
                self.scanner.end(at).map(|()| None)
            }
            Next::At(at) => {
                let value = self.scanner.value(at, 1)?;
                self.at = value.end;
                Ok(Some(value.value(self.scanner.text)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, NotStrictJson> {
        let mut members = Members::of(text)?;
        let mut all = Vec::new();
        while let Some((name, value)) = members.next()? {
            let value = match (value.string(), value.kind) {
                (Some(text), _) => format!("{:?}", text.decode()),
                (None, Kind::Literal) => "literal".to_owned(),
                (None, _) => value.text.to_owned(),
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
    }
}

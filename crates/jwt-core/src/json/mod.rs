//! Strict JSON in one pass without allocation (RFC 8259; duplicate names refused, RFC 7515 §4, RFC 7519 §4).
//!
//! The reader walks the members of one object and hands out each value as a slice of the text. It checks the
//! whole grammar, also of what nobody asked for, so a text that passes here passes any JSON parser, and every
//! parser reads the same members from it.

mod names;
mod scanner;

use std::borrow::Cow;

use names::Names;
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

/// A JSON string, with its quotes, its escapes not yet resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    quoted: &'a str,
    escapes: Escapes,
}

impl<'a> Text<'a> {
    /// Resolves the escapes; allocates only where there are some.
    pub(crate) fn decode(self) -> Cow<'a, str> {
        if self.escapes == Escapes::Some {
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
        (self.escapes == Escapes::None).then(|| self.inner())
    }

    /// Compares the resolved string.
    pub(crate) fn is(self, other: &str) -> bool {
        if self.escapes == Escapes::Some { self.decode() == other } else { self.inner() == other }
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
        Some(Text { quoted: self.text, escapes })
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

/// Where a member stands in its text, so that it can be kept without borrowing it.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    name: (u32, u32),
    value: (u32, u32),
    /// Bit 0: the name holds escapes; bit 1: the value is a string that does.
    escapes: u32,
}

impl Span {
    /// Returns the name and the value of the member of the `text` that this was made from.
    #[inline]
    pub(crate) fn of<'a>(&self, text: &'a str) -> (Text<'a>, &'a str, Option<Text<'a>>) {
        let cut = |(start, end): (u32, u32)| text.get(start as usize..end as usize).unwrap_or_default();
        let escapes = |bit: u32| if self.escapes & bit == 0 { Escapes::None } else { Escapes::Some };
        let value = cut(self.value);
        let string = value.starts_with('"').then_some(Text { quoted: value, escapes: escapes(2) });
        (Text { quoted: cut(self.name), escapes: escapes(1) }, value, string)
    }
}

/// The members of one object, in order, each name once.
pub(crate) struct Members<'a> {
    scanner: Scanner<'a>,
    at: usize,
    names: Names<'a>,
    /// Which of the registered claims were there, by their place in [`REGISTERED`].
    registered: u8,
    first: bool,
    done: bool,
}

/// The registered claims (RFC 7519 §4.1). All have three letters, so that `"iss":` is found with one load.
pub(crate) const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// The place of a name in [`REGISTERED`].
#[inline]
fn place_of(name: &str) -> Option<usize> {
    let three: &[u8; 3] = name.as_bytes().try_into().ok()?;
    REGISTERED.iter().position(|registered| registered.as_bytes() == three)
}

/// One claim: its place in [`REGISTERED`], if it has one, its value, and where it stands.
pub(crate) type Claim<'a> = (Option<usize>, Value<'a>, Span);

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

    /// Returns the next member, or `None` when the object and the text have ended.
    pub(crate) fn next(&mut self) -> Result<Option<(Text<'a>, Value<'a>)>, NotStrictJson> {
        let Some(at) = self.start()? else { return Ok(None) };
        let (at, name) = self.scanner.name(at)?;
        let (at, value) = self.scanner.value(at, 1)?;
        self.at = at;
        if self.names.insert(name) { Ok(Some((name, value))) } else { Err(NotStrictJson) }
    }

    /// Returns the next claim of a claims set, or `None` when the object and the text have ended.
    #[inline]
    pub(crate) fn next_claim(&mut self) -> Result<Option<Claim<'a>>, NotStrictJson> {
        let Some(name_start) = self.start()? else { return Ok(None) };
        let (registered, at, name_end, name_escapes) = match self.scanner.registered_name(name_start) {
            Some(place) => (Some(place), name_start + 6, name_start + 5, 0),
            None => {
                let (at, name) = self.scanner.name(name_start)?;
                // Odd spacing or escapes hide a registered name from the fast path, not from this one.
                let place = match name.plain() {
                    Some(plain) => place_of(plain),
                    None => place_of(&name.decode()),
                };
                if place.is_none() && !self.names.insert(name) {
                    return Err(NotStrictJson);
                }
                (place, at, name_start + name.quoted.len(), u32::from(name.escapes == Escapes::Some))
            }
        };
        if let Some(place) = registered {
            let bit = 1 << place;
            if self.registered & bit != 0 {
                return Err(NotStrictJson);
            }
            self.registered |= bit;
        }
        let (at, value) = self.scanner.value(at, 1)?;
        self.at = at;
        // Tokens are far shorter than 4 GiB; were one not, its spans would be cut out as nothing.
        let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let value_escapes = u32::from(value.kind == Kind::EscapedString);
        let span = Span {
            name: (offset(name_start), offset(name_end)),
            value: (offset(at - value.text.len()), offset(at)),
            escapes: name_escapes | value_escapes << 1,
        };
        Ok(Some((registered, value, span)))
    }
}

/// Reads `text`, which must be one JSON string and nothing else.
pub(crate) fn string(text: &str) -> Result<Text<'_>, NotStrictJson> {
    let (end, escapes) = Scanner { text }.string(0).ok()?;
    if end == text.len() { Ok(Text { quoted: text, escapes }) } else { Err(NotStrictJson) }
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
                let (at, value) = self.scanner.value(at, 1)?;
                self.at = at;
                Ok(Some(value))
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

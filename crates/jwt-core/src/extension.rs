//! The caller's own claims, deserialized from members that were found already (RFC 7519 §4.2, §4.3).

use std::slice;

use serde::de::value::{BorrowedStrDeserializer, CowStrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Error;

use crate::json::{Span, Text};

/// A claims set as a deserializer. Its text is not scanned again: unwanted values are skipped for free, plain
/// strings are borrowed, and only the other values are parsed.
#[derive(Clone, Copy)]
pub(crate) struct Extension<'de, 'm> {
    pub(crate) json: &'de str,
    pub(crate) spans: &'m [Span],
}

impl<'de> Deserializer<'de> for Extension<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Walk { json: self.json, spans: self.spans.iter(), value: None })
    }

    /// `()` wants none of the claims.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde_json::Deserializer::from_str(self.json).deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct seq tuple tuple_struct map struct identifier
    }
}

struct Walk<'de, 'm> {
    json: &'de str,
    spans: slice::Iter<'m, Span>,
    value: Option<Member<'de, 'm>>,
}

impl<'de> MapAccess<'de> for Walk<'de, '_> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(span) = self.spans.next() else { return Ok(None) };
        self.value = Some(Member { text: self.json, span });
        let name = span.name(self.json);
        match name.plain() {
            Some(plain) => seed.deserialize(BorrowedStrDeserializer::new(plain)),
            None => seed.deserialize(CowStrDeserializer::new(name.decode())),
        }
        .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let none = || serde::de::Error::custom("a value was asked for before its name");
        seed.deserialize(self.value.take().ok_or_else(none)?)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.spans.len())
    }
}

/// The value of one member. It is cut out when it is wanted, which most are not.
struct Member<'de, 'm> {
    text: &'de str,
    span: &'m Span,
}

impl<'de> Member<'de, '_> {
    fn json(&self) -> &'de str {
        self.span.json(self.text)
    }

    fn plain(&self) -> Option<&'de str> {
        self.span.value(self.text).string().and_then(Text::plain)
    }
}

/// What a plain string is handed out for; anything else goes to serde_json.
macro_rules! strings {
    ($($method:ident)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.plain() {
                Some(plain) => visitor.visit_borrowed_str(plain),
                None => serde_json::Deserializer::from_str(self.json()).$method(visitor),
            }
        }
    )*};
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self $(, $argument: $kind)*, visitor: V) -> Result<V::Value, Error> {
            serde_json::Deserializer::from_str(self.json()).$method($($argument,)* visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Member<'de, '_> {
    type Error = Error;

    strings! { deserialize_any deserialize_str deserialize_string deserialize_identifier }

    /// Its form has been checked; nothing is left to do.
    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.json() == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    forward! {
        deserialize_bool(); deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64();
        deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64();
        deserialize_u128(); deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_bytes();
        deserialize_byte_buf(); deserialize_unit(); deserialize_seq(); deserialize_map();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

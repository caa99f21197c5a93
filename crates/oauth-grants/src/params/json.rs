//! JSON bodies, strictly: one object, no member twice, text or null where a parameter is meant (RFC 8259 §4).

use std::fmt;

use records::SecretText;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Gathered, Params, ParamsRefusal};

/// The deepest nesting, the object itself counted.
const DEEPEST: usize = 16;

pub(super) fn parse(body: &[u8]) -> Result<Params, ParamsRefusal> {
    if is_deeper_than(DEEPEST, body) {
        return Err(ParamsRefusal::TooDeep);
    }
    // Checked as a whole: members that nobody reads are skipped below without a look at their bytes.
    let text = std::str::from_utf8(body).map_err(|_| ParamsRefusal::NotJsonObject)?;
    let mut reading = Reading { gathered: Gathered::default(), refusal: None };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Object(&mut reading).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (reading.refusal, read) {
        (Some(refusal), _) => Err(refusal),
        (None, Err(_)) => Err(ParamsRefusal::NotJsonObject),
        (None, Ok(())) => Ok(reading.gathered.finish()),
    }
}

/// Counts brackets outside strings; whether they match is the parser's business.
pub(crate) fn is_deeper_than(deepest: usize, body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > deepest {
            return true;
        }
    }
    false
}

/// What was gathered, and our own reason for stopping: a parser's error says where, and could say what.
struct Reading {
    gathered: Gathered,
    refusal: Option<ParamsRefusal>,
}

impl Reading {
    fn refuse<E: Error>(&mut self, refusal: ParamsRefusal) -> E {
        self.refusal = Some(refusal);
        E::custom("refused")
    }
}

struct Object<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(known) = members.next_key_seed(Name(self.0))? {
            members.next_value_seed(Value { reading: self.0, known })?;
        }
        Ok(())
    }
}

/// A member's name; becomes the known parameter it names.
struct Name<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<&'static str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<&'static str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        match self.0.gathered.name(name) {
            Ok(known) => Ok(known),
            Err(refusal) => Err(self.0.refuse(refusal)),
        }
    }
}

/// A member's value. A known one is text or null; an unknown one may be anything.
struct Value<'a> {
    reading: &'a mut Reading,
    known: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.known {
            Some(name) => deserializer.deserialize_any(KnownValue { reading: self.reading, name }),
            // Skipping looks at no number, however large.
            None => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
        }
    }
}

struct KnownValue<'a> {
    reading: &'a mut Reading,
    name: &'static str,
}

impl KnownValue<'_> {
    fn not_text<E: Error>(self) -> Result<(), E> {
        Err(self.reading.refuse(ParamsRefusal::NotText(self.name)))
    }
}

impl<'de> Visitor<'de> for KnownValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.reading.gathered.value(SecretText::new(text.to_owned()));
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.not_text()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.not_text()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.not_text()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.not_text()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.not_text()
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.not_text()
    }
}

//! The members of forms that are not copied: read, they are the body's; written, they are the record's.
//!
//! A row is read and written with every refresh, and a form is dropped as soon as it was made a record or a body.
//! `Cow<str>` would do for a member that must be there; in an `Option` or a `Vec` serde copies it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use records::{AuthenticationMethod, ScopeSet};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::{Unreadable, decode_digest};

/// A text. Copied only where the body spells it with escapes.
pub(crate) struct Text<'f>(Cow<'f, str>);

impl<'f> Text<'f> {
    /// The text for a record that keeps it: the one copy of what was borrowed.
    pub(crate) fn into_owned(self) -> String {
        self.0.into_owned()
    }

    #[cfg(test)]
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self.0, Cow::Borrowed(_))
    }
}

impl<'f> From<&'f str> for Text<'f> {
    fn from(text: &'f str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de: 'f, 'f> Deserialize<'de> for Text<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(text.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
        Ok(text.into())
    }
}

/// Scopes, space-separated.
pub(crate) enum Scopes<'f> {
    Written(&'f ScopeSet),
    Read(Text<'f>),
}

impl Scopes<'_> {
    pub(crate) fn record(self) -> Result<ScopeSet, Unreadable> {
        match self {
            Self::Written(scopes) => Ok(scopes.clone()),
            Self::Read(text) => Ok(ScopeSet::parse(&text)?),
        }
    }
}

impl Serialize for Scopes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Written(scopes) => serializer.collect_str(scopes),
            Self::Read(text) => text.serialize(serializer),
        }
    }
}

impl<'de: 'f, 'f> Deserialize<'de> for Scopes<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Self::Read)
    }
}

/// 32 bytes, as base64url.
pub(crate) enum Digest<'f> {
    Written(&'f [u8; 32]),
    Read(Text<'f>),
}

impl Digest<'_> {
    /// The bytes; `None` where the text is not those of 32 bytes.
    pub(crate) fn bytes(&self) -> Option<[u8; 32]> {
        match self {
            Self::Written(bytes) => Some(**bytes),
            Self::Read(text) => decode_digest(text),
        }
    }
}

impl Serialize for Digest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Written(bytes) => {
                let mut text = [0; 43];
                let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).map_err(ser::Error::custom)?;
                let text = text.get(..length).unwrap_or_default();
                serializer.serialize_str(std::str::from_utf8(text).map_err(ser::Error::custom)?)
            }
            Self::Read(text) => text.serialize(serializer),
        }
    }
}

impl<'de: 'f, 'f> Deserialize<'de> for Digest<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Self::Read)
    }
}

/// How somebody proved who they are, by name.
pub(crate) enum Methods<'f> {
    Written(&'f [AuthenticationMethod]),
    Read(Vec<Text<'f>>),
}

impl Methods<'_> {
    pub(crate) fn record(self) -> Result<Vec<AuthenticationMethod>, Unreadable> {
        let method = |name: &Text<'_>| {
            AuthenticationMethod::from_name(name).ok_or_else(|| Unreadable::member("method"))
        };
        match self {
            Self::Written(methods) => Ok(methods.to_vec()),
            Self::Read(names) => names.iter().map(method).collect(),
        }
    }
}

impl Serialize for Methods<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Written(methods) => serializer.collect_seq(methods.iter().map(|method| method.name())),
            Self::Read(names) => names.serialize(serializer),
        }
    }
}

impl<'de: 'f, 'f> Deserialize<'de> for Methods<'f> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::Read)
    }
}

//! Claims as compact JSON, the bytes that serde_json would write (RFC 8259, RFC 7519 §3).
//!
//! Strings and structure are written here, since serde_json looks at each character of a string by itself;
//! everything else, and each string that needs escaping, is handed to serde_json.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use crate::segment::SegmentWriter;

/// Writes `claims` as JSON.
pub(crate) fn write(claims: &(impl Serialize + ?Sized), writer: &mut SegmentWriter<'_>) -> Result<(), Error> {
    claims.serialize(Json::<false> { writer })
}

/// Writes one value; with `NAME`, the name of a member, which JSON has as strings only.
struct Json<'w, 'o, const NAME: bool> {
    writer: &'w mut SegmentWriter<'o>,
}

/// serde_json gives structs of these names a meaning of its own: numbers and JSON that are kept as text.
const OWN_NAMES: &str = "$serde_json::private::";

/// Such a struct, to be written by serde_json; it has one field.
struct Own<'a, T: ?Sized> {
    name: &'static str,
    field: &'static str,
    value: &'a T,
}

impl<T: Serialize + ?Sized> Serialize for Own<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut own = serializer.serialize_struct(self.name, 1)?;
        own.serialize_field(self.field, self.value)?;
        own.end()
    }
}

impl<'w, 'o, const NAME: bool> Json<'w, 'o, NAME> {
    /// Writes a number or truth value. As the name of a member it is written in quotes.
    #[inline]
    fn scalar(self, value: impl Serialize) -> Result<(), Error> {
        if NAME {
            self.writer.push_byte(b'"');
        }
        serde_json::to_writer(&mut *self.writer, &value)?;
        if NAME {
            self.writer.push_byte(b'"');
        }
        Ok(())
    }

    /// Refuses what cannot be the name of a member.
    #[inline]
    fn not_a_name(&self) -> Result<(), Error> {
        if NAME { Err(Error::custom("the name of a member is not a string")) } else { Ok(()) }
    }

    #[inline]
    fn null(self) -> Result<(), Error> {
        self.not_a_name()?;
        self.writer.push(b"null");
        Ok(())
    }

    #[inline]
    fn container(self, open: u8, close: &'static [u8]) -> Result<Container<'w, 'o>, Error> {
        self.not_a_name()?;
        self.writer.push_byte(open);
        Ok(Container { writer: self.writer, first: true, close, own: None })
    }

    /// Begins the object that stands for a variant, up to its value.
    fn variant(self, variant: &'static str) -> Result<Self, Error> {
        self.not_a_name()?;
        self.writer.push_byte(b'{');
        self.writer.push_string(variant)?;
        self.writer.push_byte(b':');
        Ok(self)
    }
}

macro_rules! scalars {
    ($($method:ident: $kind:ty;)*) => {$(
        #[inline]
        fn $method(self, value: $kind) -> Result<(), Error> {
            self.scalar(value)
        }
    )*};
}

macro_rules! floats {
    ($($method:ident: $kind:ty;)*) => {$(
        fn $method(self, value: $kind) -> Result<(), Error> {
            // JSON has no word for the others: serde_json writes null, which no name can be.
            if value.is_finite() { self.scalar(value) } else { self.null() }
        }
    )*};
}

impl<'w, 'o, const NAME: bool> Serializer for Json<'w, 'o, NAME> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Container<'w, 'o>;
    type SerializeTuple = Container<'w, 'o>;
    type SerializeTupleStruct = Container<'w, 'o>;
    type SerializeTupleVariant = Container<'w, 'o>;
    type SerializeMap = Container<'w, 'o>;
    type SerializeStruct = Container<'w, 'o>;
    type SerializeStructVariant = Container<'w, 'o>;

    scalars! {
        serialize_bool: bool;
        serialize_i8: i8; serialize_i16: i16; serialize_i32: i32; serialize_i64: i64; serialize_i128: i128;
        serialize_u8: u8; serialize_u16: u16; serialize_u32: u32; serialize_u64: u64; serialize_u128: u128;
    }

    floats! { serialize_f32: f32; serialize_f64: f64; }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.writer.push_string(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.not_a_name()?;
        serde_json::Serializer::new(self.writer).serialize_bytes(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.null()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.null()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let Json { writer } = self.variant(variant)?;
        value.serialize(Json::<false> { writer: &mut *writer })?;
        writer.push_byte(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Container<'w, 'o>, Error> {
        self.container(b'[', b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Container<'w, 'o>, Error> {
        self.container(b'[', b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Container<'w, 'o>, Error> {
        self.container(b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Container<'w, 'o>, Error> {
        self.variant(variant)?.container(b'[', b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Container<'w, 'o>, Error> {
        self.container(b'{', b"}")
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Container<'w, 'o>, Error> {
        if name.starts_with(OWN_NAMES) {
            self.not_a_name()?;
            return Ok(Container { writer: self.writer, first: true, close: b"", own: Some(name) });
        }
        self.container(b'{', b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Container<'w, 'o>, Error> {
        self.variant(variant)?.container(b'{', b"}}")
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        serde_json::Serializer::new(self.writer).collect_str(value)
    }
}

/// An array or object whose bracket has been opened.
struct Container<'w, 'o> {
    writer: &'w mut SegmentWriter<'o>,
    first: bool,
    close: &'static [u8],
    /// The name of a struct that is serde_json's to write; see [`OWN_NAMES`].
    own: Option<&'static str>,
}

impl Container<'_, '_> {
    #[inline]
    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.writer.push_byte(b',');
        }
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Json::<false> { writer: &mut *self.writer })
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        self.value(value)
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, field: &'static str, value: &T) -> Result<(), Error> {
        if let Some(name) = self.own {
            return serde_json::to_writer(&mut *self.writer, &Own { name, field, value });
        }
        self.comma();
        self.writer.push_string(field)?;
        self.writer.push_byte(b':');
        self.value(value)
    }

    #[inline]
    fn close(self) -> Result<(), Error> {
        self.writer.push(self.close);
        Ok(())
    }
}

macro_rules! containers {
    ($($kind:ident $method:ident;)*) => {$(
        impl $kind for Container<'_, '_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

macro_rules! structs {
    ($($kind:ident)*) => {$(
        impl $kind for Container<'_, '_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                field: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(field, value)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )*};
}

containers! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

structs! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Container<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.comma();
        key.serialize(Json::<true> { writer: &mut *self.writer })?;
        self.writer.push_byte(b':');
        Ok(())
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.close()
    }
}

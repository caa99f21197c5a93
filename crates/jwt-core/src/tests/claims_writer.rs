//! The claims writer against serde_json: the same bytes, or both refuse (RFC 8259).

use std::collections::BTreeMap;
use std::fmt;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::segment::SegmentWriter;
use crate::{base64url, claims_writer};

/// Returns the JSON, which it decodes out of the segment.
fn written(claims: &(impl Serialize + ?Sized)) -> Option<String> {
    let mut out = b"before".to_vec();
    let mut writer = SegmentWriter::new(&mut out, "prefix.", 1);
    claims_writer::write(claims, &mut writer).ok()?;
    let first = writer.finish();
    let segment = str::from_utf8(&out).unwrap().strip_prefix("beforeprefix.").unwrap();
    let json = base64url::decode(segment).unwrap();
    assert_eq!(first, json.first().copied());
    Some(String::from_utf8(json).unwrap())
}

fn check(claims: &(impl Serialize + ?Sized)) -> Option<String> {
    let ours = written(claims);
    assert_eq!(ours, serde_json::to_string(claims).ok());
    ours
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(&'static str);

#[derive(Serialize)]
struct Pair(u8, &'static str);

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum Kinds {
    Unit,
    Newtype(u8),
    Tuple(u8, bool),
    Struct { a: u8, b: Option<u8> },
}

struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Writes itself by `Display`.
struct Shown(&'static str);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A map of one member, whose name may be anything.
struct Named<K>(K);

impl<K: Serialize> Serialize for Named<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(&self.0, 1), (&self.0, 2)])
    }
}

#[derive(Serialize)]
struct Fails {
    before: u8,
    #[serde(serialize_with = "fail")]
    here: u8,
}

fn fail<S: Serializer>(_: &u8, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("no"))
}

#[test]
fn each_kind_of_value_is_written_as_serde_json_writes_it() {
    assert_eq!(
        check(&json!({"a": "b", "c": [1, -2, 1.5, true, null]})).unwrap(),
        r#"{"a":"b","c":[1,-2,1.5,true,null]}"#
    );
    check(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX)).unwrap();
    check(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN)).unwrap();
    check(&(f32::MAX, f32::MIN_POSITIVE, f64::MAX, -0.0, 1e300, 0.1)).unwrap();
    check(&(f32::NAN, f64::NAN, f64::INFINITY, f32::NEG_INFINITY)).unwrap();
    check(&('a', '"', '\u{7f}', '\u{1f}', '😀')).unwrap();
    check(&("", "\\", "é\u{2028}", "seven:7", "eight:_8", "\0")).unwrap();
    check(&((), Unit, None::<u8>, Some(1), Some("x"), Newtype("n"), Pair(1, "p"))).unwrap();
    check(&[Kinds::Unit, Kinds::Newtype(1), Kinds::Tuple(1, false), Kinds::Struct { a: 1, b: None }])
        .unwrap();
    check(&(Bytes(b""), Bytes(b"\x00\xff"), Shown("a\"b"))).unwrap();
    check(&(Vec::<u8>::new(), BTreeMap::<&str, u8>::new(), [[1]; 2])).unwrap();
}

#[test]
fn names_of_members_are_strings_or_nothing() {
    check(&Named("a\n")).unwrap();
    check(&Named(Newtype("a"))).unwrap();
    check(&Named(Some("a"))).unwrap();
    check(&Named(Shown("\""))).unwrap();
    check(&Named('\u{1}')).unwrap();
    check(&Named(Kinds::Unit)).unwrap();
    check(&(Named(true), Named(-1i8), Named(u64::MAX), Named(i128::MIN), Named(1.5f32), Named(1e300)))
        .unwrap();
    assert_eq!(check(&Named(f64::NAN)), None);
    assert_eq!(check(&Named(f32::INFINITY)), None);
    assert_eq!(check(&Named(())), None);
    assert_eq!(check(&Named(Unit)), None);
    assert_eq!(check(&Named(None::<&str>)), None);
    assert_eq!(check(&Named(["a"])), None);
    assert_eq!(check(&Named(Pair(1, "a"))), None);
    assert_eq!(check(&Named(Bytes(b"a"))), None);
    assert_eq!(check(&Named(Kinds::Newtype(1))), None);
    assert_eq!(check(&Named(Kinds::Tuple(1, true))), None);
    assert_eq!(check(&Named(Kinds::Struct { a: 1, b: None })), None);
    assert_eq!(check(&Named(Named("a"))), None);
}

#[test]
fn an_error_of_the_claims_is_an_error() {
    assert_eq!(check(&Fails { before: 1, here: 2 }), None);
}

#[test]
fn json_that_is_kept_as_text_is_written_as_it_is() {
    #[derive(Serialize)]
    struct Kept<'a> {
        a: &'a RawValue,
        b: u8,
    }
    let raw: Box<RawValue> = serde_json::from_str(r#"{ "x" : [1.0e2, "\u0041"] }"#).unwrap();
    assert_eq!(check(&raw).unwrap(), r#"{ "x" : [1.0e2, "\u0041"] }"#);
    check(&Kept { a: &raw, b: 1 }).unwrap();
    check(&[&raw, &raw]).unwrap();
    assert_eq!(check(&Named(&raw)), None);
}

#[test]
fn strings_of_every_length_pass_the_end_of_the_buffer() {
    for length in (0..40).chain(480..540).chain(1010..1030).chain([5000]) {
        for text in ["x".repeat(length), format!("{}\"", "é".repeat(length / 2))] {
            check(&json!({"a": text, "b": [text, 1]})).unwrap();
            check(&(1, text.as_str(), "", 2)).unwrap();
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[ -~\\x00-\\x1f]{0,700}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            btree_map(".{0,12}", inner, 0..8).prop_map(|all| all.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_serde_json_writes_is_written_the_same(value in any_json()) {
        prop_assert!(check(&value).is_some());
    }

    #[test]
    fn typed_claims_are_written_the_same(
        iss in ".{0,30}", roles in vec("[a-z:\"]{0,9}", 0..100), exp in any::<u64>(), big in any::<i128>(),
        ratio in any::<f64>(), small in any::<f32>(), flags in btree_map(any::<i16>(), any::<bool>(), 0..9),
    ) {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            sub: Option<&'a str>,
            roles: &'a [String],
            exp: u64,
            big: i128,
            ratio: f64,
            small: f32,
            #[serde(flatten)]
            others: BTreeMap<String, Value>,
            flags: BTreeMap<i16, bool>,
        }
        let others = roles.iter().map(|role| (role.clone(), json!([role, exp]))).collect();
        let sub = (exp % 2 == 0).then_some(&*iss);
        let claims = Claims { iss: &iss, sub, roles: &roles, exp, big, ratio, small, others, flags };
        prop_assert!(check(&claims).is_some());
    }
}

//! The JOSE header: written in one order, read strictly (RFC 7515 §4, RFC 7519 §5).

use std::borrow::Cow;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::error::Refusal;
use crate::json::{Members, NotStrictJson, Value};
use crate::token_type::TokenType;

/// A header may have this many base64url characters; room for a certificate chain that nobody reads.
const LONGEST: usize = 8 * 1024;

/// The members that matter. All others are checked to be JSON and skipped: `jku`, `jwk`, `x5u`, `x5c` and
/// their like are never read (RFC 8725 §3.10).
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Cow<'a, str>,
    pub(crate) typ: Option<Cow<'a, str>>,
    pub(crate) key_id: Option<Cow<'a, str>>,
}

impl From<NotStrictJson> for Refusal {
    fn from(_: NotStrictJson) -> Self {
        Self::Malformed
    }
}

impl<'a> Header<'a> {
    /// Decodes and reads a header segment.
    pub(crate) fn decode(segment: &str, buffer: &'a mut Vec<u8>) -> Result<Self, Refusal> {
        if segment.len() > LONGEST {
            return Err(Refusal::TooLarge);
        }
        let json = base64url::decode_growing(segment.as_bytes(), buffer).map_err(|_| Refusal::Malformed)?;
        Self::parse(std::str::from_utf8(json).map_err(|_| Refusal::Malformed)?)
    }

    /// Reads the header's JSON.
    pub(crate) fn parse(json: &'a str) -> Result<Self, Refusal> {
        let (mut algorithm, mut typ, mut key_id) = (None, None, None);
        // The whole header is read before one of these is reported: malformed comes first.
        let mut extension = None;
        let mut members = Members::of(json)?;
        while let Some((name, value)) = members.next()? {
            let text =
                |value: Value<'a>| value.string().map(|text| Some(text.decode())).ok_or(Refusal::Malformed);
            match &*name.decode() {
                "alg" => algorithm = text(value)?,
                "typ" => typ = text(value)?,
                "kid" => key_id = text(value)?,
                //= RFC 7515 §4.1.11
                //= RFC 7797 §6
                "crit" | "b64" => extension = extension.or(Some(Refusal::CriticalHeader)),
                //= RFC 8725 §3.6
                "zip" | "enc" | "cty" => extension = extension.or(Some(Refusal::UnsupportedHeader)),
                _ => {}
            }
        }
        match (algorithm, extension) {
            (None, _) => Err(Refusal::Malformed),
            (_, Some(refusal)) => Err(refusal),
            (Some(algorithm), None) => Ok(Self { algorithm, typ, key_id }),
        }
    }
}

/// Writes a header of known members in the given order, in base64url.
pub(crate) fn encode(
    algorithm: Algorithm,
    typ: Option<TokenType>,
    key_id: Option<&str>,
    order: [&str; 3],
) -> String {
    // serde_json's escaping of two strings; it has nothing that could fail.
    let quote = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let mut json = String::from("{");
    for name in order {
        let value = match name {
            "alg" => Some(quote(algorithm.name())),
            "typ" => typ.map(|typ| quote(typ.name())),
            _ => key_id.map(quote),
        };
        if let Some(value) = value {
            let comma = if json.len() == 1 { "" } else { "," };
            json.push_str(&format!("{comma}\"{name}\":{value}"));
        }
    }
    json.push('}');
    base64url::encode(json.as_bytes())
}

/// The order in which this crate signs headers.
pub(crate) const OWN_ORDER: [&str; 3] = ["alg", "typ", "kid"];

/// The orders that common libraries write, looked up without parsing.
pub(crate) const COMMON_ORDERS: [[&str; 3]; 3] = [OWN_ORDER, ["typ", "alg", "kid"], ["alg", "kid", "typ"]];

//! What may be known of a token before it is verified: enough to choose a key (RFC 7515 §4.1.4).

use crate::base64url;
use crate::error::Refusal;
use crate::header::Header;
use crate::json::Members;

/// No longer token is looked at here, in characters.
const LONGEST: usize = 16 * 1024;

/// Returns the `kid` of a token that nobody has verified, to choose or fetch a key by.
///
/// Its value is whatever the sender wrote: compare it with known ids, and do not put it into paths, queries or
/// logs. The claims are not to be had this way; a token that is worth reading is worth verifying.
///
/// # Errors
/// The [`Refusal`] of a header that no verifier would accept, or of a token of more than 16 KiB.
pub fn peek_key_id(token: &str) -> Result<Option<String>, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::TooLarge);
    }
    let (header, _) = token.split_once('.').ok_or(Refusal::Malformed)?;
    let mut buffer = Vec::new();
    let header = Header::decode(header, &mut buffer)?;
    Ok(header.key_id.map(std::borrow::Cow::into_owned))
}

/// Returns header and payload of a token as JSON, without verifying anything: for people who look at tokens.
///
/// Nothing may be decided by what this returns. The signature is not even looked at.
///
/// # Errors
/// [`Refusal::Malformed`] if the token is not three segments of base64url with JSON objects in the first two;
/// [`Refusal::TooLarge`] above 16 KiB.
pub fn dangerous_inspect(token: &str) -> Result<(String, String), Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::TooLarge);
    }
    let mut segments = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return Err(Refusal::Malformed);
    };
    base64url::decode(signature).map_err(|_| Refusal::Malformed)?;
    Ok((json_object(header)?, json_object(payload)?))
}

fn json_object(segment: &str) -> Result<String, Refusal> {
    let bytes = base64url::decode(segment).map_err(|_| Refusal::Malformed)?;
    let json = String::from_utf8(bytes).map_err(|_| Refusal::Malformed)?;
    let mut members = Members::of(&json)?;
    while members.next()?.is_some() {}
    Ok(json)
}

//! The Basic header (RFC 7617 §2; RFC 6749 §2.3.1: id and secret are form-encoded first).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use records::{SecretBytes, SecretText};

use super::ClientRefusal;
use crate::params::decode;

/// What a Basic header holds.
pub(super) struct Credentials {
    pub(super) client_id: SecretText,
    /// Empty where nothing follows the colon.
    pub(super) secret: SecretText,
}

/// Reads `Basic base64(form(id):form(secret))`; the scheme's case does not matter (RFC 9110 §11.1).
pub(super) fn parse(header: &[u8]) -> Result<Credentials, ClientRefusal> {
    let (scheme, encoded) = header.split_at_checked(5).unwrap_or((header, &[]));
    if !scheme.eq_ignore_ascii_case(b"basic") || encoded.first().is_some_and(|byte| *byte != b' ') {
        return Err(ClientRefusal::UnsupportedScheme);
    }
    let encoded = encoded.trim_ascii();
    let decoded = SecretBytes::new(STANDARD.decode(encoded).map_err(|_| ClientRefusal::MalformedBasic)?);
    let mut halves = decoded.expose().splitn(2, |byte| *byte == b':');
    let (Some(id), Some(secret)) = (halves.next(), halves.next()) else {
        return Err(ClientRefusal::MalformedBasic);
    };
    //= RFC 6749 §2.3.1
    let half = |text| decode(text).filter(is_free_of_controls).ok_or(ClientRefusal::MalformedBasic);
    Ok(Credentials { client_id: half(id)?, secret: half(secret)? })
}

//= RFC 7617 §2
fn is_free_of_controls(text: &SecretText) -> bool {
    !text.expose().chars().any(char::is_control)
}

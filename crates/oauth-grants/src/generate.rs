//! Identifiers and secrets that the server makes (RFC 6749 §2.2, §2.3.1, §10.10).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use records::{ClientGrantId, ClientId, Invalid, ResourceServerId, SecretText};

use crate::Moment;

/// A client secret: 48 random bytes as 64 characters of the URL-safe base64 alphabet, the length of Auth0's.
///
/// 384 bits cannot be guessed, so a keyed digest is enough to keep (RFC 6749 §10.10 asks for 128 at least).
pub fn client_secret(moment: &Moment) -> SecretText {
    SecretText::new(URL_SAFE_NO_PAD.encode(moment.bytes::<48>("client secret")))
}

/// An API's HS256 signing secret, of the same shape: 64 characters, more than the 32 bytes of RFC 7518 §3.2.
pub fn signing_secret(moment: &Moment) -> SecretText {
    SecretText::new(URL_SAFE_NO_PAD.encode(moment.bytes::<48>("signing secret")))
}

/// A client id: 32 alphanumerics, as Auth0's.
///
/// # Errors
/// None in practice: what is made fits the alphabet.
pub fn client_id(moment: &Moment) -> Result<ClientId, Invalid> {
    ClientId::parse(&alphanumerics(moment, "client id", 32))
}

/// A client grant's id: `cgr_` and 16 alphanumerics, as Auth0's.
///
/// # Errors
/// None in practice: what is made fits the alphabet.
pub fn client_grant_id(moment: &Moment) -> Result<ClientGrantId, Invalid> {
    ClientGrantId::parse(&prefixed(moment, "cgr_", 16))
}

/// An API's id: 24 hexadecimal digits, as Auth0's.
///
/// # Errors
/// None in practice: what is made fits the alphabet.
pub fn resource_server_id(moment: &Moment) -> Result<ResourceServerId, Invalid> {
    ResourceServerId::parse(&hexadecimal(&moment.bytes::<12>("resource server id")))
}

/// Bytes as lower-case hexadecimal digits, two for each.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    text.extend(bytes.iter().flat_map(|byte| digits(*byte).map(char::from)));
    text
}

/// The two lower-case hexadecimal digits of a byte.
pub(crate) fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|nibble| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 })
}

/// A prefix and `length` alphanumerics of about 5.95 bits each. The prefix is the label, so kinds never share bytes.
pub fn prefixed(moment: &Moment, prefix: &str, length: usize) -> String {
    format!("{prefix}{}", alphanumerics(moment, prefix, length))
}

/// A token's unique id: 128 random bits as 22 characters of the URL-safe base64 alphabet (RFC 7519 §4.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId([u8; 22]);

impl TokenId {
    /// The `jti` of the access token that is issued at this moment.
    pub fn of_access_token(moment: &Moment) -> Self {
        Self::labelled(moment, "access token jti")
    }

    /// The `jti` of the logout token that is sent at this moment.
    pub fn of_logout_token(moment: &Moment) -> Self {
        Self::labelled(moment, "logout token jti")
    }

    fn labelled(moment: &Moment, label: &str) -> Self {
        let mut text = [b'A'; 22];
        // 16 bytes are 22 characters, always: the length cannot be wrong.
        let written = URL_SAFE_NO_PAD.encode_slice(moment.bytes::<16>(label), &mut text);
        debug_assert_eq!(written, Ok(22));
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Draws characters by rejection: a remainder of 256 by 62 would favour the first eight.
fn alphanumerics(moment: &Moment, label: &str, length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(length);
    for round in 0_u32.. {
        let bytes = moment.bytes::<64>(&format!("{label} {round}"));
        let drawn =
            bytes.iter().filter(|byte| **byte < 248).filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
        text.extend(drawn.take(length - text.len()).map(|byte| char::from(*byte)));
        if text.len() >= length {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_lower_case_digits() {
        for byte in 0..=u8::MAX {
            assert_eq!(hexadecimal(&[byte, 0]), format!("{byte:02x}00"));
        }
    }
    use records::UnixTime;
    use std::collections::BTreeSet;

    fn moments() -> impl Iterator<Item = Moment> {
        (0..500_u32).map(|number| {
            let mut seed = [0; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            Moment::new(UnixTime(0), seed)
        })
    }

    #[test]
    fn everything_generated_has_its_shape_and_is_unique() {
        let mut seen = BTreeSet::new();
        for moment in moments() {
            let secret = client_secret(&moment);
            assert_eq!(secret.expose().len(), 64);
            assert!(secret.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            let client = client_id(&moment).unwrap();
            assert!(
                client.as_str().len() == 32 && client.as_str().bytes().all(|b| b.is_ascii_alphanumeric())
            );
            let grant = client_grant_id(&moment).unwrap();
            assert!(grant.as_str().len() == 20 && grant.as_str().starts_with("cgr_"));
            let api = resource_server_id(&moment).unwrap();
            assert!(api.as_str().len() == 24 && api.as_str().bytes().all(|b| b.is_ascii_hexdigit()));
            let jti = TokenId::of_access_token(&moment);
            assert_eq!(jti.as_str().len(), 22);
            assert_eq!(URL_SAFE_NO_PAD.decode(jti.as_str()).unwrap().len(), 16);
            for text in [
                secret.expose(),
                signing_secret(&moment).expose(),
                client.as_str(),
                grant.as_str(),
                api.as_str(),
                jti.as_str(),
            ] {
                assert!(seen.insert(text.to_owned()), "made twice");
            }
        }
    }

    #[test]
    fn every_character_is_drawn_about_as_often_as_any_other() {
        let mut counts = [0_u32; 128];
        for moment in moments() {
            for byte in alphanumerics(&moment, "x", 1000).bytes() {
                counts[usize::from(byte)] += 1;
            }
        }
        // 500 000 draws of 62: mean 8065, standard deviation 89. Bias by remainder would give the first eight 25 % more.
        for byte in (0..128_u8).filter(u8::is_ascii_alphanumeric) {
            let count = counts[usize::from(byte)];
            assert!((7500..8600).contains(&count), "{} {count}", char::from(byte));
        }
    }
}

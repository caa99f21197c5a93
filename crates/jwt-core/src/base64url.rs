//! Canonical base64url without padding (RFC 7515 §2, RFC 4648 §5).
//!
//! The decoder takes one text for each byte string: no padding, no white space, no standard alphabet, no set
//! trailing bits. The engine refuses all of these.

use base64::Engine as _;
#[cfg(not(all(feature = "simd-base64", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use base64::engine::general_purpose::URL_SAFE_NO_PAD as ENGINE;

/// Chooses its instructions when it is first used.
#[cfg(all(feature = "simd-base64", any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));

/// The text was not canonical base64url.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotBase64Url;

/// Returns the number of characters that encode `length` bytes.
pub(crate) const fn encoded_length(length: usize) -> usize {
    // Saturating: a length near usize::MAX cannot be allocated anyway, and must not wrap to a small number.
    length / 3 * 4
        + match length % 3 {
            0 => 0,
            1 => 2,
            _ => 3,
        }
}

/// Returns the number of bytes that `length` characters stand for.
const fn decoded_length(length: usize) -> usize {
    length / 4 * 3
        + match length % 4 {
            0 | 1 => 0,
            2 => 1,
            _ => 2,
        }
}

/// Encodes into a new string.
pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Appends the encoding of `bytes` to `out`.
pub(crate) fn encode_into(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + encoded_length(bytes.len()), 0);
    if let Some(room) = out.get_mut(start..) {
        // The room is exact, so this cannot fail; were it to, the zero bytes would never verify.
        let written = ENGINE.encode_slice(bytes, room);
        debug_assert!(written.is_ok());
    }
}

/// Decodes `text` into the front of `room`, returning what was decoded.
pub(crate) fn decode_into<'r>(text: &[u8], room: &'r mut [u8]) -> Result<&'r [u8], NotBase64Url> {
    let room = room.get_mut(..decoded_length(text.len())).ok_or(NotBase64Url)?;
    let length = ENGINE.decode_slice(text, room).map_err(|_| NotBase64Url)?;
    room.get(..length).ok_or(NotBase64Url)
}

/// Decodes `text` into `buffer`, which only ever grows, returning what was decoded.
pub(crate) fn decode_growing<'r>(text: &[u8], buffer: &'r mut Vec<u8>) -> Result<&'r [u8], NotBase64Url> {
    let length = decoded_length(text.len());
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    decode_into(text, buffer)
}

/// Decodes into a new vector.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, NotBase64Url> {
    let mut bytes = vec![0; decoded_length(text.len())];
    let length = decode_into(text.as_bytes(), &mut bytes)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_canonical_text_is_accepted() {
        //= RFC 7515 §2
        assert_eq!(decode("AQID").unwrap(), [1, 2, 3]);
        assert_eq!(decode("_-8").unwrap(), [0xff, 0xef]);
        assert_eq!(decode("").unwrap(), [0u8; 0]);
        for text in
            ["A", "AQ==", "AQ=", "AQI=", "AR", "AQJ", "AQ\n", " AQ", "+w", "/w", "A.", "AQIDB", "äA", "AQ\0"]
        {
            assert!(decode(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_string_has_one_text(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = encode(&bytes);
            prop_assert_eq!(text.len(), encoded_length(bytes.len()));
            prop_assert_eq!(decode(&text).unwrap(), bytes.clone());
            let mut appended = b"x".to_vec();
            encode_into(&bytes, &mut appended);
            prop_assert_eq!(&appended[1..], text.as_bytes());
        }

        #[test]
        fn whatever_decodes_encodes_back_to_itself(text in "[A-Za-z0-9_=+/ -]{0,40}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}

//! Canonical base64url without padding (RFC 7515 §2, RFC 4648 §5).
//!
//! The decoder takes one text for each byte string: no padding, no white space, no standard alphabet, no set
//! trailing bits. Both decoders, the table here and the SIMD of the `base64` crate, refuse all of these.

use base64::Engine as _;
#[cfg(not(all(feature = "simd-base64", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use base64::engine::general_purpose::URL_SAFE_NO_PAD as ENGINE;

/// Chooses its instructions when it is first used.
#[cfg(all(feature = "simd-base64", any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));

/// The `base64` crate decodes texts from this length on, in characters; SIMD has a start to pay for. Without
/// SIMD [`decode_by_table`] takes less than two thirds of its time.
const LONG: usize = if cfg!(feature = "simd-base64") { 64 } else { usize::MAX };

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
    if text.len() < LONG {
        decode_by_table(text, room)?;
        return Ok(room);
    }
    let length = ENGINE.decode_slice(text, room).map_err(|_| NotBase64Url)?;
    room.get(..length).ok_or(NotBase64Url)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Marks what is no character of the alphabet, in a number whose low 24 bits are four characters.
const BAD: u32 = 1 << 31;

/// The value of each character in each of four places, so that four characters are four loads and no shift.
static PLACES: [[u32; 256]; 4] = [place(18), place(12), place(6), place(0)];

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which refuses an index out of bounds"
)]
const fn place(shift: u32) -> [u32; 256] {
    let mut place = [BAD; 256];
    let mut value = 0;
    while value < 64 {
        place[ALPHABET[value as usize] as usize] = value << shift;
        value += 1;
    }
    place
}

/// Returns the 24 bits of four characters, or a number with [`BAD`] set.
#[inline]
fn quad([a, b, c, d]: [u8; 4]) -> u32 {
    let [first, second, third, fourth] = &PLACES;
    let at = |place: &[u32; 256], character: u8| place.get(usize::from(character)).copied().unwrap_or(BAD);
    at(first, a) | at(second, b) | at(third, c) | at(fourth, d)
}

/// Decodes `text` into `room`, whose length is [`decoded_length`].
fn decode_by_table(text: &[u8], room: &mut [u8]) -> Result<(), NotBase64Url> {
    if text.len() % 4 == 1 {
        return Err(NotBase64Url);
    }
    // One look at the marks of all characters, after the last.
    let mut all = 0;
    let (blocks, text) = text.as_chunks::<16>();
    let (block_room, room) = room.as_chunks_mut::<12>();
    for (block, out) in blocks.iter().zip(block_room) {
        let ([a, b, c, d], _) = block.as_chunks::<4>() else { return Err(NotBase64Url) };
        let (a, b, c, d) = (quad(*a), quad(*b), quad(*c), quad(*d));
        all |= a | b | c | d;
        let (low, high) = (u64::from(a) << 40 | u64::from(b) << 16 | u64::from(c) >> 8, c << 24 | d);
        let (out_low, out_high) = out.split_at_mut(8);
        out_low.copy_from_slice(&low.to_be_bytes());
        out_high.copy_from_slice(&high.to_be_bytes());
    }
    let (quads, rest) = text.as_chunks::<4>();
    let (quad_room, room) = room.as_chunks_mut::<3>();
    for (characters, out) in quads.iter().zip(quad_room) {
        let bits = quad(*characters);
        all |= bits;
        let [_, a, b, c] = bits.to_be_bytes();
        *out = [a, b, c];
    }
    // Two or three characters stand for one or two bytes; `A` for no bits.
    let bits = match *rest {
        [a, b] => quad([a, b, b'A', b'A']),
        [a, b, c] => quad([a, b, c, b'A']),
        _ => 0,
    };
    all |= bits;
    let [_, a, b, c] = bits.to_be_bytes();
    let beyond = match room {
        [first] => {
            *first = a;
            b | c
        }
        [first, second] => {
            (*first, *second) = (a, b);
            c
        }
        _ => 0,
    };
    //= RFC 4648 §3.5
    if all & BAD == 0 && beyond == 0 { Ok(()) } else { Err(NotBase64Url) }
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

    /// What the `base64` crate makes of a text, without SIMD.
    fn by_base64(text: &[u8]) -> Result<Vec<u8>, NotBase64Url> {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).map_err(|_| NotBase64Url)
    }

    fn by_table(text: &[u8]) -> Result<Vec<u8>, NotBase64Url> {
        let mut room = vec![0; decoded_length(text.len())];
        decode_by_table(text, &mut room)?;
        Ok(room)
    }

    #[test]
    fn the_table_and_the_base64_crate_agree_on_each_byte_in_each_place() {
        for length in 0..40 {
            let text = encode(&vec![0xa7; length]).into_bytes();
            for at in 0..text.len() {
                for byte in 0..=u8::MAX {
                    let mut text = text.clone();
                    text[at] = byte;
                    assert_eq!(by_table(&text), by_base64(&text), "{text:?}");
                    assert_eq!(by_table(&text[..at]), by_base64(&text[..at]), "{text:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_table_and_the_base64_crate_agree(text in "[A-Za-z0-9_-]{0,200}[A-Za-z0-9_=+/ .-]{0,3}") {
            prop_assert_eq!(by_table(text.as_bytes()), by_base64(text.as_bytes()));
        }

        #[test]
        fn decoding_agrees_with_the_base64_crate(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(by_table(text.as_bytes()), Ok(bytes.clone()));
            prop_assert_eq!(decode(&text), Ok(bytes));
        }

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

//! Runs of characters that stand for themselves in a JSON string, eight at a time (RFC 8259 §7).

/// Eight times the same byte.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks quotes, backslashes and control characters by the top bit of their byte. Borrows may mark bytes above
/// such a one, so only the lowest mark tells its place; without one there is no mark at all.
#[inline]
fn marks(word: u64) -> u64 {
    // Of ASCII, inverting bit 1 makes a quote (0x22) the only other thing below 0x21 than control characters.
    let quote_or_control = (word ^ eight(2)).wrapping_sub(eight(0x21));
    let backslash = (word ^ eight(b'\\')).wrapping_sub(eight(1));
    (quote_or_control | backslash) & !word & eight(0x80)
}

/// Tells whether a character needs an escape in a JSON string.
#[inline]
fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Returns the index of the first quote, backslash or control character from `at` on, or the length.
#[inline]
pub(super) fn plain_run(bytes: &[u8], mut at: usize) -> usize {
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hit = marks(u64::from_le_bytes(*eight));
        if hit != 0 {
            return at + (hit.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if is_special(*byte) {
            break;
        }
        at += 1;
    }
    at
}

/// Copies `from` to `to`, of the same length, unless something in it needs an escape; tells whether it has.
#[inline]
pub(crate) fn copy_plain(from: &[u8], to: &mut [u8]) -> bool {
    if let (Some(last), Some(to_last)) = (from.last_chunk::<8>(), to.last_chunk_mut::<8>()) {
        // The last eight bytes may overlap the word before; copying some twice is cheaper than one by one.
        let word = u64::from_le_bytes(*last);
        *to_last = *last;
        if marks(word) != 0 {
            return false;
        }
        for (word, to) in from.as_chunks::<8>().0.iter().zip(to.as_chunks_mut::<8>().0) {
            if marks(u64::from_le_bytes(*word)) != 0 {
                return false;
            }
            *to = *word;
        }
        return true;
    }
    for (byte, to) in from.iter().zip(to) {
        if is_special(*byte) {
            return false;
        }
        *to = *byte;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_byte_is_marked_as_json_asks() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut bytes = [b'a'; 8];
                bytes[place] = byte;
                let hit = marks(u64::from_le_bytes(bytes));
                assert_eq!(hit != 0, is_special(byte), "{byte}");
                assert!(hit == 0 || hit.trailing_zeros() as usize / 8 == place);
            }
        }
    }

    proptest! {
        #[test]
        fn runs_are_found_like_byte_by_byte(text in "[ -~\\n\"\\\\é]{0,40}", from in 0usize..8) {
            let bytes = text.as_bytes();
            let from = from.min(bytes.len());
            let slow = (from..bytes.len()).find(|at| matches!(bytes[*at], b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_run(bytes, from), slow);
        }

        #[test]
        fn what_is_copied_is_the_same_and_plain(text in "[ -~\\n\"\\\\é]{0,40}") {
            let mut copy = vec![0; text.len()];
            let plain = copy_plain(text.as_bytes(), &mut copy);
            prop_assert_eq!(plain, !text.bytes().any(is_special));
            prop_assert!(!plain || copy == text.as_bytes());
        }
    }
}

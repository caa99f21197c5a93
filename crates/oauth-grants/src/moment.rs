//! Time and randomness as one value (RFC 5869 §2.3, HKDF-Expand).

use std::fmt;

use records::UnixTime;

use crate::crypto::MacKey;

/// When a decision is made, and the randomness it may use.
///
/// Everything random that a decision makes is expanded from one seed, each thing under a label of its own, so that a
/// decision can be repeated exactly in a test and two things never share their bytes. A new attempt (after a conflict,
/// say) takes a new moment.
#[derive(Clone)]
pub struct Moment {
    /// The time.
    pub now: UnixTime,
    seed: MacKey,
}

impl Moment {
    /// A moment of this time, with 32 uniformly random bytes that are used for nothing else.
    pub fn new(now: UnixTime, seed: [u8; 32]) -> Self {
        Self { now, seed: MacKey::new(&seed) }
    }

    /// `N` bytes of this label; other labels' bytes say nothing about them. `N` is at most 8160 (RFC 5869 §2.3).
    pub fn bytes<const N: usize>(&self, label: &str) -> [u8; N] {
        const { assert!(N <= 255 * 32) };
        let mut bytes = [0; N];
        expand(&self.seed, label.as_bytes(), &mut bytes);
        bytes
    }

    /// A moment of the same time with a seed of its own, for one of several like things that one decision makes.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        // A prefix keeps a child's seed apart from the bytes of the same label.
        Self::new(self.now, self.bytes(&format!("child {label}")))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").field("now", &self.now).finish_non_exhaustive()
    }
}

/// HKDF-Expand; the seed is uniform, so the extract step has nothing to do (RFC 5869 §3.3).
fn expand(key: &MacKey, info: &[u8], output: &mut [u8]) {
    //= RFC 5869 §2.3
    let mut block = [0; 32];
    for (counter, chunk) in (1..=255_u8).zip(output.chunks_mut(32)) {
        let previous: &[u8] = if counter == 1 { &[] } else { &block };
        block = key.mac(&[previous, info, &[counter]]);
        for (to, from) in chunk.iter_mut().zip(block) {
            *to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    fn moment(fill: u8) -> Moment {
        Moment::new(UnixTime(1_458_785_796), [fill; 32])
    }

    //= RFC 5869 Appendix A.1
    //= RFC 5869 Appendix A.2
    #[test]
    fn expansion_agrees_with_the_rfc() {
        let mut output = [0; 42];
        let key = MacKey::new(&unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
        expand(&key, &unhex("f0f1f2f3f4f5f6f7f8f9"), &mut output);
        assert_eq!(
            output[..],
            unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        );

        let mut output = [0; 82];
        let key = MacKey::new(&unhex("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"));
        let info: Vec<u8> = (0xb0..=0xff).collect();
        expand(&key, &info, &mut output);
        assert_eq!(
            output[..],
            unhex(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                 da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            )
        );
    }

    #[test]
    fn labels_seeds_and_children_are_independent_and_repeatable() {
        let same: [u8; 48] = moment(1).bytes("jti");
        assert_eq!(same, moment(1).bytes::<48>("jti"));
        let different = [
            moment(1).bytes::<48>("jtj"),
            moment(2).bytes("jti"),
            moment(1).child("jti").bytes("jti"),
            moment(1).child("a").bytes("jti"),
            moment(1).child("b").bytes("jti"),
            // What is handed out under a label is not the seed of the child of that label.
            Moment::new(moment(1).now, moment(1).bytes("a")).bytes("jti"),
        ];
        for (position, bytes) in different.iter().enumerate() {
            assert_ne!(same, *bytes, "{position}");
            for other in different.iter().skip(position + 1) {
                assert_ne!(bytes, other, "{position}");
            }
        }
        assert_eq!(same[..16], moment(1).bytes::<16>("jti"), "a longer output starts with the shorter one");
        assert!(moment(1).bytes::<8160>("jti").iter().any(|byte| *byte != 0));
    }

    #[test]
    fn a_moment_does_not_print_its_seed() {
        assert_eq!(format!("{:?}", moment(77)), "Moment { now: UnixTime(1458785796), .. }");
    }
}

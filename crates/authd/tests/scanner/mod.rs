//! Looks for secrets in bytes, in every spelling that a careless line of code would give them (threats R21).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Nothing shorter is looked for: it would be found by chance.
const SHORTEST: usize = 12;
/// A long secret is looked for by pieces of this many bytes, since a database may lay it across pages.
const PIECE: usize = 24;
/// How many bytes of a piece are compared first.
const HEAD: usize = 8;

/// The secrets that were seen, by what they are.
#[derive(Default)]
pub(crate) struct Secrets {
    seen: BTreeSet<(&'static str, Vec<u8>)>,
    pieces: BTreeMap<Vec<u8>, (&'static str, &'static str)>,
}

impl Secrets {
    /// Takes note of a secret that is a text, and of the bytes that it spells where it is base64url or hexadecimal.
    pub(crate) fn text(&mut self, what: &'static str, text: &str) {
        if text.len() < SHORTEST || !self.seen.insert((what, text.into())) {
            return;
        }
        self.spellings(what, text.as_bytes());
        for (spelling, encoded) in percent_encodings(text) {
            self.pieces_of(what, spelling, encoded.as_bytes());
        }
        if let Some(raw) = decode_base64url(text).or_else(|| decode_hexadecimal(text)) {
            self.spellings(what, &raw);
        }
    }

    /// Takes note of a secret that is bytes.
    pub(crate) fn bytes(&mut self, what: &'static str, raw: &[u8]) {
        if raw.len() >= SHORTEST && self.seen.insert((what, raw.into())) {
            self.spellings(what, raw);
        }
    }

    /// A signed token: what identifies it is its signature; the claims' spelling is looked for, the claims are not.
    pub(crate) fn token(&mut self, what: &'static str, token: &str) {
        let segments: Vec<&str> = token.split('.').collect();
        // Where something else was presented in a token's place, it is a text.
        let [_, claims, signature] = segments[..] else { return self.text(what, token) };
        self.text(what, signature);
        self.pieces_of(what, "the claims' text", &claims.as_bytes()[claims.len() / 2..]);
    }

    /// A refresh token. Its family's id and its generation stand in the database, what follows them may not.
    pub(crate) fn refresh_token(&mut self, token: &str) {
        // One that was presented and came back escaped is known.
        let Some(encoded) = token.strip_prefix("v1.") else { return };
        let raw = decode_base64url(encoded).unwrap();
        assert_eq!(raw.len(), 64);
        self.bytes("refresh token", &raw[24..]);
        // 24 bytes are 32 characters exactly.
        self.text("refresh token", &encoded[32..]);
    }

    /// An asymmetric private key, PKCS #8 DER: its private numbers.
    pub(crate) fn private_key(&mut self, der: &[u8]) {
        let mut numbers = Vec::new();
        private_numbers(der, &mut numbers);
        // An RSA modulus is its public part; of elliptic curves the public part is a BIT STRING and not among these.
        if numbers.len() > 3 {
            numbers.remove(0);
        }
        assert!(!numbers.is_empty(), "a private key has a private number");
        numbers.iter().for_each(|number| self.bytes("private key", number));
    }

    /// How many secrets of a kind there are.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.seen.iter().filter(|(kind, _)| *kind == what).count()
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        self.seen.iter().for_each(|(kind, _)| *counts.entry(*kind).or_default() += 1);
        counts
    }

    fn spellings(&mut self, what: &'static str, raw: &[u8]) {
        self.pieces_of(what, "as it is", raw);
        let hexadecimal: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        self.pieces_of(what, "hexadecimal", hexadecimal.as_bytes());
        self.pieces_of(what, "HEXADECIMAL", hexadecimal.to_uppercase().as_bytes());
        let numbers: Vec<String> = raw.iter().map(ToString::to_string).collect();
        self.pieces_of(what, "a list of numbers", numbers.join(", ").as_bytes());
        self.pieces_of(what, "a list of numbers", numbers.join(",").as_bytes());
        for piece in pieces(raw) {
            for skipped in 0..3 {
                for (spelling, alphabet) in [("base64", STANDARD), ("base64url", URL)] {
                    // Whatever stood before it in what was encoded: its own characters are the same.
                    let whole = (piece.len() - skipped) / 3 * 3;
                    let encoded = encode_base64(&piece[skipped..skipped + whole], alphabet);
                    self.add(what, spelling, encoded.into_bytes());
                }
            }
        }
    }

    fn pieces_of(&mut self, what: &'static str, spelling: &'static str, spelled: &[u8]) {
        for piece in pieces(spelled) {
            self.add(what, spelling, piece.to_vec());
        }
    }

    fn add(&mut self, what: &'static str, spelling: &'static str, piece: Vec<u8>) {
        if piece.len() >= SHORTEST {
            self.pieces.entry(piece).or_insert((what, spelling));
        }
    }

    /// Which secrets are in these bytes, and how they are spelled there. Says nothing of the secrets themselves.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> BTreeSet<(&'static str, &'static str)> {
        const PLACES: usize = 1 << 20;
        let head = |bytes: &[u8]| u64::from_le_bytes(bytes[..HEAD].try_into().unwrap());
        let place = |head: u64| (head.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44) as usize;
        let (mut by_head, mut maybe) = (HashMap::<u64, Vec<&[u8]>>::new(), vec![false; PLACES]);
        for piece in self.pieces.keys() {
            by_head.entry(head(piece)).or_default().push(piece);
            maybe[place(head(piece))] = true;
        }
        let mut found = BTreeSet::new();
        for (at, window) in bytes.windows(HEAD).enumerate() {
            let head = head(window);
            if maybe[place(head)] {
                let pieces = by_head.get(&head).into_iter().flatten();
                found.extend(
                    pieces.filter(|piece| bytes[at..].starts_with(piece)).map(|piece| self.pieces[*piece]),
                );
            }
        }
        found
    }
}

/// What a secret is looked for by: itself, or pieces from its beginning, its end and between.
fn pieces(spelled: &[u8]) -> Vec<&[u8]> {
    if spelled.len() <= PIECE {
        return vec![spelled];
    }
    let count = if spelled.len() > 8 * PIECE { 8 } else { 3 };
    (0..count).map(|number| &spelled[(spelled.len() - PIECE) * number / (count - 1)..][..PIECE]).collect()
}

fn percent_encodings(text: &str) -> Vec<(&'static str, String)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let encoded = |all: bool| -> String {
        text.bytes()
            .map(
                |byte| {
                    if plain(byte) && !all { char::from(byte).to_string() } else { format!("%{byte:02X}") }
                },
            )
            .collect()
    };
    vec![
        ("percent-encoded", encoded(false)),
        ("percent-encoded", encoded(false).to_lowercase()),
        ("percent-encoded all through", encoded(true)),
        ("percent-encoded all through", encoded(true).to_lowercase()),
    ]
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 of bytes whose count is a multiple of three.
pub(crate) fn encode_base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let groups = bytes.chunks_exact(3).flat_map(|three| {
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        [18, 12, 6, 0].map(|shift| char::from(alphabet[(bits >> shift & 63) as usize]))
    });
    groups.collect()
}

/// The credentials of HTTP Basic.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let mut credentials = format!("{id}:{secret}").into_bytes();
    let padding = (3 - credentials.len() % 3) % 3;
    credentials.resize(credentials.len() + padding, 0);
    let encoded = encode_base64(&credentials, STANDARD);
    format!("{}{}", &encoded[..encoded.len() - padding], "=".repeat(padding))
}

fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        bits = bits << 6 | URL.iter().position(|known| *known == byte)? as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 255) as u8);
        }
    }
    (bytes.len() >= 16).then_some(bytes)
}

fn decode_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let is_hexadecimal = text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal.then(|| {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    })
}

/// INTEGERs and OCTET STRINGs of 16 bytes or more, without leading zeros; of an OCTET STRING that holds DER, what it holds.
fn private_numbers(der: &[u8], numbers: &mut Vec<Vec<u8>>) -> bool {
    let mut rest = der;
    while let [tag, length, after @ ..] = rest {
        let (length, after) = match *length {
            short if short < 0x80 => (usize::from(short), after),
            long => {
                let count = usize::from(long & 0x7f);
                if count == 0 || count > 4 || after.len() < count {
                    return false;
                }
                (
                    after[..count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
                    &after[count..],
                )
            }
        };
        if after.len() < length {
            return false;
        }
        let (content, next) = after.split_at(length);
        match tag {
            0x30 if !private_numbers(content, numbers) => return false,
            0x04 => {
                let mut inside = Vec::new();
                if private_numbers(content, &mut inside) && !inside.is_empty() {
                    numbers.append(&mut inside);
                } else if content.len() >= 16 {
                    numbers.push(content.to_vec());
                }
            }
            0x02 => {
                let first = content.iter().position(|byte| *byte != 0).unwrap_or(content.len());
                if content.len() - first >= 16 {
                    numbers.push(content[first..].to_vec());
                }
            }
            _ => {}
        }
        rest = next;
    }
    rest.is_empty()
}

/// Texts in which a secret is hidden as careless code would; each must be found.
pub(crate) fn hidden(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut hidden = Vec::new();
    for before in [&b""[..], b"x", b"xy", b"{\"v\":1,\"k\":\""] {
        for (what, alphabet) in [("base64", STANDARD), ("base64url", URL)] {
            let mut encoded = [before, secret].concat();
            encoded.resize(encoded.len().next_multiple_of(3), b'"');
            hidden.push((what, encode_base64(&encoded, alphabet).into_bytes()));
        }
    }
    let mut long = secret.to_vec();
    long.resize(long.len().next_multiple_of(3), 0);
    let lines: Vec<_> = encode_base64(&long, STANDARD).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
    hidden.push(("PEM", lines.join(&b'\n')));
    hidden.push(("as it is", secret.to_vec()));
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    hidden.push(("HEXADECIMAL", hexadecimal.to_uppercase().into_bytes()));
    hidden.push(("hexadecimal", hexadecimal.into_bytes()));
    hidden.push(("a debug text", format!("{secret:?}").into_bytes()));
    if let Ok(text) = std::str::from_utf8(secret) {
        hidden.extend(percent_encodings(text).into_iter().map(|(what, text)| (what, text.into_bytes())));
    }
    hidden.into_iter().map(|(what, text)| (what, [&b"before "[..], &text, b" after"].concat())).collect()
}

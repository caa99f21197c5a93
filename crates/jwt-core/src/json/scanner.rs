//! The JSON grammar, position by position (RFC 8259 §2).

use super::plain::plain_run;
use super::{Kind, MAX_DEPTH, NotStrictJson, Place, Registered};

/// The text being read. Positions are passed by value: kept in a struct, each step would wait for memory.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
}

/// Where something ended, and what it was. No string, value or container ends at 0, so 0 means it was none;
/// two words are returned in registers.
#[derive(Clone, Copy)]
pub(super) struct Read<T> {
    end: usize,
    what: T,
}

impl<T> Read<T> {
    #[inline]
    pub(super) fn ok(self) -> Result<(usize, T), NotStrictJson> {
        if self.end == 0 { Err(NotStrictJson) } else { Ok((self.end, self.what)) }
    }
}

impl<'a> Scanner<'a> {
    /// The byte at a position; 0, which JSON allows nowhere, after the end.
    #[inline]
    fn byte(self, at: usize) -> u8 {
        self.text.as_bytes().get(at).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn after_space(self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    #[inline]
    pub(super) fn after(self, at: usize, byte: u8) -> Result<usize, NotStrictJson> {
        if self.byte(at) == byte { Ok(at + 1) } else { Err(NotStrictJson) }
    }

    pub(super) fn end(self, at: usize) -> Result<(), NotStrictJson> {
        if self.after_space(at) == self.text.len() { Ok(()) } else { Err(NotStrictJson) }
    }

    #[inline]
    fn cut(self, start: usize, end: usize) -> Result<&'a str, NotStrictJson> {
        self.text.get(start..end).ok_or(NotStrictJson)
    }

    /// Moves to the next element of a container: its start, or what follows the closing bracket.
    #[inline]
    pub(super) fn another(self, at: usize, first: &mut bool, close: u8) -> Result<Next, NotStrictJson> {
        let at = self.after_space(at);
        let byte = self.byte(at);
        if byte == close {
            return Ok(Next::End(at + 1));
        }
        // After a comma a closing bracket is not the start of a value, so it is refused there.
        match (std::mem::take(first), byte) {
            (true, _) => Ok(Next::At(at)),
            (false, b',') => Ok(Next::At(self.after_space(at + 1))),
            (false, _) => Err(NotStrictJson),
        }
    }

    /// Reads a name and its colon.
    #[inline]
    pub(super) fn name(self, start: usize) -> Result<(usize, Place), NotStrictJson> {
        let (end, kind) = self.string(start).ok()?;
        Ok((self.after(self.after_space(end), b':')?, Place { start, end, kind }))
    }

    /// Finds the plain name of a registered claim with its colon: six characters.
    #[inline]
    pub(super) fn registered_name(self, at: usize) -> Option<Registered> {
        // One load, and a few comparisons of numbers.
        const fn word(name: &[u8; 3]) -> u64 {
            let [a, b, c] = *name;
            u64::from_le_bytes([b'"', a, b, c, b'"', b':', 0, 0])
        }
        const ISS: u64 = word(b"iss");
        const SUB: u64 = word(b"sub");
        const AUD: u64 = word(b"aud");
        const EXP: u64 = word(b"exp");
        const NBF: u64 = word(b"nbf");
        const IAT: u64 = word(b"iat");
        const JTI: u64 = word(b"jti");
        // Within eight bytes of the end, a name is left to the slow path.
        let eight = self.text.as_bytes().get(at..)?.first_chunk::<8>()?;
        match u64::from_le_bytes(*eight) & 0xffff_ffff_ffff {
            ISS => Some(Registered::Issuer),
            SUB => Some(Registered::Subject),
            AUD => Some(Registered::Audience),
            EXP => Some(Registered::ExpiresAt),
            NBF => Some(Registered::NotBefore),
            IAT => Some(Registered::IssuedAt),
            JTI => Some(Registered::JwtId),
            _ => None,
        }
    }

    /// Reads a value at the given depth, the number of containers around it, and the space before it.
    #[inline]
    pub(super) fn value(self, at: usize, depth: u32) -> Result<Place, NotStrictJson> {
        let start = self.after_space(at);
        let read = if self.byte(start) == b'"' { self.string(start) } else { self.other_value(start, depth) };
        let (end, kind) = read.ok()?;
        Ok(Place { start, end, kind })
    }

    fn other_value(self, at: usize, depth: u32) -> Read<Kind> {
        let (end, what) = match self.byte(at) {
            b'-' | b'0'..=b'9' => (self.number(at), Kind::Number),
            b'{' => (self.container(at, depth, b'}'), Kind::Object),
            b'[' => (self.container(at, depth, b']'), Kind::Array),
            b't' => (self.word(at, "true"), Kind::Literal),
            b'f' => (self.word(at, "false"), Kind::Literal),
            b'n' => (self.word(at, "null"), Kind::Literal),
            _ => (Err(NotStrictJson), Kind::Literal),
        };
        Read { end: end.unwrap_or(0), what }
    }

    fn word(self, at: usize, word: &str) -> Result<usize, NotStrictJson> {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.starts_with(word) { Ok(at + word.len()) } else { Err(NotStrictJson) }
    }

    fn container(self, at: usize, depth: u32, close: u8) -> Result<usize, NotStrictJson> {
        if depth >= MAX_DEPTH {
            return Err(NotStrictJson);
        }
        let (mut at, mut first) = (at + 1, true);
        loop {
            at = match self.another(at, &mut first, close)? {
                Next::End(end) => return Ok(end),
                Next::At(at) if close == b'}' => self.name(at)?.0,
                Next::At(at) => at,
            };
            at = self.value(at, depth + 1)?.end;
        }
    }

    fn number(self, mut at: usize) -> Result<usize, NotStrictJson> {
        if self.byte(at) == b'-' {
            at += 1;
        }
        at = match self.byte(at) {
            b'0' => at + 1,
            b'1'..=b'9' => self.digits(at)?,
            _ => return Err(NotStrictJson),
        };
        if self.byte(at) == b'.' {
            at = self.digits(at + 1)?;
        }
        if let b'e' | b'E' = self.byte(at) {
            at += 1;
            if let b'+' | b'-' = self.byte(at) {
                at += 1;
            }
            at = self.digits(at)?;
        }
        Ok(at)
    }

    /// One digit or more.
    #[inline]
    fn digits(self, start: usize) -> Result<usize, NotStrictJson> {
        let mut at = start;
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        if at == start { Err(NotStrictJson) } else { Ok(at) }
    }

    #[inline]
    fn string(self, start: usize) -> Read<Kind> {
        const NONE: Read<Kind> = Read { end: 0, what: Kind::PlainString };
        if self.byte(start) != b'"' {
            return NONE;
        }
        let end = plain_run(self.text.as_bytes(), start + 1);
        match self.byte(end) {
            b'"' => Read { end: end + 1, what: Kind::PlainString },
            b'\\' => Read { end: self.escaped_string(end).unwrap_or(0), what: Kind::EscapedString },
            // A control character, or the end of the text.
            _ => NONE,
        }
    }

    /// Reads the rest of a string from its first backslash on.
    #[cold]
    fn escaped_string(self, mut at: usize) -> Result<usize, NotStrictJson> {
        loop {
            match self.byte(at) {
                b'"' => return Ok(at + 1),
                b'\\' => at = plain_run(self.text.as_bytes(), self.escape(at + 1)?),
                _ => return Err(NotStrictJson),
            }
        }
    }

    fn escape(self, at: usize) -> Result<usize, NotStrictJson> {
        match self.byte(at) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 1),
            b'u' => match self.four_hex(at + 1)? {
                0xd800..0xdc00 => {
                    // RFC 8259 §8.2 leaves lone surrogates open; they name no character, so they are refused.
                    let low = self.after(self.after(at + 5, b'\\')?, b'u')?;
                    if (0xdc00..0xe000).contains(&self.four_hex(low)?) {
                        Ok(low + 4)
                    } else {
                        Err(NotStrictJson)
                    }
                }
                0xdc00..0xe000 => Err(NotStrictJson),
                _ => Ok(at + 5),
            },
            _ => Err(NotStrictJson),
        }
    }

    fn four_hex(self, at: usize) -> Result<u32, NotStrictJson> {
        let digits = self.cut(at, at + 4)?;
        // from_str_radix would take a sign.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotStrictJson);
        }
        u32::from_str_radix(digits, 16).map_err(|_| NotStrictJson)
    }
}

/// What follows in a container.
pub(super) enum Next {
    /// An element starts here.
    At(usize),
    /// The container has ended before this.
    End(usize),
}

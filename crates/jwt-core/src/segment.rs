//! The payload segment, encoded while it is written (RFC 7515 §7.1).

use std::io;

use serde_json::Error;

use crate::base64url;
use crate::json;

/// A multiple of three bytes, so that full buffers encode without a remainder; room for usual claims, and no
/// more, since all of it is cleared for each token.
const BUFFER: usize = 510;

/// Encodes what is written to it, after the header. The output grows once if the claims fit the buffer.
pub(crate) struct SegmentWriter<'o> {
    out: &'o mut Vec<u8>,
    prefix: &'o str,
    /// How many characters will follow the claims.
    after: usize,
    pending: [u8; BUFFER],
    filled: usize,
    /// The first byte written.
    first: Option<u8>,
}

impl<'o> SegmentWriter<'o> {
    /// Returns a writer that appends `prefix` and what it encodes to `out`, with room for `after` characters.
    #[inline]
    pub(crate) fn new(out: &'o mut Vec<u8>, prefix: &'o str, after: usize) -> Self {
        Self { out, prefix, after, pending: [0; BUFFER], filled: 0, first: None }
    }

    #[inline]
    pub(crate) fn push_byte(&mut self, byte: u8) {
        match self.pending.get_mut(self.filled) {
            Some(slot) => {
                *slot = byte;
                self.filled += 1;
            }
            None => self.push_in_parts(&[byte]),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match self.pending.get_mut(self.filled..).and_then(|free| free.get_mut(..bytes.len())) {
            Some(to) => {
                to.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.push_in_parts(bytes),
        }
    }

    /// Writes a JSON string: most have nothing to escape and fit the buffer.
    pub(crate) fn push_string(&mut self, text: &str) -> Result<(), Error> {
        let free = self.pending.get_mut(self.filled..).unwrap_or_default();
        if let Some([open, between @ .., close]) = free.get_mut(..text.len() + 2)
            && json::copy_plain(text.as_bytes(), between)
        {
            (*open, *close) = (b'"', b'"');
            self.filled += text.len() + 2;
            return Ok(());
        }
        self.push_string_slowly(text)
    }

    #[cold]
    fn push_string_slowly(&mut self, text: &str) -> Result<(), Error> {
        serde_json::to_writer(self, text)
    }

    #[cold]
    fn push_in_parts(&mut self, mut bytes: &[u8]) {
        loop {
            let free = self.pending.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(bytes.len().min(free.len()));
            if let Some(to) = free.get_mut(..now.len()) {
                to.copy_from_slice(now);
            }
            self.filled += now.len();
            if later.is_empty() {
                return;
            }
            self.encode_pending();
            bytes = later;
        }
    }

    fn encode_pending(&mut self) {
        let pending = self.pending.get(..self.filled).unwrap_or_default();
        if self.first.is_none() {
            self.first = pending.first().copied();
            // A full buffer is seldom the whole: room for four spares growing step by step.
            let buffers = if self.filled == BUFFER { 4 } else { 1 };
            self.out
                .reserve(self.prefix.len() + base64url::encoded_length(pending.len() * buffers) + self.after);
            self.out.extend_from_slice(self.prefix.as_bytes());
        }
        base64url::encode_into(pending, self.out);
        self.filled = 0;
    }

    /// Encodes the rest, and returns the first byte that was written, if there was one.
    pub(crate) fn finish(&mut self) -> Option<u8> {
        self.encode_pending();
        self.first
    }
}

impl io::Write for SegmentWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Signing claims into compact tokens (RFC 7515 §5.1, RFC 7519 §7.1).

use serde::Serialize;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims_writer;
use crate::crypto::LONGEST_SIGNATURE;
use crate::error::{KeyError, SignError};
use crate::header;
use crate::segment::SegmentWriter;
use crate::signing_key::SigningKey;
use crate::token_type::TokenType;

/// A key with a header that was encoded once: it signs claims and nothing else.
///
/// RSA signatures take a quarter to half a millisecond; an asynchronous caller makes them off its reactor.
#[derive(Clone, Debug)]
pub struct Signer {
    key: SigningKey,
    /// The header segment and its dot.
    prefix: Box<str>,
}

impl Signer {
    /// Returns a signer of tokens with the header `{"alg":…,"typ":…,"kid":…}`, the last member only with a
    /// key id.
    ///
    /// # Errors
    /// [`KeyError::TooLong`] for a key id of more than 512 bytes.
    pub fn new(key: SigningKey, token_type: TokenType, key_id: Option<&str>) -> Result<Self, KeyError> {
        key.verifying_key().try_with_key_id(key_id)?;
        let mut prefix = header::encode(key.algorithm(), Some(token_type), key_id, header::OWN_ORDER);
        prefix.push('.');
        Ok(Self { key, prefix: prefix.into() })
    }

    /// Returns the algorithm of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Signs the claims, which serialize to a JSON object, and returns the compact token.
    ///
    /// # Errors
    /// Any [`SignError`].
    pub fn sign(&self, claims: &(impl Serialize + ?Sized)) -> Result<String, SignError> {
        let mut token = String::new();
        self.sign_into(claims, &mut token)?;
        Ok(token)
    }

    /// Signs the claims and appends the compact token to `out`, which stays as it was on an error.
    ///
    /// # Errors
    /// Any [`SignError`].
    pub fn sign_into(&self, claims: &(impl Serialize + ?Sized), out: &mut String) -> Result<(), SignError> {
        // Base64url is written as bytes; one check of the whole at the end makes them text again.
        let mut bytes = std::mem::take(out).into_bytes();
        let start = bytes.len();
        let signed = self.sign_bytes(claims, &mut bytes);
        if signed.is_err() {
            bytes.truncate(start);
        }
        match String::from_utf8(bytes) {
            Ok(text) => *out = text,
            // What was there was text and what was added is ASCII, so this does not happen.
            Err(_) => return Err(SignError::Backend),
        }
        signed
    }

    fn sign_bytes(&self, claims: &(impl Serialize + ?Sized), out: &mut Vec<u8>) -> Result<(), SignError> {
        let start = out.len();
        let signature_characters = self.key.verifying_key_ref().signature_characters();
        let mut writer = SegmentWriter::new(out, &self.prefix, signature_characters + 1);
        claims_writer::write(claims, &mut writer).map_err(|_| SignError::Claims)?;
        //= RFC 7519 §7.1
        if writer.finish() != Some(b'{') {
            return Err(SignError::NotAnObject);
        }
        // Clearing a kilobyte for each signature of 32 bytes would be a cost.
        match self.key.verifying_key_ref().signature_length() {
            0..=64 => self.append_signature(start, &mut [0; 64], out),
            65..=256 => self.append_signature(start, &mut [0; 256], out),
            _ => self.append_signature(start, &mut [0; LONGEST_SIGNATURE], out),
        }
    }

    #[inline]
    fn append_signature(&self, start: usize, room: &mut [u8], out: &mut Vec<u8>) -> Result<(), SignError> {
        let message = out.get(start..).unwrap_or_default();
        let signature = self.key.sign(message, room).ok_or(SignError::Backend)?;
        out.push(b'.');
        base64url::encode_into(signature, out);
        Ok(())
    }
}

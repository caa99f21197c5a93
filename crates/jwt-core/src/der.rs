//! The few DER structures that keys come in (X.690, RFC 5280 §4.1, RFC 8017 §A.1, RFC 5915 §3, RFC 8410).

use crate::algorithm::Curve;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// id-Ed25519, 1.3.101.112.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

const CURVES: [(Curve, &[u8]); 3] = [
    (Curve::P256, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]),
    (Curve::P384, &[0x2b, 0x81, 0x04, 0x00, 0x22]),
    (Curve::P521, &[0x2b, 0x81, 0x04, 0x00, 0x23]),
];

/// The bytes are not the DER of the expected structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotDer;

/// A public key as its SubjectPublicKeyInfo tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spki<'a> {
    Rsa { modulus: &'a [u8], exponent: &'a [u8] },
    Ec { curve: Curve, point: &'a [u8] },
    Ed25519(&'a [u8]),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], NotDer> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(NotDer)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, NotDer> {
        let (first, rest) = self.0.split_first().ok_or(NotDer)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Reads the content of the next element, which must have this tag and a minimal length (X.690 §10.1).
    fn element(&mut self, tag: u8) -> Result<&'a [u8], NotDer> {
        if self.byte()? != tag {
            return Err(NotDer);
        }
        let length = match self.byte()? {
            short @ 0..=0x7f => usize::from(short),
            0x81 => match self.byte()? {
                0..=0x7f => return Err(NotDer),
                long => usize::from(long),
            },
            0x82 => {
                let long = u16::from_be_bytes([self.byte()?, self.byte()?]);
                if long < 0x100 {
                    return Err(NotDer);
                }
                usize::from(long)
            }
            // No key needs more than 64 KiB.
            _ => return Err(NotDer),
        };
        self.take(length)
    }

    fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, NotDer> {
        if self.0.first() == Some(&tag) { self.element(tag).map(Some) } else { Ok(None) }
    }

    fn inside(&mut self, tag: u8) -> Result<Reader<'a>, NotDer> {
        self.element(tag).map(Reader)
    }

    /// Reads a positive integer without its sign byte.
    fn positive(&mut self) -> Result<&'a [u8], NotDer> {
        match self.element(INTEGER)? {
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Ok(rest),
            bytes if bytes.first().is_some_and(|byte| (1..0x80).contains(byte)) => Ok(bytes),
            _ => Err(NotDer),
        }
    }

    /// Reads a bit string of whole bytes.
    fn bits(&mut self) -> Result<&'a [u8], NotDer> {
        match self.element(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(NotDer),
        }
    }

    fn end(&self) -> Result<(), NotDer> {
        if self.0.is_empty() { Ok(()) } else { Err(NotDer) }
    }
}

fn curve_of(identifier: &[u8]) -> Result<Curve, NotDer> {
    CURVES.iter().find(|(_, known)| *known == identifier).map(|(curve, _)| *curve).ok_or(NotDer)
}

/// Reads a SubjectPublicKeyInfo (RFC 5280 §4.1).
pub(crate) fn spki(der: &[u8]) -> Result<Spki<'_>, NotDer> {
    let mut outer = Reader(der);
    let mut info = outer.inside(SEQUENCE)?;
    outer.end()?;
    let mut algorithm = info.inside(SEQUENCE)?;
    let key = info.bits()?;
    info.end()?;
    let identifier = algorithm.element(OBJECT_IDENTIFIER)?;
    let key = if identifier == RSA {
        // RFC 3279 §2.3.1: the parameters are NULL.
        if !algorithm.element(NULL)?.is_empty() {
            return Err(NotDer);
        }
        let (modulus, exponent) = rsa_public_key(key)?;
        Spki::Rsa { modulus, exponent }
    } else if identifier == EC {
        Spki::Ec { curve: curve_of(algorithm.element(OBJECT_IDENTIFIER)?)?, point: key }
    } else if identifier == ED25519 {
        Spki::Ed25519(key)
    } else {
        return Err(NotDer);
    };
    algorithm.end()?;
    Ok(key)
}

/// Reads an RSAPublicKey into modulus and exponent (RFC 8017 §A.1.1).
pub(crate) fn rsa_public_key(der: &[u8]) -> Result<(&[u8], &[u8]), NotDer> {
    let mut outer = Reader(der);
    let mut key = outer.inside(SEQUENCE)?;
    outer.end()?;
    let parts = (key.positive()?, key.positive()?);
    key.end()?;
    Ok(parts)
}

/// Reads an ECPrivateKey into its curve, private number and public point (RFC 5915 §3).
///
/// The curve and the point are optional in the standard; without them the key cannot be checked, so they are
/// required here. OpenSSL writes both.
pub(crate) fn ec_private_key(der: &[u8]) -> Result<(Curve, &[u8], &[u8]), NotDer> {
    let mut outer = Reader(der);
    let mut key = outer.inside(SEQUENCE)?;
    outer.end()?;
    if key.element(INTEGER)? != [1] {
        return Err(NotDer);
    }
    let private = key.element(OCTET_STRING)?;
    let mut parameters = key.inside(CONTEXT_0)?;
    let curve = curve_of(parameters.element(OBJECT_IDENTIFIER)?)?;
    parameters.end()?;
    let mut public = key.inside(CONTEXT_1)?;
    let point = public.bits()?;
    public.end()?;
    key.end()?;
    Ok((curve, private, point))
}

/// Tells whether a PKCS#8 structure is one DER element with nothing after it.
///
/// The backends check what is inside; this only makes both refuse trailing bytes alike.
pub(crate) fn is_one_sequence(der: &[u8]) -> bool {
    let mut outer = Reader(der);
    outer.element(SEQUENCE).is_ok() && outer.end().is_ok()
}

/// Tells whether a PKCS#8 structure names plain RSA (rsaEncryption), and not RSASSA-PSS with parameters.
pub(crate) fn is_pkcs8_rsa(der: &[u8]) -> bool {
    let identifier = || {
        let mut outer = Reader(der);
        let mut info = outer.inside(SEQUENCE)?;
        info.element(INTEGER)?;
        let mut algorithm = info.inside(SEQUENCE)?;
        let identifier = algorithm.element(OBJECT_IDENTIFIER)?;
        algorithm.optional(NULL)?;
        algorithm.end()?;
        Ok::<_, NotDer>(identifier)
    };
    identifier() == Ok(RSA)
}

fn write(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len();
    // The callers' contents are keys of at most a few kilobytes.
    match u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes() {
        [0, low @ 0..=0x7f] => out.push(low),
        [0, low] => out.extend([0x81, low]),
        [high, low] => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(content);
}

fn write_positive(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let trimmed = bytes.get(start..).unwrap_or_default();
    let mut content = Vec::with_capacity(trimmed.len() + 1);
    if trimmed.first().is_none_or(|byte| *byte >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(trimmed);
    write(out, INTEGER, &content);
    crate::secret::wipe(&mut content);
}

/// Writes an RSAPublicKey (RFC 8017 §A.1.1).
pub(crate) fn write_rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let mut inner = Vec::with_capacity(modulus.len() + exponent.len() + 16);
    write_positive(&mut inner, modulus);
    write_positive(&mut inner, exponent);
    let mut out = Vec::with_capacity(inner.len() + 4);
    write(&mut out, SEQUENCE, &inner);
    out
}

/// Writes a SubjectPublicKeyInfo (RFC 5280 §4.1, RFC 3279 §2.3, RFC 8410 §4).
pub(crate) fn write_spki(key: Spki<'_>) -> Vec<u8> {
    let (identifier, parameters, content) = match key {
        Spki::Rsa { modulus, exponent } => {
            (RSA, Some((NULL, &[][..])), write_rsa_public_key(modulus, exponent))
        }
        Spki::Ec { curve, point } => {
            let known = CURVES.iter().find(|(known, _)| *known == curve);
            (EC, known.map(|(_, identifier)| (OBJECT_IDENTIFIER, *identifier)), point.to_vec())
        }
        Spki::Ed25519(key) => (ED25519, None, key.to_vec()),
    };
    let mut algorithm = Vec::new();
    write(&mut algorithm, OBJECT_IDENTIFIER, identifier);
    if let Some((tag, content)) = parameters {
        write(&mut algorithm, tag, content);
    }
    let mut info = Vec::new();
    write(&mut info, SEQUENCE, &algorithm);
    write(&mut info, BIT_STRING, &[&[0], content.as_slice()].concat());
    let mut out = Vec::with_capacity(info.len() + 4);
    write(&mut out, SEQUENCE, &info);
    out
}

/// Writes an RSAPrivateKey of two primes from n, e, d, p, q, dp, dq, qi (RFC 8017 §A.1.2).
pub(crate) fn write_rsa_private_key(numbers: &[&[u8]; 8]) -> Vec<u8> {
    let room = numbers.iter().map(|number| number.len() + 6).sum::<usize>() + 8;
    let mut inner = Vec::with_capacity(room);
    inner.extend([INTEGER, 1, 0]);
    for number in numbers {
        write_positive(&mut inner, number);
    }
    let mut out = Vec::with_capacity(room);
    write(&mut out, SEQUENCE, &inner);
    crate::secret::wipe(&mut inner);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_and_integers_must_be_minimal() {
        //= X.690 §10.1
        let key = write_rsa_public_key(&[0x80; 200], &[1, 0, 1]);
        assert_eq!(rsa_public_key(&key).unwrap(), (&[0x80; 200][..], &[1, 0, 1][..]));
        // A short length in the long form, a padded integer, a negative one, zero, trailing bytes.
        for bad in [
            &[0x30, 0x81, 0x06, 2, 1, 5, 2, 1, 3][..],
            &[0x30, 0x82, 0x00, 0x06, 2, 1, 5, 2, 1, 3],
            &[0x30, 0x80, 2, 1, 5, 2, 1, 3, 0, 0],
            &[0x30, 0x07, 2, 2, 0, 5, 2, 1, 3],
            &[0x30, 0x06, 2, 1, 0x85, 2, 1, 3],
            &[0x30, 0x06, 2, 1, 0, 2, 1, 3],
            &[0x30, 0x05, 2, 0, 2, 1, 3],
            &[0x30, 0x06, 2, 1, 5, 2, 1, 3, 0],
            &[0x30, 0x09, 2, 1, 5, 2, 1, 3, 2, 1, 3],
            &[0x30, 0x06, 2, 1, 5, 2, 1],
            &[],
        ] {
            assert_eq!(rsa_public_key(bad), Err(NotDer), "{bad:x?}");
        }
        assert!(rsa_public_key(&[0x30, 0x06, 2, 1, 5, 2, 1, 3]).is_ok());
    }

    proptest! {
        #[test]
        fn an_rsa_public_key_reads_back(modulus in proptest::collection::vec(any::<u8>(), 1..1100), exponent in 1u32..) {
            prop_assume!(modulus[0] != 0);
            let exponent = exponent.to_be_bytes();
            let exponent = &exponent[exponent.iter().position(|byte| *byte != 0).unwrap()..];
            let der = write_rsa_public_key(&modulus, exponent);
            prop_assert_eq!(rsa_public_key(&der).unwrap(), (&modulus[..], exponent));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (spki(&bytes), rsa_public_key(&bytes), ec_private_key(&bytes), is_pkcs8_rsa(&bytes));
        }
    }
}

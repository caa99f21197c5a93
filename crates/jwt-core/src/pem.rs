//! PEM as keys come in it: one block, nothing around it but white space (RFC 7468 §2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::{Secret, wipe};

/// What stands between `BEGIN` and the dashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Label {
    /// `PUBLIC KEY`: SubjectPublicKeyInfo (RFC 7468 §13).
    Public,
    /// `RSA PUBLIC KEY`: PKCS#1.
    RsaPublic,
    /// `PRIVATE KEY`: PKCS#8 (RFC 7468 §10).
    Private,
    /// `RSA PRIVATE KEY`: PKCS#1.
    RsaPrivate,
    /// `EC PRIVATE KEY`: SEC 1 (RFC 5915 §4).
    EcPrivate,
}

const LABELS: [(&str, Label); 5] = [
    ("PUBLIC KEY", Label::Public),
    ("RSA PUBLIC KEY", Label::RsaPublic),
    ("PRIVATE KEY", Label::Private),
    ("RSA PRIVATE KEY", Label::RsaPrivate),
    ("EC PRIVATE KEY", Label::EcPrivate),
];

/// No key is longer than this, in characters.
const LONGEST: usize = 64 * 1024;

/// Why a text is not a PEM key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotPem {
    Malformed,
    /// The block is well delimited, but holds something else, such as a certificate or an encrypted key.
    OtherLabel,
}

/// Reads the one block of `text`: its label and its bytes.
pub(crate) fn parse(text: &str) -> Result<(Label, Secret), NotPem> {
    if text.len() > LONGEST {
        return Err(NotPem::Malformed);
    }
    let rest = text.trim_ascii().strip_prefix("-----BEGIN ").ok_or(NotPem::Malformed)?;
    let (name, rest) = rest.split_once("-----").ok_or(NotPem::Malformed)?;
    let (body, end) = rest.split_once("-----END ").ok_or(NotPem::Malformed)?;
    if end.strip_suffix("-----") != Some(name) {
        return Err(NotPem::Malformed);
    }
    let label = LABELS.iter().find(|(known, _)| *known == name).map(|(_, label)| *label);
    let label = label.ok_or(NotPem::OtherLabel)?;
    // RFC 7468 §2: lines of any length, white space of any kind between the characters; headers such as
    // `Proc-Type` belong to the older encrypted form and fail to decode.
    let mut compact = Vec::with_capacity(body.len());
    compact.extend(body.bytes().filter(|byte| !byte.is_ascii_whitespace()));
    let bytes = STANDARD.decode(&compact).map(Secret::new).map_err(|_| NotPem::Malformed);
    wipe(&mut compact);
    Ok((label, bytes?))
}

/// Writes one block, in lines of 64 characters (RFC 7468 §2).
pub(crate) fn write(label: Label, der: &[u8]) -> String {
    let name = LABELS.iter().find(|(_, known)| *known == label).map_or("", |(name, _)| name);
    let body = Secret::new(STANDARD.encode(der).into_bytes());
    let mut text = format!("-----BEGIN {name}-----\n");
    for line in body.bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {name}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_block_with_matching_labels_is_read() {
        let (label, bytes) =
            parse("\n-----BEGIN PUBLIC KEY-----\r\nAQ\nID\n-----END PUBLIC KEY-----\n\n").unwrap();
        assert_eq!((label, bytes.bytes()), (Label::Public, &[1, 2, 3][..]));
    }

    #[test]
    fn anything_else_is_refused() {
        let cases = [
            ("", NotPem::Malformed),
            ("AQID", NotPem::Malformed),
            ("-----BEGIN PUBLIC KEY-----\nAQID\n", NotPem::Malformed),
            ("-----BEGIN PUBLIC KEY-----\nAQID\n-----END PRIVATE KEY-----", NotPem::Malformed),
            ("-----BEGIN PUBLIC KEY-----\nAQI\n-----END PUBLIC KEY-----", NotPem::Malformed),
            ("-----BEGIN PUBLIC KEY-----\nAQ-D\n-----END PUBLIC KEY-----", NotPem::Malformed),
            ("x-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----", NotPem::Malformed),
            ("-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----x", NotPem::Malformed),
            (
                "-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----\n-----BEGIN PUBLIC KEY-----\nAQID\n-----END PUBLIC KEY-----",
                NotPem::Malformed,
            ),
            ("-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----", NotPem::OtherLabel),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAQID\n-----END ENCRYPTED PRIVATE KEY-----",
                NotPem::OtherLabel,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).err(), Some(expected), "{text:?}");
        }
    }
}

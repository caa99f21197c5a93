//! Form bodies, strictly (RFC 6749 Appendix B; WHATWG URL §5.1).

use records::{SecretBytes, SecretText};

use super::{Gathered, Params, ParamsRefusal};

pub(super) fn parse(body: &[u8]) -> Result<Params, ParamsRefusal> {
    let mut gathered = Gathered::default();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let known = match plain(name) {
            Some(name) => gathered.name(name)?,
            None => gathered.name(decode(name).ok_or(ParamsRefusal::Malformed(None))?.expose())?,
        };
        let value = decode(value).ok_or(ParamsRefusal::Malformed(known))?;
        if known.is_some() {
            gathered.value(value);
        }
    }
    Ok(gathered.finish())
}

/// Text that form encoding left as it was.
fn plain(text: &[u8]) -> Option<&str> {
    let is_encoded = text.contains(&b'%') || text.contains(&b'+');
    if is_encoded { None } else { std::str::from_utf8(text).ok() }
}

/// Undoes form encoding: `+` is a space, `%XX` is a byte. `None` for a lone `%` and for what is not UTF-8.
///
/// The usual libraries repair both silently; repaired text would be compared with identifiers and secrets.
pub(crate) fn decode(text: &[u8]) -> Option<SecretText> {
    if let Some(text) = plain(text) {
        return Some(SecretText::new(text.to_owned()));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().copied().and_then(hex), rest.next().copied().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    drop(SecretBytes::new(decoded)); // wiped
                    return None;
                }
            },
            other => *other,
        });
    }
    match String::from_utf8(decoded) {
        Ok(text) => Some(SecretText::new(text)),
        Err(refused) => {
            drop(SecretBytes::new(refused.into_bytes())); // wiped
            None
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

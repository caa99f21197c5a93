//! Tokens that were changed by hand, as an attacker would (RFC 7515 §7.1, RFC 4648 §5).

use crate::process::{Failure, failed};

/// The token with another subject in its claims, which are well-formed otherwise, and the old signature.
pub(crate) fn other_subject(token: &str) -> Result<String, Failure> {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let [_, claims, _] = parts.as_mut_slice() else { return failed("the token does not have three parts") };
    let json = decoded(claims).and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    let Some(mut json) = json.filter(|json| json.get("sub").is_some()) else {
        return failed("the token's claims cannot be read");
    };
    if let Some(subject) = json.get_mut("sub") {
        *subject = serde_json::json!("somebody-else@clients");
    }
    *claims = encoded(json.to_string().as_bytes());
    Ok(parts.join("."))
}

/// The token with one bit of its signature changed.
pub(crate) fn other_signature(token: &str) -> Result<String, Failure> {
    let Some((head, signature)) = token.rsplit_once('.') else { return failed("the token has no signature") };
    let Some(mut bytes) = decoded(signature) else { return failed("the signature is not base64url") };
    match bytes.get_mut(10) {
        Some(byte) => *byte ^= 1,
        None => return failed("the signature is too short"),
    }
    Ok(format!("{head}.{}", encoded(&bytes)))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let three = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        let digits = [three >> 18, three >> 12, three >> 6, three].map(|digit| digit & 63);
        let letters = digits.iter().take(chunk.len() + 1).filter_map(|digit| ALPHABET.get(*digit));
        text.extend(letters.map(|letter| char::from(*letter)));
    }
    text
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 6) | u32::try_from(digit).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 255).ok()?);
        }
        bits &= 255;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    //= RFC 4648 §10
    #[test]
    fn base64url_is_as_in_its_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encoded(bytes.as_bytes()), text);
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()));
        }
        assert_eq!(encoded(&[251, 255]), "-_8");
        assert_eq!(decoded("a+b"), None);
    }

    #[test]
    fn a_forged_token_differs_in_the_part_it_names_only() {
        let claims = encoded(br#"{"sub":"a","aud":"b"}"#);
        let token = format!("e30.{claims}.{}", encoded(&[7; 32]));
        let forged = other_subject(&token).unwrap();
        let parts: Vec<&str> = forged.split('.').collect();
        assert_eq!((parts[0], parts[2]), ("e30", encoded(&[7; 32]).as_str()));
        let json: serde_json::Value = serde_json::from_slice(&decoded(parts[1]).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({"sub": "somebody-else@clients", "aud": "b"}));
        let forged = other_signature(&token).unwrap();
        assert!(forged.starts_with(&format!("e30.{claims}.")) && forged != token);
        assert!(other_subject("a.b").is_err() && other_signature("a.b.c").is_err());
    }
}

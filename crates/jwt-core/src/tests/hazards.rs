//! Every known way to fool a JWT library, correctly signed where that matters (RFC 8725, past CVEs).

use super::*;
use crate::{KeySet, SigningKey, VerifyingKey};

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn payload() -> String {
    format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","sub":"s","exp":{},"iat":{NOW}}}"#, NOW + 60)
}

/// The payload with one member's value replaced, or the member removed.
fn payload_with(name: &str, value: Option<&str>) -> String {
    let exp = (NOW + 60).to_string();
    let now = NOW.to_string();
    let quoted = [format!("\"{ISSUER}\""), format!("\"{AUDIENCE}\"")];
    let mut members =
        vec![("iss", &*quoted[0]), ("aud", &*quoted[1]), ("sub", "\"s\""), ("exp", &*exp), ("iat", &*now)];
    members.retain(|member| member.0 != name);
    members.extend(value.map(|value| (name, value)));
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn check_header(header: &str) -> Option<Refusal> {
    refusal_of(&verifier(), &forge(header, &payload()))
}

fn check_claim(name: &str, value: &str) -> Option<Refusal> {
    refusal_of(&verifier(), &forge(HEADER, &payload_with(name, Some(value))))
}

#[test]
fn the_plain_token_is_accepted() {
    // All that follows differs from this in one thing.
    assert_eq!(check_header(HEADER), None);
    assert_eq!(check_claim("x", "1"), None);
}

#[test]
fn no_other_algorithm_is_talked_into() {
    //= RFC 8725 §3.1
    //= RFC 8725 §3.2
    for alg in [
        "none", "None", "nOnE", "NONE", "", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", "HS256 ",
        "dir",
    ] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#);
        assert_eq!(check_header(&header), Some(Refusal::AlgorithmMismatch), "{alg}");
    }
    for header in
        [r#"{"typ":"JWT"}"#, r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":1}"#, r#"{"alg":{}}"#, "{}"]
    {
        assert_eq!(check_header(header), Some(Refusal::Malformed), "{header}");
    }
}

#[test]
fn an_unsecured_token_is_refused() {
    //= RFC 7519 §6.1
    for token in [
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
        &format!("{}.{}.", base64url::encode(b"{\"alg\":\"none\"}"), base64url::encode(payload().as_bytes())),
    ] {
        assert_eq!(refusal_of(&verifier(), token), Some(Refusal::AlgorithmMismatch));
    }
    // An honest header without its signature.
    let token =
        format!("{}.{}.", base64url::encode(HEADER.as_bytes()), base64url::encode(payload().as_bytes()));
    assert_eq!(refusal_of(&verifier(), &token), Some(Refusal::BadSignature));
}

#[test]
fn a_public_key_is_no_secret() {
    //= RFC 8725 §2.1
    // CVE-2015-9235 and its many siblings: HS256 with the bytes of the public key.
    let pem = include_str!("../../tests/keys/rsa2048.spki.pem");
    let public = VerifyingKey::from_pem(Algorithm::Rs256, pem).unwrap();
    let jwk = public.to_jwk(None).unwrap().to_json();
    let der = crate::pem::parse(pem).unwrap().1;
    for bytes in [pem.as_bytes(), pem.trim().as_bytes(), jwk.as_bytes(), der.bytes()] {
        let refused = SigningKey::dangerous_from_short_secret(Algorithm::Hs256, bytes).err();
        assert_eq!(refused, Some(crate::KeyError::SecretIsAKey));
    }
    // An attacker is not stopped by this crate's constructors; the verifier's key is.
    let mac = crate::crypto::PrivateKey::hmac(crate::algorithm::Hash::Sha256, pem.as_bytes());
    let message =
        format!("{}.{}", base64url::encode(HEADER.as_bytes()), base64url::encode(payload().as_bytes()));
    let mut room = [0; crate::crypto::LONGEST_SIGNATURE];
    let tag = base64url::encode(mac.sign(message.as_bytes(), &mut room).unwrap());
    let verifier =
        Verifier::builder(public).issuer(ISSUER).audience(AUDIENCE).token_type(TokenType::Jwt).build();
    assert_eq!(refusal_of(&verifier, &format!("{message}.{tag}")), Some(Refusal::AlgorithmMismatch));
}

#[test]
fn keys_and_addresses_in_the_header_are_not_read() {
    //= RFC 8725 §3.10
    // CVE-2018-0114: the attacker signs with the key that the header brings along.
    let attacker = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let jwk = attacker.key().verifying_key().to_jwk(None).unwrap().to_json();
    let honest = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let verifier = Verifier::builder(honest.key().verifying_key())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .build();
    let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","jwk":{jwk}}}"#);
    let token = forge_bytes(attacker.key(), header.as_bytes(), payload().as_bytes());
    assert_eq!(refusal_of(&verifier, &token), Some(Refusal::BadSignature));
    // The same header, honestly signed: the member is skipped.
    let token = forge_bytes(honest.key(), header.as_bytes(), payload().as_bytes());
    assert_eq!(refusal_of(&verifier, &token), None);
    for member in [
        r#""jku":"https://evil.example/""#,
        r#""x5u":"https://evil.example/""#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"x""#,
        r#""jwk":"not even a key""#,
    ] {
        assert_eq!(check_header(&format!(r#"{{"alg":"HS256","typ":"JWT",{member}}}"#)), None, "{member}");
    }
}

#[test]
fn a_key_id_is_only_ever_compared() {
    //= RFC 8725 §3.10
    let key = |byte: u8, id: &str| {
        VerifyingKey::from_secret(Algorithm::Hs256, &[byte; 32]).unwrap().with_key_id(id)
    };
    let set = KeySet::new([key(1, "a"), key(2, "b")]).unwrap();
    let verifier =
        Verifier::builder(set).issuer(ISSUER).audience(AUDIENCE).token_type(TokenType::Jwt).build();
    let long = "k".repeat(5000);
    for id in ["../../etc/passwd", "' OR 1=1 --", "a\\u0000", "", "A", " a", "c", "\\u0061b", &long] {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#);
        assert_eq!(refusal_of(&verifier, &forge(&header, &payload())), Some(Refusal::UnknownKey), "{id}");
    }
    for id in ["1", "null", "[\"a\"]", "{}"] {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":{id}}}"#);
        assert_eq!(refusal_of(&verifier, &forge(&header, &payload())), Some(Refusal::Malformed), "{id}");
    }
    // Two keys could have signed it, and it does not say which.
    assert_eq!(refusal_of(&verifier, &forge(HEADER, &payload())), Some(Refusal::UnknownKey));
    // The id is right, the key behind it is another.
    let header = r#"{"alg":"HS256","typ":"JWT","kid":"a"}"#;
    assert_eq!(refusal_of(&verifier, &forge(header, &payload())), Some(Refusal::BadSignature));
    let first = SigningKey::from_secret(Algorithm::Hs256, &[1; 32]).unwrap();
    for header in [header, r#"{"kid":"\u0061","typ":"application/jwt","x":0,"alg":"HS\u003256"}"#] {
        let token = forge_bytes(&first, header.as_bytes(), payload().as_bytes());
        assert_eq!(refusal_of(&verifier, &token), None, "{header}");
    }
}

#[test]
fn demanded_extensions_are_refused() {
    //= RFC 7515 §4.1.11
    //= RFC 7797 §6
    // CVE-2025-59420, CVE-2026-32597, CVE-2026-35042.
    for member in [
        r#""crit":["x"]"#,
        r#""crit":[]"#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":["alg"]"#,
        r#""crit":["b64"],"b64":true"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":null"#,
        r#""crit":"x""#,
        r#""cri\u0074":["x"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT",{member}}}"#);
        assert_eq!(check_header(&header), Some(Refusal::CriticalHeader), "{member}");
    }
    // RFC 7797 §4.2's own example, whose payload is not even encoded.
    let key = r#"{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
    let verifier = Verifier::builder(VerifyingKey::from_jwk(key).unwrap())
        .any_issuer_dangerous()
        .any_audience_dangerous()
        .any_token_type_dangerous()
        .build();
    for header in
        ["eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19", "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2V9"]
    {
        for payload in ["$.02", "", "JC4wMg"] {
            let token = format!("{header}.{payload}.A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY");
            assert_eq!(refusal_of(&verifier, &token), Some(Refusal::CriticalHeader));
        }
    }
}

#[test]
fn encrypted_compressed_and_nested_content_is_refused() {
    //= RFC 8725 §3.6
    //= RFC 7519 §5.2
    for member in
        [r#""zip":"DEF""#, r#""enc":"A256GCM""#, r#""cty":"JWT""#, r#""cty":"json""#, r#""zip":null"#]
    {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT",{member}}}"#);
        assert_eq!(check_header(&header), Some(Refusal::UnsupportedHeader), "{member}");
    }
    // A JWE in compact form, with the iteration count that makes PBES2 a bomb.
    let header =
        base64url::encode(br#"{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":1000000000,"p2s":"AA"}"#);
    assert_eq!(refusal_of(&verifier(), &format!("{header}.AA.AA.AA.AA")), Some(Refusal::UnsupportedHeader));
}

#[test]
fn a_member_twice_is_refused() {
    //= RFC 7515 §4
    //= RFC 7519 §4
    for header in [
        r#"{"alg":"HS256","alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"none","typ":"JWT","alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","typ":"JWT","x":1,"x":1}"#,
        r#"{"alg":"HS256","typ":"JWT","x":1,"\u0078":1}"#,
    ] {
        assert_eq!(check_header(header), Some(Refusal::Malformed), "{header}");
    }
    for member in [
        r#""exp":9999999999"#,
        r#""sub":"root""#,
        r#""aud":"x""#,
        r#""private":1,"private":1"#,
        r#""s\u0075b":"root""#,
    ] {
        let payload = payload().replace('}', &format!(",{member}}}"));
        assert_eq!(refusal_of(&verifier(), &forge(HEADER, &payload)), Some(Refusal::Malformed), "{member}");
    }
}

#[test]
fn claims_have_one_type() {
    //= RFC 7519 §4.1
    // CVE-2026-25537 and its siblings: a claim of the wrong type counted as absent, and so as fulfilled.
    let wrong_texts = ["1", "null", "true", "{}", "[]", r#"["s"]"#];
    for name in ["iss", "sub", "jti"] {
        for value in wrong_texts {
            assert_eq!(check_claim(name, value), Some(Refusal::Malformed), "{name} {value}");
        }
    }
    for value in [
        "1",
        "null",
        "true",
        "{}",
        r#"{"a":"b"}"#,
        &format!(r#"["{AUDIENCE}",1]"#),
        &format!(r#"["{AUDIENCE}",null]"#),
        &format!(r#"[["{AUDIENCE}"]]"#),
    ] {
        assert_eq!(check_claim("aud", value), Some(Refusal::Malformed), "{value}");
    }
    for name in ["exp", "nbf", "iat"] {
        for value in [
            "null",
            "true",
            "\"1800000000\"",
            "[]",
            "{}",
            "-1",
            "-0",
            "1e9",
            "1E400",
            "1e308",
            "9007199254740992",
            "18446744073709551616",
            "99999999999999999999999999",
            "9007199254740992.5",
            "0x10",
        ] {
            let refused = check_claim(name, value);
            assert_eq!(refused, Some(Refusal::Malformed), "{name} {value}");
        }
    }
    // The types are checked even where the values are not.
    let lax = Verifier::builder(secret_key().verifying_key())
        .any_issuer_dangerous()
        .any_audience_dangerous()
        .any_token_type_dangerous()
        .build();
    for (name, value) in [("iss", "1"), ("aud", "{}"), ("sub", "[]")] {
        let token = forge(HEADER, &payload_with(name, Some(value)));
        assert_eq!(refusal_of(&lax, &token), Some(Refusal::Malformed), "{name}");
    }
}

#[test]
fn expected_claims_are_required_and_compared_byte_for_byte() {
    //= RFC 7519 §4.1.1
    //= RFC 7519 §4.1.3
    for name in ["exp", "iss", "aud"] {
        let token = forge(HEADER, &payload_with(name, None));
        assert_eq!(refusal_of(&verifier(), &token), Some(Refusal::MissingClaim(name)));
    }
    for issuer in [
        "https://issuer.example",
        "https://ISSUER.example/",
        "https://issuer.example/ ",
        "",
        "https://issuer.example/x",
    ] {
        assert_eq!(check_claim("iss", &format!("\"{issuer}\"")), Some(Refusal::WrongIssuer), "{issuer}");
    }
    for audience in [r#""https://api.example""#, r#""""#, "[]", r#"["x","y"]"#, r#""https://api.example/x""#]
    {
        assert_eq!(check_claim("aud", audience), Some(Refusal::WrongAudience), "{audience}");
    }
    let among = format!(r#"["x","{AUDIENCE}"]"#);
    assert_eq!(check_claim("aud", &among), None);
    // An audience with a backslash in it is compared as what it means, not as it is written.
    let odd = Verifier::builder(secret_key().verifying_key())
        .any_issuer_dangerous()
        .audience(r"a\\b")
        .token_type(TokenType::Jwt)
        .build();
    assert_eq!(
        refusal_of(&odd, &forge(HEADER, &payload_with("aud", Some(r#""a\\b""#)))),
        Some(Refusal::WrongAudience)
    );
    assert_eq!(refusal_of(&odd, &forge(HEADER, &payload_with("aud", Some(r#""a\\\\b""#)))), None);
    // Escapes name the same characters.
    assert_eq!(check_claim("aud", r#""https:\/\/api.example\u002f""#), None);
    assert_eq!(check_claim("aud", r#"["x", "https:\/\/api.example\u002f"]"#), None);
    assert_eq!(check_claim("iss", r#""https:\/\/issuer.example\/""#), None);
}

#[test]
fn times_are_compared_at_their_second() {
    //= RFC 7519 §4.1.4
    //= RFC 7519 §4.1.5
    let verifier = |leeway| {
        Verifier::builder(secret_key().verifying_key())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .token_type(TokenType::Jwt)
            .leeway_seconds(leeway)
            .build()
    };
    let check = |leeway, name: &str, value: u64| {
        refusal_of(&verifier(leeway), &forge(HEADER, &payload_with(name, Some(&value.to_string()))))
    };
    assert_eq!(check(0, "exp", NOW), Some(Refusal::Expired));
    assert_eq!(check(0, "exp", NOW + 1), None);
    assert_eq!(check(0, "exp", 0), Some(Refusal::Expired));
    assert_eq!(check(10, "exp", NOW - 10), Some(Refusal::Expired));
    assert_eq!(check(10, "exp", NOW - 9), None);
    assert_eq!(check(0, "nbf", NOW), None);
    assert_eq!(check(0, "nbf", NOW + 1), Some(Refusal::NotYetValid));
    assert_eq!(check(10, "nbf", NOW + 10), None);
    assert_eq!(check(10, "nbf", NOW + 11), Some(Refusal::NotYetValid));
    assert_eq!(check(0, "iat", NOW + 1), Some(Refusal::IssuedInFuture));
    assert_eq!(check(10, "iat", NOW + 10), None);
    // The cap: five minutes, whatever was asked for.
    assert_eq!(check(u32::MAX, "exp", NOW - 299), None);
    assert_eq!(check(u32::MAX, "exp", NOW - 300), Some(Refusal::Expired));
    // The largest date, at the end of time.
    let token = forge(HEADER, &payload_with("exp", Some("9007199254740991")));
    assert_eq!(refusal_of(&verifier(300), &token), None);
    let end = verifier(300).verify::<()>(&token, u64::MAX, &mut Scratch::new()).err();
    assert_eq!(end, Some(Refusal::Expired));
    // Fractions are cut off, towards the past.
    assert_eq!(check_claim("exp", &format!("{NOW}.999")), Some(Refusal::Expired));
    assert_eq!(check_claim("exp", &format!("{}.000001", NOW + 1)), None);
    assert_eq!(check_claim("exp", &format!("{}.", NOW + 1)), Some(Refusal::Malformed));
    assert_eq!(check_claim("exp", &format!("{}.5e3", NOW + 1)), Some(Refusal::Malformed));
}

#[test]
fn only_canonical_base64url_is_read() {
    //= RFC 7515 §2
    let token = forge(HEADER, &payload());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    let verifier = verifier();
    let last = |text: &str| {
        // Sets a trailing bit that encodes nothing.
        let mut bytes = text.as_bytes().to_vec();
        let end = bytes.len() - 1;
        bytes[end] += 1;
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!((signature.len() % 4, HEADER.len() % 3), (3, 0));
    for bad in [
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}\n"),
        format!(" {header}.{payload}.{signature}"),
        format!("{header}.{payload}.{}", last(signature)),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{payload}.{signature}"),
        format!("{header} .{payload}.{signature}"),
        format!("{header}.{payload}.{}", &signature[..signature.len() - 1]),
        format!("{header}.{payload}.{}", &signature[..22]),
        "..".into(),
        ".".into(),
        String::new(),
        "a.b.c".into(),
        format!("{{\"payload\":\"{payload}\",\"protected\":\"{header}\",\"signature\":\"{signature}\"}}"),
        "\u{1f980}.\u{1f980}.\u{1f980}".into(),
        format!("{header}.{payload}.\u{1f980}{}", &signature[4..]),
    ] {
        assert!(refusal_of(&verifier, &bad).is_some(), "{bad}");
    }
    // Signed as they stand, so that the signature is right and only the encoding is wrong.
    let key = secret_key();
    let padded = base64url::encode(b"{} ");
    for (header, payload) in [
        (format!("{header}="), payload.to_owned()),
        (header.to_owned(), format!("{payload}=")),
        (header.to_owned(), format!("{payload}\n")),
        (header.to_owned(), last("eyJ4IjoxfQ")),
        (header.to_owned(), format!("{payload}.{payload}")),
        (header.to_owned(), String::new()),
        (header.to_owned(), padded),
        (header.to_owned(), "+/+/".into()),
    ] {
        let token = sign_text(&key, &format!("{header}.{payload}"));
        let refused = refusal_of(&verifier, &token);
        assert!(
            matches!(refused, Some(Refusal::Malformed | Refusal::MissingClaim("exp"))),
            "{refused:?} {token}"
        );
    }
}

#[test]
fn only_strict_json_is_read() {
    let key = secret_key();
    let good = payload();
    let nested =
        |depth: usize| good.replace('}', &format!(",\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth)));
    for payload in [
        format!("\u{feff}{good}").into_bytes(),
        format!("{good}x").into_bytes(),
        format!("{good}{good}").into_bytes(),
        good.replace("\"s\"", "\"\\ud800\"").into_bytes(),
        good.replace("\"s\"", "\"\u{7}\"").into_bytes(),
        good.replace("\"s\"", "'s'").into_bytes(),
        [good.as_bytes().split_last().unwrap().1, b",\"x\":\"\xff\"}"].concat(),
        [good.as_bytes().split_last().unwrap().1, b",\"x\":\"\xed\xa0\x80\"}"].concat(),
        good.replace('}', ",}").into_bytes(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        b"null".to_vec(),
        nested(32).into_bytes(),
        nested(2000).into_bytes(),
    ] {
        let token = forge_bytes(&key, HEADER.as_bytes(), &payload);
        assert_eq!(
            refusal_of(&verifier(), &token),
            Some(Refusal::Malformed),
            "{}",
            String::from_utf8_lossy(&payload)
        );
    }
    assert_eq!(refusal_of(&verifier(), &forge(HEADER, &nested(31))), None);
    assert_eq!(refusal_of(&verifier(), &forge(HEADER, &format!(" \r\n\t{good}\n"))), None);
    for header in ["[]", "null", "{", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}}", "\u{feff}{\"alg\":\"HS256\"}"] {
        assert_eq!(check_header(header), Some(Refusal::Malformed), "{header}");
    }
}

#[test]
fn size_is_checked_before_anything_else() {
    let long = "A".repeat(1 << 20);
    let dots = ".".repeat(1 << 20);
    let big_payload = format!("{}.{long}.{}", base64url::encode(HEADER.as_bytes()), "A".repeat(43));
    for token in [&long, &dots, &big_payload] {
        assert_eq!(refusal_of(&verifier(), token), Some(Refusal::TooLarge));
        assert_eq!(crate::peek_key_id(token), Err(Refusal::TooLarge));
        assert_eq!(crate::dangerous_inspect(token), Err(Refusal::TooLarge));
    }
    // A long header under the token's cap.
    let header = format!(r#"{{"alg":"HS256","typ":"JWT","x":"{}"}}"#, "x".repeat(9000));
    assert_eq!(check_header(&header), Some(Refusal::TooLarge));
    let cap = |bytes| {
        Verifier::builder(secret_key().verifying_key())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .token_type(TokenType::Jwt)
            .max_token_bytes(bytes)
            .build()
    };
    let token = forge(HEADER, &payload());
    assert_eq!(refusal_of(&cap(token.len()), &token), None);
    assert_eq!(refusal_of(&cap(token.len() - 1), &token), Some(Refusal::TooLarge));
    // The defaults: 16 KiB, and 8 KiB for access tokens.
    let filled =
        |size: usize| forge(HEADER, &payload().replace('}', &format!(",\"x\":\"{}\"}}", "x".repeat(size))));
    assert_eq!(refusal_of(&verifier(), &filled(11_000)), None);
    assert_eq!(refusal_of(&verifier(), &filled(13_000)), Some(Refusal::TooLarge));
}

#[test]
fn no_token_passes_for_another_type() {
    //= RFC 8725 §3.11
    //= RFC 9068 §4
    let of = |types: &[TokenType]| {
        Verifier::builder(secret_key().verifying_key())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .token_types(types)
            .build()
    };
    let token = |typ: &str| forge(&format!(r#"{{"alg":"HS256"{typ}}}"#), &payload());
    let wrong = Some(Refusal::WrongType);
    let access = of(&[TokenType::AccessToken]);
    for typ in [
        "",
        r#","typ":"JWT""#,
        r#","typ":"logout+jwt""#,
        r#","typ":"""#,
        r#","typ":"at+jwt ""#,
        r#","typ":"application/jwt""#,
    ] {
        assert_eq!(refusal_of(&access, &token(typ)), wrong, "{typ}");
    }
    for typ in [
        r#","typ":"at+jwt""#,
        r#","typ":"AT+JWT""#,
        r#","typ":"application/at+jwt""#,
        r#","t\u0079p":"at+jwt""#,
    ] {
        assert_eq!(refusal_of(&access, &token(typ)), None, "{typ}");
    }
    for typ in ["null", "1", "[\"at+jwt\"]"] {
        assert_eq!(
            refusal_of(&access, &token(&format!(",\"typ\":{typ}"))),
            Some(Refusal::Malformed),
            "{typ}"
        );
    }
    let identity = of(&[TokenType::Jwt]);
    assert_eq!(refusal_of(&identity, &token(r#","typ":"at+jwt""#)), wrong);
    assert_eq!(refusal_of(&identity, &token("")), wrong);
    let both = of(&[TokenType::Jwt, TokenType::AccessToken]);
    assert_eq!(refusal_of(&both, &token(r#","typ":"at+jwt""#)), None);
    assert_eq!(refusal_of(&both, &token(r#","typ":"logout+jwt""#)), wrong);
    let none = of(&[]);
    for typ in ["", r#","typ":"JWT""#, r#","typ":"""#] {
        assert_eq!(refusal_of(&none, &token(typ)), wrong, "{typ}");
    }
    let any = Verifier::builder(secret_key().verifying_key())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .any_token_type_dangerous()
        .build();
    for typ in ["", r#","typ":"JWT""#, r#","typ":"x""#] {
        assert_eq!(refusal_of(&any, &token(typ)), None, "{typ}");
    }
}

#[test]
fn mac_tags_and_signatures_have_one_length() {
    let message =
        format!("{}.{}", base64url::encode(HEADER.as_bytes()), base64url::encode(payload().as_bytes()));
    let mut room = [0; crate::crypto::LONGEST_SIGNATURE];
    let key = secret_key();
    let tag = key.sign(message.as_bytes(), &mut room).unwrap().to_vec();
    for cut in [&tag[..16], &tag[..31], &[], &[&tag[..], &[0]].concat()] {
        let token = format!("{message}.{}", base64url::encode(cut));
        assert_eq!(refusal_of(&verifier(), &token), Some(Refusal::BadSignature), "{}", cut.len());
    }
}

#[test]
fn psychic_and_out_of_range_ecdsa_signatures_are_refused() {
    // CVE-2022-21449, and signatures in DER.
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let verifier = Verifier::builder(key.key().verifying_key())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .build();
    let message = format!(
        "{}.{}",
        base64url::encode(br#"{"alg":"ES256","typ":"JWT"}"#),
        base64url::encode(payload().as_bytes())
    );
    let mut room = [0; crate::crypto::LONGEST_SIGNATURE];
    let good = key.key().sign(message.as_bytes(), &mut room).unwrap().to_vec();
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let one = [[0; 31].as_slice(), &[1]].concat();
    let zero = [0; 32];
    let (r, s) = good.split_at(32);
    for (r, s) in [
        (&zero[..], &zero[..]),
        (&zero, s),
        (r, &zero),
        (&order, &order),
        (&order, s),
        (r, &order),
        (&one, &one),
        (&[0xff; 32], &[0xff; 32]),
        (&order, &zero),
        (s, r),
    ] {
        let token = format!("{message}.{}", base64url::encode(&[r, s].concat()));
        assert_eq!(refusal_of(&verifier, &token), Some(Refusal::BadSignature));
    }
    let der = [&[0x30, 0x44, 2, 0x20], r, &[2, 0x20], s].concat();
    let token = format!("{message}.{}", base64url::encode(&der));
    assert_eq!(refusal_of(&verifier, &token), Some(Refusal::BadSignature));
    assert_eq!(refusal_of(&verifier, &format!("{message}.{}", base64url::encode(&good))), None);
}

#[test]
fn the_fast_path_and_the_slow_path_agree() {
    // Headers in every order and with odd spacing; only the first three orders are known by heart.
    let signing = SigningKey::from_secret(Algorithm::Hs256, &[3; 32]).unwrap();
    let verifier = Verifier::builder(signing.verifying_key().with_key_id("k"))
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .build();
    for header in [
        r#"{"alg":"HS256","typ":"JWT","kid":"k"}"#,
        r#"{"typ":"JWT","alg":"HS256","kid":"k"}"#,
        r#"{"alg":"HS256","kid":"k","typ":"JWT"}"#,
        r#"{"kid":"k","typ":"JWT","alg":"HS256"}"#,
        r#"{"kid":"k","alg":"HS256","typ":"JWT"}"#,
        r#"{ "alg" : "HS256" , "typ" : "jwt" , "kid" : "k" }"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"typ":"JWT","alg":"HS256","x":{}}"#,
    ] {
        let token = forge_bytes(&signing, header.as_bytes(), payload().as_bytes());
        assert_eq!(refusal_of(&verifier, &token), None, "{header}");
    }
    let token = forge_bytes(&signing, br#"{"alg":"HS256","typ":"JWT","kid":"l"}"#, payload().as_bytes());
    assert_eq!(refusal_of(&verifier, &token), Some(Refusal::UnknownKey));
}

#[test]
fn expiry_alone_can_be_waived_and_must_still_be_there() {
    let verifier = Verifier::builder(secret_key().verifying_key())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .any_expiry_dangerous()
        .build();
    assert_eq!(refusal_of(&verifier, &forge(HEADER, &payload_with("exp", Some("1")))), None);
    let missing = forge(HEADER, &payload_with("exp", None));
    assert_eq!(refusal_of(&verifier, &missing), Some(Refusal::MissingClaim("exp")));
}

#[test]
fn refusals_say_nothing_of_the_token() {
    let token = forge(HEADER, &payload_with("iss", Some("\"secret-issuer\"")));
    let refusal = refusal_of(&verifier(), &token).unwrap();
    assert_eq!(refusal.to_string(), "the token is from another issuer");
    assert!(!format!("{refusal:?}").contains("secret"));
    assert!(!format!("{:?}", secret_key()).contains("0123"));
    assert!(!format!("{:?} {:?}", Scratch::new(), secret_key().verifying_key()).contains("0123"));
}

//! Handles, sealed, changed and moved (NIST SP 800-38D).

use proptest::prelude::*;

use super::*;
use crate::fixtures::{moment, origin};
use records::UnixTime;

fn key() -> HandleKey {
    HandleKey::new(&[5; 32])
}

fn sealed(plaintext: &[u8]) -> String {
    key().seal(HandleKind::Flow, &origin(), &moment(), "a", plaintext).unwrap()
}

fn opened(text: &str) -> Option<Vec<u8>> {
    key().open(HandleKind::Flow, &origin(), text).map(|opened| opened.expose().to_vec())
}

#[test]
fn what_was_sealed_opens() {
    for plaintext in [&b""[..], b"x", b"{\"state\":\"\\u0000\"}", &[0xff; MOST]] {
        let text = sealed(plaintext);
        assert_eq!(opened(&text).as_deref(), Some(plaintext));
        assert!(
            text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
    }
}

#[test]
fn a_handle_is_at_most_eight_kilobytes() {
    assert_eq!(sealed(&[7; MOST]).len(), LONGEST);
    let too_long = key().seal(HandleKind::Flow, &origin(), &moment(), "a", &[7; MOST + 1]);
    assert_eq!(too_long, Err(SealFailure::TooLong));
    assert_eq!(opened(&"A".repeat(LONGEST + 4)), None);
}

#[test]
fn az_46_a_handle_with_any_bit_changed_does_not_open() {
    let text = sealed(b"somebody's flow");
    let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut tampered = bytes.clone();
        tampered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(opened(&URL_SAFE_NO_PAD.encode(tampered)), None, "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(opened(&URL_SAFE_NO_PAD.encode(&bytes[..length])), None, "{length}");
    }
    assert_eq!(opened(&URL_SAFE_NO_PAD.encode([&bytes[..], &[0]].concat())), None);
}

#[test]
fn a_handle_has_one_spelling() {
    // 16 bytes of text make 57 in all, so that the last character has no unused bits; one more, and it has.
    for plaintext in [&b"somebody's flow."[..], b"somebody's flow..", b"somebody's flow..."] {
        let text = sealed(plaintext);
        assert!(opened(&text).is_some());
        for other in [
            format!("{text}="),
            format!("{text}=="),
            format!(" {text}"),
            format!("{text}\n"),
            text.replace(['-', '_'], "+"),
            text.to_ascii_lowercase(),
            format!("{}.{}", &text[..9], &text[9..]),
        ] {
            assert!(other == text || opened(&other).is_none(), "{other}");
        }
        let last = text.chars().last().unwrap();
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
            let respelled = format!("{}{other}", &text[..text.len() - 1]);
            assert!(other == last || opened(&respelled).is_none(), "{other} for {last}");
        }
    }
}

#[test]
fn a_handle_opens_under_its_key_for_its_kind_at_its_origin() {
    let text = sealed(b"somebody's flow");
    assert!(key().open(HandleKind::UserInfo, &origin(), &text).is_none());
    for other in ["http://localhost:8080", "https://localhost:8444", "http://localhost:8443"] {
        assert!(key().open(HandleKind::Flow, &Origin::parse(other).unwrap(), &text).is_none(), "{other}");
    }
    assert!(HandleKey::new(&[6; 32]).open(HandleKind::Flow, &origin(), &text).is_none());
}

#[test]
fn no_two_handles_share_a_key() {
    let salt = |text: String| URL_SAFE_NO_PAD.decode(text).unwrap()[1..=SALT].to_vec();
    let of = |kind, origin: &Origin, moment: &Moment, label, plaintext: &[u8]| {
        salt(key().seal(kind, origin, moment, label, plaintext).unwrap())
    };
    let (here, there) = (origin(), Origin::parse("http://localhost:8080").unwrap());
    let later = Moment::new(UnixTime(0), [8; 32]);
    let salts = [
        of(HandleKind::Flow, &here, &moment(), "a", b"1"),
        // The same label twice at one moment, by mistake: the text itself makes the difference.
        of(HandleKind::Flow, &here, &moment(), "a", b"2"),
        of(HandleKind::Flow, &here, &moment(), "b", b"1"),
        of(HandleKind::UserInfo, &here, &moment(), "a", b"1"),
        of(HandleKind::Flow, &there, &moment(), "a", b"1"),
        of(HandleKind::Flow, &here, &later, "a", b"1"),
    ];
    for (position, one) in salts.iter().enumerate() {
        assert!(salts.iter().skip(position + 1).all(|other| one != other), "{position}");
    }
    assert_eq!(sealed(b"1"), sealed(b"1"), "a decision repeats exactly");
}

#[test]
fn handles_outlive_releases() {
    // What was sealed by an earlier build must open: this text must never change.
    assert_eq!(opened(FROM_AN_EARLIER_BUILD).as_deref(), Some(&b"somebody's flow"[..]));
    assert_eq!(sealed(b"somebody's flow"), FROM_AN_EARLIER_BUILD);
}

/// Computed apart from this code: HMAC and AES-256-GCM as the module's documentation says.
const FROM_AN_EARLIER_BUILD: &str =
    "AfCsA8IbGtuTjhnxan27PlrzimYGHeWfPWnX37V_TUybcVTQ1Y7Dlwppc2rmzA6pASGKSlCaqBA";

#[test]
fn kinds_have_names_of_their_own() {
    for (position, (kind, name)) in HandleKind::ALL.iter().enumerate() {
        assert_eq!(kind.name(), *name);
        assert!(!name.is_empty() && !name.contains('\0'));
        assert!(HandleKind::ALL.iter().skip(position + 1).all(|(_, other)| other != name));
    }
    assert_eq!(format!("{:?}", key()), "HandleKey([redacted])");
}

proptest! {
    #[test]
    fn any_bytes_come_back(plaintext in proptest::collection::vec(any::<u8>(), 0..300), seed: [u8; 32]) {
        let moment = Moment::new(UnixTime(1), seed);
        let text = key().seal(HandleKind::UserInfo, &origin(), &moment, "x", &plaintext).unwrap();
        let back = key().open(HandleKind::UserInfo, &origin(), &text).unwrap();
        prop_assert_eq!(back.expose(), plaintext);
    }

    #[test]
    fn arbitrary_text_does_not_open(text in "[A-Za-z0-9_-]{0,200}|.{0,100}") {
        prop_assert!(opened(&text).is_none());
    }
}

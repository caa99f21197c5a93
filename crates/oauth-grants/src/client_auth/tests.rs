//! Client authentication, rule by rule (RFC 6749 §2.3; threat model CA).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use records::{ClientSecret, TokenEndpointAuthMethod};

use super::*;
use crate::fixtures::{CLIENT, NOW, SECRET, client, digest_key, kept, public_client};

fn params(form: &str) -> Params {
    Params::from_form(form.as_bytes()).unwrap()
}

fn basic(credentials: &str) -> String {
    format!("Basic {}", STANDARD.encode(credentials))
}

fn present(authorization: Option<&str>, form: &str) -> Result<Presented, ClientRefusal> {
    Presented::parse(authorization.map(str::as_bytes), &params(form))
}

/// Presents and authenticates at once.
fn sign_in(
    authorization: Option<&str>,
    form: &str,
    client: Option<&Client>,
) -> Result<Method, ClientRefusal> {
    let presented = present(authorization, form)?;
    authenticate(&presented, client, &digest_key(), NOW).map(|authenticated| {
        assert_eq!(authenticated.client().id, client.unwrap().id);
        authenticated.method()
    })
}

fn post(secret: &str) -> String {
    format!("client_id={CLIENT}&client_secret={secret}")
}

//= RFC 6749 §2.3.1
#[test]
fn a_confidential_client_may_send_its_secret_either_way_whichever_is_registered() {
    for registered in [TokenEndpointAuthMethod::ClientSecretPost, TokenEndpointAuthMethod::ClientSecretBasic]
    {
        let client = Client { token_endpoint_auth_method: registered, ..client() };
        assert_eq!(sign_in(None, &post(SECRET), Some(&client)), Ok(Method::ClientSecretPost));
        let header = basic(&format!("{CLIENT}:{SECRET}"));
        assert_eq!(sign_in(Some(&header), "", Some(&client)), Ok(Method::ClientSecretBasic));
        let named_too = format!("client_id={CLIENT}");
        assert_eq!(sign_in(Some(&header), &named_too, Some(&client)), Ok(Method::ClientSecretBasic));
    }
}

#[test]
fn ca_01_a_confidential_client_without_a_secret_is_refused() {
    let id = format!("client_id={CLIENT}");
    assert_eq!(sign_in(None, &id, Some(&client())), Err(ClientRefusal::MissingSecret));
    assert_eq!(
        sign_in(None, &format!("{id}&client_secret="), Some(&client())),
        Err(ClientRefusal::MissingSecret)
    );
    let header = basic(&format!("{CLIENT}:"));
    assert_eq!(sign_in(Some(&header), "", Some(&client())), Err(ClientRefusal::MissingSecret));
    assert_eq!(sign_in(None, "", Some(&client())), Err(ClientRefusal::MissingClientId));
    assert_eq!(sign_in(None, "client_id=", Some(&client())), Err(ClientRefusal::MissingClientId));
    assert_eq!(sign_in(Some(&basic(":x")), "", Some(&client())), Err(ClientRefusal::MissingClientId));
    assert_eq!(sign_in(None, "client_secret=x", Some(&client())), Err(ClientRefusal::MissingClientId));
}

#[test]
fn ca_02_a_wrong_secret_is_refused_however_it_is_sent() {
    let longer = format!("{SECRET}a");
    let wrong =
        [&SECRET[1..], &SECRET[..SECRET.len() - 1], &longer, &SECRET.to_uppercase(), "x", " ", "\0", CLIENT];
    for secret in wrong {
        let header = basic(&format!("{CLIENT}:{}", secret.replace('\0', "x")));
        assert_eq!(sign_in(Some(&header), "", Some(&client())), Err(ClientRefusal::WrongSecret), "{secret}");
        let form = post(&secret.replace(' ', "+").replace('\0', "%00"));
        assert_eq!(sign_in(None, &form, Some(&client())), Err(ClientRefusal::WrongSecret), "{secret}");
    }
    for position in 0..SECRET.len() {
        let mut tampered = SECRET.to_owned().into_bytes();
        tampered[position] ^= 1;
        let tampered = String::from_utf8(tampered).unwrap();
        assert_eq!(
            sign_in(None, &post(&tampered), Some(&client())),
            Err(ClientRefusal::WrongSecret),
            "{tampered}"
        );
    }
}

#[test]
fn ca_03_two_methods_in_one_request_are_refused() {
    let good = basic(&format!("{CLIENT}:{SECRET}"));
    for (header, form) in [
        (Some(good.as_str()), post(SECRET)),
        (Some(&good), "client_secret=x".to_owned()),
        (Some(&good), "client_assertion=x&client_assertion_type=y".to_owned()),
        (Some(&good), "client_assertion=x".to_owned()),
        (Some("Bearer x"), post(SECRET)),
        (None, format!("{}&client_assertion=x", post(SECRET))),
        (None, format!("{}&client_assertion_type=x", post(SECRET))),
    ] {
        assert_eq!(sign_in(header, &form, Some(&client())), Err(ClientRefusal::SeveralMethods), "{form}");
    }
    let headers = [good.as_bytes(), good.as_bytes()];
    assert_eq!(Presented::parse(headers, &params("")).unwrap_err(), ClientRefusal::SeveralMethods);
}

#[test]
fn ca_04_a_client_assertion_says_that_it_is_not_built() {
    let form = "client_assertion=e30.e30.x\
                &client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(sign_in(None, form, Some(&client())), Err(ClientRefusal::AssertionNotBuilt));
}

#[test]
fn ca_05_another_client_id_in_the_body_is_refused() {
    let header = basic(&format!("{CLIENT}:{SECRET}"));
    for other in ["someone-else", "Geocoding-worker", "geocoding-worker%20", "geocoding-worke"] {
        let form = format!("client_id={other}");
        assert_eq!(
            sign_in(Some(&header), &form, Some(&client())),
            Err(ClientRefusal::ClientIdMismatch),
            "{other}"
        );
    }
}

#[test]
fn ca_06_a_malformed_basic_header_is_refused() {
    let valid = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    let no_colon = STANDARD.encode(CLIENT);
    let rows = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic  ".to_owned(),
        "Basic !!!!".to_owned(),
        format!("Basic {no_colon}"),
        format!("Basic {valid} {valid}"),
        format!("Basic {valid}, Basic {valid}"),
        format!("Basic {}", &valid[..valid.len() - 1]),
        format!("Basic {}", STANDARD.encode([0xff, b':', b'x'])),
        basic("a%zz:x"),
        basic("a%:x"),
        basic("a:x%f"),
        basic("a:%ff"),
        basic("a\n:x"),
        basic("a:x\r"),
        basic("a:\u{7f}"),
        basic("a:%00"),
        basic("a%0a:x"),
        basic("a:\u{85}"),
    ];
    for header in &rows {
        assert_eq!(
            sign_in(Some(header), "", Some(&client())),
            Err(ClientRefusal::MalformedBasic),
            "{header:?}"
        );
    }
}

#[test]
fn ca_06_another_scheme_is_refused() {
    let valid = STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    for header in [
        "",
        " ",
        "Bearer x",
        "Digest username=x",
        "Basi",
        "BasicX",
        &format!("Basic{valid}"),
        &valid,
        "\u{e9}",
    ] {
        let header = Some(header);
        assert_eq!(sign_in(header, "", Some(&client())), Err(ClientRefusal::UnsupportedScheme), "{header:?}");
    }
}

//= RFC 6749 §2.3.1
//= RFC 9110 §11.1
#[test]
fn ca_06_id_and_secret_are_form_decoded_and_the_scheme_has_no_case() {
    let id = "a:b%c d+e/\u{e9}";
    // An id outside the alphabet belongs to nobody, decoded or not; one inside it is found by its decoded form.
    assert_eq!(present(Some(&basic("a%3Ab:x")), "").unwrap().client_id().as_str(), "a:b");
    assert_eq!(present(Some(&basic("a%25b:x:y")), "").unwrap().client_id().as_str(), "a%b");
    assert_eq!(
        present(Some(&basic(&format!("{}:x", "a%20b"))), "").unwrap_err(),
        ClientRefusal::UnknownClient,
        "{id}"
    );

    let secret = "s:p a%ce+\u{e9}";
    let client = Client { secrets: vec![kept(CLIENT, secret, None)], ..client() };
    for scheme in ["Basic ", "basic ", "BASIC   ", "bAsIc "] {
        for encoded in ["s%3Ap+a%25ce%2B%C3%A9", "s:p a%25ce%2b\u{e9}"] {
            let header = format!("{scheme}{}", STANDARD.encode(format!("{CLIENT}:{encoded}")));
            assert_eq!(sign_in(Some(&header), "", Some(&client)), Ok(Method::ClientSecretBasic), "{header}");
        }
    }
}

#[test]
fn ca_07_an_unknown_client_is_refused_after_the_same_work() {
    assert_eq!(sign_in(None, &post(SECRET), None), Err(ClientRefusal::UnknownClient));
    assert_eq!(
        sign_in(Some(&basic(&format!("{CLIENT}:{SECRET}"))), "", None),
        Err(ClientRefusal::UnknownClient)
    );
    assert_eq!(sign_in(None, &format!("client_id={CLIENT}"), None), Err(ClientRefusal::UnknownClient));
    for id in ["a+b", "%00", "a%0a", "%C3%A9", &"x".repeat(257)] {
        assert_eq!(
            sign_in(None, &format!("client_id={id}&client_secret=x"), None),
            Err(ClientRefusal::UnknownClient)
        );
    }
}

#[test]
fn a_record_of_another_client_authenticates_nobody() {
    let other = Client { id: ClientId::parse("someone-else").unwrap(), ..client() };
    assert_eq!(sign_in(None, &post(SECRET), Some(&other)), Err(ClientRefusal::UnknownClient));
    let public = Client { id: ClientId::parse("someone-else").unwrap(), ..public_client() };
    assert_eq!(
        sign_in(None, &format!("client_id={CLIENT}"), Some(&public)),
        Err(ClientRefusal::UnknownClient)
    );
}

#[test]
fn ca_24_both_secrets_work_while_one_replaces_the_other() {
    let at = |seconds| UnixTime(NOW.0 + seconds);
    let rotated =
        Client { secrets: vec![kept(CLIENT, "new", None), kept(CLIENT, "old", Some(at(10)))], ..client() };
    let swapped = Client { secrets: rotated.secrets.iter().rev().cloned().collect(), ..client() };
    for client in [&rotated, &swapped] {
        for (now, secret, expected) in [
            (at(0), "new", Ok(())),
            (at(0), "old", Ok(())),
            (at(9), "old", Ok(())),
            (at(10), "old", Err(ClientRefusal::ExpiredSecret)),
            (at(1000), "old", Err(ClientRefusal::ExpiredSecret)),
            (at(1000), "new", Ok(())),
            (at(0), "older", Err(ClientRefusal::WrongSecret)),
        ] {
            let presented = present(None, &post(secret)).unwrap();
            let got = authenticate(&presented, Some(client), &digest_key(), now).map(|_| ());
            assert_eq!(got, expected, "{secret} at {now:?}");
        }
    }
}

#[test]
fn every_live_secret_is_tried_however_many_there_are() {
    let secrets: Vec<ClientSecret> = (0..5).map(|n| kept(CLIENT, &format!("secret{n}"), None)).collect();
    let client = Client { secrets, ..client() };
    for n in 0..5 {
        assert_eq!(
            sign_in(None, &post(&format!("secret{n}")), Some(&client)),
            Ok(Method::ClientSecretPost),
            "{n}"
        );
    }
    assert_eq!(sign_in(None, &post("secret5"), Some(&client)), Err(ClientRefusal::WrongSecret));
}

#[test]
fn a_confidential_client_without_secrets_is_never_authenticated() {
    let client = Client { secrets: vec![], ..client() };
    assert_eq!(sign_in(None, &post(SECRET), Some(&client)), Err(ClientRefusal::WrongSecret));
    // Not even by a record whose digest is the one that unknown clients are compared with.
    let zero = ClientSecret { digest: records::SecretDigest([0; 32]), created_at: NOW, expires_at: None };
    let client = Client { secrets: vec![zero], ..client };
    assert_eq!(sign_in(None, &post(SECRET), Some(&client)), Err(ClientRefusal::WrongSecret));
}

//= RFC 6749 §2.1
#[test]
fn a_public_client_sends_no_secret() {
    assert_eq!(sign_in(None, &format!("client_id={CLIENT}"), Some(&public_client())), Ok(Method::None));
    assert_eq!(sign_in(Some(&basic(&format!("{CLIENT}:"))), "", Some(&public_client())), Ok(Method::None));
    let with_old_secret = Client { secrets: client().secrets, ..public_client() };
    for public in [public_client(), with_old_secret] {
        assert_eq!(sign_in(None, &post(SECRET), Some(&public)), Err(ClientRefusal::PublicClientSentSecret));
        assert_eq!(
            sign_in(Some(&basic(&format!("{CLIENT}:{SECRET}"))), "", Some(&public)),
            Err(ClientRefusal::PublicClientSentSecret)
        );
    }
}

#[test]
fn a_digest_is_bound_to_its_key_its_client_and_its_secret() {
    let id = |text| ClientId::parse(text).unwrap();
    let secret = |text: &str| SecretText::new(text.to_owned());
    let digest = digest_key().digest(&id("ab"), &secret("cd"));
    assert_eq!(digest, digest_key().digest(&id("ab"), &secret("cd")));
    for other in [
        SecretDigestKey::new(&[8; 32]).digest(&id("ab"), &secret("cd")),
        digest_key().digest(&id("a"), &secret("bcd")),
        digest_key().digest(&id("abc"), &secret("d")),
        digest_key().digest(&id("ab"), &secret("ce")),
        digest_key().digest(&id("ab"), &secret("")),
    ] {
        assert_ne!(digest, other);
    }
    // Kept digests outlive releases: this one must never change.
    assert_eq!(
        digest.0[..],
        STANDARD.decode("a4AQr01bwN9NqrBYAjTq+21pvJgihBjMT4rGEFUEfmE=").unwrap(),
        "{}",
        STANDARD.encode(digest.0)
    );
}

#[test]
fn nothing_secret_is_printed() {
    let presented = present(None, &post(SECRET)).unwrap();
    let text = format!("{presented:?} {:?}", digest_key());
    assert!(text.contains(CLIENT) && !text.contains(SECRET), "{text}");
    let client = client();
    let authenticated = authenticate(&presented, Some(&client), &digest_key(), NOW).unwrap();
    assert!(!format!("{authenticated:?}").contains(SECRET));
}

#[test]
fn every_advertised_method_is_accepted() {
    for method in METHODS_SUPPORTED {
        let accepted = match *method {
            "client_secret_basic" => {
                sign_in(Some(&basic(&format!("{CLIENT}:{SECRET}"))), "", Some(&client()))
            }
            "client_secret_post" => sign_in(None, &post(SECRET), Some(&client())),
            "none" => sign_in(None, &format!("client_id={CLIENT}"), Some(&public_client())),
            other => panic!("{other} is advertised and not tested"),
        };
        assert!(accepted.is_ok(), "{method}");
    }
}

fn encode(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

proptest! {
    #[test]
    fn arbitrary_headers_are_read_or_refused(header in proptest::collection::vec(any::<u8>(), 0..96)) {
        let _ = Presented::parse([header.as_slice()], &params(""));
        let with_scheme = [b"Basic ", header.as_slice()].concat();
        let _ = Presented::parse([with_scheme.as_slice()], &params(""));
        let encoded = basic(&String::from_utf8_lossy(&header));
        let _ = Presented::parse([encoded.as_bytes()], &params(""));
    }

    #[test]
    fn whatever_id_and_secret_are_encoded_authenticate(id in "[!-~]{1,40}", secret in "[^\\p{Cc}]{1,40}") {
        let client = Client { id: ClientId::parse(&id).unwrap(), secrets: vec![kept(&id, &secret, None)], ..client() };
        let header = basic(&format!("{}:{}", encode(&id), encode(&secret)));
        prop_assert_eq!(sign_in(Some(&header), "", Some(&client)), Ok(Method::ClientSecretBasic));
        let form = format!("client_id={}&client_secret={}", encode(&id), encode(&secret));
        prop_assert_eq!(sign_in(None, &form, Some(&client)), Ok(Method::ClientSecretPost));
        let tampered = format!("{form}x");
        prop_assert_eq!(sign_in(None, &tampered, Some(&client)), Err(ClientRefusal::WrongSecret));
    }
}

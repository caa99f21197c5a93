//! Any bytes as an `Authorization` header: no panic, and what is accepted means one client (RFC 7617 §2).
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use oauth_grants::{ClientRefusal, Params, Presented};

fn present(header: &[u8], form: &str) -> Result<Presented, ClientRefusal> {
    let params = Params::from_form(form.as_bytes()).expect("a form");
    Presented::parse([header], &params)
}

/// What the header holds, as header and as what Basic encodes, so that the encoding hides nothing.
fuzz_target!(|bytes: &[u8]| {
    let encoded = format!("bAsIc {}", STANDARD.encode(bytes));
    for header in [bytes, encoded.as_bytes()] {
        match present(header, "") {
            Ok(presented) => {
                assert!(header.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic")));
                let id = presented.client_id().as_str();
                let escaped: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
                let again = format!("Basic {}", STANDARD.encode(format!("{escaped}:x")));
                assert_eq!(present(again.as_bytes(), "").expect("its own form").client_id().as_str(), id);
                // The same id in the body is no contradiction, another one is.
                assert!(present(header, &format!("client_id={escaped}")).is_ok());
                let other = present(header, &format!("client_id={escaped}x"));
                assert_eq!(other.unwrap_err(), ClientRefusal::ClientIdMismatch);
                // A second method is.
                assert_eq!(present(header, "client_secret=x").unwrap_err(), ClientRefusal::SeveralMethods);
            }
            Err(refusal) => assert!(matches!(
                refusal,
                ClientRefusal::UnsupportedScheme
                    | ClientRefusal::MalformedBasic
                    | ClientRefusal::MissingClientId
                    | ClientRefusal::UnknownClient
            )),
        }
    }
    let by_basic = present(encoded.as_bytes(), "");
    if let Err(ClientRefusal::UnsupportedScheme) = by_basic {
        panic!("Basic is Basic in any case");
    }
});

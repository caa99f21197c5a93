//! Any bytes as a form body: no panic, and what is accepted is what a lenient reader finds (RFC 6749 Appendix B).
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_grants::{Params, ParamsRefusal, params};

fuzz_target!(|body: &[u8]| {
    let lenient: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    match Params::from_form(body) {
        Ok(params) => {
            let mut again = url::form_urlencoded::Serializer::new(String::new());
            for name in params.names() {
                let value = params.text(name).expect("a value for each name");
                assert!(!value.is_empty());
                let found: Vec<_> =
                    lenient.iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect();
                assert_eq!(found, [value], "once, and with the same value");
                again.append_pair(name, value);
            }
            for (key, value) in &lenient {
                let known = params::KNOWN.contains(&key.as_str()) && !value.is_empty();
                assert_eq!(known, params.has(key));
            }
            let again = Params::from_form(again.finish().as_bytes()).expect("our own form");
            assert!(again.names().eq(params.names()));
            assert!(params.names().all(|name| again.text(name) == params.text(name)));
        }
        Err(ParamsRefusal::Repeated(Some(name))) => {
            assert!(lenient.iter().filter(|(key, _)| key == name).count() > 1);
        }
        Err(ParamsRefusal::Repeated(None) | ParamsRefusal::Malformed(_)) => {}
        Err(ParamsRefusal::TooMany) => assert!(lenient.len() > params::MOST),
        Err(other) => panic!("{other:?} is not for forms"),
    }
});

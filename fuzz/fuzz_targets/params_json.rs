//! Any bytes as a JSON body: no panic; what is accepted is what another reader finds (RFC 8259 §4).
#![no_main]

use libfuzzer_sys::fuzz_target;
use oauth_grants::{Params, ParamsRefusal, params};
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let other: Option<Value> = serde_json::from_slice(body).ok();
    match Params::from_json(body) {
        Ok(params) => {
            assert!(str::from_utf8(body).is_ok());
            // Members that nobody reads may hold numbers and escapes that the other reader refuses.
            if let Some(other) = other {
                let members = other.as_object().expect("one object");
                for name in params::KNOWN {
                    let value = members.get(*name).and_then(Value::as_str).filter(|text| !text.is_empty());
                    assert_eq!(params.text(name), value, "{name}");
                }
            }
            let members: serde_json::Map<String, Value> = params
                .names()
                .map(|name| (name.to_owned(), params.text(name).expect("a value for each name").into()))
                .collect();
            let again = serde_json::to_vec(&members).expect("JSON");
            let again = Params::from_json(&again).expect("our own JSON");
            assert!(params::KNOWN.iter().all(|name| again.text(name) == params.text(name)));
        }
        Err(ParamsRefusal::NotText(name)) => assert!(params::KNOWN.contains(&name)),
        Err(ParamsRefusal::NotJsonObject) => {
            // Only what the other reader takes for something else than an object, for numbers overflow in neither.
            assert!(!other.is_some_and(|other| other.is_object()));
        }
        Err(ParamsRefusal::Repeated(_) | ParamsRefusal::TooMany | ParamsRefusal::TooDeep) => {}
        Err(other) => panic!("{other:?} is not for JSON"),
    }
});

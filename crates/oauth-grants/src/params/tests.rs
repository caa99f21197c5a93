//! Bodies, well-formed and otherwise (RFC 6749 §3.2, Appendix B; RFC 8259).

use proptest::prelude::*;

use super::*;

/// What was read, as text, for comparison.
fn read(params: Result<Params, ParamsRefusal>) -> Result<Vec<(&'static str, String)>, ParamsRefusal> {
    params
        .map(|params| params.entries.iter().map(|(name, value)| (*name, value.expose().to_owned())).collect())
}

fn form(body: &[u8]) -> Result<Vec<(&'static str, String)>, ParamsRefusal> {
    read(Params::from_form(body))
}

fn json(body: &[u8]) -> Result<Vec<(&'static str, String)>, ParamsRefusal> {
    read(Params::from_json(body))
}

fn one(name: &'static str, value: &str) -> Result<Vec<(&'static str, String)>, ParamsRefusal> {
    Ok(vec![(name, value.to_owned())])
}

#[test]
fn known_parameters_are_sorted_and_distinct() {
    assert!(KNOWN.is_sorted_by(|one, other| one < other));
    assert!(KNOWN.iter().all(|name| known(name) == Some(*name)));
    assert_eq!(known("Scope"), None);
    assert_eq!(known(""), None);
}

//= RFC 6749 Appendix B
#[test]
fn forms_are_decoded() {
    for (body, value) in [
        (&b"scope=read"[..], "read"),
        (b"scope=read+write", "read write"),
        (b"scope=read%20write", "read write"),
        (b"scope=a%2Bb%2bb", "a+b+b"),
        (b"scope=%26%3D%25", "&=%"),
        (b"scope=a=b=c", "a=b=c"),
        (b"scope=+%25%26%2B%C2%A3%E2%82%AC", " %&+\u{a3}\u{20ac}"),
        ("scope=\u{e9}".as_bytes(), "\u{e9}"),
        (b"%73cope=x", "x"),
        (b"&&scope=x&&", "x"),
        (b"scope=%00", "\0"),
    ] {
        assert_eq!(form(body), one("scope", value), "{}", String::from_utf8_lossy(body));
    }
}

//= RFC 6749 §3.2
#[test]
fn a_parameter_without_a_value_is_absent() {
    for body in [&b""[..], b"&", b"scope", b"scope=", b"scope=&audience", b"=", b"=x"] {
        assert_eq!(form(body), Ok(vec![]), "{}", String::from_utf8_lossy(body));
    }
    for body in
        [&b"{}"[..], br#"{"scope":null}"#, br#"{"scope":""}"#, br#" { "scope" : null , "audience" : "" } "#]
    {
        assert_eq!(json(body), Ok(vec![]), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn tk_08_a_repeated_parameter_is_refused() {
    use ParamsRefusal::Repeated;
    for (body, refusal) in [
        (&b"scope=a&scope=b"[..], Repeated(Some("scope"))),
        (b"scope=a&scope=a", Repeated(Some("scope"))),
        (b"scope=&scope=a", Repeated(Some("scope"))),
        (b"scope=a&scope", Repeated(Some("scope"))),
        (b"scope=a&s%63ope=b", Repeated(Some("scope"))),
        (b"client_secret=a&grant_type=x&client_secret=b", Repeated(Some("client_secret"))),
        (b"foo=a&foo=b", Repeated(None)),
        (b"=a&=b", Repeated(None)),
        (b"x&x", Repeated(None)),
    ] {
        assert_eq!(form(body), Err(refusal), "{}", String::from_utf8_lossy(body));
    }
    for (body, refusal) in [
        (r#"{"scope":"a","scope":"b"}"#, Repeated(Some("scope"))),
        (r#"{"scope":null,"scope":"b"}"#, Repeated(Some("scope"))),
        (r#"{"scope":"a","sco\u0070e":"b"}"#, Repeated(Some("scope"))),
        (r#"{"foo":1,"foo":1}"#, Repeated(None)),
        (r#"{"":1,"":1}"#, Repeated(None)),
    ] {
        assert_eq!(json(body.as_bytes()), Err(refusal), "{body}");
    }
    // Case makes another parameter; deeper members are nobody's.
    assert_eq!(form(b"scope=a&Scope=b"), one("scope", "a"));
    assert_eq!(json(br#"{"scope":"a","x":{"scope":1,"scope":2}}"#), one("scope", "a"));
}

#[test]
fn tk_12_malformed_percent_encoding_and_utf8_are_refused_by_name() {
    use ParamsRefusal::Malformed;
    for (body, name) in [
        (&b"scope=%"[..], Some("scope")),
        (b"scope=%2", Some("scope")),
        (b"scope=%zz", Some("scope")),
        (b"scope=%2g", Some("scope")),
        (b"scope=a%", Some("scope")),
        (b"scope=%%20", Some("scope")),
        (b"scope=%+1", Some("scope")),
        (b"scope=%-1", Some("scope")),
        (b"scope=%ff", Some("scope")),
        (b"scope=\xff", Some("scope")),
        (b"scope=%c3%28", Some("scope")),
        (b"scope=%ed%a0%80", Some("scope")),
        (b"scope=%c0%80", Some("scope")),
        (b"client_secret=%e2%82", Some("client_secret")),
        (b"foo=%", None),
        (b"%=x", None),
        (b"%ff=x", None),
        (b"sc%0xope=x", None),
    ] {
        assert_eq!(form(body), Err(Malformed(name)), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn json_strings_are_parameters() {
    for (body, value) in [
        (r#"{"scope":"read"}"#, "read"),
        (r#"{"scope":"a+b%20"}"#, "a+b%20"),
        (r#"{"scope":"\u0061\n\"\\"}"#, "a\n\"\\"),
        (r#"{"scope":"\ud83d\ude00"}"#, "\u{1f600}"),
        ("{\"scope\":\"\u{e9}\"}", "\u{e9}"),
        (r#"{"s\u0063ope":"x"}"#, "x"),
        ("\t\r\n {\"scope\":\"x\"} \n", "x"),
        (r#"{"foo":[1,{"a":[]}],"scope":"x","bar":1e999,"baz":{"scope":7},"n":-0.0}"#, "x"),
    ] {
        assert_eq!(json(body.as_bytes()), one("scope", value), "{body}");
    }
}

#[test]
fn tk_03_a_known_parameter_of_another_type_is_refused_by_name() {
    for value in
        ["1", "-1", "1.5", "true", "false", "[]", "[\"a\"]", "{}", "{\"a\":\"b\"}", "18446744073709551616"]
    {
        for name in KNOWN {
            let body = format!(r#"{{"{name}":{value}}}"#);
            assert_eq!(json(body.as_bytes()), Err(ParamsRefusal::NotText(name)), "{body}");
        }
        let unknown = format!(r#"{{"foo":{value},"scope":"x"}}"#);
        assert_eq!(json(unknown.as_bytes()), one("scope", "x"), "{unknown}");
    }
}

#[test]
fn tk_03_what_is_not_one_json_object_is_refused() {
    for body in [
        &b""[..],
        b" ",
        b"null",
        b"1",
        b"\"scope\"",
        b"[]",
        br#"[{"scope":"x"}]"#,
        b"{",
        b"}",
        b"{}{}",
        b"{} x",
        b"{},",
        br#"{"scope":"x",}"#,
        br#"{"scope" "x"}"#,
        br#"{"scope":}"#,
        br#"{scope:"x"}"#,
        br#"{'scope':'x'}"#,
        br#"{"scope":"x" // comment
           }"#,
        br#"{"scope":NaN}"#,
        br#"{"scope":"\ud800"}"#,
        br#"{"scope":"\x"}"#,
        b"{\"scope\":\"a\nb\"}",
        b"{\"scope\":\"\xff\"}",
        b"{\"foo\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"scope=x",
        br#"{"scope":1e999}"#,
    ] {
        assert_eq!(json(body), Err(ParamsRefusal::NotJsonObject), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn json_nests_sixteen_levels_and_no_deeper() {
    let nested = |depth: usize| format!("{{\"x\":{}1{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert_eq!(json(nested(16).as_bytes()), Ok(vec![]));
    assert_eq!(json(nested(17).as_bytes()), Err(ParamsRefusal::TooDeep));
    assert_eq!(json("[".repeat(1 << 20).as_bytes()), Err(ParamsRefusal::TooDeep));
    assert_eq!(json("{\"a\":".repeat(1 << 18).as_bytes()), Err(ParamsRefusal::TooDeep));
    // Brackets in strings are text, also after an escaped quotation mark; after an escaped backslash they are not.
    let brackets = "[".repeat(20);
    let text = json(format!(r#"{{"scope":"{brackets}\"{brackets}\\"}}"#).as_bytes());
    assert_eq!(text, one("scope", &format!(r#"{brackets}"{brackets}\"#)));
    let after = format!(r#"{{"scope":"\\","x":{brackets}}}"#);
    assert_eq!(json(after.as_bytes()), Err(ParamsRefusal::TooDeep));
}

#[test]
fn sixty_four_parameters_are_enough() {
    let body = |count: usize| (0..count).map(|n| format!("p{n}=")).collect::<Vec<_>>().join("&");
    assert_eq!(form(body(64).as_bytes()), Ok(vec![]));
    assert_eq!(form(body(65).as_bytes()), Err(ParamsRefusal::TooMany));
    let body = |count: usize| {
        format!("{{{}}}", (0..count).map(|n| format!("\"p{n}\":null")).collect::<Vec<_>>().join(","))
    };
    assert_eq!(json(body(64).as_bytes()), Ok(vec![]));
    assert_eq!(json(body(65).as_bytes()), Err(ParamsRefusal::TooMany));
}

#[test]
fn tk_02_only_forms_and_json_in_utf8_are_read() {
    let read = |content_type, body: &[u8]| read(Params::parse(content_type, body));
    for content_type in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded ; charset=\"utf-8\"",
        "application/x-www-form-urlencoded; boundary=x; charset=utf-8",
    ] {
        assert_eq!(read(Some(content_type), b"scope=x"), one("scope", "x"), "{content_type}");
    }
    for content_type in
        ["application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/json;"]
    {
        assert_eq!(read(Some(content_type), br#"{"scope":"x"}"#), one("scope", "x"), "{content_type}");
    }
    for content_type in [
        "",
        ";",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/jwt",
        "application/json, application/x-www-form-urlencoded",
        "application/json; charset=iso-8859-1",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset",
    ] {
        assert_eq!(
            read(Some(content_type), b"scope=x"),
            Err(ParamsRefusal::UnsupportedMediaType),
            "{content_type:?}"
        );
    }
    assert_eq!(read(None, b"scope=x"), Err(ParamsRefusal::UnsupportedMediaType));
}

#[test]
fn tk_09_known_parameters_in_the_url_are_refused() {
    for (query, name) in [
        ("client_secret=x", "client_secret"),
        ("client_id=a&client_secret=x", "client_id"),
        ("a=b&client%5Fsecret=x", "client_secret"),
        ("client_secret", "client_secret"),
        ("client_secret=", "client_secret"),
        ("%&scope=x", "scope"),
    ] {
        assert_eq!(Params::refuse_in_query(Some(query)), Err(ParamsRefusal::InQuery(name)), "{query}");
    }
    for query in [
        None,
        Some(""),
        Some("&"),
        Some("auth0Client=eyJ"),
        Some("x=client_secret"),
        Some("%"),
        Some("%ff=1"),
    ] {
        assert_eq!(Params::refuse_in_query(query), Ok(()), "{query:?}");
    }
}

#[test]
fn no_value_and_no_unknown_name_is_printed() {
    let params = Params::from_form(b"client_secret=hush&hush=1&password=hush").unwrap();
    assert_eq!(format!("{params:?}"), r#"["client_secret", "password"]"#);
    for body in [
        &b"client_secret=hush%zz"[..],
        b"client_secret=hush&client_secret=hush",
        b"hush=1&hush=2",
        b"hush%=1",
    ] {
        let refusal = Params::from_form(body).unwrap_err();
        assert!(!format!("{refusal:?}").contains("hush"), "{refusal:?}");
    }
    for body in
        [r#"{"client_secret":"hush"#, r#"{"client_secret":["hush"]}"#, r#"{"hush":1,"hush":2}"#, r#"hush"#]
    {
        let refusal = Params::from_json(body.as_bytes()).unwrap_err();
        assert!(!format!("{refusal:?}").contains("hush"), "{refusal:?}");
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Params::from_form(&body);
        let _ = Params::from_json(&body);
        let _ = decode(&body);
    }

    #[test]
    fn arbitrary_json_like_text_is_read_or_refused(body in "[{}\\[\\]\",:\\\\a-c0-9 \u{e9}]{0,64}") {
        let _ = Params::from_json(body.as_bytes());
    }

    #[test]
    fn what_is_encoded_is_read_back(values in proptest::collection::btree_map(0..KNOWN.len(), ".{1,24}", 0..8)) {
        let form_body: Vec<_> = values.iter().map(|(at, value)| format!("{}={}", KNOWN[*at], encode(value))).collect();
        let from_form = Params::from_form(form_body.join("&").as_bytes()).unwrap();
        let members: serde_json::Map<_, _> =
            values.iter().map(|(at, value)| (KNOWN[*at].to_owned(), value.as_str().into())).collect();
        let from_json = Params::from_json(serde_json::to_string(&members).unwrap().as_bytes()).unwrap();
        for (at, name) in KNOWN.iter().enumerate() {
            let expected = values.get(&at).map(String::as_str);
            prop_assert_eq!(from_form.text(name), expected);
            prop_assert_eq!(from_json.text(name), expected);
        }
    }

    #[test]
    fn decoding_agrees_with_the_url_library_on_what_both_accept(body in "[a-c%0-9A-F+]{0,24}") {
        if let Some(decoded) = decode(body.as_bytes()) {
            let pairs: Vec<_> = url::form_urlencoded::parse(format!("k={body}").as_bytes()).into_owned().collect();
            prop_assert_eq!(pairs, vec![("k".to_owned(), decoded.expose().to_owned())]);
        }
    }
}

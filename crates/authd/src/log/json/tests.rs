//! Lines compared with what tracing-subscriber's own JSON formatter writes (RFC 8259 §7, RFC 3339 §5.6).

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What both formatters write of the same events: ours, then the reference.
fn written(events: impl FnOnce()) -> (String, String) {
    let (ours, reference) = (Sink::default(), Sink::default());
    let (to_ours, to_reference) = (ours.clone(), reference.clone());
    let subscriber = tracing_subscriber::registry()
        .with(layer().json().event_format(Lines::default()).with_writer(move || to_ours.clone()))
        .with(
            layer().json().flatten_event(true).with_target(false).with_writer(move || to_reference.clone()),
        );
    tracing::subscriber::with_default(subscriber, events);
    (ours.text(), reference.text())
}

/// Takes the timestamp off a line: the time and the members behind it.
fn apart(line: &str) -> (Timestamp, &str) {
    let rest = line.strip_prefix("{\"timestamp\":\"").unwrap();
    let (timestamp, members) = rest.split_at("2026-01-01T00:00:00.000000Z".len());
    assert!(timestamp.ends_with('Z') && members.starts_with("\",\"level\":\""), "{line}");
    (timestamp.parse().unwrap(), members)
}

/// Both wrote the same bytes, apart from the time, which is the present one. Gives back the lines, parsed.
fn same(events: impl FnOnce()) -> Vec<serde_json::Value> {
    let earliest = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
    let (ours, reference) = written(events);
    let latest = Timestamp::now();
    assert!(ours.ends_with('\n'), "{ours}");
    assert_eq!(ours.lines().count(), reference.lines().count(), "{ours}{reference}");
    let lines = ours.lines().zip(reference.lines());
    lines
        .map(|(line, reference)| {
            let (at, members) = apart(line);
            assert_eq!(members, apart(reference).1);
            assert!(earliest <= at && at <= latest, "{earliest} {at} {latest}");
            serde_json::from_str(line).unwrap()
        })
        .collect()
}

#[test]
fn the_line_of_a_request_has_the_members_that_have_a_value_in_their_order() {
    let (tenant, refused) = (Some("acme"), None::<&str>);
    let (ours, _) = written(|| {
        tracing::info!(method = "POST", status = 200_u16, microseconds = 913_u64, tenant, refused, "request");
    });
    assert_eq!(
        apart(&ours).1,
        "\",\"level\":\"INFO\",\"message\":\"request\",\"method\":\"POST\",\"status\":200,\
         \"microseconds\":913,\"tenant\":\"acme\"}\n"
    );
    let lines = same(|| {
        tracing::info!(method = "POST", status = 200_u16, microseconds = 913_u64, tenant, refused, "request");
        tracing::error!(method = "GET", status = 503_u16, tenant = None::<&str>, refused = Some("failure"));
        tracing::info!("an event of a message alone");
        tracing::warn!(nothing = None::<u64>);
    });
    assert_eq!(lines[1]["level"], "ERROR");
    assert!(lines[0].get("refused").is_none() && lines[1].get("message").is_none());
}

#[test]
fn every_level_is_written() {
    let lines = same(|| {
        tracing::error!("e");
        tracing::warn!("w");
        tracing::info!("i");
        tracing::debug!("d");
        tracing::trace!("t");
    });
    let levels: Vec<_> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]);
}

#[test]
fn numbers_and_truths_are_written_as_json_has_them() {
    let lines = same(|| {
        tracing::info!(
            least = i64::MIN,
            most = u64::MAX,
            negative = -1_i8,
            none = 0_u8,
            yes = true,
            no = false
        );
        tracing::info!(wide = i128::MIN, wider = u128::MAX);
        tracing::info!(
            one = 1.0,
            tenth = 0.1,
            huge = 1e300,
            tiny = -2.5e-9,
            minus_zero = -0.0,
            single = 0.1_f32
        );
        tracing::info!(nan = f64::NAN, up = f64::INFINITY, down = f64::NEG_INFINITY);
    });
    assert_eq!(lines[0]["most"], u64::MAX);
    assert!(lines[3]["nan"].is_null());
}

//= RFC 8259 §7
#[test]
fn texts_are_escaped_where_json_asks_for_it() {
    let controls: String = (0..=0x20).chain([0x7f, 0x80, 0x9f]).filter_map(char::from_u32).collect();
    let long = "x".repeat(10_000) + "\"";
    let texts = [
        "",
        "\"",
        "\\",
        "\"quoted\"",
        "a\\\"b",
        "\"\"",
        "ends in \\",
        "two\nlines\r\n\tand a tab",
        "{\"a\":1}",
    ];
    let foreign = ["Zoë", "日本語", "🔑", "\u{2028}\u{2029}", "\u{feff}", "\u{1b}[31mred", "é\"é\\é\u{1}"];
    for text in texts.iter().chain(&foreign).copied().chain([controls.as_str(), long.as_str()]) {
        let lines = same(|| {
            tracing::info!(text, "{text}");
            tracing::info!(display = %text, debug = ?text, string = text.to_owned(), boxed = ?Some(text));
        });
        assert_eq!((&lines[0]["text"], &lines[0]["message"]), (&text.into(), &text.into()));
        assert_eq!(lines[1]["debug"], format!("{text:?}"));
    }
}

#[test]
fn every_single_character_is_escaped_as_the_reference_does() {
    let characters = (0..=0x2ff).filter_map(char::from_u32).collect::<Vec<_>>();
    same(|| {
        for character in &characters {
            tracing::info!(text = character.encode_utf8(&mut [0; 4]) as &str, "{character}");
        }
    });
}

#[test]
fn errors_and_bytes_and_what_describes_itself_are_texts() {
    let error = std::io::Error::other("the \"disk\"\nis full");
    let lines = same(|| {
        tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "failed");
        tracing::warn!(%error, "failed: {error}");
        tracing::warn!(bytes = &b"\x00\xff"[..], list = ?["a", "b"], pair = ?(1, Some("x")), "values");
    });
    assert_eq!(lines[0]["error"], "the \"disk\"\nis full");
    assert_eq!(lines[1]["message"], "failed: the \"disk\"\nis full");
}

#[test]
fn a_field_with_a_standard_or_an_odd_name_is_written_as_the_reference_does() {
    same(|| {
        tracing::info!(level = 3, timestamp = "then", message = "said", "type" = "odd");
        tracing::info!(r#type = "raw", a.b.c = 1, "with \"quotes\"\n" = 2, "größe" = 3, target = "t");
        tracing::info!(message = 7, fields = "f", span = "s", spans = "ss");
    });
}

#[test]
fn inside_a_span_the_line_names_the_spans() {
    let lines = same(|| {
        let outer = tracing::info_span!("outer", peer = "\"10.0.0.1\"", n = 1, late = tracing::field::Empty);
        let _outer = outer.enter();
        tracing::info!(status = 200, "one");
        let inner = tracing::debug_span!("inner", id = 7);
        outer.record("late", true);
        inner.in_scope(|| tracing::warn!("two"));
        drop(_outer);
        tracing::info!("none");
        tracing::info!(parent: &inner, "named");
    });
    assert_eq!(lines[1]["spans"][0]["peer"], "\"10.0.0.1\"");
    assert_eq!(lines[1]["span"]["name"], "inner");
    assert!(lines[2].get("spans").is_none());
    assert_eq!(lines[3]["span"]["name"], "inner");
}

#[test]
fn a_value_that_fails_to_describe_itself_costs_no_line() {
    struct Failing;
    impl Debug for Failing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half \"a")?;
            Err(fmt::Error)
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let formatter = layer().json().event_format(Lines::default()).with_writer(move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(formatter), || {
        tracing::info!(value = ?Failing, after = 1, "one");
        tracing::info!("two");
    });
    let text = sink.text();
    let lines: Vec<_> = text.lines().map(|line| apart(line).1).collect();
    assert_eq!(
        lines,
        [
            "\",\"level\":\"INFO\",\"message\":\"one\",\"value\":\"half \\\"a\",\"after\":1}",
            "\",\"level\":\"INFO\",\"message\":\"two\"}"
        ]
    );
}

//= RFC 3339 §5.6
#[test]
fn a_timestamp_is_utc_with_microseconds() {
    const CASES: &[(u64, u32, &str)] = &[
        (0, 0, "1970-01-01T00:00:00.000000Z"),
        (0, 999, "1970-01-01T00:00:00.000000Z"),
        (0, 1_000, "1970-01-01T00:00:00.000001Z"),
        (59, 999_999_999, "1970-01-01T00:00:59.999999Z"),
        (86_399, 50_000_000, "1970-01-01T23:59:59.050000Z"),
        (951_782_400, 0, "2000-02-29T00:00:00.000000Z"),
        (1_709_210_096, 123_456_789, "2024-02-29T12:34:56.123456Z"),
        (1_798_761_599, 7_000, "2026-12-31T23:59:59.000007Z"),
        (2_147_483_648, 0, "2038-01-19T03:14:08.000000Z"),
        (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
        (11_847_456_541, 0, "2345-06-07T08:09:01.000000Z"),
        (u64::MAX, 5_000, "1970-01-01T00:00:00.000005Z"),
    ];
    for &(seconds, nanoseconds, expected) in CASES {
        let mut line = String::new();
        push_timestamp(&mut line, Duration::new(seconds, nanoseconds));
        assert_eq!(line, expected);
    }
}

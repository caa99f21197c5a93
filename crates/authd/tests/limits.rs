//! What a peer cannot make the server do: oversize, malformed, ambiguous and slow requests on a raw socket.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod process;

use std::io::Write;

use process::{Server, exchange, seed_request};

fn server() -> (tempfile::TempDir, Server) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::dev(data.path());
    (data, server)
}

#[test]
fn tk_14_ht_05_oversize_requests_are_refused_and_the_server_goes_on() {
    let (_data, server) = server();
    let authority = server.authority();
    let long_header = format!(
        "GET /livez HTTP/1.1\r\nhost: {authority}\r\nx: {}\r\nconnection: close\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    assert_eq!(exchange(&authority, long_header.as_bytes()).0, 431);
    let many: String = (0..1000).map(|n| format!("x{n}: 1\r\n")).collect();
    let many = format!("GET /livez HTTP/1.1\r\nhost: {authority}\r\n{many}connection: close\r\n\r\n");
    assert_eq!(exchange(&authority, many.as_bytes()).0, 431);
    let long_target = format!(
        "GET /livez?{} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n",
        "a".repeat(10 * 1024)
    );
    assert_eq!(exchange(&authority, long_target.as_bytes()).0, 414);
    let body = format!("{{\"a\":\"{}\"}}", "a".repeat(1024 * 1024));
    assert_eq!(server.ask(&body).0, 413);
    assert_eq!(server.ask(&seed_request()).0, 200);
}

#[test]
fn ht_03_ambiguous_framing_is_refused() {
    let (_data, server) = server();
    let authority = server.authority();
    let head =
        format!("POST /oauth/token HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n");
    for fields in [
        "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "content-length: 2, 3\r\n\r\n{}",
        "content-length: +2\r\n\r\n{}",
        "content-length : 2\r\n\r\n{}",
        "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n\r\n0\r\n\r\n",
        "transfer-encoding: identity\r\n\r\n{}",
        "transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "host: elsewhere.example\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
    ] {
        let (status, answer) = exchange(&authority, format!("{head}{fields}").as_bytes());
        assert!(status == 400, "{fields:?}: {status} {answer}");
    }
    // Both framings at once: the length is ignored or the request refused, never a second request seen in the body.
    let smuggled = format!(
        "{head}content-length: 6\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
    );
    let (status, answer) = exchange(&authority, smuggled.as_bytes());
    assert_eq!(status, 400, "{answer}");
    assert!(!answer.contains("\"status\":\"ok\""), "{answer}");
    assert_eq!(server.ask(&seed_request()).0, 200);
}

#[test]
fn a_request_for_another_host_or_without_one_is_refused() {
    let (_data, server) = server();
    let authority = server.authority();
    for (host, expected) in [
        ("host: 127.0.0.1:9\r\n", 421),
        ("host: evil.example\r\n", 421),
        ("", 400),
        ("host: localhost\r\n", 421),
        ("host: a b\r\n", 400),
    ] {
        let request = format!("GET /.well-known/jwks.json HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        assert_eq!(exchange(&authority, request.as_bytes()).0, expected, "{host:?}");
    }
    let absolute = format!(
        "GET http://{authority}/.well-known/jwks.json HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(exchange(&authority, absolute.as_bytes()).0, 400);
}

#[test]
fn ht_01_a_client_that_stops_in_its_header_is_let_go_and_others_are_served() {
    let (_data, server) = server();
    let mut stalled: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for stream in &mut stalled {
        stream.write_all(b"POST /oauth/token HTTP/1.1\r\nhost: loc").unwrap();
    }
    assert_eq!(server.ask(&seed_request()).0, 200);
    // The header's timeout is 10 seconds; the connection is then closed, with 408 or without a word.
    let (status, _) = process::read(&mut stalled[0]);
    assert!(status == 408 || status == 0, "{status}");
}

#[test]
fn ht_02_a_connection_that_says_nothing_is_closed() {
    let (_data, server) = server();
    // Nothing, half an HTTP/2 preface, and a request that is answered and not followed by another.
    let mut silent = server.connect();
    let mut preface = server.connect();
    preface.write_all(b"PRI * HTT").unwrap();
    let mut kept = server.connect();
    kept.write_all(format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", server.authority()).as_bytes())
        .unwrap();
    // Reading ends when the server closes; a reader gives up after 30 seconds, and then the stream is still open.
    assert_eq!(process::read(&mut silent).0, 0);
    process::read(&mut preface);
    assert_eq!(process::read(&mut kept).0, 200);
    for stream in [&mut silent, &mut preface, &mut kept] {
        let mut byte = [0];
        assert_eq!(std::io::Read::read(stream, &mut byte).ok(), Some(0), "closed, not just quiet");
    }
}

#[test]
fn ht_14_error_bodies_say_nothing_about_the_server() {
    let (_data, server) = server();
    for path in ["/nothing", "/oauth/authorize", "/../etc/passwd", "/%00"] {
        let (status, body) = server.get(path);
        assert!((400..500).contains(&status), "{path}: {status}");
        for word in ["panicked", ".rs", "/work", "sqlite", env!("CARGO_PKG_VERSION")] {
            assert!(!body.contains(word), "{path}: {body}");
        }
    }
}

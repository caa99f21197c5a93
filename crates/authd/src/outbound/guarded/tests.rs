//! The guarded connector against real listeners (threat LO-10).

use std::time::Instant;

use records::UnixTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::dev::ca;

/// What is said to whoever connects, once their request is there.
enum Says {
    Nothing,
    Once(&'static [u8]),
    ForEver(&'static [u8], &'static [u8]),
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, says: Says) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&request).ends_with("logout_token=x") {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        request.extend_from_slice(&buffer[..read]);
    }
    match says {
        Says::Nothing => {
            let _ = stream.read(&mut buffer).await;
        }
        Says::Once(bytes) => stream.write_all(bytes).await.unwrap(),
        Says::ForEver(first, rest) => {
            let _ = stream.write_all(first).await;
            while stream.write_all(rest).await.is_ok() {}
        }
    }
    String::from_utf8(request).unwrap()
}

/// Posts to a listener that says this; returns the outcome and what the listener heard.
async fn posted(says: Says, timeout: Duration) -> (Result<StatusCode, NoAnswer>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = listener.local_addr().unwrap();
    let guarded = Guarded::new(vec![Loopback::parse(&socket.to_string()).unwrap()]).with(None, timeout);
    let address = format!("http://{socket}/logout?tenant=1");
    let heard = async { answer(listener.accept().await.unwrap().0, says).await };
    tokio::join!(guarded.post_form(&address, "logout_token=x".to_owned()), heard)
}

const PATIENT: Duration = Duration::from_secs(30);
const HASTY: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_form_is_posted_and_the_status_is_the_answer() {
    for (said, status) in [
        (&b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..], 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad", 400),
        (b"HTTP/1.1 500 Oh\r\n\r\n", 500),
    ] {
        let (outcome, heard) = posted(Says::Once(said), PATIENT).await;
        assert_eq!(outcome.unwrap().as_u16(), status);
        assert!(heard.starts_with("POST /logout?tenant=1 HTTP/1.1\r\nhost: 127.0.0.1:"), "{heard}");
        assert!(heard.contains("content-type: application/x-www-form-urlencoded\r\n"), "{heard}");
        assert!(heard.ends_with("\r\n\r\nlogout_token=x"), "{heard}");
    }
}

#[tokio::test]
async fn lo_10_a_redirect_is_not_followed() {
    let said = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(posted(Says::Once(said), PATIENT).await.0, Ok(StatusCode::FOUND));
}

#[tokio::test]
async fn lo_10_silence_and_answers_without_end_are_bounded() {
    assert_eq!(posted(Says::Nothing, HASTY).await.0, Err(NoAnswer::TimedOut));
    // A body is not read, however long it is.
    let endless = Says::ForEver(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n");
    assert_eq!(posted(endless, PATIENT).await.0, Ok(StatusCode::OK));
    // A head is, up to a limit.
    for (first, rest) in [
        (&b"HTTP/1.1 200 OK\r\nx: "[..], &b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[..]),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let begun = Instant::now();
        let (outcome, _) = posted(Says::ForEver(first, rest), Duration::from_secs(1)).await;
        assert!(outcome.is_err(), "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    assert!(matches!(
        posted(Says::Once(b"no answer at all\r\n\r\n"), PATIENT).await.0,
        Err(NoAnswer::Failed(_))
    ));
    assert!(matches!(posted(Says::Once(b""), PATIENT).await.0, Err(NoAnswer::Failed(_))));
}

#[tokio::test]
async fn lo_10_nothing_connects_to_what_is_not_public_or_not_listed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let closed = Guarded::new(Vec::new());
    // What would reach the listener if it were connected to.
    for address in [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("https://localhost:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::]:{port}/"),
    ] {
        let refused = closed.post_form(&address, String::new()).await;
        assert!(matches!(refused, Err(NoAnswer::NotAllowed(_))), "{address}: {refused:?}");
    }
    for address in ["https://169.254.169.254/", "https://10.0.0.1/", "https://[fd00::1]/", "http://8.8.8.8/"]
    {
        let refused = closed.post_form(address, String::new()).await;
        assert!(matches!(refused, Err(NoAnswer::NotAllowed(_))), "{address}: {refused:?}");
    }
    for address in ["", "x", "ftp://127.0.0.1/", "file:///etc/passwd", "data:,x", "mailto:a@b.c"] {
        assert_eq!(closed.post_form(address, String::new()).await, Err(NoAnswer::NotAnAddress), "{address}");
    }
    // Another port than the one that is listed.
    let one = Guarded::new(vec![Loopback::parse("127.0.0.1:1").unwrap()]);
    let refused = one.post_form(&format!("http://127.0.0.1:{port}/"), String::new()).await;
    assert!(matches!(refused, Err(NoAnswer::NotAllowed(_))), "{refused:?}");
    let nobody_came = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(nobody_came.is_err(), "somebody connected");
}

#[tokio::test]
async fn tls_is_with_who_proves_to_be_the_host_and_with_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    // The certificate must be good by the machine's clock, which the verifier reads.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (server, ca_file) = ca::server_config(directory.path(), UnixTime(now)).unwrap();
    let trusting = Arc::new(client_config(Some(&ca_file)).unwrap());
    let strange = Arc::new(client_config(None).unwrap());
    for (config, is_trusted) in [(trusting, true), (strange, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = listener.local_addr().unwrap();
        let guarded = Guarded::new(Loopback::ALL.to_vec()).with(Some(config), PATIENT);
        let server = Arc::clone(&server);
        let heard = async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = TlsAcceptor::from(server).accept(stream).await else { return String::new() };
            answer(stream, Says::Once(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await
        };
        let address = format!("https://{socket}/logout");
        let (outcome, heard) = tokio::join!(guarded.post_form(&address, "logout_token=x".to_owned()), heard);
        if is_trusted {
            assert_eq!(outcome, Ok(StatusCode::OK));
            assert!(heard.ends_with("logout_token=x"), "{heard}");
        } else {
            assert!(matches!(outcome, Err(NoAnswer::Failed(_))), "{outcome:?}");
            assert_eq!(heard, "", "nothing was said to a stranger");
        }
    }
}

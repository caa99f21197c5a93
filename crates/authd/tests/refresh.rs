//! A client that refreshes while the server's process is killed, and one whose answers are lost on the way (RT-05, RT-18).
//!
//! `AUTHD_KILLS` says how often it is killed (6), `AUTHD_DROPPED_ROTATIONS` how many rotations go through a proxy that
//! drops a third of the answers (150).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod process;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use process::Server;
use serde_json::{Value, json};

const SECRET: &str = "password-client-secret-0123456789abcdef0123456789";

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn log_in(server: &Server) -> String {
    let body = json!({
        "grant_type": "password", "client_id": "password-client", "client_secret": SECRET,
        "username": "user@example.com", "password": "Correct-Horse-9",
        "audience": "api.calendar", "scope": "read offline_access",
    });
    let (status, answer) = server.ask(&body.to_string());
    assert_eq!(status, 200, "{answer}");
    token_of(&answer).expect("there is a refresh token")
}

fn token_of(answer: &str) -> Option<String> {
    let body: Value = serde_json::from_str(answer).ok()?;
    Some(body["refresh_token"].as_str()?.to_owned())
}

fn request(token: &str) -> String {
    json!({
        "grant_type": "refresh_token", "client_id": "password-client", "client_secret": SECRET,
        "refresh_token": token,
    })
    .to_string()
}

/// One refresh; `None` where no answer came, whatever became of the request.
fn refresh(address: &str, host: &str, token: &str) -> Option<(u16, String)> {
    let body = request(token);
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let (status, answer) = process::read(&mut stream);
    // An answer that was cut off is none.
    (status == 200 && token_of(&answer).is_some() || status >= 400).then_some((status, answer))
}

#[test]
fn rt_05_a_killed_server_loses_no_rotation_and_brings_back_no_old_token() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::dev(data.path());
    let port = server.http_port();
    let kills = number("AUTHD_KILLS", 6);
    let mut tokens = vec![log_in(&server)];
    for kill in 0..kills {
        let host = server.authority();
        let ledger = Arc::new(Mutex::new(std::mem::take(&mut tokens)));
        let killed = Arc::new(AtomicBool::new(false));
        let client = {
            let (ledger, killed, host) = (Arc::clone(&ledger), Arc::clone(&killed), host.clone());
            std::thread::spawn(move || {
                loop {
                    let present = ledger.lock().unwrap().last().unwrap().clone();
                    match refresh(&host, &host, &present) {
                        Some((200, answer)) => ledger.lock().unwrap().push(token_of(&answer).unwrap()),
                        Some((status, answer)) => panic!("{status} {answer}"),
                        None if killed.load(Ordering::SeqCst) => return,
                        None => {}
                    }
                }
            })
        };
        // Somewhere in the middle of some rotation.
        let wanted = 3 + kill % 7;
        let began = Instant::now();
        while ledger.lock().unwrap().len() < wanted && began.elapsed() < Duration::from_secs(30) {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(137 * (kill as u64 % 23)));
        killed.store(true, Ordering::SeqCst);
        server.kill();
        client.join().unwrap();
        tokens = std::mem::take(&mut *ledger.lock().unwrap());
        assert!(tokens.len() >= wanted.min(3), "the client got on");

        server = Server::dev_with(data.path(), &port, &[]);
        let last = tokens.pop().unwrap();
        let (status, answer) = server.ask(&request(&last));
        assert_eq!(status, 200, "kill {kill}: the client's last token works: {answer}");
        let next = token_of(&answer).unwrap();
        assert!(!tokens.contains(&next));
        // It was rotated before or just now. Either way everything before it is past the one that may be retried.
        let (status, answer) = server.ask(&request(&next));
        assert_eq!(status, 200, "{answer}");
        if let Some(old) = tokens.get(kill % tokens.len().max(1)) {
            let (status, answer) = server.ask(&request(old));
            assert_eq!(status, 403, "kill {kill}: an older token is refused: {answer}");
            let present = token_of(&answer);
            assert_eq!(present, None);
        }
        // Two held one token: the family is over, as it must be. The next round begins with a new one.
        tokens = vec![log_in(&server)];
    }
}

/// Passes requests on and every third answer or so not.
struct Proxy {
    address: String,
    dropped: Arc<AtomicUsize>,
}

impl Proxy {
    fn before(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (target, dropped) = (server.authority(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&dropped);
        std::thread::spawn(move || {
            let mut dice: u64 = 0x9e37_79b9_7f4a_7c15;
            for stream in listener.incoming() {
                let Ok(mut client) = stream else { return };
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let Some(request) = whole_request(&mut client) else { continue };
                let mut server = TcpStream::connect(&target).unwrap();
                server.write_all(&request).unwrap();
                // The server has committed before it answers: read all of the answer, then lose it.
                let (_, answer) = read_raw(&mut server);
                if dice % 10 < 3 {
                    counter.fetch_add(1, Ordering::SeqCst);
                } else {
                    let _ = client.write_all(&answer);
                }
            }
        });
        Self { address, dropped }
    }
}

fn whole_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    use std::io::Read;
    client.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
            if body.len() >= length {
                return Some(bytes);
            }
        }
    }
}

fn read_raw(server: &mut TcpStream) -> (usize, Vec<u8>) {
    use std::io::Read;
    let mut bytes = Vec::new();
    let count = server.read_to_end(&mut bytes).unwrap_or(0);
    (count, bytes)
}

#[test]
fn rt_18_a_proxy_that_drops_a_third_of_the_answers_logs_nobody_out() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::dev(data.path());
    let proxy = Proxy::before(&server);
    let mut present = log_in(&server);
    let host = server.authority();
    for rotation in 0..number("AUTHD_DROPPED_ROTATIONS", 150) {
        loop {
            match refresh(&proxy.address, &host, &present) {
                Some((200, answer)) => {
                    present = token_of(&answer).unwrap();
                    break;
                }
                Some((status, answer)) => panic!("rotation {rotation}: {status} {answer}"),
                None => {}
            }
        }
    }
    assert!(proxy.dropped.load(Ordering::SeqCst) > 20, "answers were dropped");
}

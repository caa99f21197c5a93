//! Two servers on one PostgreSQL database: what one of them did the other knows (threats R1, R12).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod nodes;
mod process;
#[path = "../../store-postgres/tests/server/mod.rs"]
mod server;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nodes::{CALLBACK, HOST, PASSWORD, PERSON, command, refresh_token, set_up};
use process::{connect, eventually};
use serde_json::{Value, json};

/// A browser that is sent from one of the servers to the other and back, with its cookies.
struct Browser<'a> {
    servers: [&'a str; 2],
    turn: usize,
    cookies: Vec<String>,
}

impl Browser<'_> {
    /// Returns the status and where it is sent.
    fn go(&mut self, method: &str, target: &str, form: &str) -> (u16, String) {
        let server = self.servers[self.turn % 2];
        self.turn += 1;
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {HOST}\r\ncookie: {}\r\norigin: https://{HOST}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}",
            self.cookies.join("; "),
            form.len()
        );
        let mut stream = connect(server);
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut location = String::new();
        for line in head.lines() {
            match line.split_once(": ") {
                Some(("set-cookie", cookie)) => {
                    self.cookies.push(cookie.split(';').next().unwrap().to_owned())
                }
                Some(("location", place)) => {
                    location = place.trim_start_matches(&format!("https://{HOST}")).to_owned();
                }
                _ => {}
            }
        }
        assert!(!location.is_empty(), "{method} {target}: {status} {body}");
        (status, location)
    }
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn a_login_that_wanders_between_two_servers_ends_in_a_code_that_the_other_redeems_once() {
    let set = set_up();
    let (one, two) = (set.serve(), set.serve());
    for first in 0..2 {
        let mut browser = Browser { servers: [&one.address, &two.address], turn: first, cookies: Vec::new() };
        let target = format!(
            "/authorize?response_type=code&client_id={}&redirect_uri={}&audience=urn:api&scope=read&state=s",
            set.client.0,
            escape(CALLBACK)
        );
        let (_, login) = browser.go("GET", &target, "");
        assert!(login.starts_with("/u/login?state="), "{login}");
        let form = format!(
            "state={}&username={}&password={}&action=default",
            login.split_once("state=").unwrap().1,
            escape(PERSON),
            escape(PASSWORD)
        );
        let (_, resume) = browser.go("POST", &login, &form);
        assert!(resume.starts_with("/authorize/resume"), "{resume}");
        let (_, mut back) = browser.go("GET", &resume, "");
        if let Some(state) = back.strip_prefix("/u/consent?state=") {
            // The first time it is asked; the other server believes the answer.
            let form = format!("state={state}&action=accept");
            let (_, resume) = browser.go("POST", &back, &form);
            back = browser.go("GET", &resume, "").1;
        }
        assert!(back.starts_with(CALLBACK), "{back}");
        let code = back.split_off(back.find("code=").unwrap() + 5);
        let code = code.split('&').next().unwrap();
        // Everybody at once, at both: one redeems it.
        let redeem = |server: &str| {
            set.ask(
                server,
                json!({ "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK }),
            )
            .0
        };
        let redeemed: Vec<u16> = std::thread::scope(|scope| {
            let ask = |server| scope.spawn(move || redeem(server));
            let asked: Vec<_> = (0..8).map(|number| ask([&one.address, &two.address][number % 2])).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        assert_eq!(redeemed.iter().filter(|status| **status == 200).count(), 1, "{redeemed:?}");
        assert!(redeemed.iter().all(|status| [200, 403].contains(status)), "{redeemed:?}");
    }
}

#[test]
fn a_refresh_token_that_is_rotated_at_both_servers_at_once_has_one_successor() {
    let set = set_up();
    let (one, two) = (set.serve(), set.serve());
    let servers = [one.address.as_str(), two.address.as_str()];
    let mut token = set.log_in(servers[0]);
    for round in 0..20 {
        let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..6)
                .map(|number| {
                    let (set, token) = (&set, token.as_str());
                    scope.spawn(move || set.refresh(servers[number % 2], token))
                })
                .collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        });
        let successors: BTreeSet<String> = answers
            .iter()
            .map(|(status, answer)| {
                assert_eq!(*status, 200, "round {round}: {answer}");
                refresh_token(answer)
            })
            .collect();
        assert_eq!(successors.len(), 1, "round {round}");
        let next = successors.into_iter().next().unwrap();
        assert_ne!(next, token);
        token = next;
    }
}

#[test]
fn keys_that_are_rotated_by_command_are_seen_by_both_servers() {
    let set = set_up();
    let (one, two) = (set.serve(), set.serve());
    let signed_with = |server: &str| {
        let body = json!({
            "grant_type": "password", "username": PERSON, "password": PASSWORD, "audience": "urn:api", "scope": "read",
        });
        let (status, answer) = set.ask(server, body);
        assert_eq!(status, 200, "{answer}");
        let inspected =
            process::done(&["token", "inspect", "--json", answer["access_token"].as_str().unwrap()]);
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        inspected["header"]["kid"].as_str().unwrap().to_owned()
    };
    let before = signed_with(&one.address);
    assert_eq!(signed_with(&two.address), before);
    command(set.directory.path(), &["keys", "rotate", "--force"]);
    let began = Instant::now();
    let after = eventually(|| signed_with(&one.address), |kid| *kid != before);
    assert_eq!(eventually(|| signed_with(&two.address), |kid| *kid == after), after);
    assert_ne!(after, before);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn r12_servers_and_the_database_are_killed_under_load_and_no_rotation_is_lost() {
    let mut set = set_up();
    let (one, two) = (set.serve(), set.serve());
    let servers = [one.address.clone(), two.address.clone()];
    let tokens: Vec<String> = (0..4).map(|number| set.log_in(&servers[number % 2])).collect();
    let (stop, done, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let wait_for = |more: usize| {
        let wanted = done.load(Ordering::SeqCst) + more;
        let began = Instant::now();
        while done.load(Ordering::SeqCst) < wanted {
            assert!(began.elapsed() < Duration::from_secs(60), "the clients get on");
            std::thread::yield_now();
        }
        began.elapsed()
    };
    let client = (set.client.clone(), set.directory.path().to_owned());
    let last: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = tokens
            .into_iter()
            .enumerate()
            .map(|(number, mut token)| {
                let (stop, done, refused, servers, client) = (&stop, &done, &refused, &servers, &client);
                scope.spawn(move || {
                    // A server that does not answer is left for the other, as a balancer does.
                    let mut server = number % 2;
                    while !stop.load(Ordering::SeqCst) {
                        let body = json!({
                            "grant_type": "refresh_token", "refresh_token": token,
                            "client_id": client.0.0, "client_secret": client.0.1,
                        });
                        let Ok(mut stream) = std::net::TcpStream::connect(&servers[server]) else {
                            server = 1 - server;
                            continue;
                        };
                        let body = body.to_string();
                        let request = format!(
                            "POST /oauth/token HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n\
                             content-length: {}\r\nconnection: close\r\n\r\n{body}",
                            body.len()
                        );
                        let _ = stream.write_all(request.as_bytes());
                        let (status, answer) = process::read(&mut stream);
                        match status {
                            200 => {
                                token = refresh_token(&serde_json::from_str(&answer).unwrap());
                                done.fetch_add(1, Ordering::SeqCst);
                            }
                            503 => drop(refused.fetch_add(1, Ordering::SeqCst)),
                            // Cut off: the server was killed.
                            0 => server = 1 - server,
                            status => panic!("{status} {answer}"),
                        }
                    }
                    token
                })
            })
            .collect();
        wait_for(20);
        set.database.crash();
        let before = refused.load(Ordering::SeqCst);
        while refused.load(Ordering::SeqCst) < before + 4 {
            std::thread::yield_now();
        }
        set.database.resume();
        let back = wait_for(4);
        assert!(back < Duration::from_secs(2), "{back:?} until it went on");
        drop(one);
        wait_for(40);
        stop.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    // What every client was told last is what there is: nothing that was acknowledged is lost.
    for token in last {
        let (status, answer) = set.refresh(&two.address, &token);
        assert_eq!(status, 200, "{answer}");
    }
}

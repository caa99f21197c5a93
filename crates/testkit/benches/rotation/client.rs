//! A client that presents a refresh token, takes the next one from the answer, and presents that (RFC 9112).

use std::cell::Cell as Counter;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::net::TcpStream;

/// How long is not counted at the beginning.
const WARM: Duration = Duration::from_millis(500);

/// One measurement.
pub(crate) struct Cell<'a> {
    pub(crate) address: &'a str,
    /// The request, with `TOKEN` where the token stands.
    pub(crate) request: &'a str,
    pub(crate) at_once: usize,
    pub(crate) time: Duration,
}

/// What was counted.
pub(crate) struct Done {
    pub(crate) count: u64,
    pub(crate) seconds: f64,
}

impl Cell<'_> {
    /// Rotates these tokens, each on its own connection; `begins` is called when counting begins.
    pub(crate) fn run(&self, tokens: &mut [String], mut begins: impl FnMut()) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let (count, stop) = (Rc::new(Counter::new(0_u64)), Rc::new(Counter::new(false)));
            let tasks: Vec<_> = tokens[..self.at_once]
                .iter()
                .map(|token| {
                    let (address, token) = (self.address.to_owned(), token.clone());
                    let (before, after) = self.request.split_once("TOKEN").unwrap();
                    let (before, after) = (before.to_owned(), after.to_owned());
                    let (count, stop) = (Rc::clone(&count), Rc::clone(&stop));
                    tokio::task::spawn_local(async move {
                        let (mut token, stream) = (token, TcpStream::connect(address).await.unwrap());
                        stream.set_nodelay(true).unwrap();
                        let mut answer = Vec::new();
                        while !stop.get() {
                            let request = format!("{before}{token}{after}");
                            token = exchange(&stream, request.as_bytes(), &mut answer).await;
                            count.set(count.get() + 1);
                        }
                        token
                    })
                })
                .collect();
            tokio::time::sleep(WARM.min(self.time)).await;
            begins();
            let (began, before) = (Instant::now(), count.get());
            tokio::time::sleep(self.time).await;
            let done = Done { count: count.get() - before, seconds: began.elapsed().as_secs_f64() };
            stop.set(true);
            for (token, task) in tokens.iter_mut().zip(tasks) {
                *token = task.await.unwrap();
            }
            done
        })
    }
}

/// Sends a request and reads its answer; returns the token in it.
async fn exchange(stream: &TcpStream, request: &[u8], answer: &mut Vec<u8>) -> String {
    let mut sent = 0;
    while sent < request.len() {
        stream.ready(Interest::WRITABLE).await.unwrap();
        sent += stream.try_write(&request[sent..]).unwrap_or(0);
    }
    answer.clear();
    let mut buffer = [0; 4096];
    loop {
        stream.ready(Interest::READABLE).await.unwrap();
        match stream.try_read(&mut buffer) {
            Ok(0) => panic!("the server closed: {}", String::from_utf8_lossy(answer)),
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(_) => continue,
        }
        let text = std::str::from_utf8(answer).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
        if body.len() < length.parse().unwrap() {
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let token = body.split("\"refresh_token\":\"").nth(1).unwrap();
        return token.split('"').next().unwrap().to_owned();
    }
}

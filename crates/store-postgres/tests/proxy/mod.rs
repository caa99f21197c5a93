//! Something between authd and its database: it passes bytes on, changes words, or stands still.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails stops")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A listener on a free port of this machine, in front of a server's socket. Its threads end with the test's process.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    socket: PathBuf,
    /// Words of the asking side that become others of the same length.
    words: Vec<(&'static str, &'static str)>,
    is_still: AtomicBool,
    /// Connections from before the last time that they were forgotten pass nothing on any more.
    forgotten: AtomicUsize,
    accepted: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Before this socket of a server.
    pub(crate) fn before(socket: &Path, words: &[(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            words: words.to_vec(),
            is_still: AtomicBool::new(false),
            forgotten: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                accepting.accepted.fetch_add(1, Ordering::SeqCst);
                accepting.open.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || pass(stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// The address of a database behind it.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("postgres://authd@{}/{name}?sslmode=disable", self.address)
    }

    /// How many connections came.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// From now on, or no longer: takes everything and passes nothing on, as a cable that was pulled.
    pub(crate) fn stand_still(&self, is_still: bool) {
        self.shared.is_still.store(is_still, Ordering::SeqCst);
    }

    /// Every connection there is stays and is never answered again, as those to a machine that another took the place of.
    pub(crate) fn forget(&self) {
        self.shared.forgotten.fetch_add(1, Ordering::SeqCst);
    }

    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(asking: TcpStream, shared: &Arc<Shared>) {
    asking.set_nodelay(true).unwrap();
    let Ok(answering) = UnixStream::connect(&shared.socket) else { return };
    let (asked, answered) = (asking.try_clone().unwrap(), answering.try_clone().unwrap());
    let back = Arc::clone(shared);
    std::thread::spawn(move || copy(answered, asked, &back, &[]));
    let (end, words) = (asking.try_clone().unwrap(), shared.words.clone());
    copy(asking, &answering, shared, &words);
    let _ = answering.shutdown(Shutdown::Both);
    let _ = end.shutdown(Shutdown::Both);
}

fn copy(mut from: impl Read, mut to: impl Write, shared: &Shared, words: &[(&str, &str)]) {
    let mut buffer = vec![0; 64 * 1024];
    let forgotten = shared.forgotten.load(Ordering::SeqCst);
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        for (word, other) in words {
            for place in 0..length.saturating_sub(word.len() - 1) {
                if buffer[place..].starts_with(word.as_bytes()) {
                    buffer[place..place + word.len()].copy_from_slice(other.as_bytes());
                }
            }
        }
        while shared.is_still.load(Ordering::SeqCst) || shared.forgotten.load(Ordering::SeqCst) != forgotten {
            std::thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}

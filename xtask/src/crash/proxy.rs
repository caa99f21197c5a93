//! A network that can be cut: connections to a port of loopback, passed on, held or closed.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::{Failure, failed};

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// They pass.
    Open,
    /// They wait, and nobody is told.
    Held,
    /// Connections are closed, and new ones at once.
    Cut,
}

#[derive(Debug)]
struct Switch {
    line: Mutex<Line>,
    changed: Condvar,
}

impl Switch {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while bytes are held. Whether they pass.
    fn passes(&self) -> bool {
        let line = self.changed.wait_while(self.lock(), |line| *line == Line::Held);
        *line.unwrap_or_else(PoisonError::into_inner) == Line::Open
    }
}

/// The network. Dropping it cuts it.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) port: u16,
    switch: Arc<Switch>,
}

impl Proxy {
    /// To a port of loopback.
    pub(crate) fn to(port: u16) -> Result<Self, Failure> {
        let bound =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| Ok((it.local_addr()?.port(), it)));
        let (own, listener) = bound.or_else(|error| failed(format!("a port for the proxy: {error}")))?;
        let switch = Arc::new(Switch { line: Mutex::new(Line::Open), changed: Condvar::new() });
        let accepting = Arc::clone(&switch);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if !accepting.passes() {
                    continue;
                }
                let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                // Nobody there: the connection is closed, as a network would.
                let Ok(far) = TcpStream::connect_timeout(&to, Duration::from_secs(1)) else { continue };
                for (from, to) in [(near.try_clone(), far.try_clone()), (far.try_clone(), near.try_clone())] {
                    let (Ok(from), Ok(to), switch) = (from, to, Arc::clone(&accepting)) else { continue };
                    std::thread::spawn(move || {
                        pass(&from, &to, &switch);
                        let _closed = from.shutdown(Shutdown::Both);
                        let _closed = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Ok(Self { port: own, switch })
    }

    /// From now on.
    pub(crate) fn set(&self, line: Line) {
        *self.switch.lock() = line;
        self.switch.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Line::Cut);
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, switch: &Switch) {
    let mut buffer = [0; 16_384];
    // It looks up now and then, whether the line was cut.
    if from.set_read_timeout(Some(Duration::from_millis(20))).is_err() || to.set_nodelay(true).is_err() {
        return;
    }
    while switch.passes() {
        let count = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        let Some(bytes) = buffer.get(..count) else { return };
        if !switch.passes() || to.write_all(bytes).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_passes_bytes_until_it_is_cut_and_again_when_it_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::to(listener.local_addr().unwrap().port()).unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
                });
            }
        });
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).unwrap();
        let echo = |mut stream: &TcpStream| {
            let mut byte = [0];
            stream.write_all(b"x").and_then(|()| stream.read_exact(&mut byte)).is_ok()
        };
        let first = connect();
        assert!(echo(&first));
        proxy.set(Line::Cut);
        assert!(!echo(&first) && !echo(&connect()));
        proxy.set(Line::Open);
        assert!(echo(&connect()));
        // Held bytes arrive when they are let go.
        let held = connect();
        assert!(echo(&held));
        proxy.set(Line::Held);
        (&held).write_all(b"y").unwrap();
        held.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!((&held).read_exact(&mut [0]).is_err());
        proxy.set(Line::Open);
        held.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert!((&held).read_exact(&mut [0]).is_ok());
    }
}

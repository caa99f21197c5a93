//! PgBouncer before a test's server, in transaction mode: each transaction may get another session.
//!
//! It needs Debian's package `pgbouncer` (`cargo xtask test` installs it).
#![allow(dead_code, reason = "each test that includes this uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails stops")]

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::server::{Server, give, is_root};

/// A running pooler. It listens on a socket of a directory of its own.
pub(crate) struct Pooler {
    directory: PathBuf,
    process: Child,
}

impl Pooler {
    /// Before this server, with so many sessions a database.
    pub(crate) fn before(server: &Server, sessions: usize) -> Self {
        let directory = server.directory().join("pooler");
        fs::create_dir(&directory).unwrap();
        let settings = directory.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} user=authd\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
             unix_socket_dir = {}\nauth_type = any\npool_mode = transaction\ndefault_pool_size = {sessions}\n\
             max_client_conn = 1000\nserver_idle_timeout = 2\nlogfile = {}\n",
            server.directory().display(),
            directory.display(),
            directory.join("log").display(),
        );
        fs::write(&settings, text).unwrap();
        give(&directory, &[&settings]);
        let mut command = Command::new("/usr/sbin/pgbouncer");
        if is_root() {
            command.arg("--user=nobody");
        }
        let command = command.arg("-q").arg(&settings).stdin(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| {
            panic!(
                "PgBouncer cannot be started ({error}): `cargo xtask test` installs it, or `apt-get install pgbouncer`"
            )
        });
        let pooler = Self { directory, process };
        for _ in 0..600 {
            // The socket is there before it is listened to.
            if UnixStream::connect(pooler.directory.join(".s.PGSQL.6432")).is_ok() {
                return pooler;
            }
            // Not a wait for something that may happen: the socket says that it is ready.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("PgBouncer did not become ready");
    }

    /// The address of a database behind it, without saying that there is a pooler.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("postgres://authd@/{name}?host={}&port=6432", self.directory.display())
    }

    /// The address as it is to be.
    pub(crate) fn transactions(&self, name: &str) -> String {
        format!("{}&pooler=transaction", self.address(name))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

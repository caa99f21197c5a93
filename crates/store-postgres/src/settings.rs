//! The address of a database: PostgreSQL's own form, with less to choose about TLS.

use std::fmt;
use std::path::{Path, PathBuf};

use tokio_postgres::config::{Config, Host, SslMode, TargetSessionAttrs};

use crate::OpenError;

/// Which database, how it is reached, and how many connections it may take.
///
/// `Debug` shows no password.
#[derive(Clone)]
pub struct Settings {
    pub(crate) config: Config,
    pub(crate) tls: Option<rustls::ClientConfig>,
    pub(crate) connections: usize,
    pub(crate) is_pooled: bool,
    wants_tls: bool,
    root_certificates: Option<PathBuf>,
}

/// How many connections a server takes at most, unless told otherwise.
pub const CONNECTIONS: usize = 16;

/// Options that are passed on. What is none of them is not quoted: it may be a part of a password whose `?` was not
/// encoded.
const OPTIONS: &[&str] = &[
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "host",
    "hostaddr",
    "port",
    "keepalives",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
];

impl Settings {
    /// Parses `postgres://USER@HOST:PORT/DATABASE?option=…`, as PostgreSQL's own programs take it.
    ///
    /// TLS: `sslmode=disable` is without; `require`, `verify-ca` and `verify-full` all verify the certificate and the
    /// name in it; nothing that could fall back to plain text is accepted. Without `sslmode`, a connection over the network
    /// verifies, one over a socket of this machine is without. `sslrootcert=FILE` names the certificates to trust.
    ///
    /// `pooler=transaction`: between here and PostgreSQL is a pooler that may give each transaction another session. Then
    /// nothing is prepared, nothing is listened to, and nothing is left in a session.
    ///
    /// # Errors
    ///
    /// What is wrong, without quoting the address, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let refuse = |why: &str| Err(OpenError::Settings(why.to_owned()));
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return refuse("it must begin with postgres://");
        }
        let (address, options) = url.split_once('?').unwrap_or((url, ""));
        let (mut others, mut mode, mut root_certificates, mut is_pooled) = (Vec::new(), None, None, false);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", "system")) => root_certificates = None,
                Some(("sslrootcert", value)) => root_certificates = Some(decode_path(value)),
                Some(("pooler", "transaction")) => is_pooled = true,
                Some(("pooler", "none" | "session")) => is_pooled = false,
                Some(("pooler", _)) => return refuse("pooler must be transaction, session or none"),
                Some((name, _)) if OPTIONS.contains(&name) => others.push(option),
                _ => {
                    return refuse(
                        "it has an option that is not known; a ? in the user's name or password is written %3F",
                    );
                }
            }
        }
        let address =
            if others.is_empty() { address.to_owned() } else { format!("{address}?{}", others.join("&")) };
        let mut config: Config = address.parse().map_err(|error| OpenError::Settings(format!("{error}")))?;
        if config.get_hosts().is_empty() {
            return refuse(
                "it names no host; a socket is named by its directory: postgres://USER@%2Frun%2Fpostgresql/DATABASE",
            );
        }
        let is_odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(is_odd) {
            return refuse("its host has an @; one in the user's name or password is written %40");
        }
        if config.get_user().is_none_or(str::is_empty) || config.get_dbname().is_none() {
            return refuse("it must name a user and a database: postgres://USER@HOST/DATABASE");
        }
        let is_local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let wants_tls = match mode {
            None => !is_local,
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => {
                return refuse(
                    "sslmode must be verify-full (require and verify-ca mean the same) or disable; others can fall back to plain text",
                );
            }
        };
        config.ssl_mode(if wants_tls { SslMode::Require } else { SslMode::Disable });
        // A replica lags behind, and takes no writes.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(crate::connections::CONNECT);
        config.tcp_user_timeout(crate::connections::ANSWER);
        config.keepalives_idle(crate::connections::ANSWER);
        config.keepalives_interval(crate::connections::CONNECT);
        config.keepalives_retries(2);
        if config.get_application_name().is_none() {
            config.application_name("authd");
        }
        Ok(Self { config, tls: None, connections: CONNECTIONS, is_pooled, wants_tls, root_certificates })
    }

    /// The password, in place of one in the address.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// What verifies the database's certificate. Must be given where [`Settings::wants_tls`].
    #[must_use]
    pub fn with_tls(mut self, config: rustls::ClientConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// The most connections that this process takes, at least 4: two write, one listens, the others read.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(4);
        self
    }

    /// Whether the connection is to be encrypted.
    pub fn wants_tls(&self) -> bool {
        self.wants_tls
    }

    /// The PEM file of the certificates to trust, where one is named.
    pub fn root_certificates(&self) -> Option<&Path> {
        self.root_certificates.as_deref()
    }

    /// Hosts, ports and the database's name, for messages.
    pub fn address(&self) -> String {
        let ports = self.config.get_ports();
        let port = |position: usize| ports.get(position).or(ports.first()).copied().unwrap_or(5432);
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(position, host)| match host {
                Host::Tcp(name) => format!("{name}:{}", port(position)),
                Host::Unix(path) => format!("{}:{}", path.display(), port(position)),
            })
            .collect();
        format!("{}/{}", hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({})", self.address())
    }
}

/// Undoes percent-encoding in a path; what is none is left as it is.
fn decode_path(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let decoded = (*first == b'%')
            .then(|| after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_over_the_network_is_verified_unless_it_is_said_otherwise() {
        let wants = |url: &str| Settings::parse(url).unwrap().wants_tls();
        assert!(wants("postgres://authd@db.example/authd"));
        assert!(wants("postgresql://authd@127.0.0.1:6432/authd"));
        for mode in ["require", "verify-ca", "verify-full"] {
            assert!(wants(&format!("postgres://authd@db.example/authd?sslmode={mode}")));
        }
        assert!(!wants("postgres://authd@db.example/authd?sslmode=disable"));
        assert!(!wants("postgres://authd@%2Frun%2Fpostgresql/authd"));
        assert!(!wants("postgres://authd@/authd?host=/run/postgresql"));
        for mode in ["prefer", "allow", "", "none"] {
            let refused = Settings::parse(&format!("postgres://authd@db.example/authd?sslmode={mode}"));
            assert!(refused.is_err(), "{mode:?} can fall back to plain text");
        }
    }

    #[test]
    fn neither_messages_nor_errors_show_the_password() {
        let settings = Settings::parse("postgres://authd:hush@db.example:6432/authd").unwrap();
        assert_eq!(settings.address(), "db.example:6432/authd");
        assert_eq!(format!("{settings:?}"), "Settings(db.example:6432/authd)");
        // Encoded, anything goes.
        let odd = Settings::parse("postgres://authd:1%40%3F%2Fhush@db.example:6432/authd").unwrap();
        assert_eq!((odd.address(), odd.config.get_password()), (settings.address(), Some(&b"1@?/hush"[..])));
        for url in [
            "postgres://authd:hush@db.example:notaport/authd",
            "postgres://authd:hush@db.example/authd?sslmode=hush",
            "postgres://authd:hush@db.example/authd?hush",
            "postgres://authd:hush@db.example/authd?hush=1",
            "postgres://authd:1@hush@db.example/authd",
            "postgres://authd:1?hush@db.example/authd",
            "postgres://authd:1?hush=1@db.example/authd",
            "postgres://authd:1#hush?hush@db.example/authd",
            "postgres://authd@db.example/authd?password=hush&port=hush",
            "postgres://authd@db.example/authd?pooler=hush",
            "postgres://db.example/authd?password=hush",
            "authd:hush@db.example",
            "postgres://authd:hush",
        ] {
            let error = Settings::parse(url).unwrap_err().to_string();
            assert!(!error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn the_certificates_to_trust_are_a_file_of_the_caller_s() {
        let settings =
            Settings::parse("postgres://a@b/c?sslrootcert=%2Fetc%2Fmy%20ca.pem&application_name=x").unwrap();
        assert_eq!(settings.root_certificates(), Some(Path::new("/etc/my ca.pem")));
        assert_eq!(Settings::parse("postgres://a@b/c?sslrootcert=system").unwrap().root_certificates(), None);
    }
}

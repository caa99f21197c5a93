//! `authd.toml`: every setting, its default, its check. Unknown keys are errors with their line.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use records::Scheme;
use serde::Deserialize;

use crate::files::read_private;
use crate::http::peer::Peers;
use crate::open::{Place, SEALING_KEY_FILE};
use crate::outbound;
use crate::outbound::address::Loopback;
use crate::sealing::KeySource;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where records live.
    pub store: StoreSettings,
    /// What seals secrets at rest.
    #[serde(default)]
    pub sealing: SealingSettings,
    /// Where to listen; at least one.
    pub listen: Vec<ListenSettings>,
    /// How to log.
    #[serde(default)]
    pub log: LogSettings,
    /// What the server sends on its own account.
    #[serde(default)]
    pub outbound: OutboundSettings,
}

/// `[store]`: a directory or a PostgreSQL database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The directory of the database; made if missing, for this user alone.
    pub directory: Option<PathBuf>,
    /// The address of a PostgreSQL database, for several servers on one.
    pub postgres: Option<PostgresAddress>,
    /// The file that holds the password, in place of `AUTHD_POSTGRES_PASSWORD`.
    pub postgres_password_file: Option<PathBuf>,
    /// The most connections that this process takes. Default: 16.
    pub postgres_connections: Option<usize>,
}

/// `postgres://USER@HOST:PORT/DATABASE`. Shows nothing of itself: it may hold a password.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct PostgresAddress(String);

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresAddress")
    }
}

/// The environment variable that holds PostgreSQL's password.
pub const POSTGRES_PASSWORD: &str = "AUTHD_POSTGRES_PASSWORD";

/// `[sealing]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingSettings {
    /// The file of the key-encryption keys. Default: `sealing.key` beside the database.
    pub key_file: Option<PathBuf>,
    /// In its place: the environment variable that holds them.
    pub key_env: Option<String>,
    /// In its place: the program that prints them, and its arguments. Run by no shell, at start and every minute.
    pub key_command: Option<Vec<String>>,
}

impl SealingSettings {
    /// The source that is named; `None` where none is.
    fn source(&self) -> Result<Option<KeySource>, String> {
        let named = [
            self.key_file.clone().map(KeySource::File),
            self.key_env.clone().map(KeySource::Environment),
            self.key_command.clone().map(KeySource::Command),
        ];
        let mut named = named.into_iter().flatten();
        let source = named.next();
        if named.next().is_some() {
            return Err(
                "[sealing] names more than one of `key_file`, `key_env` and `key_command`: the keys \
                        come from one place"
                    .to_owned(),
            );
        }
        match &source {
            Some(KeySource::Environment(name)) if name.is_empty() || name.contains(['=', '\0']) => {
                Err("[sealing] `key_env` must be the name of an environment variable, not a key".to_owned())
            }
            Some(KeySource::Command(words)) if words.first().is_none_or(String::is_empty) => {
                Err("[sealing] `key_command` must be a list of words, the program first".to_owned())
            }
            _ => Ok(source),
        }
    }
}

/// `[[listen]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenSettings {
    /// Address and port, such as `0.0.0.0:8443` or `[::]:8443`.
    pub address: SocketAddr,
    /// The scheme that clients see: `https` is the default, also behind a proxy that terminates TLS.
    #[serde(default)]
    pub scheme: SchemeSetting,
    /// PEM file of the certificate chain, leaf first. With `key`: we terminate TLS ourselves.
    pub certificate: Option<PathBuf>,
    /// PEM file of the private key.
    pub key: Option<PathBuf>,
    /// Whose addresses the connections have. Default: a proxy's where it must be one that terminates TLS, people's
    /// elsewhere.
    peers: Option<PeersSetting>,
}

impl ListenSettings {
    /// Whose addresses the connections have.
    pub fn peers(&self) -> Peers {
        match self.peers {
            Some(PeersSetting::People) => Peers::People,
            Some(PeersSetting::Proxy) => Peers::Proxy,
            None if self.certificate.is_none() && self.scheme == SchemeSetting::Https => Peers::Proxy,
            None => Peers::People,
        }
    }
}

/// `peers`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PeersSetting {
    People,
    Proxy,
}

/// `scheme`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemeSetting {
    /// `http`
    Http,
    /// `https`
    #[default]
    Https,
}

impl From<SchemeSetting> for Scheme {
    fn from(setting: SchemeSetting) -> Self {
        match setting {
            SchemeSetting::Http => Self::Http,
            SchemeSetting::Https => Self::Https,
        }
    }
}

/// `[log]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// Text on a terminal and JSON elsewhere, unless said here.
    pub format: Option<LogFormat>,
}

/// `[outbound]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundSettings {
    /// Whether applications that want it are told that a session ended. Off by default.
    #[serde(default)]
    pub backchannel_logout: bool,
    /// Which ports of this machine may be connected to, with or without TLS. Other addresses must be public, with TLS.
    #[serde(default)]
    pub allow_loopback: Vec<Loopback>,
}

/// `format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Settings {
    /// Reads and checks the file. The error names the file, the line and what to do.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("cannot read {}: {error}; `authd init` writes one to start from", path.display())
        })?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads and checks the file's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if settings.listen.is_empty() {
            return Err("there is no [[listen]]: name at least one address to listen on".to_owned());
        }
        settings.store.validate()?;
        if settings.sealing.source()?.is_none() && settings.store.postgres.is_some() {
            return Err(
                "[store] `postgres`: say in [sealing] `key_file`, `key_env` or `key_command` where the \
                        key-encryption key is; every server on the database needs the same"
                    .to_owned(),
            );
        }
        for listen in &settings.listen {
            let address = listen.address;
            match (&listen.certificate, &listen.key) {
                (Some(_), None) => return Err(format!("[[listen]] {address}: `certificate` needs a `key`")),
                (None, Some(_)) => return Err(format!("[[listen]] {address}: `key` needs a `certificate`")),
                (Some(_), Some(_)) if listen.scheme == SchemeSetting::Http => {
                    return Err(format!(
                        "[[listen]] {address}: `scheme = \"http\"` has no use for a certificate"
                    ));
                }
                _ => {}
            }
        }
        Ok(settings)
    }

    /// Where the key-encryption keys are.
    pub fn key_source(&self) -> Result<KeySource, String> {
        let beside = || self.store.directory.clone().unwrap_or_default().join(SEALING_KEY_FILE);
        Ok(self.sealing.source()?.unwrap_or_else(|| KeySource::File(beside())))
    }
}

impl StoreSettings {
    fn validate(&self) -> Result<(), String> {
        match (&self.directory, &self.postgres) {
            (None, None) => Err("[store] names neither a `directory` nor `postgres`".to_owned()),
            (Some(_), Some(_)) => {
                Err("[store] names both a `directory` and `postgres`: records live in one place".to_owned())
            }
            (Some(_), None)
                if self.postgres_password_file.is_some() || self.postgres_connections.is_some() =>
            {
                Err("[store] has settings of PostgreSQL and no `postgres`".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Where records live, with what it takes to get there: reads the password's file or the environment, and certificates.
    pub fn place(&self) -> Result<Place, String> {
        let Some(PostgresAddress(address)) = &self.postgres else {
            return Ok(Place::Directory(self.directory.clone().unwrap_or_default()));
        };
        let mut settings = store_postgres::Settings::parse(address).map_err(|error| error.to_string())?;
        if let Some(file) = &self.postgres_password_file {
            let bytes = read_private(file)?;
            let text =
                std::str::from_utf8(&bytes).map_err(|_| format!("{} does not hold text", file.display()))?;
            settings = settings.with_password(text.trim_end_matches(['\r', '\n']));
        } else if let Ok(password) = std::env::var(POSTGRES_PASSWORD) {
            settings = settings.with_password(&password);
        }
        if settings.wants_tls() {
            let tls = outbound::client_config_trusting(settings.root_certificates())?;
            settings = settings.with_tls(tls);
        }
        if let Some(connections) = self.postgres_connections {
            settings = settings.with_connections(connections);
        }
        Ok(Place::Postgres(Box::new(settings)))
    }
}

/// What `authd init` writes.
pub const TEMPLATE: &str = r#"# authd's settings. `authd serve --config authd.toml` reads them.

[store]
# The database's directory.
directory = "data"
# Or, for several servers on one database, in place of the directory; the key below must then be named:
# postgres = "postgres://authd@db.example.com/authd"
# postgres_password_file = "postgres-password"

# [sealing]
# The key that encrypts private keys and shared secrets in the database. Keep a copy where the database's backups
# are not: without it they cannot be used, with it alone nothing is lost.
# key_file = "data/sealing.key"
# Or, in place of the file, a variable of the environment, or what a program prints (no shell takes part):
# key_env = "AUTHD_SEALING_KEY"
# key_command = ["vault", "kv", "get", "-field=keys", "secret/authd"]

[[listen]]
address = "127.0.0.1:8080"
# What clients see. Behind a proxy that terminates TLS this is "https" although the listener speaks plain HTTP.
# The proxy must pass the Host header on unchanged; forwarded headers are never believed.
scheme = "https"
# Whose addresses the connections have: "people" or "proxy". Attempts to log in are counted by address only where it is
# the person's. Without this line it is "proxy" here, and "people" where authd terminates TLS or speaks plain http.
# peers = "proxy"

# [[listen]]
# address = "0.0.0.0:443"
# certificate = "fullchain.pem"
# key = "privkey.pem"

# [outbound]
# Tell applications that have a backchannel_logout_uri when a session ends. The server then sends requests to addresses
# that the applications' owners chose: to public ones alone, with TLS.
# backchannel_logout = true
# Ports of this machine that may be connected to beside, without TLS too.
# allow_loopback = ["127.0.0.1:9999", "[::1]:9999"]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_valid_file() {
        let settings = Settings::parse(TEMPLATE).unwrap();
        assert_eq!(settings.listen.len(), 1);
        assert_eq!(settings.key_source(), Ok(KeySource::File("data/sealing.key".into())));
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let error =
            Settings::parse("listen = []\n[store]\ndirectory = \"x\"\ndirectroy = \"y\"\n").unwrap_err();
        assert!(error.contains("line 4") && error.contains("directroy"), "{error}");
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let text = "[store]\ndirectory = \"x\"\n[[listen]]\naddress = \"[::1]:1\"\ncertificate = \"c.pem\"\n";
        assert!(Settings::parse(text).unwrap_err().contains("`certificate` needs a `key`"));
    }

    #[test]
    fn nothing_is_sent_unless_it_is_switched_on_and_only_loopback_can_be_listed() {
        let base = "[store]\ndirectory = \"x\"\n[[listen]]\naddress = \"[::1]:1\"\n";
        let outbound =
            |more: &str| Settings::parse(&format!("{base}{more}")).map(|settings| settings.outbound);
        assert!(!outbound("").unwrap().backchannel_logout);
        let on =
            "[outbound]\nbackchannel_logout = true\nallow_loopback = [\"127.0.0.1:9999\", \"[::1]:*\"]\n";
        let on = outbound(on).unwrap();
        assert!(on.backchannel_logout && on.allow_loopback.len() == 2);
        let error = outbound("[outbound]\nallow_loopback = [\"10.0.0.1:80\"]\n").unwrap_err();
        assert!(error.contains("loopback address"), "{error}");
        let everything =
            TEMPLATE.replace("# [outbound]", "[outbound]").replace("# backchannel", "backchannel");
        let everything = everything.replace("# allow_loopback", "allow_loopback");
        assert!(
            Settings::parse(&everything).unwrap().outbound.backchannel_logout,
            "as the template describes it"
        );
    }

    #[test]
    fn a_plain_listener_whose_clients_see_https_has_a_proxy_before_it() {
        let peers = |lines: &str| {
            let text = format!("[store]\ndirectory = \"x\"\n[[listen]]\naddress = \"[::1]:1\"\n{lines}");
            Settings::parse(&text).map(|settings| settings.listen[0].peers())
        };
        let tls = "certificate = \"c.pem\"\nkey = \"k.pem\"\n";
        assert_eq!(peers(""), Ok(Peers::Proxy));
        assert_eq!(peers("scheme = \"http\""), Ok(Peers::People));
        assert_eq!(peers(tls), Ok(Peers::People));
        assert_eq!(peers("peers = \"people\""), Ok(Peers::People));
        assert_eq!(peers("scheme = \"http\"\npeers = \"proxy\""), Ok(Peers::Proxy));
        assert_eq!(peers(&format!("{tls}peers = \"proxy\"")), Ok(Peers::Proxy));
        assert!(peers("peers = \"nobody\"").unwrap_err().contains("nobody"));
    }

    #[test]
    fn nowhere_to_listen_is_refused() {
        assert!(
            Settings::parse("listen = []\n[store]\ndirectory = \"x\"\n").unwrap_err().contains("[[listen]]")
        );
    }

    #[test]
    fn records_live_in_one_place() {
        let parse =
            |store: &str| Settings::parse(&format!("listen = [{{ address = \"[::1]:1\" }}]\n{store}"));
        assert!(parse("[store]\n").unwrap_err().contains("neither"));
        let both = "[store]\ndirectory = \"x\"\npostgres = \"postgres://a@b/c\"\n";
        assert!(parse(both).unwrap_err().contains("both"));
        let idle = "[store]\ndirectory = \"x\"\npostgres_connections = 5\n";
        assert!(parse(idle).unwrap_err().contains("no `postgres`"));
        let keyless = "[store]\npostgres = \"postgres://a@b/c\"\n";
        assert!(parse(keyless).unwrap_err().contains("`key_file`"));
    }

    #[test]
    fn keys_come_from_one_place() {
        let source = |sealing: &str| {
            let text = "listen = [{ address = \"[::1]:1\" }]\n[store]\ndirectory = \"x\"\n[sealing]\n";
            Settings::parse(&format!("{text}{sealing}")).and_then(|settings| settings.key_source())
        };
        assert_eq!(source(""), Ok(KeySource::File("x/sealing.key".into())));
        assert_eq!(source("key_file = \"k\""), Ok(KeySource::File("k".into())));
        assert_eq!(source("key_env = \"KEYS\""), Ok(KeySource::Environment("KEYS".to_owned())));
        let words = ["kms", "get"].map(str::to_owned).to_vec();
        assert_eq!(source("key_command = [\"kms\", \"get\"]"), Ok(KeySource::Command(words)));
        for two in ["key_file = \"k\"\nkey_env = \"K\"", "key_env = \"K\"\nkey_command = [\"k\"]"] {
            assert!(source(two).unwrap_err().contains("one place"), "{two}");
        }
        assert!(source("key_env = \"\"").unwrap_err().contains("environment variable"));
        assert!(source("key_command = []").unwrap_err().contains("list of words"));
        // A string would need a shell to take it apart.
        assert!(source("key_command = \"kms get\"").unwrap_err().contains("key_command"));
        assert!(source("key = \"00\"").unwrap_err().contains("unknown field"));
    }

    #[test]
    fn the_password_of_a_database_is_shown_nowhere() {
        let settings = |address: &str| {
            let text = format!(
                "listen = [{{ address = \"[::1]:1\" }}]\n[store]\npostgres = \"{address}\"\n[sealing]\nkey_file = \"k\"\n"
            );
            Settings::parse(&text).unwrap()
        };
        let good = settings("postgres://authd:hush@db.example/authd?sslmode=disable");
        assert!(!format!("{good:?}").contains("hush"));
        assert!(!format!("{:?}", good.store.place().unwrap()).contains("hush"));
        let bad = settings("postgres://authd:hush@db.example:notaport/authd");
        assert!(!bad.store.place().unwrap_err().contains("hush"));
    }
}

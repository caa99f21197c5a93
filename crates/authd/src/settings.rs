//! `authd.toml`: every setting, its default, its check. Unknown keys are errors with their line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use records::Scheme;
use serde::Deserialize;

use crate::http::peer::Peers;
use crate::outbound::address::Loopback;

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

/// `[store]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The directory of the database; made if missing, for this user alone.
    pub directory: PathBuf,
}

/// `[sealing]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealingSettings {
    /// The file of the key-encryption key. Default: `sealing.key` beside the database.
    pub key_file: Option<PathBuf>,
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

    /// The file of the key-encryption key.
    pub fn key_file(&self) -> PathBuf {
        self.sealing
            .key_file
            .clone()
            .unwrap_or_else(|| self.store.directory.join(crate::open::SEALING_KEY_FILE))
    }
}

/// What `authd init` writes.
pub const TEMPLATE: &str = r#"# authd's settings. `authd serve --config authd.toml` reads them.

[store]
# The database's directory.
directory = "data"

# [sealing]
# The key that encrypts private keys and shared secrets in the database. Keep a copy where the database's backups
# are not: without it they cannot be used, with it alone nothing is lost.
# key_file = "data/sealing.key"

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
        assert_eq!(settings.key_file(), Path::new("data/sealing.key"));
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
}

//! What `authd dev` prints once it answers: everything needed for a first token.

use std::path::Path;

use records::Origin;
use serde_json::{Value, json};

use super::seed::{APPLICATIONS, PASSWORD, USERS};

/// Where the development server is reached and what it trusts.
#[derive(Debug)]
pub struct Banner<'a> {
    /// The plain origin.
    pub http: &'a Origin,
    /// The origin with TLS.
    pub https: &'a Origin,
    /// The CA's certificate.
    pub ca_file: &'a Path,
    /// The data directory; `None` in memory.
    pub data: Option<&'a Path>,
}

impl Banner<'_> {
    /// A command that gets a first token.
    pub fn curl(&self) -> String {
        let secret = APPLICATIONS
            .iter()
            .find(|application| application.client_id == "geocoding-worker")
            .and_then(|application| application.client_secret)
            .unwrap_or_default();
        let body = format!(
            r#"{{"grant_type":"client_credentials","client_id":"geocoding-worker","client_secret":"{secret}","audience":"https://api.example.com/geocoding/v1/"}}"#
        );
        format!("curl -s {} -H 'content-type: application/json' -d '{body}'", self.http.url("oauth/token"))
    }

    fn environment(&self) -> [(&'static str, String); 3] {
        let file = self.ca_file.display().to_string();
        [("NODE_EXTRA_CA_CERTS", file.clone()), ("SSL_CERT_FILE", file.clone()), ("REQUESTS_CA_BUNDLE", file)]
    }

    /// For programs: one JSON object.
    pub fn json(&self) -> String {
        let applications: Vec<Value> = APPLICATIONS
            .iter()
            .map(|application| {
                json!({
                    "name": application.name,
                    "client_id": application.client_id,
                    "client_secret": application.client_secret,
                })
            })
            .collect();
        let users: Vec<Value> = USERS
            .iter()
            .map(|user| json!({ "name": user.name, "email": user.email, "password": PASSWORD }))
            .collect();
        let environment: serde_json::Map<String, Value> = self
            .environment()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        json!({
            "http_origin": self.http.issuer(),
            "https_origin": self.https.issuer(),
            "ca_file": self.ca_file,
            "data": self.data,
            "environment": environment,
            "applications": applications,
            "users": users,
            "curl": self.curl(),
        })
        .to_string()
    }

    /// For people.
    pub fn text(&self) -> String {
        use std::fmt::Write;

        let mut text = String::new();
        let mut line = |words: &str| {
            let _ = writeln!(text, "{words}");
        };
        line("authd is ready. This tenant is for development: its secrets are public.");
        line("");
        line(&format!("  issuer        {}", self.http));
        line(&format!("                {}", self.https));
        match self.data {
            Some(data) => line(&format!("  data          {}", data.display())),
            None => line("  data          in memory: gone when this process ends"),
        }
        line("");
        line("  application       client_id         client_secret");
        for application in APPLICATIONS {
            let secret = application.client_secret.unwrap_or("(public)");
            line(&format!("  {:<17} {:<17} {secret}", application.name, application.client_id));
        }
        line("");
        line("  person            e-mail address    password");
        for user in USERS {
            line(&format!("  {:<17} {:<17} {PASSWORD}", user.name, user.email));
        }
        line("");
        line("  to trust its https:");
        for (name, value) in self.environment() {
            line(&format!("  export {name}='{value}'"));
        }
        line("");
        line("A first token:");
        line("");
        line(&self.curl());
        line("");
        line("Not built yet: refresh tokens, roles, the Management API and the dashboard.");
        text
    }
}

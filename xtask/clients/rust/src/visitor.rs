//! A person at a browser that is nothing but a jar of cookies: follows redirects, fills in forms.

use std::collections::BTreeMap;

use openidconnect::http::{Request, Response, header};
use openidconnect::url::Url;
use openidconnect::url::form_urlencoded::Serializer;

use crate::{CALLBACK, Failure, send};

/// A browser of one person.
pub(crate) struct Visitor<'v> {
    agent: &'v ureq::Agent,
    person: (&'v str, &'v str),
    cookies: BTreeMap<String, String>,
}

impl<'v> Visitor<'v> {
    pub(crate) fn new(agent: &'v ureq::Agent, person: (&'v str, &'v str)) -> Self {
        Self { agent, person, cookies: BTreeMap::new() }
    }

    /// Goes where an application sends it; returns the address at which the application hears the answer.
    pub(crate) fn visit(&mut self, mut address: Url) -> Result<Url, Failure> {
        let mut answer = self.send(&address, None)?;
        for _ in 0..12 {
            if let Some(location) = answer.headers().get(header::LOCATION) {
                address = address.join(location.to_str()?)?;
                if address.as_str().starts_with(CALLBACK) {
                    return Ok(address);
                }
                answer = self.send(&address, None)?;
                continue;
            }
            let page = String::from_utf8_lossy(answer.body()).into_owned();
            let action =
                page.split_once("<form method=\"post\" action=\"").and_then(|(_, rest)| rest.split_once('"'));
            let Some((action, _)) = action.filter(|_| answer.status().is_success()) else {
                return Err(format!("{} answers {}: {page}", address.path(), answer.status()).into());
            };
            let mut form = Serializer::new(String::new());
            if page.contains("name=\"password\"") {
                let (username, password) = self.person;
                form.append_pair("username", username)
                    .append_pair("password", password)
                    .append_pair("action", "default");
            } else {
                form.append_pair("action", "accept");
            }
            address = address.join(&action.replace("&amp;", "&").replace("&#38;", "&"))?;
            answer = self.send(&address, Some(form.finish()))?;
        }
        Err("the pages come to no end".into())
    }

    fn send(&mut self, address: &Url, form: Option<String>) -> Result<Response<Vec<u8>>, Failure> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder().uri(address.as_str()).header(header::COOKIE, cookies.join("; "));
        let request = match form {
            Some(form) => request
                .method("POST")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.into_bytes())?,
            None => request.body(Vec::new())?,
        };
        let answer = send(self.agent, request)?;
        for line in answer.headers().get_all(header::SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

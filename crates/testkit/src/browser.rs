//! A browser, as small as one can be: it keeps cookies, follows redirects at home, and fills in forms.

use http::{Method, StatusCode, header};

use crate::html::{self, Form};
use crate::request::query;
use crate::{CHALLENGE, Reply, Send, World, callback_of, password_of};

/// The most redirects that are followed.
const REDIRECTS: usize = 10;

/// A cookie as the browser keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its text.
    pub value: String,
    /// Its attributes, as they were sent.
    pub attributes: Vec<String>,
    /// When the browser forgets it, in Unix seconds.
    pub expires_at: Option<u64>,
}

impl Cookie {
    fn is_sent_across_sites(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute.eq_ignore_ascii_case("SameSite=None"))
    }
}

/// A browser that is at home at one tenant. Clones share nothing from then on.
#[derive(Clone, Debug)]
pub struct Browser<'w> {
    world: &'w World,
    tenant: String,
    cookies: Vec<Cookie>,
    address: String,
}

/// Where the browser got to.
#[derive(Debug)]
pub struct Landed {
    /// The path and query of the last request, or where it was sent outside.
    pub address: String,
    /// The last answer.
    pub reply: Reply,
    /// What the application was told, if it was told something.
    pub answer: Option<Answer>,
    /// How many redirects there were.
    pub redirects: usize,
}

/// What an application was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How: `query`, `fragment`, `form_post` or `web_message`.
    pub mode: &'static str,
    /// Where: the redirect URI, or the origin of a message.
    pub to: String,
    /// Names and values, in order.
    pub fields: Vec<(String, String)>,
}

impl Answer {
    /// The value of a field that is there once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(found, _)| found == name);
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        first
    }

    /// The names of its fields, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    fn of_address(address: &str) -> Self {
        let pairs = |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        if let Some((to, fragment)) = address.split_once('#') {
            return Self { mode: "fragment", to: to.to_owned(), fields: pairs(fragment) };
        }
        let (to, carried) = address.split_once('?').unwrap_or((address, ""));
        Self { mode: "query", to: to.to_owned(), fields: pairs(carried) }
    }

    /// What the script of a `web_message` page posts, and to which origin.
    fn of_message(page: &str) -> Option<Self> {
        let (_, rest) = page.split_once("var message = ")?;
        let message: serde_json::Value = serde_json::from_str(rest.split(";\n").next()?).ok()?;
        let (_, rest) = rest.split_once("to.postMessage(message, ")?;
        let to: String = serde_json::from_str(rest.split(");").next()?).ok()?;
        assert_eq!(message["type"], "authorization_response");
        let fields = message["response"].as_object()?.iter();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let fields = fields.map(|(name, value)| Some((name.clone(), text(value)?))).collect::<Option<_>>()?;
        Some(Self { mode: "web_message", to, fields })
    }
}

impl Landed {
    /// What the application was told; it must have been told something.
    pub fn answer(&self) -> &Answer {
        self.answer.as_ref().unwrap_or_else(|| panic!("no answer at {}: {}", self.address, self.reply.text()))
    }

    /// A field of what the application was told; it must be there.
    pub fn field(&self, name: &str) -> String {
        let answer = self.answer();
        answer.field(name).unwrap_or_else(|| panic!("no {name} in {answer:?}")).to_owned()
    }

    /// The error that the application was told.
    pub fn error(&self) -> String {
        self.field("error")
    }

    /// The path of the page, if it is a page.
    pub fn page(&self) -> &str {
        match self.answer {
            None => self.address.split('?').next().unwrap_or_default(),
            Some(_) => "",
        }
    }

    /// The page's form.
    pub fn form(&self) -> Form {
        Form::of(&self.reply.text()).unwrap_or_else(|| panic!("no form: {}", self.reply.text()))
    }

    /// The items of the page's list: the lines of a consent dialog.
    pub fn items(&self) -> Vec<String> {
        html::items(&self.reply.text())
    }

    /// The status and the code of an error page.
    pub fn error_page(&self) -> (u16, String) {
        assert!(self.answer.is_none(), "{:?}", self.answer);
        assert_eq!(self.reply.header(header::LOCATION), "", "a page is no redirect");
        let code = html::text_of(&self.reply.text(), "error-code");
        (self.reply.status.as_u16(), code.unwrap_or_else(|| panic!("no error page: {}", self.reply.text())))
    }

    /// The words of an error page, or of a problem on a login page.
    pub fn description(&self) -> String {
        html::text_of(&self.reply.text(), "error-description").unwrap_or_default()
    }
}

impl<'w> Browser<'w> {
    /// A browser that has never been anywhere.
    pub fn at(world: &'w World, tenant: &str) -> Self {
        Self { world, tenant: tenant.to_owned(), cookies: Vec::new(), address: "192.0.2.1".to_owned() }
    }

    /// The same browser at another address.
    #[must_use]
    pub fn from(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// The cookies it keeps.
    pub fn cookies(&self) -> &[Cookie] {
        &self.cookies
    }

    /// The cookie whose name ends so.
    pub fn cookie(&self, ending: &str) -> Option<&Cookie> {
        self.cookies.iter().find(|cookie| cookie.name.ends_with(ending))
    }

    /// Forgets the cookie whose name ends so.
    pub fn forget(&mut self, ending: &str) {
        self.cookies.retain(|cookie| !cookie.name.ends_with(ending));
    }

    /// Takes a cookie over from elsewhere.
    pub fn plant(&mut self, cookie: &Cookie) {
        self.cookies.retain(|kept| kept.name != cookie.name);
        self.cookies.push(cookie.clone());
    }

    /// One request with the browser's cookies, not followed anywhere.
    pub fn request(&self, method: Method, path: &str) -> Send<'w> {
        self.with_cookies(method, path, |_| true)
    }

    /// A form that a page of another site posts here: what browsers send with it, and no more.
    pub fn cross_site_post(&self, path: &str) -> Send<'w> {
        self.with_cookies(Method::POST, path, Cookie::is_sent_across_sites)
            .header(header::ORIGIN, "https://evil.example")
            .header(header::HeaderName::from_static("sec-fetch-site"), "cross-site")
    }

    fn with_cookies(&self, method: Method, path: &str, is_sent: impl Fn(&Cookie) -> bool) -> Send<'w> {
        let now = self.world.moments().now().0;
        let kept = |cookie: &&Cookie| cookie.expires_at.is_none_or(|at| now < at) && is_sent(cookie);
        let cookies = self.cookies.iter().filter(kept);
        let cookies: Vec<_> = cookies.map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let request = self.world.request(method, &self.tenant, path).from(&self.address);
        if cookies.is_empty() { request } else { request.header(header::COOKIE, &cookies.join("; ")) }
    }

    fn keep(&mut self, reply: &Reply) {
        for field in reply.headers.get_all(header::SET_COOKIE) {
            let mut parts = field.to_str().expect("a cookie is text").split(';').map(str::trim);
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            let attributes: Vec<String> = parts.map(str::to_owned).collect();
            let max_age = attributes.iter().find_map(|attribute| attribute.strip_prefix("Max-Age="));
            let max_age = max_age.map(|text| text.parse::<u64>().expect("Max-Age is a number"));
            self.cookies.retain(|cookie| cookie.name != name);
            if max_age != Some(0) {
                let expires_at = max_age.map(|seconds| self.world.moments().now().0 + seconds);
                let (name, value) = (name.to_owned(), value.to_owned());
                self.cookies.push(Cookie { name, value, attributes, expires_at });
            }
        }
    }

    /// Keeps the answer's cookies and goes where it leads, as long as that is at home.
    pub async fn follow(&mut self, path: &str, mut reply: Reply) -> Landed {
        let home = World::origin(&self.tenant).trim_end_matches('/');
        let mut address = path.to_owned();
        for redirects in 0..REDIRECTS {
            self.keep(&reply);
            let location = reply.header(header::LOCATION).to_owned();
            if location.is_empty() {
                return Landed { answer: self.told(&reply), address, reply, redirects };
            }
            assert!(
                matches!(reply.status, StatusCode::FOUND | StatusCode::SEE_OTHER),
                "AZ-51: a browser would post the password once more: {}",
                reply.status
            );
            assert_eq!(reply.header(header::CACHE_CONTROL), "no-store", "AZ-52");
            let local = location.strip_prefix(home).unwrap_or(&location);
            if !local.starts_with('/') {
                let answer = Some(Answer::of_address(&location));
                return Landed { answer, address: location, reply, redirects };
            }
            assert!(!local.starts_with("//") && !local.contains('\\'), "LC-23: {local}");
            address = local.to_owned();
            reply = self.request(Method::GET, &address).send().await;
        }
        panic!("redirected for ever, to {address}")
    }

    /// What a page without redirect tells an application: by a form that posts itself, or by a message.
    fn told(&self, reply: &Reply) -> Option<Answer> {
        let page = reply.text();
        if let Some(message) = Answer::of_message(&page) {
            return Some(message);
        }
        let form = Form::of(&page).filter(|form| !form.action.starts_with('/'))?;
        Some(Answer { mode: "form_post", to: form.action, fields: form.inputs })
    }

    /// Goes to a path, and on to where it leads.
    pub async fn open(&mut self, path: &str) -> Landed {
        let reply = self.request(Method::GET, path).send().await;
        self.follow(path, reply).await
    }

    /// Sends an authorization request. A parameter without a value is left out.
    pub async fn authorize(&mut self, parameters: &[(&str, &str)]) -> Landed {
        let sent: Vec<_> = parameters.iter().filter(|(_, value)| !value.is_empty()).copied().collect();
        self.open(&format!("/authorize?{}", query(&sent))).await
    }

    /// Sends an application's usual authorization request: its own callback, `response_type=token`, the API
    /// `https://api.example/`, `scope=read`, a `state` and a `nonce`; with a code in the answer, an S256 challenge. What
    /// is given here is added or takes the usual value's place; what is given empty is left out.
    pub async fn ask(&mut self, client_id: &str, more: &[(&str, &str)]) -> Landed {
        let callback = callback_of(client_id);
        let usual = [
            ("client_id", client_id),
            ("redirect_uri", callback.as_str()),
            ("response_type", "token"),
            ("audience", "https://api.example/"),
            ("scope", "read"),
            ("state", "the state"),
            ("nonce", "n-0S6_WzA2Mj"),
        ];
        let is_usual = |name: &str| more.iter().all(|(given, _)| *given != name);
        let mut sent: Vec<_> = usual.into_iter().filter(|(name, _)| is_usual(name)).collect();
        sent.extend(more);
        let has_code = sent.iter().any(|(name, value)| *name == "response_type" && value.contains("code"));
        if has_code && is_usual("code_challenge") {
            sent.extend([("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]);
        }
        self.authorize(&sent).await
    }

    /// As [`Browser::ask`], and whatever page is shown is answered: `ada` logs in, and accepts.
    pub async fn obtain(&mut self, client_id: &str, more: &[(&str, &str)]) -> Landed {
        let mut landed = self.ask(client_id, more).await;
        for _ in 0..3 {
            landed = match landed.page() {
                "/u/login" => self.log_in(&landed, "ada", &password_of(&self.tenant, "ada")).await,
                "/u/consent" | "/u/confirm" => self.accept(&landed).await,
                _ => return landed,
            };
        }
        landed
    }

    /// The request that a button of the page's form sends, with some of the inputs filled in. A name that no input has
    /// is sent too.
    pub fn press(&self, page: &Landed, button: &str, typed: &[(&str, &str)]) -> Send<'w> {
        let form = page.form();
        let (name, value) =
            form.buttons.iter().find(|(_, value)| value == button).expect("the page has such a button");
        let mut sent: Vec<(&str, &str)> = form
            .inputs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| typed.iter().all(|(typed, _)| typed != name))
            .collect();
        sent.extend(typed.iter().copied());
        sent.push((name, value));
        self.request(Method::POST, &form.action)
            .header(header::ORIGIN, World::origin(&self.tenant).trim_end_matches('/'))
            .header(header::HeaderName::from_static("sec-fetch-site"), "same-origin")
            .form(&sent)
    }

    /// Fills in a form, presses a button, and goes where that leads.
    pub async fn submit(&mut self, page: &Landed, button: &str, typed: &[(&str, &str)]) -> Landed {
        let path = page.form().action;
        let reply = self.press(page, button, typed).send().await;
        self.follow(&path, reply).await
    }

    /// Fills in the login page.
    pub async fn log_in(&mut self, page: &Landed, username: &str, password: &str) -> Landed {
        assert_eq!(page.page(), "/u/login", "{}", page.reply.text());
        self.submit(page, "default", &[("username", username), ("password", password)]).await
    }

    /// Accepts in a consent dialog, as it is ticked, or in a confirmation.
    pub async fn accept(&mut self, page: &Landed) -> Landed {
        self.submit(page, "accept", &[]).await
    }

    /// Declines.
    pub async fn deny(&mut self, page: &Landed) -> Landed {
        self.submit(page, "deny", &[]).await
    }
}

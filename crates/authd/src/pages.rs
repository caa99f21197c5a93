//! Pages for people (threats AZ-49, AZ-50, LC-16, LC-24; OAuth 2.0 Form Post Response Mode).
//!
//! Plain HTML that works without scripts, shows nothing from elsewhere and is framed nowhere.

use askama::Template;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use oauth_grants::Moment;
use oauth_grants::generate::hexadecimal;
use policy::consent::{Line, plain_text};

use crate::http::response::Answer;

/// What the login page says is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// No such person, or another password: nobody learns which.
    WrongCredentials,
    /// So many attempts that this one was not looked at.
    TooManyAttempts {
        /// In how many seconds it may be tried again.
        wait: u32,
    },
    /// So many people log in that this one must wait a moment.
    Busy,
}

impl LoginProblem {
    fn text(self) -> String {
        match self {
            Self::WrongCredentials => "Wrong email or password".to_owned(),
            Self::TooManyAttempts { wait: ..=120 } => {
                "Too many attempts. Wait a minute or two, then try again.".to_owned()
            }
            Self::TooManyAttempts { wait } => {
                format!("Too many attempts. Try again in {} minutes.", wait.div_ceil(60))
            }
            Self::Busy => "The server is busy. Try again in a moment.".to_owned(),
        }
    }
}

/// The login page.
#[derive(Clone, Copy, Debug)]
pub struct LoginPage<'p> {
    /// The tenant's name.
    pub tenant: &'p str,
    /// The application's name; `None`: the person goes on to their own page.
    pub client_name: Option<&'p str>,
    /// The application's picture.
    pub logo: Option<&'p str>,
    /// Where the form goes: a path of ours.
    pub action_url: &'p str,
    /// What stands in the field already.
    pub username: &'p str,
    /// What went wrong before.
    pub problem: Option<LoginProblem>,
}

/// The consent dialog.
#[derive(Clone, Debug)]
pub struct ConsentPage<'p> {
    /// The tenant's name.
    pub tenant: &'p str,
    /// The application's name.
    pub client_name: &'p str,
    /// The application's picture.
    pub logo: Option<&'p str>,
    /// Whether somebody else runs it.
    pub is_third_party: bool,
    /// The person's name.
    pub user_name: Option<&'p str>,
    /// The person's address.
    pub email: Option<&'p str>,
    /// The API's name.
    pub api_name: Option<&'p str>,
    /// What is asked for.
    pub lines: Vec<Line>,
    /// Where the form goes: a path of ours.
    pub action_url: &'p str,
}

/// The confirmation of a callback.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmPage<'p> {
    /// The tenant's name.
    pub tenant: &'p str,
    /// The application's name.
    pub client_name: &'p str,
    /// Where the answer would go.
    pub redirect_uri: &'p str,
    /// Where the form goes: a path of ours.
    pub action_url: &'p str,
}

/// The question whether somebody wants to log out.
#[derive(Clone, Copy, Debug)]
pub struct LogoutPage<'p> {
    /// The tenant's name.
    pub tenant: &'p str,
    /// Who is logged in; `None`: nobody any more.
    pub person: Option<&'p str>,
    /// Where the form goes: a path of ours.
    pub action_url: &'p str,
}

/// What a person allowed an application, on their own page.
#[derive(Clone, Debug)]
pub struct GrantLine<'p> {
    /// Its id.
    pub id: &'p str,
    /// The application's name.
    pub client_name: &'p str,
    /// The API's name; `None`: the person's profile alone.
    pub api_name: Option<&'p str>,
    /// What was allowed.
    pub scopes: Vec<String>,
    /// The day on which it was first allowed.
    pub since: String,
}

/// A person's own page.
#[derive(Clone, Debug)]
pub struct GrantsPage<'p> {
    /// The tenant's name.
    pub tenant: &'p str,
    /// The person.
    pub person: &'p str,
    /// What they allowed.
    pub grants: Vec<GrantLine<'p>>,
    /// In how many browsers they are logged in.
    pub sessions: String,
    /// Where the form goes: a path of ours.
    pub action_url: &'p str,
}

/// A page that says what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage<'p> {
    /// The tenant's name.
    pub tenant: &'p str,
    /// The code that programs read.
    pub code: &'p str,
    /// The words that people read.
    pub description: &'p str,
}

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'p> {
    nonce: &'p str,
    tenant: String,
    client_name: Option<String>,
    logo: Option<&'p str>,
    action_url: &'p str,
    username: &'p str,
    problem: Option<String>,
}

struct ConsentLine {
    text: String,
    is_new: bool,
    optional: Option<String>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'p> {
    nonce: &'p str,
    tenant: String,
    client_name: String,
    logo: Option<&'p str>,
    is_third_party: bool,
    person: String,
    api_name: Option<String>,
    lines: Vec<ConsentLine>,
    action_url: &'p str,
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct Confirm<'p> {
    nonce: &'p str,
    tenant: String,
    client_name: String,
    redirect_uri: &'p str,
    action_url: &'p str,
}

#[derive(Template)]
#[template(path = "logout.html")]
struct Logout<'p> {
    nonce: &'p str,
    tenant: String,
    person: Option<String>,
    action_url: &'p str,
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOut<'p> {
    nonce: &'p str,
    tenant: String,
}

struct Grant {
    id: String,
    client_name: String,
    api_name: Option<String>,
    scopes: String,
    since: String,
}

#[derive(Template)]
#[template(path = "grants.html")]
struct Grants<'p> {
    nonce: &'p str,
    tenant: String,
    person: String,
    grants: Vec<Grant>,
    sessions: &'p str,
    action_url: &'p str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct Error<'p> {
    nonce: &'p str,
    tenant: String,
    code: &'p str,
    description: String,
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'p> {
    nonce: &'p str,
    action: &'p str,
    fields: &'p [(&'static str, String)],
}

#[derive(Template)]
#[template(path = "web_message.html")]
struct WebMessage<'p> {
    nonce: &'p str,
    message: String,
    target_origin: String,
}

/// The login page. 400 where something was wrong with the form before, 429 where it came too often.
pub fn login(page: &LoginPage<'_>, moment: &Moment) -> Answer {
    let status = match page.problem {
        None => StatusCode::OK,
        Some(LoginProblem::WrongCredentials) => StatusCode::BAD_REQUEST,
        Some(LoginProblem::TooManyAttempts { .. }) => StatusCode::TOO_MANY_REQUESTS,
        Some(LoginProblem::Busy) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let nonce = nonce(moment);
    let template = Login {
        nonce: &nonce,
        tenant: plain_text(page.tenant),
        client_name: page.client_name.map(plain_text),
        logo: logo(page.logo),
        action_url: page.action_url,
        username: page.username,
        problem: page.problem.map(LoginProblem::text),
    };
    let mut answer = html(status, &template, &nonce, Framing::Nowhere);
    let wait = match page.problem {
        Some(LoginProblem::TooManyAttempts { wait }) => Some(wait),
        Some(LoginProblem::Busy) => Some(1),
        Some(LoginProblem::WrongCredentials) | None => None,
    };
    if let Some(wait) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
    }
    answer
}

/// The consent dialog.
pub fn consent(page: &ConsentPage<'_>, moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    // Where everything is new, saying so of each line says nothing.
    let marks_what_is_new = page.lines.iter().any(|line| !line.is_new);
    let line = |line: &Line| ConsentLine {
        text: line.text.clone(),
        is_new: line.is_new && marks_what_is_new,
        optional: line.scopes.first().filter(|_| line.is_optional).map(|scope| scope.to_string()),
    };
    let template = Consent {
        nonce: &nonce,
        tenant: plain_text(page.tenant),
        client_name: plain_text(page.client_name),
        logo: logo(page.logo),
        is_third_party: page.is_third_party,
        person: match (page.user_name.map(plain_text), page.email) {
            (Some(name), Some(email)) if name != email => format!("{name} ({email})"),
            (Some(name), _) => name,
            (None, email) => email.unwrap_or("you").to_owned(),
        },
        api_name: page.api_name.map(plain_text),
        lines: page.lines.iter().map(line).collect(),
        action_url: page.action_url,
    };
    html(StatusCode::OK, &template, &nonce, Framing::Nowhere)
}

/// The confirmation of a callback.
pub fn confirm(page: &ConfirmPage<'_>, moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    let template = Confirm {
        nonce: &nonce,
        tenant: plain_text(page.tenant),
        client_name: plain_text(page.client_name),
        redirect_uri: page.redirect_uri,
        action_url: page.action_url,
    };
    html(StatusCode::OK, &template, &nonce, Framing::Nowhere)
}

/// The question whether somebody wants to log out.
pub fn logout(page: &LogoutPage<'_>, moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    let (tenant, person) = (plain_text(page.tenant), page.person.map(plain_text));
    let template = Logout { nonce: &nonce, tenant, person, action_url: page.action_url };
    html(StatusCode::OK, &template, &nonce, Framing::Nowhere)
}

/// The page after a logout that leads nowhere else.
pub fn logged_out(tenant: &str, moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    html(StatusCode::OK, &LoggedOut { nonce: &nonce, tenant: plain_text(tenant) }, &nonce, Framing::Nowhere)
}

/// A person's own page.
pub fn grants(page: &GrantsPage<'_>, moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    let grant = |line: &GrantLine<'_>| Grant {
        id: line.id.to_owned(),
        client_name: plain_text(line.client_name),
        api_name: line.api_name.map(plain_text),
        scopes: plain_text(&line.scopes.join(", ")),
        since: line.since.clone(),
    };
    let template = Grants {
        nonce: &nonce,
        tenant: plain_text(page.tenant),
        person: plain_text(page.person),
        grants: page.grants.iter().map(grant).collect(),
        sessions: &page.sessions,
        action_url: page.action_url,
    };
    html(StatusCode::OK, &template, &nonce, Framing::Nowhere)
}

/// A page that says what is wrong.
pub fn error(status: StatusCode, page: &ErrorPage<'_>, moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    let (tenant, description) = (plain_text(page.tenant), plain_text(page.description));
    let template = Error { nonce: &nonce, tenant, code: page.code, description };
    html(status, &template, &nonce, Framing::Nowhere)
}

/// A form that the browser posts to the client (OAuth 2.0 Form Post Response Mode §2).
pub fn form_post(action: &str, fields: &[(&'static str, String)], moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    html(StatusCode::OK, &FormPost { nonce: &nonce, action, fields }, &nonce, Framing::Nowhere)
}

/// A message to the window that opened or frames this page, and to no other origin's.
pub fn web_message(target_origin: &str, fields: &[(&'static str, String)], moment: &Moment) -> Answer {
    let nonce = nonce(moment);
    let response: serde_json::Map<_, _> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    let message = serde_json::json!({ "type": "authorization_response", "response": response });
    let template = WebMessage {
        nonce: &nonce,
        message: in_script(&message),
        target_origin: in_script(&target_origin.into()),
    };
    html(StatusCode::OK, &template, &nonce, Framing::By(target_origin))
}

/// JSON that can stand in a script: no end tag, no comment, no line separator that scripts take for a line's end.
fn in_script(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

/// An application's picture: an address of the one scheme that the page's policy lets load.
fn logo(address: Option<&str>) -> Option<&str> {
    address.filter(|address| address.starts_with("https://"))
}

fn nonce(moment: &Moment) -> String {
    hexadecimal(&moment.bytes::<16>("page nonce"))
}

/// Who may show a page in a frame.
enum Framing<'p> {
    Nowhere,
    By(&'p str),
}

fn html(status: StatusCode, template: &impl Template, nonce: &str, framing: Framing<'_>) -> Answer {
    // Templates are compiled and write into memory: nothing that could fail.
    let mut answer = Response::new(Full::new(Bytes::from(template.render().unwrap_or_default())));
    *answer.status_mut() = status;
    let ancestors = match framing {
        Framing::Nowhere => "'none'",
        Framing::By(origin) => origin,
    };
    // No form-action: browsers apply it to where a form's answer redirects to, which is the application.
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src https:; \
         base-uri 'none'; frame-ancestors {ancestors}"
    );
    let headers = answer.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if matches!(framing, Framing::Nowhere) {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use records::UnixTime;

    const HOSTILE: &[&str] = &[
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</title><script>x</script>",
        "{{7*7}}{% raw %}",
        "javascript:alert(1)",
        "\u{202e}txt.exe\u{202c}",
        "</script><!--",
    ];

    fn moment() -> Moment {
        Moment::new(UnixTime(1), [7; 32])
    }

    async fn body(answer: Answer) -> String {
        String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    fn pages_with(text: &str) -> Vec<Answer> {
        let line = Line { scopes: vec![], text: text.to_owned(), is_new: true, is_optional: false };
        vec![
            login(
                &LoginPage {
                    tenant: text,
                    client_name: Some(text),
                    logo: Some(text),
                    action_url: "/u/login?state=x",
                    username: text,
                    problem: Some(LoginProblem::WrongCredentials),
                },
                &moment(),
            ),
            consent(
                &ConsentPage {
                    tenant: text,
                    client_name: text,
                    logo: Some(text),
                    is_third_party: true,
                    user_name: Some(text),
                    email: Some(text),
                    api_name: Some(text),
                    lines: vec![line],
                    action_url: "/u/consent?state=x",
                },
                &moment(),
            ),
            confirm(
                &ConfirmPage {
                    tenant: text,
                    client_name: text,
                    redirect_uri: text,
                    action_url: "/u/confirm",
                },
                &moment(),
            ),
            error(
                StatusCode::BAD_REQUEST,
                &ErrorPage { tenant: text, code: text, description: text },
                &moment(),
            ),
            form_post("https://app.example/cb", &[("state", text.to_owned())], &moment()),
            web_message("https://app.example", &[("state", text.to_owned())], &moment()),
            logout(
                &LogoutPage { tenant: text, person: Some(text), action_url: "/u/logout?state=x" },
                &moment(),
            ),
            logged_out(text, &moment()),
            grants(
                &GrantsPage {
                    tenant: text,
                    person: text,
                    grants: vec![GrantLine {
                        id: text,
                        client_name: text,
                        api_name: Some(text),
                        scopes: vec![text.to_owned()],
                        since: "2026-01-01".to_owned(),
                    }],
                    sessions: "2".to_owned(),
                    action_url: "/u/grants?state=x",
                },
                &moment(),
            ),
        ]
    }

    #[tokio::test]
    async fn az_23_lc_16_lc_24_no_text_leaves_its_place() {
        let harmless: Vec<_> = {
            let mut counts = Vec::new();
            for answer in pages_with("harmless") {
                counts.push(body(answer).await.matches('<').count());
            }
            counts
        };
        for hostile in HOSTILE {
            for (position, answer) in pages_with(hostile).into_iter().enumerate() {
                let html = body(answer).await;
                assert_eq!(html.matches('<').count(), harmless[position], "{hostile}: {html}");
                // In a message the text stands in a script's string, where only what ends the script matters.
                let is_quoted = position == 5 || !html.contains("' onmouseover='alert(1)");
                assert!(!html.contains("onerror=alert(1)>") && is_quoted, "{hostile}: {html}");
            }
        }
        let html = body(pages_with("a\u{202e}b").remove(0)).await;
        assert!(html.contains("to continue to ab"), "direction overrides are left out of names");
    }

    #[tokio::test]
    async fn az_49_az_50_az_52_pages_are_not_framed_cached_or_told_about() {
        for (position, answer) in pages_with("x").into_iter().enumerate() {
            let is_message = position == 5;
            let field =
                |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(field("cache-control").as_deref(), Some("no-store"));
            assert_eq!(field("referrer-policy").as_deref(), Some("no-referrer"));
            assert_eq!(field("x-content-type-options").as_deref(), Some("nosniff"));
            let policy = field("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            if is_message {
                assert_eq!(field("x-frame-options"), None);
                assert!(policy.ends_with("frame-ancestors https://app.example"), "{policy}");
            } else {
                assert_eq!(field("x-frame-options").as_deref(), Some("DENY"));
                assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
            }
            let html = body(answer).await;
            assert!(
                !html.contains("src=\"http") && !html.contains("<link"),
                "nothing from elsewhere: {html}"
            );
        }
    }

    #[tokio::test]
    async fn the_names_that_scripts_rely_on() {
        let mut pages = pages_with("x");
        let login = body(pages.remove(0)).await;
        for part in [
            "id=\"username\" name=\"username\"",
            "id=\"password\" name=\"password\"",
            "id=\"default\" name=\"action\" value=\"default\"",
        ] {
            assert!(login.contains(part), "{part}");
        }
        assert_eq!(login.matches("<form").count(), 1);
        let consent = body(pages.remove(0)).await;
        for part in
            ["id=\"accept\" name=\"action\" value=\"accept\"", "id=\"deny\" name=\"action\" value=\"deny\""]
        {
            assert!(consent.contains(part), "{part}");
        }
        assert!(body(pages.remove(1)).await.contains("id=\"error-code\">x<"));
        let logout = body(pages.remove(3)).await;
        assert!(logout.contains("id=\"accept\" name=\"action\" value=\"accept\""), "{logout}");
        let grants = body(pages.remove(4)).await;
        assert!(grants.contains("id=\"x\" name=\"withdraw\" value=\"x\""), "{grants}");
    }

    #[tokio::test]
    async fn a_message_cannot_end_its_script() {
        let text = "</script><script>alert(1)//\u{2028}\u{2029}<!--&".to_owned();
        let html = body(web_message("https://app.example", &[("state", text.clone())], &moment())).await;
        assert_eq!(html.matches("</script>").count(), 1);
        assert!(!html.contains('\u{2028}') && !html.contains("<!--"));
        let json = html.split("var message = ").nth(1).unwrap().split(";\n").next().unwrap();
        let message: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(message["response"]["state"], text.as_str());
        assert_eq!(message["type"], "authorization_response");
    }
}

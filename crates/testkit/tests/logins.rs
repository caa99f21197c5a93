//! Logging in from outside: forms, sessions, and those who guess (threats LC).
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use http::{Method, StatusCode, header};
use records::Lifetime;
use testkit::{Browser, On, Reply, World, on_both, password_of};
use tokio::task::JoinSet;

const WRONG: &str = "not-the-password-of-anybody";

/// A login page, and the browser that shows it.
async fn at_login<'w>(world: &'w World, address: &str) -> (Browser<'w>, testkit::Landed) {
    let mut browser = Browser::at(world, "first").from(address);
    let login = browser.ask("spa", &[]).await;
    assert_eq!(login.page(), "/u/login");
    (browser, login)
}

async fn attempt(browser: &Browser<'_>, login: &testkit::Landed, name: &str, password: &str) -> Reply {
    browser.press(login, "default", &[("username", name), ("password", password)]).send().await
}

#[tokio::test]
async fn lc_01_a_form_that_is_not_ours_is_refused_and_begins_no_session() {
    on_both(async |world| {
        let (browser, login) = at_login(&world, "192.0.2.1").await;
        let form = [("username", "ada"), ("password", &password_of("first", "ada")), ("action", "default")];
        let path = login.form().action;
        let site = header::HeaderName::from_static("sec-fetch-site");
        let post = |is_ours: bool| {
            if is_ours { browser.request(Method::POST, &path) } else { world.post("first", &path) }
        };
        let refused = [
            browser.cross_site_post(&path).form(&form),
            post(false).form(&form),
            post(true).header(header::ORIGIN, "https://evil.example").form(&form),
            post(true).header(header::ORIGIN, "https://second.example").form(&form),
            post(true).header(site.clone(), "cross-site").form(&form),
            post(true).header(site, "same-site").form(&form),
        ];
        for (position, request) in refused.into_iter().enumerate() {
            let reply = request.send().await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{position}");
            assert!(reply.headers.get(header::SET_COOKIE).is_none(), "{position}");
        }
        let reply = attempt(&browser, &login, "ada", &password_of("first", "ada")).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "none of them used the flow up");
    })
    .await;
}

#[tokio::test]
async fn lc_01_consent_cannot_be_given_by_another_sites_form() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[]).await;
        let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        let path = consent.form().action;
        let reply = browser.cross_site_post(&path).form(&[("action", "accept")]).send().await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        assert_eq!(browser.ask("spa", &[("prompt", "none")]).await.error(), "consent_required");
    })
    .await;
}

#[tokio::test]
async fn lc_02_a_login_begins_another_session_and_the_old_one_is_dead() {
    on_both(async |world| {
        let mut browser = Browser::at(&world, "first");
        browser.obtain("spa", &[]).await.field("access_token");
        let old = browser.cookie("session").unwrap().clone();
        let login = browser.ask("spa", &[("prompt", "login")]).await;
        browser.log_in(&login, "ada", &password_of("first", "ada")).await.field("access_token");
        let new = browser.cookie("session").unwrap().clone();
        assert_ne!(old.value, new.value);

        let mut thief = Browser::at(&world, "first");
        thief.plant(&old);
        assert_eq!(thief.ask("spa", &[("prompt", "none")]).await.error(), "login_required");
        thief.plant(&new);
        thief.ask("spa", &[("prompt", "none")]).await.field("access_token");

        // A session that somebody planted is not the one in which its owner is logged in afterwards.
        let (mut victim, login) = at_login(&world, "192.0.2.1").await;
        victim.plant(&new);
        victim.log_in(&login, "bob", &password_of("first", "bob")).await;
        assert_ne!(victim.cookie("session").unwrap().value, new.value);
        assert_eq!(thief.ask("spa", &[("prompt", "none")]).await.error(), "login_required");
    })
    .await;
}

#[tokio::test]
async fn lc_03_cookies_are_the_hosts_own_and_out_of_scripts_reach() {
    let world = World::with_people(On::Memory).await;
    let mut browser = Browser::at(&world, "first");
    browser.obtain("spa", &[]).await.field("access_token");
    assert_eq!(browser.cookies().len(), 2);
    for cookie in browser.cookies() {
        assert!(cookie.name.starts_with("__Host-"), "{}", cookie.name);
        for attribute in ["Secure", "HttpOnly", "Path=/"] {
            assert!(cookie.attributes.iter().any(|found| found == attribute), "{cookie:?}");
        }
        assert!(!cookie.attributes.iter().any(|found| found.starts_with("Domain")));
        assert_eq!(cookie.value.len(), 43, "LC-04: 256 bits");
    }
}

#[tokio::test]
async fn lc_05_a_session_ends_unused_and_in_any_case() {
    on_both(async |world| {
        world
            .settings("first", |settings| {
                settings.idle_session_lifetime = Lifetime(3600);
                settings.session_lifetime = Lifetime(10_000);
            })
            .await;
        let mut browser = Browser::at(&world, "first");
        browser.obtain("spa", &[]).await.field("access_token");
        let began = world.moments().now().0;
        let none = [("prompt", "none")];
        for _ in 0..3 {
            world.moments().advance(3000);
            browser.ask("spa", &none).await.field("access_token");
        }
        world.moments().advance(999);
        browser.ask("spa", &none).await.field("access_token");
        world.moments().advance(1);
        assert_eq!(world.moments().now().0 - began, 10_000);
        // The server's own clock decides, whatever a browser keeps.
        let mut keeper = browser.clone();
        let kept = browser.cookies().iter().find(|c| c.name.ends_with("session")).unwrap().clone();
        keeper.plant(&testkit::Cookie { expires_at: None, ..kept });
        assert_eq!(keeper.ask("spa", &none).await.error(), "login_required");

        browser.obtain("spa", &[]).await.field("access_token");
        world.moments().advance(3600);
        assert_eq!(browser.ask("spa", &none).await.error(), "login_required");
        assert_eq!(browser.ask("spa", &[]).await.page(), "/u/login");
    })
    .await;
}

#[tokio::test]
async fn lc_07_a_person_who_is_blocked_or_deleted_is_out_at_the_next_use() {
    on_both(async |world| {
        let mut ada = Browser::at(&world, "first");
        let landed = ada.obtain("spa", &[("scope", "openid read")]).await;
        let token = landed.field("access_token");
        assert_eq!(world.user_info("first", &token).await.status, StatusCode::OK);
        world.change("first", "ada", |user| user.is_blocked = true).await;
        assert_eq!(world.user_info("first", &token).await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(ada.ask("spa", &[("prompt", "none")]).await.error(), "unauthorized");

        let (mut other, login) = at_login(&world, "192.0.2.1").await;
        let wrong = attempt(&other, &login, "ada", WRONG).await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "only who knows the password is told");
        let landed = other.log_in(&login, "ada", &password_of("first", "ada")).await;
        assert_eq!(landed.error(), "unauthorized");
        assert_eq!(landed.field("error_description"), "user is blocked");
        assert!(other.cookie("session").is_none());

        world.change("first", "ada", |user| user.is_blocked = false).await;
        ada.ask("spa", &[("prompt", "none")]).await.field("access_token");
        world.remove("first", "ada").await;
        assert_eq!(ada.ask("spa", &[("prompt", "none")]).await.error(), "login_required");
        assert_eq!(world.user_info("first", &token).await.status, StatusCode::UNAUTHORIZED, "UI-09");
    })
    .await;
}

/// A page without what differs from one showing to the next: the nonce, and the address of the form.
fn without_nonce(reply: &Reply) -> (StatusCode, Vec<(String, String)>, String) {
    let policy = reply.header(header::CONTENT_SECURITY_POLICY);
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let headers = reply.headers.iter().map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).replace(&nonce, "NONCE"))
    });
    (reply.status, headers.collect(), reply.text().replace(&nonce, "NONCE"))
}

#[tokio::test]
async fn lc_09_an_unknown_person_and_a_wrong_password_look_alike() {
    on_both(async |world| {
        let (browser, login) = at_login(&world, "192.0.2.1").await;
        world.change("first", "bob", |user| user.password_hash = None).await;
        let mut seen = Vec::new();
        // Of one length, as what was typed stands in the page again.
        for name in ["ada", "bob", "eve", "x@y"] {
            let reply = attempt(&browser, &login, name, WRONG).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
            let (status, headers, text) = without_nonce(&reply);
            seen.push((status, headers, text.replace(&format!("value=\"{name}\""), "value=\"NAME\"")));
        }
        for other in &seen[1..] {
            assert_eq!(seen[0], *other);
        }
        // And so do they when there were too many.
        let mut locked = Vec::new();
        for name in ["ada", "eve"] {
            for _ in 0..9 {
                attempt(&browser, &login, name, WRONG).await;
            }
            let reply = attempt(&browser, &login, name, WRONG).await;
            assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
            let (status, headers, text) = without_nonce(&reply);
            locked.push((status, headers, text.replace(&format!("value=\"{name}\""), "value=\"NAME\"")));
        }
        assert_eq!(locked[0], locked[1]);
    })
    .await;
}

#[tokio::test]
async fn lc_10_ten_guesses_are_free_whatever_name_the_person_is_called_by() {
    on_both(async |world| {
        let (browser, login) = at_login(&world, "192.0.2.1").await;
        let right = password_of("first", "ada");
        let names = ["ada", "ADA", "ada@example.com", "Ada@Example.COM", " ada "];
        for number in 0..10 {
            let reply = attempt(&browser, &login, names[number % names.len()], WRONG).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{number}");
        }
        let page = |reply: &Reply, name: &str| {
            let (status, headers, text) = without_nonce(reply);
            (status, headers, text.replace(&format!("value=\"{name}\""), "value=\"NAME\""))
        };
        let (ghost, owner) = ("eva@example.com", "ada@example.com");
        let nobodys = page(&attempt(&browser, &login, ghost, WRONG).await, ghost);
        let hers = page(&attempt(&browser, &login, owner, &right).await, owner);
        assert_eq!(hers, nobodys, "nobody is told that the guesses are over");
        let reply = attempt(&browser, &login, "ada", &right).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "not even the right one");

        // Nobody locks somebody else out: from another network she logs in, and so does bob from this one.
        let (mut elsewhere, there) = at_login(&world, "198.51.100.7").await;
        let landed = elsewhere.log_in(&there, "ada", &right).await;
        assert_eq!(landed.page(), "/u/consent");
        let reply = attempt(&browser, &login, "bob", &password_of("first", "bob")).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        let neighbour = browser.clone().from("192.0.2.77");
        let reply = attempt(&neighbour, &login, "ada", &right).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "but not from the same network");
        // The same person of the other tenant is somebody else.
        let mut second = Browser::at(&world, "second");
        let page = second.ask("spa", &[]).await;
        let landed = second.log_in(&page, "ada", &password_of("second", "ada")).await;
        assert_eq!(landed.page(), "/u/consent");

        world.moments().advance(60);
        attempt(&browser, &login, owner, WRONG).await;
        let reply = attempt(&browser, &login, owner, &right).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "one more guess, and twice the wait");
        world.moments().advance(119);
        let reply = attempt(&browser, &login, owner, &right).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        world.moments().advance(1);
        for success in 0..3 {
            let reply = attempt(&browser, &login, owner, &right).await;
            assert_eq!(reply.status, StatusCode::SEE_OTHER, "{success}: a success forgets the failures");
            for _ in 0..9 {
                attempt(&browser, &login, owner, WRONG).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn lc_10_a_name_that_was_tried_ten_times_waits_and_says_nothing_about_another() {
    on_both(async |world| {
        let (browser, login) = at_login(&world, "192.0.2.1").await;
        let right = password_of("first", "ada");
        for _ in 0..10 {
            let reply = attempt(&browser, &login, "ada", WRONG).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        }
        for name in ["ada", "ADA", " ada "] {
            let reply = attempt(&browser, &login, name, &right).await;
            assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "not even the right one: {name}");
            assert_eq!(reply.header(header::RETRY_AFTER), "60");
        }
        let mut seen = Vec::new();
        for name in ["ada@example.com", "eva@example.com"] {
            let (status, headers, text) = without_nonce(&attempt(&browser, &login, name, WRONG).await);
            assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
            seen.push((headers, text.replace(&format!("value=\"{name}\""), "value=\"NAME\"")));
        }
        assert_eq!(seen[0], seen[1], "whose name it is, is not told");

        world.moments().advance(60);
        let reply = attempt(&browser, &login, "ada", WRONG).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "one more guess");
        let reply = attempt(&browser, &login, "ada", WRONG).await;
        assert_eq!(reply.header(header::RETRY_AFTER), "120", "and twice the wait");
        world.moments().advance(120);
        let reply = attempt(&browser, &login, "ada", &right).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
        let reply = attempt(&browser, &login, "ada", WRONG).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "a success forgets the failures");
    })
    .await;
}

#[tokio::test]
async fn lc_10_a_persons_id_typed_as_a_name_counts_against_nobody() {
    let world = World::with_people(On::Memory).await;
    let (browser, login) = at_login(&world, "192.0.2.1").await;
    for _ in 0..11 {
        attempt(&browser, &login, "auth0|ada", WRONG).await;
    }
    let reply = attempt(&browser, &login, "auth0|ada", WRONG).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    let reply = attempt(&browser, &login, "ada", &password_of("first", "ada")).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn lc_14_a_hundred_guesses_from_one_address_are_free_whoever_they_are_about() {
    let world = World::with_people(On::Memory).await;
    let (browser, login) = at_login(&world, "203.0.113.9").await;
    for number in 0..100 {
        let reply = attempt(&browser, &login, &format!("person-{number}"), WRONG).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{number}");
    }
    let reply = attempt(&browser, &login, "bob", &password_of("first", "bob")).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    for stranger in ["203.0.113.200", "203.0.114.9"] {
        let stranger = browser.clone().from(stranger);
        let reply = attempt(&stranger, &login, "bob", &password_of("first", "bob")).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn lc_14_behind_a_proxy_names_alone_are_counted() {
    let world = World::with_people(On::Memory).await;
    let (browser, login) = at_login(&world, "192.0.2.1").await;
    let (path, cookie) = (login.form().action, browser.cookie("browser").unwrap());
    let cookie = format!("{}={}", cookie.name, cookie.value);
    let attempt = async |name: &str, password: &str| {
        let form = [("username", name), ("password", password), ("action", "default")];
        let request = world.post("first", &path).through_a_proxy().header(header::COOKIE, &cookie);
        request.form(&form).send().await.status
    };
    for number in 0..110 {
        assert_eq!(attempt(&format!("person-{number}"), WRONG).await, StatusCode::BAD_REQUEST, "{number}");
    }
    assert_eq!(attempt("bob", &password_of("first", "bob")).await, StatusCode::SEE_OTHER);
    for _ in 0..10 {
        assert_eq!(attempt("ada", WRONG).await, StatusCode::BAD_REQUEST);
    }
    assert_eq!(attempt("ada", &password_of("first", "ada")).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(attempt("bob", &password_of("first", "bob")).await, StatusCode::SEE_OTHER);
}

/// Posts the same login page many times at once; what each was answered.
async fn at_once(world: &Arc<World>, forms: Vec<(String, String)>) -> Vec<StatusCode> {
    let (browser, login) = at_login(world, "192.0.2.1").await;
    let (path, cookie) = (login.form().action, browser.cookie("browser").unwrap().clone());
    let mut tasks = JoinSet::new();
    for (name, password) in forms {
        let (world, path, cookie) = (Arc::clone(world), path.clone(), cookie.clone());
        tasks.spawn(async move {
            let form = [("username", name.as_str()), ("password", password.as_str()), ("action", "default")];
            let cookie = format!("{}={}", cookie.name, cookie.value);
            world.post("first", &path).header(header::COOKIE, &cookie).form(&form).send().await.status
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lc_10_guesses_made_at_once_are_counted_too() {
    for on in [On::Memory, On::Sqlite] {
        let world = Arc::new(World::with_people(on).await);
        let forms = (0..60).map(|_| ("ada".to_owned(), WRONG.to_owned())).collect();
        let seen = at_once(&world, forms).await;
        let looked_at = seen.iter().filter(|status| **status == StatusCode::BAD_REQUEST).count();
        assert!(looked_at <= 10, "{looked_at} guesses were verified");
        let refused = seen.iter().filter(|status| **status == StatusCode::TOO_MANY_REQUESTS).count();
        assert_eq!(looked_at + refused, 60, "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn people_behind_one_address_log_in_at_once() {
    for on in [On::Memory, On::Sqlite] {
        let world = Arc::new(World::with_people(on).await);
        let names: Vec<_> = (0..40).map(|number| format!("person{number}")).collect();
        for name in &names {
            world.person("first", "Username-Password-Authentication", name, "A-Password-9").await;
        }
        let forms = names.into_iter().map(|name| (name, "A-Password-9".to_owned())).collect();
        let seen = at_once(&world, forms).await;
        assert!(seen.iter().all(|status| *status == StatusCode::SEE_OTHER), "{on:?} {seen:?}");
    }
}

#[tokio::test]
async fn lc_15_a_long_password_is_one_and_a_huge_form_is_not_read() {
    let world = World::with_people(On::Memory).await;
    let long = "Long-1".repeat(20);
    world.person("first", "Username-Password-Authentication", "eve", &long).await;
    let (mut browser, login) = at_login(&world, "192.0.2.1").await;
    assert_eq!(browser.log_in(&login, "eve", &long).await.page(), "/u/consent");
    let reply = attempt(&browser, &login, "eve", &"x".repeat(1 << 20)).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    let shorter = attempt(&browser, &login, "eve", &long[..long.len() - 1]).await;
    assert_eq!(shorter.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_was_typed_stands_in_the_page_as_text() {
    let world = World::with_people(On::Memory).await;
    let (browser, login) = at_login(&world, "192.0.2.1").await;
    for hostile in ["\"><script>alert(1)</script>", "' onfocus='alert(1)", "</form><form action=//evil>"] {
        let reply = attempt(&browser, &login, hostile, WRONG).await;
        let page = testkit::Form::of(&reply.text()).unwrap();
        assert_eq!(page.input("username"), Some(hostile), "{}", reply.text());
        assert_eq!(reply.text().matches("<script").count(), 0);
    }
    let mut hinted = Browser::at(&world, "first");
    let login = hinted.ask("spa", &[("login_hint", "\"><script>")]).await;
    assert_eq!(login.form().input("username"), Some("\"><script>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lc_18_however_often_an_answer_is_sent_there_is_one_code() {
    for on in [On::Memory, On::Sqlite] {
        let world = Arc::new(World::with_people(on).await);
        // 50 clicks on Accept, then 50 ways back from each of them.
        let mut browser = Browser::at(&world, "first");
        let login = browser.ask("spa", &[("response_type", "code")]).await;
        let consent = browser.log_in(&login, "ada", &password_of("first", "ada")).await;
        let path = consent.form().action;
        let cookies: Vec<_> = browser.cookies().iter().map(|c| format!("{}={}", c.name, c.value)).collect();
        let cookies = cookies.join("; ");
        let mut clicks = JoinSet::new();
        for _ in 0..50 {
            let (world, path, cookies) = (Arc::clone(&world), path.clone(), cookies.clone());
            clicks.spawn(async move {
                let accepted = world
                    .post("first", &path)
                    .header(header::COOKIE, &cookies)
                    .form(&[("action", "accept")])
                    .send()
                    .await;
                let back = accepted.header(header::LOCATION).to_owned();
                if !back.starts_with("/authorize/resume") {
                    return accepted;
                }
                world.get("first", &back).header(header::COOKIE, &cookies).send().await
            });
        }
        let seen = clicks.join_all().await;
        let codes: Vec<_> = seen
            .iter()
            .map(|reply| reply.header(header::LOCATION))
            .filter(|to| to.contains("code="))
            .collect();
        assert_eq!(codes.len(), 1, "{on:?} {codes:?}");
        for other in seen.iter().filter(|reply| reply.header(header::LOCATION).is_empty()) {
            assert_eq!(other.status, StatusCode::BAD_REQUEST, "{}", other.text());
        }
        // The pages that are left in the browser's history give nothing more.
        for page in [&login, &consent] {
            let typed = [("username", "ada"), ("password", &password_of("first", "ada"))];
            let button = if page.page() == "/u/login" { "default" } else { "accept" };
            let landed = browser.submit(page, button, &typed).await;
            assert_eq!(landed.error_page().0, 400);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tabs_of_one_session_renew_at_once() {
    for on in [On::Memory, On::Sqlite] {
        let world = Arc::new(World::with_people(on).await);
        let mut browser = Browser::at(&world, "first");
        for client in ["spa", "web"] {
            browser.obtain(client, &[("response_type", "code")]).await.field("code");
        }
        // Long enough that the session's next use is written down.
        world.moments().advance(86_400);
        let cookies: Vec<_> = browser.cookies().iter().map(|c| format!("{}={}", c.name, c.value)).collect();
        let cookies = cookies.join("; ");
        let mut tabs = JoinSet::new();
        for number in 0..60 {
            let (world, cookies) = (Arc::clone(&world), cookies.clone());
            tabs.spawn(async move {
                let client = if number % 2 == 0 { "spa" } else { "web" };
                let path = format!(
                    "/authorize?client_id={client}&response_type=code&prompt=none&scope=read&state=s\
                     &audience=https%3A%2F%2Fapi.example%2F&code_challenge={}&code_challenge_method=S256",
                    testkit::CHALLENGE
                );
                world.get("first", &path).header(header::COOKIE, &cookies).send().await
            });
        }
        let mut codes = std::collections::HashSet::new();
        for reply in tabs.join_all().await {
            let to = reply.header(header::LOCATION).to_owned();
            assert!(to.contains("?code="), "{on:?} {} {to} {}", reply.status, reply.text());
            assert!(codes.insert(to), "each its own");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_person_logs_in_in_many_browsers_at_once() {
    for on in [On::Memory, On::Sqlite] {
        let world = Arc::new(World::with_people(on).await);
        let forms = (0..10).map(|_| ("ada".to_owned(), password_of("first", "ada"))).collect();
        let seen = at_once(&world, forms).await;
        assert!(seen.iter().all(|status| *status == StatusCode::SEE_OTHER), "{on:?} {seen:?}");
    }
}

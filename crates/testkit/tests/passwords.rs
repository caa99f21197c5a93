//! The grants password and password-realm from outside (RFC 6749 §4.3; Auth0; threats TK-06, TK-07).

use authd::administration::clients::NewClient;
use http::header;
use records::{ApplicationType, EnabledClients, PasswordHash, SealedHash, TenantId};
use testkit::{Reply, World, on_each, password_of, user_id};

const API: &str = "https://api.example/";
const REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

async fn ask(world: &World, more: &[(&str, &str)]) -> Reply {
    let (secret, password) = (World::secret("first"), password_of("first", "ada"));
    let usual = [
        ("grant_type", "password"),
        ("client_id", "password"),
        ("client_secret", secret.as_str()),
        ("username", "ada@example.com"),
        ("password", password.as_str()),
        ("audience", API),
    ];
    let is_usual = |name: &str| more.iter().all(|(given, _)| *given != name);
    let mut sent: Vec<_> = usual.into_iter().filter(|(name, _)| is_usual(name)).collect();
    sent.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    world.post("first", "/oauth/token").form(&sent).send().await
}

fn is_refused(reply: &Reply, status: u16, error: &str) {
    let (found, name, description) = reply.error();
    assert_eq!((found, name.as_str()), (status, error), "{description}");
}

#[tokio::test]
async fn a_password_becomes_tokens() {
    on_each(async |world| {
        let reply = ask(&world, &[]).await;
        let claims = world.verified("first", &reply.access_token(), API).await;
        assert_eq!((&claims["sub"], &claims["gty"]), (&"auth0|ada".into(), &"password".into()));
        assert_eq!(claims["scope"].as_str().map(|s| s.contains("read") && s.contains("write")), Some(true));
        let narrow = ask(&world, &[("scope", "openid read")]).await;
        let claims = world.verified("first", &narrow.access_token(), API).await;
        assert_eq!(claims["scope"], "openid read");
        let id_token = narrow.json()["id_token"].as_str().map(str::to_owned).unwrap_or_default();
        let claims = world.identified("first", &id_token, "password", None).await;
        assert_eq!((&claims["sub"], claims.get("sid")), (&"auth0|ada".into(), None));

        let mere = ask(&world, &[("audience", ""), ("scope", "openid")]).await;
        let about = world.user_info("first", &mere.access_token()).await.json();
        assert_eq!(about["email"], "ada@example.com", "the whole profile where nothing else is named");
        for name in ["ada", "ADA", "Ada@Example.com"] {
            ask(&world, &[("username", name)]).await.access_token();
        }
    })
    .await;
}

#[tokio::test]
async fn lc_09_a_wrong_password_and_an_unknown_person_are_answered_alike() {
    on_each(async |world| {
        let mut seen = Vec::new();
        for (name, password) in [("ada", "wrong-password"), ("nobody", "wrong-password"), ("", "x")] {
            let reply = ask(&world, &[("username", name), ("password", password)]).await;
            if name.is_empty() {
                is_refused(&reply, 400, "invalid_request");
            } else {
                is_refused(&reply, 403, "invalid_grant");
                seen.push((reply.status, reply.headers.clone(), reply.body.clone()));
            }
        }
        assert_eq!(seen[0], seen[1]);
        world.change("first", "ada", |user| user.is_blocked = true).await;
        let reply = ask(&world, &[("password", "wrong-password")]).await;
        assert_eq!(seen[0].2, reply.body, "only who knows the password learns that she is blocked");
        is_refused(&ask(&world, &[]).await, 403, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn lc_14_a_backend_speaks_for_many_and_is_not_counted_by_its_address() {
    on_each(async |world| {
        for number in 0..101 {
            let name = format!("person-{number}");
            is_refused(&ask(&world, &[("username", &name), ("password", "x")]).await, 403, "invalid_grant");
        }
        ask(&world, &[]).await.access_token();
        for _ in 0..10 {
            is_refused(&ask(&world, &[("password", "wrong-password")]).await, 403, "invalid_grant");
        }
        let reply = ask(&world, &[]).await;
        is_refused(&reply, 429, "too_many_attempts");
        assert_eq!(reply.header(header::RETRY_AFTER), "60");
        is_refused(&ask(&world, &[("username", "ada")]).await, 403, "invalid_grant");
        is_refused(&ask(&world, &[("username", "eve")]).await, 403, "invalid_grant");
        ask(&world, &[("username", "bob"), ("password", &password_of("first", "bob"))]).await.access_token();

        // Whatever address it has, and no other application with it.
        let (secret, password) = (World::secret("first"), password_of("first", "ada"));
        let by = |client: &str| {
            let form = [
                ("grant_type", "password"),
                ("client_id", client),
                ("client_secret", &secret),
                ("username", "ada@example.com"),
                ("password", &password),
                ("audience", API),
            ];
            world.post("first", "/oauth/token").from("198.51.100.7").form(&form)
        };
        is_refused(&by("password").send().await, 429, "too_many_attempts");
        let other = NewClient::of_type(ApplicationType::RegularWeb, "Another old site");
        world.application("first", "other", other, "password").await;
        by("other").send().await.access_token();
    })
    .await;
}

#[tokio::test]
async fn lc_10_an_application_without_a_secret_is_counted_where_it_runs() {
    on_each(async |world| {
        let native = NewClient::of_type(ApplicationType::Native, "An old program");
        world.application("first", "native", native, "password").await;
        let right = password_of("first", "ada");
        let from = |address: &str, password: &str| {
            let form = [
                ("grant_type", "password"),
                ("client_id", "native"),
                ("username", "ada"),
                ("password", password),
                ("audience", API),
            ];
            world.post("first", "/oauth/token").from(address).form(&form)
        };
        for _ in 0..10 {
            is_refused(&from("192.0.2.1", "wrong-password").send().await, 403, "invalid_grant");
        }
        is_refused(&from("192.0.2.2", &right).send().await, 429, "too_many_attempts");
        from("198.51.100.7", &right).send().await.access_token();
    })
    .await;
}

#[tokio::test]
async fn the_realm_names_the_connection() {
    on_each(async |world| {
        world.connection("first", "Staff", EnabledClients::All).await;
        world.person("first", "Staff", "eve", "Eves-Password-of-the-staff").await;
        let eve = [("username", "eve"), ("password", "Eves-Password-of-the-staff")];
        is_refused(&ask(&world, &eve).await, 403, "invalid_grant");
        let with = |realm| [&eve[..], &[("grant_type", REALM), ("realm", realm)]].concat();
        let claims = world.verified("first", &ask(&world, &with("Staff")).await.access_token(), API).await;
        assert_eq!(claims["sub"], "auth0|eve");
        is_refused(&ask(&world, &with("Username-Password-Authentication")).await, 403, "invalid_grant");
        is_refused(&ask(&world, &[("grant_type", REALM)]).await, 400, "invalid_request");
        assert_ne!(ask(&world, &with("Nowhere")).await.status, 200);
        world.enable("first", "Staff", &["spa"]).await;
        assert_ne!(ask(&world, &with("Staff")).await.status, 200, "not through this application");
    })
    .await;
}

#[tokio::test]
async fn tk_06_tk_07_only_applications_that_may_get_tokens_for_passwords() {
    on_each(async |world| {
        let mut foreign = NewClient::of_type(ApplicationType::RegularWeb, "Somebody else's");
        foreign.is_first_party = false;
        world.application("first", "foreign", foreign, "password authorization_code").await;
        for client in ["web", "partner", "worker", "spa"] {
            let secret = World::secret("first");
            let secret = if client == "spa" { "" } else { &secret };
            let reply = ask(&world, &[("client_id", client), ("client_secret", secret)]).await;
            is_refused(&reply, 403, "unauthorized_client");
        }
        assert_eq!(ask(&world, &[("client_id", "foreign")]).await.status, 403);
        is_refused(&ask(&world, &[("grant_type", REALM), ("realm", "")]).await, 400, "invalid_request");
        is_refused(&ask(&world, &[("client_secret", "wrong-wrong-wrong-wrong")]).await, 401, "access_denied");
        let reply = ask(&world, &[("audience", "urn:nobodys")]).await;
        assert_ne!(reply.status, 200);
        assert_eq!(reply.header(header::CACHE_CONTROL), "no-store");
    })
    .await;
}

#[tokio::test]
async fn of_two_tenants_each_knows_its_own_passwords() {
    on_each(async |world| {
        let theirs = password_of("second", "ada");
        is_refused(&ask(&world, &[("password", &theirs)]).await, 403, "invalid_grant");
        world.settings("first", |settings| settings.default_directory = None).await;
        assert_ne!(ask(&world, &[]).await.status, 200, "no default directory");
    })
    .await;
}

#[tokio::test]
async fn who_has_a_hash_that_does_not_open_cannot_log_in_and_is_served_as_ever() {
    on_each(async |world| {
        world.change_api("first", API, |api| api.allow_offline_access = true).await;
        let new = NewClient::of_type(ApplicationType::RegularWeb, "An application on a phone");
        world.application("first", "mobile", new, "password refresh_token").await;
        let mobile = [("client_id", "mobile"), ("scope", "openid offline_access")];
        let tokens = ask(&world, &mobile).await.json();
        let refresh = async |token: &str| {
            let form = [
                ("grant_type", "refresh_token"),
                ("client_id", "mobile"),
                ("client_secret", &World::secret("first")),
                ("refresh_token", token),
            ];
            world.post("first", "/oauth/token").form(&form).send().await
        };
        // What a key sealed that is lost.
        let lost =
            || SealedHash::new(TenantId::parse("first").unwrap(), user_id("ada"), "s1.lost.AAAA".into());
        let mut before = None;
        world
            .change("first", "ada", |user| {
                before = user.password_hash.replace(PasswordHash::Sealed(lost()));
            })
            .await;
        for _ in 0..11 {
            is_refused(&ask(&world, &mobile).await, 503, "temporarily_unavailable");
        }
        let refreshed = refresh(tokens["refresh_token"].as_str().unwrap()).await;
        let about = world.user_info("first", &refreshed.access_token()).await;
        assert_eq!(about.json()["sub"], "auth0|ada");
        // She can be kept out all the same, and what is wrong with us is not counted against her.
        world.change("first", "ada", |user| user.is_blocked = true).await;
        let successor = refreshed.json()["refresh_token"].as_str().unwrap().to_owned();
        is_refused(&refresh(&successor).await, 403, "unauthorized");
        world
            .change("first", "ada", |user| {
                user.is_blocked = false;
                user.password_hash = before;
            })
            .await;
        ask(&world, &mobile).await.access_token();
    })
    .await;
}

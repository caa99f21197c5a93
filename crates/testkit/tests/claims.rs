//! The `claims` parameter from outside (OpenID Connect Core 1.0 §5.5).

use testkit::{Browser, World, on_each};

fn names(claims: &serde_json::Value) -> Vec<&str> {
    let mut names: Vec<_> = claims.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

async fn about(world: &World, token: &str) -> serde_json::Value {
    world.user_info("first", token).await.json()
}

const SINGLE: &str = r#"{"userinfo":{"email":null},"id_token":{"nickname":null}}"#;

#[tokio::test]
async fn rfc6749_3_3_a_scope_that_is_wider_than_the_request_is_named() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let wanted = [
            ("scope", "openid"),
            ("audience", "https://api.example/"),
            ("claims", SINGLE),
            ("response_type", "token id_token"),
        ];
        let landed = browser.obtain("spa", &wanted).await;
        // An API's token has no place for single claims: it gets the scopes that have them.
        assert_eq!(landed.field("scope"), "email openid profile");
        let told = about(&world, &landed.field("access_token")).await;
        assert!(names(&told).contains(&"email"), "{told}");
        let id_token = world.identified("first", &landed.field("id_token"), "spa", None).await;
        assert_eq!(id_token["nickname"], "ada");
        world.settings("first", |settings| settings.always_return_scope = false).await;
        let coded = browser.ask("spa", &[&wanted[..3], &[("response_type", "code")]].concat()).await;
        let reply = world.redeem("first", "spa", &coded.field("code"), &[]).await.json();
        assert_eq!(reply["scope"], "email openid profile");
    })
    .await;
}

#[tokio::test]
async fn ui_08_a_sealed_token_gives_the_single_claims_and_no_more() {
    on_each(async |world| {
        let mut browser = Browser::at(&world, "first");
        let wanted =
            [("scope", "openid"), ("audience", ""), ("claims", SINGLE), ("response_type", "token id_token")];
        let landed = browser.obtain("spa", &wanted).await;
        let told = about(&world, &landed.field("access_token")).await;
        assert_eq!(names(&told), ["email", "sub"], "{told}");
        let id_token = world.identified("first", &landed.field("id_token"), "spa", None).await;
        assert_eq!(id_token["nickname"], "ada");
        assert!(id_token.get("name").is_none() && id_token.get("email").is_none(), "{id_token}");
        let coded = browser.ask("spa", &[&wanted[..3], &[("response_type", "code")]].concat()).await;
        let reply = world.redeem("first", "spa", &coded.field("code"), &[]).await.json();
        assert_eq!(reply["scope"], "openid");
        let told = about(&world, reply["access_token"].as_str().unwrap_or_default()).await;
        assert_eq!(names(&told), ["email", "sub"], "{told}");
    })
    .await;
}

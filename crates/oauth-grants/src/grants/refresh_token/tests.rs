//! What becomes of a refresh token, rule by rule, on a fake clock.

use records::{Connection, SecretDigest, UserGrant, Version};

use super::*;
use crate::client_auth::{Presented, authenticate};
use crate::fixtures::{NOW, digest_key, moment, origin, resource_server, user};

/// Everything that a decision reads, to be changed by a test.
struct Scene {
    client: Client,
    family: RefreshFamily,
    token: RefreshToken,
    user: Option<User>,
    api: Option<ResourceServer>,
    consent: bool,
    user_grant: Option<UserGrant>,
    home: Option<Connection>,
    settings: TenantSettings,
    origin: Origin,
    now: u64,
}

fn keys() -> RefreshKeys {
    RefreshKeys::new(&[1; 32], &[2; 32])
}

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn seed(number: u8) -> Moment {
    Moment::new(NOW, [number; 32])
}

impl Scene {
    fn new() -> Self {
        let client = Client {
            grant_types: vec![GrantType::RefreshToken],
            refresh_token_leeway: Lifetime(10),
            refresh_token_lifetime: Some(Lifetime(10_000)),
            refresh_token_idle_lifetime: Some(Lifetime(1000)),
            ..crate::fixtures::public_client()
        };
        let api = ResourceServer { allow_offline_access: true, ..resource_server() };
        let login = Login {
            client: &client,
            user: &user().id,
            audience: &Audience::Api(api.id.clone()),
            scopes: &scopes("geocode offline_access openid"),
            redirect_uri: Some("https://app.example/"),
            origin: &origin(),
            session: None,
            authenticated_at: UnixTime(NOW.0 - 5),
            methods: &[AuthenticationMethod::Password],
            names_auth_time: true,
            claims: None,
        };
        let begun = begin(&login, NewFamily { keys: &keys(), oldest: None }, &moment()).unwrap().unwrap();
        let [Write::CreateRefreshFamily(family)] = &begun.writes[..] else { panic!("one family is made") };
        let token = RefreshToken::parse(begun.text.expose(), &keys()).unwrap();
        Self {
            family: family.clone(),
            client,
            token,
            user: Some(user()),
            api: Some(api),
            consent: true,
            user_grant: None,
            home: Some(Connection {
                name: user().connection,
                enabled_clients: records::EnabledClients::All,
                created_at: UnixTime(0),
            }),
            settings: TenantSettings::default(),
            origin: origin(),
            now: NOW.0,
        }
    }

    /// Presents a token `after` seconds later with this randomness; takes over what is written.
    fn present(
        &mut self,
        token: &RefreshToken,
        after: u64,
        randomness: u8,
        scope: Option<&str>,
    ) -> Result<Got, String> {
        self.now += after;
        let id = format!("client_id={}", self.client.id);
        let params = Params::from_form(id.as_bytes()).unwrap();
        let presented = Presented::parse(std::iter::empty(), &params).unwrap();
        let family = Versioned { record: self.family.clone(), version: Version(1) };
        let user = self.user.clone().map(|record| Versioned { record, version: Version(2) });
        let grant = self.user_grant.clone().map(|record| Versioned { record, version: Version(3) });
        let key = digest_key();
        let keys = keys();
        let facts = Facts {
            client: authenticate(&presented, Some(&self.client), &key, NOW).unwrap(),
            token: Some(token),
            family: Some(&family),
            still: StillFacts {
                user: user.as_ref(),
                api: self.api.as_ref(),
                client_grant: None,
                home: self.home.as_ref(),
                user_grant: grant.as_ref(),
                consent_still_holds: self.consent,
            },
            settings: &self.settings,
            origin: &self.origin,
            keys: &keys,
        };
        let text = token.to_text(&keys);
        let request = Request { refresh_token: text.expose(), scope: scope.map(scopes), audience: None };
        let moment = Moment::new(UnixTime(self.now), [randomness; 32]);
        let Decision { writes, outcome } = decide(&request, facts, &moment);
        let ended = writes.iter().any(|write| matches!(write, Write::EndRefreshFamily(_)));
        let result = match outcome {
            Outcome::Granted(tokens) => Ok(Got {
                token: tokens.refresh_token.map(|text| RefreshToken::parse(text.expose(), &keys).unwrap()),
                scope: tokens.access_token.scope().to_string(),
                auth_time: tokens.id_token.as_ref().and_then(|token| token.auth_time),
                relies_on: writes.iter().map(relied_on).collect(),
                rotated: writes.iter().any(|write| matches!(write, Write::ReplaceRefreshFamily(..))),
            }),
            Outcome::Refused(error) if ended => Err(format!("{} and the family ended", error.kind().name())),
            Outcome::Refused(error) => Err(error.kind().name().to_owned()),
        };
        for write in writes {
            if let Write::ReplaceRefreshFamily(next) = write {
                self.family = next.record;
            }
        }
        result
    }
}

/// On what a write relies, with the version at which it was read in these tests.
fn relied_on(write: &Write) -> &'static str {
    match write {
        Write::ReplaceRefreshFamily(next) if next.version == Version(1) => "family",
        Write::RelyOnRefreshFamily(old) if old.version == Version(1) => "family",
        Write::RelyOnUser(user) if user.version == Version(2) => "person",
        Write::RelyOnUserGrant(grant) if grant.version == Version(3) => "consent",
        _ => "something else",
    }
}

#[derive(Debug)]
struct Got {
    token: Option<RefreshToken>,
    scope: String,
    auth_time: Option<UnixTime>,
    rotated: bool,
    /// What the decision relies on.
    relies_on: Vec<&'static str>,
}

#[test]
fn a_rotation_gives_a_successor_and_keeps_what_was_granted_at_login() {
    let mut scene = Scene::new();
    let first = scene.token.clone();
    let got = scene.present(&first, 100, 1, None).unwrap();
    assert_eq!(got.scope, "geocode offline_access openid");
    assert_eq!(got.auth_time, Some(UnixTime(NOW.0 - 5)), "auth_time is the login's");
    let second = got.token.unwrap();
    assert_eq!((second.generation(), scene.family.generation), (1, 1));
    assert_eq!(second.family(), first.family());
    assert!(scene.present(&second, 100, 2, None).is_ok());
    assert_eq!(scene.family.expires_at, Some(UnixTime(NOW.0 + 10_000)), "fixed at login");
}

#[test]
fn rt_18_a_lost_answer_is_given_again_and_never_another_branch() {
    let mut scene = Scene::new();
    let first = scene.token.clone();
    let second = scene.present(&first, 0, 1, None).unwrap().token.unwrap();
    for randomness in 2..6 {
        let again = scene.present(&first, 2, randomness, None).unwrap();
        assert!(again.token.is_some_and(|token| token == second), "the same successor");
        assert!(!again.rotated);
    }
    assert_eq!(scene.family.generation, 1);
    assert!(scene.present(&second, 0, 7, None).is_ok(), "and it works");
    assert_eq!(
        scene.present(&first, 0, 8, None).unwrap_err(),
        "reused_refresh_token and the family ended",
        "RT-04"
    );
}

#[test]
fn rt_01_after_the_leeway_and_without_one_a_used_token_ends_the_family() {
    let mut scene = Scene::new();
    let first = scene.token.clone();
    scene.present(&first, 0, 1, None).unwrap();
    assert!(scene.present(&first, 10, 2, None).is_ok(), "the last second of the leeway");
    assert_eq!(scene.present(&first, 1, 2, None).unwrap_err(), "reused_refresh_token and the family ended");
    let mut strict = Scene::new();
    strict.client.refresh_token_leeway = Lifetime(0);
    let first = strict.token.clone();
    strict.present(&first, 0, 1, None).unwrap();
    assert_eq!(strict.present(&first, 0, 2, None).unwrap_err(), "reused_refresh_token and the family ended");
}

#[test]
fn rt_04_rt_06_generations_count_not_time() {
    let mut scene = Scene::new();
    let mut tokens = vec![scene.token.clone()];
    for randomness in 1..6 {
        let next =
            scene.present(&tokens[tokens.len() - 1].clone(), 0, randomness, None).unwrap().token.unwrap();
        tokens.push(next);
    }
    let family = scene.family.clone();
    for old in &tokens[..4] {
        scene.family = family.clone();
        assert_eq!(scene.present(old, 0, 9, None).unwrap_err(), "reused_refresh_token and the family ended");
    }
    scene.family = family;
    assert!(scene.present(&tokens[4].clone(), 0, 9, None).is_ok(), "the one before, within the leeway");
}

#[test]
fn a_token_of_a_later_time_than_the_database_is_refused() {
    let mut scene = Scene::new();
    let first = scene.token.clone();
    let backup = scene.family.clone();
    let second = scene.present(&first, 0, 1, None).unwrap().token.unwrap();
    scene.family = backup;
    assert_eq!(scene.present(&second, 0, 2, None).unwrap_err(), "refresh_token_from_the_future");
    let other = scene.present(&first, 0, 3, None).unwrap().token.unwrap();
    assert_eq!(scene.present(&second, 0, 4, None).unwrap_err(), "not_the_present_refresh_token");
    assert!(scene.present(&other, 0, 5, None).is_ok());
}

#[test]
fn rt_11_absolute_and_idle_ends() {
    let mut scene = Scene::new();
    let first = scene.token.clone();
    assert_eq!(
        scene.present(&first, 1000, 1, None).unwrap_err(),
        "expired_refresh_token",
        "unused for too long"
    );
    let mut scene = Scene::new();
    let mut token = scene.token.clone();
    for step in 0..11 {
        match scene.present(&token, 990, step, None) {
            Ok(got) => token = got.token.unwrap(),
            Err(error) => {
                assert_eq!((step, error.as_str()), (10, "expired_refresh_token"), "used all the time");
                return;
            }
        }
    }
    panic!("it never ended");
}

#[test]
fn rt_11_a_family_without_an_end_gets_one_at_its_next_use_and_no_later_use_moves_it() {
    for rotation in [RotationType::Rotating, RotationType::NonRotating] {
        let mut scene = Scene::new();
        scene.client.refresh_token_rotation = rotation;
        (scene.family.expires_at, scene.family.idle_expires_at) = (None, None);
        (scene.client.refresh_token_lifetime, scene.client.refresh_token_idle_lifetime) = (None, None);
        let first = scene.token.clone();
        let mut token = scene.present(&first, 1_000_000, 1, None).unwrap().token.unwrap_or(first);
        assert_eq!(scene.family.expires_at, None);
        scene.client.refresh_token_lifetime = Some(Lifetime(10_000));
        token = scene.present(&token.clone(), 1, 2, None).unwrap().token.unwrap_or(token);
        assert_eq!(scene.family.expires_at, Some(UnixTime(NOW.0 + 1_010_001)), "{rotation:?}");
        scene.client.refresh_token_idle_lifetime = Some(Lifetime(1000));
        token = scene.present(&token.clone(), 1, 3, None).unwrap().token.unwrap_or(token);
        assert_eq!(scene.family.expires_at, Some(UnixTime(NOW.0 + 1_010_001)), "{rotation:?}");
        assert_eq!(scene.family.idle_expires_at, Some(UnixTime(NOW.0 + 1_001_002)), "{rotation:?}");
        assert_eq!(scene.present(&token, 1000, 4, None).unwrap_err(), "expired_refresh_token");
    }
}

#[test]
fn rt_08_rt_12_what_was_withdrawn_gives_nothing_and_the_family_stays() {
    let refused = |change: &dyn Fn(&mut Scene)| {
        let mut scene = Scene::new();
        change(&mut scene);
        let first = scene.token.clone();
        scene.present(&first, 0, 1, None).unwrap_err()
    };
    assert_eq!(refused(&|scene| scene.user = None), "user_of_refresh_token_gone");
    assert_eq!(refused(&|scene| scene.user.as_mut().unwrap().is_blocked = true), "user_blocked");
    assert_eq!(refused(&|scene| scene.api = None), "api_of_refresh_token_gone");
    assert_eq!(
        refused(&|scene| scene.api.as_mut().unwrap().allow_offline_access = false),
        "offline_access_withdrawn"
    );
    assert_eq!(refused(&|scene| scene.home = None), "connection_of_refresh_token_disabled");
    let nobodys = |scene: &mut Scene| {
        scene.home.as_mut().unwrap().enabled_clients = records::EnabledClients::Only(Vec::new());
    };
    assert_eq!(refused(&nobodys), "connection_of_refresh_token_disabled");
    assert_eq!(
        refused(&|scene| scene.user.as_mut().unwrap().credentials_changed_at = NOW),
        "credentials_of_refresh_token_changed",
        "LC-08"
    );
    assert_eq!(
        refused(&|scene| scene.client.created_at = UnixTime(NOW.0 + 1)),
        "refresh_token_of_an_earlier_one",
        "of an earlier client of the same id"
    );
    assert_eq!(
        refused(&|scene| scene.api.as_mut().unwrap().user_policy = records::UserPolicy::RequireClientGrant),
        "client_of_refresh_token_not_authorized",
        "the client grant is a ceiling"
    );
    assert_eq!(refused(&|scene| scene.consent = false), "consent_of_refresh_token_withdrawn");
    assert_eq!(refused(&|scene| scene.client.grant_types.clear()), "grant_type_not_allowed");
    let another = records::ClientId::parse("another").unwrap();
    assert_eq!(refused(&|scene| scene.family.client = another.clone()), "refresh_token_of_another_client");
    assert_eq!(
        refused(&|scene| scene.origin = Origin::parse("http://localhost:8080").unwrap()),
        "refresh_token_of_another_origin"
    );
    assert_eq!(
        refused(&|scene| scene.family.current = SecretDigest([0; 32])),
        "not_the_present_refresh_token"
    );
}

#[test]
fn rt_09_scopes_narrow_and_never_widen() {
    let mut scene = Scene::new();
    let first = scene.token.clone();
    let got = scene.present(&first, 0, 1, Some("geocode admin")).unwrap();
    assert_eq!(got.scope, "geocode");
    let again = scene.present(&got.token.unwrap(), 0, 2, None).unwrap();
    assert_eq!(again.scope, "geocode offline_access openid", "the next one may have all again");
    scene.settings.error_profile = ErrorProfile::Rfc6749;
    let token = again.token.unwrap();
    assert_eq!(scene.present(&token, 0, 3, Some("geocode admin")).unwrap_err(), "scopes_not_granted");
    assert!(scene.present(&token, 0, 4, Some("geocode")).is_ok(), "a refusal used nothing up");
}

#[test]
fn rt_12_a_scope_that_the_api_defines_no_more_is_given_no_more() {
    let mut scene = Scene::new();
    scene.api.as_mut().unwrap().scopes.clear();
    let first = scene.token.clone();
    assert_eq!(scene.present(&first, 0, 1, None).unwrap().scope, "offline_access openid");
}

#[test]
fn a_token_that_does_not_rotate_stays_good_and_is_noted_now_and_then() {
    let mut scene = Scene::new();
    scene.client.refresh_token_rotation = RotationType::NonRotating;
    scene.client.refresh_token_idle_lifetime = Some(Lifetime(1000));
    let first = scene.token.clone();
    let got = scene.present(&first, 10, 1, None).unwrap();
    assert!(got.token.is_none() && !got.rotated, "nothing is written");
    let got = scene.present(&first, 50, 2, None).unwrap();
    assert!(got.token.is_none() && got.rotated, "a twentieth of the idle lifetime later it is");
    assert_eq!(scene.family.idle_expires_at, Some(UnixTime(NOW.0 + 1060)));
    assert_eq!(scene.family.generation, 0);
    scene.client.refresh_token_rotation = RotationType::Rotating;
    assert!(scene.present(&first, 1, 3, None).unwrap().token.is_some(), "from now on it rotates");
}

#[test]
fn rt_07_rt_12_whatever_is_given_relies_on_family_person_and_consent_as_they_were_read() {
    let mut scene = Scene::new();
    scene.user_grant = Some(UserGrant {
        id: records::UserGrantId::parse("g1").unwrap(),
        user: user().id,
        client: scene.client.id.clone(),
        audience: Audience::Api(resource_server().id),
        scopes: scopes("geocode offline_access openid"),
        left_out: ScopeSet::default(),
        created_at: NOW,
        updated_at: NOW,
    });
    let all = ["family", "person", "consent"];
    let first = scene.token.clone();
    let rotated = scene.present(&first, 0, 1, None).unwrap();
    assert_eq!(rotated.relies_on, all, "a rotation");
    assert_eq!(
        scene.present(&first, 1, 2, None).unwrap().relies_on,
        all,
        "a lost answer that is given again"
    );
    scene.client.refresh_token_rotation = RotationType::NonRotating;
    let second = rotated.token.unwrap();
    let stays = scene.present(&second, 1, 3, None).unwrap();
    assert!(!stays.rotated);
    assert_eq!(stays.relies_on, all, "a token that stays good");
    assert_eq!(scene.present(&second, 100, 4, None).unwrap().relies_on, all, "and is noted");
}

#[test]
fn rt_17_no_family_without_offline_access_and_the_oldest_leaves() {
    let scene = Scene::new();
    let oldest = Versioned { record: scene.family.clone(), version: Version(9) };
    let begin_with = |text: &str| {
        let login = Login {
            client: &scene.client,
            user: &user().id,
            audience: &Audience::UserInfo,
            scopes: &scopes(text),
            redirect_uri: None,
            origin: &origin(),
            session: None,
            authenticated_at: NOW,
            methods: &[],
            names_auth_time: false,
            claims: None,
        };
        begin(&login, NewFamily { keys: &keys(), oldest: Some(&oldest) }, &seed(3)).unwrap()
    };
    assert!(begin_with("openid geocode").is_none());
    let begun = begin_with("openid offline_access").unwrap();
    assert!(matches!(&begun.writes[..], [Write::CreateRefreshFamily(_), Write::DeleteRefreshFamily(_)]));
}

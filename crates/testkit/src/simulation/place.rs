//! Where everything happens: two tenants, two people, three applications, and one API.

use std::sync::OnceLock;

use authd::administration::clients::NewClient;
use authd::backend::OtherBackend;
use records::{
    ApplicationType, Lifetime, RotationType, SecretText, SigningAlgorithm, ThirdPartySecurityMode,
};

use super::dice::Dice;
use super::disk::Disk;
use super::storage::Storage;
use crate::people::CONNECTION;
use crate::{TENANTS, World, password_of};

/// The people, the same in both tenants.
pub(super) const PEOPLE: [&str; 2] = ["ada", "bob"];
/// The API that all tokens are for.
pub(super) const API: &str = "https://api.example/";
/// The scopes that every request asks for.
pub(super) const SCOPE: &str = "read offline_access";
/// How long an access token lives.
pub(super) const TOKEN_LIFETIME: u64 = 600;
/// How long a session lives, and how long unused.
pub(super) const SESSION: (u64, u64) = (7200, 1200);
/// How long a code may be redeemed.
pub(super) const CODE_LIFETIME: u64 = 60;
/// How long after its end a code may be forgotten at the earliest.
pub(super) const CODE_REMEMBERED: u64 = 3600;
/// The signing secret of the API.
pub(super) const API_SECRET: &str = "the-secret-that-api-and-server-share-0123456789";

/// An application.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) id: &'static str,
    pub(super) is_confidential: bool,
    pub(super) is_third_party: bool,
    pub(super) rotates: bool,
    /// How long a token that was rotated is answered with its successor.
    pub(super) leeway: u64,
    /// How long a refresh family lives.
    pub(super) lifetime: u64,
    /// How long it lives unused.
    pub(super) idle: u64,
}

/// The applications, the same in both tenants.
pub(super) const APPLICATIONS: [Application; 3] = [
    Application {
        id: "spa",
        is_confidential: false,
        is_third_party: false,
        rotates: true,
        leeway: 10,
        lifetime: 3600,
        idle: 900,
    },
    Application {
        id: "web",
        is_confidential: true,
        is_third_party: false,
        rotates: false,
        leeway: 0,
        lifetime: 3600,
        idle: 1000,
    },
    Application {
        id: "partner",
        is_confidential: true,
        is_third_party: true,
        rotates: true,
        leeway: 0,
        lifetime: 1800,
        idle: 1200,
    },
];

/// The place as every run finds it. It is made once in a process: its keys are drawn, and nothing that happens later
/// depends on which they are.
pub(super) fn beginning() -> &'static Disk {
    static BEGINNING: OnceLock<Disk> = OnceLock::new();
    BEGINNING.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime starts").block_on(build())
    })
}

/// Makes the place anew.
pub(super) async fn build() -> Disk {
    let storage = Storage::on(Disk::default(), Dice::of(0), None);
    let world = World::over(OtherBackend::new(storage.clone())).await;
    for (tenant, _) in TENANTS {
        world
            .settings(tenant, |settings| {
                settings.session_lifetime = Lifetime(SESSION.0 as u32);
                settings.idle_session_lifetime = Lifetime(SESSION.1 as u32);
            })
            .await;
        world
            .change_api(tenant, API, |api| {
                api.allow_offline_access = true;
                api.skip_consent_for_verifiable_first_party_clients = true;
                api.token_lifetime = Lifetime(TOKEN_LIFETIME as u32);
                api.token_lifetime_for_web = Lifetime(TOKEN_LIFETIME as u32);
                // A signature costs a thousandth of an RSA one: the steps are for what is decided.
                api.signing_algorithm = SigningAlgorithm::Hs256;
                api.signing_secret = Some(SecretText::new(API_SECRET.to_owned()));
            })
            .await;
        for name in PEOPLE {
            world.person(tenant, CONNECTION, name, &password_of(tenant, name)).await;
        }
        for application in &APPLICATIONS {
            let application_type = if application.is_confidential {
                ApplicationType::RegularWeb
            } else {
                ApplicationType::SinglePage
            };
            let mut new = NewClient::of_type(application_type, "An application");
            new.is_first_party = !application.is_third_party;
            new.third_party_security_mode = ThirdPartySecurityMode::Permissive;
            new.refresh_token_rotation =
                if application.rotates { RotationType::Rotating } else { RotationType::NonRotating };
            new.refresh_token_leeway = Lifetime(application.leeway as u32);
            new.refresh_token_lifetime = Some(Lifetime(application.lifetime as u32));
            new.refresh_token_idle_lifetime = Some(Lifetime(application.idle as u32));
            world.application(tenant, application.id, new, "authorization_code refresh_token").await;
        }
    }
    storage.copy()
}

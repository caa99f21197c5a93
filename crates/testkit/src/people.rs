//! The people of each tenant, and the applications through which they come.

use argon2::{Algorithm, Argon2, Params, Version};
use authd::administration::clients::NewClient;
use authd::administration::connections;
use authd::administration::resource_servers;
use authd::administration::tenants;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header;
use records::{
    AdministrativeConsent, ApplicationType, Connection, ConnectionName, ConsentFor, ConsentRule, Email,
    EnabledClients, GrantType, LoginName, PasswordHash, Profile, ScopeSet, SecretText, TenantId,
    ThirdPartySecurityMode, UnixTime, User, UserId, Username, Versioned, Write,
};

use crate::world::secret_of;
use crate::{Reply, TENANTS, World};

/// RFC 7636 Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 Appendix B.
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Where people are known.
pub(crate) const CONNECTION: &str = "Username-Password-Authentication";

/// The password of `ada@example.com`, which differs by tenant, or of `bob@example.com`, which does not.
pub fn password_of(tenant: &str, name: &str) -> String {
    match name {
        "ada" => format!("Adas-Engine-of-{tenant}-1843"),
        other => format!("The-Own-Password-of-{other}-9"),
    }
}

/// The `sub` of a person. The same in both tenants, so that a mix-up cannot go unseen.
pub fn user_id(name: &str) -> UserId {
    UserId::parse(&format!("auth0|{name}")).unwrap()
}

/// The callback of an application.
pub fn callback_of(client_id: &str) -> String {
    format!("https://{client_id}.example/callback")
}

/// A hash that costs nothing: the cost of real ones is argon2's own business.
fn hash(password: &str, name: &str) -> SecretText {
    let params = Params::new(8, 1, 1, Some(32)).unwrap();
    let salt = format!("salt-of-{name:_>8}");
    let mut out = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt.as_bytes(), &mut out)
        .unwrap();
    let (salt, out) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(out));
    SecretText::new(format!("$argon2id$v=19$m=8,t=1,p=1${salt}${out}"))
}

impl World {
    /// A world with people: in each tenant `ada@example.com` (username `ada`) and `bob@example.com`, known by the
    /// default directory, and the applications `spa` (public), `web` (confidential), `partner` (a third party's,
    /// permissive), `stranger` (a third party's, strict) and `password`. Consent has not been given.
    pub async fn with_people(on: crate::On) -> Self {
        let world = Self::new(on).await;
        for (tenant, _) in TENANTS {
            for name in ["ada", "bob"] {
                world.person(tenant, CONNECTION, name, &password_of(tenant, name)).await;
            }
            let spa = NewClient::of_type(ApplicationType::SinglePage, "A page");
            world.application(tenant, "spa", spa, "authorization_code implicit refresh_token").await;
            let web = NewClient::of_type(ApplicationType::RegularWeb, "A site");
            world.application(tenant, "web", web, "authorization_code implicit refresh_token").await;
            for (id, mode) in [
                ("partner", ThirdPartySecurityMode::Permissive),
                ("stranger", ThirdPartySecurityMode::Strict),
            ] {
                let mut new = NewClient::of_type(ApplicationType::RegularWeb, "Somebody else's site");
                new.is_first_party = false;
                new.third_party_security_mode = mode;
                world.application(tenant, id, new, "authorization_code implicit refresh_token").await;
            }
            let password = NewClient::of_type(ApplicationType::RegularWeb, "An old site");
            let grants = "password http://auth0.com/oauth/grant-type/password-realm";
            world.application(tenant, "password", password, grants).await;
        }
        world
    }

    /// Registers an application with these grant types, one callback, that callback's origin as a web origin, and the
    /// tenant's secret if it keeps one.
    pub async fn application(&self, tenant: &str, client_id: &str, mut new: NewClient, grants: &str) {
        let grants = grants.split(' ').map(|name| GrantType::from_name(name).expect("a grant type"));
        new.grant_types = Some(grants.collect());
        if new.callbacks.is_empty() {
            new.callbacks = vec![callback_of(client_id)];
            new.web_origins = vec![format!("https://{client_id}.example")];
        }
        if !matches!(new.application_type, ApplicationType::SinglePage | ApplicationType::Native) {
            new.secret = Some(SecretText::new(secret_of(tenant)));
        }
        self.client(tenant, client_id, new).await;
    }

    /// Redeems a code as an application would: with its callback and, if it keeps one, its secret, and the verifier.
    /// What is given here is added or takes the usual value's place; what is given empty is left out.
    pub async fn redeem(&self, tenant: &str, client_id: &str, code: &str, more: &[(&str, &str)]) -> Reply {
        let (callback, secret) = (callback_of(client_id), secret_of(tenant));
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("client_secret", if client_id == "spa" { "" } else { &secret }),
            ("redirect_uri", &callback),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        let is_usual = |name: &str| more.iter().all(|(given, _)| *given != name);
        let mut sent: Vec<_> = usual.into_iter().filter(|(name, _)| is_usual(name)).collect();
        sent.extend(more);
        sent.retain(|(_, value)| !value.is_empty());
        self.post(tenant, "/oauth/token").form(&sent).send().await
    }

    /// What the userinfo endpoint says to a token.
    pub async fn user_info(&self, tenant: &str, token: &str) -> Reply {
        let request = self.get(tenant, "/userinfo");
        request.header(header::AUTHORIZATION, &format!("Bearer {token}")).send().await
    }

    /// Makes a connection.
    pub async fn connection(&self, tenant: &str, name: &str, enabled_clients: EnabledClients) {
        let name = ConnectionName::parse(name).unwrap();
        connections::create(&self.store(tenant), &name, enabled_clients, self.moments()).await.unwrap();
    }

    /// Lets a connection's people in through these applications alone.
    pub async fn enable(&self, tenant: &str, connection: &str, clients: &[&str]) {
        let store = self.store(tenant);
        let present = store.connection(&ConnectionName::parse(connection).unwrap()).await.unwrap().unwrap();
        let clients = clients.iter().map(|id| records::ClientId::parse(id).unwrap()).collect();
        let next = Connection { enabled_clients: EnabledClients::Only(clients), ..present.record.clone() };
        store.commit(vec![Write::ReplaceConnection((*present).clone(), next)]).await.unwrap();
    }

    /// Makes somebody whose address is `NAME@example.com` and whose username is `NAME`.
    pub async fn person(&self, tenant: &str, connection: &str, name: &str, password: &str) {
        let store = self.store(tenant);
        let connection = ConnectionName::parse(connection).unwrap();
        let user = User {
            id: user_id(name),
            connection: connection.clone(),
            email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
            email_verified: true,
            username: Some(Username::parse(name).unwrap()),
            password_hash: Some(PasswordHash::New(hash(password, name))),
            profile: Profile {
                name: Some(format!("{name} of {tenant}")),
                nickname: Some(name.to_owned()),
                phone_number: Some("+44 20 7946 0958".to_owned()),
                ..Profile::default()
            },
            credentials_changed_at: UnixTime(0),
            is_blocked: false,
            created_at: self.moments().now(),
            updated_at: UnixTime(1_700_000_000),
        };
        for _ in 0..8 {
            let present = store.connection(&connection).await.unwrap().unwrap();
            let write = Write::CreateUser(user.clone(), (*present).clone());
            if store.commit(vec![write]).await.is_ok() {
                return;
            }
        }
        panic!("{name} could not be made");
    }

    /// A person's record.
    pub async fn find(&self, tenant: &str, name: &str) -> Versioned<User> {
        let connection = ConnectionName::parse(CONNECTION).unwrap();
        let login = LoginName::typed(name).unwrap();
        self.store(tenant).user_by_login(&connection, &login).await.unwrap().expect("there is such a person")
    }

    /// Changes a person's record.
    pub async fn change(&self, tenant: &str, name: &str, change: impl FnOnce(&mut User)) {
        let present = self.find(tenant, name).await;
        let mut next = present.record.clone();
        change(&mut next);
        self.store(tenant).commit(vec![Write::ReplaceUser(present, next)]).await.unwrap();
    }

    /// Removes a person, and nothing else of theirs.
    pub async fn remove(&self, tenant: &str, name: &str) {
        let present = self.find(tenant, name).await;
        self.store(tenant).commit(vec![Write::DeleteUser(present)]).await.unwrap();
    }

    /// Removes an application that has no client grant.
    pub async fn unregister(&self, tenant: &str, client_id: &str) {
        let store = self.store(tenant);
        let id = records::ClientId::parse(client_id).unwrap();
        let present = store.client_uncached(&id).await.unwrap().unwrap();
        store.commit(vec![Write::DeleteClient((*present).clone())]).await.unwrap();
    }

    /// Consents in people's place.
    pub async fn consent(&self, tenant: &str, client_id: &str, api: &str, rules: &[(ConsentFor, &str)]) {
        let store = self.store(tenant);
        let id = records::ClientId::parse(client_id).unwrap();
        let client = store.client_uncached(&id).await.unwrap().unwrap();
        let api = resource_servers::find(&store, api).await.unwrap();
        let rule = |(users, scopes): &(ConsentFor, &str)| ConsentRule {
            users: users.clone(),
            scopes: ScopeSet::parse(scopes).unwrap(),
        };
        let consent = AdministrativeConsent {
            client: id,
            resource_server: api.record.id.clone(),
            rules: rules.iter().map(rule).collect(),
            created_at: self.moments().now(),
            updated_at: self.moments().now(),
        };
        let write = Write::CreateAdministrativeConsent {
            consent,
            client: (*client).clone(),
            resource_server: (*api).clone(),
        };
        store.commit(vec![write]).await.unwrap();
    }

    /// Changes an API.
    pub async fn change_api(
        &self,
        tenant: &str,
        identifier: &str,
        change: impl FnOnce(&mut records::ResourceServer),
    ) {
        let store = self.store(tenant);
        let present = resource_servers::find(&store, identifier).await.unwrap();
        let mut next = present.record.clone();
        change(&mut next);
        store.commit(vec![Write::ReplaceResourceServer((*present).clone(), next)]).await.unwrap();
    }

    /// Gives a tenant a second origin, its old one staying the first.
    pub async fn also_at(&self, tenant: &str, origin: &str) {
        let id = TenantId::parse(tenant).unwrap();
        let origin = records::Origin::parse(origin).unwrap();
        tenants::update(self.app().stores(), &id, |mut present| {
            present.origins.push(origin.clone());
            Ok(present)
        })
        .await
        .unwrap();
    }
}

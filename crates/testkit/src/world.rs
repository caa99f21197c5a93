//! The world: one server, two tenants, a fake clock.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use authd::administration::client_grants::{self, Granted};
use authd::administration::clients::{self, NewClient};
use authd::administration::resource_servers::{self, NewResourceServer};
use authd::administration::tenants;
use authd::app::App;
use authd::backend::{AnyBackend, AnyStore, AnyStores, OtherBackend};
use authd::http::limits::Limits;
use authd::keys::secret_digest_key;
use http::Method;
use records::{
    ApiScope, ApplicationType, ClientId, Origin, ResourceServer, ScopeSet, ScopeToken, SecretText,
    SubjectType, TenantId, TenantSettings, UnixTime,
};
use store::{MemoryBackend, Sealer, SealingKeys, Stores};
use store_postgres::{IfEmpty, Postgres, Settings};
use store_sqlite::Sqlite;

use crate::database::Server;
use crate::{Send, TestMoments};

/// The two tenants and where they answer. Both hold the same names, so that a mix-up cannot go unseen.
pub const TENANTS: [(&str, &str); 2] =
    [("first", "https://first.example/"), ("second", "https://second.example/")];

/// When every world begins: 2026-01-01T00:00:00Z.
pub(crate) const BEGINNING: UnixTime = UnixTime(1_767_225_600);

/// The backend that a world runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// In memory.
    Memory,
    /// SQLite, in a temporary directory.
    Sqlite,
    /// PostgreSQL: a database of its own on a server that the worlds of a process share.
    Postgres,
}

/// Where a world's records are, as long as somebody holds it.
#[derive(Clone, Debug)]
enum Place {
    Memory(MemoryBackend),
    Sqlite(Arc<tempfile::TempDir>),
    /// A database of this name.
    Postgres(Arc<Server>, String),
    /// A backend of the caller's.
    Other(OtherBackend),
}

impl Place {
    fn of(on: On) -> Self {
        match on {
            On::Memory => Self::Memory(MemoryBackend::default()),
            On::Sqlite => {
                Self::Sqlite(Arc::new(tempfile::tempdir().expect("there is a temporary directory")))
            }
            On::Postgres => {
                let server = shared_server();
                let address = server.database();
                let name = address.split(['/', '?']).nth(3).unwrap_or_default();
                Self::Postgres(Arc::clone(&server), name.to_owned())
            }
        }
    }

    /// The database as a process that begins opens it.
    async fn open(&self) -> AnyStores {
        let backend = match self {
            Self::Memory(backend) => AnyBackend::Memory(backend.clone()),
            Self::Sqlite(directory) => {
                let file = directory.path().join("world.db");
                AnyBackend::Sqlite(Sqlite::open(file).expect("the database opens"))
            }
            Self::Postgres(server, name) => {
                let settings = Settings::parse(&server.address(name)).unwrap();
                let opened = Postgres::open(&settings, IfEmpty::Make).await;
                AnyBackend::Postgres(opened.expect("the database opens"))
            }
            Self::Other(backend) => AnyBackend::Other(backend.clone()),
        };
        Stores::open(backend, sealer()).await.expect("the stores open")
    }

    fn outlives_its_process(&self) {
        assert!(!matches!(self, Self::Memory(_)), "what is in memory is its process's alone");
    }
}

pub(crate) fn sealer() -> Sealer {
    Sealer::new(SealingKeys::new("test", [42; 32].into()))
}

/// One server for all worlds that there are at a time; it ends with the last of them. What it loses in a power failure
/// no test of a world is about.
fn shared_server() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start_with(&["-c", "listen_addresses=", "-c", "fsync=off"]));
        *shared = Arc::downgrade(&server);
        server
    })
}

/// The whole server in one process.
#[derive(Debug)]
pub struct World {
    app: Arc<App>,
    moments: Arc<TestMoments>,
    place: Place,
}

/// The secret of every application that [`World::new`] makes, by tenant.
pub(crate) fn secret_of(tenant: &str) -> String {
    format!("secret-of-the-worker-of-{tenant}-0123456789abcdef")
}

/// Runs a test in a world with people on the backends that need nothing but this process.
pub async fn on_both(test: impl AsyncFn(World)) {
    for on in [On::Memory, On::Sqlite] {
        test(World::with_people(on).await).await;
    }
}

/// Runs a test in a world with people on each backend.
pub async fn on_each(test: impl AsyncFn(World)) {
    for on in [On::Memory, On::Sqlite, On::Postgres] {
        test(World::with_people(on).await).await;
    }
}

impl World {
    /// A world with two tenants. Each has the API `https://api.example/` with scopes `read` and `write`, and the
    /// application `worker` with a client grant for `read`. Their secrets and keys differ.
    pub async fn new(on: On) -> Self {
        Self::in_place(Place::of(on)).await
    }

    /// The same world on a backend of the caller's.
    pub(crate) async fn over(backend: OtherBackend) -> Self {
        Self::in_place(Place::Other(backend)).await
    }

    async fn in_place(place: Place) -> Self {
        let moments = Arc::new(TestMoments::new(BEGINNING, 1));
        let stores = place.open().await;
        for (name, origin) in TENANTS {
            let id = TenantId::parse(name).unwrap();
            let origins = vec![Origin::parse(origin).unwrap()];
            tenants::create(&stores, &id, origins, TenantSettings::default(), &*moments).await.unwrap();
        }
        let app = Arc::new(App::new(stores, Arc::clone(&moments) as Arc<_>, Limits::default()));
        let world = Self { app, moments, place };
        for (name, _) in TENANTS {
            world.api(name, "https://api.example/", |_| {}).await;
            world.machine(name, "worker", &secret_of(name)).await;
            world.grant(name, "worker", "https://api.example/", "read").await;
        }
        world
    }

    /// Stores on the same database as another process has them: with a cache of its own. Not in memory.
    pub async fn another_process(&self) -> AnyStores {
        self.place.outlives_its_process();
        self.place.open().await
    }

    /// Another server on the same database and the same clock, as behind a balancer. Not in memory.
    pub async fn beside(&self) -> Self {
        self.place.outlives_its_process();
        Self::on(self.place.clone(), Arc::clone(&self.moments)).await
    }

    /// The same world after its process ended and another began: on the same database, with nothing in memory. Not in
    /// memory.
    pub async fn restarted(self) -> Self {
        let Self { app, moments, place } = self;
        place.outlives_its_process();
        app.close();
        drop(app);
        Self::on(place, moments).await
    }

    async fn on(place: Place, moments: Arc<TestMoments>) -> Self {
        let stores = place.open().await;
        let app = Arc::new(App::new(stores, Arc::clone(&moments) as Arc<_>, Limits::default()));
        Self { app, moments, place }
    }

    /// The server.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The backend, where it is in memory: it says what it holds and what it was asked for.
    pub fn memory(&self) -> &MemoryBackend {
        let Place::Memory(backend) = &self.place else { panic!("the world is not in memory") };
        backend
    }

    /// Ends the server and gives its database, `world.db`, to another one, which opens it with [`World::sealer`]. SQLite
    /// only.
    pub fn into_directory(self) -> Arc<tempfile::TempDir> {
        self.app.close();
        let Place::Sqlite(directory) = self.place else { panic!("the world is not on SQLite") };
        directory
    }

    /// What opens a world's database.
    pub fn sealer() -> Sealer {
        sealer()
    }

    /// Where the database `world.db` lies, where it is SQLite's.
    pub fn directory(&self) -> &Path {
        let Place::Sqlite(directory) = &self.place else { panic!("the world is not on SQLite") };
        directory.path()
    }

    /// The clock and the bytes.
    pub fn moments(&self) -> &TestMoments {
        &self.moments
    }

    /// A tenant's store.
    pub fn store(&self, tenant: &str) -> AnyStore {
        self.app.stores().tenant(&TenantId::parse(tenant).unwrap())
    }

    /// Where a tenant answers.
    pub fn origin(tenant: &str) -> &'static str {
        TENANTS.iter().find(|(name, _)| *name == tenant).expect("the tenant is one of the world's").1
    }

    /// The secret of a tenant's `worker`.
    pub fn secret(tenant: &str) -> String {
        secret_of(tenant)
    }

    /// Changes a tenant's settings.
    pub async fn settings(&self, tenant: &str, change: impl Fn(&mut TenantSettings)) {
        let id = TenantId::parse(tenant).unwrap();
        tenants::update(self.app.stores(), &id, |mut present| {
            change(&mut present.settings);
            Ok(present)
        })
        .await
        .unwrap();
    }

    /// Registers an API with the scopes `read` and `write`.
    pub async fn api(
        &self,
        tenant: &str,
        identifier: &str,
        change: impl FnOnce(&mut NewResourceServer),
    ) -> ResourceServer {
        let mut new = NewResourceServer::named("An API", identifier);
        new.scopes = ["read", "write"]
            .map(|value| ApiScope {
                value: ScopeToken::parse(value).unwrap(),
                description: String::new(),
                is_optional: false,
            })
            .to_vec();
        change(&mut new);
        resource_servers::create(&self.store(tenant), new, &*self.moments).await.unwrap()
    }

    /// Registers a machine-to-machine application.
    pub async fn machine(&self, tenant: &str, client_id: &str, secret: &str) {
        let mut new = NewClient::of_type(ApplicationType::NonInteractive, "A machine");
        new.secret = Some(SecretText::new(secret.to_owned()));
        self.client(tenant, client_id, new).await;
    }

    /// Registers an application.
    pub async fn client(&self, tenant: &str, client_id: &str, mut new: NewClient) {
        new.id = Some(ClientId::parse(client_id).unwrap());
        let digest_key = secret_digest_key(self.app.stores(), &TenantId::parse(tenant).unwrap()).unwrap();
        let id = TenantId::parse(tenant).unwrap();
        let settings = &self.app.stores().directory().tenant(&id).await.unwrap().unwrap().record.settings;
        clients::create(&self.store(tenant), new, settings, &digest_key, &*self.moments).await.unwrap();
    }

    /// Grants an application scopes of an API.
    pub async fn grant(&self, tenant: &str, client_id: &str, audience: &str, scopes: &str) {
        let client = ClientId::parse(client_id).unwrap();
        let granted = Granted::Scopes(ScopeSet::parse(scopes).unwrap());
        let store = self.store(tenant);
        let api = resource_servers::find(&store, audience).await.unwrap();
        client_grants::create(&store, &client, &api.record.id, SubjectType::Client, &granted, &*self.moments)
            .await
            .unwrap();
    }

    /// A GET request to a tenant.
    pub fn get(&self, tenant: &str, path: &str) -> Send<'_> {
        self.request(Method::GET, tenant, path)
    }

    /// A POST request to a tenant.
    pub fn post(&self, tenant: &str, path: &str) -> Send<'_> {
        self.request(Method::POST, tenant, path)
    }

    /// A request to a tenant.
    pub fn request(&self, method: Method, tenant: &str, path: &str) -> Send<'_> {
        Send::new(self, method, Self::origin(tenant), path)
    }

    /// A request to an origin that may be nobody's.
    pub fn request_at(&self, method: Method, origin: &str, path: &str) -> Send<'_> {
        Send::new(self, method, origin, path)
    }
}

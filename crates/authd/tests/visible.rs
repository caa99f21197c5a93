//! How soon a change of configuration that one server makes is seen by others (threat R12).
//!
//! By LISTEN, by looking alone where a pooler swallows what is said, and after the connection that listens was lost.
//!
//! `AUTHD_VISIBLE_CHANGES` says how many changes are measured for each (by default 15).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod nodes;
#[path = "../../store-postgres/tests/pooler/mod.rs"]
mod pooler;
mod process;
#[path = "../../store-postgres/tests/proxy/mod.rs"]
mod proxy;
#[path = "../../store-postgres/tests/server/mod.rs"]
mod server;

use std::time::{Duration, Instant};

use authd::administration::client_grants::{self, Granted};
use authd::administration::resource_servers;
use authd::backend::AnyStore;
use authd::moment::SystemMoments;
use authd::open::{IfMissing, Place, SEALING_KEY_FILE, stores};
use authd::sealing::KeySource;
use nodes::{Serving, Set, set_up};
use pooler::Pooler;
use proxy::Proxy;
use records::{ClientId, Lifetime, ScopeSet, SubjectType, TenantId, Write};
use serde_json::json;
use store_postgres::Settings;

/// What is promised.
const SOON: Duration = Duration::from_secs(1);

/// A server without a listener, which changes configuration.
struct Changing {
    runtime: tokio::runtime::Runtime,
    store: AnyStore,
    lifetime: u32,
}

impl Changing {
    fn on(set: &Set) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let place = Place::Postgres(Box::new(Settings::parse(&set.database.address("authd0")).unwrap()));
        let key_file = set.directory.path().join(SEALING_KEY_FILE);
        let store = runtime.block_on(async {
            let stores =
                stores(&place, &KeySource::File(key_file), IfMissing::Refuse, &SystemMoments).await.unwrap();
            let store = stores.tenant(&TenantId::parse("acme").unwrap());
            let client = ClientId::parse(&set.client.0).unwrap();
            let api = resource_servers::find(&store, "urn:api").await.unwrap();
            let scopes = Granted::Scopes(ScopeSet::parse("read").unwrap());
            client_grants::create(
                &store,
                &client,
                &api.record.id,
                SubjectType::Client,
                &scopes,
                &SystemMoments,
            )
            .await
            .unwrap();
            store
        });
        Self { runtime, store, lifetime: 1000 }
    }

    /// Commits a change, and says since when somebody could see it and how it shows.
    fn change(&mut self) -> (Instant, u32) {
        self.lifetime += 1;
        let lifetime = self.lifetime;
        self.runtime.block_on(async {
            let present = resource_servers::find(&self.store, "urn:api").await.unwrap();
            let mut next = present.record.clone();
            next.token_lifetime = Lifetime(lifetime);
            self.store.commit(vec![Write::ReplaceResourceServer((*present).clone(), next)]).await.unwrap();
        });
        (Instant::now(), lifetime)
    }
}

fn lifetime_at(set: &Set, server: &Serving) -> u64 {
    let body = json!({ "grant_type": "client_credentials", "audience": "urn:api" });
    let (status, answer) = set.ask(&server.address, body);
    assert_eq!(status, 200, "{answer}");
    answer["expires_in"].as_u64().unwrap()
}

fn changes() -> usize {
    std::env::var("AUTHD_VISIBLE_CHANGES").map_or(15, |text| text.parse().unwrap())
}

/// Makes changes, each after `before` did what it does, and returns how long each took to be seen, the shortest first.
fn measure(
    name: &str,
    set: &Set,
    server: &Serving,
    changing: &mut Changing,
    before: impl Fn(),
) -> Vec<Duration> {
    let mut seen: Vec<Duration> = (0..changes())
        .map(|_| {
            before();
            let (since, lifetime) = changing.change();
            while lifetime_at(set, server) != u64::from(lifetime) {
                assert!(since.elapsed() < Duration::from_secs(20), "it is never seen");
            }
            since.elapsed()
        })
        .collect();
    seen.sort();
    let (median, longest) = (seen[seen.len() / 2], seen[seen.len() - 1]);
    println!("{name}: {} changes seen, median {median:.1?}, longest {longest:.1?}", seen.len());
    assert!(longest < SOON, "{name}: {longest:?}");
    seen
}

#[test]
fn r12_a_change_is_seen_within_a_second_by_listening_by_looking_and_after_the_connection_was_lost() {
    let set = set_up();
    let mut changing = Changing::on(&set);

    let server = set.serve();
    let listening = measure("LISTEN", &set, &server, &mut changing, || {});
    drop(server);

    let pooler = Pooler::before(&set.database, 10);
    let server = set.serve_by("pooled", &pooler.transactions("authd0"));
    let looking = measure("polling, through PgBouncer", &set, &server, &mut changing, || {});
    drop(server);
    assert!(
        listening[0] < looking[looking.len() / 2],
        "what is heard is seen sooner: {listening:?} {looking:?}"
    );

    let proxy = Proxy::before(&set.database.directory().join(".s.PGSQL.5432"), &[]);
    let server = set.serve_by("cut", &proxy.address("authd0"));
    measure("LISTEN, cut before each change", &set, &server, &mut changing, || proxy.cut());
    // Meanwhile it falls back to looking, and then it hears again.
    let again = measure("LISTEN, after the cuts", &set, &server, &mut changing, || {});
    assert!(again[0] < looking[looking.len() / 2], "{again:?} {looking:?}");
}

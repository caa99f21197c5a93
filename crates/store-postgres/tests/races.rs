//! A hundred tasks at two servers use one credential at the same moment: one of them succeeds (threat R1).
//!
//! `AUTHD_RACE_CREDENTIALS` says how many credentials of each kind (by default 40).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails stops")]

mod server;

use std::sync::Arc;
use std::time::Instant;

use records::{
    Audience, AuthenticationMethod, AuthorizationCode, AuthorizationCodeId, ClientId, CodeState,
    ConsumedHandle, HandleId, Origin, RefreshFamily, RefreshFamilyId, ScopeSet, SecretDigest, SeenJti,
    SessionId, TenantId, UnixTime, UserId, Versioned, Write,
};
use server::Server;
use store::{CommitError, Sealer, SealingKeys, Store, Stores};
use store_postgres::{IfEmpty, Postgres, Settings};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

const TASKS: usize = 100;
/// How many credentials are raced for at a time.
const AT_ONCE: usize = 8;

async fn node(address: &str) -> Store<Postgres> {
    let database = Postgres::open(&Settings::parse(address).unwrap(), IfEmpty::Make).await.unwrap();
    let sealer = Sealer::new(SealingKeys::new("test", Zeroizing::new([7; 32])));
    Stores::open(database, sealer).await.unwrap().tenant(&TenantId::parse("acme").unwrap())
}

const NOW: UnixTime = UnixTime(1_767_225_600);
const END: UnixTime = UnixTime(1_767_225_600 + 60);

fn client() -> ClientId {
    ClientId::parse("app").unwrap()
}

fn origin() -> Origin {
    Origin::parse("https://acme.example/").unwrap()
}

fn code(number: usize) -> AuthorizationCode {
    AuthorizationCode {
        id: AuthorizationCodeId::parse(&format!("code-{number}")).unwrap(),
        state: CodeState::Unused,
        client: client(),
        redirect_uri: "https://app.example/callback".to_owned(),
        redirect_uri_was_sent: true,
        code_challenge: None,
        origin: origin(),
        user: UserId::parse("auth0|ada").unwrap(),
        session: SessionId::parse("session-1").unwrap(),
        authenticated_at: NOW,
        methods: vec![AuthenticationMethod::Password],
        audience: Audience::UserInfo,
        scopes: ScopeSet::parse("read").unwrap(),
        is_as_requested: true,
        nonce: None,
        names_auth_time: false,
        claims: None,
        issued_at: NOW,
        expires_at: END,
    }
}

fn family(number: usize) -> RefreshFamily {
    let code = code(number);
    RefreshFamily {
        id: RefreshFamilyId::parse(&format!("{number:032x}")).unwrap(),
        user: code.user,
        client: code.client,
        audience: code.audience,
        scopes: code.scopes,
        redirect_uri: None,
        origin: code.origin,
        session: None,
        authenticated_at: NOW,
        methods: code.methods,
        names_auth_time: false,
        claims: None,
        generation: 0,
        current: SecretDigest([1; 32]),
        previous: None,
        created_at: NOW,
        last_used_at: NOW,
        expires_at: None,
        idle_expires_at: None,
    }
}

/// A kind of credential that may be used once: how it is issued, and what using it writes, as each task's server sees it.
#[derive(Clone, Copy, Debug)]
enum Credential {
    Code,
    Refresh,
    Handle,
    Jti,
}

impl Credential {
    async fn issue(self, store: &Store<Postgres>, number: usize) {
        let write = match self {
            Self::Code => Write::IssueCode(code(number)),
            Self::Refresh => Write::CreateRefreshFamily(family(number)),
            Self::Handle | Self::Jti => return,
        };
        store.commit(vec![write]).await.unwrap();
    }

    async fn uses(self, store: &Store<Postgres>, number: usize, task: usize) -> Vec<Write> {
        let write = match self {
            Self::Code => {
                let found = store.authorization_code(&code(number).id).await.unwrap().unwrap();
                let at = UnixTime(NOW.0 + task as u64);
                let used =
                    AuthorizationCode { state: CodeState::Used { at, family: None }, ..found.record.clone() };
                Write::RedeemCode(found, used)
            }
            Self::Refresh => {
                let found = store.refresh_family(&family(number).id).await.unwrap().unwrap();
                let current = SecretDigest([task as u8; 32]);
                let next = RefreshFamily { generation: 1, current, ..found.record.clone() };
                Write::ReplaceRefreshFamily(Versioned { record: next, version: found.version })
            }
            Self::Handle => {
                let id = HandleId::parse(&format!("handle-{number}")).unwrap();
                Write::ConsumeHandle(ConsumedHandle { id, expires_at: END })
            }
            Self::Jti => {
                // Two of an assertion's copies may differ in what they say of its end.
                let expires_at = UnixTime(END.0 + 3600 * (task as u64 % 2));
                Write::InsertJti(SeenJti { client: client(), jti: format!("jti-{number}"), expires_at })
            }
        };
        vec![write]
    }

    /// Races for one of them; which task won is what is there afterwards.
    async fn race(self, nodes: &[Store<Postgres>; 2], number: usize) {
        self.issue(&nodes[number % 2], number).await;
        let barrier = Arc::new(Barrier::new(TASKS));
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (node, barrier) = (nodes[task % 2].clone(), Arc::clone(&barrier));
            tasks.spawn(async move {
                let writes = self.uses(&node, number, task).await;
                barrier.wait().await;
                (task, node.commit(writes).await)
            });
        }
        let mut winners = Vec::new();
        for (task, outcome) in tasks.join_all().await {
            match outcome {
                Ok(()) => winners.push(task),
                Err(error) => assert_eq!(error, CommitError::Conflict, "{self:?} {number}"),
            }
        }
        assert_eq!(winners.len(), 1, "{self:?} {number}: {winners:?}");
        for node in nodes {
            self.is_used_by(node, number, winners[0]).await;
        }
    }

    async fn is_used_by(self, store: &Store<Postgres>, number: usize, winner: usize) {
        match self {
            Self::Code => {
                let found = store.authorization_code(&code(number).id).await.unwrap().unwrap();
                let at = UnixTime(NOW.0 + winner as u64);
                assert_eq!(found.record.state, CodeState::Used { at, family: None });
            }
            Self::Refresh => {
                let found = store.refresh_family(&family(number).id).await.unwrap().unwrap();
                assert_eq!(found.record.current, SecretDigest([winner as u8; 32]));
            }
            Self::Handle => {
                let id = HandleId::parse(&format!("handle-{number}")).unwrap();
                assert!(store.is_consumed(&id).await.unwrap());
            }
            Self::Jti => {
                let again = self.uses(store, number, winner + 1).await;
                assert_eq!(store.commit(again).await, Err(CommitError::Conflict));
            }
        }
    }
}

async fn race(credential: Credential) {
    let credentials: usize = std::env::var("AUTHD_RACE_CREDENTIALS").map_or(40, |text| text.parse().unwrap());
    let server = Server::start();
    let address = server.database();
    let nodes = [node(&address).await, node(&address).await];
    let began = Instant::now();
    let mut races = JoinSet::new();
    for number in 0..credentials {
        if races.len() == AT_ONCE {
            races.join_next().await.unwrap().unwrap();
        }
        let nodes = nodes.clone();
        races.spawn(async move { credential.race(&nodes, number).await });
    }
    races.join_all().await;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{credential:?}: {credentials} credentials, {TASKS} tasks each at two servers, one success each, {seconds:.1} s"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_a_code_is_redeemed_once() {
    race(Credential::Code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_a_refresh_token_is_rotated_once() {
    race(Credential::Refresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_a_sealed_handle_is_used_once() {
    race(Credential::Handle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_an_assertion_is_accepted_once() {
    race(Credential::Jti).await;
}

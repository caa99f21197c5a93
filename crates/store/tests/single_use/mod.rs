//! Credentials that may be used once, and many that use one at the same moment (threat R1).
//!
//! `AUTHD_RACES` says how many of each kind are raced for.
#![allow(dead_code, clippy::allow_attributes, reason = "each test that includes this uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails stops")]

use std::sync::Arc;

use records::{
    Audience, AuthenticationMethod, AuthorizationCode, AuthorizationCodeId, ClientId, CodeState,
    ConsumedHandle, HandleId, Origin, RefreshFamily, RefreshFamilyId, ResourceServerId, ScopeSet,
    SecretDigest, SeenJti, SessionId, TenantId, UnixTime, UserId, Versioned, Write,
};
use store::{Backend, CommitError, Sealer, SealingKeys, Store, Stores};
use tokio::sync::Barrier;
use zeroize::Zeroizing;

/// How many tasks use one credential at once.
pub(crate) const TASKS: usize = 100;

/// How many credentials of each kind are raced for.
pub(crate) fn races(otherwise: usize) -> usize {
    std::env::var("AUTHD_RACES").map_or(otherwise, |text| text.parse().unwrap())
}

/// What may be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// An authorization code.
    Code,
    /// A refresh token: the present one of its family.
    RefreshToken,
    /// A sealed handle.
    Handle,
    /// A client's assertion.
    Assertion,
}

pub(crate) const ALL: [Credential; 4] =
    [Credential::Code, Credential::RefreshToken, Credential::Handle, Credential::Assertion];

/// What a use relies on.
#[derive(Clone)]
pub(crate) enum Seen {
    Code(Box<Versioned<AuthorizationCode>>),
    Family(Box<Versioned<RefreshFamily>>),
    Nothing,
}

/// The stores on a backend, under the key that each process of a test has.
pub(crate) async fn stores<B: Backend>(backend: B) -> Stores<B> {
    let sealer = Sealer::new(SealingKeys::new("k1", Zeroizing::new([7; 32])));
    Stores::open(backend, sealer).await.unwrap()
}

pub(crate) fn tenant<B: Backend>(stores: &Stores<B>) -> Store<B> {
    stores.tenant(&TenantId::parse("acme").unwrap())
}

const END: UnixTime = UnixTime(2_000_000_000);

fn client() -> ClientId {
    ClientId::parse("web").unwrap()
}

fn user() -> UserId {
    UserId::parse("auth0|5f7c8ec7c33c6c004bbafe82").unwrap()
}

fn session() -> SessionId {
    SessionId::parse("session-1").unwrap()
}

fn origin() -> Origin {
    Origin::parse("https://auth.example/").unwrap()
}

fn audience() -> Audience {
    Audience::Api(ResourceServerId::parse("api-1").unwrap())
}

fn code_id(number: usize) -> AuthorizationCodeId {
    AuthorizationCodeId::parse(&format!("code-{number}")).unwrap()
}

fn family_id(number: usize) -> RefreshFamilyId {
    RefreshFamilyId::parse(&format!("{number:032}")).unwrap()
}

/// Makes a credential, where there is something to make.
pub(crate) async fn issue<B: Backend>(store: &Store<B>, credential: Credential, number: usize) {
    let write = match credential {
        Credential::Code => Write::IssueCode(AuthorizationCode {
            id: code_id(number),
            state: CodeState::Unused,
            client: client(),
            redirect_uri: "https://app.example/callback".to_owned(),
            redirect_uri_was_sent: true,
            code_challenge: Some([7; 32]),
            origin: origin(),
            user: user(),
            session: session(),
            authenticated_at: UnixTime(5),
            methods: vec![AuthenticationMethod::Password],
            audience: audience(),
            scopes: ScopeSet::parse("read").unwrap(),
            is_as_requested: true,
            nonce: None,
            names_auth_time: false,
            claims: None,
            issued_at: UnixTime(10),
            expires_at: END,
        }),
        Credential::RefreshToken => Write::CreateRefreshFamily(RefreshFamily {
            id: family_id(number),
            user: user(),
            client: client(),
            audience: audience(),
            scopes: ScopeSet::parse("offline_access read").unwrap(),
            redirect_uri: None,
            origin: origin(),
            session: None,
            authenticated_at: UnixTime(1),
            methods: vec![AuthenticationMethod::Password],
            names_auth_time: false,
            claims: None,
            generation: 0,
            current: SecretDigest([1; 32]),
            previous: None,
            created_at: UnixTime(1),
            last_used_at: UnixTime(1),
            expires_at: Some(END),
            idle_expires_at: None,
        }),
        Credential::Handle | Credential::Assertion => return,
    };
    store.commit(vec![write]).await.unwrap();
}

/// Reads what a use relies on; the credential must not have been used.
pub(crate) async fn look<B: Backend>(store: &Store<B>, credential: Credential, number: usize) -> Seen {
    match credential {
        Credential::Code => {
            let code = store.authorization_code(&code_id(number)).await.unwrap().unwrap();
            assert_eq!(code.record.state, CodeState::Unused);
            Seen::Code(Box::new(code))
        }
        Credential::RefreshToken => {
            let family = store.refresh_family(&family_id(number)).await.unwrap().unwrap();
            assert_eq!(family.record.generation, 0);
            Seen::Family(Box::new(family))
        }
        Credential::Handle | Credential::Assertion => Seen::Nothing,
    }
}

fn trace(credential: Credential, number: usize, by: usize) -> HandleId {
    HandleId::parse(&format!("trace-{credential:?}-{number}-{by}")).unwrap()
}

/// Uses a credential, and leaves a trace of who did in the same commit. Returns whether it was this one.
pub(crate) async fn use_once<B: Backend>(
    store: &Store<B>,
    credential: Credential,
    number: usize,
    seen: Seen,
    by: usize,
) -> bool {
    let using = match seen {
        Seen::Code(code) => {
            let state = CodeState::Used { at: UnixTime(by as u64), family: None };
            let used = AuthorizationCode { state, ..code.record.clone() };
            Write::RedeemCode(*code, used)
        }
        Seen::Family(family) => {
            let digest = SecretDigest([u8::try_from(by % 256).unwrap(); 32]);
            let rotated = RefreshFamily { generation: 1, current: digest, ..family.record.clone() };
            Write::ReplaceRefreshFamily(Versioned { record: rotated, version: family.version })
        }
        Seen::Nothing if credential == Credential::Handle => {
            let id = HandleId::parse(&format!("handle-{number}")).unwrap();
            Write::ConsumeHandle(ConsumedHandle { id, expires_at: END })
        }
        Seen::Nothing => {
            Write::InsertJti(SeenJti { client: client(), jti: format!("jti-{number}"), expires_at: END })
        }
    };
    let trace = ConsumedHandle { id: trace(credential, number, by), expires_at: END };
    match store.commit(vec![Write::ConsumeHandle(trace), using]).await {
        Ok(()) => true,
        Err(CommitError::Conflict) => false,
        Err(error) => panic!("{error}"),
    }
}

/// Who left a trace: of `by` many.
pub(crate) async fn traces<B: Backend>(
    store: &Store<B>,
    credential: Credential,
    number: usize,
    by: usize,
) -> Vec<usize> {
    let mut found = Vec::new();
    for by in 0..by {
        if store.is_consumed(&trace(credential, number, by)).await.unwrap() {
            found.push(by);
        }
    }
    found
}

/// A hundred tasks use each of so many credentials of each kind, each after it saw it unused and all at one moment: one
/// does, and what it wrote is what is there. Returns how many races there were.
pub(crate) async fn one_of_a_hundred_uses_each<B: Backend>(stores: &Stores<B>, count: usize) -> usize {
    let store = tenant(stores);
    for number in 0..count {
        for credential in ALL {
            issue(&store, credential, number).await;
            let barrier = Arc::new(Barrier::new(TASKS));
            let tasks: Vec<_> = (0..TASKS)
                .map(|by| {
                    let (store, barrier) = (store.clone(), Arc::clone(&barrier));
                    tokio::spawn(async move {
                        let seen = look(&store, credential, number).await;
                        barrier.wait().await;
                        use_once(&store, credential, number, seen, by).await
                    })
                })
                .collect();
            let mut winners = Vec::new();
            for (by, task) in tasks.into_iter().enumerate() {
                if task.await.unwrap() {
                    winners.push(by);
                }
            }
            assert_eq!(winners.len(), 1, "{credential:?} {number} was used by {winners:?}");
            assert_eq!(traces(&store, credential, number, TASKS).await, winners, "{credential:?} {number}");
            check_winner(&store, credential, number, &winners).await;
        }
    }
    count * ALL.len()
}

async fn check_winner<B: Backend>(
    store: &Store<B>,
    credential: Credential,
    number: usize,
    winners: &[usize],
) {
    let by = winners.first().copied().unwrap_or_default();
    match credential {
        Credential::Code => {
            let code = store.authorization_code(&code_id(number)).await.unwrap().unwrap().record;
            assert_eq!(code.state, CodeState::Used { at: UnixTime(by as u64), family: None });
        }
        Credential::RefreshToken => {
            let family = store.refresh_family(&family_id(number)).await.unwrap().unwrap().record;
            assert_eq!((family.generation, family.current.0), (1, [u8::try_from(by).unwrap(); 32]));
        }
        Credential::Handle => {
            assert!(store.is_consumed(&HandleId::parse(&format!("handle-{number}")).unwrap()).await.unwrap());
        }
        // Whether it was seen is only ever asked by inserting it.
        Credential::Assertion => {
            assert!(!use_once(store, credential, number, Seen::Nothing, TASKS).await);
        }
    }
}

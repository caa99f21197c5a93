//! Grants by the million: made, used, expired and swept on a fake clock, while the file is watched (threats R24).
#![expect(clippy::unwrap_used, reason = "a soak stops at the first surprise")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use records::{
    AttemptsId, Audience, AuthenticationMethod, AuthorizationCode, AuthorizationCodeId, ClientId, CodeState,
    ConsumedHandle, HandleId, LoginAttempts, Origin, PreviousToken, RefreshFamily, RefreshFamilyId,
    ResourceServerId, ScopeSet, SecretDigest, Session, SessionId, TenantId, UnixTime, UserId, Versioned,
    Write,
};
use store::{Sealer, SealingKeys, Store, Stores};
use store_sqlite::Sqlite;
use zeroize::Zeroizing;

/// 2026-01-01T00:00:00Z.
const BEGIN: u64 = 1_767_225_600;
/// How long a session and a refresh family live, in seconds of the fake clock.
const LIFE: u64 = 4 * 3600;
/// How long a code is redeemable, in seconds. It is remembered for an hour after.
const SHORT: u64 = 60;
/// How many logins are under way at once.
const AT_ONCE: u64 = 256;
/// How often the server sweeps, in seconds, and how much at a time.
const SWEEP: u64 = 10;
const SWEEP_AT_MOST: usize = 1000;

/// What a soak is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many grants in all.
    pub(crate) grants: u64,
    /// How many of them are alive at a time.
    pub(crate) live: u64,
    /// Says how it goes.
    pub(crate) talks: bool,
}

/// Sizes in bytes: the database's file, and its log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) database: u64,
    pub(crate) log: u64,
}

/// What a soak came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) took: Duration,
    pub(crate) commits: u64,
    pub(crate) transactions: u64,
    /// Open, with nothing but an empty tenant's space.
    pub(crate) baseline: Sizes,
    /// When the number of live grants had just reached its height.
    pub(crate) full: Sizes,
    /// The most of each that was seen.
    pub(crate) peak: Sizes,
    /// When everything had expired and was swept, still open.
    pub(crate) end: Sizes,
    /// After closing.
    pub(crate) closed: Sizes,
    /// How many rows were swept.
    pub(crate) swept: u64,
}

fn sizes(path: &Path) -> Sizes {
    let of = |path: PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Sizes { database: of(path.to_owned()), log: of(log.into()) }
}

/// A text of so many characters that differs with each number and is spread as random ones are.
fn text(label: u64, number: u64, length: usize) -> String {
    let mut state = (label << 56) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text.push_str(&format!("{:016x}", mixed ^ (mixed >> 31)));
    }
    text.truncate(length);
    text
}

fn digest(label: u64, number: u64) -> SecretDigest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(text(label, number, 32).as_bytes());
    SecretDigest(bytes)
}

fn client() -> ClientId {
    ClientId::parse("vT0aYQ3mJ4kHn8sZ2xLw9bRcE6dUfG1p").unwrap()
}

/// One person's way through a login, as the server writes it (testkit's `bounded` tests hold it to that): the attempt is
/// counted by name, person and address, a session begins, a code is issued and redeemed, its refresh token rotates.
async fn log_in(store: &Store<Sqlite>, number: u64, now: UnixTime) {
    let user = UserId::parse(&format!("auth0|{}", text(1, number, 24))).unwrap();
    let attempts = [2, 3, 13].map(|label| LoginAttempts {
        id: AttemptsId::parse(&text(label, number, 43)).unwrap(),
        failures: 1,
        last_at: now,
        forgotten_at: UnixTime(now.0 + 3600),
    });
    store
        .commit(attempts.iter().cloned().map(|count| Write::ReserveAttempt(None, count)).collect())
        .await
        .unwrap();
    let mut held = Vec::new();
    for count in &attempts {
        held.push(store.login_attempts(&count.id).await.unwrap().unwrap());
    }
    let [name, person, address] = held.try_into().unwrap();
    let given_back = LoginAttempts { failures: 0, ..address.record.clone() };

    let session = Session {
        id: SessionId::parse(&text(4, number, 32)).unwrap(),
        user: user.clone(),
        authenticated_at: now,
        methods: vec![AuthenticationMethod::Password],
        created_at: now,
        expires_at: UnixTime(now.0 + LIFE),
        idle_expires_at: UnixTime(now.0 + LIFE),
        clients: vec![client()],
    };
    let began = vec![
        Write::ClearAttempts(name),
        Write::ClearAttempts(person),
        Write::ReserveAttempt(Some(address), given_back),
        Write::CreateSession(session.clone()),
    ];
    store.commit(began).await.unwrap();

    let code = AuthorizationCode {
        id: AuthorizationCodeId::parse(&text(5, number, 32)).unwrap(),
        state: CodeState::Unused,
        client: client(),
        redirect_uri: "https://app.example/callback".to_owned(),
        redirect_uri_was_sent: true,
        code_challenge: Some(digest(6, number).0),
        origin: Origin::parse("https://auth.acme.example/").unwrap(),
        user: user.clone(),
        session: session.id.clone(),
        authenticated_at: now,
        methods: session.methods.clone(),
        audience: Audience::Api(ResourceServerId::parse("0123456789abcdef01234567").unwrap()),
        scopes: ScopeSet::parse("openid profile read offline_access").unwrap(),
        is_as_requested: true,
        nonce: Some(text(7, number, 32)),
        names_auth_time: false,
        claims: None,
        issued_at: now,
        expires_at: UnixTime(now.0 + SHORT),
    };
    let issued = vec![
        Write::RelyOnSession(
            store.session(&session.id).await.unwrap().unwrap().map(|session| session.id.clone()),
        ),
        Write::IssueCode(code.clone()),
        Write::ConsumeHandle(ConsumedHandle {
            id: HandleId::parse(&text(8, number, 22)).unwrap(),
            expires_at: UnixTime(now.0 + 3600),
        }),
    ];
    store.commit(issued).await.unwrap();

    let family = RefreshFamily {
        id: RefreshFamilyId::parse(&format!("{:012x}{}", now.0, text(9, number, 20))).unwrap(),
        user,
        client: client(),
        audience: code.audience.clone(),
        scopes: code.scopes.clone(),
        redirect_uri: Some(code.redirect_uri.clone()),
        origin: code.origin.clone(),
        session: Some(session.id),
        authenticated_at: now,
        methods: session.methods,
        names_auth_time: false,
        claims: None,
        generation: 0,
        current: digest(10, number),
        previous: None,
        created_at: now,
        last_used_at: now,
        expires_at: Some(UnixTime(now.0 + LIFE)),
        idle_expires_at: Some(UnixTime(now.0 + LIFE / 2)),
    };
    let issued = store.authorization_code(&code.id).await.unwrap().unwrap();
    let used = CodeState::Used { at: now, family: Some(family.id.clone()) };
    let used = AuthorizationCode { state: used, ..issued.record.clone() };
    let redeemed = vec![Write::RedeemCode(issued, used), Write::CreateRefreshFamily(family.clone())];
    store.commit(redeemed).await.unwrap();

    let old: Versioned<RefreshFamily> = store.refresh_family(&family.id).await.unwrap().unwrap();
    let rotated = RefreshFamily {
        generation: 1,
        current: digest(11, number),
        previous: Some(PreviousToken {
            digest: old.record.current,
            rotated_at: now,
            successor: text(12, number, 182),
        }),
        ..old.record.clone()
    };
    store
        .commit(vec![Write::ReplaceRefreshFamily(Versioned { record: rotated, version: old.version })])
        .await
        .unwrap();
}

/// Sweeps as the server does between requests, until nothing more is due. Returns how many rows left.
async fn sweep(stores: &Stores<Sqlite>, now: u64) -> u64 {
    let mut left = 0;
    loop {
        let count = stores.sweep(UnixTime(now), SWEEP_AT_MOST).await.unwrap();
        if count == 0 {
            return left;
        }
        left += count as u64;
    }
}

/// Runs a soak in this directory.
pub(crate) async fn run(directory: &Path, plan: Plan) -> Report {
    let path = directory.join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    let sealer = Sealer::new(SealingKeys::new("soak", Zeroizing::new([7; 32])));
    let stores = Stores::open(database.clone(), sealer).await.unwrap();
    let store = stores.tenant(&TenantId::parse("acme").unwrap());
    let baseline = sizes(&path);
    let (mut full, mut peak, mut swept) = (Sizes::default(), baseline, 0);
    let began = Instant::now();
    let (mut made, mut swept_at, mut said) = (0, BEGIN, 0);
    // So many seconds pass with each grant that the right number is alive.
    let now_at = |made: u64| BEGIN + made * LIFE / plan.live;
    while made < plan.grants {
        let some = AT_ONCE.min(plan.grants - made);
        let tasks: Vec<_> = (made..made + some)
            .map(|number| {
                let (store, now) = (store.clone(), UnixTime(now_at(number)));
                tokio::spawn(async move { log_in(&store, number, now).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        made += some;
        let now = now_at(made);
        if now >= swept_at + SWEEP {
            swept_at = now;
            swept += sweep(&stores, now).await;
        }
        let present = sizes(&path);
        peak = Sizes { database: peak.database.max(present.database), log: peak.log.max(present.log) };
        // The ring's tables stay for up to two hours after the longest-lived of them: from then on nothing grows.
        if full.database == 0 && made >= plan.live * 2 {
            full = peak;
        }
        if plan.talks && made * 20 / plan.grants > said {
            said = made * 20 / plan.grants;
            println!(
                "{made} grants, {:.0} s, database {} MiB, log {} MiB",
                began.elapsed().as_secs_f64(),
                present.database >> 20,
                present.log >> 20
            );
        }
    }
    // Everything expires; the server's timer goes on.
    let mut now = now_at(made) + LIFE + 3 * store::RING_PERIOD;
    let mut last = u64::MAX;
    loop {
        swept += sweep(&stores, now).await;
        now += SWEEP;
        let present = sizes(&path).database;
        if present == last {
            break;
        }
        last = present;
    }
    let (took, end, statistics) = (began.elapsed(), sizes(&path), database.statistics());
    database.close();
    Report {
        took,
        commits: statistics.commits,
        transactions: statistics.transactions,
        baseline,
        full,
        peak,
        end,
        closed: sizes(&path),
        swept,
    }
}

impl Report {
    /// What must hold, whatever the numbers; an error says what does not.
    pub(crate) fn check(&self, plan: Plan) -> Result<(), String> {
        // A megabyte of free pages stays for what comes next.
        const SPARE: u64 = 1 << 20;
        const SLACK: u64 = 256 << 10;
        // The log is cut back to this after it grew beyond.
        const LOG: u64 = 64 << 20;
        // Of each grant its session, family, code and handle, and the address's count; the name's and the person's were
        // forgotten with the login.
        if self.swept != 5 * plan.grants {
            return Err(format!("{} rows were swept, of {}", self.swept, 5 * plan.grants));
        }
        if self.closed.database > self.baseline.database + SPARE + SLACK || self.closed.log > 0 {
            return Err(format!("it did not come back to {:?}: {:?}", self.baseline, self.closed));
        }
        if self.end.log > LOG + SLACK {
            return Err(format!("the log stayed long: {:?}", self.end));
        }
        if self.full.database > 0 && self.peak.database > self.full.database / 4 * 5 + SPARE {
            return Err(format!("it grew with what had expired: {:?}, then {:?}", self.full, self.peak));
        }
        Ok(())
    }
}

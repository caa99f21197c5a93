//! Telling applications that a session ended (OpenID Connect Back-Channel Logout 1.0 §2.5, §2.8; threats LO-09, LO-10).
//!
//! Whom to tell is written by the commit that ends the session, and tried until they have heard, or for a day. Each try
//! takes its row first, by moving it to a later time on the condition that nobody else did: of several servers on one
//! store one sends. A server that stops in the middle leaves a row that is due again. An application may so hear twice,
//! and recognises that by what the token names; it is never told under a signature older than the try.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use futures_util::StreamExt;
use futures_util::stream;
use oauth_grants::Moment;
use oauth_grants::generate::TokenId;
use oauth_grants::oidc::logout_token::LogoutToken;
use records::{Lifetime, LogoutDelivery, Session, TenantId, UnixTime, Versioned, Write};
use store::CommitError;
use tokio::sync::Notify;

use crate::app::{App, Called};
use crate::backend::AnyStore;
use crate::failure::Failure;
use crate::outbound::guarded::Guarded;

/// How long a try may take before somebody else may try: longer than the connector's patience.
const TAKEN: Lifetime = Lifetime(15);
/// How long to wait after so many tries; after more, as after the last.
const WAITS: [Lifetime; 8] = [
    Lifetime(1),
    Lifetime(5),
    Lifetime(30),
    Lifetime(120),
    Lifetime(600),
    Lifetime(1800),
    Lifetime(3600),
    Lifetime(7200),
];
/// How many of a tenant's applications are told at a time, and so how many of its rows are read.
const SLICE: usize = 16;
/// How many slices a tenant gets before it is looked again who has something due.
const SLICES: usize = 32;
/// For how long a tenant gets further slices: where nobody answers, the others' next logouts must not wait for all of it.
const TURN: Lifetime = Lifetime(5);
/// How many tenants have their turn at a time. A name server that does not answer keeps a thread for longer than a try.
const AT_ONCE: usize = 4;
/// How many tenants are read at a time.
const TENANTS: usize = 100;

/// Where to look for what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// At the tenants of which this process knows that they have something due.
    Known,
    /// At all: another process may have ended sessions, or this one before it was started again.
    Everywhere,
}

/// What tells applications. Off until it is switched on.
#[derive(Debug, Default)]
pub struct Backchannel {
    guarded: OnceLock<Guarded>,
    /// When each tenant's next delivery is due, as far as this process knows.
    known: Mutex<BTreeMap<TenantId, UnixTime>>,
    scheduled: Notify,
    was_said: AtomicBool,
}

impl Backchannel {
    /// Switches it on, with the connector that it is to use. A second time changes nothing.
    pub fn switch_on(&self, guarded: Guarded) {
        let _ = self.guarded.set(guarded);
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.guarded.get().is_some()
    }

    /// Waits until a session ended here.
    pub async fn scheduled(&self) {
        self.scheduled.notified().await;
    }

    /// What the commit that ends a session writes, so that its applications hear of it.
    pub async fn writes(
        &self,
        called: &Called,
        session: &Session,
        moment: &Moment,
    ) -> Result<Vec<Write>, Failure> {
        let mut writes = Vec::new();
        for id in &session.clients {
            let client = called.store.client(id).await?;
            if client.is_none_or(|client| client.record.backchannel_logout_uri.is_none()) {
                continue;
            }
            if !self.is_on() {
                if !self.was_said.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        client_id = id.as_str(),
                        "an application wants to be told of logouts and is not: [outbound] backchannel_logout is off"
                    );
                }
                return Ok(Vec::new());
            }
            writes.push(Write::ScheduleLogoutDelivery(LogoutDelivery {
                client: id.clone(),
                session: session.id.clone(),
                user: session.user.clone(),
                origin: called.origin.clone(),
                attempts: 0,
                next_at: moment.now,
                created_at: moment.now,
            }));
        }
        Ok(writes)
    }

    /// Such writes were committed: they are due now.
    pub fn due_now(&self, tenant: &TenantId, now: UnixTime) {
        self.expect(tenant, now);
        self.scheduled.notify_one();
    }

    fn expect(&self, tenant: &TenantId, at: UnixTime) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(tenant.clone()).and_modify(|due| *due = at.min(*due)).or_insert(at);
    }

    /// Makes every delivery that is due, once. One tenant's failure is not another's.
    pub(crate) async fn deliver_due(&self, app: &App, look: Look) -> Result<(), Failure> {
        let Some(guarded) = self.guarded.get() else { return Ok(()) };
        let now = app.moments().draw().now;
        if look == Look::Known {
            let due: Vec<TenantId> = {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                let due: Vec<_> =
                    known.iter().filter(|(_, at)| **at <= now).map(|(tenant, _)| tenant.clone()).collect();
                known.retain(|_, at| *at > now);
                due
            };
            self.deliver_of_all(app, guarded, due).await;
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = app.stores().directory().tenants(after.as_ref(), TENANTS).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.record.id.clone());
            let page = page.into_iter().map(|tenant| tenant.record.id).collect();
            self.deliver_of_all(app, guarded, page).await;
        }
    }

    /// One tenant's applications that do not answer hold up nobody else's.
    async fn deliver_of_all(&self, app: &App, guarded: &Guarded, tenants: Vec<TenantId>) {
        let turn = |tenant: TenantId| async move { self.deliver_of(app, guarded, &tenant).await };
        stream::iter(tenants).for_each_concurrent(AT_ONCE, turn).await;
    }

    async fn deliver_of(&self, app: &App, guarded: &Guarded, tenant: &TenantId) {
        match deliver_tenant(app, guarded, tenant).await {
            Ok(Some(next)) => self.expect(tenant, next),
            Ok(None) => {}
            Err(failure) => {
                let tenant_id = tenant.as_str();
                tracing::warn!(tenant = tenant_id, %failure, "logouts could not be told; it is tried again");
                self.expect(tenant, app.moments().draw().now.after(TAKEN));
            }
        }
    }
}

/// Makes what is due of one tenant; returns when the next is.
async fn deliver_tenant(
    app: &App,
    guarded: &Guarded,
    tenant: &TenantId,
) -> Result<Option<UnixTime>, Failure> {
    let store = &app.stores().tenant(tenant);
    let ends = app.moments().draw().now.after(TURN);
    for _ in 0..SLICES {
        let now = app.moments().draw().now;
        if now >= ends {
            break;
        }
        let mut due = store.logout_deliveries(SLICE).await?;
        let next = due.first().map(|delivery| delivery.record.next_at);
        due.retain(|delivery| delivery.record.next_at <= now);
        if due.is_empty() {
            return Ok(next);
        }
        let tries = due.into_iter().map(|delivery| deliver(app, guarded, tenant, store, delivery));
        let outcomes: Vec<_> = stream::iter(tries).buffer_unordered(SLICE).collect().await;
        outcomes.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(Some(app.moments().draw().now))
}

/// What became of a try.
enum Outcome {
    /// There is nothing more to do, for this reason.
    Over(&'static str),
    /// It is tried again.
    Again(String),
}

/// Takes one delivery, tries it, and writes what became of it.
async fn deliver(
    app: &App,
    guarded: &Guarded,
    tenant: &TenantId,
    store: &AnyStore,
    delivery: Versioned<LogoutDelivery>,
) -> Result<(), Failure> {
    let moment = app.moments().draw();
    let taken = LogoutDelivery {
        attempts: delivery.record.attempts.saturating_add(1),
        next_at: moment.now.after(TAKEN),
        ..delivery.record.clone()
    };
    match store.commit(vec![Write::RescheduleLogoutDelivery(delivery, taken.clone())]).await {
        Ok(()) => {}
        // Another server has it.
        Err(CommitError::Conflict) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let outcome = attempt(app, guarded, tenant, store, &taken, &moment).await?;
    // As it was taken; only this try has it, unless it took longer than it may.
    let Some(present) = present(store, &taken).await? else { return Ok(()) };
    let (client_id, attempts) = (taken.client.as_str(), taken.attempts);
    let tenant_id = tenant.as_str();
    let write = match outcome {
        Outcome::Over(why) => {
            tracing::info!(tenant = tenant_id, client_id, attempts, outcome = why, "logout told");
            Write::DeleteLogoutDelivery(present)
        }
        Outcome::Again(why) => {
            let position = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
            let wait = WAITS.get(position).or(WAITS.last()).copied().unwrap_or(TAKEN);
            let next_at = app.moments().draw().now.after(wait);
            tracing::warn!(
                tenant = tenant_id,
                client_id,
                attempts,
                why,
                "an application did not hear of a logout"
            );
            Write::RescheduleLogoutDelivery(present, LogoutDelivery { next_at, ..taken })
        }
    };
    match store.commit(vec![write]).await {
        Ok(()) | Err(CommitError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The delivery's row as it is now, if it is still as it was taken.
async fn present(
    store: &AnyStore,
    taken: &LogoutDelivery,
) -> Result<Option<Versioned<LogoutDelivery>>, Failure> {
    Ok(store.logout_delivery(taken).await?.filter(|present| present.record == *taken))
}

async fn attempt(
    app: &App,
    guarded: &Guarded,
    tenant: &TenantId,
    store: &AnyStore,
    delivery: &LogoutDelivery,
    moment: &Moment,
) -> Result<Outcome, Failure> {
    if moment.now >= delivery.given_up_at() {
        return Ok(Outcome::Over("given up after a day"));
    }
    let client = store.client(&delivery.client).await?;
    let Some(uri) = client.and_then(|client| client.record.backchannel_logout_uri.clone()) else {
        return Ok(Outcome::Over("the application does not want to hear any more"));
    };
    let token = LogoutToken {
        issuer: delivery.origin.issuer(),
        user: &delivery.user,
        client: &delivery.client,
        session: &delivery.session,
        issued_at: moment.now,
        id: TokenId::of_logout_token(moment),
    };
    let signed = app.keys().of(app.stores(), tenant).await?.sign_logout_token(&token)?;
    //= OpenID Connect Back-Channel Logout 1.0 §2.5
    // base64url and dots: nothing in it has to be encoded in a form.
    let answer = guarded.post_form(&uri, format!("logout_token={signed}")).await;
    Ok(match answer {
        //= OpenID Connect Back-Channel Logout 1.0 §2.8
        Ok(status) if matches!(status.as_u16(), 200 | 204) => Outcome::Over("heard"),
        Ok(status) if status.as_u16() == 400 => Outcome::Over("refused by the application"),
        Ok(status) => Outcome::Again(format!("it answered {}", status.as_u16())),
        // What is not allowed may be tomorrow: a name that resolves elsewhere, or another list.
        Err(no_answer) => Outcome::Again(no_answer.to_string()),
    })
}

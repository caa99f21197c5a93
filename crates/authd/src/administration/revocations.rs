//! Taking back: what people allowed, their sessions, and the refresh tokens that came of both (threats RT-12, LC-21).
//!
//! All but the first work in slices: what one person or application holds may be a lot, and must not hold up others' commits. A refresh
//! token ends however often it is used meanwhile: who refreshes all the time keeps nobody from revoking (RT-07).

use records::{ClientId, ResourceServerId, SessionId, UserGrant, UserGrantId, UserId, Write};
use store::{CommitError, RefreshFamiliesOf};

use super::users::{SLICE, in_slices};
use super::{ATTEMPTS, Refusal, settle};
use crate::backend::AnyStore;

/// Withdraws what a person allowed an application on one audience; refresh tokens that relied on it end.
///
/// Both in one commit: if this stopped half-way, refresh tokens that were left would come back to life once the person
/// allowed the same again. What was begun while the commit was made ends after it.
pub async fn user_grant(store: &AnyStore, id: &UserGrantId) -> Result<UserGrant, Refusal> {
    let grant = delete_user_grant(store, id).await?;
    loop {
        let left = ends_on(store, &grant).await?;
        if left.is_empty() {
            return Ok(grant);
        }
        store.commit(left).await?;
    }
}

/// Written out: a person does this on a page, and what waits on an asynchronous closure cannot change threads.
async fn delete_user_grant(store: &AnyStore, id: &UserGrantId) -> Result<UserGrant, Refusal> {
    for _ in 0..ATTEMPTS {
        let present = store.user_grant_by_id(id).await?;
        let present = present.ok_or_else(|| Refusal::Missing(format!("there is no grant {id}")))?;
        let record = present.record.clone();
        let mut writes = ends_on(store, &record).await?;
        writes.push(Write::DeleteUserGrant(present));
        match store.commit(writes).await {
            Ok(()) => return Ok(record),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CommitError::Conflict.into())
}

/// What ends the refresh tokens that relied on a grant: a person has two hundred of them at one application at most.
async fn ends_on(store: &AnyStore, grant: &UserGrant) -> Result<Vec<Write>, Refusal> {
    let of = RefreshFamiliesOf::UserAndClient(&grant.user, &grant.client);
    let (mut ends, mut after) = (Vec::new(), None);
    loop {
        let page = store.refresh_families(of, after.as_ref(), SLICE).await?;
        let Some(last) = page.last() else { return Ok(ends) };
        after = Some(last.record.id.clone());
        let on_it = page.into_iter().filter(|family| family.record.audience == grant.audience);
        ends.extend(on_it.map(|family| Write::EndRefreshFamily(family.record.id)));
    }
}

/// Ends a session. Refresh tokens outlive it, as at Auth0.
pub async fn session(store: &AnyStore, id: &SessionId) -> Result<(), Refusal> {
    settle(store, async || {
        let present = store.session(id).await?;
        Ok((present.map(Write::DeleteSession).into_iter().collect(), ()))
    })
    .await
}

/// Ends every refresh token of a person.
pub async fn refresh_tokens_of_user(store: &AnyStore, user: &UserId) -> Result<(), Refusal> {
    end_all(store, RefreshFamiliesOf::User(user)).await
}

/// Ends every refresh token of a person at an application.
pub async fn refresh_tokens_of_user_at(
    store: &AnyStore,
    user: &UserId,
    client: &ClientId,
) -> Result<(), Refusal> {
    end_all(store, RefreshFamiliesOf::UserAndClient(user, client)).await
}

/// Ends every refresh token of an application.
pub async fn refresh_tokens_of_client(store: &AnyStore, client: &ClientId) -> Result<(), Refusal> {
    end_all(store, RefreshFamiliesOf::Client(client)).await
}

/// Ends every refresh token for an API.
pub async fn refresh_tokens_of_api(store: &AnyStore, api: &ResourceServerId) -> Result<(), Refusal> {
    end_all(store, RefreshFamiliesOf::ResourceServer(api)).await
}

async fn end_all(store: &AnyStore, of: RefreshFamiliesOf<'_>) -> Result<(), Refusal> {
    in_slices(store, async || {
        let families = store.refresh_families(of, None, SLICE).await?;
        Ok(families.into_iter().map(|family| Write::EndRefreshFamily(family.record.id)).collect())
    })
    .await
}

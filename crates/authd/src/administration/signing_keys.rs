//! Making and rotating a tenant's signing keys (Auth0: current, next, previous).

use records::{KeyId, KeyState, Lifetime, SigningAlgorithm, SigningKey, Versioned, Write};

use super::{Refusal, settle};
use crate::backend::AnyStore;
use crate::keys::generate;
use crate::moment::Moments;

/// Makes a current and a next key for the algorithm unless it has a current one. HS256 needs none: its key is the API's.
///
/// The next key is published from now on, so that caches know it when it begins to sign.
pub async fn ensure(
    store: &AnyStore,
    algorithm: SigningAlgorithm,
    moments: &dyn Moments,
) -> Result<(), Refusal> {
    if algorithm == SigningAlgorithm::Hs256 {
        return Ok(());
    }
    let keys = store.signing_keys().await?;
    let has = |state| keys.iter().any(|key| key.record.algorithm == algorithm && key.record.state == state);
    let now = moments.draw().now;
    let mut writes = Vec::new();
    for state in [KeyState::Current, KeyState::Next] {
        if !has(state) {
            writes.push(Write::CreateSigningKey(generate(algorithm, state, now)?));
        }
    }
    if !writes.is_empty() {
        store.commit(writes).await?;
    }
    Ok(())
}

/// How long a key is published before it may sign: as long as others may keep the published set.
pub const PUBLISH_FIRST: Lifetime = Lifetime(crate::endpoints::jwks::MAX_AGE);

/// Whether a rotation waits until everybody can know the next key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// Refuse while a cache of the published set may not have the next key yet.
    WhenCachesKnow,
    /// Rotate at once: the current key may have leaked.
    AtOnce,
}

/// Makes the algorithm's next key current, its current one previous, and a new next one; previous keys whose tokens have
/// all expired are revoked.
///
/// Tokens that the previous key signed stay valid. Where there is no key at all, [`Haste::AtOnce`] makes the first ones.
/// Returns the new current keys' ids.
pub async fn rotate(
    store: &AnyStore,
    algorithm: SigningAlgorithm,
    haste: Haste,
    moments: &dyn Moments,
) -> Result<Vec<KeyId>, Refusal> {
    if algorithm == SigningAlgorithm::Hs256 {
        return Err(Refusal::Invalid(
            "an HS256 key belongs to its API and is not rotated with the tenant's keys".to_owned(),
        ));
    }
    settle(store, async || {
        let now = moments.draw().now;
        let keys = store.signing_keys().await?;
        let of_algorithm = || keys.iter().filter(|key| key.record.algorithm == algorithm);
        let mut writes = vec![Write::CreateSigningKey(generate(algorithm, KeyState::Next, now)?)];
        let mut current = Vec::new();
        for key in of_algorithm() {
            let state = match key.record.state {
                KeyState::Next => {
                    let published_until_all_know = key.record.state_since.after(PUBLISH_FIRST);
                    if haste == Haste::WhenCachesKnow && now < published_until_all_know {
                        return Err(Refusal::Invalid(format!(
                            "the next key was published {} seconds ago; caches know it after {}: wait, or use --force",
                            now.0.saturating_sub(key.record.state_since.0),
                            PUBLISH_FIRST.0
                        )));
                    }
                    KeyState::Current
                }
                KeyState::Current => KeyState::Previous,
                // No token lives longer, so nothing that it signed is good any more.
                KeyState::Previous if key.record.state_since.after(Lifetime::MONTH) <= now => {
                    KeyState::Revoked
                }
                KeyState::Previous | KeyState::Revoked => continue,
            };
            if state == KeyState::Current {
                current.push(key.record.id.clone());
            }
            writes.push(moved(key, state, now));
        }
        if current.is_empty() && haste == Haste::AtOnce && of_algorithm().next().is_none() {
            // They were lost with the key that sealed them: nothing is left to rotate, and something must sign.
            let made = generate(algorithm, KeyState::Current, now)?;
            current.push(made.id.clone());
            writes.push(Write::CreateSigningKey(made));
        }
        if current.is_empty() {
            return Err(Refusal::Missing(format!("the tenant has no {} key to rotate", algorithm.name())));
        }
        Ok((writes, current))
    })
    .await
}

/// Revokes a previous key: it is published no more, and what it signed verifies nowhere.
pub async fn revoke(store: &AnyStore, id: &KeyId, moments: &dyn Moments) -> Result<(), Refusal> {
    let keys = store.signing_keys().await?;
    let key = keys
        .iter()
        .find(|key| key.record.id == *id)
        .ok_or_else(|| Refusal::Missing(format!("there is no signing key {id}")))?;
    if key.record.state != KeyState::Previous {
        return Err(Refusal::Invalid(format!(
            "the key is {}: only a previous key can be revoked; rotate first",
            key.record.state.name()
        )));
    }
    store.commit(vec![moved(key, KeyState::Revoked, moments.draw().now)]).await?;
    Ok(())
}

fn moved(key: &Versioned<SigningKey>, state: KeyState, now: records::UnixTime) -> Write {
    let next = SigningKey { state, state_since: now, ..key.record.clone() };
    Write::ReplaceSigningKey(key.clone(), next)
}

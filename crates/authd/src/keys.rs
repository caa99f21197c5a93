//! A tenant's keys, parsed once and kept until the records change (RFC 7517).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use jwt_core::{Algorithm, JwkSet, KeySet, Signer};
use oauth_grants::issue::{access_token, algorithm, token_type};
use oauth_grants::oidc::id_token::{self, IdToken, sign_id_token};
use oauth_grants::oidc::logout_token::{self, LogoutToken, sign_logout_token};
use oauth_grants::{AccessToken, HandleKey, RefreshKeys, SecretDigestKey};
use records::{
    Client, KeyId, KeyState, ResourceServer, SecretBytes, SigningAlgorithm, SigningKey, TenantId,
    TokenDialect, UnixTime,
};
use store::SigningKeys;

use crate::backend::AnyStores;
use crate::failure::Failure;

/// What one tenant signs with and publishes.
#[derive(Debug)]
pub struct TenantKeys {
    /// The records that it was made from.
    source: SigningKeys,
    secret_digest_key: SecretDigestKey,
    handle_key: HandleKey,
    refresh_keys: RefreshKeys,
    signers: Vec<(SigningAlgorithm, TokenDialect, Signer)>,
    logout_signer: Option<Signer>,
    verifying: KeySet,
    jwks: Bytes,
}

/// Every tenant's keys.
#[derive(Debug, Default)]
pub struct Keys {
    loaded: RwLock<HashMap<TenantId, Arc<TenantKeys>>>,
}

impl Keys {
    /// The tenant's keys as the store has them now; parsed anew only when a record changed.
    pub async fn of(&self, stores: &AnyStores, tenant: &TenantId) -> Result<Arc<TenantKeys>, Failure> {
        let source = stores.tenant(tenant).signing_keys().await?;
        {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(keys) = loaded.get(tenant).filter(|keys| Arc::ptr_eq(&keys.source, &source)) {
                return Ok(Arc::clone(keys));
            }
        }
        let handle_key = HandleKey::new(&*stores.derive(&format!("handles/{tenant}"))?);
        let refresh_keys = RefreshKeys::new(
            &*stores.derive(&format!("refresh tokens/{tenant}"))?,
            &*stores.derive(&format!("refresh successors/{tenant}"))?,
        );
        let digest_key = secret_digest_key(stores, tenant)?;
        let keys = Arc::new(TenantKeys::load(source, digest_key, handle_key, refresh_keys)?);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(tenant.clone(), Arc::clone(&keys));
        Ok(keys)
    }

    /// Signs what was granted with the key that the API's tokens are signed with; `keys` are the tenant's, as loaded.
    ///
    /// An API that another process made with the first key of its algorithm may be seen here before that key is: the
    /// keys were in the cache and the API was not. So before a key is said to be missing the cache is refreshed.
    pub async fn sign(
        &self,
        keys: &TenantKeys,
        stores: &AnyStores,
        tenant: &TenantId,
        resource_server: &ResourceServer,
        token: &AccessToken<'_>,
    ) -> Result<String, Failure> {
        if let Some(signed) = keys.sign(resource_server, token)? {
            return Ok(signed);
        }
        stores.refresh().await?;
        self.of(stores, tenant).await?.sign(resource_server, token)?.ok_or_else(|| {
            Failure::Unsigned(format!("no current {} key", resource_server.signing_algorithm.name()))
        })
    }
}

impl TenantKeys {
    fn load(
        source: SigningKeys,
        secret_digest_key: SecretDigestKey,
        handle_key: HandleKey,
        refresh_keys: RefreshKeys,
    ) -> Result<Self, Failure> {
        let mut signers: Vec<(SigningAlgorithm, TokenDialect, Signer)> = Vec::new();
        let mut logout_signer = None;
        let mut published = Vec::new();
        // The newest current key of an algorithm signs, should there be two; the id settles a tie.
        let mut records: Vec<&SigningKey> = source.iter().map(|versioned| &versioned.record).collect();
        records.sort_by(|a, b| b.state_since.cmp(&a.state_since).then_with(|| a.id.cmp(&b.id)));
        for record in records {
            if record.state == KeyState::Revoked {
                continue;
            }
            let failed = |why: &dyn std::fmt::Display| Failure::Unsigned(format!("key {}: {why}", record.id));
            let key = jwt_core::SigningKey::from_pkcs8_der(
                algorithm(record.algorithm),
                record.private_key.expose(),
            )
            .map_err(|error| failed(&error))?;
            published.extend(key.verifying_key().to_jwk(Some(record.id.as_str())));
            let signs = signers.iter().any(|(algorithm, ..)| *algorithm == record.algorithm);
            if record.state != KeyState::Current || signs {
                continue;
            }
            for dialect in [TokenDialect::Auth0, TokenDialect::Rfc9068] {
                let signer = Signer::new(key.clone(), token_type(dialect), Some(record.id.as_str()))
                    .map_err(|error| failed(&error))?;
                signers.push((record.algorithm, dialect, signer));
            }
            if record.algorithm == SigningAlgorithm::Rs256 {
                let signer = Signer::new(key, logout_token::TOKEN_TYPE, Some(record.id.as_str()));
                logout_signer = Some(signer.map_err(|error| failed(&error))?);
            }
        }
        let published = JwkSet::from_keys(published);
        let verifying = KeySet::from(&published);
        let jwks = Bytes::from(published.to_json());
        Ok(Self {
            source,
            secret_digest_key,
            handle_key,
            refresh_keys,
            signers,
            logout_signer,
            verifying,
            jwks,
        })
    }

    /// The published set: every key but revoked ones, public members only.
    pub fn jwks(&self) -> Bytes {
        self.jwks.clone()
    }

    /// The key of the digests of the tenant's client secrets.
    pub fn secret_digest_key(&self) -> &SecretDigestKey {
        &self.secret_digest_key
    }

    /// The key of the handles that browsers and clients carry for the tenant.
    pub fn handle_key(&self) -> &HandleKey {
        &self.handle_key
    }

    /// The keys of the tenant's refresh tokens.
    pub fn refresh_keys(&self) -> &RefreshKeys {
        &self.refresh_keys
    }

    /// Every key that verifies the tenant's tokens: all but revoked ones.
    pub fn verifying(&self) -> &KeySet {
        &self.verifying
    }

    /// Signs an ID token: with the tenant's RS256 key, or with the client's own secret.
    pub fn sign_id_token(&self, token: &IdToken<'_>, client: &Client) -> Result<String, Failure> {
        let failed =
            |why: &dyn std::fmt::Display| Failure::Unsigned(format!("the ID token of {}: {why}", client.id));
        let shared;
        let signer = match (token.signing_algorithm, &client.id_token_secret) {
            (SigningAlgorithm::Hs256, Some(secret)) => {
                let key = jwt_core::SigningKey::dangerous_from_short_secret(
                    Algorithm::Hs256,
                    secret.expose().as_bytes(),
                )
                .map_err(|error| failed(&error))?;
                shared = Signer::new(key, id_token::TOKEN_TYPE, None).map_err(|error| failed(&error))?;
                &shared
            }
            (wanted, _) => {
                let found = self
                    .signers
                    .iter()
                    .find(|(algorithm, dialect, _)| (*algorithm, *dialect) == (wanted, TokenDialect::Auth0));
                &found.ok_or_else(|| failed(&format_args!("no current {} key", wanted.name())))?.2
            }
        };
        sign_id_token(token, signer).map_err(|error| failed(&error))
    }

    /// Signs a logout token with the tenant's RS256 key.
    pub fn sign_logout_token(&self, token: &LogoutToken<'_>) -> Result<String, Failure> {
        let signer = self.logout_signer.as_ref();
        let signer = signer.ok_or_else(|| Failure::Unsigned("no current RS256 key".to_owned()))?;
        sign_logout_token(token, signer).map_err(|error| Failure::Unsigned(error.to_string()))
    }

    /// Signs with the key that this API's tokens are signed with; `None` where the tenant has none of its algorithm.
    fn sign(
        &self,
        resource_server: &ResourceServer,
        token: &AccessToken<'_>,
    ) -> Result<Option<String>, Failure> {
        let shared;
        let signer = if resource_server.signing_algorithm == SigningAlgorithm::Hs256 {
            shared = shared_secret_signer(resource_server)?;
            &shared
        } else {
            let wanted = (resource_server.signing_algorithm, resource_server.token_dialect);
            let found = self.signers.iter().find(|(algorithm, dialect, _)| (*algorithm, *dialect) == wanted);
            let Some((_, _, signer)) = found else { return Ok(None) };
            signer
        };
        access_token(token, signer).map(Some).map_err(|error| Failure::Unsigned(error.to_string()))
    }
}

/// HS256 with the API's own secret, raw bytes, no `kid` (as Auth0: there is nothing published to point at).
fn shared_secret_signer(resource_server: &ResourceServer) -> Result<Signer, Failure> {
    let failed =
        |why: &dyn std::fmt::Display| Failure::Unsigned(format!("API {}: {why}", resource_server.id));
    let secret =
        resource_server.signing_secret.as_ref().ok_or_else(|| failed(&"it has no signing secret"))?;
    // Auth0 lets an API's owner choose 16 characters, where RFC 7518 §3.2 wants 32 bytes: those who chose so stay.
    let key = jwt_core::SigningKey::dangerous_from_short_secret(Algorithm::Hs256, secret.expose().as_bytes())
        .map_err(|error| failed(&error))?;
    Signer::new(key, token_type(resource_server.token_dialect), None).map_err(|error| failed(&error))
}

/// The key of the digests of one tenant's client secrets.
pub fn secret_digest_key(stores: &AnyStores, tenant: &TenantId) -> Result<SecretDigestKey, Failure> {
    Ok(SecretDigestKey::new(&*stores.derive(&format!("client secret digests/{tenant}"))?))
}

/// Makes a new key pair. RSA takes tens of milliseconds: not on a request's path.
pub fn generate(
    algorithm_name: SigningAlgorithm,
    state: KeyState,
    now: UnixTime,
) -> Result<SigningKey, Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::Unsigned(format!("a key could not be made: {why}"));
    let generated =
        jwt_core::SigningKey::generate(algorithm(algorithm_name)).map_err(|error| failed(&error))?;
    let thumbprint = generated.key().thumbprint().ok_or_else(|| failed(&"it has no thumbprint"))?;
    Ok(SigningKey {
        id: KeyId::parse(&thumbprint).map_err(|error| failed(&error))?,
        algorithm: algorithm_name,
        private_key: SecretBytes::new(generated.pkcs8_der().to_vec()),
        state,
        created_at: now,
        state_since: now,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::Versioned;

    fn keys(records: Vec<SigningKey>) -> TenantKeys {
        let source =
            records.into_iter().map(|record| Versioned { record, version: records::Version(1) }).collect();
        TenantKeys::load(
            source,
            SecretDigestKey::new(&[7; 32]),
            HandleKey::new(&[8; 32]),
            RefreshKeys::new(&[9; 32], &[10; 32]),
        )
        .unwrap()
    }

    #[test]
    fn kd_03_no_private_member_is_published() {
        let made = [SigningAlgorithm::Rs256, SigningAlgorithm::Es256, SigningAlgorithm::EdDsa]
            .map(|algorithm| generate(algorithm, KeyState::Current, UnixTime(1)).unwrap());
        let jwks: serde_json::Value = serde_json::from_slice(&keys(made.to_vec()).jwks()).unwrap();
        for key in jwks["keys"].as_array().unwrap() {
            let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            for member in &members {
                assert!(["alg", "kty", "use", "kid", "n", "e", "crv", "x", "y"].contains(member), "{member}");
            }
            assert!(members.contains(&"kid") && members.contains(&"alg"));
        }
        assert_eq!(jwks["keys"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn next_and_previous_keys_are_published_but_do_not_sign() {
        let next = generate(SigningAlgorithm::Es256, KeyState::Next, UnixTime(3)).unwrap();
        let current = generate(SigningAlgorithm::Es256, KeyState::Current, UnixTime(2)).unwrap();
        let previous = generate(SigningAlgorithm::Es256, KeyState::Previous, UnixTime(2)).unwrap();
        let revoked = generate(SigningAlgorithm::Es256, KeyState::Revoked, UnixTime(2)).unwrap();
        let (kid, gone) = (current.id.to_string(), revoked.id.to_string());
        let keys = keys(vec![next, revoked, current, previous]);
        let jwks = String::from_utf8(keys.jwks().to_vec()).unwrap();
        assert_eq!(jwks.matches("\"kid\"").count(), 3);
        assert!(!jwks.contains(&gone));
        assert_eq!(keys.signers.len(), 2);
        let token = keys.signers[0].2.sign(&serde_json::json!({"sub": "x"})).unwrap();
        let (header, _) = jwt_core::dangerous_inspect(&token).unwrap();
        assert!(header.contains(&kid), "{header}");
    }
}

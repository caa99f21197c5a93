//! `authd keys`: a tenant's signing keys.

use clap::{Args, Subcommand};
use records::{KeyId, SigningAlgorithm};
use serde_json::json;

use super::local::{LocalTenant, OnTenant};
use super::{Failed, instant, output};
use crate::administration::signing_keys::{self, Haste};
use crate::moment::SystemMoments;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// List the signing keys
    #[command(visible_alias = "ls")]
    List(OnTenant),
    /// Make the next key current, the current one previous, and a new next one
    Rotate(Rotate),
    /// Revoke a previous key: what it signed verifies no more
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Whose keys: RS256, ES256 or EdDSA
    #[arg(long, default_value = "RS256", value_name = "ALG")]
    signing_alg: String,
    /// Do not wait until caches know the next key: tokens may be refused for some minutes
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    tenant: LocalTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The key's kid
    kid: String,
    #[command(flatten)]
    tenant: LocalTenant,
}

pub(crate) async fn run(verb: Keys) -> Result<(), Failed> {
    match verb {
        Keys::List(list) => {
            let store = list.tenant.open_store().await?;
            let keys = store.signing_keys().await.map_err(|error| error.to_string())?;
            let objects: Vec<_> = keys
                .iter()
                .map(|key| {
                    json!({
                        "kid": key.record.id.as_str(),
                        "alg": key.record.algorithm.name(),
                        "state": key.record.state.name(),
                        "since": instant(key.record.state_since),
                    })
                })
                .collect();
            output::list(list.json, &["kid", "alg", "state", "since"], &objects);
        }
        Keys::Rotate(rotate) => {
            let algorithm = SigningAlgorithm::from_name(&rotate.signing_alg).ok_or_else(|| {
                Failed::Usage(format!("--signing-alg {:?}: use RS256, ES256 or EdDSA", rotate.signing_alg))
            })?;
            let store = rotate.tenant.open_store().await?;
            let haste = if rotate.force { Haste::AtOnce } else { Haste::WhenCachesKnow };
            for kid in signing_keys::rotate(&store, algorithm, haste, &SystemMoments).await? {
                output::print(&format!("{kid} signs {} from now on", algorithm.name()));
            }
        }
        Keys::Revoke(revoke) => {
            let kid = KeyId::parse(&revoke.kid)?;
            let store = revoke.tenant.open_store().await?;
            signing_keys::revoke(&store, &kid, &SystemMoments).await?;
            output::print(&format!("revoked {kid}"));
        }
    }
    Ok(())
}

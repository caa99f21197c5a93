//! May an application act for a person who is away? (OpenID Connect Core 1.0 §11; Auth0's `allow_offline_access`.)

use records::{Client, GrantType, ResourceServer};

/// Whether `offline_access`, and with it a refresh token, may be granted: the application must be able to use one, and
/// the API must allow it. Without an API (`None`: userinfo alone) no API has a say.
///
/// It is left out silently where it may not. Refresh tokens never come from the authorization endpoint or from client
/// credentials; that is for the callers to keep.
pub fn may_be_issued(client: &Client, api: Option<&ResourceServer>) -> bool {
    client.grant_types.contains(&GrantType::RefreshToken) && api.is_none_or(|api| api.allow_offline_access)
}

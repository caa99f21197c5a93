//! May an application act for a person who is away? (OpenID Connect Core 1.0 §11; Auth0's `allow_offline_access`.)

use records::{Client, GrantType, ResourceServer};

/// Whether `offline_access`, and with it a refresh token, may be granted: the application must be able to use
/// one, and the API must allow it. Without an API (`None`: userinfo alone) no API has a say.
///
/// It is left out silently where it may not. Refresh tokens never come from the authorization endpoint or
/// from client credentials; that is for the callers to keep.
pub fn may_be_issued(client: &Client, api: Option<&ResourceServer>) -> bool {
    client.grant_types.contains(&GrantType::RefreshToken) && api.is_none_or(|api| api.allow_offline_access)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{client, resource_server};

    //= OpenID Connect Core 1.0 §11
    #[test]
    fn offline_access_is_the_policy_of_the_api_and_a_capability_of_the_client() {
        for (grant_type, allow_offline_access, expected) in [
            (GrantType::RefreshToken, true, true),
            (GrantType::RefreshToken, false, false),
            (GrantType::AuthorizationCode, true, false),
            (GrantType::AuthorizationCode, false, false),
        ] {
            let client = Client { grant_types: vec![grant_type], ..client() };
            let api = ResourceServer { allow_offline_access, ..resource_server("read") };
            assert_eq!(may_be_issued(&client, Some(&api)), expected, "{grant_type:?} {allow_offline_access}");
        }
    }

    #[test]
    fn without_an_api_the_client_alone_decides() {
        let refreshing = Client { grant_types: vec![GrantType::RefreshToken], ..client() };
        assert!(may_be_issued(&refreshing, None));
        assert!(!may_be_issued(&client(), None));
    }
}

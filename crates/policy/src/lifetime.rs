//! How long does an access token live? (RFC 6749 §4.2.2, `expires_in`; Auth0's Token Expiration.)

use records::{Lifetime, ResourceServer};

/// How an access token reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// In the answer of the token endpoint.
    TokenEndpoint,
    /// Through the browser's address bar.
    FrontChannel,
}

/// The lifetime of a new access token for `resource_server`: the API's setting, never above 30 days.
///
/// The cap is applied here too, not only where settings are written: a restored or imported row may hold more.
/// The front channel never outlives the token endpoint.
pub fn access_token(resource_server: &ResourceServer, channel: Channel) -> Lifetime {
    let longest = resource_server.token_lifetime.min(Lifetime::MONTH);
    match channel {
        Channel::TokenEndpoint => longest,
        Channel::FrontChannel => resource_server.token_lifetime_for_web.min(longest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::resource_server;

    #[test]
    fn each_api_decides_up_to_thirty_days() {
        for (set, lives) in [
            (0, 0),
            (1, 1),
            (86_400, 86_400),
            (2_592_000, 2_592_000),
            (2_592_001, 2_592_000),
            (u32::MAX, 2_592_000),
        ] {
            let mut api = resource_server("");
            api.token_lifetime = Lifetime(set);
            assert_eq!(access_token(&api, Channel::TokenEndpoint), Lifetime(lives), "{set}");
        }
    }

    #[test]
    fn the_front_channel_never_outlives_the_token_endpoint() {
        for (normal, web, lives) in
            [(86_400, 7200, 7200), (60, 7200, 60), (7200, 7200, 7200), (u32::MAX, u32::MAX, 2_592_000)]
        {
            let mut api = resource_server("");
            api.token_lifetime = Lifetime(normal);
            api.token_lifetime_for_web = Lifetime(web);
            assert_eq!(access_token(&api, Channel::FrontChannel), Lifetime(lives), "{normal} {web}");
        }
    }
}

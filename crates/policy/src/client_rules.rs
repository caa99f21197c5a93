//! May this client use this grant type? (RFC 6749 §4.4, §5.2 `unauthorized_client`.)

use records::{Client, GrantType};

/// Why a client may not use a grant type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantTypeRefusal {
    /// It is not among the client's grant types.
    NotListed,
    /// It asks for proof of who the client is, and a public client has none.
    ClientIsPublic,
}

/// Whether `client` may use `grant_type`.
///
/// # Errors
/// [`GrantTypeRefusal`]. A public client is refused client credentials even where its record lists them: anybody can
/// claim to be it.
pub fn may_use(client: &Client, grant_type: GrantType) -> Result<(), GrantTypeRefusal> {
    //= RFC 6749 §4.4
    if grant_type == GrantType::ClientCredentials && client.is_public() {
        return Err(GrantTypeRefusal::ClientIsPublic);
    }
    if client.grant_types.contains(&grant_type) { Ok(()) } else { Err(GrantTypeRefusal::NotListed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::client;
    use records::TokenEndpointAuthMethod;

    #[test]
    fn exactly_the_listed_grant_types_are_allowed() {
        for (listed, _) in GrantType::ALL {
            let client = Client { grant_types: vec![*listed], ..client() };
            for (asked, name) in GrantType::ALL {
                let expected = if asked == listed { Ok(()) } else { Err(GrantTypeRefusal::NotListed) };
                assert_eq!(may_use(&client, *asked), expected, "{name}");
            }
        }
    }

    //= RFC 6749 §4.4
    #[test]
    fn a_public_client_never_uses_client_credentials() {
        let public = Client {
            token_endpoint_auth_method: TokenEndpointAuthMethod::None,
            grant_types: GrantType::ALL.iter().map(|(grant_type, _)| *grant_type).collect(),
            ..client()
        };
        for (asked, name) in GrantType::ALL {
            let expected = match asked {
                GrantType::ClientCredentials => Err(GrantTypeRefusal::ClientIsPublic),
                _ => Ok(()),
            };
            assert_eq!(may_use(&public, *asked), expected, "{name}");
        }
    }
}

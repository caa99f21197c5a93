//! May this client have access tokens of its own for this API? (RFC 6749 §4.4; Auth0's client grants.)

use records::{Client, ClientGrant, ClientPolicy, ResourceServer, SubjectType};

/// Why a client gets no tokens of its own for an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientGrantRefusal {
    /// The API gives no client tokens of its own.
    ApiRefusesClients,
    /// The API's owner did not grant the client anything.
    NoClientGrant,
}

/// The client grant by which `client` gets tokens of its own for `resource_server`.
///
/// A grant that names another client, another API or people's tokens is as good as none: whoever loaded it made a
/// mistake, and a mistake must not open a door.
///
/// # Errors
/// [`ClientGrantRefusal`]; the API's policy is asked first, so that it holds even over existing grants.
pub fn own_tokens<'g>(
    client: &Client,
    resource_server: &ResourceServer,
    grant: Option<&'g ClientGrant>,
) -> Result<&'g ClientGrant, ClientGrantRefusal> {
    match resource_server.client_policy {
        ClientPolicy::DenyAll => return Err(ClientGrantRefusal::ApiRefusesClients),
        ClientPolicy::RequireClientGrant => {}
    }
    grant
        .filter(|grant| {
            grant.client == client.id
                && grant.resource_server == resource_server.id
                && grant.subject_type == SubjectType::Client
        })
        .ok_or(ClientGrantRefusal::NoClientGrant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{client, client_grant, resource_server};
    use records::{ClientId, ResourceServerId};

    #[test]
    fn a_grant_opens_the_api() {
        let grant = client_grant("geocode");
        assert_eq!(own_tokens(&client(), &resource_server("geocode"), Some(&grant)), Ok(&grant));
    }

    #[test]
    fn without_a_grant_the_api_is_closed() {
        assert_eq!(
            own_tokens(&client(), &resource_server("geocode"), None),
            Err(ClientGrantRefusal::NoClientGrant)
        );
    }

    #[test]
    fn an_api_that_refuses_clients_does_so_over_existing_grants() {
        let mut api = resource_server("geocode");
        api.client_policy = ClientPolicy::DenyAll;
        let grant = client_grant("geocode");
        for grant in [None, Some(&grant)] {
            assert_eq!(own_tokens(&client(), &api, grant), Err(ClientGrantRefusal::ApiRefusesClients));
        }
    }

    #[test]
    fn a_grant_of_another_client_api_or_subject_is_none() {
        let good = client_grant("geocode");
        let others = [
            ClientGrant { client: ClientId::parse("another").unwrap(), ..good.clone() },
            ClientGrant { resource_server: ResourceServerId::parse("another").unwrap(), ..good.clone() },
            ClientGrant { subject_type: SubjectType::User, ..good },
        ];
        for grant in &others {
            assert_eq!(
                own_tokens(&client(), &resource_server("geocode"), Some(grant)),
                Err(ClientGrantRefusal::NoClientGrant),
                "{grant:?}"
            );
        }
    }
}

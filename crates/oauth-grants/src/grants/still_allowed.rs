//! What a login gave is given on only while it still may be (threats RT-12, LC-08, LC-12, LC-21).

use policy::scope;
use records::{
    Audience, Client, ClientGrant, Connection, ResourceServer, ScopeSet, UnixTime, User, UserGrant, UserId,
    Versioned,
};

/// What must be known of the present when something that a login gave is used.
#[derive(Clone, Copy, Debug)]
pub struct StillFacts<'f> {
    /// The person, if there still is one.
    pub user: Option<&'f Versioned<User>>,
    /// The API, if it is for one and that still exists.
    pub api: Option<&'f ResourceServer>,
    /// The client's grant for that API on people's behalf (subject type user), if there is one.
    pub client_grant: Option<&'f ClientGrant>,
    /// The connection that knows the person, if it is still there.
    pub home: Option<&'f Connection>,
    /// What the person allows this client on this audience, if anything: what is relied on.
    pub user_grant: Option<&'f Versioned<UserGrant>>,
    /// Whether the scopes need no more consent than there is ([`crate::authorize::consent_holds`]).
    pub consent_still_holds: bool,
}

/// What a login gave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'g> {
    pub(super) user: &'g UserId,
    pub(super) audience: &'g Audience,
    pub(super) scopes: &'g ScopeSet,
    pub(super) authenticated_at: UnixTime,
    pub(super) issued_at: UnixTime,
}

/// Why it gives nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The person does not exist any more.
    UserGone,
    /// The person is kept out.
    UserBlocked,
    /// The password was taken away from whoever logged in with it.
    CredentialsChanged,
    /// The API does not exist any more.
    ApiGone,
    /// It was given to an earlier client, or for an earlier API, of the same id.
    OfAnEarlierOne,
    /// The API gives this client no tokens of people any more.
    ClientNotAuthorized,
    /// The person's connection does not let them in to this client any more.
    ConnectionDisabled,
    /// What the person or an administrator had allowed was withdrawn.
    ConsentWithdrawn,
}

/// What is left of it.
pub(super) struct Left<'f> {
    pub(super) user: &'f Versioned<User>,
    pub(super) api: Option<&'f ResourceServer>,
    /// What of the scopes the API, its owner and its policy still allow.
    pub(super) scopes: ScopeSet,
}

/// Checks everything again that was checked when the person was sent back.
pub(super) fn check<'f>(
    given: Given<'_>,
    client: &Client,
    facts: &StillFacts<'f>,
) -> Result<Left<'f>, Withdrawn> {
    let user = facts.user.filter(|user| user.record.id == *given.user).ok_or(Withdrawn::UserGone)?;
    if user.record.is_blocked {
        return Err(Withdrawn::UserBlocked);
    }
    if given.authenticated_at < user.record.credentials_changed_at {
        return Err(Withdrawn::CredentialsChanged);
    }
    let api = match given.audience {
        Audience::UserInfo => None,
        Audience::Api(id) => Some(facts.api.filter(|api| api.id == *id).ok_or(Withdrawn::ApiGone)?),
    };
    if given.issued_at < client.created_at || api.is_some_and(|api| given.issued_at < api.created_at) {
        return Err(Withdrawn::OfAnEarlierOne);
    }
    let is_let_in = facts
        .home
        .is_some_and(|home| home.name == user.record.connection && home.enabled_clients.include(&client.id));
    if !is_let_in {
        return Err(Withdrawn::ConnectionDisabled);
    }
    let scopes = scope::for_user(given.scopes, client, api, facts.client_grant)
        .map_err(|_| Withdrawn::ClientNotAuthorized)?
        .granted;
    if !facts.consent_still_holds {
        return Err(Withdrawn::ConsentWithdrawn);
    }
    Ok(Left { user, api, scopes })
}

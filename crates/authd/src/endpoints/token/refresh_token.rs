//! The grant `refresh_token`: facts, decision, signature, one conditional change of one row (RFC 6749 §6).

use oauth_grants::authorize::consent_holds;
use oauth_grants::still_allowed::StillFacts;
use oauth_grants::{Decision, Outcome, RefreshToken, TokenError, TokenResponse, refresh_token};
use policy::consent::Question;
use records::{Audience, SubjectType, Write};
use store::CommitError;

use super::{Answered, Asked, Loaded};
use crate::app::Trace;
use crate::failure::Failure;
use crate::keys::TenantKeys;

/// How often a refresh is decided again after a conflict. Many clients' tabs present one token at the same moment, and
/// all but one find that it was rotated.
const ATTEMPTS: usize = 64;

pub(super) async fn respond(
    asked: Asked<'_>,
    request: &refresh_token::Request<'_>,
    trace: &mut Trace,
) -> Answered<TokenResponse> {
    let Asked { app, called, .. } = asked;
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let token = RefreshToken::parse(request.refresh_token, keys.refresh_keys());
    for _ in 0..ATTEMPTS {
        let (writes, answered) = attempt(asked, request, token.as_ref(), &keys, trace).await?;
        if writes.is_empty() {
            return Ok(answered);
        }
        match called.store.commit(writes).await {
            Ok(()) => return Ok(answered),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

/// What is to be written, and what is then answered. The facts that this was decided on are let go of here: they need not
/// be kept in memory while the disk takes its time.
async fn attempt(
    asked: Asked<'_>,
    request: &refresh_token::Request<'_>,
    token: Option<&RefreshToken>,
    keys: &TenantKeys,
    trace: &mut Trace,
) -> Result<(Vec<Write>, Result<TokenResponse, TokenError>), Failure> {
    let Asked { app, called, .. } = asked;
    let (store, settings) = (&called.store, &called.tenant.record.settings);
    let moment = app.moments().draw();
    let loaded = Loaded::default();
    let client = match asked.client(&loaded, keys, &moment, trace).await? {
        Ok(client) => client,
        Err(refusal) => return Ok((Vec::new(), Err(refusal))),
    };
    let family = match token.map(RefreshToken::family) {
        Some(Ok(id)) => store.refresh_family(&id).await?,
        Some(Err(_)) | None => None,
    };
    let (mut user, mut api, mut user_grant, mut administrative) = (None, None, None, None);
    let (mut home, mut client_grant) = (None, None);
    if let Some(family) = family.as_ref().map(|family| &family.record) {
        user = store.user(&family.user).await?;
        if let Some(user) = &user {
            home = store.connection(&user.record.connection).await?;
        }
        user_grant = store.user_grant(&family.user, &family.client, &family.audience).await?;
        if let Audience::Api(id) = &family.audience {
            api = store.resource_server(id).await?;
            administrative = store.administrative_consent(&family.client, id).await?;
            client_grant = store.client_grant(&family.client, id, SubjectType::User).await?;
        }
    }
    let api = api.as_ref().map(|api| &api.record);
    let consent_still_holds = match (&family, &user) {
        (Some(family), Some(user)) => match &family.record.redirect_uri {
            Some(redirect_uri) => consent_holds(&Question {
                client: client.client(),
                settings,
                api,
                scopes: &family.record.scopes,
                redirect_uri,
                asks_for_consent: false,
                grant: user_grant.as_ref().map(|grant| &grant.record),
                administrative: administrative.as_ref().map(|consent| &consent.record),
                user: &user.record,
            }),
            // Of a password grant: no consent was asked for, the client is the tenant's own.
            None => client.client().is_first_party,
        },
        _ => false,
    };
    let facts = refresh_token::Facts {
        client,
        token,
        family: family.as_ref(),
        still: StillFacts {
            user: user.as_ref(),
            api,
            client_grant: client_grant.as_ref().map(|grant| &grant.record),
            home: home.as_ref().map(|connection| &connection.record),
            user_grant: user_grant.as_ref(),
            consent_still_holds,
        },
        settings,
        origin: &called.origin,
        keys: keys.refresh_keys(),
    };
    let Decision { writes, outcome } = refresh_token::decide(request, facts, &moment);
    let answered = match outcome {
        Outcome::Granted(tokens) => Ok(asked.signed(keys, &tokens, client.client(), api, &moment).await?),
        Outcome::Refused(error) => Err(error),
    };
    Ok((writes, answered))
}

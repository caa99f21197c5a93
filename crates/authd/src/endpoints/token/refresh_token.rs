//! The grant `refresh_token`: facts, decision, signature, one conditional change of one row (RFC 6749 §6).

use oauth_grants::authorize::consent_holds;
use oauth_grants::still_allowed::StillFacts;
use oauth_grants::{Decision, Outcome, RefreshToken, TokenError, TokenResponse, refresh_token};
use policy::consent::Question;
use records::{Audience, SubjectType, Write};
use store::{CommitError, Freshness};

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
    let mut freshness = Freshness::Remembered;
    for _ in 0..ATTEMPTS {
        // Boxed: what it needs is free again before the commit is waited for.
        let Attempt { writes, answered, has_family } =
            Box::pin(attempt(asked, request, token.as_ref(), &keys, freshness, trace)).await?;
        // Nobody is refused, and no family ended, by what was only remembered; and where nothing is written nothing of it is
        // checked, so that nothing is given on it either.
        let is_checked = answered.is_ok() && !writes.is_empty();
        if has_family && !is_checked && freshness == Freshness::Remembered {
            freshness = Freshness::Now;
            continue;
        }
        if writes.is_empty() {
            return Ok(answered);
        }
        match called.store.commit(writes).await {
            Ok(()) => return Ok(answered),
            Err(CommitError::Conflict) => freshness = Freshness::Now,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

/// A decision, without the facts that it was made on: they need not be kept in memory while the disk takes its time.
struct Attempt {
    writes: Vec<Write>,
    /// What is answered once that is written.
    answered: Result<TokenResponse, TokenError>,
    /// Whether the token's family was there, and the person and what they allowed were read.
    has_family: bool,
}

async fn attempt(
    asked: Asked<'_>,
    request: &refresh_token::Request<'_>,
    token: Option<&RefreshToken>,
    keys: &TenantKeys,
    freshness: Freshness,
    trace: &mut Trace,
) -> Result<Attempt, Failure> {
    let Asked { app, called, .. } = asked;
    let (store, settings) = (&called.store, &called.tenant.record.settings);
    let moment = app.moments().draw();
    let loaded = Loaded::default();
    let client = match asked.client(&loaded, keys, &moment, trace).await? {
        Ok(client) => client,
        Err(refusal) => {
            return Ok(Attempt { writes: Vec::new(), answered: Err(refusal), has_family: false });
        }
    };
    let family = match token.map(RefreshToken::family) {
        Some(Ok(id)) => store.refresh_family(&id).await?,
        Some(Err(_)) | None => None,
    };
    let (mut user, mut api, mut user_grant, mut administrative) = (None, None, None, None);
    let (mut home, mut client_grant) = (None, None);
    if let Some(family) = family.as_ref().map(|family| &family.record) {
        user = store.user_as_of(&family.user, freshness).await?;
        if let Some(user) = &user {
            home = store.connection(&user.record.connection).await?;
        }
        if family.redirect_uri.is_some() {
            user_grant =
                store.user_grant_as_of(&family.user, &family.client, &family.audience, freshness).await?;
        }
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
            user: user.as_deref(),
            api,
            client_grant: client_grant.as_ref().map(|grant| &grant.record),
            home: home.as_ref().map(|connection| &connection.record),
            user_grant: user_grant.as_deref(),
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
    Ok(Attempt { writes, answered, has_family: family.is_some() })
}

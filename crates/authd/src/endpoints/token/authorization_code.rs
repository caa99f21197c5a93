//! The grant `authorization_code`: facts, decision, signature, commit (RFC 6749 §4.1.3).

use oauth_grants::authorize::consent_holds;
use oauth_grants::refresh_token::NewFamily;
use oauth_grants::still_allowed::StillFacts;
use oauth_grants::{Decision, Outcome, TokenResponse, authorization_code};
use policy::consent::Question;
use records::{Audience, CodeState, SubjectType};
use store::CommitError;

use super::{Answered, Asked, Loaded};
use crate::administration::ATTEMPTS;
use crate::app::Trace;
use crate::failure::Failure;

pub(super) async fn respond(
    asked: Asked<'_>,
    request: &authorization_code::Request<'_>,
    trace: &mut Trace,
) -> Answered<TokenResponse> {
    let Asked { app, called, .. } = asked;
    let (store, settings) = (&called.store, &called.tenant.record.settings);
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    for _ in 0..ATTEMPTS {
        let moment = app.moments().draw();
        let loaded = Loaded::default();
        let client = match asked.client(&loaded, &keys, &moment, trace).await? {
            Ok(client) => client,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let code = match authorization_code::code_id(request.code) {
            Some(id) => store.authorization_code(&id).await?,
            None => None,
        };
        let (mut user, mut api, mut user_grant, mut administrative) = (None, None, None, None);
        let (mut family, mut oldest, mut home, mut client_grant) = (None, None, None, None);
        if let Some(code) = code.as_ref().map(|code| &code.record) {
            user = store.user(&code.user).await?;
            if let Some(user) = &user {
                home = store.connection(&user.record.connection).await?;
            }
            user_grant = store.user_grant(&code.user, &code.client, &code.audience).await?;
            match &code.state {
                CodeState::Used { family: Some(id), .. } => family = store.refresh_family(id).await?,
                CodeState::Used { family: None, .. } => {}
                CodeState::Unused => oldest = super::oldest_family(called, &code.user, &code.client).await?,
            }
            if let Audience::Api(id) = &code.audience {
                api = store.resource_server(id).await?;
                administrative = store.administrative_consent(&code.client, id).await?;
                client_grant = store.client_grant(&code.client, id, SubjectType::User).await?;
            }
        }
        let api = api.as_ref().map(|api| &api.record);
        let consent_still_holds = match (&code, &user) {
            (Some(code), Some(user)) => consent_holds(&Question {
                client: client.client(),
                settings,
                api,
                scopes: &code.record.scopes,
                redirect_uri: &code.record.redirect_uri,
                asks_for_consent: false,
                grant: user_grant.as_ref().map(|grant| &grant.record),
                administrative: administrative.as_ref().map(|consent| &consent.record),
                user: &user.record,
            }),
            _ => false,
        };
        let facts = authorization_code::Facts {
            client,
            code: code.as_ref(),
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
            family: family.as_ref(),
            new_family: NewFamily { keys: keys.refresh_keys(), oldest: oldest.as_ref() },
        };
        let Decision { writes, outcome } = authorization_code::decide(request, facts, &moment);
        let answered = match outcome {
            Outcome::Granted(tokens) => {
                Ok(asked.signed(&keys, &tokens, client.client(), api, &moment).await?)
            }
            Outcome::Refused(error) => Err(error),
        };
        if writes.is_empty() {
            return Ok(answered);
        }
        match store.commit(writes).await {
            Ok(()) => return Ok(answered),
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

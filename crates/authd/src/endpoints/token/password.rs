//! The grants `password` and `password-realm`: cheap checks, the attempt, the decision (RFC 6749 §4.3).

use oauth_grants::password::{self, Attempt, CheckFacts, Checked};
use oauth_grants::refresh_token::NewFamily;
use oauth_grants::{Decision, Outcome, TokenError, TokenResponse};
use records::{SecretText, SubjectType};
use store::CommitError;

use super::{Answered, Asked, Loaded};
use crate::administration::ATTEMPTS;
use crate::app::Trace;
use crate::failure::Failure;
use crate::http::peer::Peer;
use crate::logins::{Counters, Source, Verdict};

pub(super) async fn respond(
    asked: Asked<'_>,
    request: &password::Request<'_>,
    peer: Option<Peer>,
    trace: &mut Trace,
) -> Answered<TokenResponse> {
    let Asked { app, called, .. } = asked;
    let (store, settings) = (&called.store, &called.tenant.record.settings);
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    // The attempt is made once, whatever has to be decided again after it.
    let mut verified = None;
    for _ in 0..ATTEMPTS {
        let moment = app.moments().draw();
        let loaded = Loaded::default();
        let client = match asked.client(&loaded, &keys, &moment, trace).await? {
            Ok(client) => client,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let connection = match password::connection(request, settings) {
            Ok(name) => store.connection(&name).await?,
            // What is wrong is said by the check, after what comes first.
            Err(_) => None,
        };
        let api = match password::resource_server(request, settings, &called.origin) {
            Some(identifier) => store.resource_server_by_identifier(&identifier).await?,
            None => None,
        };
        let client_grant = match &api {
            Some(api) => store.client_grant(&client.client().id, &api.record.id, SubjectType::User).await?,
            None => None,
        };
        let facts = CheckFacts {
            client,
            connection: connection.as_ref().map(|connection| &connection.record),
            api: api.as_ref().map(|api| &api.record),
            client_grant: client_grant.as_ref().map(|grant| &grant.record),
            settings,
            origin: &called.origin,
        };
        let checked: Checked<'_> = match password::check(request, facts) {
            Ok(checked) => checked,
            Err(error) => return Ok(Err(error)),
        };
        let Some(connection) = &connection else { return Ok(Err(TokenError::UnknownConnection)) };
        let name = checked.login_name().cloned();
        let source = if client.client().is_public() {
            Source::Peer(peer.unwrap_or(Peer::Proxy))
        } else {
            Source::Client(&client.client().id)
        };
        let counters = Counters::of(app, called, &connection.record, name.as_ref(), source)?;
        let verified = match &verified {
            Some(verified) => verified,
            None => {
                let password = SecretText::new(request.password.to_owned());
                match counters.verify(password, &moment).await? {
                    Verdict::Matches(user) => &*verified.insert(user),
                    Verdict::Differs => return Ok(Err(TokenError::WrongPassword)),
                    Verdict::Locked => {
                        // Only the log says that it is something else.
                        trace.refused = Some("account_locked".to_owned());
                        return Ok(Err(TokenError::WrongPassword));
                    }
                    Verdict::TooMany(wait) => {
                        return Ok(Err(TokenError::TooManyAttempts { retry_after: wait }));
                    }
                    Verdict::Busy => return Err(Failure::Contended),
                }
            }
        };
        let Some(user) = counters.person_again(&verified.record).await? else {
            return Ok(Err(TokenError::WrongPassword));
        };
        let oldest = super::oldest_family(called, &user.record.id, &client.client().id).await?;
        let _turn = counters.turn().await;
        let attempt = Attempt {
            user: Some(&user),
            password_matches: true,
            // What a success writes about the counts is known here alone.
            account_attempts: None,
            address_attempts: None,
            new_family: NewFamily { keys: keys.refresh_keys(), oldest: oldest.as_ref() },
        };
        let Decision { mut writes, outcome } = password::decide(checked, attempt, &moment);
        let answered = match outcome {
            Outcome::Granted(tokens) => {
                writes.extend(counters.cleared(&user.record).await?);
                let api = api.as_ref().map(|api| &api.record);
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

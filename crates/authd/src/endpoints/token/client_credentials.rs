//! The grant `client_credentials`: facts, decision, signature (RFC 6749 §4.4).

use oauth_grants::{Decision, Outcome, TokenResponse, client_credentials};
use policy::OutOfGrantScopes;
use records::SubjectType;
use store::CommitError;

use super::{Answered, Asked, Loaded};
use crate::administration::ATTEMPTS;
use crate::app::Trace;
use crate::failure::Failure;

pub(super) async fn respond(
    asked: Asked<'_>,
    request: &client_credentials::Request<'_>,
    trace: &mut Trace,
) -> Answered<TokenResponse> {
    let Asked { app, called, .. } = asked;
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let settings = &called.tenant.record.settings;
    for _ in 0..ATTEMPTS {
        let moment = app.moments().draw();
        let loaded = Loaded::default();
        let client = match asked.client(&loaded, &keys, &moment, trace).await? {
            Ok(client) => client,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let resource_server = match client_credentials::resource_server(request, settings, &called.origin) {
            Some(identifier) => called.store.resource_server_by_identifier(&identifier).await?,
            None => None,
        };
        let client_grant = match &resource_server {
            Some(api) => {
                let (client, api) = (&client.client().id, &api.record.id);
                called.store.client_grant(client, api, SubjectType::Client).await?
            }
            None => None,
        };
        let facts = client_credentials::Facts {
            client,
            resource_server: resource_server.as_ref().map(|api| &api.record),
            client_grant: client_grant.as_ref().map(|grant| &grant.record),
            settings,
            origin: &called.origin,
            out_of_grant_scopes: OutOfGrantScopes::Refuse,
        };
        let Decision { writes, outcome } = client_credentials::decide(request, facts, &moment);
        // Signing before committing: a signature that fails consumes nothing.
        let answered = match (outcome, &resource_server) {
            (Outcome::Granted(granted), Some(api)) => {
                let tenant = &called.tenant.record.id;
                let token = &granted.access_token;
                let signed = app.keys().sign(&keys, app.stores(), tenant, &api.record, token).await?;
                Ok(TokenResponse::new(&granted, signed))
            }
            (Outcome::Granted(_), None) => return Err(Failure::Unsigned("no API to sign for".to_owned())),
            (Outcome::Refused(error), _) => Err(error),
        };
        // Committing before answering: no token leaves whose making was not recorded.
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

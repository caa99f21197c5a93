//! Consenting in people's place (docs/adr/0008): to an application, on an API, for whom and to what.

use records::{
    AdministrativeConsent, ClientId, ConsentFor, ConsentRule, ResourceServer, ResourceServerId, ScopeSet,
    Versioned, Write,
};
use store::AdministrativeConsentsOf;

use super::{Refusal, clients, connections, resource_servers, settle, users};
use crate::backend::AnyStore;
use crate::moment::Moments;

/// The most people that one rule names: for more there are connections.
const MOST_PEOPLE: usize = 1000;

/// Adds a rule; one for the same people grows. Returns the new state.
///
/// Who asked for less before is not asked again; tokens that were issued stay as they are.
pub async fn add(
    store: &AnyStore,
    client: &ClientId,
    api: &ResourceServerId,
    rule: &ConsentRule,
    moments: &dyn Moments,
) -> Result<AdministrativeConsent, Refusal> {
    settle(store, async || {
        let now = moments.draw().now;
        let client = clients::find(store, client).await?;
        let api = resource_servers::by_id(store, api).await?;
        check(store, &api.record, rule).await?;
        let Some(present) = store.administrative_consent(&client.record.id, &api.record.id).await? else {
            let consent = AdministrativeConsent {
                client: client.record.id.clone(),
                resource_server: api.record.id.clone(),
                rules: vec![rule.clone()],
                created_at: now,
                updated_at: now,
            };
            let write = Write::CreateAdministrativeConsent {
                consent: consent.clone(),
                client: (*client).clone(),
                resource_server: (*api).clone(),
            };
            return Ok((vec![write], consent));
        };
        let mut next = AdministrativeConsent { updated_at: now, ..present.record.clone() };
        match next.rules.iter_mut().find(|known| known.users == rule.users) {
            Some(known) => known.scopes = known.scopes.iter().chain(rule.scopes.iter()).cloned().collect(),
            None => next.rules.push(rule.clone()),
        }
        Ok((vec![Write::ReplaceAdministrativeConsent((*present).clone(), next.clone())], next))
    })
    .await
}

/// Withdraws the rule for these people, or every rule. Tokens that were issued live until they expire.
pub async fn delete(
    store: &AnyStore,
    client: &ClientId,
    api: &ResourceServerId,
    of: Option<&ConsentFor>,
) -> Result<(), Refusal> {
    settle(store, async || {
        let missing = || Refusal::Missing(format!("no administrator consented to {client} on this API so"));
        let present = store.administrative_consent(client, api).await?.ok_or_else(missing)?;
        let is_meant = |users: &ConsentFor| of.is_none_or(|of| of == users);
        if !present.record.rules.iter().any(|rule| is_meant(&rule.users)) {
            return Err(missing());
        }
        Ok((vec![without(&present, is_meant)], ()))
    })
    .await
}

/// All of these, by application and API.
pub async fn all(
    store: &AnyStore,
    of: AdministrativeConsentsOf<'_>,
) -> Result<Vec<Versioned<AdministrativeConsent>>, Refusal> {
    let mut found: Vec<Versioned<AdministrativeConsent>> = Vec::new();
    loop {
        let page =
            store.administrative_consents(of, found.last().map(|consent| &consent.record), 500).await?;
        if page.is_empty() {
            return Ok(found);
        }
        found.extend(page);
    }
}

/// What removes all of these.
pub(super) async fn removal(
    store: &AnyStore,
    of: AdministrativeConsentsOf<'_>,
) -> Result<Vec<Write>, Refusal> {
    Ok(all(store, of).await?.into_iter().map(Write::DeleteAdministrativeConsent).collect())
}

/// What removes the rules for such people from every consent of the tenant.
pub(super) async fn without_rules(
    store: &AnyStore,
    of: impl Fn(&ConsentFor) -> bool,
) -> Result<Vec<Write>, Refusal> {
    let found = all(store, AdministrativeConsentsOf::All).await?;
    let with_such = found.into_iter().filter(|found| found.record.rules.iter().any(|rule| of(&rule.users)));
    Ok(with_such.map(|found| without(&found, &of)).collect())
}

/// The consent without these rules; without any it is none.
fn without(present: &Versioned<AdministrativeConsent>, of: impl Fn(&ConsentFor) -> bool) -> Write {
    let mut next = present.record.clone();
    next.rules.retain(|rule| !of(&rule.users));
    if next.rules.is_empty() {
        Write::DeleteAdministrativeConsent(present.clone())
    } else {
        Write::ReplaceAdministrativeConsent(present.clone(), next)
    }
}

/// Scopes that the API or OpenID Connect defines, for people who exist.
async fn check(store: &AnyStore, api: &ResourceServer, rule: &ConsentRule) -> Result<(), Refusal> {
    let of_api: ScopeSet =
        rule.scopes.iter().filter(|scope| !policy::scope::is_of_openid_connect(scope)).cloned().collect();
    let unknown = of_api.difference(&api.scope_set());
    if !unknown.is_empty() {
        let identifier = resource_servers::identifier_text(&api.identifier);
        return Err(Refusal::Invalid(format!("the API {identifier} does not define: {unknown}")));
    }
    match &rule.users {
        ConsentFor::Everybody => {}
        ConsentFor::Connection(name) => {
            connections::find(store, name).await?;
        }
        ConsentFor::Users(people) if people.is_empty() || people.len() > MOST_PEOPLE => {
            return Err(Refusal::Invalid(
                "a rule is for 1 to 1000 people: for more, consent for their connection".to_owned(),
            ));
        }
        ConsentFor::Users(people) => {
            for person in people {
                users::by_id(store, person).await?;
            }
        }
    }
    Ok(())
}

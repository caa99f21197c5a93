//! Must the person be asked before the application gets its token? (RFC 6749 §10.2; OpenID Connect Core 1.0 §3.1.2.4.)

mod dialog;

use records::{
    AdministrativeConsent, Audience, Client, ConsentFor, ResourceServer, ScopeSet, TenantSettings, User,
    UserGrant,
};

pub use dialog::{Line, accepted, lines, plain_text};

use crate::redirect_uri;

/// What the answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks for a token.
    pub client: &'a Client,
    /// What holds for the tenant.
    pub settings: &'a TenantSettings,
    /// What the token is for; `None`: the userinfo endpoint alone.
    pub api: Option<&'a ResourceServer>,
    /// What it would carry ([`crate::scope::for_user`]). In a flow in which the person left optional scopes out, the
    /// others alone: otherwise the same question would come again.
    pub scopes: &'a ScopeSet,
    /// Where the answer would go.
    pub redirect_uri: &'a str,
    /// Whether the request has `prompt=consent` and this flow has not answered it yet.
    pub asks_for_consent: bool,
    /// What the person allowed this application on this audience before.
    pub grant: Option<&'a UserGrant>,
    /// What an administrator allowed this application on this API.
    pub administrative: Option<&'a AdministrativeConsent>,
    /// Whose token it would be.
    pub user: &'a User,
}

/// Why nobody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The person allowed all of it before.
    Granted,
    /// The tenant's own application asks for nothing but who the person is.
    FirstPartyUserInfo,
    /// The API trusts the tenant's own applications.
    ApiSkipsForFirstParty,
    /// An administrator allowed it, or what of it the person had not.
    AdministratorConsented,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentNext {
    /// Nobody is asked.
    Skip(Why),
    /// The person is asked.
    Ask {
        /// What of it is new. Empty where `prompt=consent` asks again, or where the application is new and wants no
        /// scope.
        missing: ScopeSet,
    },
}

/// Whether the person must be asked.
///
/// `prompt=consent` asks whatever was allowed. For the tenant's own applications userinfo alone needs no consent, nor
/// does an API that says so, where [`redirect_uri::is_verifiable`]. Else everything must have been allowed, by the
/// person, or by an administrator for people of which the person is one, or by both together; that an administrator
/// named the application is what makes it count for third parties too, which nothing else skips.
///
/// An application that asks for no scope at all still asks for the person: without any grant or rule the person is asked.
/// A grant or a rule that names somebody or something else is as good as none.
pub fn next(question: &Question<'_>) -> ConsentNext {
    let grant = question.grant.filter(|grant| is_about(grant, question));
    let rules = applying_rules(question);
    let allowed_by_rules = || rules.iter().flat_map(|scopes| scopes.iter()).cloned();
    let covered: ScopeSet =
        grant.iter().flat_map(|grant| grant.scopes.iter()).cloned().chain(allowed_by_rules()).collect();
    let ask = || ConsentNext::Ask { missing: question.scopes.difference(&covered) };

    if question.asks_for_consent {
        return ask();
    }
    if question.client.is_first_party {
        let Some(api) = question.api else { return ConsentNext::Skip(Why::FirstPartyUserInfo) };
        let how = question.settings.verifiable_callbacks;
        if api.skip_consent_for_verifiable_first_party_clients
            && redirect_uri::is_verifiable(how, question.client, question.redirect_uri)
        {
            return ConsentNext::Skip(Why::ApiSkipsForFirstParty);
        }
    }
    if grant.is_some_and(|grant| question.scopes.is_subset_of(&grant.scopes)) {
        return ConsentNext::Skip(Why::Granted);
    }
    if !rules.is_empty() && question.scopes.is_subset_of(&covered) {
        return ConsentNext::Skip(Why::AdministratorConsented);
    }
    ask()
}

fn is_about(grant: &UserGrant, question: &Question<'_>) -> bool {
    let is_audience = match (&grant.audience, question.api) {
        (Audience::UserInfo, None) => true,
        (Audience::Api(granted), Some(api)) => *granted == api.id,
        _ => false,
    };
    is_audience && grant.user == question.user.id && grant.client == question.client.id
}

/// What each rule allows that is about this application, this API and this person.
fn applying_rules<'a>(question: &Question<'a>) -> Vec<&'a ScopeSet> {
    let consent = question.administrative.filter(|consent| {
        consent.client == question.client.id
            && question.api.is_some_and(|api| consent.resource_server == api.id)
    });
    let rules = consent.into_iter().flat_map(|consent| &consent.rules);
    let applying = rules.filter(|rule| match &rule.users {
        ConsentFor::Everybody => true,
        ConsentFor::Connection(connection) => *connection == question.user.connection,
        ConsentFor::Users(users) => users.contains(&question.user.id),
    });
    applying.map(|rule| &rule.scopes).collect()
}

/// What the person allows from now on: what was allowed before and what was accepted.
pub fn union(grant: Option<&UserGrant>, accepted: &ScopeSet) -> ScopeSet {
    grant.iter().flat_map(|grant| grant.scopes.iter()).chain(accepted.iter()).cloned().collect()
}

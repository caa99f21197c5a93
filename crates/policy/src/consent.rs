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
    /// What it would carry ([`crate::scope::for_user`]), without the optional scopes that the person left out
    /// before ([`UserGrant::left_out`]): otherwise the same question would come again.
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
        /// What of it is new. Empty where `prompt=consent` asks again, or where the application is new and
        /// wants no scope.
        missing: ScopeSet,
    },
}

/// Whether the person must be asked.
///
/// `prompt=consent` asks whatever was allowed. For the tenant's own applications userinfo alone needs no
/// consent, nor does an API that says so, where [`redirect_uri::is_verifiable`]. Else everything must have
/// been allowed, by the person, or by an administrator for people of which the person is one, or by both
/// together; that an administrator named the application is what makes it count for third parties too, which
/// nothing else skips.
///
/// An application that asks for no scope at all still asks for the person: without any grant or rule the
/// person is asked. A grant or a rule that names somebody or something else is as good as none.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{client, resource_server, user};
    use proptest::prelude::*;
    use records::{
        ClientId, ConnectionName, ConsentRule, ResourceServerId, ThirdPartySecurityMode, UnixTime,
        UserGrantId, UserId, VerifiableCallbacks,
    };

    const REMOTE: &str = "https://app.example.com/cb";

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    /// The records of a question, so that a test names only what it varies.
    #[derive(Clone)]
    struct Case {
        client: Client,
        settings: TenantSettings,
        api: Option<ResourceServer>,
        scopes: ScopeSet,
        redirect_uri: &'static str,
        asks_for_consent: bool,
        grant: Option<UserGrant>,
        administrative: Option<AdministrativeConsent>,
        user: User,
    }

    impl Case {
        fn next(&self) -> ConsentNext {
            next(&Question {
                client: &self.client,
                settings: &self.settings,
                api: self.api.as_ref(),
                scopes: &self.scopes,
                redirect_uri: self.redirect_uri,
                asks_for_consent: self.asks_for_consent,
                grant: self.grant.as_ref(),
                administrative: self.administrative.as_ref(),
                user: &self.user,
            })
        }
    }

    /// The tenant's own application asks for an API's scopes for the first time.
    fn first_party(scopes: &str) -> Case {
        Case {
            client: Client { callbacks: vec![REMOTE.to_owned()], ..client() },
            settings: TenantSettings::default(),
            api: Some(resource_server("read write")),
            scopes: set(scopes),
            redirect_uri: REMOTE,
            asks_for_consent: false,
            grant: None,
            administrative: None,
            user: user(),
        }
    }

    fn third_party(scopes: &str) -> Case {
        let case = first_party(scopes);
        Case { client: Client { is_first_party: false, ..case.client }, ..case }
    }

    fn grant(scopes: &str) -> UserGrant {
        UserGrant {
            id: UserGrantId::parse("0123456789abcdef01234567").unwrap(),
            user: user().id,
            client: client().id,
            audience: Audience::Api(resource_server("").id),
            scopes: set(scopes),
            left_out: ScopeSet::default(),
            created_at: UnixTime(0),
            updated_at: UnixTime(0),
        }
    }

    fn administrative(rules: &[(ConsentFor, &str)]) -> AdministrativeConsent {
        let rules =
            rules.iter().map(|(users, scopes)| ConsentRule { users: users.clone(), scopes: set(scopes) });
        AdministrativeConsent {
            client: client().id,
            resource_server: resource_server("").id,
            rules: rules.collect(),
            created_at: UnixTime(0),
            updated_at: UnixTime(0),
        }
    }

    fn ask(missing: &str) -> ConsentNext {
        ConsentNext::Ask { missing: set(missing) }
    }

    const SKIP_GRANTED: ConsentNext = ConsentNext::Skip(Why::Granted);
    const SKIP_ADMINISTRATIVE: ConsentNext = ConsentNext::Skip(Why::AdministratorConsented);

    #[test]
    fn a_first_visit_is_asked_for_everything() {
        for case in [first_party("openid read write"), third_party("openid read write")] {
            assert_eq!(case.next(), ask("openid read write"));
        }
    }

    #[test]
    fn what_was_allowed_before_is_not_asked_again_nor_is_less() {
        for scopes in ["openid read write", "read", "openid", ""] {
            for case in [first_party(scopes), third_party(scopes)] {
                let case = Case { grant: Some(grant("openid read write")), ..case };
                assert_eq!(case.next(), SKIP_GRANTED, "{scopes}");
            }
        }
    }

    //= LC-19
    #[test]
    fn lc_19_remembered_read_does_not_cover_write() {
        for case in [first_party("read write"), third_party("read write")] {
            let case = Case { grant: Some(grant("read")), ..case };
            assert_eq!(case.next(), ask("write"));
        }
    }

    #[test]
    fn openid_and_offline_access_are_asked_for_like_others() {
        let case = Case { grant: Some(grant("read")), ..first_party("offline_access openid read") };
        assert_eq!(case.next(), ask("offline_access openid"));
        let case = Case { grant: Some(grant("offline_access openid read")), ..case };
        assert_eq!(case.next(), SKIP_GRANTED);
    }

    //= LC-20
    #[test]
    fn lc_20_an_unknown_application_is_asked_about_even_where_it_wants_no_scope() {
        for case in [first_party(""), third_party(""), Case { api: None, ..third_party("") }] {
            assert_eq!(case.next(), ask(""));
        }
        assert_eq!(Case { grant: Some(grant("")), ..third_party("") }.next(), SKIP_GRANTED);
    }

    //= OpenID Connect Core 1.0 §3.1.2.1
    #[test]
    fn prompt_consent_asks_whatever_was_allowed() {
        let skipping = ResourceServer {
            skip_consent_for_verifiable_first_party_clients: true,
            ..resource_server("read write")
        };
        for case in [
            Case { grant: Some(grant("read")), ..first_party("read") },
            Case { grant: Some(grant("read")), ..third_party("read") },
            Case {
                administrative: Some(administrative(&[(ConsentFor::Everybody, "read")])),
                ..third_party("read")
            },
        ] {
            let case = Case { asks_for_consent: true, ..case };
            assert_eq!(case.next(), ask(""), "nothing of it is new");
        }
        for case in
            [Case { api: None, ..first_party("read") }, Case { api: Some(skipping), ..first_party("read") }]
        {
            let case = Case { asks_for_consent: true, ..case };
            assert_eq!(case.next(), ask("read"));
        }
        let grown = Case { grant: Some(grant("read")), asks_for_consent: true, ..first_party("read write") };
        assert_eq!(grown.next(), ask("write"));
    }

    #[test]
    fn the_tenants_own_applications_learn_who_the_person_is_without_asking() {
        let case = Case { api: None, ..first_party("openid profile") };
        assert_eq!(case.next(), ConsentNext::Skip(Why::FirstPartyUserInfo));
        let case = Case { api: None, ..third_party("openid profile") };
        assert_eq!(case.next(), ask("openid profile"));
        let remembered = UserGrant { audience: Audience::UserInfo, ..grant("openid profile") };
        assert_eq!(Case { grant: Some(remembered), ..case }.next(), SKIP_GRANTED);
    }

    #[test]
    fn an_api_may_trust_the_tenants_own_applications_but_not_third_parties() {
        let api = Some(ResourceServer {
            skip_consent_for_verifiable_first_party_clients: true,
            ..resource_server("read write")
        });
        let case = Case { api: api.clone(), ..first_party("read") };
        assert_eq!(case.next(), ConsentNext::Skip(Why::ApiSkipsForFirstParty));
        for mode in [ThirdPartySecurityMode::Strict, ThirdPartySecurityMode::Permissive] {
            let case = Case { api: api.clone(), ..third_party("read") };
            let client = Client { third_party_security_mode: mode, ..case.client.clone() };
            assert_eq!(Case { client, ..case }.next(), ask("read"));
        }
    }

    #[test]
    fn in_the_eras_way_an_api_trusts_verifiable_callbacks_alone() {
        let api = Some(ResourceServer {
            skip_consent_for_verifiable_first_party_clients: true,
            ..resource_server("read write")
        });
        for (how, redirect_uri, expected) in [
            (VerifiableCallbacks::Era, REMOTE, ConsentNext::Skip(Why::ApiSkipsForFirstParty)),
            (VerifiableCallbacks::Era, "http://localhost:3000/", ask("read")),
            (VerifiableCallbacks::Era, "com.example.app:/cb", ask("read")),
            (
                VerifiableCallbacks::Later,
                "http://localhost:3000/",
                ConsentNext::Skip(Why::ApiSkipsForFirstParty),
            ),
            (
                VerifiableCallbacks::Later,
                "com.example.app:/cb",
                ConsentNext::Skip(Why::ApiSkipsForFirstParty),
            ),
        ] {
            let settings = TenantSettings { verifiable_callbacks: how, ..TenantSettings::default() };
            let case = Case { api: api.clone(), redirect_uri, settings, ..first_party("read") };
            assert_eq!(case.next(), expected, "{how:?} {redirect_uri}");
            let remembered = Case { grant: Some(grant("read")), ..case };
            assert!(matches!(remembered.next(), ConsentNext::Skip(_)), "{how:?} {redirect_uri}");
        }
    }

    #[test]
    fn a_grant_to_or_of_or_on_something_else_is_none() {
        for other in [
            UserGrant { user: UserId::parse("auth0|another").unwrap(), ..grant("read") },
            UserGrant { client: ClientId::parse("another").unwrap(), ..grant("read") },
            UserGrant {
                audience: Audience::Api(ResourceServerId::parse("another").unwrap()),
                ..grant("read")
            },
            UserGrant { audience: Audience::UserInfo, ..grant("read") },
        ] {
            for case in [first_party("read"), third_party("read")] {
                assert_eq!(Case { grant: Some(other.clone()), ..case }.next(), ask("read"), "{other:?}");
            }
        }
        let case = Case { api: None, grant: Some(grant("openid")), ..third_party("openid") };
        assert_eq!(case.next(), ask("openid"), "a grant on an API says nothing about userinfo");
    }

    #[test]
    fn an_administrator_consents_for_everybody_a_connection_or_named_people() {
        let named =
            |ids: &[&str]| ConsentFor::Users(ids.iter().map(|id| UserId::parse(id).unwrap()).collect());
        let connection = |name| ConsentFor::Connection(ConnectionName::parse(name).unwrap());
        for (users, applies) in [
            (ConsentFor::Everybody, true),
            (connection("Username-Password-Authentication"), true),
            (connection("another"), false),
            (named(&["auth0|another", "auth0|0123456789abcdef01234567"]), true),
            (named(&["auth0|another"]), false),
            (named(&[]), false),
        ] {
            for case in [first_party("read"), third_party("read")] {
                let case =
                    Case { administrative: Some(administrative(&[(users.clone(), "read write")])), ..case };
                assert_eq!(case.next(), if applies { SKIP_ADMINISTRATIVE } else { ask("read") }, "{users:?}");
            }
        }
    }

    #[test]
    fn an_administrator_consents_to_the_scopes_that_are_named_and_no_others() {
        let rules = administrative(&[(ConsentFor::Everybody, "read")]);
        let case = Case { administrative: Some(rules.clone()), ..third_party("openid read write") };
        assert_eq!(case.next(), ask("openid write"));
        let case = Case { administrative: Some(rules), ..third_party("") };
        assert_eq!(case.next(), SKIP_ADMINISTRATIVE);
        let case = Case { administrative: Some(administrative(&[])), ..third_party("") };
        assert_eq!(case.next(), ask(""), "no rule, no consent");
    }

    #[test]
    fn rules_and_the_persons_own_grant_add_up() {
        let none = ConsentFor::Users(vec![]);
        let rules = administrative(&[
            (ConsentFor::Everybody, "read"),
            (ConsentFor::Everybody, "openid"),
            (none, "write"),
        ]);
        for case in [first_party("openid read write"), third_party("openid read write")] {
            let case = Case { administrative: Some(rules.clone()), ..case };
            assert_eq!(case.next(), ask("write"));
            let case = Case { grant: Some(grant("write")), ..case };
            assert_eq!(case.next(), SKIP_ADMINISTRATIVE);
            let case = Case { grant: Some(grant("openid read write")), ..case };
            assert_eq!(case.next(), SKIP_GRANTED);
        }
    }

    #[test]
    fn a_rule_about_another_application_or_api_is_none() {
        let everybody = [(ConsentFor::Everybody, "openid read")];
        for other in [
            AdministrativeConsent {
                client: ClientId::parse("another").unwrap(),
                ..administrative(&everybody)
            },
            AdministrativeConsent {
                resource_server: ResourceServerId::parse("another").unwrap(),
                ..administrative(&everybody)
            },
        ] {
            assert_eq!(Case { administrative: Some(other), ..third_party("read") }.next(), ask("read"));
        }
        let case =
            Case { api: None, administrative: Some(administrative(&everybody)), ..third_party("openid") };
        assert_eq!(case.next(), ask("openid"), "rules are about APIs");
    }

    #[test]
    fn what_was_accepted_is_added_to_what_was_allowed() {
        assert_eq!(union(None, &set("read")), set("read"));
        assert_eq!(union(Some(&grant("read")), &set("write")), set("read write"));
        assert_eq!(union(Some(&grant("read write")), &set("read")), set("read write"));
        assert_eq!(union(Some(&grant("read")), &set("")), set("read"));
    }

    proptest! {
        #[test]
        fn a_third_party_never_gets_what_neither_the_person_nor_an_administrator_allowed(
            scopes in "[a-d ]{0,6}",
            allowed in proptest::option::of("[a-d ]{0,6}"),
            ruled in proptest::option::of("[a-d ]{0,6}"),
            applies: bool,
            asks_for_consent: bool,
            skips: bool,
        ) {
            let users = if applies { ConsentFor::Everybody } else { ConsentFor::Users(vec![]) };
            let ruled = ruled.map(|scopes| administrative(&[(users, &scopes)]));
            let api = ResourceServer {
                skip_consent_for_verifiable_first_party_clients: skips,
                ..resource_server("a b c d")
            };
            let case = Case {
                api: Some(api),
                asks_for_consent,
                grant: allowed.as_deref().map(grant),
                administrative: ruled.clone(),
                ..third_party(&scopes)
            };
            let of_rules = ruled.filter(|_| applies).map(|ruled| ruled.rules[0].scopes.clone());
            let covered = union(case.grant.as_ref(), &of_rules.unwrap_or_default());
            match case.next() {
                ConsentNext::Skip(_) => prop_assert!(!asks_for_consent && set(&scopes).is_subset_of(&covered)),
                ConsentNext::Ask { missing } => {
                    prop_assert_eq!(&missing, &set(&scopes).difference(&covered));
                    let nobody_allowed = case.grant.is_none() && (case.administrative.is_none() || !applies);
                    prop_assert!(asks_for_consent || nobody_allowed || !missing.is_empty());
                }
            }
        }
    }
}

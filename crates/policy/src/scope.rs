//! Which scopes does the token get? (RFC 6749 §3.3.)

use records::{
    ApiIdentifier, Client, ClientGrant, ResourceServer, ScopeSet, ScopeToken, SubjectType,
    ThirdPartySecurityMode, UserPolicy,
};

use crate::{management_scope, offline_access};

/// The scopes that OpenID Connect defines (OpenID Connect Core 1.0 §3.1.2.1, §5.4, §11): no API's.
pub const OIDC_SCOPES: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// What a password grant that asks for nothing in particular gets of these (Auth0).
const PASSWORD_DEFAULT: &[&str] = &["openid", "profile", "email", "address", "phone"];

/// What happens to requested scopes that were not granted. RFC 6749 §3.3 allows both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfGrantScopes {
    /// The request is refused.
    #[default]
    Refuse,
    /// They are left out, as long as something remains.
    Filter,
}

/// The request names scopes that were not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRefusal {
    /// Which; never empty.
    pub not_granted: ScopeSet,
}

/// The scopes of a client's own token for `resource_server` under `grant`.
///
/// # Errors
/// [`ScopeRefusal`], as [`within`] does.
pub fn for_client(
    requested: Option<&ScopeSet>,
    resource_server: &ResourceServer,
    grant: &ClientGrant,
    out_of_grant: OutOfGrantScopes,
) -> Result<ScopeSet, ScopeRefusal> {
    let defined = resource_server.scope_set();
    let granted = if grant.allow_all_scopes { &defined } else { &grant.scopes };
    within(requested, &defined, granted, out_of_grant)
}

/// The scopes that are requested, granted and defined; where none is requested, all that are granted and
/// defined.
///
/// A grant may name scopes that the API no longer defines. They are nobody's: left out of a token that asked
/// for nothing in particular, refused where they are asked for.
///
/// # Errors
/// [`ScopeRefusal`] names the requested scopes that are not granted or no longer defined. With
/// [`OutOfGrantScopes::Filter`] only where nothing would be left: a token without any scope could not say in
/// the response that it differs from the request, as RFC 6749 §5.1 demands, because `scope` cannot be empty
/// there.
pub fn within(
    requested: Option<&ScopeSet>,
    defined: &ScopeSet,
    granted: &ScopeSet,
    out_of_grant: OutOfGrantScopes,
) -> Result<ScopeSet, ScopeRefusal> {
    let allowed = granted.intersection(defined);
    let Some(requested) = requested.filter(|requested| !requested.is_empty()) else {
        return Ok(allowed);
    };
    if requested.is_subset_of(&allowed) {
        return Ok(requested.clone());
    }
    let refusal = || ScopeRefusal { not_granted: requested.difference(&allowed) };
    match out_of_grant {
        OutOfGrantScopes::Refuse => Err(refusal()),
        OutOfGrantScopes::Filter => {
            let kept = requested.intersection(&allowed);
            if kept.is_empty() { Err(refusal()) } else { Ok(kept) }
        }
    }
}

/// What a person's token may carry, before the person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserScopes {
    /// The scopes.
    pub granted: ScopeSet,
    /// Whether `offline_access` was requested and left out.
    pub drops_offline_access: bool,
}

/// Why a client gets no tokens of people for an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserScopeRefusal {
    /// The API gives nobody tokens of people.
    ApiRefusesPeople,
    /// The API's owner granted this client nothing on people's behalf.
    NoClientGrant,
    /// A third party's client asked for a person's token without any dialog.
    ClientIsThirdParty,
}

/// The scopes of a person's token for `api` (`None`: userinfo alone) as far as the client and the API decide.
///
/// OpenID Connect's scopes pass, `offline_access` where [`offline_access::may_be_issued`]. Of the API's those
/// that it defines; what it does not define is left out silently, as Auth0 does (RFC 6749 §3.3: the response
/// then names what was granted). Where the API's policy is [`UserPolicy::RequireClientGrant`], and for third
/// parties' clients in strict mode, only what the user-type `client_grant` allows. Of the Management API only
/// what concerns the person's own record. An API with `enforce_policies` wants people's permissions, and
/// there are none yet: it gets no scope of its own.
///
/// # Errors
/// [`UserScopeRefusal`].
pub fn for_user(
    requested: &ScopeSet,
    client: &Client,
    api: Option<&ResourceServer>,
    client_grant: Option<&ClientGrant>,
) -> Result<UserScopes, UserScopeRefusal> {
    let allowed =
        api.map(|api| allowed_for_people(client, api, client_grant)).transpose()?.unwrap_or_default();
    let may_stay = offline_access::may_be_issued(client, api);
    let is_offline = |scope: &ScopeToken| scope.as_str() == "offline_access";
    let granted = requested.iter().filter(|scope| match scope {
        scope if is_offline(scope) => may_stay,
        scope if is_of_openid_connect(scope) => true,
        scope => allowed.contains(scope),
    });
    Ok(UserScopes {
        granted: granted.cloned().collect(),
        drops_offline_access: !may_stay && requested.iter().any(is_offline),
    })
}

/// The scopes of a person's token by a password grant: as [`for_user`], but whoever names no scope of the API
/// gets all that are allowed, and whoever names nothing but `openid` gets the whole profile (Auth0).
///
/// # Errors
/// [`UserScopeRefusal`]. No dialog is shown here, so third parties' clients are refused.
pub fn for_password(
    requested: &ScopeSet,
    client: &Client,
    api: Option<&ResourceServer>,
    client_grant: Option<&ClientGrant>,
) -> Result<UserScopes, UserScopeRefusal> {
    if !client.is_first_party {
        return Err(UserScopeRefusal::ClientIsThirdParty);
    }
    let mut wanted: Vec<ScopeToken> = requested.iter().cloned().collect();
    if requested.iter().all(|scope| scope.as_str() == "openid") {
        wanted.extend(PASSWORD_DEFAULT.iter().filter_map(|scope| ScopeToken::parse(scope).ok()));
    }
    if let Some(api) = api
        && requested.iter().all(is_of_openid_connect)
    {
        // `offline_access` is asked for or not; an API that defines a scope of that name changes nothing.
        let defined = api.scopes.iter().map(|scope| &scope.value);
        wanted.extend(defined.filter(|scope| !is_of_openid_connect(scope)).cloned());
    }
    for_user(&wanted.into_iter().collect(), client, api, client_grant)
}

/// What people's tokens for `api` may carry through `client`, of the API's own scopes.
fn allowed_for_people(
    client: &Client,
    api: &ResourceServer,
    client_grant: Option<&ClientGrant>,
) -> Result<ScopeSet, UserScopeRefusal> {
    let is_strict =
        !client.is_first_party && client.third_party_security_mode == ThirdPartySecurityMode::Strict;
    let wants_grant = match api.user_policy {
        UserPolicy::DenyAll => return Err(UserScopeRefusal::ApiRefusesPeople),
        UserPolicy::RequireClientGrant => true,
        UserPolicy::AllowAll => is_strict,
    };
    let mut allowed = api.scope_set();
    if wants_grant {
        // A grant that names another client, another API or the client's own tokens is as good as none.
        let grant = client_grant
            .filter(|grant| {
                grant.client == client.id
                    && grant.resource_server == api.id
                    && grant.subject_type == SubjectType::User
            })
            .ok_or(UserScopeRefusal::NoClientGrant)?;
        if !grant.allow_all_scopes {
            allowed = allowed.intersection(&grant.scopes);
        }
    }
    if api.enforce_policies {
        allowed = ScopeSet::default();
    }
    if api.identifier == ApiIdentifier::Management {
        allowed =
            allowed.iter().filter(|scope| management_scope::is_for_current_user(scope)).cloned().collect();
    }
    Ok(allowed)
}

/// Whether the scope is one of [`OIDC_SCOPES`].
pub fn is_of_openid_connect(scope: &ScopeToken) -> bool {
    OIDC_SCOPES.contains(&scope.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{client, client_grant, resource_server};
    use proptest::prelude::*;
    use records::{ClientId, GrantType, ResourceServerId};

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    struct Row {
        requested: Option<&'static str>,
        defined: &'static str,
        granted: &'static str,
        refuse: Result<&'static str, &'static str>,
        filter: Result<&'static str, &'static str>,
    }

    #[rustfmt::skip]
    const ROWS: &[Row] = &[
        Row { requested: None,              defined: "r w", granted: "r w",   refuse: Ok("r w"),  filter: Ok("r w") },
        Row { requested: None,              defined: "r w", granted: "r",     refuse: Ok("r"),    filter: Ok("r") },
        Row { requested: None,              defined: "r w", granted: "",      refuse: Ok(""),     filter: Ok("") },
        Row { requested: None,              defined: "r",   granted: "r old", refuse: Ok("r"),    filter: Ok("r") },
        Row { requested: None,              defined: "",    granted: "old",   refuse: Ok(""),     filter: Ok("") },
        Row { requested: Some(""),          defined: "r w", granted: "r",     refuse: Ok("r"),    filter: Ok("r") },
        Row { requested: Some("r"),         defined: "r w", granted: "r w",   refuse: Ok("r"),    filter: Ok("r") },
        Row { requested: Some("w r"),       defined: "r w", granted: "r w",   refuse: Ok("r w"),  filter: Ok("r w") },
        Row { requested: Some("r w"),       defined: "r w", granted: "r",     refuse: Err("w"),   filter: Ok("r") },
        Row { requested: Some("w"),         defined: "r w", granted: "r",     refuse: Err("w"),   filter: Err("w") },
        Row { requested: Some("x"),         defined: "r w", granted: "r w",   refuse: Err("x"),   filter: Err("x") },
        Row { requested: Some("x r y"),     defined: "r w", granted: "r w",   refuse: Err("x y"), filter: Ok("r") },
        Row { requested: Some("old"),       defined: "r",   granted: "r old", refuse: Err("old"), filter: Err("old") },
        Row { requested: Some("old r"),     defined: "r",   granted: "r old", refuse: Err("old"), filter: Ok("r") },
        Row { requested: Some("r"),         defined: "r",   granted: "",      refuse: Err("r"),   filter: Err("r") },
        Row { requested: Some("openid"),    defined: "r",   granted: "r",     refuse: Err("openid"), filter: Err("openid") },
        Row { requested: Some("R"),         defined: "r",   granted: "r",     refuse: Err("R"),   filter: Err("R") },
    ];

    #[test]
    fn requested_scopes_must_be_granted_and_defined() {
        for row in ROWS {
            let requested = row.requested.map(set);
            for (switch, expected) in
                [(OutOfGrantScopes::Refuse, row.refuse), (OutOfGrantScopes::Filter, row.filter)]
            {
                let got = within(requested.as_ref(), &set(row.defined), &set(row.granted), switch);
                let expected =
                    expected.map(set).map_err(|not_granted| ScopeRefusal { not_granted: set(not_granted) });
                assert_eq!(
                    got, expected,
                    "{:?} of {:?}, granted {:?}",
                    row.requested, row.defined, row.granted
                );
            }
        }
    }

    #[test]
    fn a_grant_of_all_scopes_grants_what_the_api_defines_now() {
        let mut grant = client_grant("");
        grant.allow_all_scopes = true;
        let api = resource_server("new read");
        assert_eq!(for_client(None, &api, &grant, OutOfGrantScopes::Refuse), Ok(set("new read")));
        assert_eq!(for_client(Some(&set("new")), &api, &grant, OutOfGrantScopes::Refuse), Ok(set("new")));
        assert!(for_client(Some(&set("old")), &api, &grant, OutOfGrantScopes::Refuse).is_err());
        grant.allow_all_scopes = false;
        assert_eq!(for_client(None, &api, &grant, OutOfGrantScopes::Refuse), Ok(set("")));
    }

    fn refreshing() -> Client {
        Client { grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken], ..client() }
    }

    fn third_party(mode: ThirdPartySecurityMode) -> Client {
        Client { is_first_party: false, third_party_security_mode: mode, ..refreshing() }
    }

    fn api(scopes: &str) -> ResourceServer {
        ResourceServer { allow_offline_access: true, ..resource_server(scopes) }
    }

    fn user_grant(scopes: &str) -> ClientGrant {
        ClientGrant { subject_type: SubjectType::User, ..client_grant(scopes) }
    }

    fn granted(
        requested: &str,
        client: &Client,
        api: Option<&ResourceServer>,
        grant: Option<&ClientGrant>,
    ) -> Result<String, UserScopeRefusal> {
        for_user(&set(requested), client, api, grant).map(|scopes| scopes.granted.to_string())
    }

    #[test]
    fn of_the_apis_scopes_people_get_those_that_are_requested_and_defined() {
        let api = api("read write");
        for (requested, expected) in [
            ("", ""),
            ("read", "read"),
            ("write read", "read write"),
            ("read delete", "read"),
            ("delete", ""),
            ("READ", ""),
            ("openid", "openid"),
            ("openid profile email address phone read", "address email openid phone profile read"),
            ("openid unknown", "openid"),
        ] {
            assert_eq!(
                granted(requested, &client(), Some(&api), None).as_deref(),
                Ok(expected),
                "{requested}"
            );
        }
    }

    #[test]
    fn without_an_api_openid_connects_scopes_are_all_there_is() {
        let requested = "address email offline_access openid phone profile";
        assert_eq!(
            granted(&format!("{requested} read"), &refreshing(), None, None).as_deref(),
            Ok(requested)
        );
        assert_eq!(requested.split(' ').count(), OIDC_SCOPES.len());
    }

    //= OpenID Connect Core 1.0 §11
    #[test]
    fn offline_access_is_left_out_where_it_may_not_be_issued_and_that_is_said() {
        let closed = resource_server("read");
        let open = api("read");
        for (client, api, stays) in [
            (refreshing(), Some(&open), true),
            (refreshing(), Some(&closed), false),
            (refreshing(), None, true),
            (client(), Some(&open), false),
            (client(), None, false),
        ] {
            let scopes = for_user(&set("openid offline_access"), &client, api, None).unwrap();
            let expected = if stays { "offline_access openid" } else { "openid" };
            assert_eq!(
                (scopes.granted.to_string().as_str(), scopes.drops_offline_access),
                (expected, !stays)
            );
            let unasked = for_user(&set("openid"), &client, api, None).unwrap();
            assert!(!unasked.drops_offline_access && unasked.granted == set("openid"));
        }
    }

    #[test]
    fn an_api_cannot_grant_offline_access_by_defining_a_scope_of_that_name() {
        let api = resource_server("offline_access read");
        let scopes = for_user(&set("offline_access read"), &refreshing(), Some(&api), None).unwrap();
        assert_eq!((scopes.granted, scopes.drops_offline_access), (set("read"), true));
        let scopes = for_password(&set("openid"), &refreshing(), Some(&api), None).unwrap();
        assert_eq!(scopes.granted, set("openid profile email address phone read"));
        assert!(!scopes.drops_offline_access);
    }

    #[test]
    fn an_api_that_refuses_people_does_so_over_existing_grants() {
        let api = ResourceServer { user_policy: UserPolicy::DenyAll, ..api("read") };
        let grant = user_grant("read");
        for (requested, grant) in [("read", None), ("read", Some(&grant)), ("openid", None), ("", None)] {
            let refused = Err(UserScopeRefusal::ApiRefusesPeople);
            assert_eq!(granted(requested, &client(), Some(&api), grant), refused);
        }
    }

    #[test]
    fn where_a_client_grant_is_wanted_it_is_a_ceiling_and_without_it_there_is_nothing() {
        let requires = ResourceServer { user_policy: UserPolicy::RequireClientGrant, ..api("read write") };
        let open = api("read write");
        let all = ClientGrant { allow_all_scopes: true, ..user_grant("") };
        for (client, api) in [(refreshing(), &requires), (third_party(ThirdPartySecurityMode::Strict), &open)]
        {
            let granted = |requested, grant| granted(requested, &client, Some(api), grant);
            assert_eq!(granted("openid read", None), Err(UserScopeRefusal::NoClientGrant));
            assert_eq!(granted("openid", None), Err(UserScopeRefusal::NoClientGrant));
            let ceiling = user_grant("read forgotten");
            assert_eq!(granted("openid read write forgotten", Some(&ceiling)).as_deref(), Ok("openid read"));
            assert_eq!(granted("write", Some(&ceiling)).as_deref(), Ok(""));
            assert_eq!(granted("read write forgotten", Some(&all)).as_deref(), Ok("read write"));
            assert_eq!(granted("", Some(&all)).as_deref(), Ok(""), "they must be asked for");
        }
    }

    #[test]
    fn elsewhere_no_client_grant_is_wanted_and_none_limits() {
        let api = api("read write");
        let grant = user_grant("read");
        for client in [refreshing(), third_party(ThirdPartySecurityMode::Permissive)] {
            for grant in [None, Some(&grant)] {
                assert_eq!(granted("read write", &client, Some(&api), grant).as_deref(), Ok("read write"));
            }
        }
    }

    #[test]
    fn a_client_grant_of_another_client_api_or_subject_gives_people_nothing() {
        let api = ResourceServer { user_policy: UserPolicy::RequireClientGrant, ..api("read") };
        for grant in [
            client_grant("read"),
            ClientGrant { client: ClientId::parse("another").unwrap(), ..user_grant("read") },
            ClientGrant {
                resource_server: ResourceServerId::parse("another").unwrap(),
                ..user_grant("read")
            },
        ] {
            let refused = Err(UserScopeRefusal::NoClientGrant);
            assert_eq!(granted("read", &client(), Some(&api), Some(&grant)), refused, "{grant:?}");
        }
    }

    #[test]
    fn an_api_with_permissions_gets_no_scope_of_its_own_while_there_are_none() {
        let api = ResourceServer { enforce_policies: true, ..api("read") };
        assert_eq!(granted("openid read", &client(), Some(&api), None).as_deref(), Ok("openid"));
        let scopes = for_password(&set("openid"), &client(), Some(&api), None).unwrap();
        assert_eq!(scopes.granted, set("openid profile email address phone"));
    }

    #[test]
    fn of_the_management_api_people_get_what_concerns_their_own_record() {
        let identifier = ApiIdentifier::Management;
        let management = ResourceServer { identifier, scopes: management_scope::all(), ..api("") };
        let everything = set(&management_scope::MANAGEMENT_SCOPES.join(" "));
        let own = set(&management_scope::CURRENT_USER_SCOPES.join(" "));
        let scopes = for_user(&everything, &client(), Some(&management), None).unwrap();
        assert_eq!(scopes.granted, own);
        let all = ClientGrant { allow_all_scopes: true, ..user_grant("") };
        let strict = third_party(ThirdPartySecurityMode::Strict);
        let scopes = for_user(&everything, &strict, Some(&management), Some(&all)).unwrap();
        assert_eq!(scopes.granted, own);
        let scopes = for_password(&set("profile"), &client(), Some(&management), None).unwrap();
        assert_eq!(scopes.granted, set(&format!("{own} profile")));
    }

    #[test]
    fn a_password_grant_that_names_no_scope_of_the_api_gets_them_all() {
        let api = api("read write");
        let everything = "address email openid phone profile read write";
        for (requested, expected) in [
            ("", everything),
            ("openid", everything),
            ("openid email", "email openid read write"),
            ("offline_access", "offline_access read write"),
            ("openid offline_access", "offline_access openid read write"),
            ("read", "read"),
            ("openid read", "openid read"),
            ("unknown", ""),
            ("openid unknown", "openid"),
        ] {
            let scopes = for_password(&set(requested), &refreshing(), Some(&api), None).unwrap();
            assert_eq!(scopes.granted, set(expected), "{requested}");
        }
    }

    #[test]
    fn a_password_grant_without_an_api_gets_the_whole_profile_unless_it_names_something() {
        for (requested, expected) in [
            ("", "openid profile email address phone"),
            ("openid", "openid profile email address phone"),
            ("openid email", "openid email"),
            ("profile", "profile"),
            ("read", ""),
        ] {
            let scopes = for_password(&set(requested), &client(), None, None).unwrap();
            assert_eq!(scopes.granted, set(expected), "{requested}");
        }
    }

    #[test]
    fn a_password_grant_stays_below_the_client_grant() {
        let api = ResourceServer { user_policy: UserPolicy::RequireClientGrant, ..api("read write") };
        let scopes = for_password(&set("profile"), &client(), Some(&api), Some(&user_grant("read"))).unwrap();
        assert_eq!(scopes.granted, set("profile read"));
        let refused = for_password(&set("openid"), &client(), Some(&api), None);
        assert_eq!(refused, Err(UserScopeRefusal::NoClientGrant));
    }

    #[test]
    fn third_parties_get_nothing_by_a_password_grant() {
        for mode in [ThirdPartySecurityMode::Strict, ThirdPartySecurityMode::Permissive] {
            for api in [None, Some(&api("read"))] {
                let refused =
                    for_password(&set("openid"), &third_party(mode), api, Some(&user_grant("read")));
                assert_eq!(refused, Err(UserScopeRefusal::ClientIsThirdParty));
            }
        }
    }

    proptest! {
        #[test]
        fn no_scope_is_issued_that_is_not_granted_and_defined(
            requested in proptest::option::of("[a-d ]{0,8}"),
            defined in "[a-d ]{0,8}",
            granted in "[a-d ]{0,8}",
            filter: bool,
        ) {
            let switch = if filter { OutOfGrantScopes::Filter } else { OutOfGrantScopes::Refuse };
            let (requested, defined, granted) = (requested.map(|r| set(&r)), set(&defined), set(&granted));
            match within(requested.as_ref(), &defined, &granted, switch) {
                Ok(issued) => {
                    prop_assert!(issued.is_subset_of(&defined) && issued.is_subset_of(&granted));
                    if let Some(requested) = requested.filter(|requested| !requested.is_empty()) {
                        prop_assert!(issued.is_subset_of(&requested) && !issued.is_empty());
                    }
                }
                Err(refusal) => {
                    prop_assert!(!refusal.not_granted.is_empty());
                    for scope in refusal.not_granted.iter() {
                        prop_assert!(!(granted.contains(scope) && defined.contains(scope)));
                    }
                }
            }
        }

        #[test]
        fn a_person_never_gets_what_was_not_asked_for_or_not_defined(
            requested in "[a-c ]{0,6}( openid)?( offline_access)?",
            defined in "[a-d ]{0,6}",
            ceiling in "[a-d ]{0,6}",
            wants_grant: bool,
            refreshes: bool,
            offline: bool,
        ) {
            let client = if refreshes { refreshing() } else { client() };
            let user_policy = if wants_grant { UserPolicy::RequireClientGrant } else { UserPolicy::AllowAll };
            let api = ResourceServer { user_policy, allow_offline_access: offline, ..resource_server(&defined) };
            let requested = set(&requested);
            let grant = user_grant(&ceiling);
            let scopes = for_user(&requested, &client, Some(&api), Some(&grant)).unwrap();
            prop_assert!(scopes.granted.is_subset_of(&requested));
            for scope in scopes.granted.iter() {
                match scope.as_str() {
                    "offline_access" => prop_assert!(refreshes && offline),
                    "openid" => {}
                    _ => prop_assert!(
                        set(&defined).contains(scope) && (!wants_grant || set(&ceiling).contains(scope))
                    ),
                }
            }
        }
    }
}

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

/// The scopes that are requested, granted and defined; where none is requested, all that are granted and defined.
///
/// A grant may name scopes that the API no longer defines. They are nobody's: left out of a token that asked for
/// nothing in particular, refused where they are asked for.
///
/// # Errors
/// [`ScopeRefusal`] names the requested scopes that are not granted or no longer defined. With
/// [`OutOfGrantScopes::Filter`] only where nothing would be left: a token without any scope could not say in the
/// response that it differs from the request, as RFC 6749 §5.1 demands, because `scope` cannot be empty there.
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
/// OpenID Connect's scopes pass, `offline_access` where [`offline_access::may_be_issued`]. Of the API's those that it
/// defines; what it does not define is left out silently, as Auth0 does (RFC 6749 §3.3: the response then names what was
/// granted). Where the API's policy is [`UserPolicy::RequireClientGrant`], and for third parties' clients in strict
/// mode, only what the user-type `client_grant` allows. Of the Management API only what concerns the person's own
/// record. An API with `enforce_policies` wants people's permissions, and there are none yet: it gets no scope of its own.
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

/// The scopes of a person's token by a password grant: as [`for_user`], but whoever names no scope of the API gets all
/// that are allowed, and whoever names nothing but `openid` gets the whole profile (Auth0).
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
    use crate::fixtures::{client_grant, resource_server};
    use proptest::prelude::*;

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
    }
}

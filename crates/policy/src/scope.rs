//! Which scopes does the token get? (RFC 6749 §3.3.)

use records::{ClientGrant, ResourceServer, ScopeSet};

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

//! The permissions of the Management API (Auth0, `/api/v2`).

use records::{ApiScope, ScopeToken};

/// Every permission of the Management API, by resource.
pub const MANAGEMENT_SCOPES: &[&str] = &[
    "create:client_credentials",
    "read:client_credentials",
    "update:client_credentials",
    "delete:client_credentials",
    "create:client_grants",
    "read:client_grants",
    "update:client_grants",
    "delete:client_grants",
    "read:client_keys",
    "update:client_keys",
    "read:client_summary",
    "create:clients",
    "read:clients",
    "update:clients",
    "delete:clients",
    "create:connections",
    "read:connections",
    "update:connections",
    "delete:connections",
    "read:current_user",
    "delete:current_user",
    "create:current_user_device_credentials",
    "delete:current_user_device_credentials",
    "update:current_user_identities",
    "create:current_user_metadata",
    "update:current_user_metadata",
    "delete:current_user_metadata",
    "read:device_credentials",
    "delete:device_credentials",
    "read:grants",
    "delete:grants",
    "read:logs",
    "read:logs_users",
    "read:refresh_tokens",
    "update:refresh_tokens",
    "delete:refresh_tokens",
    "create:resource_servers",
    "read:resource_servers",
    "update:resource_servers",
    "delete:resource_servers",
    "create:role_members",
    "read:role_members",
    "delete:role_members",
    "create:roles",
    "read:roles",
    "update:roles",
    "delete:roles",
    "read:sessions",
    "update:sessions",
    "delete:sessions",
    "create:signing_keys",
    "read:signing_keys",
    "update:signing_keys",
    "read:stats",
    "read:tenant_settings",
    "update:tenant_settings",
    "create:user_tickets",
    "create:users",
    "read:users",
    "update:users",
    "delete:users",
    "update:users_app_metadata",
];

/// The permissions that concern nobody but the person whose token it is: the only ones that people's tokens
/// carry.
pub const CURRENT_USER_SCOPES: &[&str] = &[
    "read:current_user",
    "update:current_user_identities",
    "create:current_user_metadata",
    "update:current_user_metadata",
    "delete:current_user_metadata",
    "create:current_user_device_credentials",
    "delete:current_user_device_credentials",
];

/// Whether the permission is one of [`CURRENT_USER_SCOPES`].
pub fn is_for_current_user(scope: &ScopeToken) -> bool {
    CURRENT_USER_SCOPES.contains(&scope.as_str())
}

/// The permissions as the Management API defines them, each with a description: `read:clients` is "Read
/// clients".
pub fn all() -> Vec<ApiScope> {
    MANAGEMENT_SCOPES.iter().filter_map(|value| ScopeToken::parse(value).ok()).map(described).collect()
}

fn described(value: ScopeToken) -> ApiScope {
    let (action, resource) = value.as_str().split_once(':').unwrap_or((value.as_str(), ""));
    let mut description = String::with_capacity(value.as_str().len());
    let mut letters = action.chars();
    description.extend(letters.next().map(|first| first.to_ascii_uppercase()));
    description.extend(letters);
    description.push(' ');
    description.push_str(&resource.replace('_', " "));
    ApiScope { value, description, is_optional: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_valid_and_stands_once() {
        let scopes = all();
        assert_eq!(scopes.len(), MANAGEMENT_SCOPES.len());
        let distinct: std::collections::BTreeSet<_> = MANAGEMENT_SCOPES.iter().collect();
        assert_eq!(distinct.len(), MANAGEMENT_SCOPES.len());
        assert_eq!(
            scopes.iter().find(|scope| scope.value.as_str() == "read:client_grants").unwrap().description,
            "Read client grants"
        );
    }

    #[test]
    fn what_people_may_have_of_the_management_api_it_defines() {
        for scope in CURRENT_USER_SCOPES {
            assert!(MANAGEMENT_SCOPES.contains(scope), "{scope}");
            assert!(is_for_current_user(&ScopeToken::parse(scope).unwrap()));
        }
        for scope in ["read:users", "delete:current_user", "read:current_user_metadata", "read:clients"] {
            assert!(!is_for_current_user(&ScopeToken::parse(scope).unwrap()), "{scope}");
        }
    }
}

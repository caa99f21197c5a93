//! Routes: one row each; what is not here is 404, whatever its spelling (RFC 9110 §15.5.5, §15.5.6).

use http::Method;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `endpoints::authorize`
    Authorize,
    /// `endpoints::authorize`, after a page was answered
    Resume,
    /// `endpoints::login`
    Login,
    /// `endpoints::authorize::consent`
    Consent,
    /// `endpoints::authorize::confirm`
    Confirm,
    /// `endpoints::logout`, Auth0's
    Auth0Logout,
    /// `endpoints::logout`, OpenID Connect RP-Initiated Logout
    OidcLogout,
    /// `endpoints::logout`, the question
    AskLogout,
    /// `endpoints::grants`
    Grants,
    /// `endpoints::userinfo`
    UserInfo,
    /// `endpoints::token`
    Token,
    /// `endpoints::token::revoke`
    Revoke,
    /// `endpoints::jwks`
    Jwks,
    /// `endpoints::discovery`, OpenID Connect Discovery
    OpenIdConfiguration,
    /// `endpoints::discovery`, RFC 8414
    OauthAuthorizationServer,
    /// `endpoints::health`, alive
    Live,
    /// `endpoints::health`, ready
    Ready,
}

/// One path and what it takes.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The path, compared exactly.
    pub path: &'static str,
    /// What answers.
    pub endpoint: Endpoint,
    /// The methods it takes; others are 405 with these in `Allow`. `GET` includes `HEAD`.
    pub methods: &'static [Method],
    /// Whether it belongs to a tenant, and so needs one of a tenant's hosts. Health answers any host.
    pub of_a_tenant: bool,
}

const GET: &[Method] = &[Method::GET, Method::HEAD];
/// What a look-ahead must not do.
const GET_ALONE: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const FORM: &[Method] = &[Method::GET, Method::POST];

/// Every route of the public listeners.
pub const ROUTES: &[Route] = &[
    Route { path: "/authorize", endpoint: Endpoint::Authorize, methods: FORM, of_a_tenant: true },
    Route { path: "/authorize/resume", endpoint: Endpoint::Resume, methods: GET, of_a_tenant: true },
    Route { path: "/u/login", endpoint: Endpoint::Login, methods: FORM, of_a_tenant: true },
    Route { path: "/u/consent", endpoint: Endpoint::Consent, methods: FORM, of_a_tenant: true },
    Route { path: "/u/confirm", endpoint: Endpoint::Confirm, methods: FORM, of_a_tenant: true },
    Route { path: "/v2/logout", endpoint: Endpoint::Auth0Logout, methods: GET_ALONE, of_a_tenant: true },
    Route { path: "/oidc/logout", endpoint: Endpoint::OidcLogout, methods: FORM, of_a_tenant: true },
    Route { path: "/u/logout", endpoint: Endpoint::AskLogout, methods: FORM, of_a_tenant: true },
    Route { path: "/u/grants", endpoint: Endpoint::Grants, methods: FORM, of_a_tenant: true },
    Route { path: "/userinfo", endpoint: Endpoint::UserInfo, methods: FORM, of_a_tenant: true },
    Route { path: "/oauth/revoke", endpoint: Endpoint::Revoke, methods: POST, of_a_tenant: true },
    Route { path: "/oauth/token", endpoint: Endpoint::Token, methods: POST, of_a_tenant: true },
    Route { path: "/.well-known/jwks.json", endpoint: Endpoint::Jwks, methods: GET, of_a_tenant: true },
    Route {
        path: "/.well-known/openid-configuration",
        endpoint: Endpoint::OpenIdConfiguration,
        methods: GET,
        of_a_tenant: true,
    },
    Route {
        path: "/.well-known/oauth-authorization-server",
        endpoint: Endpoint::OauthAuthorizationServer,
        methods: GET,
        of_a_tenant: true,
    },
    Route { path: "/livez", endpoint: Endpoint::Live, methods: GET, of_a_tenant: false },
    Route { path: "/readyz", endpoint: Endpoint::Ready, methods: GET, of_a_tenant: false },
];

/// The route of this exact path. No decoding, no normalisation: two spellings are two paths.
pub fn route(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

/// The method's name, if it is one of HTTP's own.
pub fn method_name(method: &Method) -> &'static str {
    const KNOWN: &[(&Method, &str)] = &[
        (&Method::GET, "GET"),
        (&Method::HEAD, "HEAD"),
        (&Method::POST, "POST"),
        (&Method::PUT, "PUT"),
        (&Method::PATCH, "PATCH"),
        (&Method::DELETE, "DELETE"),
        (&Method::OPTIONS, "OPTIONS"),
        (&Method::TRACE, "TRACE"),
        (&Method::CONNECT, "CONNECT"),
    ];
    KNOWN.iter().find(|(known, _)| *known == method).map_or("-", |(_, name)| name)
}

impl Route {
    /// The value of the `Allow` field.
    pub fn allow(&self) -> String {
        self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ht_07_other_spellings_of_a_path_are_not_found() {
        assert!(route("/oauth/token").is_some());
        for path in [
            "//oauth/token",
            "/oauth/token/",
            "/oauth%2ftoken",
            "/oauth/./token",
            "/oauth/x/../token",
            "/oauth;/token",
            "/..;/oauth/token",
            "/OAUTH/token",
            "oauth/token",
            "/oauth/token\0",
            "",
        ] {
            assert!(route(path).is_none(), "{path:?}");
        }
    }

    #[test]
    fn every_route_stands_once() {
        for (position, one) in ROUTES.iter().enumerate() {
            assert!(ROUTES[position + 1..].iter().all(|other| other.path != one.path), "{}", one.path);
        }
    }
}

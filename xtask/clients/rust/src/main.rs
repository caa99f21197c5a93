//! A person logs in to an application that was made with openidconnect (OpenID Connect Core 1.0 §3.1).
//!
//! Reads one question, prints one line for each case.

mod visitor;

use std::error::Error;

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::http::Response;
use openidconnect::url::Url;
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse,
};
use serde_json::{Value, json};
use visitor::Visitor;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

pub(crate) const CALLBACK: &str = "http://localhost:3000/callback";

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Sends a request, whatever the status of its answer.
pub(crate) fn send(agent: &ureq::Agent, request: HttpRequest) -> Result<HttpResponse, ureq::Error> {
    let (parts, mut body) = agent.run(request)?.into_parts();
    Ok(Response::from_parts(parts, body.read_to_vec()?))
}

fn agent(ca_file: &str) -> Result<ureq::Agent, Failure> {
    let authority = ureq::tls::Certificate::from_pem(&std::fs::read(ca_file)?)?.to_owned();
    let roots = ureq::tls::RootCerts::new_with_certs(&[authority]);
    Ok(ureq::Agent::config_builder()
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(std::time::Duration::from_secs(30)))
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
        .build()
        .into())
}

/// An application and the person who uses it.
struct Application<'a> {
    agent: &'a ureq::Agent,
    issuer: &'a str,
    email: &'a str,
    client: Client,
}

/// What the application keeps while the person is away, and what comes back.
struct Begun {
    code: String,
    verifier: String,
    nonce: Nonce,
}

impl Application<'_> {
    fn begin(&self, visitor: &mut Visitor<'_>) -> Result<Begun, Failure> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (address, state, nonce) = self
            .client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(["profile", "email", "offline_access"].map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("audience", "api.calendar")
            .set_pkce_challenge(challenge)
            .url();
        let back = visitor.visit(address)?;
        let found = |wanted: &str| {
            let pair = back.query_pairs().find(|(name, _)| name == wanted);
            pair.map(|(_, value)| value.into_owned()).ok_or(format!("no {wanted} in {back}"))
        };
        // The library leaves both to the application.
        if found("state")? != *state.secret() || found("iss")? != self.issuer {
            return Err(format!("another state or issuer: {back}").into());
        }
        Ok(Begun { code: found("code")?, verifier: verifier.into_secret(), nonce })
    }

    fn tokens(&self, visitor: &mut Visitor<'_>) -> Result<Begun, Failure> {
        let begun = self.begin(visitor)?;
        let tokens = self
            .client
            .exchange_code(AuthorizationCode::new(begun.code.clone()))?
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request(&|request| send(self.agent, request))?;
        let verifier = self.client.id_token_verifier();
        let id_token = tokens.id_token().ok_or("no ID token")?;
        let claims = id_token.claims(&verifier, &begun.nonce)?;
        if let Some(expected) = claims.access_token_hash() {
            let (algorithm, key) = (id_token.signing_alg()?, id_token.signing_key(&verifier)?);
            if AccessTokenHash::from_token(tokens.access_token(), algorithm, key)? != *expected {
                return Err("at_hash is another token's".into());
            }
        }
        let userinfo: CoreUserInfoClaims = self
            .client
            .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?
            .request(&|request| send(self.agent, request))?;
        let kept = tokens.refresh_token().ok_or("no refresh token")?;
        let renewed =
            self.client.exchange_refresh_token(kept)?.request(&|request| send(self.agent, request))?;
        if renewed.access_token().secret() == tokens.access_token().secret() {
            return Err("the refresh token gave the same access token".into());
        }
        match userinfo.email() {
            Some(email) if email.as_str() == self.email && userinfo.email_verified() == Some(true) => {
                Ok(begun)
            }
            other => Err(format!("userinfo says {other:?}").into()),
        }
    }

    fn refused(&self, code: &str, verifier: &str) -> Result<(), Failure> {
        let answer = self
            .client
            .exchange_code(AuthorizationCode::new(code.to_owned()))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
            .request(&|request| send(self.agent, request));
        match answer {
            Err(RequestTokenError::ServerResponse(said))
                if *said.error() == CoreErrorResponseType::InvalidGrant =>
            {
                Ok(())
            }
            Err(other) => Err(format!("refused, but for another reason: {other:?}").into()),
            Ok(_) => Err("tokens were issued".into()),
        }
    }
}

fn main() -> Result<(), Failure> {
    let question: Value = serde_json::from_reader(std::io::stdin())?;
    let text = |pointer: &str| {
        question.pointer(pointer).and_then(Value::as_str).ok_or(format!("the question has no {pointer}"))
    };
    let (issuer, email) = (text("/issuer")?, text("/person/username")?);
    let agent = agent(text("/ca_file")?)?;
    let mut visitor = Visitor::new(&agent, (email, text("/person/password")?));
    let metadata = CoreProviderMetadata::discover(&IssuerUrl::new(issuer.to_owned())?, &|request| {
        send(&agent, request)
    })?;
    let secret = text("/secret")?;
    let application =
        |id: &str, secret: Option<&str>, authentication: AuthType| -> Result<Application<'_>, Failure> {
            let secret = secret.map(|secret| ClientSecret::new(secret.to_owned()));
            let client =
                CoreClient::from_provider_metadata(metadata.clone(), ClientId::new(id.to_owned()), secret)
                    .set_redirect_uri(RedirectUrl::from_url(Url::parse(CALLBACK)?))
                    .set_auth_type(authentication);
            Ok(Application { agent: &agent, issuer, email, client })
        };
    let mut count = 0;
    let mut case = |name: &str, outcome: Result<(), Failure>| {
        count += 1;
        match outcome {
            Ok(()) => println!("{}", json!({"name": name, "ok": true})),
            Err(why) => println!("{}", json!({"name": name, "ok": false, "why": format!("{why}: {why:?}")})),
        }
    };

    let public = application("calendar-spa", None, AuthType::RequestBody)?;
    let used = public.tokens(&mut visitor);
    let replayed = match &used {
        Ok(used) => public.refused(&used.code, &used.verifier),
        Err(_) => Err("there is no used code".into()),
    };
    case("a_public_client_gets_tokens_for_a_code", used.map(drop));
    case("a_code_that_was_used_is_refused", replayed);
    let other = PkceCodeChallenge::new_random_sha256().1;
    let wrong = public.begin(&mut visitor).and_then(|begun| public.refused(&begun.code, other.secret()));
    case("a_wrong_verifier_is_refused", wrong);
    for (name, authentication) in [
        ("a_confidential_client_gets_tokens_by_client_secret_post", AuthType::RequestBody),
        ("a_confidential_client_gets_tokens_by_client_secret_basic", AuthType::BasicAuth),
    ] {
        let web = application("calendar-web", Some(secret), authentication)?;
        case(name, web.tokens(&mut visitor).map(drop));
    }
    println!("{}", json!({"done": count}));
    Ok(())
}
